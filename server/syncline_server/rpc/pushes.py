"""One push, in two halves, which Push, PushStream and the relay share: it is begun and, once it is done, answered."""

import asyncio
from collections.abc import Iterator

from syncline.v1 import sync_pb2
from syncline_server.identity.call_limits import CallLimiter
from syncline_server.identity.principal import Principal
from syncline_server.identity.quotas import Quotas
from syncline_server.rpc import codec
from syncline_server.rpc.metrics import Metrics
from syncline_server.rpc.requests import Requests
from syncline_server.sync.changes import PushOutcome
from syncline_server.sync.push import Pusher

BegunPush = asyncio.Future[PushOutcome | None]


class Pushes:
    """Begins pushes and answers them."""

    def __init__(
        self, requests: Requests, pusher: Pusher, limiter: CallLimiter, quotas: Quotas, metrics: Metrics
    ) -> None:
        """Read requests with `requests`, apply them with `pusher`, count changes in `limiter` and `metrics`."""
        self._requests = requests
        self._limiter = limiter
        self._quotas = quotas
        self._pusher = pusher
        self._applied = metrics.changes.labels("applied")
        self._replayed = metrics.changes.labels("replayed")
        self._conflicts = metrics.changes.labels("conflict")

    async def begin(self, request: sync_pb2.PushRequest, principal: Principal) -> BegunPush:
        """Put a push in line, within what its user may do and keep. Raises SyncError where nothing of it is applied."""
        size_bytes = request.ByteSize()
        self._admit(request, principal, size_bytes)
        if not _only_deletes(request):
            await self._quotas.look(principal, size_bytes)
            self._quotas.check(principal, size_bytes)
        if noted_bytes := sum([len(note.name) + len(note.value) for note in _written(request)]):
            await self._quotas.check_notes(principal, noted_bytes)
        return self._pusher.begin(self._requests.push(request, principal))

    def begin_at_once(self, request: sync_pb2.PushRequest, principal: Principal) -> BegunPush | None:
        """Do the same without waiting; None: what is kept of the user has to be looked up first."""
        size_bytes, only_deletes = request.ByteSize(), _only_deletes(request)
        if any(_written(request)) or not (only_deletes or self._quotas.knows(principal, size_bytes)):
            return None
        self._admit(request, principal, size_bytes)
        if not only_deletes:
            self._quotas.check(principal, size_bytes)
        return self._pusher.begin(self._requests.push(request, principal))

    def _admit(self, request: sync_pb2.PushRequest, principal: Principal, size_bytes: int) -> None:
        """Hold a push against the limits of calls. Raises RateLimited and ProjectDisabled."""
        if principal.key is not None:
            principal.key.project.check_written()
        self._limiter.check(principal)
        self._limiter.count_push(principal, len(request.changes), size_bytes)

    def answer(self, response: sync_pb2.PushResponse, begun: BegunPush, principal: Principal) -> None:
        """Fill in the answer to a push that is done. Raises whatever has become of it otherwise."""
        outcome = begun.result()
        assert outcome is not None
        self._count(outcome)
        codec.fill_push_response(response, outcome, self._requests.token(principal, outcome.checkpoint))

    def _count(self, outcome: PushOutcome) -> None:
        replayed = conflicts = 0
        for result in outcome.results:
            if result.replayed:
                replayed += 1
            elif not result.applied:
                conflicts += 1
        if replayed:
            self._replayed.inc(replayed)
        if conflicts:
            self._conflicts.inc(conflicts)
        self._applied.inc(len(outcome.results) - replayed - conflicts)


def _written(request: sync_pb2.PushRequest) -> Iterator[sync_pb2.Note]:
    """Yield the notes of a push that are not to be deleted."""
    yield from [note for note in request.notes if note.value]
    yield from [change.note for change in request.changes if change.HasField("note") and change.note.value]


def _only_deletes(request: sync_pb2.PushRequest) -> bool:
    return all(change.action == sync_pb2.ACTION_DELETE for change in request.changes)
