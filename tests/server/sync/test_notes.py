"""N4, N5: notes expire by the store's clock, and what is left of them goes with the daily job."""

import pytest

from rules import Rules
from syncline_server.store.retention import forget_expired
from syncline_server.sync.changes import PushOutcome
from syncline_server.sync.errors import NoteMismatch, PushIdReused
from syncline_server.sync.group import _write
from syncline_server.sync.keys import note_key
from syncline_server.sync.lookup import EntitiesQuery
from syncline_server.sync.notes import NewNote, StoredNote
from values import PHONE, edit

HOUR_US = 3_600_000_000


async def push(
    rules: Rules, value: bytes, *, expected: int | None = None, ttl: int = 0, push_id: str = ""
) -> PushOutcome:
    note = NewNote(note_key(rules.project, "ada", "n"), "n", value, expected, ttl)
    return await rules.push(notes=(note,), push_id=push_id)


async def kept(rules: Rules) -> list[tuple[int, bytes, int]]:
    """Return versions, values and seconds left of what is there."""
    found = await rules.store.entities(
        EntitiesQuery(rules.project, "ada", (), 10**6, (note_key(rules.project, "ada", "n"),))
    )
    return [
        (one.version, one.value, one.seconds_left(found.now_ms)) for one in found.notes if one.is_there(found.now_ms)
    ]


async def stored(rules: Rules) -> dict[str, StoredNote]:
    async with rules.store.writing() as transaction:
        await transaction.lock_head(rules.project)
        return await transaction.notes(rules.project, [note_key(rules.project, "ada", "n")])


async def test_each_write_renews_how_long_a_note_is_kept(rules: Rules):
    await push(rules, b"1", ttl=3600)
    rules.clock.us += HOUR_US // 2
    assert await kept(rules) == [(1, b"1", 1800)]
    await push(rules, b"2", ttl=3600)
    rules.clock.us += HOUR_US - 1_000_000
    assert await kept(rules) == [(2, b"2", 1)]


async def test_what_has_expired_is_not_there_before_the_clean_up(rules: Rules):
    await push(rules, b"1", ttl=3600)
    rules.clock.us += HOUR_US
    assert await kept(rules) == []
    with pytest.raises(NoteMismatch) as mismatch:
        await push(rules, b"2", expected=1)
    assert mismatch.value.details == {"name": "n", "version": 0}
    await push(rules, b"2", expected=0)
    assert await kept(rules) == [(1, b"2", 0)]


@pytest.mark.parametrize("how", ["expired", "deleted"])
async def test_the_clean_up_takes_what_is_gone_and_nothing_else(rules: Rules, how: str):
    await push(rules, b"1", ttl=3600 if how == "expired" else 0)
    await forget_expired(rules.engines, lambda: rules.clock.us + 1)
    assert await stored(rules)
    if how == "deleted":
        await push(rules, b"")
    rules.clock.us += HOUR_US + 1
    await forget_expired(rules.engines, rules.clock)
    assert not await stored(rules)


async def test_a_retry_by_push_id_writes_no_note_whoever_has_written_since(rules: Rules):
    await push(rules, b"first", push_id="p")
    await push(rules, b"second")
    await push(rules, b"first", push_id="p")
    assert await kept(rules) == [(2, b"second", 0)]
    with pytest.raises(PushIdReused):
        await push(rules, b"other", push_id="p")


async def test_a_commit_that_fails_leaves_neither_note_nor_change(rules: Rules, monkeypatch: pytest.MonkeyPatch):
    note = NewNote(note_key(rules.project, "ada", "n"), "n", b"v")
    monkeypatch.setattr("syncline_server.sync.group._write", _write_and_fail)
    with pytest.raises(RuntimeError):
        await rules.push(edit("create"), notes=(note,), session=PHONE)
    monkeypatch.undo()
    assert await kept(rules) == []
    assert (await rules.pull()).count == 0


async def _write_and_fail(transaction: object, states: object) -> None:
    await _write(transaction, states)  # type: ignore[arg-type]  # as it is called
    raise RuntimeError("at the commit")
