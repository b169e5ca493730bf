"""What the reading sides of both stores have in common: the statements, and the values that their rows become."""

import json
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import Any, Final, TypeVar

from syncline_server.store import circles
from syncline_server.store.errors import ConnectionLost, translated
from syncline_server.store.histories import EpochMoved
from syncline_server.store.sql_transaction import LogSql, Row
from syncline_server.store.statements import PageShape
from syncline_server.store.wanted_schema import WANTED
from syncline_server.sync.changes import MICROSECONDS_PER_MS, Action
from syncline_server.sync.lookup import EntitiesQuery, StoredEntities
from syncline_server.sync.notes import StoredNote
from syncline_server.sync.store import (
    CircleQuery,
    PageQuery,
    RecentPage,
    RecentVersion,
    SeenHead,
    StoredCircle,
    StoredPage,
)

T = TypeVar("T")

_SMALL_BYTES: Final = 2048
_NOTE: Final = -2
"""Stands for the ordinal of a note, see Statements.entities."""


class SqlStore(ABC):
    """The reading side; see sync.store.Store."""

    _at_once_bytes: int
    """How much data is read without a look at its sizes."""

    def __init__(self, log: LogSql, tries: int) -> None:
        """A read is tried so often where its connections turn out to be none."""
        self._log = log
        self._tries = tries
        closings = log.layout.closings
        self._closings = (closings[Action.DELETE], closings[Action.CREATE], closings[Action.UPDATE])

    async def page(self, query: PageQuery) -> StoredPage:
        """Read one page, in one statement."""
        return await self._retry(lambda: self._page(query))

    async def entities(self, query: EntitiesQuery) -> StoredEntities:
        """Read versions by their keys, in one statement."""
        return await self._retry(lambda: self._entities(query))

    async def circle(self, query: CircleQuery) -> StoredCircle:
        """Read what a page of a circle may hold, in one statement."""
        return await self._retry(lambda: self._circle(query))

    async def recent(self, project_id: int, after_revision: int, limit: int, max_bytes: int) -> RecentPage:
        """Read what is new in a project, in one statement."""
        return await self._retry(lambda: self._recent(project_id, after_revision, limit, max_bytes))

    async def heads(self, project_ids: Collection[int]) -> dict[int, SeenHead]:
        """Look at heads, in one statement."""
        parameters = (self._log.statements.many(project_ids),)
        rows = await self._retry(lambda: self._rows(self._log.statements.heads, parameters))
        return {project_id: SeenHead(head, epoch_id) for project_id, head, epoch_id, _ in rows}

    async def _retry(self, read: Callable[[], Awaitable[T]]) -> T:
        """Read; once more where a new epoch began during the first try, or its connection turned out to be none.

        As many connections may be in the pool that are none any more, and each takes a try. Whatever else is wrong
        with the database is so for the next try, too.
        """
        with translated():
            for _ in range(self._tries):
                with suppress(ConnectionLost):
                    try:
                        return await read()
                    except EpochMoved:
                        return await read()
            return await read()

    async def _page(self, query: PageQuery) -> StoredPage:
        shape = PageShape(
            of_user=query.user_id is not None,
            of_types=bool(query.entity_types),
            with_total=query.include_total,
            with_shown=query.session_key != "",
        )
        statement = partial(self._log.statements.page, shape)
        types = self._log.statements.many(query.entity_types)
        asked = (query.project_id, query.user_id, query.session_key, query.after_revision, types)
        parameters = (*asked, query.limit, query.skip, *self._closings)
        start = max(query.start_revision, query.after_revision)
        small_bytes = self._small_bytes(query.limit, query.max_bytes)
        row = the_row(await self._rows(statement(False), (*parameters, small_bytes, start)))
        *_, changes, _, left_out, _, _, _ = row
        if left_out or len(changes or b"") > query.max_bytes:
            row = the_row(await self._rows(statement(True), (*parameters, query.max_bytes, start), is_large=True))
        epoch_id, project_head, user_head, total, shown, changes, count, _, last_revision, more, _ = row
        return StoredPage(
            changes=changes or b"",
            count=count,
            last_revision=last_revision or 0,
            cut=count > 0 and bool(user_head > last_revision if more is None else more),
            project_head=project_head,
            user_head=user_head,
            total=total,
            shown=json.loads(shown) if shown else {},
            history=await self._log.histories.of(query.project_id, epoch_id, self._rows),
        )

    async def _entities(self, query: EntitiesQuery) -> StoredEntities:
        header, rows, notes = await self._found(query, query.keys)
        head, rows_schema, _, clock_us = header[2:]
        if rows_schema < WANTED:
            both = chain.from_iterable(zip(query.keys, self._older_keys(query.keys), strict=True))
            header, rows, notes = await self._found(query, tuple(both))
            head, rows = header[2], [(ordinal // 2, laid_out) for ordinal, laid_out in rows]
        cut_at = next((place for place, laid_out in rows if laid_out is None), len(query.keys))
        now_us = self._log.clock_us() if self._log.clock_us else clock_us
        return StoredEntities(
            changes=b"".join([laid_out for place, laid_out in rows if laid_out is not None and place < cut_at]),
            user_head=head,
            looked_at=cut_at,
            notes=notes,
            now_ms=now_us // MICROSECONDS_PER_MS if query.note_keys else 0,
        )

    async def _found(
        self, query: EntitiesQuery, keys: tuple[str, ...]
    ) -> tuple[Row, list[tuple[int, bytes | None]], tuple[StoredNote, ...]]:
        """Return the header, places of keys with what there is, and the notes."""
        many, asks = self._log.statements.many, bool(query.note_keys)
        statement = self._log.statements.entities
        noted = (many(query.note_keys),) if asks else ()
        parameters = (query.project_id, query.user_id, many(keys), *self._closings)
        small_bytes = self._small_bytes(len(keys), query.max_bytes)
        found = await self._rows(statement(False, asks), (*parameters, small_bytes, *noted))
        laid_out = [row[1] for row in found if row[0] >= 0]
        if None in laid_out or sum(map(len, laid_out)) > query.max_bytes:
            found = await self._rows(statement(True, asks), (*parameters, query.max_bytes, *noted), is_large=True)
        entities = sorted([(row[0], row[1]) for row in found if row[0] >= 0])
        notes = {row[3]: _note_of(row, query.user_id) for row in found if row[0] == _NOTE}
        return the_row(found), entities, tuple([notes[key] for key in query.note_keys if key in notes])

    async def _circle(self, query: CircleQuery) -> StoredCircle:
        shape, parameters = circles.asked(query, self._log.statements.many, self._closings)
        rows = await self._rows(self._log.statements.circle(shape), parameters)
        history = await self._log.histories.of(query.page.project_id, the_row(rows)[0], self._rows)
        return circles.found(rows, history)

    async def _recent(self, project_id: int, after_revision: int, limit: int, max_bytes: int) -> RecentPage:
        statement, parameters = self._log.statements.recent, (project_id, after_revision, limit)
        header, *rows = await self._rows(statement(False), (*parameters, self._small_bytes(limit, max_bytes)))
        laid_out = [row[0] for row in rows]
        by_size = None in laid_out or sum(map(len, laid_out)) > max_bytes
        if by_size:
            header, *rows = await self._rows(statement(True), (*parameters, max_bytes), is_large=True)
        _, head, _, _, _, epoch_id = header
        return RecentPage(
            versions=[RecentVersion._make(row) for row in rows],
            cut=bool(rows) and (by_size or len(rows) == limit),
            head=head,
            history=await self._log.histories.of(project_id, epoch_id, self._rows),
        )

    def _small_bytes(self, limit: int, max_bytes: int) -> int:
        """Return how large data may be to be read in any case: with it a page may become a few times too large."""
        return max(min(max_bytes, self._at_once_bytes) // max(limit, 1), _SMALL_BYTES)

    def _older_keys(self, keys: Sequence[str]) -> Sequence[str]:
        """Return the keys that entities may still have, where their rows may be of an older schema."""
        return keys

    @abstractmethod
    async def _rows(self, statement: str, parameters: tuple[Any, ...], *, is_large: bool = False) -> Sequence[Row]:
        """Run a statement that reads, much where it is known to be. Raises ConnectionLost, and errors of the driver."""


def _note_of(row: Row, owner: str) -> StoredNote:
    _, value, version, key, expires_at_us, _ = row
    return StoredNote(key, owner, "", version, expires_at_us, value)


def the_row(rows: Sequence[Row]) -> Row:
    """Return the one row of a project. Raises ConnectionLost where there is none: its database is being restored."""
    if not rows:
        raise ConnectionLost
    return rows[0]
