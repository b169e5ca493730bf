"""How long the head of a request may take and how large it may be, both unlimited in uvicorn."""

from asyncio import TimerHandle, Transport
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from syncline_bridge.edge.http_versions import HTTP2_PREFACE, HTTP2_REFUSAL, without_chunks
from syncline_bridge.edge.request_ends import RequestEndsProtocol

_LINGER_SECONDS = 2.0
_UNHEARD_SECONDS = 0.05
"""The pause after each piece, a quarter of a MiB at most, that nobody reads."""


class HeadLimitsProtocol(RequestEndsProtocol):
    """Close connections that are silent, trickle their headers or never end them.

    Idle connections between two requests are uvicorn's business (keep-alive), bodies are those of Bodies.
    """

    head_timeout_seconds: ClassVar[float] = 10.0
    max_head_bytes: ClassVar[int] = 64 * 1024
    """The most that may come without a byte of a body: heads, and what goes around the pieces of a body."""

    malformed_body: ClassVar[bytes] = b""

    _head_deadline: TimerHandle | None = None
    _head_bytes: int = 0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn declares it
        """Give a new connection its time for the first head."""
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Count what is not a body, and give what has begun its time to become a head."""
        if self.cycle is None and data.startswith(HTTP2_PREFACE):
            self._is_deaf = True
            self._answer_and_close(HTTP2_REFUSAL)
            return
        if self.ignores_input:
            self._take_it_slowly()
            return
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > self.max_head_bytes and not self.ignores_input:
            self.give_up_reading()
        elif self._head_deadline is None and not self.is_serving:
            self._await_head()

    def on_headers_complete(self) -> None:
        """Leave a head: from here on others watch."""
        self._head_bytes = 0
        self._stop_waiting()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body."""
        self._head_bytes = 0
        super().on_body(body)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go."""
        self._stop_waiting()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP in JSON too; uvicorn's text stays unsaid."""
        head = (
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
            f"content-length: {len(self.malformed_body)}\r\ncache-control: no-store\r\nconnection: close\r\n\r\n"
        )
        self._answer_and_close(head.encode() + self.malformed_body)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        is_old = cycle.scope["http_version"] == "1.0"
        super()._start_asgi_task(cycle, without_chunks(app, cycle) if is_old else app)

    def _answer_and_close(self, answer: bytes) -> None:
        self.transport.write(answer)
        # Closed at once, what is still coming would reset the answer away.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_LINGER_SECONDS, self._give_up)

    def _take_it_slowly(self) -> None:
        """Throw away so much and no more at a time: a sender that is not listened to is not to keep the loop busy."""
        self.flow.pause_reading()
        self.loop.call_later(_UNHEARD_SECONDS, self._go_on)

    def _go_on(self) -> None:
        if not self.transport.is_closing():
            self.flow.resume_reading()

    def _await_head(self) -> None:
        self._head_deadline = self.loop.call_later(self.head_timeout_seconds, self._give_up)

    def _stop_waiting(self) -> None:
        if self._head_deadline is not None:
            self._head_deadline.cancel()
            self._head_deadline = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
