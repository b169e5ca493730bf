"""Who operates a deployment: operators with keys of their own, which are nothing to do with those of projects."""

import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

_KEY_ID_BYTES: Final = 6
_KEY_SECRET_BYTES: Final = 32
_PARTS: Final = 4


class Role(StrEnum):
    """What an operator may do."""

    VIEWER = "viewer"
    """See how the deployment does; nothing of its users."""
    OPERATOR = "operator"
    """Do and see all there is."""


@dataclass(frozen=True, slots=True)
class Operator:
    """Who calls, and what they may do."""

    by: str
    """As the audit knows them."""
    role: Role

    @property
    def caller(self) -> tuple[int, str | None]:
        """Who shares limits with whom; no project has the number 0."""
        return 0, self.by


@dataclass(frozen=True, slots=True)
class RecordedOperator:
    """What is known of an operator beside the key, which nobody keeps."""

    id: str
    name: str
    role: Role
    created_at_us: int
    revoked_at_us: int | None


@dataclass(frozen=True, slots=True)
class NewOperator:
    """An operator just made; the text of the key is shown once."""

    id: str
    name: str
    role: Role
    text: str


class NoSuchOperator(Exception):
    """There is no operator of this id whose key is in force."""


class Operators(Protocol):
    """Makes operators, finds and ends them."""

    async def find(self, key_id: str) -> tuple[RecordedOperator, bytes] | None:
        """Return an operator whose key is in force, and its SHA-256. Raises StoreUnavailable."""

    async def create(self, name: str, role: Role) -> NewOperator:
        """Make an operator. Raises StoreUnavailable."""

    async def revoke(self, operator_id: str) -> None:
        """End the key of an operator. Raises NoSuchOperator and StoreUnavailable."""


def new_operator(name: str, role: Role) -> NewOperator:
    """Make an operator with a key: `sl_operator_<public id>_<secret>`."""
    key_id = secrets.token_hex(_KEY_ID_BYTES)
    return NewOperator(key_id, name, role, f"sl_operator_{key_id}_{secrets.token_hex(_KEY_SECRET_BYTES)}")


def operator_id_of(text: str) -> str | None:
    """Return the public id in the text of an operator's key; None: it has not the form of one."""
    parts = text.split("_")
    return parts[2] if len(parts) == _PARTS and parts[:2] == ["sl", "operator"] else None
