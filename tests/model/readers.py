"""What the tokens of one user's log say and how they are answered: R1 to R12 and W1 to W7, as functions over values.

Sessions with a device (W4) are not here. Two places where the rules leave something open are decided so:

- W5 asks which types a token was read with, but the fields of a token do not say it. Here a token carries `kinds`
  (empty:
  every type), for which its claim (R4) holds; a push of any other type is answered like one that shows nothing.
- R12 names no g for a reading that is cut where a circle has just closed. Its g is the end of that circle, which is
  never later than where the reading began.

And one is kept as it is written, though it costs something: in the second part of a circle e is the old s, so R12
tells a
reader to start over in mid-circle whenever its place lay below the floor. It reads up to twice as many pages, once.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from random import Random

Entity = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Row:
    """The latest version of an entity; `version` tells two versions apart that have one revision (after a restore)."""

    entity: Entity
    revision: int
    version: int
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Token:
    """R3, R4: what its reader lacks lies after m, in (p, e] or in (0, s]; p = -1: the circle has not begun."""

    m: int = 0
    h: int = 0
    p: int = 0
    e: int = 0
    s: int = 0
    g: int = 0
    epoch: int = 0
    kinds: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        circle = 0 <= self.s <= self.p < self.e <= self.m <= self.h and self.g == 0
        begun_not = self.p == -1 and self.s == self.g == 0 < self.e <= self.m <= self.h
        plain = self.p == self.e == self.s == 0 <= self.g <= self.h and 0 <= self.m <= self.h
        if not (circle or begun_not or plain):
            raise ValueError(f"no token has these fields: {self}")


@dataclass(frozen=True, slots=True)
class Page:
    rows: tuple[Row, ...]
    token: Token
    has_more: bool
    place: int


def head(log: Collection[Row]) -> int:
    return max((row.revision for row in log), default=0)


def may_lack(token: Token, revision: int) -> bool:
    """R4: whether the reader of a token may lack what has this revision."""
    return revision > token.m or token.p < revision <= token.e or revision <= token.s


def is_lost(token: Token, restores: Sequence[int]) -> bool:
    """R11: whether a restore since the token's epoch went behind h; restores[i] is the head that epoch i + 1
    began at.
    """
    return any(restored < token.h for restored in restores[token.epoch :])


def is_purged(token: Token, floor: int) -> bool:
    """R12: whether the first of e, g and m that the token has is before the floor."""
    return 0 < (token.e or token.g or token.m) < floor


def begin(m: int, head: int, epoch: int) -> Token:
    """R2, R3: news after m, and everything up to m again."""
    if m == 0:
        return Token(0, head, g=head, epoch=epoch)
    return Token(m, head, p=-1, e=m, epoch=epoch)


def high(answered: Collection[int | None], head: int) -> int:
    """R2: the lowest of the furthest positions answered to the session for the push's types; no row counts as
    the head.
    """
    return min((head if one is None else one for one in answered), default=head)


def answer_bare(high: int, before: int, after: int, floor: int, epoch: int) -> tuple[Token, bool]:
    """R2, R12, W3: the token for a push without one, and whether the session's rows move to `after`."""
    if 0 < high < floor:
        return begin(high, after, epoch), True
    moves = before <= high
    return begin(after if moves else high, after, epoch), moves


def shows(token: Token, kinds: Collection[str]) -> bool:
    """W5: whether a token says something about each of these types."""
    return not token.kinds or token.kinds.issuperset(kinds)


def is_in_full(token: Token, replaced: Collection[int], any_lost: bool) -> bool:
    """R9: whether a push lost nothing (W1) and merged, over revisions `replaced`, over nothing that may be lacking."""
    return not any_lost and not any(may_lack(token, revision) for revision in replaced)


def answer_shown(token: Token, before: int, after: int, in_full: bool, expired: bool, epoch: int) -> Token:
    """R9, W1, W6: the token for a push that shows one; `before` and `after` are the user's head around the push."""
    if expired:
        return token
    is_circle = token.e > 0
    if before <= token.m and in_full:
        return replace(token, m=after, h=after, g=0, epoch=epoch)
    began = 0 if is_circle or token.m == after else (token.g or token.m or after)
    return replace(token, h=after, g=began, epoch=epoch)


def pull(
    log: Sequence[Row], token: Token, size: int, kinds: Collection[str], place: int, epoch: int, rng: Random
) -> Page:
    """R5 to R7: a page of (a) news, (b) the newest of what is left, out of turn, (c) the circle in order."""
    rows = sorted((row for row in log if row.entity[0] in kinds), key=lambda row: row.revision)
    snapshot = head(log)
    news = [row for row in rows if row.revision > token.m]
    a = news[:size]
    room = size - len(a)
    m = a[-1].revision if len(news) > size else snapshot
    p, e, s = token.p, token.e, token.s
    b: list[Row] = []
    if p == -1:
        p = s = place if place < e else 0
        b = newest([row for row in rows if row.revision <= e], room // 4)
    left = [row for row in rows if p < row.revision <= e] + [row for row in rows if row.revision <= s]
    left = [row for row in left if row not in b]
    c = left[: room - len(b)]
    rest = (p, e, s) if len(c) < len(left) else (0, 0, 0)
    if c and len(c) < len(left):
        rest = after_row(c[-1].revision, left[len(c)].revision, e, s)
    following = Token(m, snapshot, *rest, began(token, m, snapshot, rest[1]), epoch, frozenset(kinds))
    return Page((*a, *b, *c), following, len(news) > size or len(c) < len(left), next_place(c, place, rng))


def newest(rows: Sequence[Row], count: int) -> list[Row]:
    """R5 (b)."""
    return list(rows[-count:]) if count else []


def after_row(last: int, following: int, e: int, s: int) -> tuple[int, int, int]:
    """R5 (c): what is left of a circle after a row, given the row that follows it: (p, e, s)."""
    if following > last:  # in the same interval
        return (last, e, s) if last > s else (last, s, 0)
    return 0, s, 0


def began(token: Token, m: int, snapshot: int, circle_end: int) -> int:
    """R12: g of the token that follows: where a cut reading began, from 0 the head then; 0 when nothing is cut."""
    if circle_end or m == snapshot:
        return 0
    return token.e or token.g or token.m or snapshot


def next_place(c: Sequence[Row], place: int, rng: Random) -> int:
    """R6: a row picked at random from the later half of what (c) gave."""
    return rng.choice(c[len(c) // 2 :]).revision if c else place
