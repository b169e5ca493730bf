"""What a session has shown, what its pulls show, and what the answer to its push may skip: P9 without a database."""

from typing import Any

import pytest

from syncline_server.sync.circle import FROM_START, Checkpoint, kinds_of
from syncline_server.sync.history import History
from syncline_server.sync.reading import Reading
from syncline_server.sync.shown import (
    EVERYTHING,
    Presented,
    SessionPositions,
    is_news,
    news_before,
    position_for_answer,
    shown_by_pull,
)
from syncline_server.sync.store import News, ShownPosition
from values import LAPTOP, PHONE, edit, push_of, stored

EPOCH = 7
HEAD = 100
KEY = "key of the session"


def at(revision: int, *, epoch: int = EPOCH, **fields: Any) -> Checkpoint:
    return Checkpoint(epoch, revision, **{"head": revision, **fields})


def reading(checkpoint: Checkpoint, *types: str, is_plain: bool = False, user: str | None = "ada") -> Reading:
    return Reading(1, user, KEY, types, checkpoint, is_plain)


def presented(revision: int, *types: str, only_lowers: bool = False, epoch: int = EPOCH) -> Presented:
    return Presented(1, "ada", KEY, types, at(revision, epoch=epoch), only_lowers, device_known=True)


def moved_to(session_key: str, entity_type: str, revision: int) -> ShownPosition:
    return ShownPosition(session_key, entity_type, revision, "ada", with_device=True)


def positions(**shown: int) -> SessionPositions:
    """Return the positions of one session by type; `all` stands for all types."""
    by_type = {"" if entity_type == "all" else entity_type: revision for entity_type, revision in shown.items()}
    push = push_of(edit("create"))
    return SessionPositions(History(EPOCH), HEAD, {KEY: dict(by_type), push.session_key: dict(by_type)})


@pytest.mark.parametrize(
    ("read", "before", "news"),
    [
        (reading(at(5), "todo"), {"todo": 5}, False),
        (reading(at(6), "todo"), {"todo": 5}, True),
        (reading(at(4), "todo"), {"todo": 5}, True),
        (reading(at(5), "todo"), {"": 5}, False),
        (reading(at(5), "todo", "note"), {"todo": 5}, True),
        (reading(at(5)), {"": 5}, False),
        (reading(at(5)), {"": 5, "todo": 4}, True),
        (reading(FROM_START), {}, False),
        (reading(at(6), "todo", is_plain=True), {"todo": 5}, False),
        (reading(at(4), "todo", is_plain=True), {"todo": 5}, True),
    ],
)
def test_a_pull_shows_a_position_that_differs_and_a_plain_revision_only_a_lower_one(
    read: Reading, before: dict[str, int], news: bool
):
    shown = shown_by_pull(read, before, is_presenting=False)
    assert (shown is not None) is news
    if shown is not None:
        assert (shown.checkpoint, shown.entity_types) == (read.checkpoint, read.entity_types)
        assert shown.only_lowers is read.is_plain


def test_while_another_position_is_on_its_way_every_pull_shows_one():
    assert shown_by_pull(reading(at(5), "todo"), {"todo": 5}, is_presenting=True) is not None


def test_who_reads_all_users_or_has_no_session_shows_nothing():
    assert shown_by_pull(reading(at(5), user=None), {}, is_presenting=True) is None
    assert shown_by_pull(Reading(1, "ada", "", (), at(5)), {}, is_presenting=True) is None


@pytest.mark.parametrize(
    ("push", "shown"),
    [
        (push_of(edit("create")), 5),
        (push_of(edit("create", entity_type="note")), 3),
        (push_of(edit("create"), edit("create", entity_type="note")), 3),
        (push_of(), 3),
        (push_of(edit("create"), shown=at(9)), 9),
        (push_of(edit("create"), shown=at(9, kinds=kinds_of(["todo"]))), 9),
        (push_of(edit("create"), shown=at(9, kinds=kinds_of(["note"]))), 5),
        (push_of(edit("create"), shown=at(9, end=8, after=4)), 4),
        (push_of(edit("create"), shown=at(9, end=8, after=4, rest=2)), 0),
        (push_of(edit("create"), shown=FROM_START), 0),
        (push_of(edit("create"), shown=at(HEAD + 1)), 0),
        (push_of(edit("create"), shown=at(9, epoch=EPOCH + 1)), 0),
        (push_of(edit("create"), expected_head_ms=0), EVERYTHING),
        (push_of(edit("create"), session=""), 0),
        (push_of(edit("create"), session=LAPTOP), 0),
    ],
    ids=[
        "its type",
        "all types",
        "the lowest",
        "no changes",
        "token",
        "token of its type",
        "token of another type",
        "circle",
        "circle from 0",
        "nothing",
        "past the head",
        "lost",
        "head",
        "none",
        "other",
    ],
)
def test_a_push_shows_its_token_or_else_the_lowest_position_of_its_types(push, shown: int):
    assert positions(todo=5, all=3).of_push(push) == shown


@pytest.mark.parametrize(
    ("taken", "moved"),
    [
        (presented(9, "todo"), {"todo": 9}),
        (presented(5, "todo"), {}),
        (presented(9), {"": 9, "todo": 9}),
        (presented(9, "todo", only_lowers=True), {}),
        (presented(4, "todo", only_lowers=True), {"todo": 4}),
        (presented(9, "todo", epoch=EPOCH + 1), {"todo": 0}),
    ],
)
def test_a_presented_position_moves_what_it_names(taken: Presented, moved: dict[str, int]):
    here = positions(todo=5, all=3)
    here.present(taken)
    assert list(here.moved) == [moved_to(KEY, entity_type, revision) for entity_type, revision in moved.items()]


def test_an_answer_moves_the_session():
    here, push = positions(todo=5), push_of(edit("create"))
    here.answered(push, 50)
    assert list(here.moved) == [moved_to(push.session_key, "todo", 50)]


@pytest.mark.parametrize(("session", "news"), [(PHONE, True), (LAPTOP, False), ("", True)])
def test_a_version_is_news_to_all_but_its_writer(session: str, news: bool):
    version = stored(session=LAPTOP)
    assert is_news(version, session) is news
    assert is_news(version._replace(merged_unseen=True), session)


@pytest.mark.parametrize(
    ("shown", "stored_news", "earlier", "by_others"),
    [
        (10, News(20, True), [], True),
        (10, News(20, False), [], False),
        (20, News(20, True), [], False),
        (20, News(20, True), [LAPTOP], True),
        (20, News(20, True), [PHONE], False),
        (40, News(20, True), [LAPTOP], False),
    ],
)
def test_news_counts_what_earlier_pushes_of_the_group_wrote_and_moved(
    shown: int, stored_news: News, earlier: list[str], by_others: bool
):
    written = [stored(session=session)._replace(revision=30) for session in earlier]
    news = news_before(push_of(edit("create")), shown, stored_news, written, 30 if earlier else None)
    assert news == News(30 if earlier else 20, by_others)


@pytest.mark.parametrize(
    ("by_others", "merged_unseen", "answer"),
    [(False, False, (30, True)), (True, False, (10, False)), (False, True, (10, False))],
)
def test_the_answer_is_the_head_unless_there_is_news_before_it(by_others: bool, merged_unseen: bool, answer):
    written = [stored()._replace(merged_unseen=merged_unseen)]
    assert position_for_answer(10, News(20, by_others), written, 30) == answer
