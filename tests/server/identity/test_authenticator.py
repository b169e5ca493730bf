"""Who is let in, and what for; the error never tells more than it must."""

import base64
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from harness import Client, Project, Server, change, make_project, outcomes, refused, settings_for, started_server

FAR = 4_000_000_000


def signed(secret: str, claims: bytes | dict[str, Any], header: dict[str, Any] | None = None) -> str:
    """Sign a token by hand, so that it can say what no library would."""
    parts = [header or {"alg": "HS256", "typ": "JWT"}, claims]
    raw = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in parts]
    text = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in raw)
    return (text + b"." + base64.urlsafe_b64encode(hmac.digest(secret.encode(), text, "sha256")).rstrip(b"=")).decode()


def credentials(project: Project, token: str | None, **metadata: str) -> dict[str, str]:
    bearer = {} if token is None else {"authorization": f"Bearer {token}"}
    return {"x-api-key": project.client_key, **bearer, **metadata}


ADA = {"sub": "ada", "exp": FAR}

BAD_SESSIONS: dict[str, tuple[Callable[[str], str | None], str]] = {
    "none": (lambda secret: None, "SESSION_INVALID"),
    "empty": (lambda secret: "", "SESSION_INVALID"),
    "garbage": (lambda secret: "garbage", "SESSION_INVALID"),
    "expired": (lambda secret: signed(secret, {**ADA, "exp": int(time.time()) - 1}), "SESSION_EXPIRED"),
    "not yet": (lambda secret: signed(secret, {**ADA, "nbf": FAR}), "SESSION_INVALID"),
    "another secret": (lambda secret: signed("x" * 64, ADA), "SESSION_INVALID"),
    "alg none": (lambda secret: jwt.encode(ADA, None, algorithm="none"), "SESSION_INVALID"),
    "alg none, signed": (lambda secret: signed(secret, ADA, {"alg": "none"}), "SESSION_INVALID"),
    "alg RS256": (lambda secret: signed(secret, ADA, {"alg": "RS256", "typ": "JWT"}), "SESSION_INVALID"),
    "alg HS512": (lambda secret: jwt.encode(ADA, secret, algorithm="HS512"), "SESSION_INVALID"),
    "no alg": (lambda secret: signed(secret, ADA, {"typ": "JWT"}), "SESSION_INVALID"),
    "a header 6000 deep": (lambda secret: "W1tb" * 2000 + ".e30.e30", "SESSION_INVALID"),
    "no exp": (lambda secret: signed(secret, {"sub": "ada"}), "SESSION_INVALID"),
    "exp null": (lambda secret: signed(secret, {**ADA, "exp": None}), "SESSION_INVALID"),
    "exp a string": (lambda secret: signed(secret, {**ADA, "exp": str(FAR)}), "SESSION_INVALID"),
    "exp 1e400": (lambda secret: signed(secret, b'{"sub":"ada","exp":1e400}'), "SESSION_INVALID"),
    "no sub": (lambda secret: signed(secret, {"exp": FAR}), "SESSION_INVALID"),
    "sub empty": (lambda secret: signed(secret, {**ADA, "sub": ""}), "SESSION_INVALID"),
    "sub a number": (lambda secret: signed(secret, {**ADA, "sub": 5}), "SESSION_INVALID"),
    "sub of 129 bytes": (lambda secret: signed(secret, {**ADA, "sub": "x" * 129}), "SESSION_INVALID"),
    "sub with control characters": (lambda secret: signed(secret, {**ADA, "sub": "a\nb"}), "SESSION_INVALID"),
    "sub with a separator": (lambda secret: signed(secret, {**ADA, "sub": "a\x1fb"}), "SESSION_INVALID"),
    "sub a lone surrogate": (lambda secret: signed(secret, b'{"sub":"\\ud800","exp":4000000000}'), "SESSION_INVALID"),
    "device a number": (lambda secret: signed(secret, {**ADA, "device_id": 5}), "SESSION_INVALID"),
    "device with control characters": (lambda secret: signed(secret, {**ADA, "sid": "\x00"}), "SESSION_INVALID"),
    "scope a list": (lambda secret: signed(secret, {**ADA, "scope": ["sync"]}), "SESSION_INVALID"),
    "claims an array": (lambda secret: signed(secret, b"[1]"), "SESSION_INVALID"),
    "a ticket": (lambda secret: signed(secret, {**ADA, "syncline_use": "stream"}), "SESSION_INVALID"),
}


@pytest.mark.parametrize(("make", "reason"), BAD_SESSIONS.values(), ids=BAD_SESSIONS)
async def test_a_session_that_cannot_be_trusted_is_refused(shared_server: Server, make: Any, reason: str):
    token = make(shared_server.project.session_secret)
    async with Client(shared_server.address, credentials(shared_server.project, token)) as client:
        for call in (client.push(change()), client.pull("todo"), client.stream("todo").read()):
            told = await refused(call)
            assert (told.code, told.reason) == ("UNAUTHENTICATED", reason)
            assert not token or token not in told.message


GOOD_SESSIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "exp a float": {"exp": FAR + 0.5},
    "issued in the future": {"iat": FAR},
    "an audience": {"aud": "somebody"},
    "more claims": {"iss": "app", "roles": ["x"], "email": "a@b.c"},
    "sub of 128 bytes": {"sub": "é" * 64},
    "no device": {"device_id": None, "sid": ""},
}


@pytest.mark.parametrize("claims", GOOD_SESSIONS.values(), ids=GOOD_SESSIONS)
async def test_a_session_of_the_project_is_let_in(shared_server: Server, claims: dict[str, Any]):
    token = signed(shared_server.project.session_secret, {**ADA, **claims})
    async with Client(shared_server.address, credentials(shared_server.project, token)) as client:
        assert (await client.pull("nothing")).checkpoint_token


CAUSES = {
    "none": "missing",
    "empty": "missing",
    "garbage": "malformed",
    "not yet": "not_yet_valid",
    "another secret": "signature",
    "alg none, signed": "algorithm",
    "alg HS512": "algorithm",
    "no exp": "claim",
    "no sub": "claim",
    "sub a number": "claim",
    "device a number": "claim",
    "scope a list": "claim",
    "a ticket": "ticket",
}


@pytest.mark.parametrize("name", CAUSES)
async def test_why_a_session_is_not_trusted_is_told(shared_server: Server, name: str):
    token = BAD_SESSIONS[name][0](shared_server.project.session_secret)
    async with Client(shared_server.address, credentials(shared_server.project, token)) as client:
        told = await refused(client.pull("todo"))
    assert (told.metadata["cause"], told.message.startswith("authorization: ")) == (CAUSES[name], True)
    assert ("field" in told.metadata) is (CAUSES[name] in {"claim", "not_yet_valid"})


BAD_KEYS: dict[str, Callable[[Project], str | None]] = {
    "none": lambda project: None,
    "empty": lambda project: "",
    "garbage": lambda project: "garbage",
    "unknown": lambda project: "sl_client_000000000000_" + "0" * 64,
    "wrong secret": lambda project: project.client_key[:-1] + ("0" if project.client_key[-1] != "0" else "1"),
    "cut": lambda project: project.client_key[:-1],
    "of another kind": lambda project: project.client_key.replace("client", "server"),
    "its id alone": lambda project: project.client_key.rpartition("_")[0] + "_",
    "no text of a key": lambda project: "sl_x_'; DROP TABLE projects; --_x",
}


@pytest.mark.parametrize("make", BAD_KEYS.values(), ids=BAD_KEYS)
async def test_a_key_that_is_not_known_is_refused(shared_server: Server, make: Callable[[Project], str | None]):
    key = make(shared_server.project)
    metadata = {"authorization": f"Bearer {shared_server.project.token()}"} | (
        {} if key is None else {"x-api-key": key}
    )
    async with Client(shared_server.address, metadata) as client:
        told = await refused(client.pull("todo"))
        assert (told.code, told.reason) == ("UNAUTHENTICATED", "KEY_INVALID")
        cause = "malformed" if key == "garbage" or "DROP" in (key or "") else "unknown"
        assert told.metadata == {"cause": cause if key else "missing"}
        assert told.message.startswith("x-api-key: ")


async def test_a_session_of_another_project_is_refused(database_url: str):
    settings = settings_for(database_url)
    one, other = await make_project(settings, "one"), await make_project(settings, "other")
    async with started_server(settings, one) as server:
        async with Client(server.address, credentials(other, one.token())) as client:
            assert (await refused(client.pull("todo"))).reason == "SESSION_INVALID"
        async with Client(server.address, credentials(other, other.token())) as client:
            assert (await client.pull("todo")).head_ms == 0


@pytest.mark.parametrize(
    ("scope", "entity_type", "reason"),
    [
        ("sync todo", "todo", None),
        ("sync todo", "Todo", None),
        ("sync todo", "note", "TYPE_FORBIDDEN"),
        ("sync", "todo", "TYPE_FORBIDDEN"),
        ("todo", "todo", "TYPE_FORBIDDEN"),
        ("", "todo", "TYPE_FORBIDDEN"),
        ("sync todo note", "todo_note", None),
        ("sync todo", "todo_note", "TYPE_FORBIDDEN"),
    ],
)
async def test_scopes_say_which_types_a_session_may_sync(
    shared_server: Server, user: str, scope: str, entity_type: str, reason: str | None
):
    async with shared_server.client(user, scope=scope) as client:
        if reason is None:
            assert outcomes(await client.push(change(entity_type=entity_type))) == "a"
            assert len((await client.pull(entity_type)).changes) == 1
            return
        calls = (
            client.push(change(entity_type=entity_type)),
            client.pull(entity_type),
            client.stream(entity_type).read(),
        )
        for call in calls:
            told = await refused(call)
            assert (told.code, told.reason) == ("PERMISSION_DENIED", reason)


async def test_a_push_with_one_forbidden_type_changes_nothing(shared_server: Server, user: str):
    async with shared_server.client(user, scope="sync todo") as client:
        told = await refused(client.push(change(), change(entity_type="secret")))
        assert told.metadata == {"entity_type": "secret"}
        assert (await client.pull("todo")).head_ms == 0


@pytest.mark.parametrize("size", [65, 100_000])
async def test_a_malformed_forbidden_type_is_refused_for_its_form(shared_server: Server, user: str, size: int):
    """It would not fit into an error."""
    async with shared_server.client(user, scope="sync todo") as client:
        for call in (client.push(change(entity_type="x" * size)), client.pull("x" * size)):
            assert (await refused(call)).code == "INVALID_ARGUMENT"


async def test_a_session_with_scopes_has_to_name_the_types_it_reads(shared_server: Server, user: str):
    async with shared_server.client(user, scope="sync todo") as client:
        for call in (client.pull(), client.stream().read()):
            assert (await refused(call)).violations[0][0] == "entity_types"


async def test_leaving_out_forbidden_types_never_means_all_types(shared_server: Server, user: str):
    async with shared_server.client(user) as owner, shared_server.client(user, scope="sync todo") as client:
        await owner.push(change(), change(entity_type="secret"))
        both = await client.pull("todo", "secret", omit_forbidden_types=True)
        none = await client.pull("secret", omit_forbidden_types=True)
        assert ([one.entity_type for one in both.changes], list(none.changes)) == (["todo"], [])


async def test_leaving_out_a_type_shows_no_position_for_others(shared_server: Server, user: str):
    """P9: the token was presented for a type that was not even read."""
    async with (
        shared_server.client(user, device="lap") as laptop,
        shared_server.client(user, device="phone", scope="sync todo") as phone,
    ):
        token = (await laptop.push(change("create", "theirs"))).checkpoint_token
        await phone.pull("secret", checkpoint_token=token, omit_forbidden_types=True)
        pushed = await phone.push(change("create", "mine"))
        unseen = await phone.pull("todo", checkpoint_token=pushed.checkpoint_token)
        assert "theirs" in [one.entity_id for one in unseen.changes]


@pytest.mark.parametrize("device", ["", "x" * 129])
async def test_a_device_header_is_held_to_its_form(shared_server: Server, user: str, device: str):
    metadata = credentials(shared_server.project, shared_server.project.token(user), **{"x-device-id": device})
    async with Client(shared_server.address, metadata) as client:
        if not device:
            assert (await client.pull("todo")).head_ms == 0
            return
        told = await refused(client.pull("todo"))
        assert (told.code, told.violations[0][0]) == ("INVALID_ARGUMENT", "x-device-id")
