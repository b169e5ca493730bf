"""What the stores of both databases have in common: the statements, and the values that their rows become."""

import json
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from syncline_server.store.histories import Histories
from syncline_server.store.sql import PageShape, Statements
from syncline_server.sync.changes import Version
from syncline_server.sync.errors import StoreUnavailable
from syncline_server.sync.history import History
from syncline_server.sync.store import (
    LockedHead,
    PageQuery,
    PageRow,
    ShownPosition,
    Standing,
    StandingQuery,
    StoredPage,
)

Row = Sequence[Any]
SIZE_COLUMN = PageRow._fields.index("size_bytes")


@dataclass(frozen=True, slots=True)
class LogSql:
    """What a store and its transactions work with."""

    statements: Statements
    clock_us: Callable[[], int] | None
    """None: the database's own."""
    histories: Histories


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

    @abstractmethod
    async def write(self, project_id: int, versions: Collection[Version]) -> None:
        """Store versions."""

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

    async def page(self, query: PageQuery) -> StoredPage:
        """Read one page, in one statement."""
        shape = PageShape(
            of_user=query.user_id is not None,
            of_types=bool(query.entity_types),
            with_total=query.include_total,
            with_shown=query.session_key != "",
        )
        statement = self._log.statements.page(shape)
        try:
            return await self._stored_page(statement, query)
        except StoreUnavailable:
            # The pool may hold connections from before the database was restarted; after one has failed, none of them.
            # Or a new epoch has begun before the history of the page was read.
            return await self._stored_page(statement, query)

    async def _stored_page(self, statement: str, query: PageQuery) -> StoredPage:
        rows = await self._page_rows(statement, query)
        return _page(rows, query, await self._log.histories.of(query.project_id, int(rows[0][1]), self._rows))

    @abstractmethod
    async def _page_rows(self, statement: str, query: PageQuery) -> Sequence[Row]:
        """Return the header, then rows up to at least one over the limit or over the most bytes, if there are."""

    @abstractmethod
    async def _rows(self, statement: str, parameters: tuple[Any, ...]) -> Sequence[Row]:
        """Run a statement that reads."""


def _page(rows: Sequence[Row], query: PageQuery, history: History) -> StoredPage:
    """Cut the page by count and by bytes (T2) and read its header."""
    header = rows[0]
    assert header[0] is None, "the header comes first"
    found = len(rows) - 1
    kept = min(found, query.limit)
    sizes = accumulate([row[SIZE_COLUMN] for row in rows[1 : kept + 1]])
    kept = max(bisect_right(list(sizes), query.max_bytes), min(kept, 1))
    return StoredPage(
        rows=list(map(PageRow._make, rows[1 : kept + 1])),
        cut=0 < kept < found,
        project_head=header[6],
        user_head=header[7] or 0,
        total=header[5],
        shown=json.loads(header[4]) if header[4] else {},
        history=history,
    )
