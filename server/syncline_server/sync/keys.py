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
    return _owner_digest(project_id, user_id) + _short_digest(
        f"{project_id}\x1f{user_id}\x1f{entity_type}\x1f{entity_id}"
    )


def note_key(project_id: int, user_id: str, name: str) -> str:
    """Derive the one-column key of a note, as `entity_key`."""
    return _owner_digest(project_id, user_id) + _short_digest(f"{project_id}\x1f{user_id}\x1f{name}")


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
    digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
    return binascii.b2a_base64(digest, newline=False)[:22].translate(_TO_URL_SAFE).decode("ascii")
