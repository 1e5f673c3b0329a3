"""Silencing a code by a comment: `// polysigma: ignore[code, code]` on the line, or alone on the line above."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from polysigma.cql.codes import codes, finding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from polysigma.cql.tree import Comment
    from polysigma.diagnostics import Diagnostic

_IGNORE = re.compile(r"polysigma:\s*ignore\b(?:\[([^\]]*)\])?", re.IGNORECASE)


def apply(text: str, comments: Iterable[Comment], findings: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The findings that no comment silences, and one for each comment that names no code or an unknown one."""
    lines = text.split("\n")
    silenced: dict[int, set[str]] = {}
    about_comments: list[Diagnostic] = []
    for comment in comments:
        found = _IGNORE.search(comment.text)
        if not found:
            continue
        names = {name.strip() for name in (found.group(1) or "").split(",")} - {""}
        if not names:
            about_comments.append(
                finding("unknown-code", "a comment silences no code", "write ignore[code]", comment.at)
            )
        for name in sorted(names - set(codes())):
            about_comments.append(
                finding(
                    "unknown-code", f"a comment silences {name}, which is no code", "see the lint codes", comment.at
                )
            )
        line = comment.at.line
        silenced.setdefault(line, set()).update(names)
        if not lines[line - 1][: comment.at.column - 1].strip():
            last = line + comment.text.count("\n")
            silenced.setdefault(last + 1, set()).update(names)
    kept = [one for one in findings if one.at is None or one.code not in silenced.get(one.at.line, set())]
    return kept + about_comments
