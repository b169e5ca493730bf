"""In what the SQL of the databases differs, where their statements are the same but for it."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SqlDialect:
    """The words of one of them."""

    utf8: str
    """Data as bytes, or as what can be joined to bytes."""
    of_bytes: str
    """The type."""
    joined: str
    """All laid out versions of a page, joined to bytes."""
    among: Callable[[str, str], str]
    """The condition that a column is one of the many values that a parameter stands for."""
    heads: str
    """The rows of `heads` of the projects that the first parameter stands for."""
    shown: str
    """What a session has shown, as JSON."""
    greatest: str
    """The function that returns the greater of two numbers."""
    place: str
    """Which tables these are, where they may be replaced under a connection."""
    clock: str
    """The database's clock, in µs; NULL where it has no good one."""
    found: str
    """The entities of the keys $3, each with the place of its key, from 0, as `ordinal`."""
    carried: str
    """What is kept of them while their sizes are summed up."""
    again: str
    """Joins to that what is not carried."""
    declared: str
    """A parameter has to be in a statement for PostgreSQL to know its type."""

    def head_of(self, project_id: str, floor: str = "heads.head") -> str:
        """Return a project's head, in a statement that reads `heads`, or finds the floor there some other way.

        It is the revision of its last version.

        No row is updated by every commit: while a snapshot is held, each of its old states would have to be walked over
        to find the one in force. What `heads` has is a floor, for a log whose last versions are gone.
        """
        last = f"(SELECT max(revision) FROM entities WHERE project_id = {project_id})"  # noqa: S608  # our own words
        return f"{self.greatest}({floor}, coalesce({last}, 0))"
