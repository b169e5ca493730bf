"""Pages by number: where each of them begins, so that what moves meanwhile is not skipped (T5)."""

import time
from dataclasses import replace
from typing import Final

from syncline_server.sync.errors import AnswerTooLarge
from syncline_server.sync.keys import session_key
from syncline_server.sync.store import PageQuery, ShownPosition, Store, StoredPage

_TOTAL: Final = "total"
_KEPT_US: Final = 24 * 3600 * 1_000_000


class NumberedPages:
    """Reads pages by number, and keeps where they begin, beside the positions of sessions.

    A page begins where the one before it ended when somebody first read it. Between two places rows only ever become
    fewer, since what moves goes to the end of the log: a page that begins at its place covers all up to the next one,
    whoever reads it, and when. One whose place is not known, because nobody has read the page before it, is counted
    off from the last place that is.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def page(self, query: PageQuery, number: int) -> StoredPage:
        """Read a page, while nothing can move; in it, `total` is what its reader is to be told.

        Raises AnswerTooLarge where the page would be cut by size, and StoreUnavailable.
        """
        key = _key(query)
        async with self._store.writing() as transaction:
            await transaction.lock_head(query.project_id)
            kept = (await transaction.positions(query.project_id, [key])).get(key, {})
            known = max(place for place in (1, *_numbers(kept)) if place <= number)
            total = kept.get(_TOTAL)
            stored = await self._store.page(
                replace(
                    query,
                    start_revision=kept.get(str(known), query.after_revision),
                    skip=(number - known) * query.limit,
                    include_total=total is None,
                )
            )
            total = stored.total if total is None else total
            if stored.cut and stored.count < query.limit:
                raise AnswerTooLarge(query.max_bytes, "ask for fewer changes a page, or go on by token")
            found = {str(number + 1): stored.last_revision, _TOTAL: total} if stored.cut else {}
            new = {name: value for name, value in found.items() if name not in kept}
            if new:
                await transaction.save_positions({query.project_id: _rows(key, query.user_id or "", new)})
        return replace(stored, total=_total(query, number, stored, total))


def _key(query: PageQuery) -> str:
    """Return what the places of a reading's pages are kept under, as if it were a session: none has a name like it."""
    reading = (query.after_revision, query.limit, *sorted(query.entity_types))
    return session_key(query.project_id, query.user_id or "", "\x1f".join(map(str, ("pages", *reading))))


def _rows(key: str, user_id: str, new: dict[str, int]) -> list[ShownPosition]:
    expires_at_us = time.time_ns() // 1000 + _KEPT_US
    return [ShownPosition(key, name, value, user_id, False, expires_at_us) for name, value in new.items()]


def _numbers(kept: dict[str, int]) -> list[int]:
    return [int(name) for name in kept if name != _TOTAL]


def _total(query: PageQuery, number: int, stored: StoredPage, counted: int) -> int:
    """Return what was counted, or more where the reader has met more."""
    if not query.include_total or not stored.count:
        return counted if query.include_total else 0
    return max(counted, (number - 1) * query.limit + stored.count + stored.cut)
