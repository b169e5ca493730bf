"""What a reader holds, and how often it was given the same."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from apps.book import Data, Entity, Row, Sent


@dataclass
class Replica:
    """One life of a reader's store: it trusts what it is given."""

    rows: dict[Entity, Row] = field(default_factory=dict)
    given: dict[Entity, int] = field(default_factory=dict)
    """The last revision of each entity that came on a page."""
    given_again: dict[str, int] = field(default_factory=dict)
    """How many versions came on a page more than once, by entity type."""
    pushed: dict[str, int] = field(default_factory=dict)
    """How many pushes have put a cursor of each type somewhere."""
    last_pages: dict[tuple[str, ...], set[Entity]] = field(default_factory=dict)
    """What each cursor brought since it was last at a page's end, not where a push put it."""
    before_page: dict[tuple[str, ...], set[Entity]] = field(default_factory=dict)
    """The same, before the page that is being taken."""

    def take(self, row: Row) -> bool:
        """Hold a version from a page; returns whether it has come before."""
        again = self.given.get(row.entity) == row.revision
        if again:
            kind = row.entity[0]
            self.given_again[kind] = self.given_again.get(kind, 0) + 1
        self.rows[row.entity] = row
        self.given[row.entity] = row.revision
        return again

    def turn_page(self, cursor: tuple[str, ...], rows: Iterable[Row], *, is_own: bool) -> None:
        """Note that a page comes, from a position of the reader's own or from where a push put it."""
        self.before_page[cursor] = self.last_pages.get(cursor, set())
        kept = set() if is_own else self.before_page[cursor]
        self.last_pages[cursor] = kept | {row.entity for row in rows}

    def date(self, entity: Entity, revision: int) -> None:
        """Note the revision of what a change made of an entity."""
        if entity in self.rows and revision > self.revision(entity):
            self.rows[entity] = Row(entity, revision, self.rows[entity].data)

    def learn(self, row: Row) -> None:
        """Hold a version from the answer to a push, unless a later one is here already."""
        if row.revision >= self.revision(row.entity):
            self.rows[row.entity] = row

    def do(self, one: Sent) -> None:
        """Do what the user did, before the server knows of it."""
        self.rows[one.entity] = Row(one.entity, self.revision(one.entity), self.after(one))

    def after(self, one: Sent) -> Data | None:
        """Return what a change makes of what is here."""
        before = self.rows[one.entity].data if one.entity in self.rows and one.action == "update" else None
        return None if one.action == "delete" else {**(before or {}), **one.data}

    def revision(self, entity: Entity) -> int:
        return self.rows[entity].revision if entity in self.rows else 0

    def there(self) -> dict[Entity, Data]:
        """Return what its user sees."""
        return {entity: row.data for entity, row in self.rows.items() if row.data is not None}

    def differences(self, truth: Mapping[Entity, Data], kinds: Iterable[str]) -> list[str]:
        """Compare what is here of some types with what the server has."""
        here, wanted = self.there(), {entity: data for entity, data in truth.items() if entity[0] in set(kinds)}
        told = [f"lacks {entity}" for entity in wanted if entity not in here]
        told += [f"has {entity}, which is deleted" for entity in here if entity not in wanted]
        return told + [
            f"has {entity} as {here[entity]}, not {data}"
            for entity, data in wanted.items()
            if entity in here and here[entity] != data
        ]
