"""Which devices a session may say it is: how many in a day, and in some projects only the one that its token names."""

from collections.abc import Collection
from typing import Final

from cachetools import TTLCache

from syncline_server.sync.errors import RateLimited, RequestInvalid

_DAY_SECONDS: Final = 24 * 3600
_REMEMBERED_USERS: Final = 50_000
ALL_PROJECTS: Final = "*"


class Devices:
    """Checks the devices that sessions name. Each one invented costs rows, which are kept until it is forgotten."""

    def __init__(self, per_user: int, bound_projects: Collection[str]) -> None:
        """Take so many devices of a user in a day (0: any number), in this process.

        In `bound_projects` (`*`: in all), only a device that the session token names.
        """
        self._per_user = per_user
        self._bound_projects = frozenset(bound_projects)
        self._seen: TTLCache[tuple[int, str], set[int]] = TTLCache(_REMEMBERED_USERS, _DAY_SECONDS)

    def check_header(self, project: str, named: str, in_token: str) -> None:
        """Check the device that a header names (empty: none) beside a session token. Raises RequestInvalid."""
        if named and named != in_token and self._bound_projects & {project, ALL_PROJECTS}:
            raise RequestInvalid(
                "x-device-id", "must be the device_id of the session token: this project takes no other"
            )

    def check_number(self, project_id: int, user: str, device: str) -> None:
        """Count a device of a user. Raises RateLimited."""
        if not self._per_user or not device:
            return
        caller = (project_id, user)
        seen = self._seen.get(caller)
        if seen is None:
            seen = self._seen[caller] = set()
        if hash(device) not in seen and len(seen) >= self._per_user:
            raise RateLimited(
                scope="user",
                window_seconds=_DAY_SECONDS,
                maximum=self._per_user,
                unit="devices",
                retry_after_seconds=float(_DAY_SECONDS),
            )
        seen.add(hash(device))
