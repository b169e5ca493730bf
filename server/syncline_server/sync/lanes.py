"""What waits to be committed: a line a project, and which of them go into the next group."""

import asyncio
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from syncline_server.sync.changes import Push, PushOutcome
from syncline_server.sync.group import Item

MAX_GROUP_ITEMS: Final = 512
_MAX_GROUP_CHANGES: Final = 2_000
_MAX_GROUP_BYTES: Final = 16 * 1024 * 1024
_MAX_ROUNDS: Final = 4
"""The most milliseconds that the pushes of one user take in a group: the log is not to run ahead of the clock."""


@dataclass(slots=True)
class Waiting:
    """An item that waits to be applied."""

    item: Item
    changes: int
    size_bytes: int
    """How much memory it takes."""
    since: float
    """When it came, by the event loop's clock."""
    future: "asyncio.Future[PushOutcome | None]"


Group = dict[int, list[Waiting]]
"""What is applied at once, by project, each in the order in which it is decided."""


class _Round(NamedTuple):
    """Where an item stands in a group: the pushes of a user in one round share a millisecond."""

    number: int
    alone: bool
    """It is that of a push which shares with no other."""


@dataclass(slots=True)
class _Room:
    """What there is room for in a group."""

    items: int = MAX_GROUP_ITEMS
    changes: int = _MAX_GROUP_CHANGES
    size_bytes: int = _MAX_GROUP_BYTES

    def is_left(self) -> bool:
        return self.items > 0 and self.changes > 0 and self.size_bytes > 0

    def take(self, waiting: Waiting) -> None:
        self.items -= 1
        self.changes -= waiting.changes
        self.size_bytes -= waiting.size_bytes


@dataclass(slots=True)
class Lanes:
    """The lines of all projects.

    A project is in one group at a time. Those that were in the last one stand behind those that were not.
    """

    ready: int = 0
    """How much waits of projects that are in no group."""
    in_groups: int = 0
    """How much has been taken and not been given back."""
    _free: dict[int, deque[Waiting]] = field(default_factory=dict)
    _taken: dict[int, deque[Waiting]] = field(default_factory=dict)

    @property
    def waiting(self) -> int:
        """How much waits, of whatever project."""
        return self.ready + sum(map(len, self._taken.values()))

    def enter(self, waiting: Waiting) -> None:
        """Stand in the line of its project."""
        project_id = waiting.item.project_id
        taken = self._taken.get(project_id)
        if taken is not None:
            taken.append(waiting)
            return
        self._free.setdefault(project_id, deque()).append(waiting)
        self.ready += 1

    def take(self) -> tuple[Group, list[Waiting]]:
        """Take a group, and those whose callers have left, who are not served."""
        group: Group = {}
        gone: list[Waiting] = []
        room = _Room()
        for project_id in list(self._free):
            if not room.is_left():
                break
            lane = self._free[project_id]
            before = len(lane)
            taken = _take(lane, room, gone)
            self.ready -= before - len(lane)
            if taken:
                group[project_id] = taken
                self._taken[project_id] = self._free.pop(project_id)
                self.ready -= len(lane)
                self.in_groups += len(taken)
            elif not lane:
                del self._free[project_id]
        return group, gone

    def take_before(self, time: float, projects: Collection[int] | None) -> list[Waiting]:
        """Take what has waited since then: of these projects, or of all (None)."""
        taken: list[Waiting] = []
        for project_id in [*self._free, *self._taken] if projects is None else projects:
            taken += _take_before(self._taken.get(project_id, deque()), time)
            lane = self._free.get(project_id)
            if lane is not None:
                before = _take_before(lane, time)
                taken += before
                self.ready -= len(before)
                if not lane:
                    del self._free[project_id]
        return taken

    def give_back(self, group: Group) -> None:
        """Let go of the projects of a group, which has been answered."""
        for project_id, taken in group.items():
            self.in_groups -= len(taken)
            lane = self._taken.pop(project_id)
            if lane:
                self._free[project_id] = lane
                self.ready += len(lane)


def _take_before(lane: deque[Waiting], time: float) -> list[Waiting]:
    taken = []
    while lane and lane[0].since <= time:
        taken.append(lane.popleft())
    return taken


def _take(lane: deque[Waiting], room: _Room, gone: list[Waiting]) -> list[Waiting]:
    """Take from the head of a line; what is too much of one user stays.

    Each user's items keep their order. A round is what may share a millisecond, and first rounds come before second
    ones, so that a group spans few milliseconds however its users are mixed.
    """
    rounds: list[list[Waiting]] = [[] for _ in range(_MAX_ROUNDS)]
    left: list[Waiting] = []
    round_of: dict[str, _Round] = {}
    while lane and room.is_left():
        waiting = lane.popleft()
        if waiting.future.cancelled():
            gone.append(waiting)
            continue
        user = waiting.item.user_id
        joined = _round_after(round_of.get(user), waiting.item)
        if isinstance(waiting.item, Push):
            round_of[user] = joined
        if joined.number >= _MAX_ROUNDS:
            left.append(waiting)
            continue
        rounds[joined.number].append(waiting)
        room.take(waiting)
    lane.extendleft(reversed(left))
    return [waiting for each in rounds for waiting in each]


def _round_after(last: _Round | None, item: Item) -> _Round:
    """Return the round of an item of a user whose last push in the group is in the round `last`."""
    if isinstance(item, Push) and item.expected_head_ms is not None:
        return _Round(last.number + 1 if last else 0, alone=True)
    if last is None or not isinstance(item, Push):
        return last or _Round(0, alone=False)
    return _Round(last.number + last.alone, alone=False)
