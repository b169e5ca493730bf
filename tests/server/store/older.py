"""Databases as versions before left them: made by the migrations of then, filled as their servers did."""

from typing import Any

from sqlalchemy import text

from syncline_server.store.engine import Engines
from syncline_server.store.migrations.upgrade import upgrade
from syncline_server.sync.changes import Version

SECRET = "the session secret of a project of long ago"
OWNER_CHARACTERS = 8
_NAMES = [name for name in Version._fields if name not in {"key", "committed_ms"}]
COLUMNS = ["project_id", "entity_key", *_NAMES, "opening"]


async def make_schema(engines: Engines, revision: str) -> None:
    """Make an empty database of a schema before."""
    async with engines.writing.begin() as connection:
        await connection.run_sync(upgrade, revision)


async def run(engines: Engines, statement: str, rows: list[dict[str, Any]] | None = None) -> list[Any]:
    async with engines.writing.begin() as connection:
        result = await connection.execute(text(statement), *([rows] if rows is not None else []))
        return list(result.all()) if result.returns_rows else []


async def make_project(engines: Engines, name: str = "old", head: int = 0) -> int:
    """Make a project as 0003 has them, and the epoch it is in."""
    await run(engines, "INSERT INTO epochs VALUES (1, 4711, 1700000000000000, 'made', '')")
    await run(
        engines,
        "INSERT INTO projects (name, head, session_secret, created_at_us, epoch_id)"
        " VALUES (:name, :head, :secret, 1700000000000000, 4711)",
        [{"name": name, "head": head, "secret": SECRET}],
    )
    ((project_id,),) = await run(engines, "SELECT max(id) FROM projects")
    return int(project_id)


async def write(engines: Engines, project_id: int, versions: list[tuple[Version, bytes]]) -> None:
    """Put versions with their openings into a database of 0003."""
    values = ", ".join(f":{column}" for column in COLUMNS)
    rows = [dict(zip(COLUMNS, row_of(project_id, *one), strict=True)) for one in versions]
    await run(engines, f"INSERT INTO entities ({', '.join(COLUMNS)}) VALUES ({values})", rows)


def row_of(project_id: int, version: Version, opening: bytes) -> tuple[Any, ...]:
    """Return what 0003 has of a version, in the order of COLUMNS."""
    return project_id, version.key[OWNER_CHARACTERS:], *[getattr(version, name) for name in _NAMES], opening
