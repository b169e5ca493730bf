"""How a load speaks gRPC, with a server key that names its users."""

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import replace
from typing import Final, Self

from syncline.certificates import ClientTls
from syncline.channel_tls import channel_credentials
from syncline_client import (
    Action,
    Change,
    HeadMismatch,
    NewChange,
    Outcome,
    PushResult,
    RateLimited,
    SyncClient,
    SynclineError,
    Timing,
    Unauthenticated,
    Unavailable,
)
from syncline_verify.doors import Refused, Slice, Throttled, Unanswered, Unreachable
from syncline_verify.history import Entity, Entry, Reader

_ONE_ATTEMPT: Final = Timing(call_seconds=20, total_seconds=20, first_pause_seconds=1e9)
"""The load tries again by itself, since it has to know of every unknown outcome; no second attempt fits in."""
_REACH: Final = Timing(call_seconds=5, total_seconds=5, first_pause_seconds=1e9)
_EMPTY_OBJECT: Final = b"{}"


class GrpcDoor:
    """Speaks gRPC; use as `async with`."""

    def __init__(self, address: str, api_key: str, *, tls: ClientTls | None = None, unit_us: int = 1) -> None:
        """Speak to HOST:PORT, in the clear unless there is `tls`. Revisions are told in units of so many µs."""
        credentials = channel_credentials(tls) if tls is not None else None
        self._address = address
        self._unit_us = unit_us
        self._client = SyncClient(address, api_key=api_key, tls=credentials, timing=_ONE_ATTEMPT)
        self._streams = SyncClient(address, api_key=api_key, tls=credentials)
        self._probe = SyncClient(address, api_key=api_key, tls=credentials, timing=_REACH)

    async def __aenter__(self) -> Self:
        for client in (self._client, self._streams, self._probe):
            await client.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in (self._client, self._streams, self._probe):
            await client.__aexit__()

    async def reach(self, user: str) -> None:
        """Ask for a page; raises Unreachable with the reason when there is none."""
        try:
            await self._probe.pull(user_id=user, page_size=1)
        except Unauthenticated as error:
            raise Unreachable(f"{self._address} does not know this server key: {error}") from None
        except Unavailable as error:
            raise Unreachable(f"cannot reach {self._address} by gRPC: {error}") from None
        except RateLimited:
            return
        except SynclineError as error:
            raise Unreachable(f"{self._address} does not let this key verify: {error}") from None

    async def push(self, user: str, changes: Sequence[NewChange], push_id: str) -> list[Entry | None]:
        """Push; see WriteDoor."""
        with _translated():
            pushed = await self._client.push(changes, user_id=user, push_id=push_id)
        return [self._result(user, change, result) for change, result in zip(changes, pushed.results, strict=True)]

    async def page(self, reader: Reader, token: str, size: int) -> Slice:
        """Read a page; see Door."""
        assert reader.user is not None
        with _translated():
            page = await self._client.pull(
                reader.types, checkpoint_token=token or None, page_size=size, user_id=reader.user
            )
        return Slice([self._entry(change) for change in page.changes], page.checkpoint_token, not page.has_more)

    async def follow(self, reader: Reader, token: str, *, live: bool = True) -> AsyncGenerator[Slice, None]:
        """Follow a user, or all of them; see FollowDoor. A firehose without a token begins at the end of the log."""
        firehose = reader.user is None
        batches = self._streams.follow(
            reader.types,
            checkpoint_token=token or None,
            from_end=firehose and not token,
            until_caught_up=not live,
            user_id=reader.user or "",
            all_users=firehose,
        )
        with _translated():
            async with aclosing(batches):
                async for batch in batches:
                    entries = [self._entry(change) for change in batch.changes]
                    yield Slice(entries, batch.checkpoint_token, batch.caught_up)

    async def head(self, user: str) -> int:
        """Return the head; see BidDoor."""
        with _translated():
            return (await self._client.pull(page_size=1, user_id=user)).head_ms

    async def bid(self, user: str, head: int, change: NewChange) -> Entry | None:
        """Push against a head; see BidDoor."""
        try:
            with _translated():
                pushed = await self._client.push([change], expected_head_ms=head, user_id=user)
        except _HeadMoved:
            return None
        return self._acknowledged(user, change, pushed.results[0].change)

    def _result(self, user: str, pushed: NewChange, result: PushResult) -> Entry | None:
        if result.outcome is Outcome.CONFLICT or (result.replayed and pushed.action is Action.UPDATE):
            return None
        if result.replayed and result.change.revision:
            # The first revision comes with the data of today.
            return self._entry(replace(result.change, user_id=user, action=pushed.action, data=pushed.data))
        return self._acknowledged(user, pushed, result.change)

    def _acknowledged(self, user: str, pushed: NewChange, stored: Change) -> Entry | None:
        """Return the version; its data is not sent back if it was stored as pushed. None: the entity never existed."""
        if not stored.revision:
            return None
        return self._entry(replace(stored, user_id=user, data=stored.data or pushed.data or _EMPTY_OBJECT))

    def _entry(self, change: Change) -> Entry:
        entity = Entity(change.user_id, change.entity_type, change.entity_id)
        content = None if change.action is Action.DELETE else change.data
        return Entry(entity, change.revision // self._unit_us, content)


class _HeadMoved(Exception):
    """The bid was against a head that is none any more."""


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except RateLimited as error:
        raise Throttled(error.retry_after_seconds) from error
    except HeadMismatch as error:
        raise _HeadMoved from error
    except SynclineError as error:
        raise (Unanswered if error.retryable else Refused)(
            f"{error.reason or error.failure.code.name}: {error}"
        ) from error
