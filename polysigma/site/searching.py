"""The index of the site's search: small enough to be loaded whole, and only by the page that searches.

It is a script, so that it can be loaded where nothing is served, and holds the packed JSON as text.
"""

from __future__ import annotations

import base64
import gzip
import json
from typing import TYPE_CHECKING

from polysigma.site.attack import covered

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from polysigma.site.catalogue import DetectionEntry
    from polysigma.site.markup import Page

LETTERS = {"exact": "e", "approximate": "a", "blind": "b", "refused": "r"}


def index(
    entries: Sequence[DetectionEntry], pages: Mapping[str, Page], documents: Sequence[tuple[str, str, list[str]]]
) -> dict[str, object]:
    """What the search knows.

    `detections`: title, address, severity, techniques, data sources, a letter of the fidelity for each of `platforms`,
    further words. `others`: title, address, kind, further words.
    """
    platforms = list(dict.fromkeys(platform for one in entries for platform in one.platforms))
    techniques = {sub.id: sub.name for one in covered(entries).values() for sub in (one, *one.below.values())}
    return {
        "platforms": {name: _title(entries, name) for name in platforms},
        "techniques": techniques,
        "detections": [
            [
                one.title,
                one.page,
                one.level,
                sorted({claim.id for claim in one.attack}),
                one.data_sources,
                "".join(LETTERS[one.platforms[name].fidelity] if name in one.platforms else "r" for name in platforms),
                "" if one.name in one.page else one.name,
            ]
            for one in entries
        ],
        "others": [
            *([title, address, "document", " · ".join(headings)] for address, title, headings in documents),
            *(
                [page.title, path.removesuffix("index.html"), page.kind, page.words]
                for path, page in pages.items()
                if page.words and page.kind != "detection"
            ),
        ],
    }


def _title(entries: Sequence[DetectionEntry], platform: str) -> str:
    return next(one.platforms[platform].title for one in entries if platform in one.platforms)


def index_file(
    entries: Sequence[DetectionEntry], pages: Mapping[str, Page], documents: Sequence[tuple[str, str, list[str]]]
) -> str:
    """The index as a script; the same for the same rules, to the byte."""
    written = json.dumps(index(entries, pages, documents), ensure_ascii=False, separators=(",", ":"))
    packed = base64.b64encode(gzip.compress(written.encode(), mtime=0)).decode()
    return f'const packedIndex = "{packed}";\n'
