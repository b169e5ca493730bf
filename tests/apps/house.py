"""One user and all their apps: at work together, and then until each has what the server has."""

import asyncio
import math
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from apps.acts import TALLIES, TALLY, Acts, Pool
from apps.app import App
from apps.book import Book, Data, Entity, Sent
from apps.clocks import Clock
from apps.habits import Habits, household
from apps.mutation import MutationApp
from apps.news import News
from apps.rereading import check_lives
from apps.site import Site
from bridge.dialects.mutation_sync.device import Device

CHECKPOINT_SIZES = {"todo": 260, "memo": 60}
MIXED_SIZES = {"NOTE": 130}
MUTATION_APPS = 3
_BURST = 0.15
"""How likely several apps do something at once."""
_LOSES = 0.12
_GROWTH = 1.3
"""How many times as many entities there are in the end as in the beginning, at most."""


@dataclass
class House:
    """Use `open`, then `live`, then `settle`."""

    seed: str
    site: Site
    apps_count: int
    push_ids: bool
    mixed: bool = False
    """It has devices of mutation sync, too."""
    book: Book = field(default_factory=Book)
    apps: list[App] = field(default_factory=list)
    mutation_apps: list[MutationApp] = field(default_factory=list)
    steps: int = 0

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        # Devices of mutation sync know what they have created by its tag: others leave it alone.
        self.pool = Pool(MIXED_SIZES, "edited") if self.mixed else Pool(CHECKPOINT_SIZES, "tag")
        self._clocks: dict[str, Clock] = {}

    async def open(self) -> None:
        """Fill the user's log, and let the apps in."""
        await self._fill()
        tenants = household(self.random, self.apps_count - (MUTATION_APPS if self.mixed else 0))
        if self.mixed:
            tenants = [replace(one, kinds=tuple(self.pool.sizes)) for one in tenants]
        self.news = News.among(self.book, tenants)
        self.apps = [self._app(one) for one in tenants]
        if self.mixed:
            self.mutation_apps = [self._mutation_app(number) for number in range(MUTATION_APPS)]

    async def live(self, goes_on: Callable[[], bool]) -> None:
        """Let the apps work, one at a time or several at once."""
        everybody: list[App | MutationApp] = [*self.apps, *self.mutation_apps]
        while goes_on():
            at_once = self.random.randint(2, 4) if self.random.random() < _BURST else 1
            drawn = self.random.sample(everybody, at_once)
            await together(one.step() for one in drawn)
            self.steps += 1

    async def settle(self) -> None:
        """Let those who push before every pull go on, until they have everything; then all, until all is quiet."""
        for app in (*self.apps, *self.mutation_apps):
            await self._calm(app)
        await self._go_on_pushing()
        await self._rest()
        await self._settle_mutation_apps()
        counts = await self._versions()
        for app in self.apps:
            self.book.problems += check_lives(app, counts)

    async def truth(self) -> dict[Entity, Data]:
        """Return what the server has of the user."""
        return {entity: data for entity, data in (await self.log()).items() if data is not None}

    async def log(self) -> dict[Entity, Data | None]:
        """Return the same with what is deleted."""
        service = self.site.service()
        found: dict[Entity, Data | None] = {}
        token, has_more = "", True
        while has_more:
            page = await service.pull((), token)
            found.update((row.entity, row.data) for row in page.rows)
            for row in page.rows:
                self.book.saw(row)
            token, has_more = page.token, page.has_more
        return found

    async def _versions(self) -> Mapping[str, int]:
        counts = dict.fromkeys(self.pool.sizes, 0)
        for kind, _ in await self.log():
            counts[kind] = counts.get(kind, 0) + 1
        return counts

    async def _calm(self, app: App | MutationApp) -> None:
        """Let it hear what became of what it has sent."""
        if isinstance(app, MutationApp):
            app.loses = 0.0
            return
        app.loses, app.naps = 0.0, 0
        while app.pending is not None:
            await app.push([])

    async def _go_on_pushing(self) -> None:
        pushers = [app for app in self.apps if app.habits.pushes == 1]
        waiting = list(pushers)
        for _ in range(self._rounds(pushers)):
            if not waiting:
                return
            await together(app.push(app.acts.touch_own(app.session, app.replica)) for app in pushers)
            await together(app.pull() for app in pushers)
            truth = await self.truth()
            waiting = [app for app in waiting if app.replica.differences(truth, app.habits.kinds)]
        for app in waiting:
            self._lacks(app, truth, "goes on pushing before every pull")

    def _rounds(self, pushers: Sequence[App]) -> int:
        """Return in how many rounds everybody has everything."""
        size = min((app.door.page_size for app in pushers), default=100) - len(pushers)
        tabs = max((sum(one.session == app.session for one in pushers) for app in pushers), default=0)
        circle = 2 * math.ceil(sum(self.pool.sizes.values()) * _GROWTH / (size - size // 4)) + 1
        return 3 * tabs * circle + 10

    async def _rest(self) -> None:
        """Stop pushing: in so many pages everybody has everything, and is given nothing any more."""
        for app in self.apps:
            for cursor in app.habits.cursors:
                await self._read_to_rest(app, cursor)
        truth = await self.truth()
        for app in self.apps:
            if app.replica.differences(truth, app.habits.kinds):
                self._lacks(app, truth, "has pulled to the end")

    async def _read_to_rest(self, app: App, cursor: tuple[str, ...]) -> None:
        if app.habits.streams:
            await app.pull()
            return
        size = app.door.page_size
        there = sum(count for kind, count in (await self._versions()).items() if kind in cursor)
        for _ in range(math.ceil((there + size / 4) / size) + 2):
            page = await app.pull_once(cursor)
        if page.rows or page.has_more:
            app.report("restless", f"is still given {len(page.rows)} {cursor} when all is quiet")

    def _lacks(self, app: App, truth: Mapping[Entity, Data], when: str) -> None:
        differences = app.replica.differences(truth, app.habits.kinds)
        app.report("lacks", f"{app.habits} {when}: {len(differences)} of {len(truth)}: {differences[:2]}")

    async def _settle_mutation_apps(self) -> None:
        for app in self.mutation_apps:
            for _ in range(20):
                await app.sync()
                if not app.device.queue:
                    break
        if not self.mutation_apps:
            return
        fresh = self.site.fresh(self.mutation_apps[0].client)  # type: ignore[attr-defined]
        await fresh.pull()
        for app in self.mutation_apps:
            await app.client.pull()
            if told := app.differences(fresh):
                app.report("lacks", f"{type(app.client).__name__}: {len(told)} of {len(fresh.held)}: {told[:2]}")

    async def _fill(self) -> None:
        for kind, size in self.pool.sizes.items():
            data = {"body": "b", "ranges": []} if self.mixed else {}
            things = [_there(kind, f"p{number}", {**data, "n": number}) for number in range(size)]
            things += [_there(kind, f"{TALLY}{number}", {**data, "count": 0}) for number in range(TALLIES)]
            await self.site.service().push(things, None, "")

    def _app(self, habits: Habits) -> App:
        random = Random(f"{self.seed}/{habits.name}")
        clock = self._clocks.setdefault(habits.device or habits.session or habits.name, Clock(habits.clock, random))
        has_push_id = self.push_ids and habits.shows_token
        counts = has_push_id or (bool(habits.device) and habits.device != "twin")
        acts = Acts(habits, self.pool, clock, random, counts, has_push_id)
        return App(habits, acts, self.book, self.news, random, lambda name: self.site.door(habits, name), _LOSES)

    def _mutation_app(self, number: int) -> MutationApp:
        name = f"mutation-{number}"
        client = self.site.mutation_client(number, name, self.book)  # type: ignore[attr-defined]
        return MutationApp(Device(name, client, Random(f"{self.seed}/{name}")), client, _LOSES)


def _there(kind: str, entity_id: str, data: Data) -> Sent:
    """Build a change that makes what is there from the beginning."""
    return Sent("", "", (kind, entity_id), "create", data, None, None, False, retry_is_exact=False)


async def together(calls: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do several things at once."""
    async with asyncio.TaskGroup() as tasks:
        for call in calls:
            tasks.create_task(call)
