"""Who plays: two projects, an Alice in each, and Mallory, who has an account beside one of them."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2
from grpc import aio
from grpc_status import rpc_status

from harness import Project, change
from syncline.v1 import sync_pb2, sync_pb2_grpc

NOTE = "NOTE"
DEVICE = "one-phone-for-all"
TICKETS = 60
"""More than are used: each opens one stream."""


@dataclass(frozen=True)
class Answer:
    """What somebody was told: a status, and every word and header of it."""

    status: str
    text: str


@dataclass(frozen=True)
class RawClient:
    """Speaks to the server with any metadata and to the bridge with any headers, and keeps nothing back."""

    stub: sync_pb2_grpc.SyncServiceStub
    http: httpx2.AsyncClient

    async def call(self, method: str, request: Any, metadata: Sequence[tuple[str, str]]) -> Answer:
        """Call a method of the contract; a stream is read to its end."""
        try:
            call = getattr(self.stub, method)(request, metadata=metadata, timeout=20)
            if method == "StreamPull":
                return Answer("OK", "".join([str(message) async for message in call]))
            return Answer("OK", str(await call))
        except aio.AioRpcError as error:
            sent = (error.details(), error.initial_metadata(), error.trailing_metadata(), rpc_status.from_call(error))
            return Answer(error.code().name, "\n".join(map(str, sent)))

    async def ask(self, method: str, path: str, headers: Any, body: Any = None) -> Answer:
        """Ask the bridge; of an event stream only the first event is waited for."""
        content = None if body is None else json.dumps(body)
        async with self.http.stream(method, path, headers=headers, content=content) as answer:
            told = f"{answer.headers}"
            if answer.headers["content-type"].startswith("text/event-stream"):
                async for line in answer.aiter_lines():
                    told += line
                    if line.startswith("data: "):
                        break
            else:
                told += (await answer.aread()).decode()
        return Answer(str(answer.status_code), told)


@dataclass
class Person:
    """A user of a project, what belongs to them, and what only they may know."""

    project: Project
    name: str
    role: str
    tokens: list[str] = field(default_factory=list)
    cursor: str = ""
    tickets: list[str] = field(default_factory=list)
    revision: int = 0
    _taken: int = 0

    def __post_init__(self) -> None:
        self.session = self.project.token(self.name, device=DEVICE)

    @property
    def ticket(self) -> str:
        """A ticket that was not used yet."""
        self._taken += 1
        return self.tickets[self._taken % len(self.tickets)]

    @property
    def entity_id(self) -> str:
        return f"canary-id-of-{self.role}"

    @property
    def canaries(self) -> Sequence[str]:
        return (self.entity_id, f"canary-data-of-{self.role}")

    @property
    def metadata(self) -> list[tuple[str, str]]:
        return [("x-api-key", self.project.client_key), ("authorization", f"Bearer {self.session}")]

    @property
    def checkpoint_headers(self) -> dict[str, str]:
        return dict(self.metadata)

    @property
    def mutation_headers(self) -> dict[str, str]:
        return {"x-client-id": self.project.client_key, "x-auth-token": self.session}

    @property
    def note(self) -> sync_pb2.Change:
        return change("create", self.entity_id, {"body": self.canaries[1]}, entity_type=NOTE)

    async def moves_in(self, caller: RawClient) -> None:
        """Write what is one's own, and collect a token of each kind."""
        filler = [change("create", f"{self.entity_id}-{number}", {}, entity_type=NOTE) for number in range(3)]
        pushed = await caller.call("Push", sync_pb2.PushRequest(changes=[self.note, *filler]), self.metadata)
        pulled = await caller.call("Pull", sync_pb2.PullRequest(page_size=1), self.metadata)
        paged = await caller.ask("GET", "/v1/sync?mutationsSince=0&limit=1&cursor=", self.mutation_headers)
        for _ in range(TICKETS):
            ticket = await caller.call("CreateTicket", sync_pb2.CreateTicketRequest(), self.metadata)
            self.tickets.append(_in(ticket, r'ticket: "([^"]+)"'))
        self.tokens = [_in(answer, r'checkpoint_token: "([^"]+)"') for answer in (pushed, pulled)]
        self.cursor = _in(paged, r'"nextCursor":"([^"]+)"')
        self.revision = int(_in(pulled, r" revision: (\d+)"))

    async def owns_unharmed(self, caller: RawClient) -> None:
        """Check that one's own is there, and as it was."""
        answer = await caller.call("Pull", sync_pb2.PullRequest(), self.metadata)
        assert answer.status == "OK"
        assert all(canary in answer.text for canary in self.canaries)
        assert answer.text.count(f'entity_id: "{self.entity_id}') == 4
        assert f"revision: {self.revision}" in answer.text

    @property
    def secrets(self) -> Mapping[str, str]:
        """What must not be in any log."""
        named = {"session token": self.session, "cursor": self.cursor}
        named |= {"client key": self.project.client_key.rpartition("_")[2]}
        named |= {"server key": self.project.server_key.rpartition("_")[2], "secret": self.project.session_secret}
        named |= {f"ticket {number}": ticket for number, ticket in enumerate(self.tickets)}
        named |= {f"checkpoint token {number}": token for number, token in enumerate(self.tokens)}
        return named | {f"canary {number}": canary for number, canary in enumerate(self.canaries)}


def _in(answer: Answer, pattern: str) -> str:
    found = re.search(pattern, answer.text)
    assert answer.status in {"OK", "200"}, answer
    assert found, answer
    return found[1]
