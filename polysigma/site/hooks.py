"""What MkDocs calls: the generated pages become files of the site, inside what stands around every page.

Generated pages are HTML already, and go past MkDocs' own reading and templates: it would take minutes for thousands.
`POLYSIGMA_SITE_RULES` names other folders of rules than those of the package.
"""

from __future__ import annotations

import logging
import os
import re
from html import unescape
from typing import TYPE_CHECKING, Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, InclusionLevel

from polysigma.diagnostics import PolysigmaError, as_text
from polysigma.site import pages
from polysigma.site.around import Around
from polysigma.site.colours import coloured
from polysigma.site.links import broken
from polysigma.site.proof import NOT_MEASURED
from polysigma.site.searching import index_file
from polysigma.site.splitting import split

if TYPE_CHECKING:
    from jinja2 import Environment
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.nav import Navigation
    from mkdocs.structure.pages import Page

    from polysigma.site.markup import Page as Made

_OF_A_RULE = re.compile(r"\[([^\]]*)\]\((?:\.\./)+rules/([^)#/]+)/([^)#/]+)\)")
"""A link from the documents to a file of a detection in the repository."""


_LOG = logging.getLogger("mkdocs.plugins.polysigma")


class _Build:
    """What one build has made so far: MkDocs calls functions, and gives them nothing of ours to keep."""

    made: dict[str, Made]
    entries: list[Any]
    read: dict[str, Page]
    bodies: dict[str, str]


_now = _Build()


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds every generated page and file."""
    named = os.environ.get("POLYSIGMA_SITE_RULES")
    try:
        site = pages(named.split(os.pathsep) if named else None)
    except PolysigmaError as error:
        raise PluginError(as_text(error.findings)) from error
    _now.made, _now.entries, _now.read, _now.bodies = site.pages, site.entries, {}, {}
    lacking = sum(NOT_MEASURED in made.body for path, made in site.pages.items() if path.endswith("/proof/index.html"))
    if lacking:
        _LOG.info(
            "%d of the detections are shown without their proof, which `make site` measures: minutes, once", lacking
        )
    for path in site.pages:
        files.append(File.generated(config, path, content="", inclusion=InclusionLevel.INCLUDED))
    for path, content in {**site.files, "assets/index.js": ""}.items():
        files.append(File.generated(config, path, content=content, inclusion=InclusionLevel.INCLUDED))
    for path in config.extra.get("split", []):
        _split(path, files, config)
    return files


def _split(path: str, files: Files, config: MkDocsConfig) -> None:
    """Puts the pages of a long document into its place."""
    document = files.get_file_from_path(path)
    if document is None:
        raise PluginError(f"mkdocs.yml: extra.split names {path}, which is not there")
    for name, content in split(path, document.content_string).items():
        if name == path:
            document.content_string = content
        else:
            files.append(File.generated(config, name, content=content, inclusion=InclusionLevel.NOT_IN_NAV))


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Documents link to files of detections where they lie in the repository; in the site these are downloads.

    Where the site is of other rules, such a link becomes its words.
    """
    del config
    up = "../" * page.file.src_uri.count("/")

    def moved(match: re.Match[str]) -> str:
        path = f"detections/{match[2]}/{match[3]}"
        return f"[{match[1]}]({up}{path})" if files.get_file_from_path(path) else match[1]

    return _OF_A_RULE.sub(moved, markdown)


_CODE = re.compile(r'<pre><code(?: class="language-([\w-]+)")?>(.*?)</code></pre>', re.DOTALL)
_TABLE = re.compile(r"<table>.*?</table>", re.DOTALL)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Code of documents in the same form as that of generated pages, and tables that a narrow screen can scroll."""
    del config, files
    _now.read[page.file.dest_uri] = page

    def shown(match: re.Match[str]) -> str:
        language = match[1] or "text"
        content = coloured(unescape(match[2]).rstrip("\n"), language)
        return f"<pre data-language={language}><code>{content}</code></pre>"

    html = _TABLE.sub(lambda match: f"<div class=wide tabindex=0>{match[0]}</div>", html)
    # An empty cell of a head is no heading of anything.
    return _CODE.sub(shown, html).replace("<th></th>", "<td></td>").replace("<th>", "<th scope=col>")


def on_env(env: Environment, config: MkDocsConfig, files: Files) -> Environment:
    """Puts what stands around every page around the generated ones, just before they are written."""
    around = Around(env, config)
    for path, made in _now.made.items():
        file = files.get_file_from_path(path)
        assert file is not None
        file.content_string = around.whole(path, made)
    index = files.get_file_from_path("assets/index.js")
    assert index is not None
    index.content_string = index_file(_now.entries, _now.made, _documents())
    return env


def _documents() -> list[tuple[str, str, list[str]]]:
    """Address, title and headings of each document, for the search."""
    return [
        (path.removesuffix("index.html"), str(page.title), [item.title for item in page.toc for item in item.children])
        for path, page in _now.read.items()
    ]


def on_page_context(context: dict[str, Any], page: Page, config: MkDocsConfig, nav: Navigation) -> dict[str, Any]:
    """The names that the template knows a page by: those of a generated page."""
    del config, nav
    up = "../" * page.url.count("/")
    near = page.parent.children if page.parent else []
    beside = [(str(one.title), getattr(one, "url", None), one is page) for one in near]
    return {
        **context,
        "title": "" if page.is_homepage else page.title,
        "description": page.meta.get("description", ""),
        "heading": "",  # a document begins with its own
        "body": page.content,
        "base": up or "./",
        "siblings": [{"title": title, "url": up + url, "here": here} for title, url, here in beside if url is not None],
    }


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Keeps a page for the check of links."""
    del config
    _now.bodies[page.file.dest_uri] = output
    return output


def on_post_build(config: MkDocsConfig) -> None:
    """Every link of every page leads to something that is there, down to the anchor.

    MkDocs checks the documents' links among each other, and knows nothing of what is in generated pages.
    """
    found = {path: made.body for path, made in _now.made.items()} | _now.bodies
    wrong = broken(found, config.site_dir)
    if wrong:
        raise PluginError("\n".join(["links that lead nowhere:", *wrong]))
