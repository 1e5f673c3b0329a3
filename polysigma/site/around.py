"""What stands around every page, put around the generated ones without asking the template each time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polysigma.site.markup import text

if TYPE_CHECKING:
    from polysigma.site.markup import Page

_NO_DESCRIPTION = '<meta name=description content="">\n'
_KEYS = ("title", "description", "heading", "body")


class Around:
    """The theme's template, rendered once for each depth of folders."""

    def __init__(self, env: Any, config: Any) -> None:
        self._template = env.get_template("main.html")
        self._config = config
        self._pieces: dict[int, list[str]] = {}

    def whole(self, path: str, page: Page) -> str:
        """The page as it is written. `path` is that of its file, from the root of the site."""
        values = {
            "title": text(page.title),
            "description": text(" ".join(page.description.split())[:300].strip()),
            "heading": text(page.title),
            "body": page.body,
        }
        pieces = self._at(path.count("/"))
        whole = "".join(values[piece] if number % 2 else piece for number, piece in enumerate(pieces))
        return whole if page.description else whole.replace(_NO_DESCRIPTION, "", 1)

    def _at(self, depth: int) -> list[str]:
        """The template in pieces: every second one is the name of what stands there."""
        if depth not in self._pieces:
            marked = {key: f"\0{key}\0" for key in _KEYS}
            whole = self._template.render(config=self._config, base="../" * depth or "./", **marked)
            self._pieces[depth] = whole.split("\0")
        return self._pieces[depth]
