"""A log of each test's own in a store of each kind, and databases with nothing in them."""

from collections.abc import AsyncIterator, Callable

import pytest

from harness import opened_engines, settings_for
from storage import Log, log_in
from syncline_server.store.engine import Engines


@pytest.fixture
async def log(shared_engines: Engines, unique: Callable[[str], str]) -> Log:
    """A log of this test's own in the shared database."""
    return await log_in(shared_engines, unique("test"))


@pytest.fixture(params=["sqlite_url", "bare_postgres_url"], ids=["sqlite", "postgresql"])
def bare_url(request: pytest.FixtureRequest) -> str:
    """A database of each kind with nothing in it."""
    url: str = request.getfixturevalue(request.param)
    return url


@pytest.fixture
async def bare_engines(bare_url: str) -> AsyncIterator[Engines]:
    """The engines of a database of each kind with nothing in it."""
    async with opened_engines(settings_for(bare_url)) as engines:
        yield engines


@pytest.fixture
async def bare_postgres(bare_postgres_url: str) -> AsyncIterator[Engines]:
    """The engines of a PostgreSQL database with nothing in it."""
    async with opened_engines(settings_for(bare_postgres_url)) as engines:
        yield engines


@pytest.fixture
async def bare_sqlite(sqlite_url: str) -> AsyncIterator[Engines]:
    """The engines of a SQLite file that is not there yet."""
    async with opened_engines(settings_for(sqlite_url)) as engines:
        yield engines
