"""What sync/store.py asks of a look-up by keys, of both stores."""

import pytest
from sqlalchemy import text

from storage import Log
from syncline.v1 import sync_pb2
from syncline_server.sync.lookup import EntitiesQuery, StoredEntities

Changes = list[sync_pb2.Change]


async def look_up(log: Log, *ids: str, max_bytes: int = 1_000_000) -> tuple[Changes, StoredEntities]:
    keys = tuple(log.version(one, 1).key for one in ids)
    found = await log.store.entities(EntitiesQuery(log.project, "ada", keys, max_bytes))
    return list(sync_pb2.GetResponse.FromString(found.changes).changes), found


async def test_versions_come_in_the_order_of_their_keys_and_what_never_was_is_left_out(log: Log) -> None:
    await log.write(
        log.version("new", 11, data='{"n":1.10}'),
        log.version("changed", 12, created_revision=5),
        log.version("gone", 13, deleted=True),
        log.version("other", 14, user_id="bob"),
    )
    changes, found = await look_up(log, "gone", "never", "new", "other", "changed")
    assert [one.entity_id for one in changes] == ["gone", "new", "changed"]
    assert [one.action for one in changes] == [sync_pb2.ACTION_DELETE, sync_pb2.ACTION_CREATE, sync_pb2.ACTION_UPDATE]
    assert changes[1].data == b'{"n":1.10}'
    assert (found.user_head, found.looked_at) == (13, 5)


async def test_of_no_keys_there_is_the_head(log: Log) -> None:
    await log.write(log.version("e", 11))
    assert (await look_up(log))[1] == StoredEntities(b"", 11, 0)


@pytest.mark.parametrize(
    ("max_bytes", "read"), [(1, 1), (20_000, 1), (21_000, 2), (43_000, 4), (1_000_000, 5)], ids=str
)
async def test_it_is_cut_by_size_after_one_at_least(log: Log, max_bytes: int, read: int) -> None:
    data = '{"x":"' + "x" * 10_000 + '"}'
    await log.write(*[log.version(f"e{at}", at, data=data) for at in (11, 12, 13, 14, 15)])
    ids = [f"e{at}" for at in (15, 13, 14, 12, 11)]
    changes, found = await look_up(log, *ids, max_bytes=max_bytes)
    assert [one.entity_id for one in changes] == ids[:read]
    assert found.looked_at == read


async def test_what_is_not_there_has_been_looked_at_too(log: Log) -> None:
    data = '{"x":"' + "x" * 10_000 + '"}'
    await log.write(*[log.version(f"e{at}", at, data=data) for at in (11, 12)])
    assert (await look_up(log, "never", "e11", "nor", "e12", "neither", max_bytes=11_000))[1].looked_at == 3
    assert (await look_up(log, "e11", "never", max_bytes=11_000))[1].looked_at == 2


async def test_a_thousand_keys_are_looked_up_at_once(log: Log) -> None:
    await log.write(*[log.version(f"e{at}", at) for at in range(1, 1001)])
    ids = [f"e{at}" for at in range(1000, 0, -1)]
    changes, found = await look_up(log, *ids)
    assert [one.entity_id for one in changes] == ids
    assert found.looked_at == 1000


async def test_rows_that_a_migration_has_not_come_to_yet_are_found(log: Log) -> None:
    if not log.engines.is_shared:
        pytest.skip("SQLite migrates all rows at once")
    data = '{"x":"' + "x" * 10_000 + '"}'
    await log.write(*[log.version(f"e{at}", at, data=data) for at in (11, 12, 13)])
    async with log.engines.writing.begin() as connection:
        of_project = {"project": log.project}
        older = "UPDATE entities SET entity_key = substr(entity_key, 9) WHERE project_id = :project AND revision <> 12"
        await connection.execute(text(older), of_project)
        await connection.execute(text("UPDATE heads SET rows_schema = '0003' WHERE project_id = :project"), of_project)
    changes, found = await look_up(log, "e13", "e12", "never", "e11", max_bytes=21_000)
    assert [one.entity_id for one in changes] == ["e13", "e12"]
    assert found.looked_at == 3
