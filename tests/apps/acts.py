"""What the user of an app does, as changes to push."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random

from apps.book import Data, Entity, Sent
from apps.clocks import Clock
from apps.habits import Habits
from apps.replica import Replica

TALLIES = 3
LEASE, TALLY, OWN = "lease-", "tally-", "own-"
_DISPUTED = 8
"""So many entities of the pool get half of all touches."""
_MOST_IN_BATCH = 5


@dataclass
class Pool:
    """What the apps of a user share."""

    sizes: Mapping[str, int]
    """How many entities of each type there are from the start: `p0`, `p1`, …"""
    mark: str
    """The member that says which change was the last."""
    leases: "itertools.count[int]" = field(default_factory=itertools.count)


@dataclass
class Acts:
    """The user's hand on one app."""

    habits: Habits
    pool: Pool
    clock: Clock
    random: Random
    counts: bool
    """It may count: the server can tell its increments from other apps' (a device id of its own, or `push_id`)."""
    sends_push_ids: bool
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def draw(self, replica: Replica, session: str) -> list[Sent]:
        """Return what the user does next: one change, or several."""
        if self.counts and self.random.random() < 0.25:
            act = self._count(replica) if self.random.random() < 0.6 else self._take_lease(replica)
            return [self._sent(session, *act, stamp_ms=self._count_stamp())] if act else []
        number = self.random.randint(2, _MOST_IN_BATCH) if self.random.random() < 0.3 else 1
        acts = list(itertools.islice(self._acts(replica), number))
        return [self._sent(session, *act, stamp_ms=self._stamp()) for act in acts]

    def touch_own(self, session: str, replica: Replica) -> list[Sent]:
        """Return an update of what nobody else writes."""
        return [self._sent(session, *self._own(), stamp_ms=self._stamp())]

    def _acts(self, replica: Replica) -> Iterator[tuple[str, Entity, Data, None]]:
        """Yield a few changes; some of one entity, so that a batch has several edits of it."""
        last: Entity | None = None
        while True:
            drawn = self.random.random()
            if last and drawn < 0.3:
                action = self.random.choice(("update", "update", "create", "delete"))
                yield action, last, self._data(), None
                continue
            if drawn < 0.5:
                yield self._own()
                continue
            action = "update" if drawn < 0.8 else "create" if drawn < 0.9 else "delete"
            if self.random.random() < 0.25:
                action, last = "create", self._new_entity()
            else:
                last = self._shared()
            yield action, last, self._data(), None
            if not last[1]:
                last = None

    def _own(self) -> tuple[str, Entity, Data, None]:
        return "update", (self._kind(), f"{OWN}{self.habits.name}"), self._data(), None

    def _count(self, replica: Replica) -> tuple[str, Entity, Data, int] | None:
        entity = (self.habits.kinds[0], f"{TALLY}{self.random.randrange(TALLIES)}")
        row = replica.rows.get(entity)
        if row is None or row.data is None or not row.revision:
            return None
        return "update", entity, {"count": row.data["count"] + 1}, row.revision

    def _take_lease(self, replica: Replica) -> tuple[str, Entity, Data, int] | None:
        """Return the create of a lease that another app may take at the same time, with the same words."""
        number = next(self.pool.leases) // 2
        entity = (self.habits.kinds[0], f"{LEASE}{number}")
        return None if entity in replica.rows else ("create", entity, {"lease": number}, 0)

    def _sent(
        self, session: str, action: str, entity: Entity, data: Data, base: int | None, stamp_ms: int | None
    ) -> Sent:
        exact = self.sends_push_ids or base is not None or (stamp_ms is not None and self.clock.orders)
        if not entity[1] and not self.sends_push_ids:
            exact = False
        sent = Sent(self.habits.name, session, entity, action, data, base, stamp_ms, self.clock.is_right, exact)
        sent.has_push_id = self.sends_push_ids
        return sent

    def _data(self) -> Data:
        number = next(self._numbers)
        return {self.habits.name: number, self.pool.mark: f"{self.habits.name}.{number}"}

    def _kind(self) -> str:
        return self.random.choice(self.habits.kinds)

    def _shared(self) -> Entity:
        kind = self._kind()
        size = self.pool.sizes[kind]
        return kind, f"p{self.random.randrange(_DISPUTED if self.random.random() < 0.5 else size)}"

    def _new_entity(self) -> Entity:
        """Return one that is new; over gRPC the server may make its id."""
        if self.habits.door == "native" and self.random.random() < 0.5:
            return self._kind(), ""
        return self._kind(), f"{self.habits.name}-new-{next(self._numbers)}"

    def _stamp(self) -> int | None:
        """Return the client timestamp; half of the native apps' changes have none."""
        if self.habits.door == "native" and self.random.random() < 0.5:
            return None
        return self.clock.now_ms()

    def _count_stamp(self) -> int | None:
        """Return one that others' counts have, too, so that only who sent it tells a retry from another's."""
        return None if self.habits.door == "native" else self.clock.now_ms() // 10_000 * 10_000
