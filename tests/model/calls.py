"""What goes into the calls that the model answers, and what comes out of them: plain values, no rules."""

import re
from dataclasses import dataclass
from typing import Any

from model.notes import Note, Told
from model.readers import Token as Claim

EVERYTHING = 2**62
ENTITY_TYPE = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]{0,63}")

Entity = tuple[str, str]
"""Type and id."""


class Refused(Exception):
    """The call fails, with a reason and what else a client is told."""

    def __init__(self, reason: str, **facts: int) -> None:
        super().__init__(reason, facts)
        self.reason, self.facts = reason, facts


@dataclass(frozen=True)
class Token:
    """What a reader of a project has, of a user of it or (None) of all of it."""

    project: str
    user: str | None
    claim: Claim
    is_of_lost_history: bool = False
    key_known: bool = True
    """Else nobody can tell whose it is: it is of a lost history, as that of a database which was set up anew."""

    @property
    def position(self) -> int:
        return self.claim.m


@dataclass(frozen=True)
class Change:
    entity: Entity
    action: str
    data: str = "{}"
    at_us: int | None = None
    base: int | None = None
    required: tuple[Entity, ...] = ()
    only_if_absent: bool = False
    retained: tuple[str, ...] = ()
    identifying: tuple[str, ...] = ()
    note: Note | None = None

    @property
    def pushed(self) -> tuple[Any, ...]:
        """What makes a change the same one when it comes again (P3)."""
        return self.action, self.at_us, self.data, self.note

    def malformed(self) -> bool:
        """Whether the change is malformed (P1); of ids and data only what this model's callers get wrong."""
        kind, entity_id = self.entity
        return (
            not ENTITY_TYPE.fullmatch(kind)
            or self.action not in {"create", "update", "delete"}
            or (not entity_id and self.action != "create")
            or not self.data.startswith("{")
            or (self.base is not None and self.base < 0)
            or (self.only_if_absent and self.action != "create")
            or (bool(self.retained) and self.action != "delete")
        )


@dataclass(frozen=True)
class Version:
    user: str
    entity: Entity
    deleted: bool
    data: dict[str, Any]
    revision: int
    created: int
    committed_ms: int
    """The store's clock at the commit."""
    sent_us: int | None
    """The client timestamp, as it was sent."""
    session: str
    by_device: bool
    in_full: bool
    """Its session knows all of it: nothing was merged in that the session had not been shown."""
    pushed: tuple[Any, ...]
    """The push_id of the push which made it, and all that this has asked for of the entity."""

    @property
    def at_us(self) -> int:
        """When it was made, as readers are told it: not after its commit."""
        committed_us = self.committed_ms * 1000
        return committed_us if self.sent_us is None or self.sent_us >= committed_us + 1000 else self.sent_us


@dataclass(frozen=True)
class Moment:
    """When a transaction is made, by the store's clock, and the first revision that it may draw."""

    now_ms: int
    first_revision: int


@dataclass(frozen=True)
class Push:
    user: str
    session: str
    """Empty: a server key that names no device."""
    device_known: bool
    changes: tuple[Change, ...]
    token: Token | None = None
    expected_head_ms: int | None = None
    require_existing: bool = False
    shows_nothing: bool = False
    """Its token is there, and empty."""
    push_id: str = ""
    sent: tuple[Change, ...] = ()
    """The changes without the ids that the server has made for them."""
    notes: tuple[Note, ...] = ()

    @property
    def owner(self) -> tuple[str, str]:
        """Whose push ids it counts among: those of a user and device, or of the user (Q5)."""
        return self.user, self.session if self.device_known else ""

    @property
    def content(self) -> tuple[Any, ...]:
        """What has to be the same when it comes again: all but the token."""
        return self.sent, self.expected_head_ms, self.require_existing, self.notes

    def pushed(self, entity: Entity) -> tuple[Any, ...]:
        """What makes its changes of an entity the same ones when they come again (P3)."""
        return self.push_id, *(change.pushed for change in self.changes if change.entity == entity)


@dataclass(frozen=True)
class Result:
    outcome: str
    version: Version | None
    """The server's; None: there never was a version."""
    shows_data: bool
    """The pusher does not know the version's data, so it is told."""
    note: Told | None = None
    """The note of the change, as it is after the push."""


@dataclass(frozen=True)
class Pushed:
    results: list[Result]
    claim: Claim
    head_ms: int
    is_of_lost_history: bool = False
    """The token that the push has shown is, and comes back."""


@dataclass(frozen=True)
class Remembered:
    """A push with a push_id, and what became of it."""

    push_id: str
    content: tuple[Any, ...]
    results: tuple[Result, ...]
    head: int
    """The user's head after it."""
    until_ms: int


@dataclass(frozen=True)
class Pull:
    user: str | None
    """None: all users."""
    session: str
    types: tuple[str, ...] = ()
    token: Token | None = None
    after: int | None = None
    size: int = EVERYTHING
    skip: int = 0
    number: int = 0
    """Of the page; 0: none."""
    with_total: bool = False
    reset_when_expired: bool = False
    head_only: bool = False
    device_known: bool = False

    @property
    def reader(self) -> tuple[str | None, str, frozenset[str]]:
        """Whose circles it goes on with."""
        return self.user, self.session, frozenset(self.types)


@dataclass(frozen=True)
class Page:
    versions: list[tuple[str, Version]]
    """Each with the action that it is to a reader at the position asked for."""
    claim: Claim
    has_more: bool
    head_ms: int
    total: int
    reset: bool
    places: frozenset[int] = frozenset()
    """Where the next circle of the session may begin."""
