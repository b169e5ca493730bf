"""The load: writers, bidders and readers that record what they are told, for a given time and then to the end."""

import asyncio
import random
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final, TypeVar

from syncline_client import NewChange
from syncline_verify.doors import BidDoor, Door, FollowDoor, Refused, Slice, Throttled, Unanswered, WriteDoor
from syncline_verify.history import Bid, Entity, Entry, Overheard, Reader, RunHistory
from syncline_verify.writing import END, Writing, is_end

T = TypeVar("T")

LONGEST_WAIT_SECONDS: Final = 60.0
"""How long, after the time of the load, unanswered calls are made again and readers may take to come to the end."""
_AGAIN_SHARE: Final = 0.15
"""The share of pushes that are sent again, as if the answer had been lost."""
_PAUSE_SECONDS: Final = 0.2
"""The pause before a call that was not answered is made again."""
_IDLE_SECONDS: Final = 0.005
"""The pause between two pages when there is nothing new."""


@dataclass
class Load:
    """Everything that runs at once against one target, and the history that it leaves."""

    seconds: float
    largest_push: int
    history: RunHistory
    figures: Counter[str]
    repeatable: bool = True
    """The target recognises a push that is sent again; else none is, unless there was no answer."""
    started: float = field(default_factory=time.monotonic)
    _draw: random.Random = field(default_factory=random.Random)

    @property
    def over(self) -> bool:
        """Tell whether the time of the load is up."""
        return time.monotonic() >= self.started + self.seconds

    def canary(self, user: str) -> str:
        """Return the canary of a user."""
        return next(canary for canary, owner in self.history.canaries.items() if owner == user)

    async def write(self, door: WriteDoor, user: str, name: str, *, touching: bool = True) -> None:
        """Push until the time is up; some pushes once more, as after a lost answer."""
        writing = Writing(name, self.canary(user), self.largest_push, touching=touching)
        while not self.over:
            changes = writing.push()
            self._note_new(writing, user, changes)
            push_id = str(uuid.uuid4())
            await self._push(door, user, changes, writing, push_id)
            if self.repeatable and self._draw.random() < _AGAIN_SHARE:
                self.figures["pushes sent again"] += 1
                await self._push(door, user, changes, writing, push_id, again=True)

    async def end(self, door: WriteDoor, user: str) -> None:
        """Push the last entity of a user, for which its readers wait."""
        writing = Writing(f"{END}-{user}", self.canary(user), self.largest_push)
        await self._push(door, user, [writing.new(**{END: True})], writing, str(uuid.uuid4()))

    async def bid(self, door: BidDoor, user: str, name: str, entity_type: str) -> None:
        """Bid against the head until the time is up, at the same time as others do."""
        writing = Writing(name, self.canary(user), self.largest_push)
        while not self.over:
            await self._bid(door, user, writing, entity_type)

    async def end_by_bid(self, door: BidDoor, user: str, entity_type: str) -> None:
        """Do as `end` does where every push names a head."""
        writing = Writing(f"{END}-{user}", self.canary(user), self.largest_push)
        while not await self._bid(door, user, writing, entity_type, **{END: True}):
            if self._has_waited_enough:
                return

    async def page(self, door: Door, reader: Reader, size: int) -> None:
        """Page to the end, as fast as pages come."""
        token, ended = "", False
        while not ended:
            page = await self.until_answered(lambda: door.page(reader, token, size))  # noqa: B023  # awaited in this round
            self._take(reader, page)
            token, ended = page.token, _has_end(page.entries)
            if page.complete and not ended:
                await asyncio.sleep(_IDLE_SECONDS)

    async def follow(self, door: FollowDoor, reader: Reader, users: Sequence[str], token: str) -> None:
        """Follow from a token until the last entity of all of these users; others' changes are none of our business."""
        waiting = set(users)
        async with aclosing(door.follow(reader, token)) as stream:
            async for message in stream:
                entries = [entry for entry in message.entries if entry.entity.user in users]
                self._take(reader, message._replace(entries=entries))
                waiting -= {entry.entity.user for entry in entries if is_end(entry.content)}
                if not waiting:
                    return

    async def trespass(self, door: Door, victim: Reader, trespasser: str) -> None:
        """Read with another user's token, which has to be refused."""
        reader = self.history.reader(f"{trespasser} with the token of {victim.name}", trespasser, *victim.types)
        reader.at_end = False
        self.figures["others' tokens tried"] += 1
        try:
            page = await door.page(reader, victim.marks[len(victim.marks) // 2].token, 100)
        except Refused as error:
            self.figures["others' tokens refused"] += 1
            self.history.overheard.append(Overheard(trespasser, str(error)))
        except (Unanswered, Throttled):
            return
        else:
            reader.take(page.entries, page.token)

    def _note_new(self, writing: Writing, user: str, changes: Sequence[NewChange]) -> None:
        new = {Entity(user, change.entity_type, change.entity_id) for change in changes if writing.is_new(change)}
        self.history.once |= new

    def _take(self, reader: Reader, page: Slice) -> None:
        reader.take(page.entries, page.token, complete=page.complete)
        self.figures["changes read"] += len(page.entries)
        self.figures["pages and messages"] += 1

    async def _push(
        self,
        door: WriteDoor,
        user: str,
        changes: Sequence[NewChange],
        writing: Writing,
        push_id: str,
        *,
        again: bool = False,
    ) -> None:
        """Push until there is an answer, and record it."""
        attempts = 0

        async def attempt() -> list[Entry | None]:
            nonlocal attempts
            attempts += 1
            return await door.push(user, changes, push_id)

        try:
            results = await self.until_answered(attempt)
        except Unanswered:
            self.history.unanswered |= {Entity(user, one.entity_type, one.entity_id) for one in changes}
            return
        entries = [entry for entry in results if entry is not None]
        self.history.acknowledge(entries)
        writing.saw([entry.revision for entry in entries])
        self.figures["conflicts"] += len(changes) - len(entries)
        if not again:
            self.figures["changes acknowledged"] += len(entries)
            self.figures["pushes"] += 1
        unsure = attempts > 1
        if unsure and not self.repeatable:
            unknown = {Entity(user, one.entity_type, one.entity_id) for one in changes}
            self.history.once -= unknown
            self.history.unanswered |= unknown
        for change, result in zip(changes, results, strict=True):
            entity = Entity(user, change.entity_type, change.entity_id)
            if result is None and entity in self.history.once:
                self.history.denied.append(entity)
            elif result is None and unsure:
                self.history.unanswered.add(entity)

    async def _bid(
        self, door: BidDoor, user: str, writing: Writing, entity_type: str, **members: object
    ) -> Entry | None:
        head = await self.until_answered(lambda: door.head(user))
        change = writing.new(**members)
        change = NewChange(entity_type, change.entity_id, change.action, change.data, change.client_timestamp)
        try:
            entry = await door.bid(user, head, change)
        except Throttled as error:
            await self._wait_out(error)
            return None
        except Unanswered:
            # Whether it was applied is not known, and what id it got may not be either.
            self.figures["calls without an answer"] += 1
            self.history.unanswered.add(Entity(user, change.entity_type, change.entity_id))
            return None
        self.history.bids.append(Bid(user, head, applied=entry is not None))
        self.figures["bids"] += 1
        if entry is not None:
            self.history.once.add(entry.entity)
            self.history.acknowledge([entry])
            self.figures["changes acknowledged"] += 1
            self.figures["bids won"] += 1
        return entry

    async def until_answered(self, call: Callable[[], Awaitable[T]]) -> T:
        """Call until there is an answer; raises Unanswered when there is none in time."""
        while True:
            try:
                return await call()
            except Throttled as error:
                await self._wait_out(error)
            except Unanswered:
                self.figures["calls without an answer"] += 1
                if self._has_waited_enough:
                    raise
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _wait_out(self, throttled: Throttled) -> None:
        self.figures["calls throttled"] += 1
        await asyncio.sleep(throttled.seconds * (1 + self._draw.random() / 2))

    @property
    def _has_waited_enough(self) -> bool:
        return time.monotonic() >= self.started + self.seconds + LONGEST_WAIT_SECONDS


def _has_end(entries: Sequence[Entry]) -> bool:
    return any(is_end(entry.content) for entry in entries)
