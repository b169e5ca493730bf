"""Nothing of one user's is shown to another, whatever is swapped: not in an answer, not in a log."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from grpc import aio

from harness import change, ids, make_project, settings_for
from identity import attempts
from identity.attempts import Attempt
from identity.cast import DEVICE, NOTE, Person, RawClient
from ports import free_address
from storage import run_sql, url_of
from syncline.v1 import sync_pb2, sync_pb2_grpc
from system.processes import Process, commands_in

MATRIX: tuple[Callable[[Person, Person], Iterator[Attempt]], ...] = (
    attempts.foreign_credentials,
    attempts.credentials_sent_twice,
    attempts.foreign_positions,
    attempts.foreign_names,
    attempts.foreign_entities,
    attempts.oversized,
)


@dataclass(frozen=True)
class Stage:
    """A server and a bridge that log all they can, and who plays."""

    caller: RawClient
    process: Process
    alice: Person
    namesake: Person
    """Alice of the other project."""
    mallory: Person

    @property
    def all(self) -> tuple[Person, ...]:
        return self.alice, self.namesake, self.mallory


@asynccontextmanager
async def staged(database_url: str, folder: Path) -> AsyncIterator[Stage]:
    settings = settings_for(database_url)
    one, other = await make_project(settings, "one"), await make_project(settings, "other")
    grpc_address, http_address = free_address(), free_address()
    options = ("--database", database_url, "--grpc-address", grpc_address, "--http-address", http_address)
    logs = {"SYNCLINE_LOG_LEVEL": "debug", "SYNCLINE_LOG_FORMAT": "json", "SYNCLINE_FAILURE_DELAY_SECONDS": "0"}
    async with commands_in(folder).running("serve", *options, **logs) as process:
        await process.ready(grpc_address)
        await process.listens(http_address)
        async with (
            aio.insecure_channel(grpc_address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel,
            httpx2.AsyncClient(base_url=f"http://{http_address}", timeout=30) as http,
        ):
            caller = RawClient(sync_pb2_grpc.SyncServiceStub(channel), http)
            people = (
                Person(one, "alice", "alice"),
                Person(other, "alice", "namesake"),
                Person(one, "mallory", "mallory"),
            )
            for person in people:
                await person.moves_in(caller)
            yield Stage(caller, process, *people)


@pytest.fixture(scope="module")
async def identity_postgres_url(postgres: Any, postgres_template: str) -> str:
    await run_sql(postgres, f"CREATE DATABASE identity TEMPLATE {postgres_template}")
    return url_of(postgres, "identity")


@pytest.fixture(scope="module")
def identity_sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('identity') / 'identity.db'}"


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def identity_url(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(f"identity_{request.param}_url")
    return url


@pytest.fixture(scope="module")
async def stage(identity_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with staged(identity_url, tmp_path_factory.mktemp("stage")) as set_up:
        yield set_up


async def test_whatever_is_swapped_is_refused_and_shows_nothing(stage: Stage):
    tried = 0
    for victim, attacker in (
        (stage.alice, stage.mallory),
        (stage.namesake, stage.mallory),
        (stage.alice, stage.namesake),
    ):
        for attempt in (one for kind in MATRIX for one in kind(victim, attacker)):
            answer = await attempt.make(stage.caller)
            assert answer.status in attempt.expected, (attempt.name, answer)
            # One who names an id knows it; what it holds is another thing.
            assert victim.canaries[1] not in answer.text, attempt.name
            assert "of-nobody" not in answer.text
            tried += 1
    for person in stage.all[:2]:
        await person.owns_unharmed(stage.caller)
    log = stage.process.err
    assert tried > 900
    for person in stage.all:
        for kind, secret in person.secrets.items():
            assert secret not in log, f"the {kind} of {person.role} is in the log"
    # It was a log of everything.
    assert log.count('"event": "call"') > 300
    assert log.count('"event": "request"') > 300


async def test_a_server_key_reads_its_own_project_alone(stage: Stage):
    key = [("x-api-key", stage.namesake.project.server_key)]
    everybody = sync_pb2.StreamPullRequest(all_users=True)
    for method, request in (
        ("StreamPull", everybody),
        ("StreamPull", sync_pb2.StreamPullRequest(user_id="alice")),
        ("Pull", sync_pb2.PullRequest(user_id="alice")),
    ):
        answer = await stage.caller.call(method, request, key)
        assert answer.status == "OK"
        assert stage.namesake.canaries[1] in answer.text
        assert not any(canary in answer.text for canary in (*stage.alice.canaries, *stage.mallory.canaries))
    for path, name in (("/client/sync?entity_type=NOTE", "x-api-key"), ("/v1/sync?mutationsSince=0", "x-client-id")):
        answer = await stage.caller.ask("GET", path, {name: key[0][1], "x-user-id": "alice"})
        assert answer.status == "200"
        assert stage.namesake.canaries[1] in answer.text
        assert not any(canary in answer.text for canary in (*stage.alice.canaries, *stage.mallory.canaries))
    for token in stage.alice.tokens:
        request = sync_pb2.PullRequest(user_id="alice", checkpoint_token=token)
        assert (await stage.caller.call("Pull", request, key)).status == "INVALID_ARGUMENT"


async def test_what_another_user_of_the_device_has_seen_counts_for_nothing(stage: Stage):
    """P9: three users of one device id each have a position of their own."""
    alice, stub = stage.alice, stage.caller.stub
    await stub.Pull(
        sync_pb2.PullRequest(entity_types=[NOTE], checkpoint_token=alice.tokens[1]), metadata=alice.metadata
    )
    elsewhere = [alice.metadata[0], ("authorization", f"Bearer {alice.project.token('alice', device='laptop')}")]
    unseen = change("create", "written-elsewhere", {}, entity_type=NOTE)
    await stub.Push(sync_pb2.PushRequest(changes=[unseen]), metadata=elsewhere)
    for other in (stage.namesake, stage.mallory):
        page = await stub.Pull(sync_pb2.PullRequest(entity_types=[NOTE]), metadata=other.metadata)
        shown = sync_pb2.PullRequest(entity_types=[NOTE], checkpoint_token=page.checkpoint_token)
        await stub.Pull(shown, metadata=other.metadata)
        mine = change("create", "written-here", {}, entity_type=NOTE)
        await stub.Push(sync_pb2.PushRequest(changes=[mine]), metadata=[*other.metadata, ("x-device-id", DEVICE)])
    pushed = await stub.Push(
        sync_pb2.PushRequest(changes=[change("create", "by-alice", {}, entity_type=NOTE)]), metadata=alice.metadata
    )
    rest = sync_pb2.PullRequest(entity_types=[NOTE], checkpoint_token=pushed.checkpoint_token)
    assert "written-elsewhere" in ids((await stub.Pull(rest, metadata=alice.metadata)).changes)
