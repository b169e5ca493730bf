"""How projects and their keys are found."""

from collections.abc import Callable

from sqlalchemy import event

from syncline_server.store.engine import Engines
from syncline_server.store.registry import SqlRegistry


async def test_a_project_is_found_by_its_name_without_reading_the_others(
    shared_engines: Engines, unique: Callable[[str], str]
):
    """Each row has a secret."""
    registry, names = SqlRegistry(shared_engines), [unique("project") for _ in range(3)]
    for name in names:
        await registry.create(name)
    fetched: list[int] = []

    @event.listens_for(shared_engines.reading.sync_engine, "after_cursor_execute")
    def count(_connection: object, cursor: object, *_: object) -> None:
        fetched.append(len(cursor._rows))  # type: ignore[attr-defined]  # what the driver has handed over

    try:
        found = await registry.find_project(names[1])
    finally:
        event.remove(shared_engines.reading.sync_engine, "after_cursor_execute", count)
    assert found is not None
    assert found.name == names[1]
    assert fetched == [1]


async def test_a_name_that_no_project_has_finds_none(shared_engines: Engines, unique: Callable[[str], str]):
    assert await SqlRegistry(shared_engines).find_project(unique("nothing")) is None
