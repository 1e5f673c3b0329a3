"""The colours of CQL."""

from __future__ import annotations

from pathlib import Path

import pytest
from pygments.lexers import get_lexer_by_name
from pygments.token import Comment, Error, Keyword, Name, Number, String, Text

from polysigma.cql.functions import functions
from polysigma.site.lexer import LogScaleLexer

GOLDEN = sorted((Path(__file__).resolve().parents[1] / "backends").rglob("*.logscale"))


def tokens(text):
    return [(kind, value) for kind, value in LogScaleLexer().get_tokens(text) if value.strip()]


def test_pygments_finds_it_by_its_name():
    assert isinstance(get_lexer_by_name("logscale"), LogScaleLexer)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_every_query_that_we_print_is_coloured_whole(path):
    text = path.read_text(encoding="utf-8")
    found = list(LogScaleLexer().get_tokens(text))
    assert "".join(value for _, value in found) == text.strip("\n") + "\n"
    assert [value for kind, value in found if kind in {Error, Text}] == []


def test_every_documented_function_is_coloured_as_one():
    for name in functions():
        assert (Name.Function, name) in tokens(f"| {name}(x)")


def test_a_function_that_is_not_known_is_not():
    assert (Name.Other, "tstats") in tokens("| tstats(x)")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("// a | b", [(Comment.Single, "// a | b")]),
        ('"a // b"', [(String.Double, '"a // b"')]),
        ("x=/a|b/i", [(Name.Attribute, "x"), (String.Regex, "/a|b/i")]),
        ("case { * | x := 1; }", [(Keyword, "case"), (Name.Variable, "x"), (Number, "1")]),
        ("y := a / b / c", [(Name.Variable, "y"), (Name, "a"), (Name, "b"), (Name, "c")]),
        ("#event_simpleName=DnsRequest", [(Name.Attribute, "#event_simpleName"), (Name, "DnsRequest")]),
    ],
)
def test_a_mark_means_what_it_means_where_it_stands(text, expected):
    assert [one for one in tokens(text) if one in expected] == expected
