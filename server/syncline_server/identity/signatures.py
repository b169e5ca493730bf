"""How a project signs what it hands out: JWTs under its session secret."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import jwt

from syncline_server.identity.projects import is_key_id
from syncline_server.sync.errors import SessionExpired, SessionInvalid

USE_CLAIM: Final = "syncline_use"
"""What a token of ours is for that is no session token."""
_SUBJECT: Final = "authorization: the session token"
_ALGORITHM: Final = "HS256"
"""The only one: a token's own word for it counts for nothing."""


def signed(claims: Mapping[str, Any], secret: str, *, key_id: str | None = None) -> str:
    """Return a token with these claims; `key_id` names the project key that it stands for."""
    return jwt.encode(dict(claims), secret, algorithm=_ALGORITHM, headers=None if key_id is None else {"kid": key_id})


def verified(text: str, secrets: Sequence[str], *, require: Sequence[str]) -> tuple[dict[str, Any], str]:
    """Return the claims of a token, and which of these secrets has signed it. Raises SessionExpired and SessionInvalid.

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
        except (jwt.InvalidTokenError, ValueError) as error:
            raise _untrusted(error) from None
        return claims, secret
    raise SessionInvalid(f"{_SUBJECT} is signed with another secret than this project's", cause="signature")


def _untrusted(error: Exception) -> SessionInvalid:
    """Return what a client is told of a token that PyJWT refuses for another reason than its signature."""
    match error:
        case jwt.MissingRequiredClaimError():
            return SessionInvalid(f"{_SUBJECT} lacks the claim {error.claim}", cause="claim", field=error.claim)
        case jwt.ImmatureSignatureError():
            return SessionInvalid(f"{_SUBJECT} is not valid yet (nbf)", cause="not_yet_valid", field="nbf")
        case jwt.InvalidAlgorithmError():
            return SessionInvalid(f"{_SUBJECT} has to be signed with {_ALGORITHM}", cause="algorithm")
        case jwt.exceptions.InvalidSubjectError():
            return SessionInvalid("authorization: the claim sub: must be a string", cause="claim", field="sub")
        case _:
            return SessionInvalid(f"{_SUBJECT} is malformed", cause="malformed")


def key_id_in(text: str) -> str | None:
    """Return the id of the project key that a token names, before anything of it is verified; None: none."""
    try:
        key_id = jwt.get_unverified_header(text).get("kid")
    except (jwt.InvalidTokenError, ValueError):
        return None
    return key_id if isinstance(key_id, str) and is_key_id(key_id) else None
