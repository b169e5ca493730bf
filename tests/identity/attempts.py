"""What Mallory tries: every credential, id, token and cursor of Alice's, in every place that takes one."""

import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import jwt

from harness import change
from identity.cast import DEVICE, NOTE, Answer, Person, RawClient
from syncline.v1 import sync_pb2

PUSH = sync_pb2.PushRequest(changes=[change("create", "of-nobody", {}, entity_type=NOTE)])
GOOD: tuple[tuple[str, Any], ...] = (
    ("Push", PUSH),
    ("Pull", sync_pb2.PullRequest()),
    ("StreamPull", sync_pb2.StreamPullRequest()),
    ("CreateTicket", sync_pb2.CreateTicketRequest()),
)
CHECKPOINT_BODY = {
    "changes": [
        {
            "entity_type": NOTE,
            "entity_id": "x",
            "action": "create",
            "data": {},
            "client_timestamp": "2026-01-01T00:00:00Z",
        }
    ]
}
MUTATION_BODY = {"mutations": [{"type": "CREATE", "resource": NOTE, "data": {}}]}
CHECKPOINT_ASKS = (
    ("GET", "/client/sync?entity_type=NOTE", None),
    ("POST", "/v1/client/sync", CHECKPOINT_BODY),
    ("GET", "/client/sync/stream?entity_type=NOTE", None),
    ("POST", "/client/sync/ticket", None),
)
MUTATION_ASKS = (
    ("GET", "/v1/sync?mutationsSince=0", None),
    ("GET", "/v1/sync?mutationsSince=0&metadataOnly=true", None),
    ("POST", "/auth/v1/sync?lastMutationAt=-1", MUTATION_BODY),
)


@dataclass(frozen=True)
class Attempt:
    """One thing that is tried, and the statuses that it may end with."""

    name: str
    expected: frozenset[str]
    make: Callable[[RawClient], Awaitable[Answer]]


def _attempt(name: str, expected: str, make: Callable[[RawClient], Awaitable[Answer]]) -> Attempt:
    return Attempt(name, frozenset(expected.split()), make)


def foreign_credentials(victim: Person, attacker: Person) -> Iterator[Attempt]:
    """Credentials that do not belong together, or are not what they are sent as; each at every method and path."""
    mine, theirs = attacker.project, victim.project
    claims = {"sub": victim.name, "exp": int(time.time()) + 600}
    forged = {
        "no algorithm": jwt.encode(claims, None, algorithm="none"),
        "another algorithm": jwt.encode(claims, theirs.session_secret, algorithm="HS512"),
        "the key as the secret": jwt.encode(claims, theirs.client_key, algorithm="HS256"),
        "a secret of one's own": jwt.encode(claims, mine.session_secret + "x", algorithm="HS256"),
        "an end in the past": jwt.encode({**claims, "exp": 1}, theirs.session_secret, algorithm="HS256"),
        "a server key": theirs.server_key,
        "a client key": theirs.client_key,
        "a ticket": victim.ticket,
        "a checkpoint token": victim.tokens[0],
        "the session secret": theirs.session_secret,
    }
    pairs: dict[str, tuple[str, str]] = {
        **{f"{theirs.name}, {kind}": (theirs.client_key, token) for kind, token in forged.items()},
        **{f"the server key, {kind}": (theirs.server_key, token) for kind, token in forged.items()},
        "a session token as the key": (victim.session, victim.session),
        "a ticket as the key": (victim.ticket, victim.session),
        "the session secret as the key": (theirs.session_secret, victim.session),
        "the key's id alone": (theirs.client_key.rpartition("_")[0], victim.session),
        "two keys in one": (f"{mine.client_key},{theirs.client_key}", victim.session),
        "two sessions in one": (theirs.client_key, f"{attacker.session},{victim.session}"),
    }
    if mine is not theirs:
        pairs |= {
            "their session, my client key": (mine.client_key, victim.session),
            "their session, my server key": (mine.server_key, victim.session),
            "my session, their client key": (theirs.client_key, attacker.session),
            "my session, their server key": (theirs.server_key, attacker.session),
        }
    for what, (key, session) in pairs.items():
        yield from _everywhere(what, key, session)


def _everywhere(what: str, key: str, session: str) -> Iterator[Attempt]:
    metadata = [("x-api-key", key), ("authorization", f"Bearer {session}")]
    for method, request in GOOD:
        yield _attempt(f"{method}: {what}", "UNAUTHENTICATED", _calling(method, request, metadata))
    for verb, path, body in CHECKPOINT_ASKS:
        yield _attempt(f"{verb} {path}: {what}", "401", _asking(verb, path, dict(metadata), body))
    headers = {"x-client-id": key, "x-auth-token": session}
    for verb, path, body in MUTATION_ASKS:
        yield _attempt(f"{verb} {path}: {what}", "401", _asking(verb, path, headers, body))


def credentials_sent_twice(victim: Person, attacker: Person) -> Iterator[Attempt]:
    """One's own credential and another's under one name: nobody is to guess which counts."""
    twice = {
        "x-api-key": [victim.project.client_key, attacker.project.client_key],
        "authorization": [f"Bearer {victim.session}", f"Bearer {attacker.session}"],
        "x-device-id": ["one", "two"],
    }
    for name, values in twice.items():
        for order in (values, values[::-1]):
            others = [pair for pair in attacker.metadata if pair[0] != name]
            metadata = [*others, *((name, value) for value in order)]
            for method, request in GOOD:
                yield _attempt(f"{method}: {name} twice", "INVALID_ARGUMENT", _calling(method, request, metadata))
            for verb, path, body in CHECKPOINT_ASKS:
                yield _attempt(f"{verb} {path}: {name} twice", "400", _asking(verb, path, metadata, body))
    tickets = [("x-ticket", victim.ticket), ("x-ticket", attacker.ticket)]
    yield _attempt("two tickets", "INVALID_ARGUMENT", _calling("StreamPull", sync_pb2.StreamPullRequest(), tickets))
    two = [("x-client-id", attacker.project.client_key)] + [("x-auth-token", who.session) for who in (attacker, victim)]
    for verb, path, body in MUTATION_ASKS:
        yield _attempt(f"{verb} {path}: x-auth-token twice", "400", _asking(verb, path, two, body))


def foreign_positions(victim: Person, attacker: Person) -> Iterator[Attempt]:
    """Positions of another's log, with credentials of one's own."""
    mine, headers = attacker.metadata, attacker.checkpoint_headers
    for token in victim.tokens:
        for method, kind in (
            ("Push", sync_pb2.PushRequest),
            ("Pull", sync_pb2.PullRequest),
            ("StreamPull", sync_pb2.StreamPullRequest),
        ):
            request = kind(checkpoint_token=token)
            yield _attempt(f"{method}: their token", "INVALID_ARGUMENT", _calling(method, request, mine))
        path = f"/client/sync?entity_type=NOTE&checkpoint_token={token}"
        yield _attempt("GET: their token", "400", _asking("GET", path, headers))
        body = {"changes": [], "checkpoint_token": token}
        yield _attempt("POST: their token", "400", _asking("POST", "/client/sync", headers, body))
        events = "/client/sync/stream?entity_type=NOTE"
        yield _attempt("events: their id", "400", _asking("GET", events, {**headers, "last-event-id": token}))
        by_ticket = f"{events}&ticket={attacker.ticket}&checkpoint_token={token}"
        yield _attempt("events: their token, my ticket", "200", _asking("GET", by_ticket, {}))
        made_cursor = f"/v1/sync?mutationsSince=0&cursor=0.1.0.{token}"
        yield _attempt("cursor of their token", "422", _asking("GET", made_cursor, attacker.mutation_headers))
    cursor = f"/v1/sync?mutationsSince=0&cursor={quote(victim.cursor)}"
    yield _attempt("their cursor", "422", _asking("GET", cursor, attacker.mutation_headers))


def foreign_names(victim: Person, attacker: Person) -> Iterator[Attempt]:
    """Naming another user, or all of them, with the credentials of one's own."""
    name = victim.name if victim.name != attacker.name else "anybody"
    for method, kind in (
        ("Push", sync_pb2.PushRequest),
        ("Pull", sync_pb2.PullRequest),
        ("StreamPull", sync_pb2.StreamPullRequest),
    ):
        request = kind(user_id=name)
        yield _attempt(f"{method}: their user_id", "PERMISSION_DENIED", _calling(method, request, attacker.metadata))
    everybody = sync_pb2.StreamPullRequest(all_users=True)
    yield _attempt("all users", "PERMISSION_DENIED", _calling("StreamPull", everybody, attacker.metadata))
    by_ticket = [("x-ticket", attacker.ticket)]
    yield _attempt("all users, by ticket", "PERMISSION_DENIED", _calling("StreamPull", everybody, by_ticket))
    path = f"/client/sync?entity_type=NOTE&user_id={name}&userId={name}&all_users=true"
    yield _attempt("GET: their user_id", "200", _asking("GET", path, attacker.checkpoint_headers))
    smuggled = {**attacker.checkpoint_headers, "x-ticket": victim.ticket}
    yield _attempt("GET: their ticket as a header", "200", _asking("GET", path, smuggled))
    for verb, asked, body in CHECKPOINT_ASKS[:3]:
        named = {**attacker.checkpoint_headers, "x-user-id": name}
        yield _attempt(f"{verb} {asked}: X-User-Id", "403", _asking(verb, asked, named, body))
    for verb, asked, body in MUTATION_ASKS:
        named = {**attacker.mutation_headers, "x-user-id": name}
        yield _attempt(f"{verb} {asked}: X-User-Id", "403", _asking(verb, asked, named, body))
    named = {"x-user-id": name}
    events = f"/client/sync/stream?entity_type=NOTE&ticket={attacker.ticket}"
    yield _attempt("events: X-User-Id, my ticket", "200", _asking("GET", events, named))
    twice = [*attacker.metadata, ("x-user-id", attacker.name), ("x-user-id", name)]
    yield _attempt("GET: X-User-Id twice", "400", _asking("GET", path, twice))
    path = f"/v1/sync?mutationsSince=0&user_id={name}&userId={name}"
    yield _attempt("GET /v1/sync: their user_id", "200", _asking("GET", path, attacker.mutation_headers))


def foreign_entities(victim: Person, attacker: Person) -> Iterator[Attempt]:
    """Another's entity ids and revisions, in one's own pushes: there is nothing of that id."""
    required = change("create", "mine", {}, entity_type=NOTE)
    required.required_entities.add(entity_type=NOTE, entity_id=victim.entity_id)
    needed = [change(action, victim.entity_id, {}, entity_type=NOTE) for action in ("update", "delete")]
    pushes = {
        "required": ("NOT_FOUND", sync_pb2.PushRequest(changes=[required])),
        "updated": ("NOT_FOUND", sync_pb2.PushRequest(changes=needed[:1], require_existing=True)),
        "deleted": ("NOT_FOUND", sync_pb2.PushRequest(changes=needed[1:], require_existing=True)),
        "deleted, if there": ("OK", sync_pb2.PushRequest(changes=needed[1:])),
        "at their revision": (
            "OK",
            sync_pb2.PushRequest(
                changes=[change("update", victim.entity_id, {}, entity_type=NOTE, base=victim.revision)]
            ),
        ),
        "at their head": ("ABORTED", sync_pb2.PushRequest(expected_head_ms=victim.revision // 1000)),
    }
    for what, (expected, request) in pushes.items():
        yield _attempt(f"Push: their entity {what}", expected, _calling("Push", request, attacker.metadata))
    for kind in ("UPDATE", "DELETE"):
        mutation = {"type": kind, "resource": NOTE, "resourceId": victim.entity_id, "data": {}}
        path = f"/v1/sync?lastMutationAt={victim.revision // 1000}"
        body = {"mutations": [mutation]}
        yield _attempt(f"{kind} of theirs", "409", _asking("POST", path, attacker.mutation_headers, body))


def oversized(victim: Person, attacker: Person) -> Iterator[Attempt]:
    """Values beyond all measure."""
    for size in (6_000, 7_500, 100_000):
        for name in ("x-api-key", "authorization", "x-device-id"):
            headers = {**attacker.checkpoint_headers, name: "Bearer " + "a" * size}
            # A session that names its device is not asked for it again.
            expected = "200 400 431" if name == "x-device-id" else "400 401 431"
            for verb, path, body in CHECKPOINT_ASKS[:2]:
                yield _attempt(f"{verb}: {name} of {size}", expected, _asking(verb, path, headers, body))
    metadata = [("x-api-key", "a" * 6_000), ("authorization", f"Bearer {victim.session}"), ("x-device-id", DEVICE)]
    yield _attempt("a key of 6,000", "UNAUTHENTICATED", _calling("Pull", sync_pb2.PullRequest(), metadata))


def _calling(method: str, request: Any, metadata: list[tuple[str, str]]) -> Callable[[RawClient], Awaitable[Answer]]:
    return lambda caller: caller.call(method, request, metadata)


def _asking(verb: str, path: str, headers: Any, body: Any = None) -> Callable[[RawClient], Awaitable[Answer]]:
    return lambda caller: caller.ask(verb, path, headers, body)
