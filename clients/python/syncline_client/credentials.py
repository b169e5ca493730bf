"""Who is calling: the metadata of every call, and session tokens that are renewed when they expire."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable

from syncline import words

SessionToken = str | Callable[[], str | Awaitable[str]]
"""A session token, or a function that returns a fresh one whenever one is needed."""

Metadata = tuple[tuple[str, str], ...]


class Credentials:
    """A project key, and perhaps a session and a device."""

    def __init__(self, api_key: str, session_token: SessionToken | None, device_id: str | None) -> None:
        """A function as `session_token` is called before the first call, and once for each token that has expired."""
        self._fixed = (
            ("x-api-key", api_key),
            *((("x-device-id", words.header_of_text(device_id)),) if device_id else ()),
        )
        self._source = session_token
        self._token: str | None = None
        self._renewing = asyncio.Lock()

    async def metadata(self) -> Metadata:
        """Return the metadata of a call."""
        if self._source is None:
            return self._fixed
        async with self._renewing:
            if self._token is None:
                self._token = await _fresh(self._source)
            return (*self._fixed, _authorization(self._token))

    def renews(self, expired: Metadata) -> bool:
        """Tell whether a call that failed with this metadata may do better with other; forgets the token in it."""
        if not callable(self._source):
            return False
        # Another call may have renewed it meanwhile.
        if self._token is not None and _authorization(self._token) in expired:
            self._token = None
        return True


def _authorization(token: str) -> tuple[str, str]:
    return ("authorization", f"Bearer {token}")


async def _fresh(source: SessionToken) -> str:
    if isinstance(source, str):
        return source
    token = source()
    return await token if inspect.isawaitable(token) else token
