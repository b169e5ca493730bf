"""Devices that keep a replica and trust what they are told: synced to the end, they hold what the model holds."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest

from model import dialects
from model.answers import ACTION_NAMES, claim_in, refusal, told_change, wanted_change
from model.calls import Change, Claim, Entity, Refused, Version
from model.world import TYPES, Principal, World
from syncline.v1 import sync_pb2

Held = dict[Entity, dict[str, Any]]
MAX_PAGES = 200


def live(world: World, caller: Principal, types: Sequence[str] = TYPES) -> Held:
    """Return what a user has, by the model."""
    versions = world.versions(caller).items()
    return {entity: one.data for entity, one in versions if not one.deleted and entity[0] in types}


@dataclass
class Device:
    """Keeps a cursor for each type, and overwrites it with the token of each push of that type."""

    world: World
    caller: Principal
    merges_itself: bool
    """It applies what its user does at once, and looks at no answer but conflicts; the other looks at all."""
    held: Held = field(default_factory=dict)
    cursors: dict[str, str] = field(default_factory=dict)
    unanswered: list[tuple[Sequence[Change], str]] = field(default_factory=list)
    """Pushes and their push_ids."""

    def push(
        self, changes: Sequence[Change], *, over_http: bool, shows_token: bool, is_lost: bool, push_id: str = ""
    ) -> None:
        """Push what the user has done; where the answer is lost, the same is pushed again before the next sync."""
        for change in changes if self.merges_itself else ():
            self._do(change)
        answer = self._send(changes, over_http, shows_token, push_id)
        if is_lost:
            self.unanswered.append((tuple(changes), push_id))
        else:
            self._settle(changes, answer, is_new=True)

    def retry(self, *, over_http: bool) -> None:
        while self.unanswered:
            changes, push_id = self.unanswered.pop(0)
            self._settle(changes, self._send(changes, over_http, False, push_id), is_new=False)

    def pull(self, kind: str, size: int, *, over_http: bool) -> bool:
        """Pull one page of a type; returns whether there is more."""
        token = self.cursors.get(kind, "")
        if over_http:
            page = dialects.checkpoint_pull(self.world, self.caller, kind, token=token)
            changes = [(one["entity_id"], one["action"], one["data"]) for one in page["changes"]]
            self.cursors[kind], has_more = page["checkpoint_token"], page["has_more"]
        else:
            answer = self.world.pull(self.caller, [kind], token=token, size=size)
            changes = [(one.entity_id, ACTION_NAMES[one.action], json.loads(one.data)) for one in answer.changes]
            self.cursors[kind], has_more = answer.checkpoint_token, answer.has_more
        for entity_id, action, data in changes:
            self._take((kind, entity_id), None if action == "delete" else data)
        return bool(has_more)

    def sync(self, size: int, *, over_http: bool) -> None:
        """Bring what is not there yet, get what is new, and hold just what there is."""
        self.retry(over_http=over_http)
        for kind in TYPES:
            for _ in range(MAX_PAGES):
                if not self.pull(kind, size, over_http=over_http):
                    break
            else:
                raise AssertionError("pages without end")
        assert self.held == live(self.world, self.caller)

    def _send(self, changes: Sequence[Change], over_http: bool, shows_token: bool, push_id: str) -> Any:
        kinds = {change.entity[0] for change in changes}
        # Cursors of several types cannot be compared.
        token = self.cursors.get(*kinds, "") if shows_token and len(kinds) == 1 else None
        # Checkpoint sync takes no change without a timestamp, and does not tell what became of an update.
        if over_http and self.merges_itself and all(change.at_us is not None for change in changes):
            return dialects.checkpoint_push(self.world, self.caller, changes, token=token, push_id=push_id)
        return self.world.push(self.caller, changes, token=token, push_id=push_id)

    def _settle(self, changes: Sequence[Change], answer: Any, *, is_new: bool) -> None:
        assert not isinstance(answer, Refused)
        token = answer["checkpoint_token"] if isinstance(answer, dict) else answer.checkpoint_token
        self.cursors.update((change.entity[0], token) for change in changes)
        lost: set[Entity] = set()
        for change, (outcome, data) in zip(changes, _outcomes(changes, answer), strict=True):
            if outcome == "conflict":
                lost.add(change.entity)
                self._take(change.entity, data)
            elif not self.merges_itself:
                self._take_applied(change, data)
            elif outcome == "applied" and (change.entity in lost or not is_new):
                self._do(change)

    def _take_applied(self, change: Change, data: dict[str, Any] | None) -> None:
        if change.action == "delete":
            self._take(change.entity, None)
        else:
            self._take(change.entity, json.loads(change.data) if data is None else data)

    def _take(self, entity: Entity, data: dict[str, Any] | None) -> None:
        self.held.pop(entity, None)
        if data is not None:
            self.held[entity] = data

    def _do(self, change: Change) -> None:
        before = self.held.get(change.entity, {}) if change.action == "update" else {}
        self._take(change.entity, None if change.action == "delete" else {**before, **json.loads(change.data)})


def _outcomes(changes: Sequence[Change], answer: Any) -> list[tuple[str, dict[str, Any] | None]]:
    """Return what became of each change, and the data of the server's version where it is told (None: gone)."""
    if isinstance(answer, dict):
        return _outcomes_over_http(changes, answer)
    told = []
    for one in answer.results:
        outcome = "conflict" if one.outcome == sync_pb2.OUTCOME_CONFLICT else "replayed" if one.replayed else "applied"
        gone = one.change.action == sync_pb2.ACTION_DELETE
        told.append((outcome, json.loads(one.change.data) if one.change.data and not gone else None))
    return told


def _outcomes_over_http(changes: Sequence[Change], answer: Any) -> list[tuple[str, dict[str, Any] | None]]:
    """Return the same of checkpoint sync, which tells of conflicts alone, by entity."""
    lost = {}
    for one in answer["conflicts"]:
        data = {name: value for name, value in one["server_data"].items() if name not in {"last_synced_at", "deleted"}}
        lost[one["entity_type"], one["entity_id"]] = None if one["server_data"].get("deleted") else data
    return [("conflict", lost[one.entity]) if one.entity in lost else ("applied", None) for one in changes]


@dataclass
class Tablet:
    """Speaks mutation sync: keeps a head, posts against it, and gets what is new where it has moved."""

    world: World
    caller: Principal
    held: Held = field(default_factory=dict)
    head: int = -1
    reading: tuple[int, int] | None = None
    """By number, beside what it holds: the size of the pages, and which is next."""
    read: Held = field(default_factory=dict)
    unanswered: list[tuple[Sequence[dict[str, Any]], int, str]] = field(default_factory=list)
    """Requests with a key: their mutations, the head that they named, the key."""

    def push(self, mutations: Sequence[dict[str, Any]], *, is_lost: bool, key: str) -> None:
        answer = dialects.mutation_push(self.world, self.caller, mutations, self.head, key)
        if not is_lost and not isinstance(answer, Refused):
            self._take(answer)
        elif key and not isinstance(answer, Refused):
            self.unanswered.append((mutations, self.head, key))
        # Without a key it does not know better than its head.

    def retry(self) -> None:
        """Send again what got no answer; whatever has come meanwhile comes again, from the head of that time."""
        while self.unanswered:
            answer = dialects.mutation_push(self.world, self.caller, *self.unanswered.pop(0))
            assert not isinstance(answer, Refused)
            self._take(answer)

    def sync(self, limit: int) -> None:
        since, cursor = self.head, ""
        for _ in range(MAX_PAGES):
            page = dialects.mutation_pull(self.world, self.caller, since, cursor=cursor, limit=limit)
            self._take(page)
            cursor = page.get("nextCursor", "")
            if not page["hasMore"]:
                break
        else:
            raise AssertionError("pages without end")
        assert self.held == live(self.world, self.caller, dialects.RESOURCES)

    def page_by_number(self, limit: int) -> None:
        """Start over, or get the next page: one call at a time, since others change things between two of them."""
        if self.reading is None:
            self.reading, self.read = (limit, 1), {}
        limit, number = self.reading
        page = dialects.mutation_pull(self.world, self.caller, -1, number=number, limit=limit)
        _take(self.read, page)
        self.reading = (limit, number + 1) if page["hasMore"] else None
        if self.reading is None:
            assert self.read == live(self.world, self.caller, dialects.RESOURCES)

    def _take(self, page: dict[str, Any]) -> None:
        _take(self.held, page)
        self.head = page["lastMutationAt"]


def _take(held: Held, page: dict[str, Any]) -> None:
    for one in page["mutations"]:
        entity = (one["resource"], one["resourceId"])
        held.pop(entity, None)
        if one["type"] != "DELETE":
            held[entity] = one["data"]


@dataclass
class Follower:
    """Mirrors a user, or all users of a project, by streams that it resumes."""

    world: World
    caller: Principal
    all_users: bool
    token: str = ""
    held: dict[tuple[str, Entity], dict[str, Any]] = field(default_factory=dict)
    _stream: Any = None

    def follow(self) -> None:
        """Open a stream where the last one ended, unless there is one, and hold what there is."""
        if self._stream is None:
            self._open(follow=True)
            self._check()

    def catch_up(self) -> None:
        """Read a stream that ends."""
        if self._stream is None:
            self._open(follow=False)
            assert next(self._stream, None) is None
            self._stream = None
            self._check()

    def read(self) -> None:
        """Read what was committed since."""
        if self._stream is None:
            return
        newest = max((one.revision for one in self._versions()), default=0)
        while self._position < newest:
            self._take(next(self._stream))
        self._check()

    def end(self) -> None:
        """Let the server end the stream; it goes with the token to resume from."""
        if self._stream is None:
            return
        with pytest.raises(grpc.RpcError) as ended:
            self._take_all()
        assert refusal(ended.value).reason == "DRAINING"
        self._stream = None

    def _take_all(self) -> None:
        for message in self._stream:
            self._take(message)

    def hang_up(self) -> None:
        if self._stream is not None:
            self._stream.cancel()
            self._stream = None

    @property
    def _position(self) -> int:
        return self.world.tokens[self.token].position if self.token else 0

    def _versions(self) -> list[Version]:
        log = self.world.model_of(self.caller).log
        return [one for one in log if self.all_users or one.user == self.caller.user]

    def _open(self, *, follow: bool) -> None:
        self.world.move_clock(0)
        request = sync_pb2.StreamPullRequest(
            checkpoint_token=self.token or None,
            follow=follow,
            all_users=self.all_users,
            user_id="" if self.all_users else self.caller.user_id,
        )
        self._stream = self.world.served.stub.StreamPull(
            request, metadata=self.caller.metadata, timeout=240, wait_for_ready=True
        )
        expected = self.world.expected_page(self.caller, token=self.token, all_users=self.all_users)
        first = next(self._stream)
        assert not isinstance(expected, Refused)
        assert first.caught_up
        assert not first.reset
        assert [told_change(one) for one in first.changes] == [wanted_change(*one) for one in expected.versions]
        self._take(first, is_first=True)
        assert self.world.tokens[self.token].claim == expected.claim

    def _take(self, message: sync_pb2.StreamPullResponse, *, is_first: bool = False) -> None:
        """Check that what comes is in order, and each a version that there was."""
        assert is_first or not (message.caught_up or message.reset)
        self.world.check_canaries(self.caller, str(message), all_users=self.all_users)
        before = last = self._position
        for one in message.changes:
            assert one.revision > last
            last = one.revision
            version = self.world.history[self.caller.project, one.revision]
            assert self.all_users or version.user == self.caller.user
            action = "delete" if version.deleted else "create" if version.created > before else "update"
            assert told_change(one) == wanted_change(action, version)
            self.held.pop((version.user, version.entity), None)
            if not version.deleted:
                self.held[version.user, version.entity] = version.data
        claim = claim_in(message.checkpoint_token)
        assert claim.m >= last
        self.world.learn(self.caller, message.checkpoint_token, Claim(claim.m, claim.m), all_users=self.all_users)
        self.token = message.checkpoint_token

    def _check(self) -> None:
        assert self.held == {(one.user, one.entity): one.data for one in self._versions() if not one.deleted}
