"""What `make serve` installs is pinned by hashes, all of it and at the versions that are tested."""

import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "product.lock").read_text()
LOCKED = {canonicalize_name(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)", LOCK, re.MULTILINE)}
PINNED = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines())


def needed(name: str, extras: frozenset[str], seen: set[tuple[str, frozenset[str]]]) -> Iterator[str]:
    """Name all that a distribution brings along on this Python."""
    if (name, extras) in seen:
        return
    seen.add((name, extras))
    try:
        requirements = distribution(name).requires or ()
    except PackageNotFoundError:
        return
    for requirement in map(Requirement, requirements):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras or {""}):
            other = canonicalize_name(requirement.name)
            if other != "syncline":
                yield other
            yield from needed(other, frozenset(requirement.extras), seen)


def test_all_that_is_needed_has_a_hash():
    missing = set(needed("syncline", frozenset({"all"}), set())) - LOCKED.keys()
    assert not missing, f"`make lock` writes what is missing: {missing}"


def test_what_is_locked_is_what_is_tested():
    assert {name: PINNED.get(name, PINNED.get(name.replace("-", "_"))) for name in LOCKED} == LOCKED


def test_the_lock_names_no_host():
    assert not re.search(r"https?://|file://|--index|--find-links|--trusted-host", LOCK)
