"""What the write transactions of both databases have in common: the statements of a push, and their rows as values."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from syncline_server.store.clock import system_clock_us
from syncline_server.store.errors import ConnectionLost
from syncline_server.store.histories import Histories
from syncline_server.store.statements import Statements
from syncline_server.store.wanted_schema import WANTED
from syncline_server.sync.changes import Version
from syncline_server.sync.layout import Layout
from syncline_server.sync.notes import StoredNote
from syncline_server.sync.store import LockedHead, News, ProjectNews, RememberedPush, ShownPosition

Row = Sequence[Any]

_KEPT_POSITIONS_US: Final = 90 * 24 * 3600 * 1_000_000
"""A session that comes back later has shown nothing (P9), and reads some of its own changes again."""


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
    _older: Collection[int] = ()
    """The projects of which rows may be of an older schema, once their heads are locked."""

    def __init__(self, log: LogSql) -> None:
        self._log = log
        self._sql = log.statements

    async def lock_head(self, project_id: int) -> LockedHead:
        """Lock the head, as sync.store.WriteTransaction says; so do all of these."""
        return (await self.lock_heads([project_id], wait=True))[project_id]

    async def lock_heads(self, project_ids: Collection[int], *, wait: bool) -> dict[int, LockedHead]:
        """Lock heads."""
        of_one = wait and len(project_ids) == 1
        statement = self._sql.lock_head if of_one else self._sql.lock_heads(wait)
        asked = (next(iter(project_ids)),) if of_one else (self._sql.many(project_ids),)
        rows = await self._rows(statement, asked, len(project_ids))
        epochs = {project_id: (epoch_id, schema) for project_id, epoch_id, schema, *_ in rows if epoch_id is not None}
        if wait and len(epochs) < len(project_ids):
            raise ConnectionLost  # a project without its row: its database is being restored
        if not epochs:
            return {}
        self._older = [project_id for project_id, (_, schema) in epochs.items() if schema < WANTED]
        asked = asked if of_one else (self._sql.many(epochs),)
        heads = await self._rows(self._sql.locked_heads(of_one), asked, len(epochs))
        return {one: await self._locked(one, head, clock_us, epochs[one][0]) for one, head, clock_us in heads}

    async def _locked(self, project_id: int, head: int, clock_us: int, epoch_id: int) -> LockedHead:
        history = await self._log.histories.of(project_id, epoch_id, self._rows)
        return LockedHead(head, self._log.clock_us() if self._log.clock_us else clock_us, history)

    async def positions(self, project_id: int | None, session_keys: Collection[str]) -> dict[str, dict[str, int]]:
        """Return what sessions have shown."""
        found: dict[str, dict[str, int]] = {}
        for key, entity_type, revision in await self._of_keys(self._sql.positions, project_id, session_keys):
            found.setdefault(key, {})[entity_type] = revision
        return found

    async def news(self, queries: Collection[ProjectNews]) -> dict[ProjectNews, News]:
        """Return what is news."""
        asked = list(queries)
        projects = {project_id for project_id, _ in asked}
        if len(projects) == 1:
            table = (*projects, *self._table([query for _, query in asked]))
        else:
            table = self._table([(project_id, *query) for project_id, query in asked])
        rows = await self._rows(self._sql.news(len(projects) == 1), table, len(asked))
        return {asked[ordinal - self._first_ordinal]: News(head, bool(by_others)) for ordinal, head, by_others in rows}

    async def versions(
        self, project_id: int | None, keys: Collection[str], *, max_inline_bytes: int
    ) -> dict[str, Version]:
        """Return stored versions."""
        rows = await self._of_keys(self._sql.versions, project_id, keys, max_inline_bytes)
        return {row[0]: Version._make(row) for row in rows}

    async def large_data(self, project_id: int, sizes: Mapping[str, int]) -> dict[str, str]:
        """Return the data of entities."""
        asked = (project_id, self._sql.many(sizes))
        rows = await self._rows(self._sql.large_data, asked, len(sizes), sum(sizes.values()))
        return {row[0]: row[1] for row in rows}

    async def write(self, versions: Mapping[int, Collection[Version]]) -> None:
        """Store versions."""
        opening = self._log.layout.opening
        size_bytes = sum([version.size_bytes for of_one in versions.values() for version in of_one])
        rows = [
            (project_id, *version, opening(version)) for project_id, of_one in versions.items() for version in of_one
        ]
        await self._upsert(self._sql.write, rows, size_bytes)

    async def save_positions(self, positions: Mapping[int, Iterable[ShownPosition]]) -> None:
        """Store what sessions have shown."""
        otherwise = system_clock_us() + _KEPT_POSITIONS_US
        rows = [
            (project_id, *one._replace(expires_at_us=one.expires_at_us or otherwise))
            for project_id, of_one in positions.items()
            for one in of_one
        ]
        # In one order everywhere, so that two processes never wait for each other's rows.
        await self._upsert(self._sql.save_positions, sorted(rows))

    async def remembered(self, project_id: int | None, keys: Collection[str]) -> dict[str, RememberedPush]:
        """Return remembered pushes."""
        rows = await self._of_keys(self._sql.remembered, project_id, keys)
        return {row[0]: RememberedPush._make(row) for row in rows}

    async def remember(self, pushes: Mapping[int, Collection[RememberedPush]]) -> None:
        """Store pushes."""
        rows = [(project_id, *push) for project_id, of_one in pushes.items() for push in of_one]
        await self._upsert(self._sql.remember, rows)

    async def notes(self, project_id: int | None, keys: Collection[str]) -> dict[str, StoredNote]:
        """Return notes."""
        return {row[0]: StoredNote._make(row) for row in await self._of_keys(self._sql.notes, project_id, keys)}

    async def write_notes(self, notes: Mapping[int, Collection[StoredNote]]) -> None:
        """Store notes."""
        rows = [(project_id, *note) for project_id, of_one in notes.items() for note in of_one]
        size_bytes = sum([len(note.value) for of_one in notes.values() for note in of_one])
        await self._upsert(self._sql.write_notes, rows, size_bytes)

    async def forget(self, project_id: int, devices: Collection[tuple[str, str]], now_us: int) -> None:
        """Delete remembered pushes."""
        await self._rows(self._sql.forget, (project_id, now_us, *self._table(devices)), len(devices))

    async def _of_keys(
        self, statement: Callable[[bool], str], project_id: int | None, keys: Collection[str], *others: Any
    ) -> Sequence[Row]:
        """Look up keys of one project, or of several."""
        asked = (self._sql.many(keys), *others)
        if project_id is None:
            return await self._rows(statement(False), asked, len(keys))
        return await self._rows(statement(True), (project_id, *asked), len(keys))

    @abstractmethod
    async def _upsert(self, statement: str, rows: list[tuple[Any, ...]], size_bytes: int = 0) -> None:
        """Run a statement that writes rows, whose data has so many bytes."""

    @abstractmethod
    async def _rows(
        self, statement: str, parameters: tuple[Any, ...], items: int = 1, size_bytes: int = 0
    ) -> Sequence[Row]:
        """Run a statement that looks up so many items, whose data has so many bytes, as far as known."""

    @abstractmethod
    def _table(self, rows: Collection[tuple[Any, ...]]) -> tuple[Any, ...]:
        """Return the parameters that stand for a table of values."""
