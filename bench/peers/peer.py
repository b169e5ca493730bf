"""What a peer is to a measurement: the same four kinds of work, as its own documentation says they are done."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from bench.load import Http
from bench.messages import DATA, Headers
from bench.processes import Process

BATCH: Final = 100
PAGE: Final = 100
USERS: Final = 16


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where one server takes what, and from whom."""

    push: tuple[str, str]
    """Path and body of a request that stores one new entity."""
    batch: tuple[str, str]
    """Path and body of a request that stores 100, all or none where the server can."""
    page: str
    """Path of a request that reads 100 entities."""
    callers: Sequence[Headers]
    """The credentials of sixteen users."""

    def pushes(self, connections: int) -> Http:
        return Http(*self.push, self.callers, connections)

    def batches(self, connections: int) -> Http:
        return Http(*self.batch, self.callers, connections)

    def pages(self, connections: int) -> Http:
        return Http(self.page, "", self.callers[:1], connections)


@dataclass(frozen=True, slots=True)
class Peer:
    """A server that runs, and what it can be asked."""

    name: str
    process: Process
    endpoints: Endpoints


def entity(**more: Any) -> dict[str, Any]:
    """Return the members of an entity."""
    return {**json.loads(DATA), **more}
