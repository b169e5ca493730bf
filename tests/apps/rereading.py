"""What reading again may cost: nothing, unless nobody can know that a reader has it already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from apps.book import Problem, Row

if TYPE_CHECKING:
    from apps.app import App

_TOLD = 5


def check_page(app: App, cursor: tuple[str, ...], again: Sequence[Row]) -> None:
    """Report what a page brought again to a reader who has shown that it has it."""
    habits = app.habits
    if not again or habits.is_in_circles:
        return
    if len(habits.cursors) > 1 and habits.pushes:
        return  # a push of several types is answered with the position of the type that lags
    what = [f"{row.entity} {row.revision}" for row in again[:_TOLD]]
    told = f"{len(again)} versions came again, {', '.join(what)}"
    if habits.device and not habits.shows_token:
        # A push without a token is answered from where the device last presented a position.
        if app.is_lone and not {row.entity for row in again} <= app.replica.before_page[cursor]:
            app.report("reread", f"{told}: not of its last pages")
        return
    app.report("reread", told)


def check_lives(app: App, versions: Mapping[str, int]) -> Iterator[Problem]:
    """Yield what a reader who can only be served by circles was given beyond a circle a push.

    `versions` is how many there are of each type in the end, tombstones too.
    """
    for life in (*app.lives, app.replica):
        for kind, again in life.given_again.items():
            circle = versions[kind] + app.door.page_size // 4 + 1  # some come out of turn, too
            bound = life.pushed.get(kind, 0) * circle
            if app.habits.is_in_circles and again > bound:
                yield Problem(
                    "reread", app.name, f"{again} of {kind} came again, at most {bound} were to", tuple(app.calls)
                )
