"""What sync/store.py asks of a transaction, of both stores."""

import asyncio
import json
import time

import pytest

from storage import changes_of, revisions_of
from syncline_server.rpc.codec import LAYOUT
from syncline_server.sync.store import News, NewsQuery, StoreRejected
from waiting import turn

ODD_IDS = ["e1", "a%b_c", "E1", "é", "😀", "'; --", '"', "\\", "a b", " ", "x" * 128]


async def test_what_is_written_is_read_back_to_the_last_bit(log):
    written = [
        log.version(
            f"e{at}",
            2**53 + at,
            data=data,
            deleted=at % 2 == 1,
            created_revision=2**53 - 1,
            client_timestamp_us=at,
            session=session,
            merged_unseen=at % 3 == 1,
            digest=bytes(range(16)),
        )
        for at, (data, session) in enumerate([('{"a":"\\u0000😀é"}', ""), ("{}", "device:é"), ('{"n":1e2}', "x")])
    ]
    await log.write(*written)
    assert await log.versions(*[one.key for one in written]) == {one.key: one for one in written}


@pytest.mark.parametrize("entity_id", ODD_IDS)
async def test_entities_are_told_apart_byte_by_byte(log, entity_id: str):
    others = [log.version(one, 10 + at) for at, one in enumerate(ODD_IDS)]
    await log.write(*others)
    moved = log.version(entity_id, 100, user_id="ada", data='{"moved":1}')
    await log.write(moved)
    found = await log.versions(*[one.key for one in others])
    assert found == {one.key: moved if one.key == moved.key else one for one in others}


async def test_a_version_takes_the_place_of_the_one_before(log):
    await log.write(log.version("e1", 10), log.version("e2", 11))
    await log.write(log.version("e1", 12, created_revision=10))
    page = await log.page()
    assert [(row.entity_id, row.revision, row.created_revision) for row in changes_of(page)] == [
        ("e2", 11, 11),
        ("e1", 12, 10),
    ]


async def test_versions_of_unknown_keys_are_left_out(log):
    assert await log.versions("unknown") == {}
    assert await log.versions() == {}


async def test_large_data_is_left_out_and_read_on_its_own(log):
    exact, large = log.version("e1", 10, data='{"a":"éé"}'), log.version("e2", 11, data='{"a":"ééé"}')
    await log.write(exact, large)
    found = await log.versions(exact.key, large.key, max_inline_bytes=exact.size_bytes)
    assert (found[exact.key].data, found[large.key]) == (exact.data, large._replace(data=None))
    async with log.store.writing() as transaction:
        assert await transaction.large_data(log.project, {large.key: large.size_bytes, "unknown": 5}) == {
            large.key: large.data
        }


async def test_an_error_rolls_everything_back(log):
    await log.write(log.version("e1", 10))

    async def write_and_fail() -> None:
        async with log.store.writing() as transaction:
            await transaction.lock_head(log.project)
            await transaction.write({log.project: [log.version("e1", 20), log.version("e2", 21)]})
            await transaction.save_positions({log.project: [log.position(log.session("s"), "todo", 21)]})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await write_and_fail()
    page = await log.page(session_key=log.session("s"))
    assert (page.project_head, revisions_of(page), page.shown) == (10, [10], {})


async def test_the_head_is_the_revision_of_the_last_version(log):
    await log.write(log.version("e1", 2**53 + 1))
    async with log.store.writing() as transaction:
        assert (await transaction.lock_head(log.project)).revision == 2**53 + 1


async def test_a_commit_changes_no_row_that_others_look_at_to_find_the_head(log):
    """While somebody holds a snapshot, PostgreSQL walks over every state that such a row has had since."""
    await log.write(log.version("e1", 10))
    state = "SELECT xmin::text, * FROM heads" if log.engines.is_shared else "SELECT * FROM heads"
    async with log.engines.reading.connect() as connection:
        before = await log.engines.execute(connection, state)
        await log.write(log.version("e1", 20))
        assert await log.engines.execute(connection, state) == before
    assert (await log.page()).project_head == 20


async def test_a_head_is_never_below_its_floor(log):
    """The last versions of a log may be gone."""
    await log.write(log.version("e1", 10))
    async with log.engines.writing.begin() as connection:
        await log.engines.execute(connection, f"UPDATE heads SET head = 50 WHERE project_id = {log.project}")
    assert (await log.page()).project_head == 50
    async with log.store.writing() as transaction:
        assert (await transaction.lock_head(log.project)).revision == 50


async def test_those_who_write_beside_the_log_take_turns(log):
    async def write() -> None:
        async with log.engines.writing_alone():
            await turn()
            await log.write(log.version("e1", 10))

    async with asyncio.timeout(30):
        await asyncio.gather(write(), write())


async def test_a_new_project_has_the_head_zero(log):
    async with log.store.writing() as transaction:
        assert (await transaction.lock_head(log.project)).revision == 0


async def test_the_clock_tells_the_time_in_microseconds(log):
    async with log.store.writing() as transaction:
        locked = await transaction.lock_head(log.project)
    assert abs(locked.clock_us / 1_000_000 - time.time()) < 5


async def test_a_clock_can_be_put_in_its_place(log):
    async with log.engines.open_store(LAYOUT, lambda: 42).writing() as transaction:
        assert (await transaction.lock_head(log.project)).clock_us == 42


async def test_positions_are_kept_for_each_session_and_type(log):
    s1, s2, s3 = map(log.session, ("s1", "s2", "s3"))
    positions = [log.position(s1, "todo", 5), log.position(s1, "", 2**53 + 1), log.position(s2, "todo", 7)]
    await log.write(positions=positions)
    await log.write(positions=[log.position(s1, "todo", 3), log.position(s3, "note", 0)])
    async with log.store.writing() as transaction:
        found = await transaction.positions(log.project, [s1, s2, "unknown"])
    assert found == {s1: {"todo": 3, "": 2**53 + 1}, s2: {"todo": 7}}
    assert (await log.page(session_key=s1)).shown == {"todo": 3, "": 2**53 + 1}
    assert (await log.page(session_key="unknown")).shown == {}


@pytest.mark.parametrize(
    ("session", "after", "by_others"),
    [
        ("device:phone", 0, True),
        ("device:phone", 11, True),
        ("device:phone", 12, False),
        ("device:laptop", 9, True),
        ("device:laptop", 10, True),
        ("device:laptop", 13, False),
        ("", 12, True),
        ("", 13, False),
        ("device:watch", 13, False),
        ("device:phone", 2**62, False),
    ],
)
async def test_news_tells_the_head_and_whether_others_wrote_since(log, session: str, after: int, by_others: bool):
    await log.write(
        log.version("e1", 10),
        log.version("e2", 11, session="device:laptop"),
        log.version("e3", 12, merged_unseen=True),
        log.version("e4", 13),
        log.version("x1", 14, user_id="bob"),
    )
    query = NewsQuery("ada", session, after)
    nobody = NewsQuery("nobody'; --é😀", session, after)
    async with log.store.writing() as transaction:
        found = await transaction.news([(log.project, query), (log.project, nobody)])
    assert found == {(log.project, query): News(13, by_others), (log.project, nobody): News(0, False)}


async def test_many_values_fit_into_each_statement(log):
    many = [log.version(f"e{at}", 100 + at, data=json.dumps({"at": at})) for at in range(3000)]
    positions = [log.position(log.session(f"s{at}"), "todo", at) for at in range(600)]
    queries = [(log.project, NewsQuery("ada", f"device:{at}", at)) for at in range(600)]
    await log.write(*many, positions=positions)
    async with log.store.writing() as transaction:
        await transaction.lock_head(log.project)
        assert len(await transaction.versions(log.project, [one.key for one in many], max_inline_bytes=100)) == 3000
        assert len(await transaction.positions(log.project, [one.session_key for one in positions])) == 600
        assert set(await transaction.news(queries)) == set(queries)


async def test_a_value_that_the_database_refuses_is_told_from_a_database_that_is_away(log):
    with pytest.raises(StoreRejected):
        await log.write(log.version("e1", 10, data=None))
    await log.write(log.version("e1", 10))
    assert (await log.page()).count == 1
