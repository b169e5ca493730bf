"""How long the transactions of groups take, and how much is applied in each: told as they end."""

import time
from collections.abc import Callable, Mapping, Sequence

from syncline_server.sync.group import Applied, GroupCommit, Item
from syncline_server.sync.resolve import PushLimits
from syncline_server.sync.store import LockedHead, Store, WriteTransaction

OnGroup = Callable[[float, int], object]
"""Is told how long a transaction took, in s, and how many pushes and positions were applied in it."""
OnLock = Callable[[float], object]
"""Is told how long a transaction waited for the heads of its projects, in s."""


def ignore(*_told: float) -> None:
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
        on_lock: OnLock,
    ) -> None:
        """Tell `on_group` of each group that is committed, `on_lock` of each that has its heads."""
        super().__init__(store, limits, on_clock_lag, on_clock)
        self._on_group = on_group
        self._on_lock = on_lock

    async def apply(self, groups: Mapping[int, Sequence[Item]], *, wait: bool) -> dict[int, Applied]:
        """See GroupCommit.apply."""
        began = time.monotonic()
        applied = await super().apply(groups, wait=wait)
        self._on_group(time.monotonic() - began, sum(len(answers) for answers, _ in applied.values()))
        return applied

    async def _lock(
        self, transaction: WriteTransaction, groups: Mapping[int, Sequence[Item]], *, wait: bool
    ) -> dict[int, LockedHead]:
        began = time.monotonic()
        heads = await super()._lock(transaction, groups, wait=wait)
        self._on_lock(time.monotonic() - began)
        return heads
