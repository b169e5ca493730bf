"""What the stores of both databases have in common: the statements, and the values that their rows become."""

import json
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any, TypeAlias

from syncline_server.store.histories import Histories
from syncline_server.store.sql import PageShape, Statements
from syncline_server.sync.changes import Action, Version
from syncline_server.sync.errors import StoreUnavailable
from syncline_server.sync.history import History
from syncline_server.sync.layout import Layout
from syncline_server.sync.store import (
    LockedHead,
    PageQuery,
    RecentPage,
    RecentVersion,
    ShownPosition,
    Standing,
    StandingQuery,
    StoredPage,
)

Row = Sequence[Any]
OfPage: TypeAlias = Callable[[bool], str]
"""A statement that reads a page, by size or not; see Statements."""


@dataclass(frozen=True, slots=True)
class LogSql:
    """What a store and its transactions work with."""

    statements: Statements
    clock_us: Callable[[], int] | None
    """None: the database's own."""
    histories: Histories
    layout: Layout


class SqlTransaction(ABC):
    """One transaction; what differs between databases is how many values go into a statement."""

    _first_ordinal: int

    def __init__(self, log: LogSql) -> None:
        self._log = log
        self._sql = log.statements

    async def lock_head(self, project_id: int) -> LockedHead:
        """Lock the head, as sync.store.WriteTransaction says; so do all of these."""
        ((head, clock_us, epoch_id),) = await self._rows(self._sql.lock_head, (project_id,))
        history = await self._log.histories.of(project_id, epoch_id, self._rows)
        return LockedHead(head, self._log.clock_us() if self._log.clock_us else clock_us, history)

    async def positions(self, session_keys: Collection[str]) -> dict[str, dict[str, int]]:
        """Return what sessions have shown."""
        found: dict[str, dict[str, int]] = {}
        rows = await self._rows(self._sql.positions, (self._many(session_keys),), len(session_keys))
        for key, entity_type, revision in rows:
            found.setdefault(key, {})[entity_type] = revision
        return found

    async def standings(self, project_id: int, queries: Collection[StandingQuery]) -> dict[StandingQuery, Standing]:
        """Return where users stand."""
        asked = list(queries)
        rows = await self._rows(self._sql.standings, (project_id, *self._table(asked)), len(asked))
        return {asked[ordinal - self._first_ordinal]: Standing(head, bool(foreign)) for ordinal, head, foreign in rows}

    async def versions(self, keys: Collection[str], *, max_inline_bytes: int) -> dict[str, Version]:
        """Return stored versions."""
        rows = await self._rows(self._sql.versions, (max_inline_bytes, self._many(keys)), len(keys))
        return {row[0]: Version._make(row) for row in rows}

    async def large_data(self, keys: Collection[str]) -> dict[str, str]:
        """Return the data of entities."""
        rows = await self._rows(self._sql.large_data, (self._many(keys),), len(keys))
        return {row[0]: row[1] for row in rows}

    async def move_head(self, project_id: int, head: int) -> None:
        """Set the head."""
        await self._rows(self._sql.move_head, (head, project_id))

    async def write(self, project_id: int, versions: Collection[Version]) -> None:
        """Store versions."""
        opening = self._log.layout.opening
        await self._write(project_id, [(*version, opening(version)) for version in versions])

    @abstractmethod
    async def _write(self, project_id: int, rows: list[tuple[Any, ...]]) -> None:
        """Upsert rows."""

    @abstractmethod
    async def save_positions(self, project_id: int, positions: Iterable[ShownPosition]) -> None:
        """Store what sessions have shown."""

    @abstractmethod
    async def _rows(self, statement: str, parameters: tuple[Any, ...], items: int = 1) -> Sequence[Row]:
        """Run a statement that looks up so many items."""

    @abstractmethod
    def _many(self, values: Collection[str]) -> Any:
        """Return the parameter that stands for many values."""

    @abstractmethod
    def _table(self, rows: Collection[tuple[Any, ...]]) -> tuple[Any, ...]:
        """Return the parameters that stand for a table of values."""


class SqlStore(ABC):
    """The reading side; see sync.store.Store."""

    def __init__(self, log: LogSql) -> None:
        self._log = log
        closings = log.layout.closings
        self._closings = (closings[Action.DELETE], closings[Action.CREATE], closings[Action.UPDATE])

    async def page(self, query: PageQuery) -> StoredPage:
        """Read one page, in one statement."""
        shape = PageShape(
            of_user=query.user_id is not None,
            of_types=bool(query.entity_types),
            with_total=query.include_total,
            with_shown=query.session_key != "",
        )
        statement = partial(self._log.statements.page, shape)
        types = self._many(query.entity_types)
        asked = (query.project_id, query.user_id, query.session_key, query.after_revision, types)
        parameters = (*asked, query.limit + 1, query.skip, *self._closings)
        header, rows, history = await self._read(statement, parameters, query.limit, query.max_bytes)
        _, project_head, user_head, total, shown = header
        laid_out = [row[0] for row in rows]
        kept = _kept(laid_out, query.limit, query.max_bytes)
        return StoredPage(
            changes=laid_out[:kept],
            last_revision=rows[kept - 1][1] if kept else 0,
            cut=0 < kept < len(rows),
            project_head=project_head,
            user_head=user_head,
            total=total,
            shown=shown or {},
            history=history,
        )

    async def recent(self, project_id: int, after_revision: int, limit: int, max_bytes: int) -> RecentPage:
        """Read what is new in a project, in one statement."""
        parameters = (project_id, after_revision, limit + 1)
        (_, head), rows, history = await self._read(self._log.statements.recent, parameters, limit, max_bytes)
        kept = _kept([row[0] for row in rows], limit, max_bytes)
        versions = [RecentVersion._make(row) for row in rows[:kept]]
        return RecentPage(versions, cut=0 < kept < len(rows), head=head, history=history)

    async def _read(self, statement: OfPage, parameters: tuple[Any, ...], limit: int, max_bytes: int) -> "_Found":
        try:
            return await self._found(statement, parameters, limit, max_bytes)
        except StoreUnavailable:
            # The pool may hold connections from before the database was restarted; after one has failed, none of them.
            # Or a new epoch has begun before the history of the page was read.
            return await self._found(statement, parameters, limit, max_bytes)

    async def _found(self, statement: OfPage, parameters: tuple[Any, ...], limit: int, max_bytes: int) -> "_Found":
        first, *rows = await self._fetch(statement, parameters, limit, max_bytes)
        header = json.loads(first[0])
        return header, rows, await self._log.histories.of(parameters[0], header[0], self._rows)

    @abstractmethod
    async def _fetch(self, statement: OfPage, parameters: tuple[Any, ...], limit: int, max_bytes: int) -> Sequence[Row]:
        """Return the header, then rows up to at least one over the limit or over the most bytes, if there are."""

    @abstractmethod
    async def _rows(self, statement: str, parameters: tuple[Any, ...]) -> Sequence[Row]:
        """Run a statement that reads."""

    @abstractmethod
    def _many(self, values: Collection[str]) -> Any:
        """Return the parameter that stands for many values."""


_Found: TypeAlias = tuple[list[Any], Sequence[Row], History]
"""A header, the rows under it, and the history that they are of."""


def _kept(laid_out: Sequence[bytes], limit: int, max_bytes: int) -> int:
    """Return how many of these versions a page may hold, by count and by bytes (T2)."""
    reached = list(accumulate(map(len, laid_out[:limit])))
    return max(bisect_right(reached, max_bytes), min(len(reached), 1))
