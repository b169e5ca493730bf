"""P10: a reader that shows nothing gets all again, news first; the numbers are those of counterexamples."""

import asyncio
from collections.abc import Sequence

import pytest

from rules import Rules
from storage import changes_of
from syncline_server.sync.circle import FROM_START, Checkpoint, kinds_of
from syncline_server.sync.reading import Page
from values import LAPTOP, PHONE, edit

TABS = "token:0123456789abcdef"
"""The session that tabs share."""
SIZE = 10


class Tab:
    """A reader of the public SDK's kind: it keeps a cursor a type, overwrites it with every push's, and shows none."""

    def __init__(self, rules: Rules, *types: str, session: str = TABS, size: int = SIZE) -> None:
        self.rules, self.session, self.size = rules, session, size
        self.types = types or ("todo",)
        self.cursors: dict[str, Checkpoint] = {}
        self.held: dict[tuple[str, str], int] = {}
        self.typed = 0

    async def push(self) -> None:
        self.typed += 1
        changes = [
            edit("create", f"typed by {id(self)}", f'{{"n":{self.typed}}}', entity_type=kind) for kind in self.types
        ]
        outcome = await self.rules.push(*changes, session=self.session)
        self.held.update(
            ((one.version.entity_type, one.version.entity_id), one.version.revision) for one in outcome.results
        )
        self.cursors = dict.fromkeys(self.types, outcome.checkpoint)

    async def pull(self, *, is_lost: bool = False) -> bool:
        """Pull a page of each type; returns whether there is more."""
        has_more = False
        for kind in self.types:
            page = await self.page(kind)
            has_more |= page.has_more
            if not is_lost:
                self.cursors[kind] = page.checkpoint
                self.held.update(((one.entity_type, one.entity_id), one.revision) for one in changes_of(page))
        return has_more

    async def page(self, kind: str) -> Page:
        at = self.cursors.get(kind, FROM_START)
        return await self.rules.pull(kind, at=at, session=self.session, limit=self.size)

    async def lacks(self) -> set[tuple[str, str]]:
        return {
            name
            for name, revision in (await everything(self.rules, self.types)).items()
            if self.held.get(name) != revision
        }

    async def lacks_of_others(self) -> set[tuple[str, str]]:
        """Return what it lacks of what no tab has typed."""
        return {name for name in await self.lacks() if not name[1].startswith("typed by")}


async def everything(rules: Rules, types: Sequence[str]) -> dict[tuple[str, str], int]:
    page = await rules.pull(*types, session="", limit=1000)
    return {(one.entity_type, one.entity_id): one.revision for one in changes_of(page)}


async def syncs(*tabs: Tab, most: int = 60) -> int:
    """Count the syncs of tabs in lockstep, each with a push before a page, until they lack nothing but each other's."""
    for count in range(1, most + 1):
        for tab in tabs:
            await tab.push()
            await tab.pull()
        if not any([await tab.lacks_of_others() for tab in tabs]):
            return count
    raise AssertionError(f"not within {most} syncs")


async def fill(rules: Rules, count: int, *types: str, prefix: str = "e") -> None:
    for kind in types or ("todo",):
        await rules.push(*[edit("create", f"{prefix}{at}", entity_type=kind) for at in range(count)], session=LAPTOP)


async def read_all(rules: Rules, *, session: str = TABS) -> Tab:
    """Return a tab that has everything."""
    tab = Tab(rules, session=session)
    while await tab.pull():
        pass
    assert not await tab.lacks()
    return tab


async def test_a_reload_that_types_first_and_then_reads_on_has_everything(rules: Rules):
    await fill(rules, 25)
    await read_all(rules)
    reloaded = Tab(rules)
    await reloaded.push()
    pages = 1
    while await reloaded.pull():
        pages += 1
    assert not await reloaded.lacks()
    assert pages <= 4


async def test_x2_a_new_tab_that_pushes_bare_skips_nothing_that_another_has_read(rules: Rules):
    await fill(rules, 5)
    await read_all(rules)
    new = Tab(rules)
    await new.push()
    await new.pull()
    assert not await new.lacks()


async def test_x6_a_clone_that_slept_gets_what_the_fast_one_has_read(rules: Rules):
    await fill(rules, 5)
    fast, slow = await read_all(rules), await read_all(rules)
    await fill(rules, 5, prefix="new")
    await slow.push()
    await fast.pull()
    await fast.push()
    await slow.pull()
    while await slow.pull():
        pass
    assert not await slow.lacks_of_others()


@pytest.mark.parametrize(("entities", "size"), [(25, 10), (30, 4), (3, 1)])
async def test_x11_a_reader_that_pushes_before_each_sync_ends_within_the_bound(rules: Rules, entities: int, size: int):
    await fill(rules, entities)
    await read_all(rules)
    b = size - size // 4
    assert await syncs(Tab(rules, size=size)) <= 2 * -(-(entities + 1) // b) + 1


@pytest.mark.parametrize("session", [TABS, PHONE])
async def test_x14_the_cursor_of_a_type_says_nothing_of_another(rules: Rules, session: str):
    await fill(rules, 3, "todo", "note")
    todo = await rules.pull("todo", session=session)
    shown = (
        await rules.push(edit("create", "own", entity_type="note"), session=session, shown=todo.checkpoint)
    ).checkpoint
    notes = await rules.pull("note", at=shown, session=session)
    assert {one.entity_id for one in changes_of(notes)} == {"e0", "e1", "e2", "own"}


async def test_1_every_push_that_shows_nothing_is_answered_with_a_circle(rules: Rules):
    await fill(rules, 5)
    tab = await read_all(rules)
    for _ in range(3):
        await tab.push()
        assert tab.cursors["todo"].after == -1


async def test_2_news_come_first_from_how_far_the_session_was_answered(rules: Rules):
    await fill(rules, 60)
    tab = await read_all(rules)
    await fill(rules, 45, prefix="new")
    assert await syncs(tab) <= 7


async def test_2_news_of_a_busy_reader_are_on_its_next_page(rules: Rules):
    await fill(rules, 60)
    tab = await read_all(rules)
    await fill(rules, 1, prefix="new")
    assert await syncs(tab) == 1


async def test_3_each_type_has_a_place_of_its_own(rules: Rules):
    await fill(rules, 26, "todo", "note")
    await read_all(rules)
    assert await syncs(Tab(rules, "note", "todo")) <= 14


async def test_5_tabs_in_lockstep_do_not_take_turns_for_ever(rules: Rules):
    await fill(rules, 48)
    await read_all(rules)
    await syncs(Tab(rules), Tab(rules))


async def test_6_the_newest_take_no_more_than_a_quarter_of_the_room(rules: Rules):
    await fill(rules, 40)
    tab = await read_all(rules)
    await tab.push()
    page = await tab.page("todo")
    (begun,) = {page.checkpoint.after}
    revisions = [one.revision for one in changes_of(page)]
    assert revisions[:2] == sorted(revisions)[-2:]
    assert revisions[2:] == sorted(revisions)[:-2]
    assert begun == revisions[-1]


async def test_7_a_page_that_is_cut_in_its_news_goes_on_there(rules: Rules):
    await fill(rules, 5)
    tab = await read_all(rules)
    await fill(rules, 15, prefix="new")
    await tab.push()
    page = await tab.page("todo")
    changes = changes_of(page)
    assert [one.entity_id for one in changes] == [f"new{at}" for at in range(10)]
    assert page.checkpoint.revision == changes[-1].revision < page.checkpoint.head
    assert page.has_more


async def test_8_what_another_tab_wrote_is_not_known_for_its_session(rules: Rules):
    await fill(rules, 3)
    tab, other = await read_all(rules), await read_all(rules)
    await other.push()
    shown = tab.cursors["todo"]
    outcome = await rules.push(edit("create", "mine"), session=TABS, shown=shown)
    assert outcome.checkpoint.revision == shown.revision


@pytest.mark.parametrize("merged", ["first", "last"])
async def test_9_a_push_merged_over_what_is_left_of_a_circle_is_not_known_in_full(rules: Rules, merged: str):
    for name in ("first", *"abcdefgh", "last"):
        await rules.push(edit("create", name, '{"a":1}'), session=TABS)
    tab = Tab(rules, size=4)
    await tab.push()
    await tab.pull()  # the last ones out of turn, the first ones in order
    shown = tab.cursors["todo"]
    assert shown.end
    outcome = await rules.push(edit("update", merged, '{"b":1}'), session=TABS, shown=shown)
    knows = merged == "first"
    assert (outcome.checkpoint.revision == outcome.head_revision) is knows
    assert (outcome.checkpoint.after, outcome.checkpoint.end) == (shown.after, shown.end)


async def test_10_a_token_that_has_expired_stays_so_after_a_push(rules: Rules):
    await fill(rules, 3)
    lost = (await rules.checkpoint(2**61))._replace(revision=5)
    outcome = await rules.push(edit("create", "mine"), session=TABS, shown=lost)
    assert outcome.checkpoint == lost
    early = Checkpoint(4242, 5, 5)
    outcome = await rules.push(edit("create", "mine too"), session=TABS, shown=early)
    assert (outcome.checkpoint.revision, outcome.checkpoint.head) == (5, outcome.head_revision)
    assert (await rules.pull("todo", at=outcome.checkpoint, reset_when_expired=True)).reset


async def test_11_lost_history_is_judged_by_the_head_that_a_page_was_cut_from(rules: Rules):
    await fill(rules, 5)
    page = await rules.pull("todo", limit=2)
    assert page.has_more
    assert not (await rules.pull("todo", at=page.checkpoint, reset_when_expired=True)).reset
    of_a_later_head = page.checkpoint._replace(head=2**61)
    assert (await rules.pull("todo", at=of_a_later_head, reset_when_expired=True)).reset


async def test_12_a_token_in_the_middle_says_where_its_reading_began(rules: Rules):
    await fill(rules, 5)
    first = await rules.pull("todo", limit=2)
    assert first.checkpoint.began == first.checkpoint.head
    await fill(rules, 1, prefix="new")
    second = await rules.pull("todo", at=first.checkpoint, limit=2)
    assert second.checkpoint.began == first.checkpoint.head
    last = await rules.pull("todo", at=second.checkpoint)
    assert (last.has_more, last.checkpoint.began) == (False, 0)


async def test_14_a_page_that_got_lost_comes_with_the_next_round(rules: Rules):
    await fill(rules, 8)
    tab = Tab(rules)
    await tab.push()
    await tab.pull(is_lost=True)
    assert await syncs(tab) <= 3


async def test_a_device_or_a_shown_token_reads_nothing_again(rules: Rules):
    await fill(rules, 5)
    page = await rules.pull("todo", session=TABS)
    shown = await rules.push(edit("create", "own"), session=TABS, shown=page.checkpoint)
    assert not (await rules.pull("todo", at=shown.checkpoint, session=TABS)).count
    phone = await rules.pull("todo", session=PHONE)
    await rules.pull("todo", at=phone.checkpoint, session=PHONE)
    pushed = await rules.push(edit("create", "of the phone"), session=PHONE)
    assert not (await rules.pull("todo", at=pushed.checkpoint, session=PHONE)).count
    assert not sum(rules.again)


async def test_what_comes_again_is_counted(rules: Rules):
    await fill(rules, 5)
    tab = await read_all(rules)
    await tab.push()
    await tab.pull()
    assert rules.again == [6]


async def test_what_comes_again_is_a_creation_or_a_deletion(rules: Rules):
    await rules.push(edit("create", "gone"), edit("create", "stays"), session=LAPTOP)
    await rules.push(edit("delete", "gone"), edit("update", "stays", '{"a":1}'), session=LAPTOP)
    tab = await read_all(rules)
    await tab.push()
    changes = changes_of(await tab.page("todo"))
    assert {one.entity_id: one.action for one in changes if not one.entity_id.startswith("typed")} == {
        "gone": 3,
        "stays": 1,
    }


async def test_the_total_counts_what_is_left_and_pages_can_be_skipped_along_it(rules: Rules):
    await fill(rules, 12)
    tab = await read_all(rules)
    await fill(rules, 3, prefix="new")
    await tab.push()
    at, total = tab.cursors["todo"], 16
    found: list[str] = []
    for skip in (0, 4, 8, 12):
        page = await rules.pull("todo", at=at, session="", limit=4, skip=skip, include_total=True)
        assert page.total == total
        assert page.has_more is (skip < 12)
        assert skip == 0 or page.checkpoint == at
        found += [one.entity_id for one in changes_of(page)]
    assert len(set(found[4:])) == 12
    assert found[:3] == ["new0", "new1", "new2"]
    head = await rules.pull("todo", at=at, session="", limit=0)
    assert (head.checkpoint.end, head.checkpoint.revision) == (0, head.checkpoint.head)


async def test_a_circle_goes_on_where_versions_are_too_large_for_a_page(rules: Rules):
    large = '{"a":"' + "x" * 400 + '"}'
    await rules.push(*[edit("create", f"e{at}", large) for at in range(12)], session=LAPTOP)
    tab = Tab(rules)
    await tab.push()
    held: dict[str, int] = {}
    at = tab.cursors["todo"]
    for _ in range(14):
        page = await rules.pull("todo", at=at, session=TABS, max_bytes=1200)
        assert 0 < page.count <= 3
        held.update((one.entity_id, one.revision) for one in changes_of(page))
        at = page.checkpoint
        if not page.has_more:
            break
    assert len(held) == 13
    assert at.end == 0


async def test_pushes_of_one_group_are_answered_in_their_order(rules: Rules):
    await fill(rules, 3)
    await read_all(rules)
    first, second = await asyncio.gather(*(rules.push(edit("create", name), session=TABS) for name in "ab"))
    assert len(rules.commits) == 2
    assert [one.checkpoint.revision for one in (first, second)] == [
        one.results[0].version.revision for one in (first, second)
    ]


async def test_a_token_of_too_many_types_shows_for_none(rules: Rules):
    types = [f"kind{number}" for number in range(17)]
    await fill(rules, 1, *types)
    page = await rules.pull(*types, session=TABS)
    outcome = await rules.push(edit("create", "own", entity_type="kind0"), session=TABS, shown=page.checkpoint)
    assert outcome.checkpoint.after == -1
    assert page.checkpoint.kinds != kinds_of(types[:16])


@pytest.mark.parametrize("session", [TABS, PHONE, ""])
async def test_who_shows_that_nothing_was_read_begins_at_the_start(rules: Rules, session: str):
    await fill(rules, 3)
    outcome = await rules.push(edit("create", "own"), session=session, shown=FROM_START)
    assert (outcome.checkpoint.revision, outcome.checkpoint.end) == (0, 0)
    assert (await rules.pull("todo", at=outcome.checkpoint, session=session)).count == 4
