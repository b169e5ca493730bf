"""The verdict on apps finds each kind of broken promise, and nothing in a history that keeps them all."""

from typing import Any

import pytest

from apps import verdict
from apps.book import APPLIED, CONFLICT, Book, Data, Entity, Late, Row, Sent

X: Entity = ("todo", "x")
TALLY: Entity = ("todo", "tally-0")
LEASE: Entity = ("todo", "lease-0")


def sent(app: str, entity: Entity, at: float, data: Data, action: str = "update", **values: Any) -> Sent:
    """Build a change that was sent at a time and answered half a second later."""
    told = {"outcome": APPLIED, "answered_at": at + 0.5, **values}
    one = Sent(app, app, entity, action, data, None, int(at * 1000), True, retry_is_exact=True, sent_at=at)
    for name, value in told.items():
        setattr(one, name, value)
    return one


def book(*changes: Sent, saw: tuple[Row, ...] = (), late: tuple[Late, ...] = ()) -> Book:
    made = Book(sent=list(changes), late=list(late))
    for row in saw:
        made.saw(row)
    return made


def edit(app: str, number: int) -> Data:
    return {app: number, "tag": f"{app}.{number}"}


def kinds(found: Book, log: dict[Entity, Data | None]) -> list[str]:
    return [one.kind for one in verdict.problems(found, log)]


GOOD = book(
    sent("a", X, 1, edit("a", 1)),
    sent("b", X, 2, edit("b", 1)),
    sent("a", X, 2.2, edit("a", 2), outcome=CONFLICT),
    sent("a", TALLY, 1, {"count": 1}),
    sent("b", TALLY, 2, {"count": 1}, outcome=CONFLICT, base=5),
    sent("a", LEASE, 1, {"lease": 0}, "create", base=0),
    sent("b", LEASE, 1, {"lease": 0}, "create", base=0, outcome=CONFLICT),
    saw=(Row(X, 10, edit("a", 1)), Row(X, 20, {**edit("a", 1), **edit("b", 1)})),
    late=(Late("c", "a.1", X, 20, ()),),
)
LOG: dict[Entity, Data | None] = {X: {"a": 1, **edit("b", 1)}, TALLY: {"count": 1}, LEASE: {"lease": 0}}


def test_a_history_that_keeps_every_promise_has_no_problem():
    assert kinds(GOOD, LOG) == []


def test_a_change_that_is_concurrent_with_what_is_there_need_not_be_there():
    assert kinds(book(sent("a", X, 1, edit("a", 1)), sent("b", X, 1.2, edit("b", 1))), {X: edit("a", 1)}) == []


@pytest.mark.parametrize(
    ("kind", "found", "log"),
    [
        ("lost", book(sent("a", X, 1, edit("a", 1)), sent("b", X, 2, edit("b", 1))), {X: edit("a", 1)}),
        ("lost", book(sent("a", X, 1, edit("a", 1))), {X: None}),
        ("lost", book(sent("a", X, 1, edit("a", 1))), {}),
        ("lost", book(sent("a", X, 1, edit("a", 1)), sent("b", X, 2, {}, "delete")), {X: edit("a", 1)}),
        (
            "twice",
            book(sent("a", X, 1, edit("a", 1)), saw=(Row(X, 10, edit("a", 1)), Row(X, 30, edit("a", 1)))),
            {X: edit("a", 1)},
        ),
        (
            "twice",
            book(sent("a", X, 1, edit("a", 1)), saw=(Row(X, 10, edit("a", 1)), Row(("todo", "y"), 11, edit("a", 1)))),
            {X: edit("a", 1)},
        ),
        (
            "late",
            book(sent("a", X, 1, edit("a", 1)), saw=(Row(X, 10, edit("a", 1)),), late=(Late("c", "a.1", X, 9, ()),)),
            {X: edit("a", 1)},
        ),
        (
            "unfair",
            book(sent("a", X, 1, edit("a", 1)), sent("b", X, 2, edit("b", 1), outcome=CONFLICT)),
            {X: edit("a", 1)},
        ),
        (
            "tally",
            book(sent("a", TALLY, 1, {"count": 1}), sent("b", TALLY, 1, {"count": 1})),
            {TALLY: {"count": 1}},
        ),
        (
            "lease",
            book(
                sent("a", LEASE, 1, {"lease": 0}, "create", base=0), sent("b", LEASE, 1, {"lease": 0}, "create", base=0)
            ),
            {LEASE: {"lease": 0}},
        ),
    ],
)
def test_a_broken_promise_is_found(kind: str, found: Book, log: dict[Entity, Data | None]):
    assert kinds(found, log) == [kind]
