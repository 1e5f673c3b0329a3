"""A place in an expression's text is a place in the file, however YAML spells the text."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from polysigma.diagnostics import Position
from polysigma.plan.faults import Place
from polysigma.source import read_text


def found(text, line=1, column=1, path=("where",)):
    [document] = read_text(text)
    return Place(path, line, column).position(document)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("where: aa = bb\n", (1, 13)),
        ("where:   aa = bb # why\n", (1, 15)),
        ("where: 'aa = bb'\n", (1, 14)),
        ('where: "aa = bb"\n', (1, 14)),
        ("where: |\n    aa = bb\n", (2, 10)),
        ("where: >-\n    aa\n    = bb\n", (3, 7)),
        ("where: >2-\n\n  aa =\n\n  bb\n", (5, 3)),
        ("where: aa\n    = bb\n", (2, 7)),
        ('where: "aa\\t=\\u0020bb"\n', (1, 20)),
        ('where: "aa = \\\n    bb"\n', (2, 5)),
        ("where: &name aa = bb\n", (1, 19)),
        ("where: !!str aa = bb\n", (1, 19)),
        ("x: &name aa = bb\nwhere: *name\n", (1, 15)),
        ("{where: aa = bb}\n", (1, 14)),
        ("where:\n    aa = bb\n", (2, 10)),
    ],
)
def test_a_character_stands_where_the_file_has_it(text, expected):
    offset = read_text(text)[0].value["where"].index("b")
    assert found(text, column=offset + 1) == Position(*expected)


def test_lines_of_a_literal_block_are_lines_of_the_file():
    assert found("where: |\n  a = 1\n    and b\n  or c\n", line=2, column=7) == Position(3, 9)


def test_a_doubled_quote_is_one_character():
    assert found("where: 'a = ''x'' or b'\n", column=12) == Position(1, 22)


def test_the_end_of_a_text_is_past_its_last_character():
    assert found("where: >-\n  a +\n  b +\n\nx: 1\n", column=8) == Position(3, 6)
    assert found("where: a +\n", column=4) == Position(1, 11)


def test_what_is_no_scalar_stands_where_it_begins():
    assert found("where:\n  a: 1\n") == Position(2, 3)
    assert found("where: a\n", path=("other",)) == Position(1, 1)


@given(
    st.text(st.sampled_from("ab'\"\\ #:=\n\té"), min_size=1, max_size=40).map(lambda text: f"^{text}$"),
    st.sampled_from(["'", '"', "|", ">"]),
)
def test_every_character_of_any_text_in_any_style_is_found(text, style):
    written = yaml.dump({"where": text}, default_style=style, allow_unicode=True, width=20)
    [document] = read_text(written)
    assert document.value == {"where": text}
    place = Place(("where",), text.count("\n") + 1, len(text) - (text.rfind("\n") + 1)).position(document)
    assert document.lines[place.line - 1][place.column - 1] == "$"
