"""Paths as a set that also holds templates, of which each stands for many paths."""

from collections.abc import Iterable

from starlette.routing import compile_path


class Paths:
    """Tells which paths are in it; a template names its parts as in `/rxdb/{collection}/pullStream`."""

    def __init__(self, paths: Iterable[str]) -> None:
        all_paths = list(paths)
        self._exact = frozenset(path for path in all_paths if "{" not in path)
        self._templates = [compile_path(path)[0] for path in all_paths if "{" in path]

    def __contains__(self, path: str) -> bool:
        return path in self._exact or any(template.match(path) for template in self._templates)
