"""What operators did: rows that are added with each act, in its own transaction, and never changed."""

import secrets
from dataclasses import dataclass
from typing import Final

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from syncline_server.store.clock import system_clock_us
from syncline_server.store.tables import audit

_ID_BYTES: Final = 6


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody did."""

    name: str
    """What, as `key.revoke`."""
    project: str = ""
    """Name of the project that it concerned; empty: none."""
    subject: str = ""
    """Id of what it concerned; empty: the project itself, or all."""


async def record(connection: AsyncConnection, by: str, act: Act) -> None:
    """Add an act to the audit, in a transaction."""
    when = {"at_us": system_clock_us(), "id": secrets.token_hex(_ID_BYTES)}
    what = {"by": by, "act": act.name, "project": act.project, "subject": act.subject}
    await connection.execute(insert(audit).values(**when, **what))
