"""Which part of the paths is whose: what is answered there in one form, and what browsers of other origins may do."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import msgspec
from starlette.responses import Response

from syncline_bridge.edge.answers import failure_answer
from syncline_bridge.failure import Failure


class BridgeError(msgspec.Struct, frozen=True):
    """Why a request failed: `code` is the reason."""

    code: str
    message: str


class BridgeErrorAnswer(msgspec.Struct, frozen=True):
    """The answer to a request that failed at a path that belongs to no dialect."""

    error: BridgeError


def answer_plainly(failure: Failure) -> Response:
    """Render a failure in the bridge's own form."""
    return failure_answer(BridgeErrorAnswer(BridgeError(failure.reason, failure.message)), failure.http_status, failure)


@dataclass(frozen=True, slots=True)
class Area:
    """Everything at and below some prefixes, paths that are not known included."""

    prefixes: tuple[str, ...]
    answer_failure: Callable[[Failure], Response]
    methods: tuple[str, ...]
    """What browsers of other origins may ask for."""
    request_headers: tuple[str, ...] = ()
    """What they may send."""
    response_headers: tuple[str, ...] = ()
    """What they may see."""
    with_credentials: bool = False
    """Whether pages of this machine may have their browser send its own credentials."""

    def holds(self, path: str) -> bool:
        """Tell whether a path belongs to this area."""
        return any(path == prefix or path.startswith(f"{prefix}/") for prefix in self.prefixes)


ELSEWHERE = Area((), answer_plainly, ("GET", "HEAD"))
"""Where the bridge speaks for itself: probes, documentation, and what belongs to nobody."""


class Areas:
    """Find the area of a path; raises ValueError for areas that hold parts of each other."""

    def __init__(self, areas: Iterable[Area], on_failure: Callable[[Failure], object] = lambda _: None) -> None:
        """`on_failure` is told of each failure that is rendered."""
        self._on_failure = on_failure
        self.all = (*areas, ELSEWHERE)
        for area in self.all:
            for prefix in area.prefixes:
                if any(other.holds(prefix) for other in self.all if other is not area):
                    raise ValueError(f"{prefix} belongs to two dialects")

    def of(self, path: str) -> Area:
        """Return the area that a path belongs to."""
        return next((area for area in self.all if area.holds(path)), ELSEWHERE)

    def answer_failure(self, path: str, failure: Failure) -> Response:
        """Render a failure for whoever called the path."""
        self._on_failure(failure)
        return self.of(path).answer_failure(failure)
