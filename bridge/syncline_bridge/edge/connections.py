"""How many connections are open, and which of them end: those that are used for nothing, those that take nothing."""

import time
from asyncio import TimerHandle, Transport
from collections import defaultdict
from typing import ClassVar, Final

import structlog

from syncline.proxies import Proxies, holder_of
from syncline_bridge.edge.request_heads import HeadLimitsProtocol

_EVICTED_AT_ONCE: Final = 16
"""The share of all connections that ends when there is no room: a sixteenth."""
_LOG_SECONDS: Final = 60.0


class Crowd:
    """All connections. When there is no room for one more, some end that are in no request.

    Those of the address that has the most go first. So silence costs nothing but its own connection.
    """

    def __init__(self, most: int, stalled_seconds: float, proxies: Proxies) -> None:
        """Let `most` be open. What takes nothing of its answers for `stalled_seconds` is cut off.

        How many connections one of `proxies` has says nothing of its clients, and is not held against it.
        """
        self._proxies = proxies
        self.stalled_seconds = stalled_seconds
        self._most = most
        self._all: dict[ConnectionProtocol, None] = {}
        self._logged_at = -_LOG_SECONDS

    def enter(self, connection: "ConnectionProtocol") -> None:
        """Take a connection in, and make room for it; it ends itself where there is none."""
        self._all[connection] = None
        if len(self._all) <= self._most:
            return
        ended = self._unused()[: max(1, self._most // _EVICTED_AT_ONCE)] or [connection]
        self._tell(len(ended))
        for one in ended:
            self.leave(one)
            one.cut_off()

    def leave(self, connection: "ConnectionProtocol") -> None:
        """Let a connection go."""
        self._all.pop(connection, None)

    def _unused(self) -> "list[ConnectionProtocol]":
        """Return the connections in no request, those first that are one of many of an address, and the oldest."""
        of_holder: defaultdict[object, list[ConnectionProtocol]] = defaultdict(list)
        newest = next(reversed(self._all))
        for connection in self._all:
            if not connection.is_serving and connection is not newest:
                of_holder[self._holder_of(connection)].append(connection)
        ranked = [(len(own) - rank, one) for own in of_holder.values() for rank, one in enumerate(own)]
        return [one for _, one in sorted(ranked, key=lambda pair: -pair[0])]

    def _holder_of(self, connection: "ConnectionProtocol") -> object:
        address = connection.address
        return connection if self._proxies.trusts(address) else holder_of(address)

    def _tell(self, ended: int) -> None:
        if time.monotonic() - self._logged_at >= _LOG_SECONDS:
            self._logged_at = time.monotonic()
            structlog.get_logger(__name__).warning("connections are running out", most=self._most, ended=ended)


class ConnectionProtocol(HeadLimitsProtocol):
    """One of the crowd."""

    crowd: ClassVar[Crowd]

    _stall: TimerHandle | None = None
    _unsent_bytes: int = 0

    @property
    def address(self) -> str:
        """The address of the peer."""
        return self.client[0] if self.client else ""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn declares it
        """Join the crowd."""
        super().connection_made(transport)
        self.crowd.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the crowd."""
        self.crowd.leave(self)
        self._stop_watching()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Watch whether the peer takes anything."""
        super().pause_writing()
        if self._stall is None:
            self._watch()

    def resume_writing(self) -> None:
        """Watch no longer."""
        self._stop_watching()
        super().resume_writing()

    def cut_off(self) -> None:
        """End at once, with all that waits to be sent."""
        self.transport.abort()

    def _watch(self) -> None:
        self._unsent_bytes = self.transport.get_write_buffer_size()
        self._stall = self.loop.call_later(self.crowd.stalled_seconds, self._look)

    def _look(self) -> None:
        if self.transport.get_write_buffer_size() >= self._unsent_bytes:
            self.cut_off()
        else:
            self._watch()

    def _stop_watching(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None


def protocol_of(crowd: Crowd, malformed: bytes) -> type[ConnectionProtocol]:
    """Return the protocol of a crowd, which answers `malformed` to what is no HTTP: uvicorn passes nothing of ours."""

    class Configured(ConnectionProtocol):
        pass

    Configured.crowd = crowd
    Configured.malformed_body = malformed
    return Configured
