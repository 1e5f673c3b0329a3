"""Long documents in parts: what no phone should have to load whole becomes a page for each of its sections.

The document stays one file in the repository, where it is made and read as a whole.
"""

from __future__ import annotations

import re

from polysigma.site.model import slug

_PART = re.compile(r"^(##) (.+)$|^(###) (.+)$", re.MULTILINE)


def split(path: str, document: str) -> dict[str, str]:
    """The pages of a document, by path: one for each heading of the third level, and the document with links to them.

    What stands before the first heading, and between a heading of the second level and the next of the third, stays in
    the document.
    """
    folder = path.removesuffix(".md")
    matches = list(_PART.finditer(document))
    kept = [document[: matches[0].start() if matches else len(document)]]
    found: dict[str, str] = {}
    above = ""
    for match, following in zip(matches, [*matches[1:], None], strict=True):
        end = following.start() if following else len(document)
        if match[1]:
            above = match[2]
            kept.append(document[match.start() : end])
            continue
        name = f"{slug(_plain(above).lower())}-{slug(match[4].partition(':')[0].lower())}"
        whole = f"# {match[4]}\n\n[{_plain(above)}](../{path.rpartition('/')[2]})\n{document[match.end() : end]}"
        found[f"{folder}/{name}.md"] = whole
        kept.append(f"* [{match[4]}]({folder.rpartition('/')[2]}/{name}.md)\n")
    return {path: "".join(kept), **found} if found else {path: document}


def _plain(words: str) -> str:
    """A heading's words: without what it has in parentheses, and without marks."""
    return re.sub(r"\s*\(.*?\)|`", "", words)
