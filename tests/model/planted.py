"""Wrong rules for readers, each of which the random histories find; the number is that of its counterexample."""

from collections.abc import Collection
from dataclasses import replace

from model import readers
from model.readers import Ask, Page, Token
from model.user_log import Server


class OneCircleInThree(Server):
    """1: a circle only once in three pushes."""

    def answer_bare(self, session: str, kinds: set[str], high: int, before: int) -> Token:
        token = super().answer_bare(session, kinds, high, before)
        return token if self.rng.random() < 1 / 3 else Token(token.m, token.h, epoch=self.epoch)


class HeadOfACutPage(Server):
    """7: (a) is cut, and yet m becomes the head."""

    def page(self, token: Token, ask: Ask, place: int) -> Page:
        page = super().page(token, ask, place)
        return page if ask.skip else replace(page, token=replace(page.token, m=page.token.h))


class SameSessionKnows(Server):
    """8, X1: what another tab of the session wrote counts as known."""

    def answer_shown(self, token: Token, session: str, before: int, in_full: bool) -> Token:
        return super().answer_shown(token, session, min(before, token.m), in_full)


class MergedCountsAsKnown(Server):
    """9: a push that lost, or merged over what is not known, is known in full."""

    def answer_shown(self, token: Token, session: str, before: int, in_full: bool) -> Token:
        return super().answer_shown(token, session, before, in_full=True)


class ExpiredIsForgiven(Server):
    """10, W6: an expired token is answered like a good one."""

    def answer_shown(self, token: Token, session: str, before: int, in_full: bool) -> Token:
        if self.is_expired(token):
            return Token(self.head, self.head, epoch=self.epoch)
        return super().answer_shown(token, session, before, in_full)


class ExpiredIsUnchanged(Server):
    """R9 as it was: what an expired token was shown in is lost in a restore that makes the token good again."""

    def answer_shown(self, token: Token, session: str, before: int, in_full: bool) -> Token:
        return token if self.is_expired(token) else super().answer_shown(token, session, before, in_full)


class LossByPosition(Server):
    """11: lost history is judged by m instead of h."""

    def is_expired(self, token: Token) -> bool:
        lost = any(restored < token.m for restored in self.restores[token.epoch :])
        return lost or readers.is_purged(token, self.floor)


class PurgeByPosition(Server):
    """12: a token below the floor has expired, also one of a reading that began after it."""

    def is_expired(self, token: Token) -> bool:
        return readers.is_lost(token, self.restores) or 0 < token.m < self.floor


class ChunkCountsAsRead(Server):
    """14: the circle ends at its place, since what lies before it was answered; the answer was lost."""

    def page(self, token: Token, ask: Ask, place: int) -> Page:
        page = super().page(token, ask, place)
        wraps = token.p == -1 and page.token.p >= page.token.s > 0
        return replace(page, token=replace(page.token, s=0)) if wraps else page


class HeadForEveryBarePush(Server):
    """X2: a push that shows nothing is answered with the head."""

    def answer_bare(self, session: str, kinds: set[str], high: int, before: int) -> Token:
        return Token(self.head, self.head, epoch=self.epoch)


class OneRowASession(Server):
    """X6: the session's row says what its bare push has read, without a circle."""

    def answer_bare(self, session: str, kinds: set[str], high: int, before: int) -> Token:
        token = super().answer_bare(session, kinds, high, before)
        return Token(token.m, token.h, g=token.g or token.m, epoch=self.epoch)


class AnyTypeShows(Server):
    """X14, W5: the cursor of one type is shown in a push of another."""

    def shows(self, token: Token, kinds: set[str]) -> bool:
        return True


class SkippedCountsAsRead(Server):
    """R7: a page with `skip` moves the token past what it passes over."""

    def pull(
        self, session: str, token: Token | None, size: int, kinds: Collection[str] = (), skip: int = 0
    ) -> tuple[Page, bool]:
        page, reset = super().pull(session, token, size, kinds, skip)
        if not skip:
            return page, reset
        return replace(page, token=super().pull(session, token, size + skip, kinds)[0].token), reset


class SkippedVouchesForNothing(Server):
    """R7, R11: a page with `skip` answers a token with the old h, though its rows are later."""

    def page(self, token: Token, ask: Ask, place: int) -> Page:
        page = super().page(token, ask, place)
        return replace(page, token=token) if ask.skip else page
