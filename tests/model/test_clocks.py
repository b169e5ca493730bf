"""Which of two edits loses by time, case by case and with clocks that jump both ways."""

from collections.abc import Callable
from random import Random

import pytest

from model.clocks import Stored, loses

HOUR = 3_600_000
DAY = 24 * HOUR
NOW = 1_000 * DAY


@pytest.mark.parametrize(
    ("stored", "client_ms", "same_session", "expected"),
    [
        pytest.param(Stored(NOW + 30 * DAY, None), NOW - 1, False, False, id="X30 server was ahead, no timestamp"),
        pytest.param(Stored(NOW - 9, NOW + 30 * DAY), NOW - 1, False, False, id="X30 a fast device's edit"),
        pytest.param(Stored(NOW - 9, NOW + HOUR + 2), NOW + HOUR + 1, True, True, id="X31 fast phone, edit 1 last"),
        pytest.param(Stored(NOW - 9, None), NOW - HOUR, True, False, id="X32 own version without timestamp"),
        pytest.param(Stored(NOW - 60_000, NOW - 60_000), NOW - 360_000, False, True, id="X33 known: loses by C1"),
        pytest.param(Stored(NOW - 9, NOW - 9), NOW - HOUR, False, True, id="X34 known: a slow phone loses"),
        pytest.param(Stored(NOW - 2 * DAY, NOW), NOW - DAY, False, False, id="X35 known: server was behind"),
        pytest.param(Stored(NOW - 9, NOW - HOUR), NOW - 2 * HOUR, True, True, id="X36 known: loses to itself"),
        pytest.param(Stored(NOW + DAY, NOW - 9), NOW - HOUR, False, True, id="C2 server was ahead, a true older edit"),
        pytest.param(Stored(NOW - 9, NOW + HOUR), NOW - 1, True, False, id="C3 its clock ran ahead and is right now"),
        pytest.param(Stored(NOW + DAY, NOW + HOUR), NOW - 1, True, True, id="C3 known: store and device were ahead"),
        pytest.param(Stored(NOW - 9, NOW), None, False, False, id="without timestamp it wins"),
    ],
)
def test_a_named_case(stored: Stored, client_ms: int, same_session: bool, expected: bool) -> None:
    assert loses(stored, client_ms, NOW, same_session=same_session) is expected


def clamped(stored: Stored, client_ms: int | None, now_ms: int, *, same_session: bool) -> bool:
    """The planted rule of X30: the version counts as made when the clock of its commit said, whatever that is."""
    return client_ms is not None and stored.committed_ms > min(client_ms, now_ms)


def lost_though_right(rule: Callable[..., bool], seed: int) -> int:
    """Count newer edits, of right clocks, that lose to an older edit whose server or device clock was ahead."""
    rng, lost = Random(seed), 0
    for _ in range(2_000):
        made, ahead = NOW - rng.randint(1, DAY), rng.choice((0, HOUR, 30 * DAY, -HOUR, -2 * DAY))
        stored = Stored(made + ahead, rng.choice((None, made, made + rng.choice((HOUR, -HOUR)))))
        now = made + rng.randint(1, DAY)
        if ahead > 0 and made + ahead <= now:
            continue  # X33: the time has come that the clock showed
        if stored.client_ms is not None and made < stored.client_ms <= now:
            continue  # the device was ahead, too, and that time has come
        same_session = rng.random() < 0.3
        if same_session and stored.client_ms is not None and now < stored.client_ms <= stored.committed_ms:
            continue  # C3, known: the store was ahead as far as the device
        lost += rule(stored, now, now, same_session=same_session)
    return lost


def test_no_newer_edit_loses_when_all_clocks_are_right_again() -> None:
    assert sum(lost_though_right(loses, seed) for seed in range(20)) == 0
    assert lost_though_right(clamped, 0) > 0
