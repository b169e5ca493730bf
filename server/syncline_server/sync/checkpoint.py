"""What a checkpoint token is: a position, bound to one scope of one store's history (T1)."""

import base64
import binascii
import hmac
import struct
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from syncline_server.sync.errors import CheckpointInvalid
from syncline_server.sync.history import Position

_VERSION: Final = 1
_BODY: Final = struct.Struct(">BBQ8sq")
_TAG_BYTES: Final = 16
_KEPT_SCOPE_TAGS: Final = 16_384
_TOKEN_CHARACTERS: Final = (_BODY.size + _TAG_BYTES) * 4 // 3
assert (_BODY.size + _TAG_BYTES) % 3 == 0, "no padding, so that every position has one spelling"

ScopeTag = Mapping[int, bytes]
"""The 8 bytes that name a scope in tokens, by the id of the key."""


class CheckpointCodec:
    """Writes and reads tokens.

    A token is base64url of version, key id, epoch id, scope tag, revision and a truncated HMAC-SHA256. It is a
    position, never an authorisation: the scope always comes from the credentials of the call.
    """

    def __init__(self, secrets: Mapping[int, bytes]) -> None:
        """Read tokens of all these keys, by their ids (0 to 255), and sign with the first of them."""
        # A copy of one that is keyed costs half of a new one.
        self._keyed = {key_id: hmac.new(secret, digestmod="sha256") for key_id, secret in secrets.items()}
        self._key_id = next(iter(secrets))
        self.scope_tag = lru_cache(_KEPT_SCOPE_TAGS)(self._scope_tag)

    def _scope_tag(self, project_id: int, user_id: str | None) -> ScopeTag:
        """Name a scope, under each key: one user of a project, or (None) the whole project."""
        scope = f"scope\x1f{project_id}" if user_id is None else f"scope\x1f{project_id}\x1f{user_id}"
        return {key_id: self._digest(key_id, scope.encode())[:8] for key_id in self._keyed}

    def encode(self, scope_tag: ScopeTag, position: Position) -> str:
        """Return the token of a position."""
        body = _BODY.pack(_VERSION, self._key_id, position.epoch_id, scope_tag[self._key_id], position.revision)
        return base64.urlsafe_b64encode(body + self._sign(self._key_id, body)).decode()

    def decode(self, scope_tag: ScopeTag, token: str) -> Position:
        """Return the position of a token of this scope; whether it is of this history is for the history to say.

        Raises CheckpointInvalid for anything but such a token.
        """
        body, tag = self._split(token)
        _, key_id, epoch_id, token_scope, revision = _BODY.unpack(body)
        if not hmac.compare_digest(tag, self._sign(key_id, body)):
            raise CheckpointInvalid
        if not hmac.compare_digest(token_scope, scope_tag[key_id]):
            raise CheckpointInvalid
        return Position(epoch_id, revision)

    def _split(self, token: str) -> tuple[bytes, bytes]:
        if len(token) != _TOKEN_CHARACTERS:
            raise CheckpointInvalid
        try:
            raw = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
        except (binascii.Error, UnicodeEncodeError):
            raise CheckpointInvalid from None
        # The decoder takes `+` and `/` too, and so a second spelling.
        if raw[0] != _VERSION or raw[1] not in self._keyed or "+" in token or "/" in token:
            raise CheckpointInvalid
        return raw[: _BODY.size], raw[_BODY.size :]

    def _sign(self, key_id: int, body: bytes) -> bytes:
        return self._digest(key_id, b"checkpoint\x1f" + body)[:_TAG_BYTES]

    def _digest(self, key_id: int, message: bytes) -> bytes:
        """Return HMAC-SHA256 of a message."""
        keyed = self._keyed[key_id].copy()
        keyed.update(message)
        return keyed.digest()
