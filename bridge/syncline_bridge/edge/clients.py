"""Where requests come from, and what refusals cost there: the peers of connections, and the clients of proxies."""

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from syncline.proxies import FORWARDED_FOR, Proxies
from syncline.refusals import Refusals

_UNAUTHENTICATED = 401
_REFUSED = "refused"


class Clients:
    """Finds the address of a request's client."""

    def __init__(self, proxies: Proxies) -> None:
        """Believe `proxies`."""
        self._proxies = proxies

    def address_of(self, scope: Scope) -> str:
        """Return the address of a request's client; empty: a proxy does not say."""
        client = scope["client"]
        peer: str = client[0] if client else ""
        if not self._proxies.trusts(peer):
            return peer
        return self._proxies.address_of(peer, Headers(scope=scope).getlist(FORWARDED_FOR))


def note_refusal(scope: Scope) -> None:
    """Say of a request that it is refused for its credentials, whatever status it is answered with."""
    scope["state"][_REFUSED] = True


class HeldRefusals:
    """Let an address that is refused again and again wait for its refusals."""

    def __init__(self, app: ASGIApp, clients: Clients, delay_seconds: float) -> None:
        self._app = app
        self._clients = clients
        self._refusals = Refusals(delay_seconds, _tell)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def send_in_time(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_refused(scope, message["status"]):
                await self._refusals.hold(self._clients.address_of(scope))
            await send(message)

        await self._app(scope, receive, send_in_time)


def _is_refused(scope: Scope, status: int) -> bool:
    return status == _UNAUTHENTICATED or scope["state"].get(_REFUSED, False)


def _tell(address: str) -> None:
    line = "an address is refused again and again: it waits for its refusals"
    structlog.get_logger(__name__).info(line, address=address)
