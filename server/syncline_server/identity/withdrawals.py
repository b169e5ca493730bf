"""That what a credential has opened ends when it is withdrawn: its key, the secret of its session, its project."""

import asyncio
from types import TracebackType
from typing import Final

from syncline_server.identity.principal import Principal
from syncline_server.identity.projects import ProjectKey, ProjectState, Registry, secret_id
from syncline_server.sync.errors import KeyInvalid, ProjectDisabled, SessionInvalid, StoreUnavailable, SyncError

LOOK_SECONDS: Final = 10.0
_KEYS_AT_ONCE: Final = 100


class Watched:
    """A call that lasts; use as `with`. When its credential is withdrawn, the block ends with its SyncError."""

    __slots__ = ("_error", "_others", "_task", "principal")

    def __init__(self, principal: Principal, others: "set[Watched]") -> None:
        """Be one of the calls of a key."""
        self.principal = principal
        self._others = others
        self._task: asyncio.Task[object] | None = None
        self._error: SyncError | None = None

    def __enter__(self) -> None:
        """Begin."""
        self._task = asyncio.current_task()
        self._others.add(self)

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> None:
        """End."""
        self._others.discard(self)
        task, self._task = self._task, None
        if self._error is not None and isinstance(error, asyncio.CancelledError):
            assert task is not None
            task.uncancel()
            raise self._error from None

    def withdraw(self, error: SyncError) -> None:
        """End the block with an error."""
        if self._task is not None and self._error is None:
            self._error = error
            self._task.cancel()


class Withdrawals:
    """Looks for what was withdrawn of that which keeps calls open: one look-up for many keys, and all their calls."""

    def __init__(self, registry: Registry) -> None:
        """Look keys up in `registry`."""
        self._registry = registry
        self._open: dict[str, set[Watched]] = {}

    def watched(self, principal: Principal) -> Watched:
        """Watch over the credentials of a call that lasts."""
        assert principal.key is not None
        return Watched(principal, self._open.setdefault(principal.key.id, set()))

    async def keep_looking(self) -> None:
        """Look every ten seconds, until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Look once."""
        self._open = {key_id: watched for key_id, watched in self._open.items() if watched}
        key_ids = list(self._open)
        for first in range(0, len(key_ids), _KEYS_AT_ONCE):
            asked = key_ids[first : first + _KEYS_AT_ONCE]
            try:
                found = await self._registry.find_keys(asked)
            except StoreUnavailable:
                return
            for key_id in asked:
                for one in list(self._open[key_id]):
                    if error := _withdrawn(found.get(key_id), one.principal):
                        one.withdraw(error)


def _withdrawn(key: ProjectKey | None, principal: Principal) -> SyncError | None:
    if key is None:
        return KeyInvalid("x-api-key: the API key has been withdrawn", cause="withdrawn")
    if key.project.state is ProjectState.DISABLED:
        return ProjectDisabled()
    if principal.secret_id and all(secret_id(secret) != principal.secret_id for secret in key.project.session_secrets):
        return SessionInvalid("authorization: the secret of the session has been withdrawn", cause="withdrawn")
    return None
