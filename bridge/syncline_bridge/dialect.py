"""What a dialect is to the bridge: a value that carries all there is to serve and to document it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from syncline_bridge.caller import Caller
from syncline_bridge.describe.operation import Described, Operation
from syncline_bridge.edge.areas import Area
from syncline_bridge.edge.credentials import Credentials
from syncline_bridge.edge.event_stream import EventStreams
from syncline_bridge.failure import Failure
from syncline_bridge.knobs import Knobs
from syncline_bridge.upstream import Upstream

S = TypeVar("S", bound=Knobs)


@dataclass(frozen=True, slots=True)
class Dialect(Generic[S]):
    """Describe one dialect."""

    name: str
    about: str
    """What it is and whom it is for, in its documentation."""
    prefixes: tuple[str, ...]
    """Everything at and below these is answered in its words, unknown paths and failures of the bridge included."""
    settings: type[S]
    """Its knobs; `Knobs` itself for none."""
    operations: Callable[[Upstream, EventStreams, S], Sequence[Operation]]
    """Make what it serves: methods, paths, handlers and their documentation."""
    credential_headers: tuple[str, ...]
    """The headers that say who is calling, and whom the call is about."""
    caller_of: Callable[[Request], Caller]
    """Take the credentials from these; raises RefusedError. Not asked for streams. No other header is shown to it."""
    answer_failure: Callable[[Failure], Response]
    request_headers: tuple[str, ...]
    """What a browser on another origin may send, besides what every dialect takes."""
    response_headers: tuple[str, ...]
    """What a browser on another origin may see, besides what every dialect shows."""
    models: Sequence[type[msgspec.Struct]]
    """The structs that its documentation names. All dialects share one document, so no two may have the same name."""
    security_schemes: Mapping[str, Described]
    """Its credentials, as OpenAPI has them; a name that two dialects use has to mean the same to both."""
    max_body_bytes: Callable[[S], int] | None = None
    """The largest body of a request; None: as the bridge is set."""
    with_credentials: bool = False
    """Its clients make browsers send credentials of their own: also to the loopback, it is said that they may."""

    @property
    def credentials(self) -> Credentials:
        """How its callers say who they are."""
        return Credentials(self.credential_headers, self.caller_of)

    def area(self, operations: Sequence[Operation]) -> Area:
        """Return the part of the paths that is this dialect's."""
        methods = {operation.method for operation in operations}
        methods |= {"HEAD"} if "GET" in methods else set()
        return Area(
            self.prefixes,
            self.answer_failure,
            tuple(sorted(methods)),
            self.request_headers,
            self.response_headers,
            self.with_credentials,
        )
