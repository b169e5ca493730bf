"""What an opened database is to those who use it, whichever it is; sqlite/ and postgresql/ each make one of these."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, NoReturn, Protocol, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from syncline_server.sync.layout import Layout
from syncline_server.sync.store import Store

POOL_TIMEOUT_SECONDS: Final = 10

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Connections:
    """How many connections a process keeps to its database, at most."""

    reading: int = 8
    writing: int = 6
    """One for each group that is being committed."""


class Notifications(Protocol):
    """How the processes that serve one database tell each other of commits."""

    def announce(self, project_id: int) -> None:
        """Tell the other processes of a commit, soon."""

    def away_seconds(self) -> float:
        """Return for how long the database has not been reached."""

    def start(self) -> None:
        """Begin to listen and to announce."""

    async def close(self) -> None:
        """Stop."""


class Engines(ABC):
    """One engine that writes and one that reads, and all in which their database differs from others.

    Connections are opened as they are needed.
    """

    is_shared: bool
    """Several processes may serve the database at once; its operator migrates it before they start."""

    def __init__(self, name: str, writing: AsyncEngine, reading: AsyncEngine) -> None:
        """`name` tells an operator which database it is, without its password."""
        self.writing = writing
        self.reading = reading
        self._name = name

    def __str__(self) -> str:
        return self._name

    @abstractmethod
    def make_place(self) -> None:
        """Make what has to be there before the database. Raises NoDatabaseFile."""

    @abstractmethod
    def require_place(self) -> None:
        """See that the database is where it is to be, and make nothing. Raises NoDatabaseFile."""

    @abstractmethod
    def owned(self) -> AbstractContextManager[None]:
        """Own the database for the time of the block, where one process has to. Raises DatabaseInUse."""

    @abstractmethod
    async def stays(self) -> NoReturn:
        """Return never. Raises NoDatabaseFile once the database that is owned is no longer where it was."""

    @abstractmethod
    def writing_alone(self) -> AbstractAsyncContextManager[None]:
        """Keep what may not happen beside a transaction of `writing` from happening for the time of the block.

        Who comes meanwhile waits, in this process, too; within the block nobody may ask again.
        """

    @abstractmethod
    async def finished(self, work: Coroutine[Any, Any, T]) -> T:
        """Do work that uses a connection of an engine, to its end where it must not be cut short."""

    @abstractmethod
    async def execute(
        self, connection: AsyncConnection, statement: str, parameters: tuple[Any, ...] = ()
    ) -> Sequence[Any]:
        """Run a statement whose parameters are written $1, $2, …, and return its rows."""

    @abstractmethod
    async def write(self, statement: str, parameters: tuple[Any, ...]) -> int:
        """Run a statement of some hundred rows in a transaction of its own, and return how many it has changed.

        It takes its turn with pushes and keeps the event loop free. Raises errors of the driver.
        """

    @abstractmethod
    async def lock(self, connection: AsyncConnection, key: int) -> None:
        """Keep others who ask for this lock waiting until the transaction ends."""

    @abstractmethod
    async def wait_without_limit(self, connection: AsyncConnection) -> None:
        """Let the transaction take as long as it needs."""

    @abstractmethod
    async def upgrade(self, progress: Callable[[int, int], None] | None) -> None:
        """Run the migrations that have not been run, as far as that is possible beside servers; see schema.migrate."""

    @abstractmethod
    async def contract(self) -> None:
        """Run the last phase of the last migration; see phases.finish."""

    @abstractmethod
    async def backfill(self) -> None:
        """See to rows of the schema before, until there are none; others are left in peace meanwhile."""

    @abstractmethod
    async def clock_us(self, connection: AsyncConnection) -> int:
        """Return the store's clock, µs since the Unix epoch."""

    @abstractmethod
    async def watch_epochs(self, clock_us: Callable[[], int] | None) -> None:
        """See to it that an epoch begins before anything is committed to a database that has come to life anew.

        `clock_us` takes the place of the store's clock, in tests. Raises StoreUnavailable.
        """

    @abstractmethod
    def open_store(self, layout: Layout, clock_us: Callable[[], int] | None = None) -> Store:
        """Return the log in this database; `clock_us` takes the place of its clock, in tests."""

    @abstractmethod
    def notifications(
        self, *, on_commit: Callable[[int], None], on_reconnect: Callable[[], None]
    ) -> Notifications | None:
        """Return how its processes hear of each other's commits; None: one process owns it.

        `on_commit` is told of a project with a commit elsewhere; `on_reconnect`, that some may have been missed.
        """

    @abstractmethod
    async def close(self) -> None:
        """Close all connections."""
