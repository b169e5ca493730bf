"""How every command reads its arguments, and how its help and its refusals look."""

import argparse
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, NoReturn

_WIDTH: Final = 100
_HELP_COLUMN: Final = 30
_MISUSED: Final = 2
_LARGEST_NUMBER: Final = 100_000


class CommandFailed(Exception):
    """What a command could not do, as a sentence for its user."""


class CommandMisused(CommandFailed):
    """Its options do not fit; the sentence names them."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command: what it is for, its options, and what it does with them."""

    about: str
    """Its first sentence is what lists of commands show."""
    examples: tuple[str, ...]
    add_options: Callable[["Parser"], None]
    run: Callable[[argparse.Namespace], int | None]
    """Returns the exit code, None for 0; raises CommandFailed."""

    def __call__(self, prog: str, arguments: Sequence[str]) -> int:
        """Read the arguments and run; exits on misuse, and after showing the help."""
        parser = Parser(prog, self.about, self.examples)
        self.add_options(parser)
        read = parser.parse_args(arguments)
        try:
            return self.run(read) or 0
        except CommandMisused as misused:
            parser.error(str(misused))


class Parser(argparse.ArgumentParser):
    """Options in one style: written in full, described with their variable and their default."""

    def __init__(self, prog: str, about: str, examples: Sequence[str]) -> None:
        super().__init__(
            prog=prog,
            description="\n\n".join(textwrap.fill(paragraph, _WIDTH) for paragraph in about.split("\n\n")),
            epilog="\n  ".join(("examples:", *examples)),
            formatter_class=partial(argparse.RawDescriptionHelpFormatter, width=_WIDTH, max_help_position=_HELP_COLUMN),
            allow_abbrev=False,
            add_help=False,
        )
        self.add_argument("-h", "--help", action="help", help="Show this help.")

    def option(
        self,
        *names: str,
        about: str,
        metavar: str,
        variable: str | None = None,
        default: str | None = None,
        required: bool = False,
    ) -> None:
        """Add an option with a value; `variable` and `default` are only described."""
        self.add_argument(*names, metavar=metavar, required=required, help=described(about, variable, default))

    def flag(self, *names: str, about: str) -> None:
        """Add an option without a value."""
        self.add_argument(*names, action="store_true", help=described(about))

    def error(self, message: str) -> NoReturn:
        """Refuse the arguments in a sentence."""
        self.exit(_MISUSED, f"{self.prog}: {message}; see `{self.prog} --help`\n")


def described(about: str, variable: str | None = None, default: str | None = None) -> str:
    """Return the help of an option, with its variable and its default."""
    notes = [f"env: {variable}"] * (variable is not None) + [f"default: {default}"] * (default is not None)
    text = f"{about}  [{'; '.join(notes)}]" if notes else about
    return text.replace("%", "%%")  # argparse formats it


def whole_number(text: str) -> int:
    """Read the value of an option that is a number from 0 to 100,000."""
    if not text.isascii() or not text.isdigit() or int(text) > _LARGEST_NUMBER:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to {_LARGEST_NUMBER}")
    return int(text)
