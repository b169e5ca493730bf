"""The file of a SQLite database: that it is there, is ours alone, and stays the one that was opened."""

import fcntl
import os
import shlex
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from syncline_server.store.losses import DatabaseLost

_NAME: Final = "syncline.db"
_MAGIC: Final = b"SQLite format 3\0"
_OURS_ALONE: Final = 0o600
"""The file holds the secrets of all projects; SQLite gives its WAL the same mode."""

Identity = tuple[int, int]
"""Of a file, whatever names it has: device and inode."""


class DatabaseInUse(Exception):
    """Another server owns this SQLite file."""


class NoDatabaseFile(Exception):
    """A SQLite database cannot be at a path, or something else is there."""


class DatabaseReplaced(NoDatabaseFile, DatabaseLost):
    """The file that a server owns was removed, or another was put in its place."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"the database {path} was moved or replaced while the server ran, which has acknowledged nothing since: "
            f"to restore a copy, put it there now that the server has stopped, remove {path.name}-wal and "
            f"{path.name}-shm, and start it again; what is in {path.name}-wal belongs to the file that was there"
        )


class DatabaseMissing(NoDatabaseFile):
    """There is no SQLite database at a path."""


def file_in(data_dir: Path) -> Path:
    """Return the file of the database in a data folder."""
    return data_dir / _NAME


def check_file(path: Path) -> None:
    """Make a SQLite file and its folder, and see that nothing else is in their place. Raises NoDatabaseFile."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _OURS_ALONE)
        with open(descriptor, "rb") as file:
            head = file.read(len(_MAGIC))
        links = path.stat().st_nlink
    except OSError as error:
        raise NoDatabaseFile(f"cannot keep a database at {path}: {error.strerror}") from None
    _require_magic(path, head)
    _require_ours_alone(path)
    if links > 1:
        # SQLite would keep a WAL of its own beside each name.
        raise NoDatabaseFile(f"{path} has {links} names (hard links): remove the others, or copy it and serve the copy")


def require_file(path: Path) -> None:
    """Raise NoDatabaseFile unless there is a database at `path`, DatabaseMissing where nothing is; makes none."""
    try:
        with path.open("rb") as file:
            head = file.read(len(_MAGIC))
    except FileNotFoundError:
        raise DatabaseMissing(f"there is no database at {path.absolute()}") from None
    except OSError as error:
        raise NoDatabaseFile(f"cannot read the database at {path.absolute()}: {error.strerror}") from None
    _require_magic(path, head)


def _require_magic(path: Path, head: bytes) -> None:
    if head not in {b"", _MAGIC}:
        raise NoDatabaseFile(f"{path} is not a SQLite database")


def _require_ours_alone(path: Path) -> None:
    """Raise NoDatabaseFile where other accounts of the machine can read or write any part of the database."""
    for part in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        with suppress(FileNotFoundError):
            mode = stat.S_IMODE(part.stat().st_mode)
            if mode & ~_OURS_ALONE:
                raise NoDatabaseFile(
                    f"{part} is open to other accounts of this machine (mode {mode:04o}), and it holds the secrets of "
                    f"all projects: run `chmod 600 {shlex.quote(str(part))}`"
                )


class OwnedFile:
    """Remembers which file is at a path, since a path may come to name another one."""

    def __init__(self, path: Path) -> None:
        """Watch this path, once it is told to remember what is there."""
        self.path = path
        self._wal = Path(f"{path}-wal")
        self._identity: Identity | None = None
        self._wal_identity: Identity | None = None

    def remember(self) -> None:
        """Take the file that is there now for the right one, unless there is one already."""
        if self._identity is None:
            self._identity = _identity(self.path)

    def check(self) -> None:
        """Raise DatabaseReplaced where the path no longer names the file that was remembered."""
        if self._identity is None:
            return
        if _identity(self.path) != self._identity:
            raise DatabaseReplaced(self.path)
        self._wal_identity = _identity(self._wal)

    def set_wal_aside(self) -> None:
        """Once all connections are closed, keep the WAL from being played into another file that is there now."""
        found = _identity(self.path)
        if found not in (None, self._identity) and _identity(self._wal) == self._wal_identity is not None:
            self._wal.rename(f"{self._wal}.replaced")


def _identity(path: Path) -> Identity | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


@contextmanager
def owned(path: Path) -> Iterator[None]:
    """Own a SQLite file for the time of the block; raises DatabaseInUse when another process does."""
    with locked(path.with_suffix(".owner"), fcntl.LOCK_EX | fcntl.LOCK_NB):
        yield


@contextmanager
def locked(path: Path, how: int) -> Iterator[None]:
    """Hold a lock file for the time of the block. Raises DatabaseInUse where it is not to be waited for."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, how)
        except BlockingIOError:
            raise DatabaseInUse(str(path)) from None
        yield
    finally:
        os.close(descriptor)
