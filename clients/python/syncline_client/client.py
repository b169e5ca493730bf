"""The client of a sync server: push, pull, follow."""

import uuid
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from functools import partial
from typing import Any, Self

import grpc

from syncline.v1 import sync_pb2, sync_pb2_grpc
from syncline.words import MAX_REVISION
from syncline_client import codec
from syncline_client.answers import Batch, Found, Page, Pushed
from syncline_client.calls import UnaryCaller
from syncline_client.changes import NewChange
from syncline_client.channel import open_channel
from syncline_client.clock import Clock
from syncline_client.credentials import Credentials, SessionToken
from syncline_client.follow import Follower
from syncline_client.notes import NewNote
from syncline_client.pusher import Pusher
from syncline_client.timing import Timing

"""A revision past every head; the server takes it as the head."""


class SyncClient:
    """Pushes to and reads from one project of a sync server; use as `async with`.

    Belongs to the event loop that it was entered on. Raises SynclineError, see errors.py.
    """

    def __init__(
        self,
        target: str,
        *,
        api_key: str,
        session_token: SessionToken | None = None,
        device_id: str | None = None,
        tls: grpc.ChannelCredentials | None = None,
        timing: Timing | None = None,
    ) -> None:
        """Speak to the server at `target`, HOST:PORT, with a project key and, unless that is a server key, a session.

        `session_token` is a token, or a function (async or not) that returns a fresh one: it is asked at first and
        whenever a token has expired. `tls` is None for a connection in the clear.
        """
        timing = timing or Timing()
        self._credentials = credentials = Credentials(api_key, session_token, device_id)
        self._timing = timing
        self._connect = partial(open_channel, target, tls)
        self._clock = Clock()
        self._caller = UnaryCaller(credentials, timing, self._clock)
        self._follower = Follower(self._connect, credentials, timing, self._clock)

    async def __aenter__(self) -> Self:
        self._channel = self._connect()
        self._sync = sync_pb2_grpc.SyncServiceStub(self._channel)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._channel.close()

    async def push(
        self,
        changes: Iterable[NewChange],
        *,
        checkpoint_token: str | None = None,
        expected_head_ms: int | None = None,
        require_existing: bool = False,
        push_id: str = "",
        notes: Iterable[NewNote] = (),
        user_id: str = "",
    ) -> Pushed:
        """Apply changes of one user, at most 1,000, in order and in one transaction; a lost conflict is a result.

        `notes`, at most 100, are written with them, or none is and nothing is applied (NoteMismatch).

        Tried again while the server cannot be reached: the server recognises what it has applied already by the
        `push_id`, a random one unless given. Whoever keeps changes until they are pushed keeps one with them, and gives
        it here each time, with the same changes, timestamps and all. Where an error's `outcome_unknown` is set, the
        changes may have been applied nevertheless.

        `checkpoint_token` is that of the last page or push that is stored: the answer's token skips nothing that its
        reader lacks, and brings nothing again; without one, it goes on from the start. A server key has to name the
        `user_id`.
        """
        options = {
            "checkpoint_token": checkpoint_token,
            "expected_head_ms": expected_head_ms,
            "require_existing": require_existing,
            "push_id": push_id,
            "notes": notes,
            "user_id": user_id,
        }
        response = await self._caller.call(self._sync.Push, self._push_request(changes, options))
        return self._pushed(response)

    def pusher(self) -> AbstractAsyncContextManager[Pusher]:
        """Open a pusher, whose pushes do not wait for one another; use as `async with client.pusher() as pusher`."""
        pusher = Pusher(self._connect, self._credentials, self._timing, self._clock, self._push_request, self._pushed)
        return pusher.running()

    async def pull(
        self,
        entity_types: Sequence[str] = (),
        *,
        checkpoint_token: str | None = None,
        after_revision: int | None = None,
        page_size: int = 0,
        include_total: bool = False,
        reset_when_expired: bool = False,
        user_id: str = "",
    ) -> Page:
        """Read one page of a user's changes after a position (none: from the start); no types: all of them.

        Pages have 100 changes unless `page_size` says otherwise, at most 1,000. With `reset_when_expired` a position
        whose history is gone starts over, with `reset` in the page, instead of raising CheckpointExpired.
        """
        request = sync_pb2.PullRequest(
            entity_types=entity_types,
            page_size=page_size,
            include_total=include_total,
            reset_when_expired=reset_when_expired,
            user_id=user_id,
        )
        _place(request, checkpoint_token, after_revision, from_end=False)
        response = await self._caller.call(self._sync.Pull, request)
        self._saw(response.changes)
        return codec.page(response, include_total)

    async def get(
        self, entities: Iterable[tuple[str, str]], *, note_names: Iterable[str] = (), user_id: str = ""
    ) -> Found:
        """Read entities of a user by type and id, at most 1,000, and notes by name, at most 100, as of one moment.

        It moves no position: a revision that it brings may be ahead of what has been pulled. Store the entity, and go
        on from the token of the last page.
        """
        references = [sync_pb2.EntityReference(entity_type=kind, entity_id=name) for kind, name in entities]
        request = sync_pb2.GetRequest(entities=references, note_names=note_names, user_id=user_id)
        response = await self._caller.call(self._sync.Get, request)
        self._saw(response.changes)
        return codec.found(response)

    async def follow(
        self,
        entity_types: Sequence[str] = (),
        *,
        checkpoint_token: str | None = None,
        after_revision: int | None = None,
        from_end: bool = False,
        until_caught_up: bool = False,
        reset_when_expired: bool = False,
        user_id: str = "",
        all_users: bool = False,
    ) -> AsyncGenerator[Batch, None]:
        """Yield everything after a position (none: from the start) and then what is committed, as it is.

        Store the changes of a batch and its token in one transaction, and start with that token the next time: nothing
        is missed and nothing comes twice. Lost connections are made anew, each from the last token that was yielded.
        `all_users` needs a server key. Raises SynclineError only where waiting does not help, and, `until_caught_up`,
        where it has not helped for `Timing.total_seconds`.
        """
        request = sync_pb2.StreamPullRequest(
            entity_types=entity_types,
            follow=not until_caught_up,
            # A position past the head, which is how the end is named, would count as expired.
            reset_when_expired=reset_when_expired and not from_end,
            user_id=user_id,
            all_users=all_users,
        )
        _place(request, checkpoint_token, after_revision, from_end)
        async with aclosing(self._follower.messages(request)) as messages:
            async for message in messages:
                request.reset_when_expired = reset_when_expired
                self._saw(message.changes)
                yield codec.batch(message)

    def _push_request(self, changes: Iterable[NewChange], options: Mapping[str, Any]) -> sync_pb2.PushRequest:
        """Return the request of a push, by the options of `push`."""
        return sync_pb2.PushRequest(
            **{
                **options,
                "push_id": options.get("push_id") or str(uuid.uuid4()),
                "changes": codec.new_changes(changes, self._clock.now_us()),
                "notes": codec.new_notes(options.get("notes", ())),
                "checkpoint_token": options.get("checkpoint_token") or "",
            }
        )

    def _pushed(self, response: sync_pb2.PushResponse) -> Pushed:
        self._saw([result.change for result in response.results])
        return codec.pushed(response)

    def _saw(self, changes: Iterable[sync_pb2.Change]) -> None:
        self._clock.see([change.revision for change in changes])


def _place(
    request: sync_pb2.PullRequest | sync_pb2.StreamPullRequest,
    checkpoint_token: str | None,
    after_revision: int | None,
    from_end: bool,
) -> None:
    """Write the position into a request. Raises ValueError for more than one."""
    if bool(checkpoint_token) + (after_revision is not None) + from_end > 1:
        raise ValueError("give one of checkpoint_token, after_revision and from_end")
    if checkpoint_token:
        request.checkpoint_token = checkpoint_token
    elif from_end:
        request.after_revision = MAX_REVISION
    elif after_revision is not None:
        request.after_revision = after_revision
