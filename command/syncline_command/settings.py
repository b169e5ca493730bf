"""The settings of a process as options of its command, and back: each is an option and a variable."""

import argparse
from collections.abc import Collection, Mapping
from typing import Any, Final, Literal, TypeVar, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from syncline_command.parsing import CommandMisused, Parser, described

_METAVARS: Final = {
    "address": "HOST:PORT",
    "target": "HOST:PORT",
    "seconds": "SECONDS",
    "bytes": "BYTES",
    "dir": "DIR",
    "database": "URL",
    "origins": "ORIGINS",
    "proxies": "NETWORKS",
}
_PYDANTIC_PREFIX: Final = "Value error, "

Settings = TypeVar("Settings", bound=BaseSettings)


def add_settings(parser: Parser, settings: type[BaseSettings], without: Collection[str] = ()) -> None:
    """Add an option for each field, but for those of these names."""
    parser.usage = "%(prog)s [OPTION]…"  # a list of all of them hides what the command is for
    for name, field in settings.model_fields.items():
        if name not in without:
            _add_setting(parser, name, field)


def read_settings(settings: type[Settings], arguments: argparse.Namespace) -> Settings:
    """Return the settings: options over the environment over defaults. Raises CommandMisused."""
    given = given_settings(settings, arguments)
    try:
        return settings(**given)
    except ValidationError as error:
        raise CommandMisused("; ".join(_problem(problem, given) for problem in error.errors())) from None


def given_settings(settings: type[BaseSettings], arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what options say, by field."""
    values = {name: getattr(arguments, name, None) for name in settings.model_fields}
    return {name: _joined(value) for name, value in values.items() if value is not None}


def environment_of(values: Mapping[str, Any]) -> dict[str, str]:
    """Return fields and their values as the variables that set them in another process."""
    return {_variable(name): str(_joined(value)) for name, value in values.items()}


def _add_setting(parser: Parser, name: str, field: FieldInfo) -> None:
    about = described(field.description or "", _variable(name), _shown(field.default))
    if field.annotation is bool:
        # `--no-http` has no opposite; a switch that is on has to have one.
        action = "store_true" if name.startswith("no_") else argparse.BooleanOptionalAction
        parser.add_argument(_option(name), dest=name, action=action, default=None, help=about)
    elif get_origin(field.annotation) is tuple:
        # One at a time, or a list as in the environment.
        names = (_option(name), _option(_one_of(name)))
        parser.add_argument(*names, dest=name, action="append", metavar=_metavar(name, field), help=about)
    else:
        # Text: the settings read it with the same rules as the environment.
        parser.add_argument(_option(name), dest=name, metavar=_metavar(name, field), help=about)


def _one_of(name: str) -> str:
    return f"{name.removesuffix('ies')}y" if name.endswith("ies") else name.removesuffix("s")


def _joined(value: Any) -> Any:
    return ",".join(value) if isinstance(value, list | tuple) else value


def _metavar(name: str, field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        return "|".join(get_args(field.annotation))
    return _METAVARS.get(name.rpartition("_")[2], "N" if field.annotation in {int, float} else "VALUE")


def _shown(default: Any) -> str | None:
    if default is None or default == ():
        return None
    return str(default).lower() if isinstance(default, bool) else str(default)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _variable(name: str) -> str:
    return f"SYNCLINE_{name.upper()}"


def _problem(problem: Any, given: Mapping[str, Any]) -> str:
    name = str(problem["loc"][0])
    return f"{_option(name) if name in given else _variable(name)}: {problem['msg'].removeprefix(_PYDANTIC_PREFIX)}"
