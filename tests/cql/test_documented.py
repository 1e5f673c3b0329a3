"""Queries as the documentation allows them, at least one of every function with examples there: none is an error.

They are our own, in the forms that the function pages and the pages on syntax show, and that published content has.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from polysigma.cql import lint
from polysigma.cql.functions import functions
from polysigma.diagnostics import Severity

QUERIES = (Path(__file__).parent / "documented.cql").read_text(encoding="utf-8").split("\n---\n")
FAMILIES = re.compile(r"math:|time:|appendAggregation$|counterAsRate$")
"""Functions all like one that is shown, and two without a published example."""
SHOWN = [facts.name for facts in functions().values() if facts.closed and not FAMILIES.match(facts.name)]


@pytest.mark.parametrize("text", QUERIES)
def test_what_the_documentation_allows_is_no_error(text):
    assert [one for one in lint(text) if one.severity is Severity.ERROR] == []


@pytest.mark.parametrize("name", SHOWN)
def test_a_function_of_the_table_is_among_the_queries(name):
    assert any(f"{name}(" in text for text in QUERIES)


@pytest.mark.parametrize("guard", ["in(values=[a])", 'cidr(subnet="10.0.0.0/8")', 'wildcard("a*", ignoreCase=true)'])
def test_a_guard_of_a_match_has_the_field_that_is_matched(guard):
    assert lint(f"#repo=x | f match {{ {guard} => g := 1 ; * => * }}") == []


def test_a_call_that_nothing_gives_a_field_needs_one():
    assert [one.code for one in lint("#repo=x | in(values=[a])")] == ["missing-parameter"]
