"""Which kinds of apps there are."""

from dataclasses import dataclass, replace
from random import Random

from apps.clocks import OFFSETS_MS

TODO, MEMO = "todo", "memo"


@dataclass(frozen=True, slots=True)
class Habits:
    """How an app goes about it."""

    name: str
    door: str = "http"
    """`http`: checkpoint sync. `native`: the contract over gRPC."""
    kinds: tuple[str, ...] = (TODO,)
    """What it pulls: over HTTP by a cursor for each type, over gRPC by one for all."""
    session: str = ""
    """Apps with the same one are tabs of one login; empty: its own."""
    device: str = ""
    """The id that it gives; empty: none. Two apps with the same one are a device and its clone."""
    is_service: bool = False
    """It has a server key, and names the user."""
    shows_token: bool = False
    """Its pushes carry its cursor, and a `push_id` where there are any."""
    pushes: float = 0.5
    """How likely it pushes before a pull; 1: always, also at the end, when others are quiet."""
    loops: bool = False
    """It pulls until there is no more; else one page, whatever `has_more` says."""
    streams: bool = False
    """It reads by streams in place of pages."""
    forgets: bool = False
    """It is reloaded now and then, and keeps nothing but its session."""
    renews: bool = False
    """Its session token is renewed now and then."""
    clock: str = "right"

    @property
    def cursors(self) -> tuple[tuple[str, ...], ...]:
        """What it has cursors for."""
        one_for_all = self.door == "native" or self.streams
        return (self.kinds,) if one_for_all else tuple((kind,) for kind in self.kinds)

    @property
    def is_in_circles(self) -> bool:
        """Tell whether it may be given again what it has, since nobody can know that it has it."""
        return not self.device and not self.shows_token and self.pushes > 0


BOTH = (TODO, MEMO)
SDK = Habits("sdk", forgets=True)
"""The public SDK of checkpoint sync."""

MENU: tuple[tuple[Habits, ...], ...] = (
    (SDK,),
    (replace(SDK, pushes=1.0, forgets=False),),
    (replace(SDK, name="loops", loops=True),),
    (Habits("native", "native", pushes=0.3),),
    (SDK, replace(SDK, pushes=1.0)),
    (replace(SDK, kinds=BOTH), replace(SDK, kinds=BOTH, pushes=1.0), replace(SDK, forgets=False, pushes=0.1)),
    (replace(SDK, name="loops", loops=True), replace(SDK, name="loops", loops=True, pushes=1.0, forgets=False)),
    (replace(SDK, name="idle", pushes=0.0, loops=True), SDK),
    (replace(SDK, name="renewed", renews=True), replace(SDK, name="renewed", renews=True, pushes=1.0, forgets=False)),
    (Habits("shows", shows_token=True), Habits("shows", shows_token=True, pushes=1.0, loops=True)),
    (Habits("shows", shows_token=True, kinds=BOTH), Habits("shows", shows_token=True, kinds=BOTH, forgets=True)),
    (Habits("shows", shows_token=True, pushes=1.0, forgets=True), replace(SDK, name="neighbour")),
    (Habits("phone", device="phone", renews=True, clock="jumping"),),
    (Habits("phone", device="phone", kinds=BOTH, loops=True, clock="fast"),),
    (Habits("phone", device="phone", pushes=1.0, loops=True, clock="slow"),),
    (Habits("clone", device="twin", shows_token=True, renews=True), Habits("clone", device="twin", shows_token=True)),
    (Habits("sse", streams=True, shows_token=True, kinds=BOTH), Habits("sse", streams=True, kinds=BOTH)),
    (Habits("native", "native", BOTH, device="desk", loops=True, renews=True),),
    (Habits("native", "native", BOTH, shows_token=True, clock="jumping"), Habits("native", "native", pushes=1.0)),
    (Habits("streams", "native", BOTH, streams=True, device="tv"),),
    (Habits("streams", "native", BOTH, streams=True, shows_token=True), Habits("streams", "native", streams=True)),
    (Habits("service", "native", BOTH, is_service=True, shows_token=True, loops=True),),
)
"""Groups of tabs: those of one share a session; where they have a device, each has its own unless it is a clone."""


def household(random: Random, apps: int) -> list[Habits]:
    """Draw so many apps of one user, in groups that share a session, and one that counts at least."""
    drawn: list[Habits] = []
    groups = random.sample(MENU, len(MENU))
    while len(drawn) < apps - 1:
        group = groups.pop()
        session = f"session-{len(groups)}"
        drawn += [_settled(random, one, session, len(drawn) + number) for number, one in enumerate(group)]
    drawn.append(Habits("tower", random.choice(("http", "native")), device="tower", shows_token=True, loops=True))
    return [replace(one, name=f"{one.name}-{number}") for number, one in enumerate(drawn)]


def _settled(random: Random, habits: Habits, session: str, number: int) -> Habits:
    """Give an app its session, its device, and now and then another clock."""
    clock = random.choice(tuple(OFFSETS_MS)) if random.random() < 0.4 else habits.clock
    device = habits.device if habits.device in {"", "twin"} else f"{habits.device}-{number}"
    return replace(habits, session=session, device=device, clock=clock)
