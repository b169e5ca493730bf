"""Promises that the server does not keep yet, by the rule that they wait for; a rule that lands takes its line."""

from collections.abc import Callable, Mapping

from apps.app import App
from apps.book import Problem

WAITING: Mapping[str, Callable[[Problem, App | None], bool]] = {}


def waits_for(problem: Problem, app: App | None) -> str:
    """Return the name of what a problem waits for; empty: nothing, it must not be."""
    return next((name for name, matches in WAITING.items() if matches(problem, app)), "")
