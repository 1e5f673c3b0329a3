"""The site: what a responder opens from an alert, made from the rules and their guides.

`make` gives all of it as HTML and files by path, knowing nothing of a generator; `hooks.py` hands them to MkDocs, which
adds the documents and what stands around every page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from polysigma.site.making import Site


def pages(references: Iterable[str] | None = None, workers: int | None = None) -> Site:
    """Every generated page and file of the site.

    `references` are files, folders or names of detections, by default all packaged ones. Raises PolysigmaError where a
    rule or guide cannot be read.
    """
    from polysigma.site.lists import add_lists
    from polysigma.site.making import make

    site = make(references, workers)
    add_lists(site)
    return site
