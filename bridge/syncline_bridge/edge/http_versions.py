"""What clients get that speak another HTTP than 1.1."""

from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n"
"""How a client begins that takes HTTP/2 for granted, every gRPC client among them."""
_SETTINGS, _GOAWAY = 4, 7
_HTTP_1_1_REQUIRED = 13
_WORDS = b"This port speaks HTTP/1.1. Syncline's gRPC is on a port of its own."


def _frame(kind: int, payload: bytes = b"") -> bytes:
    """Write a frame of HTTP/2 that belongs to no stream (RFC 9113, 4.1)."""
    return len(payload).to_bytes(3, "big") + bytes((kind, 0)) + bytes(4) + payload


HTTP2_REFUSAL = _frame(_SETTINGS) + _frame(_GOAWAY, bytes(4) + _HTTP_1_1_REQUIRED.to_bytes(4, "big") + _WORDS)
"""The answer that such a client understands: use HTTP/1.1."""


def without_chunks(app: ASGIApp, cycle: RequestResponseCycle) -> Any:
    """Answer HTTP/1.0, which knows no chunks: what has no length ends with its connection. Uvicorn would chunk it."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        has_length = True

        async def send_whole(message: Message) -> None:
            nonlocal has_length
            if message["type"] == "http.response.start":
                has_length = any(name.lower() == b"content-length" for name, _ in message["headers"])
                if not has_length:
                    cycle.chunked_encoding = False
            elif not has_length:
                cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        await app(scope, receive, send_whole)

    return serve
