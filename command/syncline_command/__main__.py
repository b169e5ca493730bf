"""The command line: `syncline …`, or `python -m syncline_command …`."""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn

from syncline_command.parsing import Command, CommandFailed, Parser
from syncline_command.table import ENTRIES, Entry

_PROG: Final = "syncline"
_ABOUT: Final = "Syncline: a self-hosted sync server. Start with `syncline serve`."
_EXAMPLES: Final = ("syncline serve", "syncline serve --help", "syncline project create notes")
_FAILED: Final = 1
_INTERRUPTED: Final = 130


def main() -> None:
    """Run the command line, and end with its exit code."""
    # gRPC's own log lines say nothing that ours do not; it reads this when it is imported.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run the command that the arguments name and return its exit code; exits on misuse, and after showing help."""
    name, *rest = arguments or ("--help",)
    if name not in ENTRIES:
        _show_commands(_PROG, _ABOUT, _EXAMPLES, {known: entry.about for known, entry in ENTRIES.items()}, name)
    try:
        return _run(name, ENTRIES[name], rest)
    except CommandFailed as failed:
        print(f"{_PROG}: {failed}", file=sys.stderr)
        return _FAILED
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has gone; Python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED


def _run(name: str, entry: Entry, arguments: Sequence[str]) -> int:
    prog = f"{_PROG} {name}"
    try:
        found = entry.load()
        if isinstance(found, Command):
            return found(prog, arguments)
        member, *rest = arguments or ("--help",)
        if member not in found:
            _show_commands(prog, entry.about, _first_examples(found), _summaries(found), member)
        return found[member](f"{prog} {member}", rest)
    except ModuleNotFoundError as missing:
        if entry.extra is None or (missing.name or "").startswith("syncline"):
            raise
        raise CommandFailed(
            f"`{prog}` needs {missing.name}, which is not installed: pip install 'syncline[{entry.extra}]'"
        ) from None


def _show_commands(
    prog: str, about: str, examples: Sequence[str], summaries: Mapping[str, str], asked: str
) -> NoReturn:
    """Show what can be run, or the version, where that is asked for; else say that there is no such command."""
    parser = Parser(prog, about, examples)
    if prog == _PROG:
        parser.add_argument("--version", action="store_true", help="Show the version.")
    listed = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name, summary in summaries.items():
        listed.add_parser(name, prog=f"{prog} {name}", about=summary, examples=(), help=summary)
    if not asked.startswith("-"):
        parser.error(f"there is no command {asked!r}{_nearest(asked, summaries)}")
    read = parser.parse_args([asked])
    if getattr(read, "version", False):
        print(f"{_PROG} {_version()}")
        sys.exit(0)
    parser.error("a command is needed")


def _nearest(asked: str, names: Mapping[str, str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(asked, names, n=1)
    return f", did you mean {near[0]!r}?" if near else ""


def _version() -> str:
    from importlib.metadata import version

    return version("syncline")


def _summaries(commands: Mapping[str, Command]) -> dict[str, str]:
    return {name: f"{command.about.partition('. ')[0].rstrip('.')}." for name, command in commands.items()}


def _first_examples(commands: Mapping[str, Command]) -> list[str]:
    return [command.examples[0] for command in commands.values()]


if __name__ == "__main__":
    main()
