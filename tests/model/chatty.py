"""A reader that shows nothing and pushes in every sync, and how many syncs it takes to have everything."""

from collections.abc import Sequence
from random import Random

from model.readers import Row, Token
from model.user_log import Server

NEVER = 1_000_000


def server_of(kinds: dict[str, int], wrong: type[Server] = Server, gap: int = 1) -> Server:
    """Make a log of so many entities a type, one type after the other, all of it answered to session s."""
    names = [(kind, str(index)) for kind, count in kinds.items() for index in range(count)]
    log = {name: Row(name, at, at) for at, name in enumerate(names, gap)}
    server = wrong(Random(1), log=log, versions=len(log))
    server.answered.update((("s", kind), server.head) for kind in kinds)
    return server


class Sdk:
    """A reader of the public SDK's kind: a push that shows nothing, and a page of each type, a sync."""

    def __init__(self, server: Server, size: int, kinds: Sequence[str] = ("note",)) -> None:
        self.server, self.size, self.kinds = server, size, kinds
        self.cursors: dict[str, Token] = {}
        self.got: dict[tuple[str, str], int] = {}
        self.read = self.resets = 0

    def push(self) -> None:
        token, rows = self.server.push("s", None, [((kind, "own"), "set") for kind in self.kinds])
        self.cursors = dict.fromkeys(self.kinds, token)
        self.got.update((row.entity, row.version) for row in rows)

    def pull(self, *, is_lost: bool = False) -> bool:
        more = False
        for kind in self.kinds:
            page, reset = self.server.pull("s", self.cursors.get(kind), self.size, {kind})
            self.resets += reset
            if not is_lost:
                self.got.update((row.entity, row.version) for row in page.rows)
                self.cursors[kind] = page.token
                self.read += len(page.rows)
            more |= page.has_more
        return more

    def knows_all(self) -> bool:
        log = self.server.log
        return all(self.got.get(one.entity) == one.version for one in log.values() if one.entity[1] != "own")

    def has_everything(self) -> "Sdk":
        self.got = {row.entity: row.version for row in self.server.log.values()}
        return self


def syncs(*tabs: Sdk, most: int = 100) -> int:
    """Count the syncs of tabs in lockstep, each with a push, until they have everything."""
    for count in range(1, most):
        for tab in tabs:
            tab.push()
            tab.pull()
        if all(tab.knows_all() for tab in tabs):
            return count
    return NEVER
