"""How projects and their keys are looked up, in a database that is open and in one that is only looked at."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import event

from harness import make_project, settings_for
from syncline_server.identity.projects import KeyKind, NoSuchProject
from syncline_server.store.catalogue import Catalogue, all_projects, keys_of, project_named
from syncline_server.store.engine import Engines
from syncline_server.store.looking import EngineCatalogue, opened_catalogue
from syncline_server.store.registry import SqlRegistry
from syncline_server.store.sqlite.file import NoDatabaseFile
from syncline_server.store.wanted_schema import SchemaNotCurrent
from syncline_server.sync.errors import StoreUnavailable

NOWHERE = Path("nowhere")


@pytest.fixture(params=["open", "looked at"])
async def catalogue(engines: Engines, database_url: str, request: pytest.FixtureRequest) -> AsyncIterator[Catalogue]:
    if request.param == "open":
        yield EngineCatalogue(engines)
        return
    async with opened_catalogue(database_url, NOWHERE) as looked_at:
        yield looked_at


async def test_projects_and_keys_are_found(engines: Engines, catalogue: Catalogue):
    made = [await SqlRegistry(engines).create(name) for name in ("one", "two")]
    assert [project.name for project in await all_projects(catalogue)] == ["one", "two"]
    two = await project_named(catalogue, "two")
    third = await SqlRegistry(engines).add_key(two, KeyKind.SERVER)
    keys = await keys_of(catalogue, two)
    assert {key.id for key in keys} == {made[1].client_key.id, made[1].server_key.id, third.id}
    assert sorted(key.kind for key in keys) == [KeyKind.CLIENT, KeyKind.SERVER, KeyKind.SERVER]
    found = await SqlRegistry(engines).find_key(third.id)
    assert found is not None
    assert (found.project, found.kind) == (two, KeyKind.SERVER)


async def test_a_name_that_no_project_has_finds_none(catalogue: Catalogue):
    with pytest.raises(NoSuchProject, match="nothing"):
        await project_named(catalogue, "nothing")


async def test_a_project_is_found_by_its_name_without_reading_the_others(
    shared_engines: Engines, unique: Callable[[str], str]
):
    """Each row has a secret."""
    names = [unique("project") for _ in range(3)]
    for name in names:
        await SqlRegistry(shared_engines).create(name)
    fetched: list[int] = []

    @event.listens_for(shared_engines.reading.sync_engine, "after_cursor_execute")
    def count(_connection: object, cursor: object, *_: object) -> None:
        fetched.append(len(cursor._rows))  # type: ignore[attr-defined]  # what the driver has handed over

    try:
        found = await project_named(EngineCatalogue(shared_engines), names[1])
    finally:
        event.remove(shared_engines.reading.sync_engine, "after_cursor_execute", count)
    assert found.name == names[1]
    assert fetched == [1]


async def test_where_there_is_no_database_none_is_made(tmp_path: Path):
    folder = tmp_path / "data"
    for url in (None, f"sqlite:///{folder / 'syncline.db'}", f"sqlite:///{folder / 'syncline.db'}?timeout=3"):
        with pytest.raises(NoDatabaseFile, match=str(folder / "syncline.db")):
            async with opened_catalogue(url, folder):
                pass
    assert not list(tmp_path.iterdir())


async def test_what_is_no_database_or_an_old_one_is_refused(tmp_path: Path):
    file = tmp_path / "file"
    for content, error in ((b"", SchemaNotCurrent), (b"longer than the head of a database" * 9, NoDatabaseFile)):
        file.write_bytes(content)
        with pytest.raises(error):
            async with opened_catalogue(f"sqlite:///{file}", NOWHERE):
                pass
        assert file.read_bytes() == content


async def test_a_file_that_is_looked_at_cannot_be_changed(sqlite_url: str):
    await make_project(settings_for(sqlite_url))
    async with opened_catalogue(sqlite_url, NOWHERE) as looked_at:
        with pytest.raises(StoreUnavailable):
            await looked_at.rows("DELETE FROM projects")
