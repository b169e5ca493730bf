"""Faults that a server may have, each with the kind of broken promise that apps see of it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from apps.book import Sent
from apps.doors import Answer, Page, Refused
from apps.modelled import Rules, Version
from model.readers import Token

_DAY_MS = 24 * 3_600_000


class SessionIsAReader(Rules):
    """A push's token is the head where its session has written all that lies between: two tabs, one cursor (X1)."""

    def answer_shown(self, token: Token, session: str, before: int, in_full: bool) -> Token:
        log = self.readers.log
        own = all(self.versions[one].session == session for one, row in log.items() if row.revision > token.m)
        return super().answer_shown(token, session, token.m if own else before, in_full)


class NewCursor(Rules):
    """A push without a token is answered with the head: a page that is reloaded and typed into skips the rest (U1)."""

    def answer_bare(self, session: str, kinds: set[str], high: int, before: int) -> Token:
        return Token(self.readers.head, self.readers.head)


class AlwaysFromTheStart(Rules):
    """A push without a token is answered with the start: with one page a cycle, nobody gets any further (X11)."""

    def answer_bare(self, session: str, kinds: set[str], high: int, before: int) -> Token:
        return Token(0, self.readers.head, g=self.readers.head)


class ShownTokenGoesBack(Rules):
    """The answer to a push that shows its token is a position before it."""

    def answer_shown(self, token: Token, session: str, before: int, in_full: bool) -> Token:
        given = super().answer_shown(token, session, before, in_full)
        return given if given.e else Token(given.m // 2, given.h, g=given.h)


class NewsLast(Rules):
    """A circle is read to its end before what is new."""

    def pull(self, session: str, device: bool, kinds: Sequence[str], token: Token, size: int) -> tuple[Page, Token]:
        page, following = super().pull(session, device, kinds, token, size)
        if not token.e:
            return page, following
        rows = [row for row in page.rows if row.revision <= token.m]
        return replace(page, rows=rows, has_more=True), replace(following, m=max(token.m, following.e))


class EndlessCircle(Rules):
    """A circle begins again where it ends."""

    def pull(self, session: str, device: bool, kinds: Sequence[str], token: Token, size: int) -> tuple[Page, Token]:
        page, following = super().pull(session, device, kinds, token, size)
        ends = token.e and not following.e
        return page, Token(following.m, following.h, p=-1, e=following.m) if ends else following


class RetriesAreNew(Rules):
    """What is sent again is applied again."""

    def is_replay(self, session: str, device: bool, change: Sent, version: Version | None, made_by: object) -> bool:
        return False

    def is_remembered(self, push_id: str) -> bool:
        return False


class EqualsAreRetries(Rules):
    """Another device's equal change is taken for a retry (P3 before P6)."""

    def is_replay(self, session: str, device: bool, change: Sent, version: Version | None, made_by: object) -> bool:
        return version is not None and version.made_by[:-1] == made_by[:-1]  # type: ignore[index]


class AcknowledgedAndGone(Rules):
    """Now and then nothing is written of what is acknowledged."""

    def is_replay(self, session: str, device: bool, change: Sent, version: Version | None, made_by: object) -> bool:
        return self.random.random() < 0.05


class ClocksDecide(Rules):
    """A change loses to a client timestamp that is yet to come."""

    def loses(self, session: str, change: Sent, version: Version | None) -> bool:
        ahead = version is not None and (version.stamp_ms or 0) > (change.stamp_ms or self.clock_ms)
        return ahead or super().loses(session, change, version)


class EarlyIsMalformed(Rules):
    """A client timestamp of more than a day ahead is refused."""

    def push(
        self, session: str, device: bool, changes: Sequence[Sent], token: Token | None, push_id: str
    ) -> tuple[Answer, Token]:
        if any((one.stamp_ms or 0) > self.clock_ms + _DAY_MS for one in changes if self.clock_ms):
            raise Refused("client_timestamp")
        return super().push(session, device, changes, token, push_id)


FAULTS: Mapping[type[Rules], set[str]] = {
    SessionIsAReader: {"lacks"},
    NewCursor: {"lacks"},
    AlwaysFromTheStart: {"lacks"},
    ShownTokenGoesBack: {"reread"},
    NewsLast: {"late"},
    EndlessCircle: {"restless"},
    RetriesAreNew: {"twice"},
    EqualsAreRetries: {"lease", "tally"},
    AcknowledgedAndGone: {"lost"},
    ClocksDecide: {"unfair"},
    EarlyIsMalformed: {"refused"},
}
"""Each with the kinds it is found by, one of them at least."""
