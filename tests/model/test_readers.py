"""No history leaves a reader behind, and each wrong rule leaves one behind."""

import os
from dataclasses import replace
from random import Random

import pytest

from model import histories, readers
from model.histories import Server, diverged
from model.readers import Page, Row, Token

FEW_HISTORIES = 1_500
count = int(os.environ.get("SYNCLINE_MODEL_HISTORIES", FEW_HISTORIES))


@pytest.mark.timeout(4 * 3600 if count > FEW_HISTORIES else 120)
def test_no_history_leaves_a_reader_behind() -> None:
    for seed in range(count):
        histories.run(seed)


class HeadForEveryBarePush(Server):
    """X2: a push that shows nothing is answered with the head."""

    def answer_bare(self, session: str, kinds: set[str], high: int, before: int) -> Token:
        return Token(self.head, self.head, epoch=self.epoch)


class OneCircleInThree(Server):
    """Counterexample 1: a circle only once in three pushes."""

    def answer_bare(self, session: str, kinds: set[str], high: int, before: int) -> Token:
        token = super().answer_bare(session, kinds, high, before)
        return token if self.rng.random() < 1 / 3 else Token(token.m, token.h, epoch=self.epoch)


class SameSessionKnows(Server):
    """X1, counterexample 8: what another tab of the session wrote counts as known."""

    def answer_shown(self, token: Token, session: str, before: int, in_full: bool) -> Token:
        return super().answer_shown(token, session, min(before, token.m), in_full)


class MergedCountsAsKnown(Server):
    """Counterexample 9: a push that lost, or merged over what is not known, is known in full."""

    def answer_shown(self, token: Token, session: str, before: int, in_full: bool) -> Token:
        return super().answer_shown(token, session, before, in_full=True)


class ExpiredIsForgiven(Server):
    """Counterexample 10, W6: an expired token is answered like a good one."""

    def answer_shown(self, token: Token, session: str, before: int, in_full: bool) -> Token:
        if self.is_expired(token):
            return Token(self.head, self.head, epoch=self.epoch)
        return super().answer_shown(token, session, before, in_full)


class HeadOfACutPage(Server):
    """Counterexample 7: (a) is cut, and yet m becomes the head."""

    def page(self, token: Token, size: int, kind: str, place: int) -> Page:
        page = super().page(token, size, kind, place)
        return replace(page, token=replace(page.token, m=page.token.h, g=0))


class LossByPosition(Server):
    """Counterexample 11: lost history is judged by m instead of h."""

    def is_expired(self, token: Token) -> bool:
        lost = any(restored < token.m for restored in self.restores[token.epoch :])
        return lost or readers.is_purged(token, self.floor)


class PurgeByPosition(Server):
    """Counterexample 12: a token below the floor has expired, also one of a reading that began after it."""

    def is_expired(self, token: Token) -> bool:
        return readers.is_lost(token, self.restores) or 0 < token.m < self.floor


class AnyTypeShows(Server):
    """X14: the cursor of one type is shown in a push of another."""

    def shows(self, token: Token, kinds: set[str]) -> bool:
        return True


PLANTED = (
    HeadForEveryBarePush,
    OneCircleInThree,
    SameSessionKnows,
    MergedCountsAsKnown,
    ExpiredIsForgiven,
    HeadOfACutPage,
    LossByPosition,
    PurgeByPosition,
    AnyTypeShows,
)


@pytest.mark.parametrize("planted", PLANTED, ids=lambda one: one.__name__)
def test_a_wrong_rule_leaves_a_reader_behind(planted: type[Server]) -> None:
    assert diverged(planted, range(6_000)) is not None


def syncs_of_a_chatty_reader(entities: int, size: int, starts_at: int | None = None) -> int:
    """Count the syncs until an empty reader, which pushes before each, has everything; `starts_at` plants a place."""
    log = {("note", str(index)): Row(("note", str(index)), index + 1, index + 1) for index in range(entities)}
    server = Server(Random(1), log=log, versions=entities, answered={("s", "note"): entities})
    got: set[str] = set()
    for syncs in range(1, 4 * entities):
        token, _ = server.push("s", None, [(("note", "own"), "set")])
        if starts_at is not None:
            server.places[("s", "note")] = starts_at
        got.update(row.entity[1] for row in server.pull("s", token, size, "note")[0].rows)
        if len(got) > entities:
            return syncs
    raise AssertionError("it never has everything")


@pytest.mark.parametrize(("entities", "size"), [(100, 100), (250, 100), (1_000, 100), (200, 10), (200, 4)])
def test_a_reader_that_pushes_before_each_sync_ends_within_the_bound(entities: int, size: int) -> None:
    news = 1
    b = (size - news) - (size - news) // 4
    assert syncs_of_a_chatty_reader(entities, size) <= 2 * -(-entities // b) + 1


def test_always_from_the_start_never_ends() -> None:
    """X11."""
    with pytest.raises(AssertionError, match="never"):
        syncs_of_a_chatty_reader(250, 50, starts_at=0)


def test_a_shown_token_reads_nothing_again() -> None:
    server = Server(Random(1))
    for index in range(20):
        server.write(("note", str(index)))
    token = server.pull("s", None, 100, "note")[0].token
    token, _ = server.push("s", token, [(("note", "own"), "set")])
    assert server.pull("s", token, 100, "note")[0].rows == ()
