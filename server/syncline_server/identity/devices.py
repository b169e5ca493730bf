"""Which devices a session may say it is: how many in a day, and in some projects only the one that its token names."""

from typing import Final

from cachetools import TTLCache

from syncline_server.identity.projects import Project
from syncline_server.sync.errors import RateLimited, RequestInvalid

_DAY_SECONDS: Final = 24 * 3600
_REMEMBERED_USERS: Final = 50_000


class Devices:
    """Checks the devices that sessions name. Each one invented costs rows, which are kept until it is forgotten."""

    def __init__(self, per_user: int) -> None:
        """Take so many devices of a user in a day (0: any number), in this process."""
        self._per_user = per_user
        self._seen: TTLCache[tuple[int, str], set[int]] = TTLCache(_REMEMBERED_USERS, _DAY_SECONDS)

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


def check_header(project: Project, named: str, in_token: str) -> None:
    """Check the device that a header names (empty: none) beside a session token. Raises RequestInvalid."""
    if project.bound_devices and named and named != in_token:
        raise RequestInvalid("x-device-id", "must be the device_id of the session token: this project takes no other")
