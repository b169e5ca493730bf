"""Tests wait for what happens, not for a time: a pause is too short on a slow machine, and too long on any other."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAUSES = {
    "chaos/apps.py": "how often apps call, and how soon they call again",
    "chaos/hands.py": "how long a fault lasts, and what lies between two",
    "clients/python/test_follow.py": "nothing may happen meanwhile",
    "edge/attacks.py": "the pace of an attack",
    "faults/proxy.py": "the weather of a slow network",
    "herd/herd.py": "how often clients push, and how soon they push again",
    "server/store/test_errors.py": "calls are cancelled later and later",
    "system/load.py": "how soon clients that are refused call again",
    "system/test_kill.py": "how long a process lives",
    "system/test_processes.py": "how often clients push, and readers are cut off",
    "system/test_resume.py": "how often clients push, and readers are cut off",
    "system/test_stuck_readers.py": "memory is looked at for a while",
    "system/unlocked.py": "the planted fault: a transaction begins late",
    "waiting.py": "the look at what is waited for",
}
"""Files in which a pause is what is tested, or the pace of what is."""
FILES = sorted(path for path in TESTS.rglob("*.py") if "node_modules" not in path.parts)


def sleeps(source: str) -> list[int]:
    """Return the lines that pause for a time, in whatever way `sleep` was imported."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [call.lineno for call in calls if ast.unparse(call.func).rpartition(".")[2] in ("sleep", "wait_for_timeout")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(TESTS)))
def test_a_test_waits_for_what_happens(path: Path):
    lines = sleeps(path.read_text(encoding="utf-8"))
    if str(path.relative_to(TESTS)) in PAUSES:
        assert lines, "no pause is left here: take the file off the list"
    else:
        assert not lines, "wait with waiting.until, or for an event; where the pause is what is tested, list it above"


def test_every_file_that_may_pause_is_there():
    assert {str(path.relative_to(TESTS)) for path in FILES} >= PAUSES.keys()


@pytest.mark.parametrize(
    "source",
    ["await asyncio.sleep(0.1)", "time.sleep(1)", "from time import sleep\nsleep(1)", "await page.wait_for_timeout(5)"],
)
def test_a_pause_is_found(source: str):
    assert sleeps(source)


def test_waiting_for_an_event_is_no_pause():
    assert not sleeps("await event.wait()\nawait until(lambda: done, look_seconds=0.1)")
