"""What the bridge asks beside what its clients ask: whether credentials are good, and a stream for its calls."""

from typing import Any, Protocol

from google.protobuf.message import DecodeError

from syncline.relay.v1 import relay_pb2, relay_pb2_grpc
from syncline_server.rpc.counts import Count, CountedFields
from syncline_server.rpc.relay.calls import MAX_CALLS, Served
from syncline_server.rpc.relay.strangers import Strangers
from syncline_server.rpc.relay.stream import RelayStream, StreamLimits
from syncline_server.sync.errors import InvalidError, RequestInvalid

_COUNTED = CountedFields(relay_pb2.RelayRequest.DESCRIPTOR, {"calls": Count(MAX_CALLS)})


class Drained(Protocol):
    """A stream that is open."""

    def drain(self) -> None:
        """Tell the bridge to send no more."""


class RelayService(relay_pb2_grpc.RelayServiceServicer):
    """`syncline.relay.v1.RelayService`."""

    def __init__(self, served: Served, limits: StreamLimits) -> None:
        """Serve calls with `served`."""
        self.served = served
        self.limits = limits
        self._strangers = Strangers()
        self._open: set[Drained] = set()
        self._is_draining = False

    async def CheckCaller(self, request: Any, context: Any) -> relay_pb2.CheckCallerResponse:  # noqa: N802  # the contract's name
        """Say that the credentials are good: who cannot be let in is refused before this is called."""
        return relay_pb2.CheckCallerResponse()

    async def Relay(self, _: Any, context: Any) -> None:  # type: ignore[override]  # noqa: N802  # it reads and writes by the context
        """Carry calls. The stream is nobody's: each of its calls has a caller of its own."""
        stream = RelayStream(self.served, context, lambda: self._strangers.remove(stream), self.limits)
        self._strangers.add(stream, context.peer().rpartition(":")[0])
        self.join(stream)
        try:
            await stream.serve()
        finally:
            self.leave(stream)
            self._strangers.remove(stream)

    def join(self, stream: Drained) -> None:
        """Tell a stream from now on when the server goes away."""
        self._open.add(stream)
        if self._is_draining:
            stream.drain()

    def leave(self, stream: Drained) -> None:
        """Tell it nothing more."""
        self._open.discard(stream)

    def drain(self) -> None:
        """Tell every bridge to send its calls elsewhere; those that come all the same are answered."""
        self._is_draining = True
        for stream in self._open:
            stream.drain()


def relay_request(raw: bytes) -> relay_pb2.RelayRequest | InvalidError:
    """Decode a message of calls, or return what is wrong with it: gRPC takes what it raises for a defect."""
    if problem := _COUNTED.problem_of(raw):
        return problem
    try:
        return relay_pb2.RelayRequest.FromString(raw)
    except DecodeError:
        return RequestInvalid("request", "must be a message of the contract, with strings in UTF-8")
