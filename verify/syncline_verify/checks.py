"""What must hold of a recorded history, check by check.

Each check takes time linear in the history, since the server hands out the order, and returns how much it looked at and
what is wrong. None of them trusts the server: positions are known only by what a reader had read when it got a token.
"""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import pairwise
from types import MappingProxyType
from typing import Final, NamedTuple

from syncline_verify.atomicity import torn_pushes
from syncline_verify.history import UNPLACED, Entity, Entry, Reader, RunHistory

_CANARY: Final = re.compile(r"canary-[0-9a-f]+")


class Kind(StrEnum):
    """What a check claims, by its name."""

    NO_LOST_CHANGE = "no lost change"
    NO_PHANTOM = "no phantom"
    EXACTLY_ONCE = "exactly once"
    ATOMIC_PUSH = "atomic push"
    STRICT_ORDER = "strict order"
    STREAM_IS_A_PREFIX = "stream is a prefix"
    MONOTONE_TOKENS = "monotone tokens"
    ISOLATION = "isolation"
    ONE_WINNER_PER_HEAD = "one winner per head"
    DURABLE_AFTER_KILL = "durable after kill"
    CONVERGED = "converged"


class Problem(NamedTuple):
    """Something that must not be."""

    kind: Kind
    reader: str
    """Who saw it."""
    what: object


class Findings(NamedTuple):
    """What came of one check."""

    examined: int
    """How many things it looked at; 0: the history had nothing for it, which is no verdict."""
    problems: list[Problem]


def check(history: RunHistory) -> list[Problem]:
    """Run every check and return all that is wrong."""
    return [problem for run in CHECKS.values() for problem in run(history).problems]


def summary(problems: Sequence[Problem]) -> str:
    """Count the problems by kind and show the first of each."""
    counts = Counter(problem.kind for problem in problems)
    first = {problem.kind: problem for problem in reversed(problems)}
    return "\n".join(f"{count} x {kind}: {first[kind].reader}, {first[kind].what}" for kind, count in counts.items())


def no_lost_change(history: RunHistory) -> Findings:
    """Whoever read to the end got every acknowledged version, or a later one of the same entity."""
    readers = [reader for reader in history.readers if reader.at_end]
    return _each(Kind.NO_LOST_CHANGE, readers, history.acknowledged, _lost)


def no_phantom(history: RunHistory) -> Findings:
    """Whatever was read had been acknowledged to somebody, with this content and at this revision.

    Also finds a retry that was applied again: what it had made before was never acknowledged.
    """
    versions = {(entry.entity, entry.revision): entry for entry in history.acknowledged}

    def phantoms(reader: Reader) -> Iterator[object]:
        for entry in reader.entries:
            known = versions.get((entry.entity, entry.revision)) or versions.get((entry.entity, UNPLACED))
            if (known is None or known.content != entry.content) and entry.entity not in history.unanswered:
                yield entry

    return _of_readers(Kind.NO_PHANTOM, history.readers, phantoms)


def exactly_once(history: RunHistory) -> Findings:
    """What was created once was applied once and came once, however often its push was sent."""
    problems = [Problem(Kind.EXACTLY_ONCE, "a retry", entity) for entity in history.denied if entity in history.once]
    placed: dict[Entity, int] = {}
    for entry in history.acknowledged:
        if entry.entity in history.once and placed.setdefault(entry.entity, entry.revision) != entry.revision:
            problems.append(Problem(Kind.EXACTLY_ONCE, "a retry", (placed[entry.entity], entry)))

    def repeated(reader: Reader) -> Iterator[object]:
        times = Counter(entry.entity for entry in reader.entries if entry.entity in history.once)
        yield from ((entity, count) for entity, count in times.items() if count > 1)

    found = _of_readers(Kind.EXACTLY_ONCE, history.readers, repeated)
    return Findings(len(history.once) + found.examined, problems + found.problems)


def atomic_push(history: RunHistory) -> Findings:
    """Where a page said that there was no more, its reader had all of a push or nothing of it.

    Of a push, a reader has what it has read at or past the push's revision for that entity, since only the latest
    version of an entity is kept. Pages that were cut may end anywhere.
    """
    return _of_readers(Kind.ATOMIC_PUSH, history.readers, lambda reader: torn_pushes(history, reader))


def strict_order(history: RunHistory) -> Findings:
    """Revisions come in strictly increasing order, and each is one version of one entity."""
    problems: list[Problem] = []
    owners: dict[tuple[str, int], Entity] = {}
    for entry in history.acknowledged:
        log = "" if history.one_log else entry.entity.user
        owner = owners.setdefault((log, entry.revision), entry.entity)
        if owner != entry.entity and entry.revision != UNPLACED:
            problems.append(Problem(Kind.STRICT_ORDER, "acknowledgements", (owner, entry)))

    def out_of_order(reader: Reader) -> Iterator[object]:
        yield from ((one, other) for one, other in pairwise(reader.entries) if other.revision <= one.revision)

    found = _of_readers(Kind.STRICT_ORDER, history.readers, out_of_order)
    return Findings(len(history.acknowledged) + found.examined, problems + found.problems)


def stream_is_a_prefix(history: RunHistory) -> Findings:
    """Wherever a reader stopped, it has all that lies before that.

    A version that was followed by a later one of its entity, past where the reader stopped, need not have come.
    """
    latest = _latest(history.acknowledged)

    def gaps(reader: Reader, visible: Iterable[Entry]) -> Iterator[object]:
        position = reader.entries[-1].revision if reader.entries else UNPLACED
        due = (entry for entry in visible if entry.revision > UNPLACED and latest[entry.entity].revision <= position)
        return _lost(reader, due)

    return _each(Kind.STREAM_IS_A_PREFIX, history.readers, history.acknowledged, gaps)


def monotone_tokens(history: RunHistory) -> Findings:
    """A token, used again, gives exactly what the log has after what its reader had read by then."""
    problems: list[Problem] = []
    logs: dict[tuple[str | None, tuple[str, ...]], list[Entry]] = {}
    for reader, mark, again in history.rereads:
        assert history.log is not None, "rereads need the log"
        scope = (reader.user, reader.types)
        if scope not in logs:
            logs[scope] = [entry for entry in history.log.entries if reader.sees(entry.entity)]
        position = reader.entries[mark.entries - 1].revision if mark.entries else UNPLACED
        wanted = logs[scope][bisect_right(logs[scope], position, key=lambda entry: entry.revision) :]
        if wanted != again:
            differing = sorted({entry.revision for entry in wanted} ^ {entry.revision for entry in again})
            what = (mark, len(wanted), len(again), differing[:5])
            problems.append(Problem(Kind.MONOTONE_TOKENS, reader.name, what))
    return Findings(len(history.rereads), problems)


def isolation(history: RunHistory) -> Findings:
    """Nobody gets what belongs to another: neither an entry, nor a canary in an entry or in any other text."""

    def of_others(reader: Reader) -> Iterator[object]:
        for entry in reader.entries:
            owner = entry.entity.user
            if reader.user not in (None, owner) or _carries_canary_of_another(history.canaries, owner, _text_of(entry)):
                yield entry

    found = _of_readers(Kind.ISOLATION, history.readers, of_others)
    overheard = [
        Problem(Kind.ISOLATION, one.user, one.text)
        for one in history.overheard
        if _carries_canary_of_another(history.canaries, one.user, one.text)
    ]
    return Findings(found.examined + len(history.overheard), found.problems + overheard)


def one_winner_per_head(history: RunHistory) -> Findings:
    """Of all pushes that name one head of one user, at most one is applied."""
    winners = Counter((bid.user, bid.head) for bid in history.bids if bid.applied)
    problems = [
        Problem(Kind.ONE_WINNER_PER_HEAD, user, (head, count)) for (user, head), count in winners.items() if count > 1
    ]
    return Findings(len(history.bids), problems)


def durable_after_kill(history: RunHistory) -> Findings:
    """What had been acknowledged before the server was killed is there afterwards, as it was or in a later version."""
    problems: list[Problem] = []
    for recovery in history.recoveries:
        found = Reader("after a kill", entries=recovery.entries)
        before = history.acknowledged[: recovery.acknowledged]
        problems += [Problem(Kind.DURABLE_AFTER_KILL, found.name, entry) for entry in _lost(found, before)]
    return Findings(sum(recovery.acknowledged for recovery in history.recoveries), problems)


def converged(history: RunHistory) -> Findings:
    """All who read to the end have the same: the last acknowledged version of every entity, and nothing else."""
    latest = _latest(history.acknowledged)

    def differing(reader: Reader) -> Iterator[object]:
        held = {entry.entity: entry for entry in reader.entries}
        wanted = {entity: entry for entity, entry in latest.items() if reader.sees(entity)}
        for entity in held.keys() | wanted.keys():
            one, other = held.get(entity), wanted.get(entity)
            if not _same(one, other) and entity not in history.unanswered:
                yield entity, other, one

    readers = [reader for reader in history.readers if reader.at_end]
    return _of_readers(Kind.CONVERGED, readers, differing)


CHECKS: Final[Mapping[Kind, Callable[[RunHistory], Findings]]] = MappingProxyType(
    {
        Kind.NO_LOST_CHANGE: no_lost_change,
        Kind.NO_PHANTOM: no_phantom,
        Kind.EXACTLY_ONCE: exactly_once,
        Kind.ATOMIC_PUSH: atomic_push,
        Kind.STRICT_ORDER: strict_order,
        Kind.STREAM_IS_A_PREFIX: stream_is_a_prefix,
        Kind.MONOTONE_TOKENS: monotone_tokens,
        Kind.ISOLATION: isolation,
        Kind.ONE_WINNER_PER_HEAD: one_winner_per_head,
        Kind.DURABLE_AFTER_KILL: durable_after_kill,
        Kind.CONVERGED: converged,
    }
)


def _of_readers(kind: Kind, readers: Sequence[Reader], found_by: Callable[[Reader], Iterator[object]]) -> Findings:
    """Look at all that readers have read."""
    problems = [Problem(kind, reader.name, what) for reader in readers for what in found_by(reader)]
    return Findings(sum(len(reader.entries) for reader in readers), problems)


def _each(
    kind: Kind,
    readers: Sequence[Reader],
    acknowledged: Sequence[Entry],
    missed_by: Callable[[Reader, Iterable[Entry]], Iterator[object]],
) -> Findings:
    """Look at all that was acknowledged, once for each reader that it is for."""
    examined, problems = 0, []
    for reader in readers:
        visible = [entry for entry in acknowledged if reader.sees(entry.entity)]
        examined += len(visible)
        problems += [Problem(kind, reader.name, what) for what in missed_by(reader, visible)]
    return Findings(examined, problems)


def _lost(reader: Reader, due: Iterable[Entry]) -> Iterator[Entry]:
    """Yield what the reader has neither in this version nor in a later one."""
    held = {entry.entity: entry.revision for entry in reader.entries}
    return (entry for entry in due if held.get(entry.entity, -1) < entry.revision)


def _latest(acknowledged: Iterable[Entry]) -> dict[Entity, Entry]:
    latest: dict[Entity, Entry] = {}
    for entry in acknowledged:
        if entry.revision >= latest.get(entry.entity, entry).revision:
            latest[entry.entity] = entry
    return latest


def _same(held: Entry | None, wanted: Entry | None) -> bool:
    if held is None or wanted is None:
        return held is wanted
    return held.content == wanted.content and wanted.revision in (held.revision, UNPLACED)


def _text_of(entry: Entry) -> str:
    return f"{entry.entity.entity_id} {(entry.content or b'').decode(errors='replace')}"


def _carries_canary_of_another(canaries: Mapping[str, str], user: str, text: str) -> bool:
    return any(canaries.get(canary, user) != user for canary in _CANARY.findall(text))
