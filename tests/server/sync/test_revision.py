"""L2 as laws: whatever is drawn, revisions grow and their milliseconds name heads."""

from collections import defaultdict
from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from syncline_server.sync.revision import RevisionAllocator

clocks = st.integers(0, 2**53)
pushes = st.lists(st.tuples(st.sampled_from(["ada", "bob", "eve"]), st.integers(0, 2500), st.booleans()), max_size=12)
"""Each of a user, with so many changes, alone in its milliseconds or not."""


def draw_all(revisions: RevisionAllocator, asked: list[tuple[str, int, bool]]) -> list[tuple[str, list[int]]]:
    drawn = []
    for user, count, alone in asked:
        revisions.begin_push(user, alone=alone)
        drawn.append((user, [revisions.draw(user) for _ in range(count)]))
    return drawn


@given(head=clocks, clock_us=clocks, asked=pushes)
def test_revisions_strictly_increase_in_milliseconds_after_the_heads(head: int, clock_us: int, asked):
    drawn = [one for _, push in draw_all(RevisionAllocator(head, clock_us), asked) for one in push]
    assert all(earlier < later for earlier, later in pairwise(drawn))
    assert all(one // 1000 > head // 1000 and one // 1000 >= clock_us // 1000 for one in drawn)


@given(head=clocks, clock_us=clocks, asked=pushes)
def test_a_push_that_is_to_be_alone_shares_a_millisecond_with_no_other_of_its_user(head: int, clock_us: int, asked):
    taken = defaultdict(list)
    for (user, _, alone), (_, push) in zip(asked, draw_all(RevisionAllocator(head, clock_us), asked), strict=True):
        taken[user].append((alone, {one // 1000 for one in push}))
    for of_user in taken.values():
        for (alone, one), (also_alone, other) in combinations(of_user, 2):
            assert not one & other or not (alone or also_alone)


@given(head=clocks, clock_us=clocks, asked=pushes)
def test_no_millisecond_is_begun_for_a_push_that_may_share_one(head: int, clock_us: int, asked):
    drawn = [one for _, push in draw_all(RevisionAllocator(head, clock_us), asked) for one in push]
    if not any(alone for *_, alone in asked):
        assert drawn == list(range(drawn[0], drawn[0] + len(drawn))) if drawn else True


@given(head=clocks, clock_us=clocks, asked=pushes)
def test_what_is_added_is_the_milliseconds_from_the_first_revision_to_the_last(head: int, clock_us: int, asked):
    revisions = RevisionAllocator(head, clock_us)
    drawn = [one for _, push in draw_all(revisions, asked) for one in push]
    first_ms = max(clock_us // 1000, head // 1000 + 1)
    assert revisions.added_ms() == (drawn[-1] // 1000 - first_ms + 1 if drawn else 0)


@given(head=clocks, clock_us=clocks)
def test_a_transaction_takes_the_clocks_millisecond_or_the_one_after_the_head(head: int, clock_us: int):
    revisions = RevisionAllocator(head, clock_us)
    revisions.begin_push("ada")
    assert revisions.draw("ada") == max(clock_us // 1000, head // 1000 + 1) * 1000


@given(count=st.integers(1, 5000))
def test_a_push_runs_into_the_next_millisecond_after_every_thousand_changes(count: int):
    revisions = RevisionAllocator(0, 7_000_000)
    ((_, drawn),) = draw_all(revisions, [("ada", count, False)])
    assert drawn == list(range(7_000_000, 7_000_000 + count))
    assert revisions.head == drawn[-1]


def test_pushes_of_different_users_share_a_millisecond():
    drawn = draw_all(RevisionAllocator(0, 7_000_000), [("ada", 1, True), ("bob", 1, True)])
    assert drawn == [("ada", [7_000_000]), ("bob", [7_000_001])]


@given(head=clocks, before=pushes, refused=pushes.filter(bool).map(lambda asked: asked[0]), after=pushes)
def test_rewinding_to_a_mark_takes_back_all_that_a_push_drew_since(head: int, before, refused, after):
    revisions, other = RevisionAllocator(head, head), RevisionAllocator(head, head)
    draw_all(revisions, before)
    draw_all(other, before)
    mark = revisions.mark(refused[0])
    draw_all(revisions, [refused])
    revisions.rewind(mark)
    assert (revisions.head, draw_all(revisions, after)) == (other.head, draw_all(other, after))


@given(head=clocks, clock_us=clocks, asked=pushes)
def test_the_time_of_a_commit_is_the_clocks_whatever_the_place_in_the_log(head: int, clock_us: int, asked):
    revisions = RevisionAllocator(head, clock_us)
    draw_all(revisions, asked)
    assert revisions.committed_ms == clock_us // 1000
