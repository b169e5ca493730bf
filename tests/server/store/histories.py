"""A small model of a database that is copied, restored and restarted, beside the real one on SQLite."""

import random
import sqlite3
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from harness import opened_engines, settings_for
from rules import Rules
from storage import revisions_of
from syncline_server.store import epochs, schema
from syncline_server.store.catalogue import all_projects
from syncline_server.store.engine import Engines
from syncline_server.store.looking import EngineCatalogue
from syncline_server.store.opening import prepare_schema
from syncline_server.store.registry import SqlRegistry
from syncline_server.sync.circle import FROM_START, Checkpoint, expired
from syncline_server.sync.errors import CheckpointExpired
from syncline_server.sync.keys import session_key
from syncline_server.sync.reading import PageSize, Reading
from values import edit

USERS = ("ada", "bob")
CLOCKS_US = range(1_800_000_000_000_000, 1_800_000_000_020_000, 1000)
"""Few milliseconds, so that different copies commit the same revisions."""


@dataclass(frozen=True)
class Commit:
    """One commit of one project; no other has its number, whatever became of the copy it was made in."""

    number: int
    user: str
    revision: int


Log = tuple[Commit, ...]
Copy = tuple[Path, dict[int, Log]]


@dataclass(frozen=True)
class Held:
    """A token, and all that had been committed to its project up to its position, and up to the head it was made at."""

    project: int
    user: str
    token: str
    prefix: Log
    vouched: Log = ()


@dataclass
class World:
    """The database in force, its copies, and the tokens that are about."""

    folder: Path
    drawn: random.Random
    logs: dict[int, Log] = field(default_factory=dict)
    copies: list[Copy] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    commits: int = 0
    accepted: int = 0
    expired: int = 0
    lives: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def file(self) -> Path:
        return self.folder / "syncline.db"

    def clock_us(self) -> int:
        return self.drawn.choice(CLOCKS_US)

    async def start(self) -> None:
        """Start a server's store on the file."""
        self.engines: Engines = await self.lives.enter_async_context(
            opened_engines(settings_for(f"sqlite:///{self.file}"))
        )
        await prepare_schema(self.engines)
        await self.engines.watch_epochs(self.clock_us)
        self.checkpoints = await schema.open_checkpoints(self.engines)
        self.rules: dict[int, Rules] = {}

    async def stop(self) -> None:
        for rules in self.rules.values():
            await rules.pusher.close()
        await self.lives.aclose()

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def copy(self) -> None:
        """Copy the database while it is in use."""
        path = self.folder / f"copy-{len(self.copies)}.db"
        with closing(sqlite3.connect(self.file)) as live, closing(sqlite3.connect(path)) as copy:
            live.backup(copy)
        self.copies.append((path, dict(self.logs)))

    async def restore(self, copy: Copy | None = None) -> None:
        """Stop, put a copy in the place of the database, and start."""
        if not self.copies:
            return
        await self.stop()
        path, logs = copy or self.drawn.choice(self.copies)
        for old in self.folder.glob("syncline.db*"):
            old.unlink()
        self.file.touch(0o600)
        self.file.write_bytes(path.read_bytes())
        self.file.chmod(0o600)
        self.logs = dict(logs)
        await self.start()

    async def begin_by_hand(self) -> None:
        await epochs.begin_by_hand(self.engines, self.clock_us)

    async def make_project(self) -> None:
        await SqlRegistry(self.engines).create(f"project-{len(self.logs)}")
        self.logs[(await all_projects(EngineCatalogue(self.engines)))[-1].id] = ()

    async def push(self) -> None:
        """Commit a change of a new device, and hold the token that comes back: of the change, or from before it."""
        if not self.logs:
            return
        project, user = self.drawn.choice(list(self.logs)), self.drawn.choice(USERS)
        rules = self._rules(project)
        shown = self.drawn.choice(
            [held for held in self.held if (held.project, held.user) == (project, user)] or [None]
        )
        scope = rules.checkpoints.scope_tag(project, user)
        checkpoint = rules.checkpoints.decode(scope, shown.token) if shown else None
        self.commits += 1
        rules.clock.us = self.clock_us()
        outcome = await rules.push(
            edit("create", f"e{self.commits}"), user=user, session=f"device:{self.commits}", shown=checkpoint
        )
        before = self.logs[project]
        lost = shown is not None and not self.is_current(shown)
        known = shown.prefix if shown and not lost else ()
        self.logs[project] = (*before, Commit(self.commits, user, outcome.head_revision))
        if lost:
            assert checkpoint is not None
            wanted = expired(checkpoint, outcome.head_revision)
            assert outcome.checkpoint == wanted, "a lost token has to come back: its next pull says that it is lost"
            return
        has_all = all(commit.user != user for commit in before[len(known) :])
        expected = outcome.head_revision if has_all else known[-1].revision if known else 0
        assert outcome.checkpoint.revision == expected, "the token of a push skips, or goes back too far (P9)"
        self._hold(project, user, rules, outcome.checkpoint)

    async def read(self, most: int = 12) -> None:
        """Present tokens, and hold those that come back."""
        for held in self.drawn.sample(self.held, min(len(self.held), most)):
            if held.project in self.logs:
                await self._present(held)
        for project in self.logs:
            await self._present(Held(project, self.drawn.choice(USERS), "", ()))

    async def _present(self, held: Held) -> None:
        rules = self._rules(held.project)
        scope = rules.checkpoints.scope_tag(held.project, held.user)
        reading = Reading(
            held.project,
            held.user,
            session_key(held.project, held.user, f"device:{self.drawn.randrange(self.commits + 1)}"),
            (),
            rules.checkpoints.decode(scope, held.token) if held.token else FROM_START,
        )
        try:
            page = await rules.puller.pull(reading, PageSize(self.drawn.choice((1, 2, 100)), 1_000_000))
        except CheckpointExpired:
            self.expired += 1
            assert not self.is_current(held), f"a client that lost nothing was told to start over: {held}"
            return
        self.accepted += 1
        assert self.is_current(held), f"a token of a lost history was taken for one of this: {held}"
        missed = [one.revision for one in self.logs[held.project][len(held.prefix) :] if one.user == held.user]
        assert revisions_of(page) == missed[: page.count], "a gap"
        assert page.has_more == (page.count < len(missed))
        same = page.checkpoint == reading.checkpoint._replace(kinds=())
        assert missed or not held.prefix or same, "a token changed though nothing was new"
        self._hold(held.project, held.user, rules, page.checkpoint)

    def is_current(self, held: Held) -> bool:
        """Tell whether everything up to the head that the token was made at is in the history in force."""
        return self.logs[held.project][: len(held.vouched)] == held.vouched

    def _hold(self, project: int, user: str, rules: Rules, checkpoint: Checkpoint) -> None:
        log = self.logs[project]
        prefix = tuple(commit for commit in log if commit.revision <= checkpoint.revision)
        vouched = tuple(commit for commit in log if commit.revision <= checkpoint.head)
        token = rules.checkpoints.encode(rules.checkpoints.scope_tag(project, user), checkpoint)
        self.held.append(Held(project, user, token, prefix, vouched))

    def _rules(self, project: int) -> Rules:
        if project not in self.rules:
            self.rules[project] = Rules(self.engines, project, self.checkpoints)
        return self.rules[project]
