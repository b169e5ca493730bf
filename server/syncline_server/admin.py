"""What the commands do that come and go: migrations, projects, tokens, epochs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from syncline_server.identity.projects import Project, check_project_name
from syncline_server.identity.session_tokens import issue_token
from syncline_server.settings import ServerSettings
from syncline_server.store import epochs as store_epochs
from syncline_server.store import schema
from syncline_server.store.clock import system_clock_us
from syncline_server.store.database import database
from syncline_server.store.engine import Engines
from syncline_server.store.epochs import RecordedEpoch
from syncline_server.store.opening import opened_engines, prepare_schema
from syncline_server.store.registry import NewProject, SqlRegistry


class NoSuchProject(Exception):
    """There is no project of this name."""


async def migrate(settings: ServerSettings) -> str:
    """Bring the schema up to date and return its revision."""
    async with opened_engines(database(settings.database, settings.data_dir)) as engines:
        with engines.writing_alone():
            return await schema.migrate(engines)


async def create_project(settings: ServerSettings, name: str) -> NewProject:
    """Make a project. Raises ProjectExists and RequestInvalid."""
    check_project_name(name)
    async with _registry(settings) as (registry, engines):
        with engines.writing_alone():
            return await registry.create(name)


async def projects(settings: ServerSettings) -> list[Project]:
    """Return all projects."""
    async with _registry(settings) as (registry, _):
        return await registry.projects()


async def project(settings: ServerSettings, name: str) -> Project:
    """Return a project. Raises NoSuchProject."""
    async with _registry(settings) as (registry, _):
        found = await registry.find_project(name)
    if found is None:
        raise NoSuchProject(name)
    return found


async def token(
    settings: ServerSettings, name: str, user: str, ttl_seconds: int, device: str | None, scope: str | None
) -> str:
    """Return a session token. Raises NoSuchProject and RequestInvalid."""
    secret = (await project(settings, name)).session_secret
    return issue_token(secret, user, ttl_seconds=ttl_seconds, device_id=device, scope=scope)


async def new_epoch(settings: ServerSettings) -> RecordedEpoch:
    """Begin an epoch, beside a server that may be running."""
    async with _registry(settings) as (_, engines):
        with engines.writing_alone():
            return await store_epochs.begin_by_hand(engines, system_clock_us)


async def epochs(settings: ServerSettings) -> list[RecordedEpoch]:
    """Return all epochs, oldest first."""
    async with _registry(settings) as (_, engines):
        return await store_epochs.recorded(engines)


@asynccontextmanager
async def _registry(settings: ServerSettings) -> AsyncIterator[tuple[SqlRegistry, Engines]]:
    async with opened_engines(database(settings.database, settings.data_dir)) as engines:
        await prepare_schema(engines)
        yield SqlRegistry(engines), engines
