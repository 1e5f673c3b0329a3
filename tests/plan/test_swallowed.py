"""A comma or a hash that YAML would take from an expression is an error with its place."""

from __future__ import annotations

import textwrap

import pytest

from polysigma.plan.metadata import read_metadata
from polysigma.plan.swallowed import swallowed
from polysigma.source import read_text

HEAD = "title: x\npolysigma:\n    version: 1\n    steps:\n"


def faults(steps):
    """(code, line, column) of each fault; line 1 is the first of the steps."""
    [document] = read_text(HEAD + textwrap.indent(textwrap.dedent(steps), " " * 8))
    found = [fault.located(document) for fault in swallowed(document, ("polysigma",))]
    assert all(finding.hint for finding in found)
    return [(finding.code, finding.at.line - 4, finding.at.column - 8) for finding in found]


FLOW, COMMENT = "flow-expression", "swallowed-comment"


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ("- derive: {A: if(b, 1, 2)}", [(FLOW, 1, 11)]),
        ("- derive: {A: b + 1}", [(FLOW, 1, 11)]),
        ("- {where: a in (1, 2)}", [(FLOW, 1, 3)]),
        ("- group:\n    by: [A]\n    measures: {N: count(), M: distinct_if(f, c)}", [(FLOW, 3, 15)]),
        ("- group: {by: [A], measures: {N: count()}}", [(FLOW, 1, 10)]),
        ("- annotate: {by: [A], measures: {N: count()}}", [(FLOW, 1, 13)]),
        ("- score:\n    S: [3 when a, 1 when b]", [(FLOW, 2, 8)]),
        ("- score: {S: [3 when a]}", [(FLOW, 1, 10)]),
        ("- where: [a = 1]", [(FLOW, 1, 10)]),
        ("- where: a = 1 # and b = 2", [(COMMENT, 1, 16)]),
        ("- where: a = 1   \t# b", [(COMMENT, 1, 19)]),
        ("- where: #event = 'x'", [(COMMENT, 1, 10)]),
        ("- where: a = 1\n    and b = 2 # c", [(COMMENT, 2, 15)]),
        ("- derive:\n    A: b\n    C: length(d #e)", [(COMMENT, 3, 17)]),
        ("- score:\n    S:\n    - 3 when a\n    - 1 when b # c", [(COMMENT, 4, 16)]),
        ("- group:\n    by:\n    - A\n    measures:\n        N: count() # c", [(COMMENT, 5, 20)]),
        ("- derive: {A: b}\n- where: a # b", [(FLOW, 1, 11), (COMMENT, 2, 12)]),
        ("- {derive: {A: b},\n   # c\n   where: a}", [(FLOW, 1, 3)]),
    ],
)
def test_an_expression_that_yaml_cuts_is_refused_where_it_stands(steps, expected):
    assert faults(steps) == expected


@pytest.mark.parametrize(
    "steps",
    [
        "- bucket: {Hour: 1h}",
        "- {bucket: {Hour: 1h}}",
        "- select: [A, B] # two",
        "- sort: [A desc, B] # two",
        "- take: 5 # rows",
        "- group:\n    by: [A, B] # keys\n    measures:\n        # all\n        N: count()\n",
        "- where: 'a = 1' # b",
        '- derive: {A: "if(b, 1, 2)"}',
        "- where: >- # folded\n    a = 1\n    and b = '#'",
        "- where: |\n    a = 1",
        "- where: a = 1\n# b\n- where: a#b = 1",
        "- where: a = 1\n\n\n# the end",
    ],
)
def test_what_yaml_leaves_whole_is_left_alone(steps):
    assert faults(steps) == []


@pytest.mark.parametrize("value", ["5", "[]", "{}", "{steps: 5}", "{steps: [5, {group: 5}, {score: {}}, {}]}"])
def test_what_is_not_in_the_shape_of_steps_is_passed_over(value):
    [document] = read_text(f"polysigma: {value}\n")
    assert swallowed(document, ("polysigma",)) == []


def test_the_cut_text_would_have_been_another_valid_expression():
    steps = "    steps:\n        - where: a = 1 # or b = 2\n"
    [document] = read_text(f"polysigma:\n    version: 1\n{steps}")
    assert read_metadata(document.value["polysigma"]).steps[0].where == "a = 1"
    [fault] = swallowed(document, ("polysigma",))
    assert str(fault.located(document)).startswith("4:24: swallowed-comment")


def test_a_document_in_one_line_of_json_has_its_expressions_in_quotes():
    [document] = read_text('{"polysigma": {"steps": [{"derive": {"A": "if(b, 1, 2)"}}]}}')
    assert swallowed(document, ("polysigma",)) == []
