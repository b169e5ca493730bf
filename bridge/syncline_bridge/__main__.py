"""The command line of the bridge: one option and one environment variable for each setting."""

import inspect
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from syncline_bridge.settings import BridgeSettings

_METAVARS = {"address": "HOST:PORT", "target": "HOST:PORT", "seconds": "SECONDS", "bytes": "BYTES"}

_HELP = """Translate documented JSON sync protocols over HTTP to the Syncline server's gRPC.

\b
Examples:
  python -m syncline_bridge
  python -m syncline_bridge --http-address 0.0.0.0:8080 --grpc-target sync.internal:50051
  SYNCLINE_CORS_ORIGINS=https://app.example python -m syncline_bridge --log-format console
"""


def bridge(**options: str | None) -> None:
    """Serve until SIGTERM or SIGINT."""
    import uvloop

    from syncline_bridge import app, logs, parent

    settings = _settings({name: value for name, value in options.items() if value is not None})
    logs.configure(settings.log_level, settings.log_format)
    try:
        if settings.exit_with_parent:
            parent.exit_with_parent()
        uvloop.run(app.run(settings))
    except OSError as error:
        typer.echo(f"Error: cannot serve on {settings.http_address}: {error}", err=True)
        raise typer.Exit(1) from None


def main() -> None:
    """Run the command."""
    command = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    bridge.__signature__ = inspect.Signature(_parameters())  # type: ignore[attr-defined]  # what Typer reads
    command.command(help=_HELP)(bridge)
    command(prog_name="python -m syncline_bridge")


def _parameters() -> list[inspect.Parameter]:
    return [_parameter(name, field) for name, field in BridgeSettings.model_fields.items()]


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    option = typer.Option(
        help=field.description,
        envvar=f"SYNCLINE_{name.upper()}",
        metavar=_METAVARS.get(name.rsplit("_", 1)[-1], "VALUE"),
        show_default=_shown(field.default),
    )
    # Text all of them: the settings read it, with the same rules as the environment.
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[str | None, option]
    )


def _shown(default: Any) -> str:
    return "none" if default == () else str(default).lower() if isinstance(default, bool) else str(default)


def _settings(options: dict[str, str]) -> BridgeSettings:
    try:
        return BridgeSettings.model_validate(options)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors()]
        raise typer.BadParameter("; ".join(problems)) from None


if __name__ == "__main__":
    main()
