"""What the tokens of one user's log say and how they are answered: R1 to R12 and W1 to W7, as functions over values.

Sessions with a device (W4) are not here. Two rules had a hole, and read so since:

- R9: an expired token in a push is answered unchanged but for h, which becomes the head. Unchanged altogether, a token
  that the purge fence has expired is good again after a restore that brings the lower floor back, and says nothing of
  the pushes that it was shown in, which the restore has lost.
- R12: the second part of a circle, (0, s], keeps the circle's end as its g, which counts first: {g; e; m}. By e alone,
  which is the old s there, a reader is told to start over in mid-circle whenever its place lay below the floor, and a
  reader that pushes before it ends, for ever. On the wire g takes the field of s, which is 0 there: above e it is g,
  up to p it is s, and between them it is refused.

What they leave open is decided so:

- W5: a token carries the types it was read with; none: it holds for every type. On the wire each is a digest of 6
  bytes, sorted, at most 16. Read with more, it shows for no type. A push answers with the types of the token it shows;
  begin(m) has every type.
- R12 names no g for a reading that is cut where a circle has just closed: it is the end of that circle.
- R5 speaks of one type: a pull of several has a place of its own. R7: what a page with `skip` passes over, its reader
  may lack, so it answers the token that it was asked with, but for h (its rows may be as late as the head; a restore
  that loses them has to be told), moves no place and has no (b).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from random import Random

Entity = tuple[str, str]
EVERY: frozenset[str] = frozenset()
MAX_KINDS = 16
NO_KIND = frozenset({""})
"""The types of a token that was read with too many to name: it shows for none."""


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
    kinds: frozenset[str] = EVERY

    def __post_init__(self) -> None:
        circle = 0 <= self.s <= self.p < self.e <= self.m <= self.h
        circle &= self.g == 0 or (self.s == 0 and self.e < self.g <= self.m)
        begun_not = self.p == -1 and self.s == self.g == 0 < self.e <= self.m <= self.h
        plain = self.p == self.e == self.s == 0 <= self.g <= self.h and 0 <= self.m <= self.h
        if not (circle or begun_not or plain):
            raise ValueError(f"no token has these fields: {self}")


@dataclass(frozen=True, slots=True)
class Ask:
    """What a pull asks for; no types: every type."""

    size: int
    kinds: frozenset[str] = EVERY
    skip: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """`total`: how many rows the token that was asked with leaves (R7)."""

    rows: tuple[Row, ...]
    token: Token
    has_more: bool
    place: int
    total: int
    circle: tuple[Row, ...] = ()
    """(c) of it."""


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
    """R12: whether the first of g, e and m that the token has is before the floor."""
    return 0 < (token.g or token.e or token.m) < floor


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


def named(kinds: frozenset[str]) -> frozenset[str]:
    """W5: the types that the token of a pull of these carries."""
    return kinds if len(kinds) <= MAX_KINDS else NO_KIND


def shows(token: Token, kinds: Collection[str]) -> bool:
    """W5: whether a token says something about each of these types."""
    return not token.kinds or token.kinds.issuperset(kinds)


def is_in_full(token: Token, replaced: Collection[int], any_lost: bool) -> bool:
    """R9: whether a push lost nothing (W1) and merged, over revisions `replaced`, over nothing that may be lacking."""
    return not any_lost and not any(may_lack(token, revision) for revision in replaced)


def answer_shown(token: Token, before: int, after: int, in_full: bool, expired: bool, epoch: int) -> Token:
    """R9, W1, W6: the token for a push that shows one; `before` and `after` are the user's head around the push."""
    if expired:
        return replace(token, h=max(token.h, after))
    if before <= token.m and in_full:
        return replace(token, m=after, h=after, g=token.g if token.e else 0, epoch=epoch)
    return unmoved(token, after, epoch)


def unmoved(token: Token, head: int, epoch: int) -> Token:
    """R9, R11: a token that says what it said, to a reader that has got something from as late as `head`; at rest it
    becomes a reading that is cut.
    """
    at_rest = not token.e and not token.g and token.m < head
    return replace(token, h=head, g=(token.m or head) if at_rest else token.g, epoch=epoch)


def pull(log: Collection[Row], token: Token, ask: Ask, place: int, epoch: int, rng: Random) -> Page:
    """R5 to R7: a page of (a) news, (b) the newest of what is left, out of turn, (c) the circle in order."""
    rows = sorted((row for row in log if not ask.kinds or row.entity[0] in ask.kinds), key=lambda row: row.revision)
    snapshot = head(log)
    news = [row for row in rows if row.revision > token.m]
    p, e, s = token.p, token.e, token.s
    if p == -1:
        p = s = place if place < e else 0
    left = [row for row in rows if p < row.revision <= e] + [row for row in rows if row.revision <= s]
    total = len(news) + len(left)
    if ask.skip:
        shown = tuple([*news, *left][ask.skip :][: ask.size])
        return Page(shown, unmoved(token, snapshot, epoch), total > ask.skip + ask.size, place, total)
    a = news[: ask.size]
    m = a[-1].revision if len(news) > ask.size else snapshot
    room = ask.size - len(a)
    b = newest([row for row in rows if row.revision <= e], room // 4) if token.p == -1 else []
    left = [row for row in left if row not in b]
    c = left[: room - len(b)]
    cut = len(c) < len(left)
    rest = (p, e, s) if cut else (0, 0, 0)
    if c and cut:
        rest = after_row(c[-1].revision, left[len(c)].revision, e, s)
    following = Token(m, snapshot, *rest, began(token, m, snapshot, rest[1]), epoch, named(ask.kinds))
    has_more, place = len(news) > ask.size or cut, next_place(c, place, rng)
    return Page((*a, *b, *c), following, has_more, place, total, tuple(c))


def newest(rows: Sequence[Row], count: int) -> list[Row]:
    """R5 (b)."""
    return list(rows[-count:]) if count else []


def after_row(last: int, following: int, e: int, s: int) -> tuple[int, int, int]:
    """R5 (c): what is left of a circle after a row, given the row that follows it: (p, e, s)."""
    if following > last:  # in the same interval
        return (last, e, s) if last > s else (last, s, 0)
    return 0, s, 0


def began(token: Token, m: int, snapshot: int, circle_end: int) -> int:
    """R12: g of the token that follows: where the circle of a second part ended, where a cut reading began (from 0:
    the head then); 0 when it is none of them.
    """
    if circle_end:
        return token.g if circle_end == token.e else token.e
    return 0 if m == snapshot else token.g or token.e or token.m or snapshot


def next_place(c: Sequence[Row], place: int, rng: Random) -> int:
    """R6: a row picked at random from the later half of what (c) gave."""
    return rng.choice(c[len(c) // 2 :]).revision if c else place
