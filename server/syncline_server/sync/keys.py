"""Keys of one column, derived from what names a thing; ids have no control characters, so that none can be forged."""

import binascii
import hashlib
from base64 import urlsafe_b64encode
from functools import lru_cache
from typing import Final

_TO_URL_SAFE: Final = bytes.maketrans(b"+/", b"-_")


def entity_key(project_id: int, user_id: str, entity_type: str, entity_id: str) -> str:
    """Derive the one-column key of an entity: 30 characters of base64url.

    One column, because only the unique index can serve a look-up by it, and its owner first, so that what is written
    together lies together (docs/decisions, entity key). Ids have no control characters, so the separator cannot be
    forged.
    """
    owner, begun = _begun(project_id, user_id, entity_type)
    digest = begun.copy()
    digest.update(entity_id.encode())
    return owner + _spelled(digest.digest())


def note_key(project_id: int, user_id: str, name: str) -> str:
    """Derive the one-column key of a note, as `entity_key`."""
    return _owner_digest(project_id, user_id) + _short_digest(f"{project_id}\x1f{user_id}\x1f{name}")


@lru_cache(maxsize=16_384)
def _begun(project_id: int, user_id: str, entity_type: str) -> "tuple[str, hashlib.blake2b]":
    """Return what the keys of a user's entities of a type have in common: their first characters, and a digest begun.

    It is only copied.
    """
    begun = hashlib.blake2b(f"{project_id}\x1f{user_id}\x1f{entity_type}\x1f".encode(), digest_size=16)
    return _owner_digest(project_id, user_id), begun


@lru_cache(maxsize=16_384)
def _owner_digest(project_id: int, user_id: str) -> str:
    """Return what the keys of a user's entities begin with: 8 characters."""
    digest = hashlib.blake2b(f"{project_id}\x1f{user_id}".encode(), digest_size=6).digest()
    return urlsafe_b64encode(digest).decode("ascii")


@lru_cache(maxsize=16_384)
def session_key(project_id: int, user_id: str, session: str) -> str:
    """Derive the one-column key of a session's shown positions, as `entity_key`; empty without a session."""
    return _short_digest(f"{project_id}\x1f{user_id}\x1f{session}") if session else ""


@lru_cache(maxsize=1024)
def push_key(project_id: int, user_id: str, device: str, push_id: str) -> str:
    """Derive the one-column key of a remembered push, as `entity_key`; its group asks for it several times."""
    return _short_digest(f"{project_id}\x1f{user_id}\x1f{device}\x1f{push_id}")


def _short_digest(text: str) -> str:
    return _spelled(hashlib.blake2b(text.encode(), digest_size=16).digest())


def _spelled(digest: bytes) -> str:
    return binascii.b2a_base64(digest, newline=False)[:22].translate(_TO_URL_SAFE).decode("ascii")
