"""Which entity types the scopes of a session cover."""

from collections.abc import Iterable


class Scopes:
    """The scopes of one session token: a space-separated `scope` claim (RFC 8693, section 4.2).

    A token without the claim is not limited. With it, the scope `sync` is needed for anything at all, and an entity
    type is covered by the scope of its lower-case name; one whose name joins others with `_` (a link between two
    types, say) also by the scopes of all of its parts.
    """

    def __init__(self, claim: str | None, only: Iterable[str] | None = None) -> None:
        """Take the claim (None: no claim), and the only types of what it covers (None: all of them)."""
        self.claim = claim
        self._only = None if only is None else frozenset(only)
        self._held = None if claim is None else frozenset(claim.split())

    @property
    def limited(self) -> bool:
        """Whether there is anything these scopes do not cover."""
        return self._held is not None or self._only is not None

    @property
    def allow_sync(self) -> bool:
        """Whether the session may sync at all."""
        return self._held is None or "sync" in self._held

    def cover(self, entity_type: str) -> bool:
        """Tell whether the session may read and write this type."""
        if self._only is not None and entity_type not in self._only:
            return False
        if self._held is None:
            return True
        name = entity_type.lower()
        return name in self._held or all(part in self._held for part in name.split("_"))
