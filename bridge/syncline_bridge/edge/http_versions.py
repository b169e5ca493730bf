"""What clients get that speak another HTTP than 1.1."""

from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n"
"""How a client begins that takes HTTP/2 for granted, every gRPC client among them."""
_WORDS = b"This port speaks HTTP/1.1. gRPC is on a port of its own."
_BODY = b'{"error":{"code":"HTTP_VERSION","message":"%s"}}' % _WORDS

HTTP2_REFUSAL = (
    b"HTTP/1.1 505 HTTP Version Not Supported\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\ncache-control: no-store\r\nconnection: close\r\n\r\n%s"
) % (len(_BODY), _BODY)
"""The answer to such a client, in HTTP/1.1: gRPC reads from it that there is no HTTP/2 here, where it would try again
and again after a GOAWAY."""


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
