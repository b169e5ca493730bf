"""What the edge knows of a request from its head: which operation it asks for, whose it is, what may come with it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from starlette.datastructures import Headers
from starlette.types import Scope

from syncline_bridge.edge.credentials import Credentials
from syncline_bridge.edge.paths import Paths

_UNREAD_BYTES = 1024
"""A body that nobody reads may be so large where a method has one by its nature."""


class Operation(Protocol):
    """What a dialect serves, as far as the edge looks at it."""

    @property
    def method(self) -> str:
        """The method."""

    @property
    def paths(self) -> tuple[str, ...]:
        """Where it is served."""

    @property
    def body(self) -> type | None:
        """What its body is; None: it has none."""

    @property
    def is_stream(self) -> bool:
        """Whether an answer lasts."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What an operation expects of a request."""

    max_body_bytes: int
    credentials: Credentials | None
    """None: the operation finds out itself, before anything else."""


class Heads:
    """Finds what a request's head asks for."""

    def __init__(self) -> None:
        self._exact: dict[tuple[str, str], Expected] = {}
        self._templates: list[tuple[str, Paths, Expected]] = []

    def expect(self, operations: Iterable[Operation], credentials: Credentials, max_body_bytes: int) -> None:
        """Expect operations of a dialect."""
        for operation in operations:
            has_body = operation.body is not None
            most = max_body_bytes if has_body else 0 if operation.method == "GET" else _UNREAD_BYTES
            expected = Expected(most, None if operation.is_stream else credentials)
            for path in operation.paths:
                if "{" in path:
                    self._templates.append((operation.method, Paths([path]), expected))
                else:
                    self._exact[operation.method, path] = expected

    def expected(self, scope: Scope) -> Expected | None:
        """Return what is expected of a request; None: it asks for nothing that a dialect serves."""
        method, path = scope["method"], scope["path"]
        found = self._exact.get((method, path))
        if found is not None or not self._templates:
            return found
        return next((one for served, template, one in self._templates if served == method and path in template), None)


def announced_bytes(scope: Scope) -> int | None:
    """Return how long a body is going to be; None: it comes in chunks."""
    headers = Headers(scope=scope)
    if "transfer-encoding" in headers:
        return None
    length = headers.get("content-length", "0")
    return int(length) if length.isdecimal() else None
