"""How a checkpoint is spelled as a token, bound to one scope of one store's history (T1)."""

import base64
import binascii
import hmac
import struct
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from syncline_server.sync.circle import KIND_BYTES, MAX_KINDS, Checkpoint
from syncline_server.sync.errors import CheckpointInvalid

_PLAIN_VERSION: Final = 1
_PLAIN: Final = struct.Struct(">BBQ8sq")
"""Version, key id, epoch id, scope tag, revision: all is read up to the head, of every type."""
_FULL_VERSION: Final = 2
_FULL: Final = struct.Struct(">BBQ8sqqqqqB")
"""The same, then after, end, rest or began, head, and how many kinds follow.

`rest` and `began` are never both there in a circle, and what is at most `after` is `rest`.
"""
_TAG_BYTES: Final = 16
_KEPT_SCOPE_TAGS: Final = 16_384
assert not any((size + _TAG_BYTES) % 3 for size in (_PLAIN.size, _FULL.size, _FULL.size + KIND_BYTES)), (
    "no padding, so that every checkpoint has one spelling"
)
_PLAIN_CHARACTERS: Final = (_PLAIN.size + _TAG_BYTES) * 4 // 3
_FULL_CHARACTERS: Final = {(_FULL.size + kinds * KIND_BYTES + _TAG_BYTES) * 4 // 3 for kinds in range(MAX_KINDS + 1)}

OF_AN_UNKNOWN_KEY: Final = Checkpoint(0, 1, 1)
"""Stands for a token whose key is not known, as those of a database that was set up anew are: no epoch has the id 0, so
it is of a lost history, whoever made it."""

ScopeTag = Mapping[int, bytes]
"""The 8 bytes that name a scope in tokens, by the id of the key."""


class CheckpointCodec:
    """Writes and reads tokens.

    A token is base64url of a checkpoint, the key and the scope it is for, and a truncated HMAC-SHA256. It says what was
    read and is never an authorisation: the scope always comes from the credentials of the call.
    """

    def __init__(self, secrets: Mapping[int, bytes]) -> None:
        """Read tokens of all these keys, by their ids (0 to 255), and sign with the first of them."""
        self.use(secrets)

    def use(self, secrets: Mapping[int, bytes]) -> None:
        """Go on with these keys, as if it were new."""
        # A copy of one that is keyed costs half of a new one.
        self._keyed = {key_id: hmac.new(secret, digestmod="sha256") for key_id, secret in secrets.items()}
        self._key_id = next(iter(secrets))
        self.scope_tag = lru_cache(_KEPT_SCOPE_TAGS)(self._scope_tag)

    def _scope_tag(self, project_id: int, user_id: str | None) -> ScopeTag:
        """Name a scope, under each key: one user of a project, or (None) the whole project."""
        scope = f"scope\x1f{project_id}" if user_id is None else f"scope\x1f{project_id}\x1f{user_id}"
        return {key_id: self._digest(key_id, scope.encode())[:8] for key_id in self._keyed}

    def encode(self, scope_tag: ScopeTag, checkpoint: Checkpoint) -> str:
        """Return the token of a checkpoint."""
        body = _body(self._key_id, scope_tag[self._key_id], checkpoint)
        return base64.urlsafe_b64encode(body + self._sign(self._key_id, body)).decode()

    def decode(self, scope_tag: ScopeTag, token: str) -> Checkpoint:
        """Return the checkpoint of a token of this scope; whether it is of this history is for the history to say.

        One of a key that is not known is of no history. Raises CheckpointInvalid for anything else.
        """
        body, tag = self._split(token)
        key_id = body[1]
        if key_id not in self._keyed:
            return OF_AN_UNKNOWN_KEY
        if not hmac.compare_digest(tag, self._sign(key_id, body)):
            raise CheckpointInvalid
        token_scope, checkpoint = _read(body)
        if not hmac.compare_digest(token_scope, scope_tag[key_id]) or not checkpoint.is_sound:
            raise CheckpointInvalid
        # What is signed is still to be what this server would write.
        if _body(key_id, token_scope, checkpoint) != body:
            raise CheckpointInvalid
        return checkpoint

    def _split(self, token: str) -> tuple[bytes, bytes]:
        if len(token) != _PLAIN_CHARACTERS and len(token) not in _FULL_CHARACTERS:
            raise CheckpointInvalid
        try:
            raw = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
        except (binascii.Error, UnicodeEncodeError):
            raise CheckpointInvalid from None
        version = _PLAIN_VERSION if len(token) == _PLAIN_CHARACTERS else _FULL_VERSION
        # The decoder takes `+` and `/` too, and so a second spelling.
        if raw[0] != version or "+" in token or "/" in token:
            raise CheckpointInvalid
        return raw[:-_TAG_BYTES], raw[-_TAG_BYTES:]

    def _sign(self, key_id: int, body: bytes) -> bytes:
        return self._digest(key_id, b"checkpoint\x1f" + body)[:_TAG_BYTES]

    def _digest(self, key_id: int, message: bytes) -> bytes:
        """Return HMAC-SHA256 of a message."""
        keyed = self._keyed[key_id].copy()
        keyed.update(message)
        return keyed.digest()


def _body(key_id: int, scope: bytes, checkpoint: Checkpoint) -> bytes:
    epoch_id, revision, head, kinds, began, after, end, rest = checkpoint
    if revision == head and not (kinds or began or end):
        return _PLAIN.pack(_PLAIN_VERSION, key_id, epoch_id, scope, revision)
    fixed = _FULL.pack(_FULL_VERSION, key_id, epoch_id, scope, revision, after, end, rest or began, head, len(kinds))
    return fixed + b"".join(kinds)


def _read(body: bytes) -> tuple[bytes, Checkpoint]:
    """Return scope and checkpoint of what `_body` makes; of anything else, whatever comes of it."""
    if body[0] == _PLAIN_VERSION:
        _, _, epoch_id, scope, revision = _PLAIN.unpack(body)
        return scope, Checkpoint(epoch_id, revision, revision)
    _, _, epoch_id, scope, revision, after, end, shared, head, _ = _FULL.unpack_from(body)
    kinds = tuple(body[at : at + KIND_BYTES] for at in range(_FULL.size, len(body), KIND_BYTES))
    rest, began = (shared, 0) if end and shared <= after else (0, shared)
    return scope, Checkpoint(epoch_id, revision, head, kinds, began, after, end, rest)
