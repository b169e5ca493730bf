"""How a project signs what it hands out: JWTs under its session secret."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import jwt

from syncline_server.sync.errors import SessionExpired, SessionInvalid

USE_CLAIM: Final = "syncline_use"
"""What a token of ours is for that is no session token."""
_ALGORITHM: Final = "HS256"
"""The only one: a token's own word for it counts for nothing."""


def signed(claims: Mapping[str, Any], secret: str, *, key_id: str | None = None) -> str:
    """Return a token with these claims; `key_id` names the project key that it stands for."""
    return jwt.encode(dict(claims), secret, algorithm=_ALGORITHM, headers=None if key_id is None else {"kid": key_id})


def verified(text: str, secrets: Sequence[str], *, require: Sequence[str]) -> dict[str, Any]:
    """Return the claims of a token that one of these secrets has signed. Raises SessionExpired and SessionInvalid.

    The claims in `require` are there, and the token is in force; nothing else is checked of them.
    """
    options: Any = {"require": list(require), "verify_aud": False, "verify_iat": False}
    for secret in secrets:
        try:
            claims: dict[str, Any] = jwt.decode(text, secret, algorithms=[_ALGORITHM], options=options)
        except jwt.InvalidSignatureError:
            continue
        except jwt.ExpiredSignatureError:
            raise SessionExpired from None
        except (jwt.InvalidTokenError, ValueError):
            raise SessionInvalid from None
        return claims
    raise SessionInvalid


def key_id_in(text: str) -> str | None:
    """Return the id of the project key that a token names, before anything of it is verified; None: none."""
    try:
        key_id = jwt.get_unverified_header(text).get("kid")
    except (jwt.InvalidTokenError, ValueError):
        return None
    return key_id if isinstance(key_id, str) else None
