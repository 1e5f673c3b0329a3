"""What MkDocs calls: the generated pages become files of the site.

`POLYSIGMA_SITE_RULES` names other folders of rules than those of the package.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

from polysigma.diagnostics import PolysigmaError, as_text
from polysigma.site import pages

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

_OF_A_RULE = re.compile(r"\]\((?:\.\./)+rules/([^)#/]+)/([^)#/]+)\)")
"""A link from the documents to a file of a detection in the repository."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds every generated page and file."""
    named = os.environ.get("POLYSIGMA_SITE_RULES")
    try:
        generated = pages(named.split(os.pathsep) if named else None)
    except PolysigmaError as error:
        raise PluginError(as_text(error.findings)) from error
    for path, text in generated.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Documents link to files of detections where they lie in the repository; in the site these are downloads."""
    del config
    up = "../" * page.file.src_uri.count("/")

    def moved(match: re.Match[str]) -> str:
        path = f"detections/{match[1]}/{match[2]}"
        return f"]({up}{path})" if files.get_file_from_path(path) else match[0]

    return _OF_A_RULE.sub(moved, markdown)


_REFERENCE = re.compile(r"&#(\d+);")
_COLOURLESS = re.compile(r'<span class="(?:w|n)">([^<]*)</span>')
_KEPT = frozenset("<>&\"'")


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Less HTML of the same text: without references that only Markdown needed, and elements that have no colour."""
    del page, config, files
    return _COLOURLESS.sub(r"\1", _REFERENCE.sub(_written, html))


def _written(match: re.Match[str]) -> str:
    character = chr(int(match[1]))
    return match[0] if character in _KEPT or not character.isprintable() else character


_NAMELESS = 'data-md-component="search" role="dialog"'


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """The theme's search is a dialog without a name, which a screen reader cannot announce."""
    del page, config
    return output.replace(_NAMELESS, f'{_NAMELESS} aria-label="Search"')
