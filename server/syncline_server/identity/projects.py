"""What a project is: a tenant with its keys and the secret of its session tokens."""

import hashlib
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from syncline_server.sync.errors import ProjectDisabled, RequestInvalid

_KEY_ID_BYTES: Final = 6
_KEY_SECRET_BYTES: Final = 32
_SESSION_SECRET_BYTES: Final = 48
_KEY_ID: Final = re.compile(r"[A-Za-z0-9.\-]{1,64}", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}", re.ASCII)


class KeyKind(StrEnum):
    """What a project key is for."""

    CLIENT = "client"
    """Apps; needs a session token beside it."""
    SERVER = "server"
    """Internal services; may act for any user and read the whole project."""


class ProjectState(StrEnum):
    """What may be done with a project."""

    ACTIVE = "active"
    DISABLED = "disabled"
    """All its calls are refused, and its streams end; its rows stay."""
    DELETING = "deleting"
    """Its entities become tombstones, which can be read until its rows go; it takes no pushes."""


@dataclass(frozen=True, slots=True)
class Project:
    """A tenant: one app, its keys, its users, its log."""

    id: int
    name: str
    session_secrets: tuple[str, ...]
    """HS256 secrets of the project's session tokens, newest first: the first one signs, all of them verify."""
    created_at_us: int
    bound_devices: bool = False
    """Whether a session may name no device but the one in its token."""
    disabled_at_us: int | None = None
    delete_at_us: int | None = None
    """When its rows go; None: it is not being deleted."""

    @property
    def state(self) -> ProjectState:
        """What may be done with it."""
        if self.delete_at_us is not None:
            return ProjectState.DELETING
        return ProjectState.ACTIVE if self.disabled_at_us is None else ProjectState.DISABLED

    def check_read(self) -> None:
        """Raise ProjectDisabled where all calls are refused."""
        if self.state is ProjectState.DISABLED:
            raise ProjectDisabled

    def check_written(self) -> None:
        """Raise ProjectDisabled unless pushes are taken."""
        self.check_read()
        if self.state is ProjectState.DELETING:
            raise ProjectDisabled("The project is being deleted; it takes no pushes.")

    @property
    def session_secret(self) -> str:
        """The secret that signs."""
        return self.session_secrets[0]


@dataclass(frozen=True, slots=True)
class ProjectKey:
    """A project key as it is stored."""

    id: str
    project: Project
    kind: KeyKind
    secret_hash: bytes
    """SHA-256 of the whole key; the secret has 256 bits, so a slow hash would only be a way to overload the server."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made; its text is shown once."""

    id: str
    kind: KeyKind
    text: str


@dataclass(frozen=True, slots=True)
class NewProject:
    """A project just made, with the only copy of its keys' texts."""

    name: str
    client_key: NewKey
    server_key: NewKey


class NoSuchProject(Exception):
    """There is no project of this name."""


class ProjectDeleting(Exception):
    """A project is being deleted, which has no way back."""


class NoSuchKey(Exception):
    """A project has no key of this id that is in force."""


class ProjectExists(Exception):
    """There is a project of this name already."""


class Registry(Protocol):
    """Finds the keys of projects."""

    async def find_key(self, key_id: str) -> ProjectKey | None:
        """Return the key of this public id, if it is in force. Raises StoreUnavailable."""

    async def find_keys(self, key_ids: Collection[str]) -> dict[str, ProjectKey]:
        """Return those of some hundred keys that are in force, by public id. Raises StoreUnavailable."""

    async def note_use(self, key_id: str, day: int) -> None:
        """Store that a key was used on a day, counted from the Unix epoch. Raises StoreUnavailable."""


class ProjectMaker(Protocol):
    """Makes projects, and makes and ends their keys and secrets."""

    async def create(self, name: str) -> NewProject:
        """Make a project with one key of each kind. Raises ProjectExists and StoreUnavailable."""

    async def add_key(
        self, project: Project, kind: KeyKind, name: str = "", expires_at_us: int | None = None
    ) -> NewKey:
        """Make one more key of a project; `name` is for its operator. Raises StoreUnavailable."""

    async def end_key(self, project: Project, key_id: str, at_us: int | None) -> None:
        """Let a key expire at a time, or revoke it now (None). Raises NoSuchKey and StoreUnavailable."""

    async def add_secret(self, project: Project) -> str:
        """Make a session secret that signs from now on; those before verify on. Raises StoreUnavailable."""

    async def retire_secrets(self, project: Project) -> int:
        """Drop all session secrets but the newest; returns how many. Raises StoreUnavailable."""

    async def rename(self, project: Project, name: str) -> None:
        """Give a project another name. Raises ProjectExists and StoreUnavailable."""

    async def set_disabled(self, project: Project, *, disabled: bool) -> None:
        """Refuse all calls of a project, or take them again. Raises ProjectDeleting and StoreUnavailable."""

    async def begin_deletion(self, project: Project, delete_at_us: int) -> None:
        """Let the rows of a project go at a time. Raises ProjectDeleting and StoreUnavailable."""

    async def bind_devices(self, project: Project, *, bound: bool) -> None:
        """Say whether sessions may name no device but the one in their tokens. Raises StoreUnavailable."""


def check_key_name(name: str) -> None:
    """Raise RequestInvalid unless a key can have this name; empty: it has none."""
    if name:
        check_project_name(name)


def new_key(kind: KeyKind) -> NewKey:
    """Make a key: `sl_<kind>_<public id>_<secret>`."""
    key_id = secrets.token_hex(_KEY_ID_BYTES)
    return NewKey(key_id, kind, f"sl_{kind}_{key_id}_{secrets.token_hex(_KEY_SECRET_BYTES)}")


def is_key_id(text: str) -> bool:
    """Tell whether a text has the form of a key's public id."""
    return _KEY_ID.fullmatch(text) is not None


def key_id_of(text: str) -> str | None:
    """Return the public id in the text of a key; None when the text has not the form of one."""
    parts = text.split("_")
    has_form = len(parts) == 4 and parts[0] == "sl" and is_key_id(parts[2])  # noqa: PLR2004  # sl, kind, id, secret
    return parts[2] if has_form else None


def hash_key(text: str) -> bytes:
    """Return what is stored of a key."""
    return hashlib.sha256(text.encode()).digest()


def secret_id(session_secret: str) -> str:
    """Name a session secret without showing it."""
    return hashlib.sha256(session_secret.encode()).hexdigest()[:16]


def new_session_secret() -> str:
    """Make the secret of a project's session tokens."""
    return secrets.token_urlsafe(_SESSION_SECRET_BYTES)


def check_project_name(name: str) -> None:
    """Raise RequestInvalid unless `name` is one for a project: 1 to 64 letters, digits, `_ . -`."""
    if not _NAME.fullmatch(name):
        raise RequestInvalid("name", "must be 1 to 64 letters, digits, _ . -, and begin with a letter or digit")
