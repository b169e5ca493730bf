"""How rows are written that know contents, and no revisions: looked up, pushed on top of what was found, and again.

A row is applied if the stored document equals the one that its client assumes. The look-up finds the revision of that
document, and the push names it as its base: the atomic check. What moved in between is tried again.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from syncline import words
from syncline.v1 import sync_pb2
from syncline_bridge.caller import Caller
from syncline_bridge.dialects.rxdb.collection import Collection
from syncline_bridge.dialects.rxdb.documents import canonical, document_of
from syncline_bridge.dialects.rxdb.rows import Row
from syncline_bridge.failure import Failure, RefusedError
from syncline_bridge.upstream import Upstream

_MOST_ROUNDS: Final = 4
_NO_REVISION: Final = 1
"""A base that no version has: a push on top of it writes nothing, but the server still knows its own retry (P3)."""
_MOST_CHANGES: Final = 500
_MOST_BYTES: Final = 2 * 1024 * 1024
"""Of data in one call; the server takes 4 MiB, unless it was set to take less."""
_TOO_MUCH: Final = frozenset({"ANSWER_TOO_LARGE", "RESOURCE_EXHAUSTED"})
"""Why a call may be refused that goes through in two halves: its answer, or gRPC's own limit of a message."""
_CHANGE: Final = re.compile(r"changes\[(?P<index>[0-9]+)\](?P<dot>\.?)")
_RACING: Final = Failure(503, "RACING", "Documents kept changing meanwhile. Try again soon.", retry_after_seconds=1)


@dataclass(frozen=True, slots=True)
class Bid:
    """A row, and the revision that it is to be written on top of; 0: there must be none."""

    row: Row
    base_revision: int


class Rounds:
    """Write the rows of one push."""

    def __init__(
        self, upstream: Upstream, caller: Caller, collection: Collection, pushed_at_us: int | None = None
    ) -> None:
        """`pushed_at_us` is when the client made the push, the same however often it is sent; None: it does not say."""
        self._upstream = upstream
        self._caller = caller
        self._collection = collection
        self._pushed_at = Timestamp()
        self._pushed_at.FromMicroseconds(pushed_at_us or 0)
        self._is_dated = pushed_at_us is not None

    async def write(self, rows: Sequence[Row]) -> list[bytes]:
        """Write rows; returns the current documents of those that lost. Raises RefusedError; some may be written."""
        lost: list[bytes] = []
        bids = [Bid(row, 0) for row in rows if row.assumed is None]
        for row, stored in await self._look_up([row for row in rows if row.assumed is not None]):
            base_revision = self._base_of(row, stored)
            if base_revision is not None:
                bids.append(Bid(row, base_revision))
            elif stored is not None:
                lost.append(document_of(stored, self._collection.primary_key))
        for left in reversed(range(_MOST_ROUNDS)):
            conflicts = [conflict for some in _batches(bids) for conflict in await self._push(some)]
            bids = []
            for row, stored in conflicts:
                again = self._again(row, stored)
                if again is not None and left:
                    bids.append(again)
                elif stored.revision:
                    lost.append(document_of(stored, self._collection.primary_key))
                else:
                    raise RefusedError(_RACING)
        return lost

    async def _look_up(self, rows: Sequence[Row]) -> list[tuple[Row, sync_pb2.Change | None]]:
        """Find what is stored of rows."""
        found: dict[str, sync_pb2.Change] = {}
        asked = 0
        while asked < len(rows):
            some = rows[asked : asked + words.MAX_REFERENCES]
            request = sync_pb2.GetRequest()
            for row in some:
                request.entities.add(entity_type=self._collection.name, entity_id=row.entity_id)
            response = await self._upstream.get(request, self._caller)
            found |= {change.entity_id: change for change in response.changes}
            asked += len(some) - response.unread
        return [(row, found.get(row.entity_id)) for row in rows]

    def _base_of(self, row: Row, stored: sync_pb2.Change | None) -> int | None:
        """Return what a row is to be written on top of; None: it has lost."""
        if stored is None:
            return 0
        current = self._canonical(stored)
        if current == row.assumed:
            return stored.revision
        # Its own answer was lost, or another device has made the same of it: the server knows, content does not tell.
        return _NO_REVISION if current == canonical(row.state) else None

    def _again(self, row: Row, stored: sync_pb2.Change) -> Bid | None:
        """Return how to try a row again that met another version than expected; None: it has lost."""
        if not stored.revision:
            return Bid(row, 0)
        return Bid(row, stored.revision) if self._canonical(stored) == row.assumed else None

    def _canonical(self, stored: sync_pb2.Change) -> str:
        return canonical(document_of(stored, self._collection.primary_key))

    async def _push(self, bids: Sequence[Bid]) -> list[tuple[Row, sync_pb2.Change]]:
        """Push rows; returns those that lost, each with the version that won."""
        # Nobody goes on from the token of the answer. That nothing was read is said, as it spares looking it up (P9);
        # a push_id is not, as the bases of a retry are others: it is known by content, time and device (P3).
        request = sync_pb2.PushRequest(checkpoint_token="")  # a position, and an empty one
        owners: list[Row] = []
        for bid in bids:
            for action in _actions_of(bid.row):
                owners.append(bid.row)
                change = request.changes.add()
                change.entity_type = self._collection.name
                change.entity_id = bid.row.entity_id
                change.action = action
                change.data = bid.row.data
                change.base_revision = bid.base_revision
                if self._is_dated:
                    change.client_timestamp.CopyFrom(self._pushed_at)
        try:
            response = await self._upstream.push(request, self._caller)
        except RefusedError as refused:
            if refused.failure.reason in _TOO_MUCH and len(bids) > 1:
                half = len(bids) // 2
                return [*await self._push(bids[:half]), *await self._push(bids[half:])]
            raise RefusedError(_naming_rows(refused.failure, owners)) from refused
        met = {
            row.index: (row, result.change)
            for row, result in zip(owners, response.results, strict=True)
            if result.outcome == sync_pb2.OUTCOME_CONFLICT
        }
        return list(met.values())


def _actions_of(row: Row) -> Iterable[sync_pb2.Action]:
    if not row.deleted:
        return (sync_pb2.ACTION_CREATE,)
    # To delete what is deleted changes nothing, but this client's tombstone is another one, and it compares contents.
    return (sync_pb2.ACTION_CREATE, sync_pb2.ACTION_DELETE) if row.was_deleted else (sync_pb2.ACTION_DELETE,)


def _batches(bids: Sequence[Bid]) -> Iterator[Sequence[Bid]]:
    """Cut into what one call may carry."""
    batch: list[Bid] = []
    size = changes = 0
    for bid in bids:
        more = len(list(_actions_of(bid.row)))
        more_bytes = more * len(bid.row.data)
        if batch and (changes + more > _MOST_CHANGES or size + more_bytes > _MOST_BYTES):
            yield batch
            batch, size, changes = [], 0, 0
        batch.append(bid)
        size, changes = size + more_bytes, changes + more
    if batch:
        yield batch


def _naming_rows(failure: Failure, owners: Sequence[Row]) -> Failure:
    """Name rows and documents where the server named changes."""

    def named(found: re.Match[str]) -> str:
        index = int(found["index"])
        place = owners[index].place if index < len(owners) else ""
        return f"{place} " if found["dot"] else place

    return replace(failure, message=_CHANGE.sub(named, failure.message))
