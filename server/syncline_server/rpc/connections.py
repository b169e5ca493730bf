"""The connections of the gRPC server, which grpc.aio does not show: found among the descriptors of the process.

What cannot be asked of gRPC is done to the sockets themselves: a connection whose peer takes nothing any more is ended
with all that waits in it, and connections over which nobody has ever been let in make room for others.
"""

import asyncio
import os
import socket
import stat
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, suppress
from ipaddress import ip_address
from typing import Final

import structlog

from syncline.proxies import holder_of
from syncline_server.rpc.peers import parsed

_LOOK_SECONDS: Final = 5.0
_STRANGER_SECONDS: Final = 10.0
"""How long a connection may be open without a caller who was let in, once there are many."""
_LOG_SECONDS: Final = 60.0

_log = structlog.get_logger()

Peer = tuple[str, int]
"""An address and a port."""


class Connections:
    """Knows over which connections somebody was let in, and ends connections."""

    def __init__(self, most: int) -> None:
        """Make room from half of `most` on."""
        self._most = most
        self._port = 0
        self._let_in: set[str] = set()
        self._since: dict[Peer, float] = {}
        self._logged_at = -_LOG_SECONDS

    def listen_on(self, port: int) -> None:
        """Say which port is the server's."""
        self._port = port

    def let_in(self, peer: str) -> None:
        """Say that a caller of this peer, as gRPC names it, was let in."""
        self._let_in.add(peer)

    def end(self, peer: str) -> None:
        """End the connection of a peer, whatever waits in it."""
        wanted = _parsed(peer)
        for found, connection in self._open():
            if found == wanted:
                _shut_down(connection)

    async def keep_making_room(self) -> None:
        """Look every five seconds, until it is cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            self.make_room()

    def make_room(self) -> None:
        """End connections of strangers where there are many, first those of the address that has the most."""
        peers = [peer for peer, _ in self._open()]
        now = time.monotonic()
        self._since = {peer: self._since.get(peer, now) for peer in peers}
        let_in = {_parsed(peer) for peer in self._let_in}
        if len(self._let_in) > 2 * len(peers):
            self._let_in = {peer for peer in self._let_in if _parsed(peer) in self._since}
        too_many = len(peers) - self._most // 2
        if too_many <= 0:
            return
        self._tell(len(peers))
        strangers = [peer for peer in peers if peer not in let_in and self._since[peer] <= now - _STRANGER_SECONDS]
        ended = set(_first_of_the_greediest(strangers)[:too_many])
        for peer, connection in self._open():
            if peer in ended:
                _shut_down(connection)

    def _open(self) -> Iterator[tuple[Peer, socket.socket]]:
        """Find the server's connections; each socket is open until the next one is asked for."""
        for name in os.listdir("/dev/fd"):
            found = _socket_of(int(name))
            if found is None:
                continue
            with closing(found):
                try:
                    is_ours = found.getsockname()[1] == self._port
                    peer = _normal(*found.getpeername()[:2])
                except OSError:  # it listens, or is gone
                    continue
                if is_ours:
                    yield peer, found

    def _tell(self, connections: int) -> None:
        if time.monotonic() - self._logged_at >= _LOG_SECONDS:
            self._logged_at = time.monotonic()
            _log.warning("connections are running out", open=connections, most=self._most)


def _socket_of(descriptor: int) -> socket.socket | None:
    """Open what a descriptor stands for once more, if it is a TCP socket: it may be closed under our hands.

    Of a file, no copy is made: to close one lets go of all locks that the process has on it, SQLite's too.
    """
    with suppress(OSError):
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return None
        copy = os.dup(descriptor)
        if stat.S_ISSOCK(os.fstat(copy).st_mode):
            found = socket.socket(fileno=copy)
            if found.family in (socket.AF_INET, socket.AF_INET6):
                return found
            found.close()
        # A file that was opened in between stays open once more: see above.
    return None


def _shut_down(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _parsed(peer: str) -> Peer:
    address, port = parsed(peer)
    return _normal(address, port) if address else ("", 0)


def _normal(address: str, port: int) -> Peer:
    parsed = ip_address(address.partition("%")[0])
    return str(getattr(parsed, "ipv4_mapped", None) or parsed), port


def _first_of_the_greediest(peers: list[Peer]) -> list[Peer]:
    """Sort peers so that addresses come in turns from the one with the most on; a network of IPv6 is one."""
    of_address: defaultdict[str, list[Peer]] = defaultdict(list)
    for peer in peers:
        of_address[holder_of(peer[0])].append(peer)
    ranked = [(len(own) - rank, peer) for own in of_address.values() for rank, peer in enumerate(own)]
    return [peer for _, peer in sorted(ranked, reverse=True)]
