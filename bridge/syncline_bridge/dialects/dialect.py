"""What the bridge has to know of a dialect to serve it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from fastapi import APIRouter
from starlette.responses import Response

from syncline_bridge.failure import Failure


@dataclass(frozen=True, slots=True)
class Dialect:
    """Describe one dialect.

    Everything at and below its `prefixes` is answered in its words, failures of the bridge itself included.
    `request_headers` and `response_headers` are what a browser on another origin may send and see. `models` are the
    structs its documentation names, `security_schemes` its credentials, as OpenAPI has them.
    """

    prefixes: Sequence[str]
    router: APIRouter
    answer_failure: Callable[[Failure], Response]
    request_headers: Sequence[str]
    response_headers: Sequence[str]
    models: Sequence[type[msgspec.Struct]]
    security_schemes: Mapping[str, Mapping[str, Any]]

    def owns(self, path: str) -> bool:
        """Tell whether a path belongs to this dialect, known or not."""
        return any(path == prefix or path.startswith(f"{prefix}/") for prefix in self.prefixes)
