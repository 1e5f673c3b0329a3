"""Assumptions: each is in the table, named by the code, met by a query that hangs on it, and flips its result."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import polysigma.engines.cql
from polysigma.engines.cql import as_markdown, assumptions, run_cql

PAGE = Path(__file__).parents[3] / "docs/reference/assumptions.md"
CODE = Path(polysigma.engines.cql.__file__).parent

FLIPS = {
    # id: (query, rows, the result, the result the other way)
    "equals-numeric": ("a=443 | count()", [{"a": "443.0"}], [{"_count": 1}], [{"_count": 0}]),
    "in-numeric": ("in(a, values=[443, 1]) | count()", [{"a": "443.0"}], [{"_count": 1}], [{"_count": 0}]),
    "expression-equality": ('x := a == "2.0" | select(x)', [{"a": "2"}], [{"x": "true"}], [{"x": "false"}]),
    "truth-of-numbers": ("test(a) | count()", [{"a": "7"}], [{"_count": 1}], [{"_count": 0}]),
    "negated-call-missing": ("!in(a, values=[1, 2]) | count()", [{"b": "1"}], [{"_count": 1}], [{"_count": 0}]),
    "division-by-zero": ("x := a / 0 | select(x)", [{"a": "7"}], [{}], [{"x": "Infinity"}]),
    "function-of-missing": ("x := lower(a) | select(x)", [{"b": "7"}], [{}], [{"x": ""}]),
    "format-missing": ('x := format("%s-%s", field=[a, b]) | select(x)', [{"b": "7"}], [{}], [{"x": "null-7"}]),
    "format-time-fraction": ('x := formatTime("%F", field=a) | select(x)', [{"a": 0.5}], [{}], [{"x": "1970-01-01"}]),
    "round-half": ("round(a)", [{"a": "2.5"}], [{"a": 3}], [{"a": 2}]),
    "length-unit": ("length(a) | select(_length)", [{"a": "😀"}], [{"_length": 1}], [{"_length": 2}]),
    "group-missing-key": ("groupBy([a, b])", [{"a": "1"}], [], [{"a": "1", "_count": 1}]),
    "group-kept": (
        "groupBy(a, limit=1)",
        [{"a": "1"}, {"a": "2"}],
        [{"a": "1", "_count": 1}],
        [{"a": "2", "_count": 1}],
    ),
    "group-composite-rows": (
        "groupBy(b, function={sort(a, order=asc)})",
        [{"a": 2, "b": "x"}, {"a": 1, "b": "x"}],
        [{"a": 1, "b": "x"}, {"a": 2, "b": "x"}],
        [{"a": 1, "b": "x"}],
    ),
    "sum-of-none": ("groupBy(b, function=sum(a))", [{"b": "1"}], [{"b": "1", "_sum": 0}], [{"b": "1"}]),
    "stddev-sample": ("stdDev(a)", [{"a": 2}, {"a": 2}, {"a": 5}, {"a": 7}], [{"_stddev": 2.449489742783178}], None),
    "percentile-rank": ("percentile(a, percentiles=[50])", [{"a": 1}, {"a": 2}], [{"_50": 1}], [{"_50": 2}]),
    "collect-order": ("collect([a], limit=1)", [{"a": "x"}, {"a": "y"}], [{"a": "x"}], [{"a": "y"}]),
    "collect-empty": ("collect([a])", [{"a": "x"}, {"a": ""}], [{"a": "x\n"}], [{"a": "x"}]),
    "select-last-order": ("selectLast([a])", [{"a": "x"}, {"a": "y"}], [{"a": "y"}], [{"a": "x"}]),
    "select-from-ties": (
        "selectFromMax(t, include=[a])",
        [{"t": 1, "a": "x"}, {"t": 1, "a": "y"}],
        [{"a": "x"}],
        [{"a": "y"}],
    ),
    "table-missing": (
        'defineTable(name="t", include=[a, b], query={*}) | readFile("t") | b=""',
        [{"a": "x"}],
        [{"a": "x", "b": ""}],
        [],
    ),
    "sort-non-numbers": ("sort(a)", [{"a": "x"}, {"a": "1"}], [{"a": "1"}, {"a": "x"}], [{"a": "x"}, {"a": "1"}]),
    "sort-ties": (
        "sort(a)",
        [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}],
        [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}],
        [{"a": 1, "b": "y"}, {"a": 1, "b": "x"}],
    ),
    "interval-half-open": (
        "setTimeInterval(start=1h) | count()",
        [{"@timestamp": 7200000}],
        [{"_count": 0}],
        [{"_count": 1}],
    ),
    "glob-line-break": ('a="x*y" | count()', [{"a": "x\ny"}], [{"_count": 1}], [{"_count": 0}]),
    "ignore-case-unicode": ("a=/É/i | count()", [{"a": "é"}], [{"_count": 1}], [{"_count": 0}]),
    "regex-dot": ("a=/x.y/ | count()", [{"a": "x\ry"}], [{"_count": 1}], [{"_count": 0}]),
    "regex-function-flags": ('regex("^y", field=a) | count()', [{"a": "x\ny"}], [{"_count": 1}], [{"_count": 0}]),
    "regex-empty-group": ('regex("x(?<b>y*)", field=a) | select(b)', [{"a": "x"}], [{"b": ""}], [{}]),
    "free-text-case": ("foo | count()", [{"a": "FOO"}], [{"_count": 0}], [{"_count": 1}]),
    "cidr-mapped": (
        'cidr(a, subnet="192.0.2.0/24") | count()',
        [{"a": "::ffff:192.0.2.1"}],
        [{"_count": 0}],
        [{"_count": 1}],
    ),
    "case-fold-lower": ("lower(a) | select(_lower)", [{"a": "ÉA"}], [{"_lower": "éa"}], [{"_lower": "Éa"}]),
}


def test_the_page_is_made_from_the_table():
    """To write it anew: python -c "from polysigma.engines.cql import as_markdown; print(as_markdown(), end='')"."""
    assert PAGE.read_text(encoding="utf-8") == as_markdown()


def test_every_assumption_of_the_table_is_used_and_every_one_used_is_in_the_table():
    code = "\n".join(path.read_text(encoding="utf-8") for path in CODE.glob("*.py"))
    assert {name for name in assumptions() if f'"{name}"' in code} == set(assumptions())
    used = set(re.findall(r'(?:meet|flipped|compiled\.add)\("([a-z-]+)"\)', code))
    assert used <= set(assumptions())


def test_every_assumption_that_flips_has_an_example():
    assert set(FLIPS) == {name for name, item in assumptions().items() if item.flips}


@pytest.mark.parametrize("name", FLIPS)
def test_an_assumption_is_met_and_changes_the_result_when_it_is_flipped(name):
    query, rows, expected, other = FLIPS[name]
    plain = run_cql(query, rows, now=7200)
    assert plain.rows == expected
    assert name in plain.assumptions
    flipped = run_cql(query, rows, now=7200, flip=frozenset({name}))
    assert flipped.rows != expected
    assert other is None or flipped.rows == other


def test_a_query_that_hangs_on_nothing_names_no_assumption():
    assert not run_cql("a=b | groupBy([a], function=[count(), selectLast([c])])", [{"a": "b", "c": "d"}]).assumptions


def test_what_cannot_be_flipped_is_an_error():
    for name in ("distinct-exact", "no-such-thing"):
        with pytest.raises(ValueError, match=name):
            run_cql("*", [], flip=frozenset({name}))
