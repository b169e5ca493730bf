"""How long a reader that shows nothing reads, case by case, and the wrong rules with which it never ends."""

import pytest

from model import readers
from model.chatty import NEVER, Sdk, server_of, syncs
from model.readers import Ask, Page, Row, Token
from model.user_log import Server


@pytest.mark.parametrize(("entities", "size"), [(100, 100), (250, 100), (1_000, 100), (200, 10), (200, 4)])
def test_a_reader_that_pushes_before_each_sync_ends_within_the_bound(entities: int, size: int) -> None:
    news = 1
    b = (size - news) - (size - news) // 4
    assert syncs(Sdk(server_of({"note": entities}), size)) <= 2 * -(-entities // b) + 1


class FromTheStart(Server):
    """X11: a circle begins at 0 always."""

    def page(self, token: Token, ask: Ask, place: int) -> Page:
        return super().page(token, ask, 0)


class AtRandom(Server):
    """4: a circle begins at a random revision; revisions are times."""

    def page(self, token: Token, ask: Ask, place: int) -> Page:
        return super().page(token, ask, self.rng.randrange(max(token.e, 1)))


class OnePlaceForAll(Server):
    """3: one place a push for all of its types, the lowest."""

    def answer_bare(self, session: str, kinds: set[str], high: int, before: int) -> Token:
        lowest = min(self.places.get((session, kind), 0) for kind in kinds)
        self.places.update(((session, kind), lowest) for kind in kinds)
        return super().answer_bare(session, kinds, high, before)


class PlaceAtTheEnd(Server):
    """5: the place is the end of what (c) gave."""

    def page(self, token: Token, ask: Ask, place: int) -> Page:
        page = super().page(token, ask, place)
        end = page.token.p if page.token.e else place
        return Page(page.rows, page.token, page.has_more, end, page.total)


def with_newest_first(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """6: the newest 25 first, whole, as far as there is room."""
    newest = readers.newest
    monkeypatch.setattr(readers, "newest", lambda rows, count: newest(rows, min(25, room)))


def test_always_from_the_start_never_ends() -> None:
    assert syncs(Sdk(server_of({"note": 250}, FromTheStart), 50)) == NEVER


def test_each_type_has_a_place_of_its_own() -> None:
    kinds = {"note": 325, "todo": 325}
    assert syncs(Sdk(server_of(kinds), 50, ("note", "todo"))) <= 40
    assert syncs(Sdk(server_of(kinds, OnePlaceForAll), 50, ("note", "todo"))) == NEVER


def log_of_one_millisecond(wrong: type[Server]) -> Sdk:
    server = server_of({"note": 1_000}, wrong)
    late = [Row(("note", f"late {index}"), 10**9 + index, 2_000 + index) for index in range(5)]
    server.log.update((row.entity, row) for row in late)
    server.versions = 3_000
    server.answered["s", "note"] = server.head
    return Sdk(server, 100)


def test_a_circle_begins_at_a_row_and_not_at_a_time() -> None:
    assert syncs(log_of_one_millisecond(Server)) <= 30
    assert syncs(log_of_one_millisecond(AtRandom)) == NEVER


def test_tabs_in_lockstep_do_not_take_turns_for_ever() -> None:
    def two(wrong: type[Server]) -> int:
        server = server_of({"note": 474}, wrong)
        return syncs(Sdk(server, 100), Sdk(server, 100))

    assert two(Server) <= 40
    assert two(PlaceAtTheEnd) == NEVER


def test_the_newest_take_no_more_than_a_quarter_of_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    assert syncs(Sdk(server_of({"note": 200}), 10)) <= 60
    with_newest_first(monkeypatch, room=9)
    assert syncs(Sdk(server_of({"note": 200}), 10)) == NEVER


class LowestLineage(Server):
    """2: m is the lowest position that any reader of the session holds; the old tab that sleeps holds one."""

    def answer_bare(self, session: str, kinds: set[str], high: int, before: int) -> Token:
        lowest = self.answered.setdefault((session, "asleep"), high)
        return Token(lowest, self.head, g=lowest, epoch=self.epoch)


class FurthestPresented(Server):
    """2: `high` is the furthest position presented, not answered."""

    def note_answered(self, session: str, kinds: object, asked: Token, page: Page) -> None:
        self.answered[session, "note"] = max(self.answered[session, "note"], asked.m)


class AlwaysTheHead(Server):
    """2: m is always the head; what others wrote waits for its turn in the circle."""

    def answer_bare(self, session: str, kinds: set[str], high: int, before: int) -> Token:
        return readers.begin(self.head, self.head, self.epoch)


def syncs_for_news(wrong: type[Server], entities: int = 2_000, news: int = 450) -> int:
    """Count the syncs of a chatty reader that has everything until it has what another has written since."""
    server = server_of({"note": entities}, wrong)
    reader = Sdk(server, 100).has_everything()
    for index in range(news):
        server.write(("note", str(index)))
    return syncs(reader, most=60)


def test_news_come_first_and_from_the_furthest_position_answered() -> None:
    assert syncs_for_news(Server) <= 6
    assert syncs_for_news(LowestLineage) == NEVER
    assert syncs_for_news(FurthestPresented) == NEVER
    assert syncs_for_news(AlwaysTheHead) > 20


def test_news_of_a_busy_reader_are_on_its_next_page() -> None:
    assert syncs_for_news(Server, news=1) == 1


def after_a_purge(wrong: type[Server] = Server) -> Sdk:
    """Run a reader that pushes, then reads while there is more, over a log that is mostly below the floor."""
    server = server_of({"note": 60}, wrong)
    server.floor = 50
    reader = Sdk(server, 10)
    for _ in range(30):
        reader.push()
        for _ in range(4):
            reader.pull()
    return reader


class FenceByTheEndInHand(Server):
    """R12 as it was: in the second part of a circle the fence looks at the old s."""

    def is_expired(self, token: Token) -> bool:
        return readers.is_lost(token, self.restores) or 0 < (token.e or token.g or token.m) < self.floor


class RowNotMoved(Server):
    """13: `high` is below the floor, and the row is not moved."""

    def answer_bare(self, session: str, kinds: set[str], high: int, before: int) -> Token:
        old = dict(self.answered)
        token = super().answer_bare(session, kinds, high, before)
        if 0 < high < self.floor:
            self.answered = old
        return token


def test_a_circle_below_the_floor_ends() -> None:
    assert after_a_purge().resets == 0
    assert after_a_purge(FenceByTheEndInHand).resets > 5


def slept_past_the_floor(wrong: type[Server] = Server) -> Sdk:
    server = server_of({"note": 60}, wrong)
    server.answered["s", "note"], server.floor = 5, 50
    reader = Sdk(server, 10)
    for _ in range(30):
        reader.push()
        reader.pull()
    return reader


def test_a_session_below_the_floor_starts_over_once() -> None:
    reader = slept_past_the_floor()
    assert (reader.resets, reader.knows_all()) == (1, True)
    assert slept_past_the_floor(RowNotMoved).resets > 20


def test_a_page_that_got_lost_comes_with_the_next_round() -> None:
    reader = Sdk(server_of({"note": 50}), 100)
    reader.push()
    reader.pull(is_lost=True)
    assert syncs(reader) <= 2


def test_a_reload_that_types_first_and_then_reads_on_has_everything() -> None:
    reader = Sdk(server_of({"note": 250}), 100)
    reader.push()
    pages = 1
    while reader.pull():
        pages += 1
    assert reader.knows_all()
    assert pages <= 4


def test_a_tab_that_slept_has_what_another_has_read() -> None:
    server = server_of({"note": 50})
    awake, asleep = Sdk(server, 10).has_everything(), Sdk(server, 10).has_everything()
    for index in range(5):
        server.write(("note", str(index)))
    assert syncs(awake) == 1
    assert syncs(asleep) <= 2 * -(-50 // 7) + 1


def test_a_stream_sends_news_then_the_circle_then_is_caught_up() -> None:
    server = server_of({"note": 25})
    server.answered["s", "note"] = 20
    token, _ = server.push("s", None, [(("note", "own"), "set")])
    pages = [server.pull("s", token, 10)[0]]
    while pages[-1].has_more:
        pages.append(server.pull("s", pages[-1].token, 10)[0])
    assert [row.revision for row in pages[0].rows[:6]] == [21, 22, 23, 24, 25, server.head]
    assert pages[-1].token == Token(server.head, server.head)
    assert len({row.entity for page in pages for row in page.rows}) == 26
