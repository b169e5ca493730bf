"""Which of two edits loses by time: C1 to C6, as a function over values.

C3 says when an edit of the same session wins; one without a client timestamp wins always ("none: it wins").
C3's way out for a device that ran ahead asks for s > k; where the store was ahead as far, the device loses to itself
until that time has come. The rule is kept as it is written, and a named case says so.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stored:
    """What is kept with a version: the store's clock at its commit (k), and the client timestamp as sent (s)."""

    committed_ms: int
    client_ms: int | None


def loses(stored: Stored, client_ms: int | None, now_ms: int, *, same_session: bool) -> bool:
    """P4: whether a change with this client timestamp (c), decided at `now_ms` (n), loses to what is stored."""
    if client_ms is None:
        return False
    if same_session:
        return _loses_to_its_own(stored, client_ms, now_ms)
    made_ms = min(client_ms, now_ms)
    if stored.committed_ms <= now_ms:  # C1
        return stored.committed_ms > made_ms
    return stored.client_ms is not None and made_ms < stored.client_ms <= now_ms  # C2


def _loses_to_its_own(stored: Stored, client_ms: int, now_ms: int) -> bool:
    """C3: two edits by one clock, compared as sent, unless it ran ahead then and does not now."""
    if stored.client_ms is None or client_ms >= stored.client_ms:
        return False
    return not (stored.client_ms > stored.committed_ms and client_ms <= now_ms)
