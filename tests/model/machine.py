"""The state machine: what users, devices, services and clocks do, in any order, to the server and to the model."""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from model import dialects
from model.calls import Change, Entity
from model.devices import Device, Follower, Tablet
from model.notes import Note
from model.served import Served
from model.world import TYPES, USERS, Principal, World

TABS = ("tab", "other tab")
DEVICES = ("phone", "laptop", *TABS)
IDS = ("e1", "e2", "e3")
VALUES: tuple[Any, ...] = (None, 1, "x", [], {"n": None})
HOUR_US = 3_600_000_000


class Edit(NamedTuple):
    """A change as far as it can be drawn without looking at what is stored."""

    action: str
    entity: Entity
    members: dict[str, Any]
    moment: str
    base: str


class Noted(NamedTuple):
    """A note as far as it can be drawn without looking at what is kept."""

    name: str
    value: bytes
    expected: str
    ttl: int


class Odd(NamedTuple):
    """What a call may hold that devices do without."""

    token: str
    head: str
    strict: bool
    extra: str


_entities = st.tuples(st.sampled_from(TYPES), st.sampled_from(IDS))
_members = st.dictionaries(st.sampled_from("abc"), st.sampled_from(VALUES), max_size=2)
_actions = st.sampled_from(("create", "update", "update", "delete"))
_moments = st.sampled_from(
    (
        "unset",
        "now",
        "now",
        "stored",
        "stored",
        "just before",
        "just after",
        "own",
        "just before own",
        "hour ago",
        "hour ahead",
        "days ahead",
    )
)
_bases = st.sampled_from(("none", "none", "none", "none", "stored", "zero", "other"))
_edits = st.lists(st.builds(Edit, _actions, _entities, _members, _moments, _bases), min_size=1, max_size=4)
_plain_edits = st.lists(
    st.builds(Edit, _actions, _entities, _members, _moments, st.just("none")), min_size=1, max_size=3
)
_odd = st.builds(
    Odd,
    st.sampled_from(
        ("unset", "unset", "none", "old", "latest", "of the other user", "of the project", "tampered", "future", "lost")
    ),
    st.sampled_from(("none", "none", "none", "right", "zero", "wrong")),
    st.booleans(),
    st.sampled_from(
        ("none", "required", "required here", "if absent", "retained", "identifying", "no id", "malformed", "nothing")
    ),
)
_notes_of = {
    place: st.builds(
        Noted,
        st.sampled_from(names),
        st.sampled_from((b"x", b"y", b"")),
        st.sampled_from(("none", "zero", "right", "right", "one before", "one after")),
        st.sampled_from((0, 0, 1800)),
    )
    for place, names in {"push": ("n1", "n2"), "change": ("n3", "n4")}.items()
}
_notes = st.one_of(st.just([]), st.lists(_notes_of["push"], max_size=2, unique_by=lambda one: one.name))
_noted = st.one_of(st.none(), _notes_of["change"])
_who = st.tuples(st.sampled_from("AAAB"), st.sampled_from((*USERS, USERS[0])))
_push_ids = st.sampled_from(("none", "none", "new", "new", "used"))
_sizes = st.sampled_from((1, 2, 3, 100))
_coin = st.booleans()
_seldom = st.sampled_from((False, False, False, True))


class Machine(RuleBasedStateMachine):
    """3 devices of 2 users of 2 projects, a browser and a service that hold to no manners, and streams of all."""

    served: ClassVar[Served]

    @initialize()
    def begin(self) -> None:
        self.world = World(self.served)
        self.devices: dict[tuple[str, str, str], Device] = {}
        self.tablets: dict[tuple[str, str], Tablet] = {}
        self.followers: dict[tuple[str, str, bool], Follower] = {}
        self.sent: list[tuple[tuple[str, str], list[Change], dict[str, Any]]] = []
        """What those who hold to no manners have pushed: for whom, what, and how."""

    # Devices

    @rule(
        who=_who,
        name=st.sampled_from(DEVICES),
        edits=_edits,
        http=_coin,
        shows=_coin,
        lost=_seldom,
        named=_coin,
    )
    def edit(
        self, who: tuple[str, str], name: str, edits: list[Edit], http: bool, shows: bool, lost: bool, named: bool
    ) -> None:
        device = self.device(who, name)
        changes = self.changes(device.caller, edits, dated=http)
        push_id = self.world.new_push_id() if named else ""
        device.push(changes, over_http=http, shows_token=shows, is_lost=lost, push_id=push_id)

    @rule(who=_who, name=st.sampled_from(DEVICES), http=_coin)
    def retry(self, who: tuple[str, str], name: str, http: bool) -> None:
        self.device(who, name).retry(over_http=http)

    @rule(who=_who, name=st.sampled_from(DEVICES), kind=st.sampled_from(TYPES), size=_sizes, http=_coin)
    def page(self, who: tuple[str, str], name: str, kind: str, size: int, http: bool) -> None:
        self.device(who, name).pull(kind, size, over_http=http)

    @rule(who=_who, name=st.sampled_from(DEVICES), size=_sizes, http=_coin)
    def sync(self, who: tuple[str, str], name: str, size: int, http: bool) -> None:
        self.device(who, name).sync(size, over_http=http)

    @rule(who=_who, edits=_plain_edits, lost=_seldom, chosen_ids=_coin, named=_coin)
    def mutate(self, who: tuple[str, str], edits: list[Edit], lost: bool, chosen_ids: bool, named: bool) -> None:
        tablet = self.tablet(who)
        key = self.world.new_push_id() if named else ""
        tablet.push([self.mutation(tablet, one, chosen_ids) for one in edits], is_lost=lost, key=key)

    @rule(who=_who)
    def retry_tablet(self, who: tuple[str, str]) -> None:
        self.tablet(who).retry()

    @rule(who=_who, limit=_sizes)
    def sync_tablet(self, who: tuple[str, str], limit: int) -> None:
        self.tablet(who).sync(limit)

    @rule(who=_who, limit=st.sampled_from((1, 2, 3)))
    def page_by_number(self, who: tuple[str, str], limit: int) -> None:
        self.tablet(who).page_by_number(limit)

    # Who holds to no manners

    @rule(
        who=_who,
        name=st.sampled_from(("browser", "service")),
        edits=_edits,
        odd=_odd,
        twice=_seldom,
        push_id=_push_ids,
        notes=_notes,
        noted=_noted,
    )
    def push_oddly(
        self,
        who: tuple[str, str],
        name: str,
        edits: list[Edit],
        odd: Odd,
        twice: bool,
        push_id: str,
        notes: list[Noted],
        noted: Noted | None,
    ) -> None:
        caller = self.world.caller(*who, name)
        changes = self.oddly(self.changes(caller, edits), odd.extra)
        if noted and changes:
            changes[-1] = replace(changes[-1], note=self.note(caller, noted))
        heads = {"right": self.head_ms(caller), "zero": 0, "wrong": 77}
        fields = {"expected_head_ms": heads.get(odd.head), "require_existing": odd.strict}
        fields["push_id"] = self.push_id(push_id)
        fields["notes"] = tuple(self.note(caller, one) for one in notes)
        self.sent.append((who, changes, fields))
        for _ in range(1 + twice):
            shown = None if odd.token == "unset" else self.token(caller, odd.token)
            self.world.push(caller, changes, token=shown, **fields)

    @rule(
        at=st.integers(0, 30),
        name=st.sampled_from(("browser", "service")),
        token=st.sampled_from(("none", "old", "latest", "lost")),
        forgets_id=_seldom,
    )
    def repeat(self, at: int, name: str, token: str, forgets_id: bool) -> None:
        """Push again what was pushed a while ago, by that session or the other one: their devices are not known."""
        if not self.sent:
            return
        who, changes, fields = self.sent[-1 - at % len(self.sent)]
        caller = self.world.caller(*who, name)
        fields = {**fields, "push_id": ""} if forgets_id else fields
        self.world.push(caller, changes, token=self.token(caller, token), **fields)

    @rule(
        who=_who,
        name=st.sampled_from(("browser", "service")),
        types=st.lists(st.sampled_from(TYPES), max_size=2),
        position=st.sampled_from(
            (
                "none",
                "old",
                "latest",
                "of the other user",
                "of the project",
                "tampered",
                "future",
                "lost",
                "stored",
                "just before",
                "past the head",
            )
        ),
        size=_sizes,
        place=st.sampled_from(({}, {}, {"skip": 1}, {"skip": 2}, {"number": 1}, {"number": 2}, {"number": 3})),
        total=_coin,
        reset=_coin,
        head_only=_seldom,
    )
    def pull_oddly(
        self,
        who: tuple[str, str],
        name: str,
        types: list[str],
        position: str,
        size: int,
        place: dict[str, int],
        total: bool,
        reset: bool,
        head_only: bool,
    ) -> None:
        caller = self.world.caller(*who, name)
        revisions = sorted(one.revision for one in self.world.versions(caller).values()) or [5_000]
        middle = revisions[len(revisions) // 2]
        afters = {
            "stored": middle,
            "just before": max(middle - 1, middle // 1000 * 1000),
            "past the head": revisions[-1] + HOUR_US,
        }
        after = {"after": afters[position]} if position in afters else {}
        self.world.pull(
            caller,
            types,
            token=self.token(caller, position),
            size=size,
            with_total=total,
            reset_when_expired=reset,
            head_only=head_only,
            **place,
            **after,
        )

    @rule(
        who=_who,
        kind=st.sampled_from(TYPES),
        token=st.sampled_from(("old", "of the other user", "tampered", "future", "lost")),
    )
    def pull_oddly_over_http(self, who: tuple[str, str], kind: str, token: str) -> None:
        caller = self.world.caller(*who, "browser")
        dialects.checkpoint_pull(self.world, caller, kind, token=self.token(caller, token))

    @rule(
        who=_who,
        name=st.sampled_from(("phone", "tablet", "browser")),
        entities=st.lists(_entities, min_size=1, max_size=4),
        names=st.lists(st.sampled_from(("n1", "n2", "n3", "n4", "n5")), max_size=3),
        http=_coin,
    )
    def get(self, who: tuple[str, str], name: str, entities: list[Entity], names: list[str], http: bool) -> None:
        caller = self.world.caller(*who, name)
        if http:
            dialects.checkpoint_get(self.world, caller, entities)
        else:
            self.world.get(caller, entities, names)

    @rule(
        pushes=st.lists(
            st.tuples(
                _who,
                st.sampled_from(("browser", "service")),
                st.lists(st.builds(Edit, _actions, _entities, _members, _moments, _bases), min_size=1, max_size=2),
                _push_ids,
                _notes,
            ),
            min_size=2,
            max_size=3,
        ),
        twice=_seldom,
    )
    def push_together(
        self, pushes: list[tuple[tuple[str, str], str, list[Edit], str, list[Noted]]], twice: bool
    ) -> None:
        calls = []
        for who, name, edits, push_id, noted in pushes:
            caller = self.world.caller(*who, name)
            notes = tuple(self.note(caller, one) for one in noted)
            calls.append((caller, self.changes(caller, edits), self.push_id(push_id), notes))
        self.world.push_together([*calls, calls[0]] if twice and len(calls) == 2 else calls)

    # Streams

    @rule(who=_who, all_users=_coin, how=st.sampled_from(("follow", "follow", "read", "read", "catch up", "hang up")))
    def stream(self, who: tuple[str, str], all_users: bool, how: str) -> None:
        follower = self.follower(who, all_users=all_users)
        {"follow": follower.follow, "read": follower.read, "catch up": follower.catch_up, "hang up": follower.hang_up}[
            how
        ]()

    # The world around

    @rule(event=st.sampled_from(("restart", *["clock"] * 9)), hours=st.sampled_from((-1, -0.001, 0.001, 1)))
    def happen(self, event: str, hours: float) -> None:
        if event == "clock":
            self.world.move_clock(int(hours * HOUR_US))
            return
        self.served.restart()
        for project in self.world.models.values():
            project.places.clear()
        for follower in self.followers.values():
            follower.end()

    def teardown(self) -> None:
        """Let all sync to the end, unless something went wrong before."""
        if not hasattr(self, "world"):
            return
        try:
            if sys.exc_info()[0] is not None:
                return
            for device in self.devices.values():
                device.sync(100, over_http=False)
            for tablet in self.tablets.values():
                tablet.retry()
                tablet.sync(100)
            for follower in self.followers.values():
                follower.read()
        finally:
            for follower in self.followers.values():
                follower.hang_up()

    # What there is to draw from

    def device(self, who: tuple[str, str], name: str) -> Device:
        """Return a device, or one of two tabs that share a session without one."""
        kind = "tabs" if name in TABS else name
        made = Device(self.world, self.world.caller(*who, kind), merges_itself=name in {"laptop", "other tab"})
        return self.devices.setdefault((*who, name), made)

    def tablet(self, who: tuple[str, str]) -> Tablet:
        return self.tablets.setdefault(who, Tablet(self.world, self.world.caller(*who, "tablet")))

    def follower(self, who: tuple[str, str], *, all_users: bool) -> Follower:
        made = Follower(self.world, self.world.caller(*who, "service"), all_users)
        return self.followers.setdefault((*who, all_users), made)

    def head_ms(self, caller: Principal) -> int:
        return self.world.model_of(caller).head(caller.user) // 1000

    def push_id(self, which: str) -> str:
        """Return no push_id, a new one, or one that a push has had; it may be that of another device or user."""
        if which == "used" and self.world.push_ids:
            return f"push-{self.world.push_ids}"
        return "" if which == "none" else self.world.new_push_id()

    def changes(self, caller: Principal, edits: Sequence[Edit], *, dated: bool = False) -> list[Change]:
        """Return the changes that edits come to, with what is stored."""
        return [self.change(caller, edit, dated=dated) for edit in edits]

    def change(self, caller: Principal, edit: Edit, *, dated: bool) -> Change:
        stored = self.world.versions(caller).get(edit.entity)
        revision = stored.revision if stored else self.world.clock_us
        committed = stored.committed_ms * 1000 if stored else self.world.clock_us
        own = self.world.clock_us if stored is None or stored.sent_us is None else stored.sent_us
        moments = {
            "unset": self.world.clock_us if dated else None,
            "now": self.world.clock_us,
            "stored": committed,
            "just before": committed - 1,
            "just after": committed + 1000,
            "own": own // 1000 * 1000,
            "just before own": own // 1000 * 1000 - 1,
            "hour ago": self.world.clock_us - HOUR_US,
            "hour ahead": self.world.clock_us + HOUR_US,
            "days ahead": self.world.clock_us + 72 * HOUR_US,
        }
        bases = {"none": None, "zero": 0, "stored": stored.revision if stored else 0, "other": revision - 1}
        data = "{}" if edit.action == "delete" else self.data(caller, edit)
        return Change(edit.entity, edit.action, data, moments[edit.moment], bases[edit.base])

    def data(self, caller: Principal, edit: Edit) -> str:
        return json.dumps({**edit.members, "tag": self.world.canary(caller)}, separators=(",", ":"))

    def note(self, caller: Principal, noted: Noted) -> Note:
        """Return the note to write, with what is kept of it."""
        project = self.world.model_of(caller)
        version = project.note_of(caller.user, noted.name, self.world.clock_us // 1000).version
        expected = {"none": None, "zero": 0, "right": version, "one before": max(version - 1, 0)}
        return Note(noted.name, noted.value, expected.get(noted.expected, version + 1), noted.ttl)

    def mutation(self, tablet: Tablet, edit: Edit, chosen_ids: bool) -> dict[str, Any]:
        resource = edit.entity[0] if edit.entity[0] != "todo" else "NOTE"
        held = sorted(name for kind, name in tablet.held if kind == resource)
        resource_id = held[IDS.index(edit.entity[1]) % len(held)] if held else edit.entity[1]
        mutation: dict[str, Any] = {"type": edit.action.upper(), "resource": resource}
        if edit.action != "create" or chosen_ids:
            mutation["resourceId"] = resource_id
        return mutation if edit.action == "delete" else {**mutation, "data": json.loads(self.data(tablet.caller, edit))}

    def oddly(self, changes: list[Change], extra: str) -> list[Change]:
        """Put something into a push that devices do without."""
        last = changes[-1]
        entity, action = last.entity, last.action
        fields: dict[str, dict[str, Any]] = {
            "required": {"required": (("NOTE", "e1"),)},
            "required here": {"required": (changes[0].entity,)},
            "if absent": {"action": "create", "only_if_absent": True},
            "retained": {"action": "delete", "retained": ("a", "tag")},
            "identifying": {"identifying": ("a", "tag")},
            "no id": {"action": "create", "entity": (entity[0], "")},
            "malformed": {"entity": (entity[0], "")} if action != "create" else {"retained": ("a",)},
        }
        if extra == "nothing":
            return []
        return [*changes[:-1], Change(**{**_fields(last), **fields.get(extra, {})})]

    def token(self, caller: Principal, which: str) -> str:
        """Return a token, or what looks like one."""
        mine = [
            text for text, one in self.world.tokens.items() if (one.project, one.user) == (caller.project, caller.user)
        ]
        if which in {"old", "latest"}:
            return "" if not mine else mine[-1] if which == "latest" else mine[len(mine) // 3]
        if which == "of the other user":
            return _first(text for text, one in self.world.tokens.items() if text not in mine and one.user)
        if which == "of the project":
            return _first(text for text, one in self.world.tokens.items() if not one.user)
        if which == "tampered" and mine:
            at = len(mine) * 7 % len(mine[-1])
            return mine[-1][:at] + ("A" if mine[-1][at] != "A" else "B") + mine[-1][at + 1 :]
        if which in {"future", "lost"}:
            return self.world.lost_token(caller, ahead=which == "future")
        return ""


def _first(texts: Iterable[str]) -> str:
    return next(iter(texts), "")


def _fields(change: Change) -> dict[str, Any]:
    return {name: getattr(change, name) for name in change.__dataclass_fields__}
