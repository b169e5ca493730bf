"""One project's log in a store under test, and the databases that stores are on."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from typing import Any

import asyncpg

from syncline.v1 import sync_pb2
from syncline_server.rpc.codec import LAYOUT
from syncline_server.store.catalogue import project_named
from syncline_server.store.engine import Engines
from syncline_server.store.looking import EngineCatalogue
from syncline_server.store.registry import SqlRegistry
from syncline_server.sync.changes import Version
from syncline_server.sync.keys import entity_key, push_key
from syncline_server.sync.reading import Page
from syncline_server.sync.store import PageQuery, RememberedPush, ShownPosition, Store, StoredPage


@dataclass(frozen=True)
class Log:
    """One project's log in a store under test."""

    store: Store
    engines: Engines
    project: int

    def version(self, entity_id: str, revision: int, **values: Any) -> Version:
        """Build a version; its data is `{}` unless given, its key that of its entity."""
        user, kind = values.get("user_id", "ada"), values.get("entity_type", "todo")
        data = values.get("data", "{}")
        made = Version(
            key=entity_key(self.project, user, kind, entity_id),
            user_id=user,
            entity_type=kind,
            entity_id=entity_id,
            deleted=False,
            data=data,
            size_bytes=len((data or "").encode()),
            revision=revision,
            created_revision=revision,
            committed_ms=revision // 1000,
            client_timestamp_us=revision,
            session="device:phone",
            merged_unseen=False,
            digest=b"\x00digest\xff",
        )
        return made._replace(**values)

    def session(self, name: str) -> str:
        """Return a session key that no other test uses."""
        return f"{self.project}/{name}"

    def position(self, session: str, entity_type: str, revision: int) -> ShownPosition:
        """Build what a device of ada's has shown."""
        return ShownPosition(session, entity_type, revision, "ada", with_device=True)

    def pushed(
        self, push_id: str, expires_at_us: int, user: str = "ada", device: str = "device:phone"
    ) -> RememberedPush:
        """Build what is remembered of a push."""
        key = push_key(self.project, user, device, push_id)
        return RememberedPush(key, user, device, push_id, b"digest", b"outcomes", expires_at_us)

    async def remember(self, *pushes: RememberedPush) -> None:
        async with self.store.writing() as transaction:
            await transaction.lock_head(self.project)
            await transaction.remember({self.project: pushes})

    async def write(self, *versions: Version, positions: Iterable[ShownPosition] = ()) -> None:
        """Write as a push does: under the lock of the head."""
        async with self.store.writing() as transaction:
            await transaction.lock_head(self.project)
            if versions:
                await transaction.write({self.project: versions})
            await transaction.save_positions({self.project: positions}) if positions else None

    async def versions(self, *keys: str, max_inline_bytes: int = 1_000_000) -> dict[str, Version]:
        async with self.store.writing() as transaction:
            await transaction.lock_head(self.project)
            return await transaction.versions(self.project, keys, max_inline_bytes=max_inline_bytes)

    async def page(self, after: int = 0, *types: str, **values: Any) -> StoredPage:
        asked = {"user_id": "ada", "limit": 100, "max_bytes": 1_000_000, **values}
        return await self.store.page(PageQuery(self.project, entity_types=types, after_revision=after, **asked))


async def log_in(engines: Engines, name: str) -> Log:
    await SqlRegistry(engines).create(name)
    project = await project_named(EngineCatalogue(engines), name)
    return Log(engines.open_store(LAYOUT), engines, project.id)


def changes_of(page: StoredPage | Page) -> Sequence[sync_pb2.Change]:
    """Return what the readers of a page get."""
    return sync_pb2.PullResponse.FromString(page.changes).changes


def revisions_of(page: StoredPage | Page) -> list[int]:
    return [change.revision for change in changes_of(page)]


def url_of(postgres: Any, name: str) -> str:
    url: str = postgres.get_uri(database=name)
    return url


async def run_sql(postgres: Any, statement: str, database: str = "postgres") -> None:
    connection = await asyncpg.connect(postgres.get_uri(database=database))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@asynccontextmanager
async def nothing_can_be_written(database_url: str) -> AsyncIterator[None]:
    """Hold what every push needs for the time of the block: SQLite's write lock, or the heads of all projects."""
    if database_url.startswith("sqlite"):
        path = database_url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
            # In a thread, since the server may be in this process, and in a transaction just now.
            await asyncio.to_thread(other.execute, "BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")
        return
    connection = await asyncpg.connect(database_url)
    try:
        async with connection.transaction():
            await connection.execute("SELECT FROM heads FOR UPDATE")
            yield
    finally:
        await connection.close()
