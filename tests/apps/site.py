"""Where the apps of one user find their server: a bridge and a server behind it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from apps.book import Book
from apps.doors import CheckpointSync, Door, Native, native_stub
from apps.habits import Habits
from apps.mutation import BookedClient, NumberingClient
from bridge.bridged import Bridged
from bridge.dialects.mutation_sync.strict_client import StrictClient

_HOUR_SECONDS = 3600
_NUMBERED_PAGE = 20
_LARGEST_PAGE = 1000


class Site(Protocol):
    """A server, as the apps of one user need it; one that speaks mutation sync makes clients of that, too."""

    def door(self, habits: Habits, name: str) -> Door:
        """Make the door of an app in a session; `name` is the session's, with a number for each renewal."""

    def service(self) -> Door:
        """Make the door of one that reads and writes for the user, and is none of the apps."""


@dataclass
class LiveSite:
    """A real one, for one user."""

    bridged: Bridged
    stub: object
    user: str
    _tokens: dict[tuple[str, str], str] = field(default_factory=dict)

    def door(self, habits: Habits, name: str) -> Door:
        headers = self._credentials(habits, name)
        if habits.door == "http":
            return CheckpointSync(self.bridged.http, headers)
        return Native(self.stub, tuple(headers.items()), page_size(habits), self.user if habits.is_service else "")

    def service(self) -> Door:
        metadata = (("x-api-key", self.bridged.server.project.server_key),)
        return Native(self.stub, metadata, _LARGEST_PAGE, self.user)

    def mutation_client(self, number: int, name: str, book: Book) -> BookedClient:
        """Make a client that pages by cursor (0), or by number."""
        token = self.bridged.server.project.token(self.user, ttl=2 * _HOUR_SECONDS + number)
        headers = {"x-client-id": self.bridged.server.project.client_key, "x-auth-token": token}
        if number == 0:
            return BookedClient(self.bridged.http, headers, name=name, book=book)
        last = number == 1
        return NumberingClient(self.bridged.http, headers, _NUMBERED_PAGE, name=name, book=book, takes_last=last)

    def fresh(self, client: BookedClient) -> StrictClient:
        """Make one that knows nothing yet."""
        return StrictClient(self.bridged.http, client.headers)

    def _credentials(self, habits: Habits, name: str) -> Mapping[str, str]:
        project = self.bridged.server.project
        if habits.is_service:
            return {"x-api-key": project.server_key}
        in_claim = habits.device if sum(habits.name.encode()) % 2 else ""
        token = self._tokens.get((name, in_claim))
        if token is None:  # tokens that end at different times are different
            token = project.token(self.user, device=in_claim or None, ttl=_HOUR_SECONDS + len(self._tokens))
            self._tokens[name, in_claim] = token
        device = {"x-device-id": habits.device} if habits.device and not in_claim else {}
        return {"x-api-key": project.client_key, "authorization": f"Bearer {token}", **device}


@asynccontextmanager
async def live_site(bridged: Bridged, user: str) -> AsyncIterator[LiveSite]:
    async with native_stub(bridged.server.address) as stub:
        yield LiveSite(bridged, stub, user)


def page_size(habits: Habits) -> int:
    """Return a size of page, of three; one that reads in circles needs some room in it."""
    return sum(habits.name.encode()) % 3 * 30 + (40 if habits.is_in_circles else 10)
