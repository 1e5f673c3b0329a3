"""The site: what a responder opens from an alert, made from the rules and their guides.

`pages` is all of it, as Markdown and files by path; `hooks.py` hands them to MkDocs and knows nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def pages(references: Iterable[str] | None = None) -> dict[str, str]:
    """Every generated page (`*.md`) and file of the site: path to text.

    `references` are files, folders or names of detections, by default all packaged ones. Raises PolysigmaError where a
    rule or guide cannot be read.
    """
    from polysigma.site.detection import detection_pages
    from polysigma.site.index import index_pages
    from polysigma.site.model import read

    detections = read(references)
    known = {one.name: one.folder for one in detections}
    found = index_pages(detections)
    for one in detections:
        found |= detection_pages(one, known)
    return found
