"""Random histories of pushes that are retried late, and the check that each acts once and is answered alike."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from random import Random

from model import retries
from model.retries import Change, Memory, Outcome, PushIdReused, Stored


class Wrong(AssertionError):
    """A push acted twice, or not at all."""


class Twice(Wrong):
    """A retry wrote, or was told of a conflict, so that its client does it again."""


class Overwrites(Wrong):
    """A retry, or a create, wrote over what another push has written."""


class Lost(Wrong):
    """A new push was answered like a retry, and its change is nowhere."""


@dataclass(frozen=True, slots=True)
class Push:
    """`logical` tells the checker alone which arrivals are one push."""

    logical: int
    client: int
    device: str
    push_id: str
    changes: tuple[Change, ...]


@dataclass
class Server:
    """One user's entities; a planted fault is a subclass."""

    now: int = 1
    stored: dict[str, Stored] = field(default_factory=dict)
    memory: dict[tuple[str, str], Memory] = field(default_factory=dict)
    writers: dict[str, int] = field(default_factory=dict)
    """Which logical push wrote an entity last; for the checker."""

    def owner(self, push: Push, session: str) -> tuple[str, str]:
        return retries.owner("u", push.device, session)

    def is_replay(self, stored: Stored | None, changes: Sequence[Change], push: Push) -> bool:
        return retries.is_replay(stored, changes, push.push_id, push.device)

    def digest(self, changes: Sequence[Change], push: Push) -> str:
        return retries.digest(changes, push.push_id)

    def new_id(self, push: Push, index: int) -> str:
        return retries.new_id("u", push.push_id, index, push.changes[index])

    def push(self, push: Push, session: str) -> tuple[Outcome, ...]:
        self.now += 1
        owner, request = self.owner(push, session), retries.request_digest(push.changes)
        memory = self.memory.get(owner, ())
        known = retries.recall(memory, push.push_id, request, self.now)
        if known is None:
            known = self.apply(push)
            self.memory[owner] = retries.remember(memory, push.push_id, request, known, self.now)
        return known

    def apply(self, push: Push) -> tuple[Outcome, ...]:
        names = [change.entity or self.new_id(push, index) for index, change in enumerate(push.changes)]
        outcomes = {}
        for name in dict.fromkeys(names):
            changes = [change for one, change in zip(names, push.changes, strict=True) if one == name]
            outcomes[name] = self.apply_to(name, changes, push)
        return tuple(Outcome(outcomes[name], name, self.stored[name].revision) for name in names)

    def apply_to(self, name: str, changes: Sequence[Change], push: Push) -> str:
        """Write all changes of an entity, in P3's order: a retry first, then P6."""
        stored = self.stored.get(name)
        if self.is_replay(stored, changes, push):
            return "replayed"
        base = changes[-1].base_revision
        if stored and base is not None and base != stored.revision:
            return "conflict"
        self.stored[name] = Stored(self.now, self.digest(changes, push), push.device)
        self.writers[name] = push.logical
        return "applied"


@dataclass
class History:
    """Clients that increment on a base, set without one, and create without ids; answers get lost or come late."""

    rng: Random
    server: Server
    devices_known: bool
    first: dict[int, tuple[Outcome, ...]] = field(default_factory=dict)
    pending: list[Push] = field(default_factory=list)
    counters: list[int] = field(default_factory=lambda: [0, 0, 0])
    sessions: list[int] = field(default_factory=lambda: [0, 0, 0])
    base: list[int] = field(default_factory=lambda: [0, 0, 0])
    made: int = 0

    def run(self, steps: int) -> None:
        for _ in range(steps):
            dice, client = self.rng.random(), self.rng.randrange(3)
            if dice < 0.15:
                self.base[client] = self.server.stored["n"].revision if "n" in self.server.stored else 0
            elif dice < 0.25:
                self.sessions[client] += 1  # its token is renewed
            elif dice < 0.6 or not self.pending:
                self.arrive(self.new(client))
            else:
                self.arrive(self.rng.choice(self.pending))

    def new(self, client: int) -> Push:
        self.made += 1
        self.counters[client] += 1
        counts = self.devices_known and self.rng.random() < 0.3  # Q6 broken by an old client: it counts
        push_id = str(self.counters[client]) if counts else f"{self.rng.getrandbits(64):x}"
        device = f"d{client}" if self.devices_known else ""
        return Push(self.made, client, device, push_id, self.changes(client))

    def changes(self, client: int) -> tuple[Change, ...]:
        dice = self.rng.random()
        if dice < 0.4:
            return (Change("set", "increment", base_revision=self.base[client], entity="n"),)
        if dice < 0.7:
            return Change("merge", f"tag {self.made}", entity="x"), Change("merge", "done", entity="x")
        if dice < 0.85:
            return (Change("set", f"text {self.rng.randrange(3)}", entity="y"),)
        return (Change("create", f"note {self.made}"),)

    def arrive(self, push: Push) -> None:
        before = dict(self.server.writers)
        try:
            outcomes = self.server.push(push, f"{push.client}.{self.sessions[push.client]}")
        except PushIdReused:
            raise Lost(f"{push} was refused") from None
        wrote = {name for name, one in self.server.stored.items() if one.revision == self.server.now}
        if push.logical in self.first:
            self.check_retry(push, outcomes, wrote, before)
        else:
            self.check_new(push, outcomes, wrote, before)
            self.first[push.logical] = outcomes
        if push not in self.pending and self.rng.random() < 0.5:
            self.pending = [*self.pending, push][-20:]

    def check_retry(self, push: Push, outcomes: Sequence[Outcome], wrote: set[str], before: dict[str, int]) -> None:
        if any(before.get(name) != push.logical for name in wrote):
            raise Overwrites(f"{push} wrote over {wrote}")
        if wrote or tuple(map(retries.replayed, self.first[push.logical])) != tuple(outcomes):
            raise Twice(f"{push} was answered {outcomes}")

    def check_new(self, push: Push, outcomes: Sequence[Outcome], wrote: set[str], before: dict[str, int]) -> None:
        if any(one.status == "replayed" for one in outcomes):
            raise Lost(f"{push} was answered {outcomes}")
        if any(not change.entity for change in push.changes) and wrote & set(before):
            raise Overwrites(f"{push} made an entity that is there")


def run(seed: int, server: type[Server] = Server) -> None:
    """Run the history of a seed, devices known or not; raise Wrong if a push did not act once."""
    rng = Random(seed)
    History(rng, server(), rng.random() < 0.5).run(60)


def found(server: type[Server], seeds: Iterable[int], kind: type[Wrong]) -> int | None:
    """Return the first seed with a finding of this kind; another kind is passed over."""
    for seed in seeds:
        try:
            run(seed, server)
        except kind:
            return seed
        except Wrong:
            continue
    return None
