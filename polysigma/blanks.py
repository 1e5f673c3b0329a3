"""Blanks that `polysigma new` leaves in a detection's files, `<<What goes here>>`, and where they stand."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from polysigma.diagnostics import Diagnostic, Position

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

BLANK = re.compile(r"<<([^<>\n]+)>>")
FILES = ("rule.yml", "guide.yaml", "scenarios.yaml")


def blanks(folders: Iterable[Path]) -> dict[Path, list[Diagnostic]]:
    """The blanks in the files of some detections' folders, by the folder; nothing for folders without any."""
    found: dict[Path, list[Diagnostic]] = {}
    for folder in folders:
        for name in FILES:
            path = folder / name
            try:
                lines = path.read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError):
                continue  # whoever reads the file says what is wrong with it
            for number, line in enumerate(lines, start=1):
                for match in BLANK.finditer(line):
                    message = f"is to be filled in: {match.group(1)}"
                    hint = "write it in the place of << and >> and what is between them"
                    at = Position(number, match.start() + 1)
                    found.setdefault(folder, []).append(Diagnostic("blank", message, hint, str(path), at))
    return found
