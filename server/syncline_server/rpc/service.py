"""The handlers: each reads the request, calls the rules and fills the response; CallObserver translates the errors."""

import asyncio
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

from syncline.refusals import Refusals
from syncline.v1 import sync_pb2, sync_pb2_grpc
from syncline_server.identity.authenticator import Authenticator
from syncline_server.identity.call_limits import CallLimiter
from syncline_server.identity.credentials import credentials_of
from syncline_server.identity.principal import Principal
from syncline_server.identity.quotas import Quotas
from syncline_server.identity.shares import Shares
from syncline_server.identity.tickets import Tickets
from syncline_server.identity.withdrawals import Withdrawals
from syncline_server.rpc import codec
from syncline_server.rpc.connections import Connections
from syncline_server.rpc.metrics import Metrics
from syncline_server.rpc.peers import Peers
from syncline_server.rpc.push_streams import PushStreams
from syncline_server.rpc.pushes import Pushes
from syncline_server.rpc.requests import Requests
from syncline_server.rpc.server_time import server_time
from syncline_server.sync.errors import IdentityError, ReaderTooSlow, SessionExpired, UnavailableError
from syncline_server.sync.feed import Feed
from syncline_server.sync.pull import Puller
from syncline_server.sync.push import Pusher
from syncline_server.sync.store import Store

_US: Final = 1_000_000


class SyncService(sync_pb2_grpc.SyncServiceServicer):
    """`syncline.v1.SyncService` over the rules."""

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        tickets: Tickets,
        limiter: CallLimiter,
        quotas: Quotas,
        requests: Requests,
        pusher: Pusher,
        puller: Puller,
        store: Store,
        feed: Feed,
        metrics: Metrics,
        refusals: Refusals,
        peers: Peers,
        withdrawals: Withdrawals,
        connections: Connections,
        max_user_streams: int,
        slow_reader_seconds: float,
    ) -> None:
        """A stream whose reader takes nothing for `slow_reader_seconds` is cut."""
        self.authenticator = authenticator
        self._tickets = tickets
        self._limiter = limiter
        self._requests = requests
        self.pushes = Pushes(requests, pusher, limiter, quotas, metrics)
        self._push_streams = PushStreams(authenticator, self.pushes, slow_reader_seconds)
        self._session_lag = metrics.session_lag_seconds
        self._puller = puller
        self._store = store
        self._feed = feed
        self._refusals = refusals
        self._peers = peers
        self._withdrawals = withdrawals
        self._connections = connections
        self._user_streams = Shares("streams of this user", each=max_user_streams)
        self._slow_reader_seconds = slow_reader_seconds

    async def admit(self, context: Any) -> Principal:
        """Find out from the metadata of a call who is calling, before anything else of it is read."""
        try:
            credentials = credentials_of(context.invocation_metadata())
            ticket = credentials.ticket
            caller = await (self._tickets.check(ticket) if ticket else self.authenticator.authenticate(credentials))
        except IdentityError:
            await self._refusals.hold(self._peers.address_of(context))
            raise
        self._connections.let_in(context.peer())
        return caller

    async def Push(self, request: sync_pb2.PushRequest, context: Any) -> sync_pb2.PushResponse:  # noqa: N802  # the contract's name
        """Apply a batch of changes."""
        principal = await self._acting(request.user_id, context)
        begun = await self.pushes.begin(request, principal)
        await begun
        response = sync_pb2.PushResponse()
        self.pushes.answer(response, begun, principal)
        return response

    async def PushStream(self, requests: Any, context: Any) -> None:  # type: ignore[override]  # noqa: N802  # it reads and writes by the context
        """Apply batches as they come."""
        caller = await self.authenticator.authenticate(credentials_of(context.invocation_metadata()))
        with self._place(caller), self._withdrawals.watched(caller):
            await self._push_streams.serve(context)

    def drain(self) -> None:
        """End all streams: what they have read is answered first."""
        self._feed.drain()
        self._push_streams.drain()

    async def Pull(self, request: sync_pb2.PullRequest, context: Any) -> bytes:  # type: ignore[override]  # noqa: N802  # serialized, see codec
        """Read one page."""
        principal = await self._principal(request.user_id, context)
        reading, size = self._requests.pull(request, principal)
        page = await self._puller.pull(reading, size)
        if page.count:
            self._session_lag.observe(max(time.time() - codec.first_revision(page.changes) / _US, 0.0))
        return codec.pull_response(page, self._requests.token(principal, page.checkpoint))

    async def Get(self, request: sync_pb2.GetRequest, context: Any) -> bytes:  # type: ignore[override]  # noqa: N802  # serialized, see codec
        """Read entities by their ids."""
        principal = await self._principal(request.user_id, context)
        found = await self._store.entities(self._requests.get(request, principal))
        unread = self._requests.unread(request, principal, found.looked_at)
        return codec.get_response(found, unread, self._requests.note_names(request, principal))

    async def StreamPull(self, request: sync_pb2.StreamPullRequest, context: Any) -> None:  # type: ignore[override]  # noqa: N802  # it writes its messages, so that a reader who takes none can be cut
        """Read everything, then follow."""
        principal = await self._stream_principal(request, context)
        with self._place(principal), self._withdrawals.watched(principal):
            # Unsent, it would go with the first message: while that is stuck, no status could follow.
            await context.send_initial_metadata(server_time())
            await self._stream(request, principal, context)

    async def CreateTicket(self, request: sync_pb2.CreateTicketRequest, context: Any) -> sync_pb2.CreateTicketResponse:  # noqa: N802  # as above
        """Make a ticket."""
        principal = await self._principal("", context)
        ticket = self._tickets.issue(principal, self._requests.ticket(request, principal))
        return codec.ticket_response(ticket)

    async def _stream(self, request: sync_pb2.StreamPullRequest, principal: Principal, context: Any) -> None:
        reading = self._requests.stream(request, principal)
        token = request.checkpoint_token
        pieces = self._feed.follow(reading, follow=request.follow, expires_at=principal.expires_at)
        try:
            async for piece in pieces:
                next_token = self._requests.token(principal, piece.page.checkpoint)
                message = codec.stream_pull_response(piece, next_token)
                del piece  # a reader may take its time over the message; nothing else is to stay in memory for it
                await self._send(context, message, token)
                del message  # the next one may be long in coming
                token = next_token
        except (UnavailableError, SessionExpired) as error:
            # The store's failure may be shared with other calls, so it is not written on.
            raise type(error)(checkpoint_token=token) from error.__cause__ or error
        finally:
            await pieces.aclose()

    def _place(self, principal: Principal) -> AbstractContextManager[None]:
        """Return a place for a stream; those of server keys that name nobody are not bounded."""
        return nullcontext() if principal.user_id is None else self._user_streams.held(principal.caller)

    async def _principal(self, user_id: str, context: Any) -> Principal:
        principal = await self._acting(user_id, context)
        self._limiter.check(principal)
        return principal

    async def _acting(self, user_id: str, context: Any) -> Principal:
        caller = await self.authenticator.authenticate(credentials_of(context.invocation_metadata()))
        return caller.acting_for(user_id)

    async def _stream_principal(self, request: sync_pb2.StreamPullRequest, context: Any) -> Principal:
        credentials = credentials_of(context.invocation_metadata())
        ticket = credentials.ticket
        caller = await (self._tickets.redeem(ticket) if ticket else self.authenticator.authenticate(credentials))
        principal = caller.acting_for_all() if request.all_users else caller.acting_for(request.user_id)
        self._limiter.check(principal)
        return principal

    async def _send(self, context: Any, message: bytes, token: str) -> None:
        """Write a message; flow control holds a slow reader back, and this cuts a stuck one (T3)."""
        try:
            async with asyncio.timeout(self._slow_reader_seconds):
                await context.write(message)
        except TimeoutError:
            raise ReaderTooSlow(token) from None
