"""How a load calls over HTTP: one client for all its users, and what its failures mean."""

from collections.abc import Mapping
from typing import Any, Final, Self

import httpx2

from syncline.certificates import ClientTls
from syncline_verify.doors import Refused, Throttled, Unanswered, Unreachable

_TIMEOUT_SECONDS: Final = 20.0
_CONNECTIONS: Final = 64
_TOO_MANY: Final = 429
_LEAST_FAILURE: Final = 500
_LEAST_REFUSAL: Final = 400


class HttpCalls:
    """Calls one HTTP server; use as `async with`."""

    def __init__(
        self,
        address: str,
        headers: Mapping[str, str],
        again: frozenset[int] = frozenset(),
        *,
        tls: ClientTls | None = None,
    ) -> None:
        """Send these headers with every call to HOST:PORT, or to a URL; call once more on a status in `again`.

        HOST:PORT is spoken to in the clear unless there is `tls`.
        """
        self._again = again
        self.address = address
        url = address if "://" in address else f"{'http' if tls is None else 'https'}://{address}"
        limits = httpx2.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS)
        self._http = httpx2.AsyncClient(
            base_url=url,
            headers=headers,
            timeout=_TIMEOUT_SECONDS,
            limits=limits,
            verify=True if tls is None else tls.context(),
        )

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def call(
        self, method: str, path: str, *, accept: frozenset[int] = frozenset(), **options: Any
    ) -> httpx2.Response:
        """Return an answer of status 2xx, or of one to `accept`. Raises Unanswered, Throttled and Refused."""
        try:
            response = await self._http.request(method, path, **options)
        except httpx2.HTTPError as error:
            raise Unanswered(f"{type(error).__name__}: {error}") from error
        status = response.status_code
        if status in accept or status < _LEAST_REFUSAL:
            return response
        if status == _TOO_MANY:
            raise Throttled(float(response.headers.get("retry-after", 1)))
        transient = status >= _LEAST_FAILURE or status in self._again
        raise (Unanswered if transient else Refused)(f"{status}: {response.text}")

    async def reach(self, method: str, path: str, **options: Any) -> None:
        """Call once; raises Unreachable with the reason."""
        try:
            await self.call(method, path, **options)
        except Throttled:
            return
        except Unanswered as error:
            raise Unreachable(f"cannot reach {self.address} by HTTP: {error}") from None
        except Refused as error:
            raise Unreachable(f"{self.address} does not let this key verify over HTTP: {error}") from None
