"""That every link of the site leads to something that is there."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from posixpath import join, normpath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# Text has no mark of HTML in it, so what looks like a tag is one.
_ADDRESS = re.compile(r'<(?:a|script|link|img)\s(?:[^>]*?\s)??(?:href|src)="?([^">\s]+)')
_ANCHOR = re.compile(r'<[a-z]\w*\s(?:[^>]*?\s)??id="?([^">\s]+)')
_ELSEWHERE = re.compile(r"[a-z][a-z+.-]*:|//")
_MOST = 20


def broken(pages: Mapping[str, str], root: str | Path) -> list[str]:
    """What is wrong with the links of some pages (path in the site to HTML), in words; at most a few of them.

    `root` is the folder that the site has been written to, where other files than these pages are looked for.
    """
    anchors = {path: set(_ANCHOR.findall(html)) for path, html in pages.items()}
    there = dict.fromkeys(pages, True)
    found: list[str] = []
    for path, html in pages.items():
        folder = path.rpartition("/")[0]
        for written in set(_ADDRESS.findall(html)):
            if _ELSEWHERE.match(written):
                continue
            address, _, anchor = unescape(written).partition("#")
            target = _file(folder, address.partition("?")[0]) if address else path
            if target not in there:
                there[target] = Path(root, target).is_file()
            if not there[target]:
                found.append(f"{path}: {written} is not there")
            elif anchor and target in anchors and anchor not in anchors[target]:
                found.append(f"{path}: {written} has no such anchor")
            if len(found) >= _MOST:
                return found
    return found


def _file(folder: str, address: str) -> str:
    target = normpath(join(folder, address)) if address else folder
    whole = f"{target}/index.html" if address.endswith("/") or address in {"", ".", ".."} else target
    return normpath(whole)
