"""What copying a database to a file, and back, is to those who ask for it; sqlite/ and postgresql/ each do it."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_OURS_ALONE: Final = 0o600

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


@contextmanager
def made(unfinished: Path) -> Iterator[None]:
    """Make a file that only its owner can read, as it holds the secrets of all projects; leave none when it is over.

    A copy that is whole has another name by then. Raises CopyRefused for what the file system refuses.
    """
    unfinished.unlink(missing_ok=True)
    try:
        os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _OURS_ALONE))
        yield
    except OSError as error:
        raise CopyRefused(f"cannot write {error.filename or unfinished}: {error.strerror}") from error
    finally:
        unfinished.unlink(missing_ok=True)


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
