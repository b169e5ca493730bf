"""Credentials as a bridge sends them: bytes, the same ones for the same caller, which are read once for a while."""

from typing import Final

from google.protobuf.message import DecodeError

from syncline.relay.v1 import relay_pb2
from syncline_server.identity.authenticator import Authenticator
from syncline_server.identity.credentials import Credentials
from syncline_server.identity.principal import Principal
from syncline_server.sync.errors import RequestInvalid

_MOST_BYTES: Final = 16 * 1024
"""As much as gRPC takes of metadata."""
_REMEMBERED: Final = 10_000
_REMEMBERED_BYTES: Final = 2048
"""Longer ones are read each time."""


class RelayedCredentials:
    """Reads credentials. What they say is remembered here; whether they are good, the authenticator alone knows."""

    def __init__(self, authenticator: Authenticator) -> None:
        """Remember those whose callers `authenticator` has let in."""
        self._authenticator = authenticator
        self._read: dict[bytes, Credentials] = {}

    def read(self, raw: bytes) -> Credentials:
        """Return what the bytes say. Raises RequestInvalid."""
        return self._read.get(raw) or _parsed(raw)

    def known(self, credentials: Credentials) -> Principal | None:
        """Return the principal of credentials that were good a moment ago; None: it has to be found out."""
        return self._authenticator.known(credentials)

    def remember(self, raw: bytes, credentials: Credentials) -> bool:
        """Remember what the bytes say if their caller was let in; tells whether that is so."""
        if self._authenticator.known(credentials) is None:
            return False
        if len(raw) <= _REMEMBERED_BYTES:
            if len(self._read) >= _REMEMBERED:
                self._read.clear()
            self._read[raw] = credentials
        return True


def _parsed(raw: bytes) -> Credentials:
    if len(raw) > _MOST_BYTES:
        raise RequestInvalid("credentials", f"must be at most {_MOST_BYTES} bytes long", limit=_MOST_BYTES)
    try:
        sent = relay_pb2.Credentials.FromString(raw)
    except DecodeError:
        raise RequestInvalid("credentials", "must be a message of the contract, with strings in UTF-8") from None
    credentials = Credentials(sent.api_key, sent.authorization, sent.device_id, ticket="")
    for field, value in zip(("api_key", "authorization", "device_id"), credentials, strict=False):
        if not (value.isascii() and value.isprintable()):
            raise RequestInvalid(f"credentials.{field}", "must be printable ASCII")
    return credentials
