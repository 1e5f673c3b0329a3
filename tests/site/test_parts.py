"""The small parts that pages are made of: text, sizes, links, the search's index, the reference of the steps."""

from __future__ import annotations

import base64
import gzip
import html
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polysigma.plan.functions import FUNCTIONS, MEASURES
from polysigma.plan.steps import STEP_NAMES
from polysigma.site.colours import coloured
from polysigma.site.fitting import fitted, part
from polysigma.site.links import broken
from polysigma.site.markup import block, text, worded
from polysigma.site.searching import index_file
from polysigma.site.splitting import split

from .conftest import Page

TAG = re.compile(r"</?[a-z][^>]*>")


@settings(deadline=None)
@given(st.text())
def test_no_text_has_a_mark_of_html_left_in_it(value):
    shown = text(value)
    assert not set("<>\"'") & set(shown)
    assert all(name in {"amp", "lt", "gt", "quot", "#x27"} for name in re.findall(r"&([^;]*);?", shown))


@settings(deadline=None)
@given(st.text(st.characters(categories=["L", "N", "P", "S"])))
def test_a_text_is_read_as_it_was_written(value):
    assert html.unescape(text(value)) == value


def test_marks_that_turn_text_around_are_named():
    assert text("a\u202eb\u0000") == "a(U+202E)b(U+0000)"


def test_a_block_keeps_them_and_warns_of_them():
    shown = block("a\u202eb", "text", "label")
    assert "a\u202eb</code>" in shown
    assert "turn its direction" in shown
    assert "turn its direction" not in block("ab", "text")


def test_a_block_that_cannot_be_shown_is_said_in_its_place():
    shown = block("a\x00b", "text", "label", "the-query")
    assert shown.startswith('<p id="the-query">')
    assert "take it from the downloads" in shown


@pytest.mark.parametrize("language", ["logscale", "kusto", "spl", "sql", "yaml", "console", "no-such-language"])
@settings(deadline=None)
@given(st.text())
def test_a_query_keeps_every_character_when_it_is_coloured(language, value):
    assert html.unescape(TAG.sub("", coloured(value, language))) == value


def test_blanks_around_code_in_a_line_are_kept():
    assert worded("the `map` of <a> `b`.") == "the <code>map</code> of &lt;a&gt; <code>b</code>."


def test_a_page_is_shortened_where_that_matters_least():
    parts = [part("a" * 50), part("b" * 50, "b", rank=1), part("c" * 50, "cc", "c", rank=2)]
    assert "c" * 50 in fitted("", parts, 200)
    body = fitted("", parts, 120)
    assert "b" * 50 in body
    assert "cc" in body
    assert fitted("", parts, 60).split() == ["a" * 50, "b", "c"]


def test_a_link_to_a_page_or_an_anchor_that_is_not_there_is_told(tmp_path):
    pages = {
        "a/index.html": '<a href="../b/">b</a><a href="../b/#x">x</a><a href="https://example.com/">out</a>'
        '<a href="#own">own</a>',
        "b/index.html": '<h2 id="x">x</h2><p>src=nothing</p><a href="../a/?q=1">a</a>',
    }
    assert broken(pages, tmp_path) == ["a/index.html: #own has no such anchor"]
    pages["b/index.html"] = '<a href="../c/">c</a>'
    told = broken(pages, tmp_path)
    assert "b/index.html: ../c/ is not there" in told
    assert "a/index.html: ../b/#x has no such anchor" in told


def test_the_index_of_the_search_is_small_and_the_same_each_time(site):
    script = index_file(site.entries, site.pages, [("guide/", "Guides", ["One"])])
    assert script == index_file(site.entries, site.pages, [("guide/", "Guides", ["One"])])
    packed = re.fullmatch(r'const packedIndex = "(.*)";\n', script)
    assert packed
    found = json.loads(gzip.decompress(base64.b64decode(packed[1])))
    assert {one[0] for one in found["detections"]} == {one.title for one in site.entries}
    assert ["Guides", "guide/", "document", "One"] in found["others"]
    assert all(len(one[5]) == len(found["platforms"]) for one in found["detections"])


def test_a_long_document_becomes_a_page_for_each_part():
    found = split(
        "reference/x.md", "# X\n\nHead.\n\n## One (`one`)\n\n### A: all\n\ntext\n\n### B\n\nmore\n## Two\n\nend\n"
    )
    assert found == {
        "reference/x.md": "# X\n\nHead.\n\n## One (`one`)\n\n* [A: all](x/one-a.md)\n* [B](x/one-b.md)\n"
        "## Two\n\nend\n",
        "reference/x/one-a.md": "# A: all\n\n[One](../x.md)\n\n\ntext\n\n",
        "reference/x/one-b.md": "# B\n\n[One](../x.md)\n\n\nmore\n",
    }


def test_the_reference_of_the_steps_names_all_that_there_is(site):
    shown = Page(site.pages["reference/steps/index.html"].body).text
    for name in (*FUNCTIONS, *MEASURES):
        assert f"{name}(" in shown
    for name in STEP_NAMES:
        assert name in shown
