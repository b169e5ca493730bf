"""Tickets: a session's stand-in for readers that send no headers."""

import base64
import json
import time

import jwt
import pytest

from harness import Client, Server, change, ids, refused, settings_for, started_server
from syncline.v1 import sync_pb2
from syncline_server.store.used_tickets import SqlUsedTickets
from syncline_server.sync.errors import StoreUnavailable


async def ticket_of(client: Client, *entity_types: str) -> str:
    request = sync_pb2.CreateTicketRequest(entity_types=entity_types)
    made = await client.stub.CreateTicket(request, metadata=client.metadata)
    assert 0 < made.expire_time.seconds - time.time() <= 61
    return str(made.ticket)


async def streamed(server: Server, ticket: str, *entity_types: str, **fields: str) -> list[str]:
    async with Client(server.address, {"x-ticket": ticket}) as reader:
        return [one async for message in reader.stream(*entity_types, **fields) for one in ids(message.changes)]


async def test_a_ticket_opens_a_stream_of_its_session(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        await client.push(change("create", "a"))
        assert await streamed(shared_server, await ticket_of(client)) == ["a"]


async def test_a_ticket_keeps_to_its_user_and_scopes(shared_server: Server, user: str):
    async with shared_server.client(user, scope="sync todo") as client:
        ticket = await ticket_of(client)
        assert (await refused(streamed(shared_server, ticket, user_id="another"))).reason == "USER_FORBIDDEN"
        async with Client(shared_server.address, {"x-ticket": await ticket_of(client)}) as reader:
            assert (await refused(anext(aiter(reader.stream("note"))))).reason == "TYPE_FORBIDDEN"
        async with Client(shared_server.address, {"x-ticket": await ticket_of(client)}) as reader:
            assert (await refused(anext(aiter(reader.stream(all_users=True))))).reason == "SERVER_KEY_REQUIRED"


async def test_a_ticket_is_used_once(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        ticket = await ticket_of(client)
    assert await streamed(shared_server, ticket) == []
    again = await refused(streamed(shared_server, ticket))
    assert (again.reason, again.metadata["cause"]) == ("SESSION_INVALID", "used")


async def test_a_ticket_is_used_once_whichever_process_it_comes_to_and_after_a_restart(database_url: str):
    settings = settings_for(database_url)
    async with started_server(settings) as first:
        async with first.client() as client:
            used, unused = await ticket_of(client), await ticket_of(client)
        assert await streamed(first, used) == []
    async with started_server(settings, first.project) as second:
        again = await refused(streamed(second, used))
        assert (again.reason, again.metadata["cause"]) == ("SESSION_INVALID", "used")
        assert await streamed(second, unused) == []


async def test_a_ticket_opens_a_stream_all_the_same_while_nothing_can_be_written(
    server: Server, monkeypatch: pytest.MonkeyPatch
):
    async with server.client() as client:
        ticket = await ticket_of(client)
    monkeypatch.setattr(SqlUsedTickets, "use", _fails)
    assert await streamed(server, ticket) == []
    assert (await refused(streamed(server, ticket))).metadata["cause"] == "used"


async def _fails(*_: object) -> bool:
    raise StoreUnavailable


async def test_a_ticket_of_some_types_opens_streams_of_these_alone(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        await client.push(change("create", "a"))
        assert await streamed(shared_server, await ticket_of(client, "todo", "note"), "todo") == ["a"]
        other = await refused(streamed(shared_server, await ticket_of(client, "note"), "todo"))
        assert other.reason == "TYPE_FORBIDDEN"
        everything = await refused(streamed(shared_server, await ticket_of(client, "note")))
        assert (everything.reason, everything.metadata["field"]) == ("REQUEST_INVALID", "entity_types")


async def test_a_ticket_is_asked_for_types_of_the_session_alone(shared_server: Server, user: str):
    async with shared_server.client(user, scope="sync todo") as client:
        assert (await refused(ticket_of(client, "note"))).reason == "TYPE_FORBIDDEN"
        assert (await refused(ticket_of(client, "no type"))).metadata["field"] == "entity_types[0]"


@pytest.mark.parametrize("kid", ["\ud800", "\0", "a" * 4_000, "' OR 1=1 --", 5, None, ["x"], {}, "\x1b[2J"])
async def test_a_ticket_may_name_anything_as_its_key_and_is_refused(shared_server: Server, kid: object):
    head = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "kid": kid}).encode()).rstrip(b"=").decode()
    told = await refused(streamed(shared_server, f"{head}.e30.eA"))
    assert (told.code, told.reason) == ("UNAUTHENTICATED", "SESSION_INVALID")


async def test_a_ticket_is_for_streams_alone(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        ticket = await ticket_of(client)
    async with Client(shared_server.address, {"x-ticket": ticket}) as reader:
        assert (await refused(reader.pull("todo"))).reason == "KEY_INVALID"
        assert (await refused(reader.push(change("create")))).reason == "KEY_INVALID"
    as_session = {"x-api-key": shared_server.project.client_key, "authorization": f"Bearer {ticket}"}
    async with Client(shared_server.address, as_session) as reader:
        assert (await refused(reader.pull("todo"))).reason == "SESSION_INVALID"


async def test_a_ticket_needs_a_session(shared_server: Server):
    async with shared_server.service() as service:
        made = service.stub.CreateTicket(sync_pb2.CreateTicketRequest(), metadata=service.metadata)
        assert (await refused(made)).reason == "SESSION_INVALID"


async def test_a_ticket_never_outlives_its_session(shared_server: Server, user: str):
    async with shared_server.client(user, ttl=5) as client:
        claims = jwt.decode(await ticket_of(client), options={"verify_signature": False})
    assert claims["exp"] <= claims["session_exp"]


@pytest.mark.parametrize(
    ("forged", "reason"),
    [
        ({}, None),
        ({"exp": 1}, "SESSION_EXPIRED"),
        ({"syncline_use": "other"}, "SESSION_INVALID"),
        ({"session": None}, "SESSION_INVALID"),
    ],
)
async def test_a_ticket_is_held_to_its_claims(shared_server: Server, user: str, forged: dict[str, object], reason: str):
    project = shared_server.project
    async with shared_server.client(user) as client:
        ticket = await ticket_of(client)
    claims = {**jwt.decode(ticket, options={"verify_signature": False}), **forged}
    claims = {name: value for name, value in claims.items() if value is not None or name == "scope"}
    made = jwt.encode(claims, project.session_secret, headers={"kid": jwt.get_unverified_header(ticket)["kid"]})
    if reason is None:
        assert await streamed(shared_server, made) == []
    else:
        assert (await refused(streamed(shared_server, made))).reason == reason


async def test_a_ticket_signed_by_another_project_is_refused(shared_server: Server, user: str):
    async with shared_server.client(user) as client:
        ticket = await ticket_of(client)
    claims = jwt.decode(ticket, options={"verify_signature": False})
    for kid in (jwt.get_unverified_header(ticket)["kid"], "unknown", 7):
        made = jwt.encode(claims, "s" * 48, headers={"kid": kid} if isinstance(kid, str) else {})
        assert (await refused(streamed(shared_server, made))).reason == "SESSION_INVALID"
