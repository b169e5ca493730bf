"""A relayed push of a known caller: it is begun without a task of its own and answered by the end of its commit."""

import asyncio
from collections.abc import Callable
from functools import partial

from syncline.v1 import sync_pb2
from syncline_server.identity.principal import Principal
from syncline_server.rpc.incoming import Incoming
from syncline_server.rpc.observer import CallObserver, ObservedCall
from syncline_server.rpc.pushes import BegunPush, Pushes
from syncline_server.rpc.relay.context import RelayedContext, status_bytes
from syncline_server.sync.errors import SyncError

OnEnd = Callable[[bytes | None, bytes], None]
"""Takes the response, or None and the status of a call, serialized; an empty status: it was cancelled."""


class RelayedPushes:
    """Begins pushes, observed and held to limits as any other."""

    def __init__(self, pushes: Pushes, incoming: Incoming, observer: CallObserver) -> None:
        """Share with the handler of Push what reads, applies and observes."""
        self._pushes = pushes
        self._decode = incoming.decoder(sync_pb2.DESCRIPTOR.message_types_by_name["PushRequest"])
        self._observer = observer
        self._served = observer.served("Push")

    def begin(self, raw: bytes, caller: Principal, context: RelayedContext, on_end: OnEnd) -> BegunPush | bytes | None:
        """Begin a push; returns its status where it is refused at once, and None where the usual way has to be taken.

        `on_end` is called later, only if it is begun.
        """
        request = self._decode(raw)
        if isinstance(request, SyncError):
            return None
        assert isinstance(request, sync_pb2.PushRequest)
        call = ObservedCall(self._served, context)
        try:
            principal = caller.acting_for(request.user_id)
            begun = self._pushes.begin_at_once(request, principal)
        except Exception as error:
            return _status_of(call, error)
        if begun is not None:
            self._observer.begin()
            begun.add_done_callback(partial(self._end, call, principal, on_end))
        return begun

    def _end(self, call: ObservedCall, principal: Principal, on_end: OnEnd, begun: BegunPush) -> None:
        self._observer.end()
        if begun.cancelled():
            call.failed(asyncio.CancelledError())
            on_end(None, b"")
            return
        try:
            response = sync_pb2.PushResponse()
            self._pushes.answer(response, begun, principal)
            raw = response.SerializeToString()
        except Exception as error:
            on_end(None, _status_of(call, error))
            return
        call.end("OK")
        on_end(raw, b"")


def _status_of(call: ObservedCall, error: Exception) -> bytes:
    status = call.failed(error)
    assert status is not None
    return status_bytes(status)
