"""How much may wait to be committed: bounds a project and in all, over which a push is refused at once."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from syncline_server.sync.errors import Overloaded

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Bound:
    """The most that may wait."""

    pushes: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class BacklogLimits:
    """What the backlog of a server may not exceed; sizes are those of the pushes in memory."""

    of_project: Bound = field(default_factory=lambda: Bound(8_192, 48 * _MIB))
    in_all: Bound = field(default_factory=lambda: Bound(16_384, 64 * _MIB))


@dataclass(slots=True)
class _Count:
    pushes: int = 0
    size_bytes: int = 0

    def add(self, pushes: int, size_bytes: int) -> None:
        self.pushes += pushes
        self.size_bytes += size_bytes

    def has_room(self, size_bytes: int, bound: Bound) -> bool:
        """Tell whether one more may wait; one that is too large for the bound waits alone."""
        fits = not self.pushes or self.size_bytes + size_bytes <= bound.size_bytes
        return fits and self.pushes < bound.pushes


class Backlog:
    """Counts what waits in all committers of a process, from when it comes until it is answered."""

    def __init__(self, limits: BacklogLimits, on_refused: Callable[[], object] = lambda: None) -> None:
        """Hold what waits to `limits`, and call `on_refused` for each that is refused."""
        self._limits = limits
        self._on_refused = on_refused
        self._projects: defaultdict[int, _Count] = defaultdict(_Count)
        self._all = _Count()

    @property
    def pushes(self) -> int:
        """How many wait."""
        return self._all.pushes

    @property
    def size_bytes(self) -> int:
        """How much memory they take."""
        return self._all.size_bytes

    def has_room(self, size_bytes: int) -> bool:
        """Tell whether so much more may wait, as far as that can be told before it is known whose it is."""
        return self._all.has_room(size_bytes, self._limits.in_all)

    def enter(self, project_id: int, size_bytes: int) -> None:
        """Count one that begins to wait. Raises Overloaded."""
        project = self._projects[project_id]
        if not (project.has_room(size_bytes, self._limits.of_project) and self.has_room(size_bytes)):
            self._on_refused()
            raise Overloaded
        project.add(1, size_bytes)
        self._all.add(1, size_bytes)

    def leave(self, project_id: int, size_bytes: int) -> None:
        """Count one that waits no longer."""
        project = self._projects[project_id]
        project.add(-1, -size_bytes)
        self._all.add(-1, -size_bytes)
        if not project.pushes:
            del self._projects[project_id]
