"""How long the transactions of groups take, and how much is applied in each: told as they end."""

import time
from collections.abc import Callable, Mapping, Sequence

from syncline_server.sync.group import Applied, GroupCommit, Item
from syncline_server.sync.resolve import PushLimits
from syncline_server.sync.store import Store

OnGroup = Callable[[float, int], object]
"""Is told how long a transaction took, in s, and how many pushes and positions were applied in it."""


def ignore(_seconds: float, _size: int) -> None:
    """Tell nobody."""


class TimedGroup(GroupCommit):
    """A GroupCommit that tells how long it takes."""

    def __init__(
        self,
        store: Store,
        limits: PushLimits,
        on_clock_lag: Callable[[int], None],
        on_clock: Callable[[int], None],
        on_group: OnGroup,
    ) -> None:
        """Tell `on_group` of each group that is committed."""
        super().__init__(store, limits, on_clock_lag, on_clock)
        self._on_group = on_group

    async def apply(self, groups: Mapping[int, Sequence[Item]], *, wait: bool) -> dict[int, Applied]:
        """See GroupCommit.apply."""
        began = time.monotonic()
        applied = await super().apply(groups, wait=wait)
        self._on_group(time.monotonic() - began, sum(len(answers) for answers, _ in applied.values()))
        return applied
