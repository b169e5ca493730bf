"""What copying a database to a file, and back, is to those who ask for it; sqlite/ and postgresql/ each do it."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

Report = Callable[[int, int], None]
"""Told of progress: so many bytes of so many; the latter are an estimate."""


class CopyRefused(Exception):
    """A copy cannot be made or put in place; says why and what to do, and nothing has changed."""


class Copies(ABC):
    """Copies of one database. Its methods block, for as long as it takes to write the database once."""

    @abstractmethod
    def back_up(self, into: Path, report: Report) -> None:
        """Write a copy of one moment to a new file, beside servers, and look through it. Raises CopyRefused."""

    @abstractmethod
    def restore(self, backup: Path, report: Report) -> str:
        """Put a copy in the place of the database; returns what became of the one that was there, for the operator.

        Raises CopyRefused, and DatabaseInUse while a server lives.
        """


def check_new(into: Path) -> None:
    """Raise CopyRefused where there is something at a path already, or no folder for it."""
    if into.exists():
        raise CopyRefused(f"{into} is there already: name another file, or remove it")
    if not into.parent.is_dir():
        raise CopyRefused(f"there is no folder {into.parent}")


def check_backup(backup: Path) -> None:
    """Raise CopyRefused unless there is a file."""
    if not backup.is_file():
        raise CopyRefused(f"there is no file {backup}")
