"""Which schema this version works with; said apart from SQLAlchemy, which takes longer to load than a look-up."""

from typing import Final

WANTED: Final = "0004"
"""The last of the migrations, whose numbers are their order.

A newer one will do where its migration says so: until it is finished, servers of the version before may go on.
"""


class MigrationRefused(Exception):
    """A migration, or its last phase, cannot be run now: says why; nothing has been changed."""


class SchemaNotCurrent(Exception):
    """The database's schema is not one that this version works with."""

    def __init__(self, found: str | None) -> None:
        self.newer = found is not None and found > WANTED
        advice = "use a newer version of Syncline" if self.newer else "run `syncline migrate` on it first"
        super().__init__(f"the database's schema is at {found or 'nothing'}, this version needs {WANTED}: {advice}")


def require_current(found: str | None) -> None:
    """Raise SchemaNotCurrent unless `found`, the schema of a database, is the one this version works with."""
    if found != WANTED:
        raise SchemaNotCurrent(found)
