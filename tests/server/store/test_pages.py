"""What sync/store.py asks of a page, of both stores."""

import asyncio

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from storage import changes_of, revisions_of
from syncline.v1 import sync_pb2
from syncline_server.rpc.codec import LAYOUT
from syncline_server.store.catalogue import project_named
from syncline_server.store.looking import EngineCatalogue
from syncline_server.store.registry import SqlRegistry
from syncline_server.sync.changes import Version
from syncline_server.sync.store import PageQuery
from waiting import turn

TYPES = ["todo", "Todo", "t%", "t_", "to.do", "to-do", "_"]


async def test_a_page_carries_a_version_as_it_was_written(log):
    version = log.version("e1", 2**53 + 1, data='{"a":"\\u0000"}', deleted=True, created_revision=7)
    await log.write(version)
    (change,) = changes_of(await log.page())
    assert change == sync_pb2.Change(
        user_id="ada",
        entity_type="todo",
        entity_id="e1",
        action=sync_pb2.ACTION_DELETE,
        data=b'{"a":"\\u0000"}',
        client_timestamp=Timestamp(seconds=9007199254, nanos=740993000),
        revision=2**53 + 1,
        created_revision=7,
    )


async def test_a_page_starts_after_its_position_and_goes_by_revision(log):
    await log.write(*[log.version(f"e{revision}", revision) for revision in (14, 10, 13, 11, 12)])
    assert revisions_of(await log.page(11)) == [12, 13, 14]
    assert (await log.page(14)).changes == b""
    assert (await log.page(2**62)).changes == b""


async def test_a_page_may_begin_later_than_its_position_which_still_decides_actions_and_total(log):
    await log.write(*[log.version(f"e{at}", at, created_revision=12) for at in (11, 12, 13, 14)])
    page = await log.page(11, start_revision=12, include_total=True)
    assert revisions_of(page) == [13, 14]
    assert {change.action for change in changes_of(page)} == {sync_pb2.ACTION_CREATE}
    assert page.total == 3


@pytest.mark.parametrize(
    ("limit", "skip", "revisions", "cut"),
    [
        (2, 0, [10, 11], True),
        (4, 0, [10, 11, 12, 13], True),
        (5, 0, [10, 11, 12, 13, 14], False),
        (6, 0, [10, 11, 12, 13, 14], False),
        (2, 2, [12, 13], True),
        (2, 3, [13, 14], False),
        (2, 5, [], False),
        (2, 2_000_000_000, [], False),
        (0, 0, [], False),
    ],
)
async def test_a_page_is_cut_where_there_is_one_more(log, limit: int, skip: int, revisions: list[int], cut: bool):
    await log.write(*[log.version(f"e{revision}", revision) for revision in range(10, 15)])
    page = await log.page(limit=limit, skip=skip)
    assert (revisions_of(page), page.cut) == (revisions, cut)
    assert (page.project_head, page.user_head) == (14, 14)


@pytest.mark.parametrize("factor", [10, 1000])
@pytest.mark.parametrize(
    ("sizes", "max_bytes", "rows", "cut"),
    [
        ([20, 20, 20], 60, 3, False),
        ([20, 20, 20], 59, 2, True),
        ([20, 20, 20], 40, 2, True),
        ([20, 20, 20], 39, 1, True),
        ([50, 20, 20], 40, 1, True),
        ([50], 40, 1, False),
        ([20, 50, 20], 40, 1, True),
        ([20, 50], 40, 1, True),
    ],
)
async def test_a_page_is_cut_by_bytes_but_never_empty(
    log, sizes: list[int], max_bytes: int, rows: int, cut: bool, factor: int
):
    await log.write(*[sized(log, f"e{at}", 10 + at, size * factor) for at, size in enumerate(sizes)])
    page = await log.page(max_bytes=max_bytes * factor)
    assert (page.count, page.cut) == (rows, cut)
    assert len(page.changes) == sum(sizes[:rows]) * factor
    recent = await log.store.recent(log.project, 0, 100, max_bytes * factor)
    assert rows <= len(recent.versions) <= rows + (max_bytes in {59, 39}), "a closing is two bytes"


def sized(log, entity_id: str, revision: int, size_bytes: int) -> Version:
    """Return a version that takes so many bytes of a page; é is two of them."""
    version = log.version(entity_id, revision, data='{"é":""}')
    for _ in range(3):  # a longer length takes a byte more itself
        fill = size_bytes - len(LAYOUT.opening(version)) - 9 - 2
        version = log.version(entity_id, revision, data='{"é":"' + "x" * fill + '"}')
    return version


@pytest.mark.parametrize("max_bytes", [2495, 2500, 2549, 12_450, 12_500])
async def test_what_a_session_has_shown_does_not_count_as_bytes_of_the_page(log, max_bytes: int):
    """A page once ended, uncut, where a chunk of rows and the header were together over the limit."""
    positions = [log.position(log.session("s"), f"type{at}", at) for at in range(50)]
    await log.write(*[sized(log, f"e{at}", 10 + at, 50) for at in range(600)], positions=positions)
    page = await log.page(limit=1000, max_bytes=max_bytes, session_key=log.session("s"))
    assert (page.count, page.cut) == (max_bytes // 50, True)


async def test_paging_by_tight_limits_meets_every_version_once(log):
    await log.write(*[log.version(f"e{at}", 10 + at, data='{"a":"' + "x" * (at % 40) + '"}') for at in range(300)])
    position, met = 0, []
    while True:
        page = await log.page(position, limit=7, max_bytes=400)
        met += revisions_of(page)
        if not page.cut:
            break
        position = page.last_revision
    assert met == list(range(10, 310))


@pytest.mark.parametrize("entity_type", TYPES)
async def test_types_are_filtered_by_equality(log, entity_type: str):
    await log.write(*[log.version("e1", 10 + at, entity_type=one) for at, one in enumerate(TYPES)])
    page = await log.page(0, entity_type, "unknown")
    assert [one.entity_type for one in changes_of(page)] == [entity_type]
    assert (await log.page(0, *TYPES)).changes == (await log.page()).changes
    assert (await log.page(0, "t", "o", "unknown", "%", "")).changes == b""


async def test_a_page_of_a_rare_type_is_complete_up_to_the_users_head(log):
    await log.write(log.version("e1", 10, entity_type="rare"), *[log.version(f"e{at}", at) for at in range(11, 50)])
    page = await log.page(10, "rare")
    assert (page.changes, page.cut, page.user_head, page.project_head) == (b"", False, 49, 49)


async def test_users_do_not_see_each_other_and_all_users_are_everybody(log):
    await log.write(log.version("e1", 10), log.version("e1", 11, user_id="bob"), log.version("e1", 12, user_id="Ada"))
    ada, everybody, nobody = await log.page(), await log.page(user_id=None), await log.page(user_id="nobody")
    assert ([one.user_id for one in changes_of(ada)], ada.user_head, ada.project_head) == (["ada"], 10, 12)
    assert ([one.user_id for one in changes_of(everybody)], everybody.user_head) == (["ada", "bob", "Ada"], 0)
    assert (nobody.changes, nobody.user_head, nobody.project_head) == (b"", 0, 12)


async def test_projects_do_not_see_each_other(log):
    await SqlRegistry(log.engines).create(f"beside {log.project}")
    other = await project_named(EngineCatalogue(log.engines), f"beside {log.project}")
    await log.write(log.version("e1", 10))
    page = await log.store.page(PageQuery(other.id, "ada", (), 0, limit=10, max_bytes=1000))
    assert (page.changes, page.user_head, page.project_head) == (b"", 0, 0)


@pytest.mark.parametrize(("types", "total"), [((), 5), (("todo",), 3), (("unknown",), 0)])
async def test_the_total_counts_what_lies_after_the_position(log, types: tuple[str, ...], total: int):
    kinds = ["todo", "todo", "note", "todo", "note", "todo"]
    await log.write(*[log.version(f"e{at}", 10 + at, entity_type=kind) for at, kind in enumerate(kinds)])
    page = await log.page(10, *types, include_total=True, limit=1, skip=1)
    assert page.total == total
    assert (await log.page(10, *types)).total == 0


async def test_a_page_and_its_head_are_of_one_moment_while_a_writer_commits(log):
    written: list[int] = []
    stop = asyncio.Event()

    async def write() -> None:
        while not stop.is_set():
            revision = 10 * (len(written) + 1)
            await log.write(*[log.version(f"e{at}", revision + at) for at in range(5)])
            written.append(revision)

    async def read() -> int:
        seen = reads = 0
        while reads < 100 or len(written) < 3:
            reads += 1
            page = await log.page(user_id=None if seen % 2 else "ada", include_total=True)
            if page.changes:
                revisions = revisions_of(page)
                assert revisions == list(range(revisions[0], revisions[0] + 5))
                assert page.project_head == revisions[-1]
                assert page.total == 5
            seen = page.project_head
            await turn()
        stop.set()
        return seen

    _, *seen = await asyncio.gather(write(), read(), read(), read())
    assert max(seen) > 10
