"""Whom a call acts for, and what it may do."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from syncline_server.identity.ids import check_id
from syncline_server.identity.projects import KeyKind, ProjectKey
from syncline_server.identity.scopes import Scopes
from syncline_server.sync.errors import ServerKeyRequired, SessionInvalid, TypeForbidden, UserForbidden


@dataclass(frozen=True, slots=True)
class Principal:
    """Whom a call acts for, once its key and token have been checked."""

    project_id: int
    kind: KeyKind
    user_id: str | None
    """None: a server key that has named nobody (yet)."""
    session: str
    """The device if known, else a hash of the session token; empty for a server key that names no device."""
    device_known: bool
    scopes: Scopes
    expires_at: float | None
    """The end of the session, in seconds since the Unix epoch."""
    key: ProjectKey | None = field(default=None, repr=False)
    """The key that was used."""
    secret_id: str = field(default="", repr=False)
    """The project's secret that the session was signed with; empty: there is no session."""

    @property
    def user(self) -> str:
        """The user; call `acting_for` first."""
        assert self.user_id is not None
        return self.user_id

    @property
    def caller(self) -> tuple[int, str | None]:
        """Who shares limits with whom: all calls of a user, or all of a project's server keys that name nobody."""
        return self.project_id, self.user_id

    def acting_for(self, user_id: str) -> "Principal":
        """Return the principal for the user that a request names (empty: none); T4.

        Raises UserForbidden, or SessionInvalid when a user is needed and none is known.
        """
        if not user_id or user_id == self.user_id:
            if self.user_id is None:
                problem = "authorization: without a session token a server key has to name a user (user_id)"
                raise SessionInvalid(problem, cause="no_user")
            return self
        if self.kind is not KeyKind.SERVER:
            raise UserForbidden
        check_id("user_id", user_id)
        session = self.session if self.device_known else ""
        return replace(self, user_id=user_id, session=session, scopes=Scopes(None), expires_at=None)

    def acting_for_all(self) -> "Principal":
        """Return the principal for all users of its project; raises ServerKeyRequired."""
        if self.kind is not KeyKind.SERVER:
            raise ServerKeyRequired
        return replace(self, user_id=None, session="", scopes=Scopes(None), expires_at=None)

    def check_types(self, entity_types: Iterable[str]) -> None:
        """Raise TypeForbidden unless the session's scopes cover every one of these types."""
        for entity_type in entity_types:
            if not self.scopes.cover(entity_type):
                raise TypeForbidden(entity_type)
