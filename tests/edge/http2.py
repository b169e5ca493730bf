"""gRPC over HTTP/2 frame by frame, for what no gRPC client would send or leave unsent."""

import asyncio
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

import h2.config
import h2.connection
import h2.events
import h2.settings

_PATH = "/syncline.v1.SyncService/"


class Connection:
    """One connection of a client that decides about every frame itself."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, window: int) -> None:
        self._reader = reader
        self._writer = writer
        self._frames = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self._frames.local_settings = h2.settings.Settings(
            client=True, initial_values={h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window}
        )
        self._frames.initiate_connection()
        self.statuses: dict[int, str] = {}
        """The gRPC status of each call that has ended; `reset` where it has none."""
        self.has_ended = False

    async def begin(self, method: str, metadata: Mapping[str, str], *, service: str = _PATH) -> int:
        """Begin a call, and send no message."""
        stream = self._frames.get_next_available_stream_id()
        pseudo = [(":method", "POST"), (":scheme", "http"), (":path", f"{service}{method}"), (":authority", "x")]
        headers: Sequence[tuple[str, str]] = [*pseudo, ("te", "trailers"), ("content-type", "application/grpc")]
        self._frames.send_headers(stream, [*headers, *metadata.items()])
        await self._flush()
        return stream

    async def send(self, stream: int, message: bytes, *, announced: int | None = None) -> None:
        """Send a message, or the beginning of one of so many bytes as are announced, as far as the window goes."""
        size = len(message) if announced is None else announced
        data = struct.pack(">BI", 0, size) + message
        room = min(self._frames.local_flow_control_window(stream), self._frames.max_outbound_frame_size, len(data))
        self._frames.send_data(stream, data[:room], end_stream=room == len(data) and announced is None)
        await self._flush()

    async def receive(self) -> None:
        """Take what comes next; gives no room for more of it."""
        received = await self._reader.read(1 << 16)
        if not received:
            self.has_ended = True
            return
        for event in self._frames.receive_data(received):
            if isinstance(event, h2.events.TrailersReceived | h2.events.ResponseReceived):
                status = dict(event.headers).get("grpc-status")
                if status is not None:
                    self.statuses[event.stream_id] = str(status)
            elif isinstance(event, h2.events.StreamReset):
                self.statuses.setdefault(event.stream_id, "reset")
            elif isinstance(event, h2.events.ConnectionTerminated):
                self.has_ended = True
        await self._flush()

    async def status_of(self, stream: int) -> str:
        """Wait for the end of a call, or of the connection."""
        async with asyncio.timeout(30):
            while stream not in self.statuses and not self.has_ended:
                with suppress(ConnectionResetError):
                    await self.receive()
                    continue
                self.has_ended = True
        return self.statuses.get(stream, "ended")

    async def _flush(self) -> None:
        self._writer.write(self._frames.data_to_send())
        await self._writer.drain()


@asynccontextmanager
async def connected(address: str, *, window: int = 65_535) -> AsyncIterator[Connection]:
    """Connect, with room for `window` bytes in each stream."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        connection = Connection(reader, writer, window)
        await connection.receive()
        yield connection
    finally:
        writer.close()
