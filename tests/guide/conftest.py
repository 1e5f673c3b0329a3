"""The packaged beaconing detection, copied so that a test can spoil it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from polysigma.catalog import read_rules, rules_root
from polysigma.guide import check_guides

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from polysigma.diagnostics import Diagnostic

DETECTION = "botnet_node_beaconing"


class Copy:
    """A copy of the detection's folder, with its lock."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / DETECTION
        shutil.copytree(rules_root() / DETECTION, self.folder)
        shutil.copy(rules_root() / "lock.json", root)

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{file} has no {old!r}"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    def line(self, file: str, marker: str) -> int:
        """The line on which a text stands first."""
        text = (self.folder / file).read_text(encoding="utf-8")
        return text[: text.index(marker)].count("\n") + 1

    def check(self) -> list[Diagnostic]:
        files, findings = read_rules([str(self.folder)])
        return [*findings, *check_guides(files)]


@pytest.fixture(scope="module")
def new_copy(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Copy]:
    return lambda: Copy(tmp_path_factory.mktemp("rules"))


@pytest.fixture
def copy(new_copy: Callable[[], Copy]) -> Copy:
    return new_copy()
