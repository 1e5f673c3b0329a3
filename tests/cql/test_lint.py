"""The linter finds what it says it finds, where it is, and keeps quiet about the rest."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from polysigma.cql import lint, parse_tolerantly, tree
from polysigma.cql.codes import Code, codes
from polysigma.cql.contexts import Context
from polysigma.cql.reference import as_markdown
from polysigma.diagnostics import Position, Severity

ROOT = Path(__file__).parents[2]


def found(text: str, context: str | None = None) -> list[str]:
    """The codes in a query, apart from the one about its first tag."""
    return [one.code for one in lint(text, context=context) if one.code != "no-tag-filter"]


def errors(text: str) -> list[str]:
    return [one.code for one in lint(text) if one.severity is Severity.ERROR]


# Every code


@pytest.mark.parametrize("code", codes().values(), ids=lambda code: code.code)
def test_a_codes_bad_example_has_it_and_its_good_example_does_not(code: Code) -> None:
    assert code.code in [one.code for one in lint(code.bad, context=code.context)]
    assert code.code not in [one.code for one in lint(code.good, context=code.context)]


@pytest.mark.parametrize("code", codes().values(), ids=lambda code: code.code)
def test_a_codes_good_example_has_no_error(code: Code) -> None:
    assert errors(code.good) == []


@pytest.mark.parametrize("code", codes().values(), ids=lambda code: code.code)
def test_every_finding_has_a_hint_and_the_severity_of_its_code(code: Code) -> None:
    for one in lint(code.bad, context=code.context):
        assert one.hint
        assert one.severity is codes()[one.code].severity


def test_every_code_that_the_package_reports_has_a_record_and_the_other_way_round() -> None:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "polysigma" / "cql").glob("*.py"))
    quoted = set(re.findall(r'"([a-z]+(?:-[a-z]+)*)"', sources))
    assert set(codes()) <= quoted
    reported = set(re.findall(r'(?:finding|fail|problem)\(\s*"([a-z-]+)"', sources))
    assert reported <= set(codes())


def test_the_reference_page_is_up_to_date() -> None:
    page = ROOT / "docs" / "reference" / "lint-codes.md"
    hint = "run: python -m polysigma.cql.reference > docs/reference/lint-codes.md"
    assert page.read_text(encoding="utf-8") == as_markdown(), hint


# What is right stays quiet


@pytest.mark.parametrize(
    "text",
    [
        '#repo=x | x := if(cidr(ip, subnet="10.0.0.0/8"), then=true, else=false)',
        "#repo=x | source.ip =~ wildcard(?Source, ignoreCase=true)",
        "#repo=x | rename([[a, b], [c, d]])",
        "#repo=x | in(a, values=[S-1-5-18, *.exe], ignoreCase=true)",
        '#repo=x | regex("(?<Name>[^/]+)$", field=ImageFileName, flags="i", strict=false)',
        "#repo=x | a=/^\\\\Device\\\\.*\\/x{1,3}(?:b|c)$/i",
        "#repo=x | a=/[]a[]+/",
        '#repo=x | t := formatTime("%H", field=@timestamp)',
        '#repo=x | formatTime("%H", field=@timestamp, as=t)',
        "#repo=x | groupBy(a, limit=max, function=[count(as=n), {b=1 | count(as=m)}, selectLast([c])])",
        "#repo=x | groupBy([a], limit=10, function=[]) | count()",
        "#repo=x | eval(a=b+1, c=lower(d))",
        "#repo=x | test(a == b)",
        "#repo=x | text:contains(string=a, substring=lower(b))",
        'defineTable(query={#repo=y | a=1}, include=[a], name="t") | #repo=x | match(table=t, field=a)',
        "correlate(A: {#repo=x a=1} include: [b], B: {#repo=x b <=> A.b} include: [b], sequence=true, within=10m)",
        '#repo=x | f match { "a" => x := 1 ; * => * }',
        "#repo=x | (a=1 or b=2) and c=3",
        '#repo=x | array:contains("a[]", value="b")',
        "$saved() | a=1",
        'createEvents(["a=1"]) | kvParse()',
        "#repo=x | sort([a, b], order=[asc, desc], limit=100)",
        "#repo=x | a=1 a=b*c",
    ],
)  # fmt: skip
def test_documented_queries_are_clean(text: str) -> None:
    assert lint(text) == []


# What is wrong is found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tostring(x)", ["unknown-function"]),
        ("x := nosuch(y)", ["unknown-function"]),
        ("groupBy(a, limit=max, function=cuont())", ["unknown-function"]),
        ("join({a=1 | nosuch()}, field=b)", ["unknown-function"]),
        ("cidr(a)", ["missing-parameter"]),
        ('cidr(a, file="networks.csv")', []),
        ("head(-1)", ["out-of-range"]),
        ("percentile(a, percentiles=[150])", ["out-of-range"]),
        ("sample(percentage=200)", ["out-of-range"]),
        ("sample(percentage=0.5)", []),
        ("a~=/b/", ["syntax"]),
        ("a=1 | and b=2", ["syntax"]),
        ("(or b=2)", ["syntax"]),
        ("and=1", []),
        ("a =~ in()", ["missing-parameter"]),
        ("a =~ in(values=[1])", []),
        ("test()", ["missing-parameter"]),
        ("x := if(a, then=1)", ["if-arguments"]),
        ("test(a = 1)", ["equals-in-expression"]),
        ("test(a==1 or b==2)", ["logic-in-expression"]),
        ("test(a =~ /x/)", ["match-in-expression"]),
        ("x := round(a*2)", ["expression-argument"]),
        ("x := round(a-b)", ["field-quotes"]),
        ("lower(concat([a,b]))", ["expression-argument"]),
        ("cidr(a, subnet=10.0.0.0/8)", ["expression-argument"]),
        ("not count()", ["aggregate-in-filter"]),
        ("test(count() > 1)", ["aggregate-in-filter"]),
        ("a=/x/qi", ["regex-flag"]),
        ('regex("a", flags=s)', ["regex-flag"]),
        ("a=/(?<!b)c/", ["regex-unsupported"]),
        ("a=/(b)\\1/", ["regex-unsupported"]),
        ("a=/\\p{L}/", ["regex-unsupported"]),
        ("a=/\\\\p{2}/", []),
        ("a=/[\\]+?]x/", []),
        ("a=/b)/", ["regex-syntax"]),
        ('regex("[a")', ["regex-syntax"]),
        ("a=//", ["empty-regex"]),
        ("slidingWindow(count(), events=3)", ["streaming-first"]),
        ("groupBy(a, limit=max, function={ sort(b, limit=20000) | neighbor(b, prefix=c) })", []),
        ("groupBy(a, limit=max, function={ neighbor(b, prefix=c) })", ["streaming-first"]),
        ("defineTable(query={a=1}, include=[b], name=t) | setTimeInterval(1d) | a=1", ["late-time-interval"]),
        ("a=1 setTimeInterval(1d)", ["late-time-interval"]),
        ("// a week\nsetTimeInterval(7d) | a=1", []),
        ("setTimeInterval(7d) a=1", []),
        ("count() | correlate(A: {a=1} include: [b])", ["correlate-aggregate"]),
        ("sum()", ["missing-parameter"]),
        ("collect(a, b)", ["second-unnamed"]),
        ("a <> b", ["syntax"]),
    ],
)
def test_mistakes_get_their_code_and_no_other(text: str, expected: list[str]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("groupby_(a)", "groupBy"),
        ("count(a, distnct=true)", "distinct"),
        ("dc(a)", "count(field, distinct=true)"),
        ("a=(b or c)", "in(a, values=[a, b])"),
        ("a='b'", "double quotes"),
        ("round(a/b)", "%.1f"),
        ("groupBy(a, b)", "[a, b]"),
        ("a=/b/s", "`d`"),
    ],
)
def test_a_hint_says_what_would_be_right(text: str, hint: str) -> None:
    assert any(hint in (one.hint or "") for one in lint(text))


def test_one_run_finds_several_mistakes_and_orders_them_by_place() -> None:
    text = "x := if(a = 1 and b > 2, 1, 0)\n| y := round(a/b, 1)\n| groupBy(z)\n| broken("
    assert found(text) == [
        "equals-in-expression",
        "logic-in-expression",
        "if-arguments",
        "expression-argument",
        "second-unnamed",
        "groupby-limit",
        "syntax",
    ]
    places = [one.at for one in lint(text)]
    assert places == sorted(places)


def test_a_finding_carries_the_file_that_it_was_given() -> None:
    assert {one.file for one in lint("a=(b", "some/file.cql")} == {"some/file.cql"}


# Warnings


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sort(a) | table([a])", ["default-limit", "default-limit", "table-undoes-sort"]),
        ("sort(a, limit=9) | groupBy(a, limit=9) | table([a], limit=9)", []),
        ("sort(a, limit=9) | table([a], sortby=a, limit=9)", []),
        ("head(5)", []),
        ("timeChart(span=1h)", []),
        ("timeChart(limit=600, series=a)", ["limit-too-high"]),
        ("groupBy(a, limit=2000000)", ["limit-too-high"]),
        ("bucket(limit=max)", ["limit-too-high"]),
        ("sort(a, reverse=true, limit=9)", ["deprecated-parameter"]),
        ("a=1 or in(b, values=[2])", ["call-under-or"]),
        ("a=1 or b =~ in(values=[2])", ["call-under-or"]),
        ("a=1 b=2 or c=3", []),
        ("#a!=/x/", ["tag-regex"]),
        ("count() | *", []),
        ("timechart(a, limit=5)", ["function-case"]),
    ],
)
def test_what_hurts_in_production_is_a_warning(text: str, expected: list[str]) -> None:
    assert found(text) == expected
    assert errors(text) == []


@pytest.mark.parametrize(
    "text",
    ["#a=b", "in(#a, values=[b])", "in(field=#a, values=[b])", "#a match {b => *}", "$x()", "#a =~ in(values=[b])"],
)
def test_a_tag_counts_however_it_is_tested(text: str) -> None:
    assert "no-tag-filter" not in [one.code for one in lint(text)]


@pytest.mark.parametrize(
    ("text", "context", "forbidden"),
    [
        ("#a=b | count()", Context.FILTER_ALERT, True),
        ("#a=b | [count()]", Context.FILTER_ALERT, True),
        ("#a=b", Context.FILTER_ALERT, False),
        ("#a=b", Context.AGGREGATE_ALERT, True),
        ("#a=b | count()", Context.AGGREGATE_ALERT, False),
        ("#a=b | join({#c=d}, field=e) | count()", Context.AGGREGATE_ALERT, True),
        ("#a=b | join({#c=d}, field=e) | count()", Context.SCHEDULED_SEARCH, False),
        ("setTimeInterval(start=1d) | #a=b | count()", Context.SCHEDULED_SEARCH, True),
        ("correlate(A: {#a=b} include: [c]) | count()", Context.CORRELATION_RULE, True),
        ("#a=b | count()", Context.CORRELATION_RULE, False),
    ],
)
def test_a_context_forbids_its_steps(text: str, context: Context, forbidden: bool) -> None:  # noqa: FBT001
    assert ("context-forbids" in found(text, context)) is forbidden
    assert "context-forbids" not in found(text)


def test_an_unknown_context_is_refused() -> None:
    with pytest.raises(ValueError, match="no-such"):
        lint("a=1", context="no-such")


# Silencing


@pytest.mark.parametrize(
    "text",
    [
        "#a=b | groupBy(c) // polysigma: ignore[groupby-limit]",
        "#a=b\n// polysigma: ignore[groupby-limit, parseint-radix] small\n| groupBy(c)",
        "#a=b\n/* polysigma: ignore[groupby-limit]\n   because */\n| groupBy(c)",
    ],
)
def test_a_comment_silences_a_code_on_its_line_or_the_next(text: str) -> None:
    assert found(text) == []


def test_a_comment_silences_no_other_code_and_no_other_line() -> None:
    assert found("#a=b // polysigma: ignore[groupby-limit]\n| groupBy(c)") == ["groupby-limit"]
    assert found("#a=b\n| groupBy(c) // polysigma: ignore[parseint-radix]") == ["groupby-limit"]


@pytest.mark.parametrize("text", ["#a=b // polysigma: ignore[nope]", "#a=b // polysigma: ignore"])
def test_a_comment_that_silences_nothing_known_is_a_warning(text: str) -> None:
    assert found(text) == ["unknown-code"]


# Any text


_WORDS = st.sampled_from(
    ["a", "=", "!=", "(", ")", "[", "]", "{", "}", "|", ",", ";", "/", "//", "/*", "*/", '"', "\\", "?", "$", "!", "or",
     "and", "not", "case {", "match {", "=>", ":=", "=~", "<=>", "<", "groupBy(", "if(", "test(", "regex(", "like",
     "#t", "1", "1.5", "-", "+", "*", "'", "\n", "\u00a0", "include:", "A:", "function=", "true", "then="]
)  # fmt: skip


@example("")
@example("\n")
@example("a=/[/")
@given(st.one_of(st.text(), st.lists(_WORDS, max_size=40).map(" ".join), st.lists(_WORDS, max_size=40).map("".join)))
def test_any_text_gives_findings_inside_it_and_nothing_worse(text: str) -> None:
    lines = text.split("\n")

    def inside(at: Position | None) -> bool:
        return at is not None and 1 <= at.line <= len(lines) and 1 <= at.column <= len(lines[at.line - 1]) + 1

    assert all(inside(one.at) for one in lint(text, context="filter-alert"))
    assert all(inside(node.at) for node in tree.walk(parse_tolerantly(text).query))


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ('#a=b | cidr(x, subnet=["10.0.0.0/8", "10.0.0.0/40"])', "bad-subnet"),
        ("#a=b | limit 10", "foreign-command"),
        ("#a=b | fields x, y", "foreign-command"),
        ("#a=b | join({#c=d}, field=x, include=[y], mode=outer)", "unlisted-value"),
        ("#a=b | sort([x, y], order=[asc, down], limit=10)", "unlisted-value"),
    ],
)
def test_values_and_commands_of_other_languages_are_found(query, code):
    assert code in {one.code for one in lint(query)}


@pytest.mark.parametrize(
    "query",
    [
        'where x > 3 | #a=b | "where" x=1 | Where=2',
        '#a=b | cidr(x, subnet=["fe80::/10", "10.1.2.3", ?net]) | sort([x, y], order=["ASC", desc], limit=10)',
        "#a=b | search:=1 | limit=10 | fields=3 | where | mode=outer | in(order, values=[descending])",
    ],
)
def test_what_only_looks_like_them_is_not(query):
    found = {one.code for one in lint(query)}
    assert not found & {"bad-subnet", "foreign-command", "unlisted-value"}
