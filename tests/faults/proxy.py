"""A TCP proxy that does to connections what networks do to them."""

import asyncio
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

_CHUNK_BYTES = 16 * 1024
_NO_LINGER = struct.pack("ii", 1, 0)


@dataclass
class Weather:
    """What happens to bytes on their way, at any time from now on."""

    delay_seconds: float = 0.0
    """How long each chunk stays."""
    bytes_per_second: float | None = None
    """In each direction of each connection; None: as fast as it goes."""
    reset_after_bytes: int | None = None
    """So many more bytes reach the clients; then all connections are reset, in mid-frame as it may be."""
    up: asyncio.Event = field(default_factory=asyncio.Event)
    """Whether bytes get to the server; else they are kept, and the connections stay open."""
    down: asyncio.Event = field(default_factory=asyncio.Event)
    """Whether bytes get to the clients."""


class Proxy:
    """Stands between clients and a server; use as `async with`."""

    def __init__(self, target: str) -> None:
        """Connect to `target`, HOST:PORT or the path of a socket; it may be set anew for connections to come."""
        self.target = target
        self.weather = Weather()
        self.heal()
        self.accepted = 0
        self._links: set[_Link] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        self.address = f"{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        while self._links:
            self.reset()
            await asyncio.wait([link.task for link in self._links])

    def black_hole(self, *, up: bool = True, down: bool = True) -> None:
        """Let nothing through any more, and say nothing of it."""
        if up:
            self.weather.up.clear()
        if down:
            self.weather.down.clear()

    def forget(self) -> None:
        """Let nothing through what is connected now, for ever; connections to come are as good as new."""
        self.black_hole()
        self.weather = Weather()
        self.heal()

    def heal(self) -> None:
        """Let everything through; a reset that has withheld bytes already happens first."""
        if self.weather.reset_after_bytes == 0:
            self.reset()
        self.weather.delay_seconds = 0.0
        self.weather.bytes_per_second = self.weather.reset_after_bytes = None
        self.weather.up.set()
        self.weather.down.set()

    def cut(self) -> None:
        """End all connections in good order (FIN)."""
        for link in self._links:
            link.end()

    def reset(self) -> None:
        """Break all connections (RST)."""
        for link in self._links:
            link.reset()

    def half_close(self) -> None:
        """Say to the clients that the server has no more to say; it still listens."""
        for link in self._links:
            link.is_half_closed = True
            if not link.client.is_closing():
                link.client.write_eof()

    async def _accept(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        self.accepted += 1
        try:
            from_server, server = await self._connect()
        except OSError:
            _break(client)
            return
        link = _Link(client, server)
        link.task = asyncio.create_task(self._carry(link, reader, from_server))
        self._links.add(link)
        link.task.add_done_callback(lambda _: self._links.discard(link))

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self.target.startswith("/"):
            return await asyncio.open_unix_connection(self.target)
        host, _, port = self.target.rpartition(":")
        return await asyncio.open_connection(host, int(port))

    async def _carry(self, link: "_Link", from_client: asyncio.StreamReader, from_server: asyncio.StreamReader) -> None:
        def shown(chunk: bytes) -> bytes:
            return b"" if link.is_half_closed else self._up_to_reset(chunk)

        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(from_client, link.server, self.weather.up, lambda chunk: chunk))
                pumps.create_task(self._pump(from_server, link.client, self.weather.down, shown))
        except* OSError:
            # Broken on one side, so on the other too: who only listens would never hear of it.
            link.break_off()
        link.end()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        passes: asyncio.Event,
        limited: Callable[[bytes], bytes],
    ) -> None:
        while chunk := await reader.read(_CHUNK_BYTES):
            rate = self.weather.bytes_per_second
            await asyncio.sleep(self.weather.delay_seconds + (len(chunk) / rate if rate else 0))
            await passes.wait()
            if chunk := limited(chunk):
                writer.write(chunk)
                await writer.drain()
            if self.weather.reset_after_bytes == 0:
                self.weather.reset_after_bytes = None
                # The last bytes are in the client's kernel by now; a reset that overtakes them would be an earlier cut.
                self.reset()
        await passes.wait()
        if not writer.is_closing():
            writer.write_eof()

    def _up_to_reset(self, chunk: bytes) -> bytes:
        left = self.weather.reset_after_bytes
        if left is None:
            return chunk
        self.weather.reset_after_bytes = max(0, left - len(chunk))
        return chunk[:left]


@dataclass(eq=False)
class _Link:
    """One connection of a client, and the one to the server that goes with it."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    task: "asyncio.Task[None]" = field(init=False)
    is_half_closed: bool = False

    def end(self) -> None:
        self.client.close()
        self.server.close()

    def reset(self) -> None:
        self.task.cancel()
        self.break_off()

    def break_off(self) -> None:
        _break(self.client)
        _break(self.server)


def _break(writer: asyncio.StreamWriter) -> None:
    ends: socket.socket | None = writer.get_extra_info("socket")
    if ends is not None and ends.fileno() >= 0:
        ends.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    writer.transport.abort()
