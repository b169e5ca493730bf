"""A real bridge on a real server, on each database; tests keep apart by their users."""

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bridge.bridged import Bridged, bridged_on
from harness import make_project, settings_for, started_server
from storage import run_sql, url_of


@pytest.fixture(scope="session")
async def shared_postgres_url(postgres: Any, postgres_template: str) -> AsyncIterator[str]:
    name = f"t{uuid.uuid4().hex[:16]}"
    await run_sql(postgres, f"CREATE DATABASE {name} TEMPLATE {postgres_template}")
    yield url_of(postgres, name)
    await run_sql(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def shared_sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('bridged') / 'syncline.db'}"


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def shared_database_url(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(f"shared_{request.param}_url")
    return url


@pytest.fixture(scope="session")
async def bridged(shared_database_url: str) -> AsyncIterator[Bridged]:
    """A bridge and a server that all tests share."""
    settings = settings_for(shared_database_url)
    # The database outlives this fixture, which is made again when the order of tests changes its parameter.
    project = await make_project(settings, f"project-{uuid.uuid4().hex[:8]}")
    async with started_server(settings, project) as server, bridged_on(server) as running:
        yield running


@pytest.fixture
def user() -> str:
    """A user of this test's own."""
    return f"user-{uuid.uuid4().hex[:12]}"
