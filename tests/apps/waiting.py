"""Promises that the server does not keep yet, by the rule that they wait for; a rule that lands takes its line."""

from collections.abc import Callable, Mapping

from apps.app import App
from apps.book import Problem

READING = frozenset({"lacks", "late", "reread", "restless"})

WAITING: Mapping[str, Callable[[Problem, App | None], bool]] = {
    # A session without a device that pushes without a token is taken for one reader.
    "circles": lambda one, app: one.kind in READING and app is not None and app.habits.is_in_circles,
    # Another device's equal change is taken for a retry.
    "retries": lambda one, _: one.kind in {"tally", "lease"},
    # An empty token in a push is none, so a new page that shows its token passes for its older tabs.
    "empty tokens": lambda one, app: one.kind in READING and app is not None and app.has_shown_nothing,
    # A token shows for every type, whichever it was read with.
    "types": lambda one, app: one.kind in READING and app is not None and len(app.habits.cursors) > 1,
}


def waits_for(problem: Problem, app: App | None) -> str:
    """Return the name of what a problem waits for; empty: nothing, it must not be."""
    return next((name for name, matches in WAITING.items() if matches(problem, app)), "")
