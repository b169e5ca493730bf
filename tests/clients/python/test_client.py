"""The client against a real server: what is pushed is pulled, and errors have types."""

import json
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from harness import Server, settings_for, started_server
from syncline_client import (
    Action,
    CheckpointInvalid,
    EntityNotFound,
    Found,
    HeadMismatch,
    InvalidRequest,
    Outcome,
    PermissionDenied,
    RateLimited,
    SessionExpired,
    SyncClient,
    TooLarge,
    Unauthenticated,
    create,
    delete,
    moment_of,
    update,
)

EXACT = b'{ "n": 9007199254740993, "t": 1.10, "s": "\\u0000" }'


def session(server: Server, user: str = "ada", device: str | None = None) -> SyncClient:
    return SyncClient(
        server.address, api_key=server.project.client_key, session_token=server.project.token(user, device=device)
    )


def service(server: Server) -> SyncClient:
    return SyncClient(server.address, api_key=server.project.server_key)


async def test_what_is_pushed_is_pulled_to_the_byte(server: Server):
    made = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    async with session(server) as client:
        pushed = await client.push([create("todo", "a", EXACT, client_timestamp=made), create("note", data={"n": 1})])
        assert [result.outcome for result in pushed.results] == [Outcome.APPLIED] * 2
        page = await client.pull(["todo"], include_total=True)
        (change,) = page.changes
        assert change.data == EXACT
        assert change.json() == json.loads(EXACT)
        assert change.client_timestamp == made
        assert (change.action, change.user_id, change.entity_id) == (Action.CREATE, "ada", "a")
        assert change.revision == change.created_revision == pushed.results[0].change.revision
        assert abs(moment_of(change.revision) - datetime.now(UTC)) < timedelta(minutes=1)
        assert page.total_size == 1
        assert page.head_ms == pushed.head_ms


async def test_entities_are_read_by_their_ids(server: Server):
    async with session(server) as client, service(server) as of_server:
        pushed = await client.push([create("todo", "a", EXACT), create("todo", "b"), delete("todo", "b")])
        found = await client.get([("todo", "b"), ("todo", "never"), ("todo", "a")])
        assert [(one.entity_id, one.action) for one in found.changes] == [("b", Action.DELETE), ("a", Action.CREATE)]
        assert found.changes[1].data == EXACT
        assert (found.head_ms, found.unread) == (pushed.head_ms, 0)
        assert await of_server.get([("todo", "a")], user_id="ada") == Found(found.changes[1:], found.head_ms, 0)
        with pytest.raises(InvalidRequest):
            await client.get([("todo", "")])


async def test_pages_go_on_from_their_tokens(server: Server):
    async with session(server) as client:
        await client.push([create("todo", f"{number}") for number in range(5)])
        token, sizes, more = None, [], True
        while more:
            page = await client.pull(checkpoint_token=token, page_size=2)
            token, more = page.checkpoint_token, page.has_more
            sizes.append(len(page.changes))
        assert sizes == [2, 2, 1]
        assert page.total_size is None


async def test_a_conflict_is_a_result_with_the_servers_version(server: Server):
    async with session(server, device="phone") as phone, session(server, device="laptop") as laptop:
        await laptop.push([create("todo", "a", {"by": "laptop"})])
        early = datetime.now(UTC) - timedelta(hours=1)
        pushed = await phone.push([update("todo", "a", {"by": "phone"}, client_timestamp=early), create("todo", "b")])
        assert [result.outcome for result in pushed.results] == [Outcome.CONFLICT, Outcome.APPLIED]
        assert [result.change.json() for result in pushed.conflicts] == [{"by": "laptop"}]


async def test_a_merge_answers_with_what_it_made(server: Server):
    async with session(server) as client:
        await client.push([create("todo", "a", {"title": "x"})])
        pushed = await client.push([update("todo", "a", {"done": True})])
        assert pushed.results[0].change.json() == {"title": "x", "done": True}
        deleted = await client.push([delete("todo", "a", retained_members=["title"]), delete("todo", "never")])
        assert [result.change.revision > 0 for result in deleted.results] == [True, False]
        (tombstone,) = (await client.pull()).changes
        assert (tombstone.action, tombstone.json()) == (Action.DELETE, {"title": "x"})


async def test_an_answer_to_what_was_read_wins_although_the_clock_is_behind(
    server: Server, monkeypatch: pytest.MonkeyPatch
):
    hour_ago = time.time_ns() - 3600 * 10**9
    async with session(server, device="phone") as phone, session(server, device="laptop") as laptop:
        await laptop.push([create("todo", "a", {"n": 1})])
        monkeypatch.setattr("syncline_client.clock.time", SimpleNamespace(time_ns=lambda: hour_ago))
        assert (await phone.push([update("todo", "a", {"n": 2})])).conflicts
        assert not (await phone.push([update("todo", "a", {"n": 2})])).conflicts


@pytest.mark.parametrize("off_seconds", [-3600, 3600])
@pytest.mark.parametrize("by_stream", [False, True])
async def test_changes_are_stamped_with_the_servers_time(
    server: Server, monkeypatch: pytest.MonkeyPatch, off_seconds: int, by_stream: bool
):
    wrong = SimpleNamespace(time_ns=lambda: time.time_ns() + off_seconds * 10**9)
    monkeypatch.setattr("syncline_client.clock.time", wrong)
    async with session(server) as client:
        if by_stream:
            _ = [one async for one in client.follow(until_caught_up=True)]
        else:
            await client.pull()
        began = datetime.now(UTC) - timedelta(seconds=2)
        await client.push([create("todo", "a")])
        (made,) = (await client.pull()).changes
        assert began < made.client_timestamp <= datetime.now(UTC)


async def test_a_server_key_names_the_user(server: Server):
    async with service(server) as client:
        await client.push([create("todo", "a")], user_id="ada")
        assert [change.user_id for change in (await client.pull(user_id="ada")).changes] == ["ada"]
        assert not (await client.pull(user_id="bob")).changes


async def test_a_push_held_to_another_head_is_told_the_head(server: Server):
    async with session(server) as client:
        pushed = await client.push([create("todo", "a")], expected_head_ms=0)
        with pytest.raises(HeadMismatch) as raised:
            await client.push([create("todo", "b")], expected_head_ms=0)
        assert raised.value.head_ms == pushed.head_ms
        assert not raised.value.outcome_unknown


async def test_a_malformed_change_is_named(server: Server):
    async with session(server) as client:
        with pytest.raises(InvalidRequest) as raised:
            await client.push([create("todo", "a"), create("todo", "b", b"[]")])
        assert raised.value.index == 1
        assert raised.value.violations[0].field == "changes[1].data"


async def test_failures_have_types(server: Server):
    stranger = SyncClient(server.address, api_key=server.project.client_key, session_token="no.such.token")
    async with session(server) as client, stranger:
        with pytest.raises(EntityNotFound):
            await client.push([update("todo", "never", {})], require_existing=True)
        with pytest.raises(CheckpointInvalid):
            await client.pull(checkpoint_token="AAAA")
        with pytest.raises(PermissionDenied):
            await client.pull(user_id="bob")
        with pytest.raises(PermissionDenied):
            await anext(client.follow(all_users=True))
        with pytest.raises(Unauthenticated):
            await stranger.pull()
        await client.push([create("todo", "large", {"a": "x" * 200_000})])
        with pytest.raises(TooLarge):
            await client.push([update("todo", "large", {"b": "x" * 100_000})])
        with pytest.raises(TooLarge):
            await client.push([create("todo", data={"x": "x" * 250_000}) for _ in range(20)])


async def test_an_expired_session_is_renewed_where_there_is_a_function_for_it(server: Server):
    tokens = [server.project.token(ttl=-1), server.project.token()]
    key = server.project.client_key
    async with SyncClient(server.address, api_key=key, session_token=tokens[0]) as client:
        with pytest.raises(SessionExpired):
            await client.pull()
    async with SyncClient(server.address, api_key=key, session_token=lambda: tokens.pop(0)) as client:
        await client.pull()
    assert not tokens


async def test_a_rate_limit_says_when_to_come_back(database_url: str):
    async with started_server(settings_for(database_url, calls_per_minute=1)) as server, session(server) as client:
        await client.pull()
        with pytest.raises(RateLimited) as raised:
            await client.pull()
        assert raised.value.retry_after_seconds >= 1
