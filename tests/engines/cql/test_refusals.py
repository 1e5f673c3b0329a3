"""What the engine does not evaluate it refuses, with the place in the query: it never guesses, and never skips."""

from __future__ import annotations

import pytest

from polysigma.diagnostics import PolysigmaError
from polysigma.engines.cql import compile_cql, run_cql


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("a=1 | join({b=1}, field=a)", "1:7"),
        ("selfJoin(a, where=[{b=1}, {b=2}])", "1:1"),
        ("correlate(A: {a=1} include: [a], B: {b=1})", "1:1"),
        ("a=1\n| bucket(span=1h)", "2:3"),
        ("timeChart(span=1h)", "1:1"),
        ("a=1 | top(a)", "1:7"),
        ("$saved()", "1:1"),
        ("a=?parameter", "1:3"),
        ("x := math:cos(a)", "1:6"),
        ("groupBy(a, function=[count(), session()])", "1:31"),
        ("groupBy(a, function=lower(a))", "1:21"),
        ("groupBy(a, function={b=1})", "1:21"),
        ("case { count() }", "1:8"),
        ("case { a=1 | [count()] }", "1:14"),
        ("a=1 or count()", "1:8"),
        ("wildcard(pattern=foo)", "1:1"),
        ('cidr(a, file="x.csv", column=y)', "1:9"),
        ('cidr(a, subnet="none")', "1:16"),
        ('regex("a", repeat=true)', "1:19"),
        ('regex("a", flags=ig)', "1:18"),
        ("a=/(?<b>x)/g", "1:3"),
        ("a=/(?<b>x)/ or c=1", "1:3"),
        ('formatTime("%E", field=a, as=x)', "1:12"),
        ('formatTime("%H", field=a)', "1:1"),
        ('formatTime("%H", as=x, timezone="Nowhere")', "1:33"),
        ('format("%q", field=a)', "1:8"),
        ('format("%s %s", field=a)', "1:8"),
        ('parseTimestamp("yyyy", field=a)', "1:16"),
        ('replace("a", with="$2", field=a)', "1:1"),
        ("sort(a, type=any)", "1:14"),
        ("sort([a, b, c], order=[asc, desc])", "1:23"),
        ("head(limit=0)", "1:12"),
        ("count(distinct=true)", "1:1"),
        ("collect([@timestamp])", "1:1"),
        ("a=1 | setTimeInterval(start=1h)", "1:7"),
        ('setTimeInterval(start="calendar: 1d")', "1:23"),
        ('setTimeInterval(start=1h, timezone="Nowhere")', "1:36"),
        ("count() | foo", "1:11"),
        ("rename([a, b])", "1:9"),
        ("x := lower(a, as=y)", "1:6"),
        ("lower(a, locale=da)", "1:10"),
        ("A.x <=> B.y", "1:1"),
    ],
)
def test_what_is_not_implemented_is_refused_with_its_place(query, place):
    with pytest.raises(PolysigmaError) as caught:
        compile_cql(query)
    (finding,) = caught.value.findings
    assert finding.code == "cql-unsupported"
    assert str(finding.at) == place


def test_a_query_that_does_not_parse_is_refused_by_the_parser():
    with pytest.raises(PolysigmaError) as caught:
        compile_cql("a=1 | | b=2", file="hunt.cql")
    assert caught.value.findings[0].file == "hunt.cql"


def test_a_file_that_is_no_table_of_the_query_is_refused_with_its_place():
    with pytest.raises(PolysigmaError, match=r"1:1: .*users\.csv"):
        run_cql('readFile("users.csv")', [])
