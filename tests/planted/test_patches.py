"""The planted bugs can be planted; `make planted` shows that each is found."""

import ast
import shutil
from pathlib import Path

import pytest

from planted.patches import ROOT, DoesNotApply, Patch, patches

PATCHES = patches()


def copies(patch: Patch, folder: Path) -> list[Path]:
    """Copy the files that a patch changes."""
    changed = []
    for path, _, _ in patch.edits:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        changed.append(Path(shutil.copy(ROOT / path, folder / path)))
    return changed


def test_there_are_eighteen():
    assert len(PATCHES) == 18


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.name)
def test_it_applies_changes_something_and_leaves_python(patch: Patch, tmp_path: Path):
    changed = copies(patch, tmp_path)
    before = [path.read_text() for path in changed]
    patch.apply(tmp_path)
    assert changed
    for path, text in zip(changed, before, strict=True):
        assert path.read_text() != text
        ast.parse(path.read_text())


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.name)
def test_what_should_find_it_is_there(patch: Patch):
    assert patch.suites
    for suite in patch.suites:
        assert (ROOT / suite[0].partition("::")[0]).exists()


def test_a_patch_that_is_too_old_is_noticed(tmp_path: Path):
    patch = PATCHES[0]
    copies(patch, tmp_path)
    patch.apply(tmp_path)
    with pytest.raises(DoesNotApply):
        patch.apply(tmp_path)
