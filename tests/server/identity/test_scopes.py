"""Which entity types the scope claim of a session token covers."""

import pytest

from syncline_server.identity.scopes import Scopes


@pytest.mark.parametrize(
    ("claim", "entity_type", "is_covered"),
    [
        (None, "anything", True),
        ("sync todo", "todo", True),
        ("sync todo", "Todo", True),
        ("sync todo", "note", False),
        ("sync Todo", "todo", False),
        ("sync", "todo", False),
        ("", "todo", False),
        ("todo", "todo", True),
        ("sync todo note", "todo_note", True),
        ("sync todo note", "Note_Todo", True),
        ("sync todo", "todo_note", False),
        ("sync todo_note", "todo_note", True),
        ("sync todo_note", "todo", False),
        ("sync todo", "_todo", False),
        ("sync todo", "todo_", False),
        ("sync todo", "_", False),
        ("sync todo note", "todo.note", False),
        ("sync\ttodo\n  note", "note", True),
    ],
)
def test_a_scope_covers_a_type(claim: str | None, entity_type: str, is_covered: bool):
    assert Scopes(claim).cover(entity_type) == is_covered


@pytest.mark.parametrize(
    ("claim", "allows"), [(None, True), ("sync", True), ("todo sync", True), ("todo", False), ("", False)]
)
def test_a_session_with_scopes_needs_the_one_for_sync(claim: str | None, allows: bool):
    assert Scopes(claim).allow_sync == allows


@pytest.mark.parametrize(("claim", "is_limited"), [(None, False), ("sync", True), ("", True)])
def test_a_session_is_limited_by_having_scopes_at_all(claim: str | None, is_limited: bool):
    assert Scopes(claim).limited == is_limited
