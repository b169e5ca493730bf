"""Connections in their TLS handshake: they are of the crowd as any, and their handshake ends within its time.

asyncio's servers tell of a connection when its handshake is done, so nobody could count those that never end it.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, Final

from syncline_bridge.edge.connections import ConnectionProtocol, Crowd

_HANDSHAKE_SECONDS: Final = 10.0


class Handshakes:
    """All handshakes."""

    def __init__(self, crowd: Crowd, context: ssl.SSLContext) -> None:
        """Be of `crowd`, with the certificates of `context`."""
        self.crowd = crowd
        self.context = context
        self._open: set[Handshake] = set()

    def protocol_before(self, protocol: Callable[..., ConnectionProtocol]) -> Callable[..., "Handshake"]:
        """Return what makes the protocol of a connection that `protocol` is going to take over."""

        def made(**named: Any) -> Handshake:
            return Handshake(self, lambda: protocol(**named))

        return made

    def begin(self, handshake: "Handshake") -> None:
        """Take a handshake in."""
        self._open.add(handshake)
        self.crowd.enter(handshake)

    def end(self, handshake: "Handshake") -> None:
        """Let a handshake go."""
        self._open.discard(handshake)
        self.crowd.leave(handshake)

    def cut_off(self) -> None:
        """End all that are open."""
        for handshake in list(self._open):
            handshake.cut_off()


class Handshake(asyncio.Protocol):
    """One handshake; what comes after it is kept for the protocol that takes over."""

    is_serving = False

    def __init__(self, handshakes: Handshakes, take_over: Callable[[], ConnectionProtocol]) -> None:
        self.address = ""
        self._handshakes = handshakes
        self._take_over = take_over
        self._early: list[bytes] = []
        self._is_lost = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as asyncio calls it
        """Begin."""
        transport.pause_reading()  # the first bytes are for the handshake
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self.address = peer[0] if peer else ""
        self._task = asyncio.get_running_loop().create_task(self._shake_hands())
        self._handshakes.begin(self)

    def data_received(self, data: bytes) -> None:
        """Keep what comes with the end of the handshake."""
        self._early.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Remember that there is nothing to take over."""
        self._is_lost = True

    def cut_off(self) -> None:
        """End at once."""
        self._task.cancel()
        self._transport.abort()

    async def _shake_hands(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            secure = await loop.start_tls(
                self._transport,
                self,
                self._handshakes.context,
                server_side=True,
                ssl_handshake_timeout=_HANDSHAKE_SECONDS,
            )
        except OSError:  # it spoke no TLS, or took too long, or is gone
            self._transport.abort()
            return
        finally:
            self._handshakes.end(self)
        if secure is None or self._is_lost:
            return
        protocol = self._take_over()
        secure.set_protocol(protocol)
        protocol.connection_made(secure)
        for data in self._early:
            protocol.data_received(data)
