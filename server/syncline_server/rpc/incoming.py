"""How a request comes in: credentials from the head, then bytes, then counts, and only then objects.

Nothing is read of a stranger's request, and nothing is made of a request that is larger than it may be. For that a call
of one request is handled as a stream of one: grpc.aio would read it whole before any code of ours runs.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from grpc import aio

from syncline_server.rpc.counts import CountedFields
from syncline_server.rpc.undecodable import problem_of
from syncline_server.sync.errors import Overloaded, RequestInvalid, SyncError, TooManyOpen

_SMALL_BYTES: Final = 64 * 1024
"""A request so small is always read."""
_READ_AT_ONCE: Final = 16
"""How many requests of one caller come in at once; each may take as long as it takes, and its largest size."""
_WAITING: Final = 2000
_READ_SECONDS: Final = 60.0

_NOTHING_REPEATED: Final = CountedFields(None, {})


class Caller(Protocol):
    """Somebody who was let in."""

    @property
    def caller(self) -> tuple[int, str | None]:
        """Who shares limits with whom."""


Admit = Callable[[Any], Awaitable[Caller]]
"""Finds out from the metadata in a context who is calling; raises what refuses a stranger."""


class Incoming:
    """Reads requests."""

    def __init__(self, admit: Admit, has_room: Callable[[int], bool], counted: Mapping[str, CountedFields]) -> None:
        """Refuse large requests that there is no room for; `counted` are the repeated fields of messages, by name."""
        self._admit = admit
        self._has_room = has_room
        self._counted = counted
        self._turns: dict[tuple[int, str | None], _Turn] = {}

    async def admit(self, context: Any) -> Caller:
        """Find out who is calling, before anything is read. Raises SyncError."""
        return await self._admit(context)

    def reader(self, kind: Descriptor) -> Callable[[Any], Awaitable[Message]]:
        """Return what reads the one request of a call from its context; raises SyncError."""
        decode = self.decoder(kind)

        async def read(context: Any) -> Message:
            request = decode(await self._read(context, await self._admit(context)))
            if isinstance(request, SyncError):
                raise request
            return request

        return read

    def decoder(self, kind: Descriptor) -> Callable[[bytes], Message | SyncError]:
        """Return what decodes a request, or returns what is wrong with it: gRPC takes what it raises for a defect."""
        deserialize = GetMessageClass(kind).FromString
        counted = self._counted.get(kind.name, _NOTHING_REPEATED)

        def decode(raw: bytes) -> Message | SyncError:
            if len(raw) > _SMALL_BYTES and not self._has_room(len(raw)):
                return Overloaded()
            if problem := counted.problem_of(raw):
                return problem
            try:
                return deserialize(raw)
            except DecodeError:
                return problem_of(raw, kind)

        return decode

    async def _read(self, context: Any, principal: Caller) -> bytes:
        caller = principal.caller
        turn = self._turns.get(caller)
        if turn is None:
            turn = self._turns[caller] = _Turn()
        if turn.calls >= _WAITING:
            raise TooManyOpen("calls", _WAITING)
        turn.calls += 1
        try:
            async with turn.semaphore, asyncio.timeout(_READ_SECONDS):
                raw = await context.read()
        except TimeoutError:
            raise RequestInvalid("request", f"did not come within {_READ_SECONDS:.0f} s") from None
        finally:
            turn.calls -= 1
            if not turn.calls:
                del self._turns[caller]
        if raw is aio.EOF:
            raise RequestInvalid("request", "is missing")
        read: bytes = raw
        return read


class _Turn:
    """The calls of one caller that come in."""

    __slots__ = ("calls", "semaphore")

    def __init__(self) -> None:
        self.calls = 0
        self.semaphore = asyncio.Semaphore(_READ_AT_ONCE)
