"""What a writer pushes: new entities that are never touched again, and touches of those that others touch too."""

import random
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from syncline_client import NewChange, create, delete, moment_of, update

TYPES: Final = ("todo", "note")
END: Final = "end-of-run"
"""Member of the last entity of a user; whoever reads it has all that went before."""
_SINGLE_SHARE: Final = 0.4
"""The share of pushes that have one change only."""
_TOUCHING_SHARE: Final = 0.25
"""The share of changes that touch an entity which others may touch too."""
_CONTENDED: Final = 12
"""Entities that all writers of a user touch."""


class Writing:
    """The changes of one writer."""

    def __init__(self, name: str, canary: str, largest_push: int, *, touching: bool = True) -> None:
        """Mark all data with the canary of its user. Unless it is `touching`, all changes are new entities."""
        self._random = random.Random()  # noqa: S311  # load
        self._name = name
        self._canary = canary
        self._largest_push = largest_push
        self._touching_share = _TOUCHING_SHARE if touching else 0
        self._number = 0
        self._seen_us = 0

    def push(self) -> list[NewChange]:
        """Return the next push; every change has a timestamp, so that it can be sent again."""
        single = self._largest_push == 1 or self._random.random() < _SINGLE_SHARE
        size = 1 if single else self._random.randint(2, self._largest_push)
        return [self._touch() if self._random.random() < self._touching_share else self.new() for _ in range(size)]

    def new(self, **members: object) -> NewChange:
        """Return a change that creates an entity of its own; the first one is of the first type."""
        entity_type = TYPES[self._number % len(TYPES)]
        self._number += 1
        return create(entity_type, f"{self._name}-{self._number}", self._data(**members), client_timestamp=self._now())

    def saw(self, revisions: Sequence[int]) -> None:
        """Take note of revisions of the server, whose clock may be ahead: no later change was made before them."""
        self._seen_us = max(self._seen_us, *revisions, 0)

    def is_new(self, change: NewChange) -> bool:
        """Tell whether a change creates an entity that nobody else touches."""
        return change.entity_id.startswith(self._name)

    def _touch(self) -> NewChange:
        number = self._random.randrange(_CONTENDED)
        name, entity_type = f"contended-{number}", TYPES[number % len(TYPES)]
        touched = self._random.choices((create, update, delete), (2, 6, 2))[0]
        return touched(entity_type, name, b"" if touched is delete else self._data(), client_timestamp=self._now())

    def _data(self, **members: object) -> dict[str, object]:
        return {"by": self._name, "n": self._number, "canary": self._canary, **members}

    def _now(self) -> datetime:
        return moment_of(max(time.time_ns() // 1000, self._seen_us))


def is_end(content: bytes | None) -> bool:
    """Tell whether this is the last entity of a user."""
    return content is not None and END.encode() in content
