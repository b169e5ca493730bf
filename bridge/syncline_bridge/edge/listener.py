"""How uvicorn is made to listen: on a socket bound beforehand, without its own signal handlers and log lines."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.types import ASGIApp

from syncline.words import split_address
from syncline_bridge.edge.connections import ConnectionProtocol
from syncline_bridge.edge.tls import ServerTls


class Server(uvicorn.Server):
    """Tell when connections are accepted, and leave signals to the process."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.accepting = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell."""
        await super().startup(sockets)
        self.accepting.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none: uvicorn would raise them again after the graceful stop."""
        yield


@asynccontextmanager
async def listening(
    app: ASGIApp,
    protocol: type[ConnectionProtocol],
    http_address: str,
    tls: ServerTls | None,
    keep_alive_seconds: int,
    shutdown_grace_seconds: int,
) -> AsyncIterator[str]:
    """Serve the application for as long as the context lasts; yields HOST:PORT as bound.

    On leaving: no new connections, requests in progress finish, those that outlast the grace are cancelled.
    """
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=keep_alive_seconds,
        timeout_graceful_shutdown=shutdown_grace_seconds,
    )
    config.load()
    config.ssl = tls.context if tls is not None else None
    server = Server(config)
    with _bound(http_address) as listener:
        serve = asyncio.create_task(server.serve(sockets=[listener]))
        accepting = asyncio.create_task(server.accepting.wait())
        try:
            await asyncio.wait({serve, accepting}, return_when=asyncio.FIRST_COMPLETED)
            if serve.done():  # it failed before it could accept anything
                serve.result()
            yield _address(listener)
        finally:
            accepting.cancel()
            server.should_exit = True
            await serve


def _bound(http_address: str) -> socket.socket:
    host, port = split_address(http_address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio sets TCP_NODELAY only then; without it every answer takes 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
