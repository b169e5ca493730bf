"""What the handlers of the AdminService have in common: who calls, and what they work with."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from syncline_server.admin.access import Gate, require_operator
from syncline_server.admin.process import Process
from syncline_server.operate.desk import Desk
from syncline_server.sync.errors import RequestInvalid
from syncline_server.sync.feed import Feed
from syncline_server.sync.pull import Puller

_US: int = 1_000_000
_MAX_DAYS: int = 90


@dataclass(frozen=True, slots=True)
class Tools:
    """What the handlers work with."""

    desk: Desk
    process: Process
    puller: Puller
    feed: Feed


class Calls:
    """Base of the handlers: each begins by asking who calls."""

    def __init__(self, tools: Tools, gate: Gate) -> None:
        """Let in whom `gate` lets in."""
        self.tools = tools
        self.desk = tools.desk
        self._gate = gate

    async def viewer(self, context: Any) -> bool:
        """Let viewers and operators in; returns whether it is a viewer."""
        operator = await self._gate.admit(context)
        return operator.role.value == "viewer"

    async def operator(self, context: Any) -> str:
        """Let operators in; returns who it is, for the audit. Raises OperatorRequired."""
        return require_operator(await self._gate.admit(context))

    @asynccontextmanager
    async def acting(self, context: Any) -> AsyncIterator[str]:
        """Let operators in for a block that changes something; yields who it is. Raises OperatorRequired."""
        by = await self.operator(context)
        async with self.desk.engines.writing_alone():
            yield by


def moment(us: int | None) -> Timestamp | None:
    """Return a time in µs since the Unix epoch as a message; None: none."""
    return None if us is None else Timestamp(seconds=us // _US, nanos=us % _US * 1000)


def seconds_of(request: Any, field: str, default: int | None) -> int | None:
    """Return a duration of a request in whole seconds, 0 s to 90 days. Raises RequestInvalid."""
    if not request.HasField(field):
        return default
    given: Duration = getattr(request, field)
    if given.seconds < 0 or given.nanos < 0 or given.seconds > _MAX_DAYS * 86_400:
        raise RequestInvalid(field, f"must be 0 s to {_MAX_DAYS} days", limit=_MAX_DAYS)
    return given.seconds


def duration(seconds: float) -> Duration:
    """Return a duration as a message."""
    made = Duration()
    made.FromMicroseconds(int(seconds * _US))
    return made
