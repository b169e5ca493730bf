"""Which metadata of a call are credentials."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from syncline_server.sync.errors import RequestInvalid

_NAMES: Final = ("x-api-key", "authorization", "x-device-id", "x-ticket")

Metadata = Iterable[tuple[str, str | bytes]]


class Credentials(NamedTuple):
    """What a call sends to say who is calling; empty where it sends nothing."""

    api_key: str
    authorization: str
    device_id: str
    ticket: str

    @property
    def bearer_token(self) -> str:
        """The token of an `authorization: Bearer …`; empty: there is none."""
        scheme, _, token = self.authorization.partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""


def credentials_of(metadata: Metadata | None) -> Credentials:
    """Return the credentials in the metadata of a call. Raises RequestInvalid for one that was sent twice.

    Which of the two counts, a proxy in front could have decided otherwise.
    """
    pairs = tuple(metadata or ())
    values = {key: value for key, value in pairs if isinstance(value, str)}
    if len(values) != len(pairs):
        names = [key for key, value in pairs if isinstance(value, str)]
        for name in _NAMES:
            if names.count(name) > 1:
                raise RequestInvalid(name, "must be sent once")
    get = values.get
    return Credentials(get("x-api-key", ""), get("authorization", ""), get("x-device-id", ""), get("x-ticket", ""))
