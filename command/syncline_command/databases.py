"""How commands work on a database: opened for one piece of work, with what goes wrong said in a sentence."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from syncline_command.options import Place
from syncline_command.parsing import CommandFailed
from syncline_server.store.looking import opened_catalogue

if TYPE_CHECKING:
    from syncline_server.store.catalogue import Catalogue
    from syncline_server.store.database import Database
    from syncline_server.store.engine import Engines
    from syncline_server.store.looking import EngineCatalogue
    from syncline_server.store.registry import SqlRegistry

    Opened = Callable[[Database], AbstractAsyncContextManager[Engines]]

_WHERE_TO_LOOK: Final = "name another with --data-dir or --database, or make one with `syncline serve`"

T = TypeVar("T")


def look(place: Place, work: "Callable[[Catalogue], Awaitable[T]]") -> T:
    """Look something up in a database; makes none. Raises CommandFailed."""

    async def looked() -> T:
        async with opened_catalogue(place.database, place.data_dir) as catalogue:
            return await work(catalogue)

    with explained(place):
        return asyncio.run(looked())


def ask(place: Place, work: "Callable[[Engines], Awaitable[T]]") -> T:
    """Ask a database what its catalogue does not tell; makes none. Raises CommandFailed."""
    from syncline_server.store.opening import existing_engines

    return _work(place, existing_engines, work)


def change(place: Place, work: "Callable[[Engines], Awaitable[T]]", opened: "Opened | None" = None) -> T:
    """Change a database, beside the server that may own it; makes none unless `opened` does. Raises CommandFailed."""
    from syncline_server.store.opening import existing_engines

    async def alone(engines: "Engines") -> T:
        async with engines.writing_alone():
            return await work(engines)

    return _work(place, opened or existing_engines, alone)


def registry_of(engines: "Engines") -> "tuple[SqlRegistry, EngineCatalogue]":
    """Return what changes the projects of an open database, and what looks them up."""
    from syncline_server.store.looking import EngineCatalogue
    from syncline_server.store.registry import SqlRegistry

    return SqlRegistry(engines, by_command()), EngineCatalogue(engines)


def by_command() -> str:
    """Return who runs this command, for the audit: the account of this machine."""
    import getpass

    try:
        return f"command:{getpass.getuser()}"
    except (KeyError, OSError):  # in a container, an account may have no name
        import os

        return f"command:{os.getuid()}"


def _work(place: Place, opened: "Opened", work: "Callable[[Engines], Awaitable[T]]") -> T:
    from syncline_server.store.database import database

    async def worked() -> T:
        async with opened(database(place.database, place.data_dir)) as engines:
            return await work(engines)

    with explained(place):
        return asyncio.run(worked())


@contextmanager
def explained(place: Place) -> Iterator[None]:
    """Turn what a user can mend about a database, or about what he asked of it, into CommandFailed."""
    try:
        yield
    except Exception as error:
        sentence = _sentence(error, place)
        if sentence is None:
            raise
        raise CommandFailed(sentence) from error


def _sentence(error: Exception, place: Place) -> str | None:
    """Return what to tell the user; None: it is a defect."""
    from syncline_server.identity.operators import NoSuchOperator
    from syncline_server.identity.projects import NoSuchKey, NoSuchProject, ProjectDeleting, ProjectExists
    from syncline_server.store.copies import CopyRefused
    from syncline_server.store.sqlite.file import DatabaseInUse, DatabaseMissing, NoDatabaseFile
    from syncline_server.store.urls import DatabaseUrlInvalid
    from syncline_server.store.wanted_schema import MigrationRefused, SchemaNotCurrent
    from syncline_server.sync.errors import RequestInvalid, StoreUnavailable

    sentence = None
    match error:
        case DatabaseMissing():
            sentence = f"{error}; {_WHERE_TO_LOOK}"
        case DatabaseInUse():
            sentence = "another Syncline server owns this SQLite database; for several servers use PostgreSQL"
        case StoreUnavailable():
            cause = error.__cause__
            sentence = f"cannot reach the database {_shown(place)}: {getattr(cause, 'orig', None) or cause}"
        case ProjectExists():
            sentence = f"there is a project {error} in {_shown(place)} already"
        case ProjectDeleting():
            sentence = f"the project {error} is being deleted, which has no way back"
        case NoSuchOperator():
            sentence = f"there is no operator {error} that is in force; `syncline operator list` lists those there are"
        case NoSuchKey():
            sentence = f"the project has no key {error} that is in force; `syncline key list` lists those there are"
        case NoSuchProject():
            sentence = f"there is no project {error} in {_shown(place)}; `syncline project list` lists those there are"
        case (
            CopyRefused()
            | DatabaseUrlInvalid()
            | NoDatabaseFile()
            | SchemaNotCurrent()
            | MigrationRefused()
            | RequestInvalid()
        ):
            sentence = str(error)
    return sentence


def _shown(place: Place) -> str:
    """Name a database, without its password."""
    from syncline_server.store.database import database

    if place.database is None:
        return str(place.data_dir.absolute())
    return str(database(place.database, place.data_dir))
