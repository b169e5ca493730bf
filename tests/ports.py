"""Ports that nobody else takes between the moment they are found free and the moment a process listens there."""

import os
import socket
from itertools import cycle

_FIRST_PORT = 20_000
_PORTS_OF_A_WORKER = 1_500
_WORKERS = 8
"""All of them stay below 32768: from there on, Linux gives ports to outgoing connections."""


def free_port() -> int:
    """Return a port of 127.0.0.1; it comes again only when all others of this test worker's have been handed out."""
    for port in _PORTS:
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
    raise AssertionError("a cycle has no end")


def free_address() -> str:
    return f"127.0.0.1:{free_port()}"


def _ports() -> "cycle[int]":
    """Begin somewhere else in each process: another test run on this machine has the same workers."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % _WORKERS
    first, begin = _FIRST_PORT + worker * _PORTS_OF_A_WORKER, os.getpid() % _PORTS_OF_A_WORKER
    return cycle(first + (begin + number) % _PORTS_OF_A_WORKER for number in range(_PORTS_OF_A_WORKER))


_PORTS = _ports()
