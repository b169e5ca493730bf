"""Which epoch committed which revision of a project, and so which positions are of this history and not of a lost one.

A history is what one database holds: its commits, in order of revision. It is cut into epochs: a new one begins
wherever a copy of the database may have come to life. A fork is a project's head at that moment. What another copy
commits after it, it commits in epochs that are not of this history, or after the fork of one that is.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple


class Position(NamedTuple):
    """A place in a project's log: after this revision, which this epoch has committed."""

    epoch_id: int
    revision: int


START: Final = Position(0, 0)
"""Before everything, in any history."""


@dataclass(frozen=True, slots=True)
class History:
    """The epochs of one project, oldest first; immutable, since only a new epoch can change it."""

    epoch_id: int
    """The epoch in force: a random number of 63 bits, never reused."""
    forks: Sequence[int] = ()
    """The project's head at the end of each epoch in which it moved; ascending."""
    epoch_ids: Sequence[int] = ()
    """Those epochs."""
    starts_us: Sequence[int] = (0,)
    """When each of those epochs, and then the one in force, began: one more than forks. Whole ms, in µs."""

    def at(self, revision: int) -> Position:
        """Return the position of a revision: every one has one name, which all copies that share it agree on."""
        if revision <= 0:
            return START
        if not self.forks or revision > self.forks[-1]:
            return Position(self.epoch_id, revision)
        return Position(self.epoch_ids[bisect_left(self.forks, revision)], revision)

    def holds(self, position: Position, head: int) -> bool:
        """Tell whether all that was committed up to a position is in this history, whose head is `head`."""
        return position.revision <= 0 or (position.revision <= head and self.at(position.revision) == position)

    def lacks_time(self, time_us: int) -> bool:
        """Tell whether a time (whole ms, in µs) lies between a fork and the beginning of the next epoch.

        This history has committed nothing there. A reader that has seen a commit of that time has seen a lost history.
        """
        following = bisect_left(self.forks, time_us)
        return 0 < time_us < self.starts_us[following]
