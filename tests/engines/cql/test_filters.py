"""Filters. Pages are under https://library.humio.com/data-analysis/; what no page settles names its assumption."""

from __future__ import annotations

import pytest

from polysigma.engines.cql import run_cql

ROWS = [
    {"n": "1", "user": "Alan Turing", "status": "404", "method": "GET", "url": "/login?next=/"},
    {"n": "2", "user": "alan turing", "status": "200", "method": "POST", "url": "/*"},
    {"n": "3", "user": "", "status": "404.0", "method": "PUT"},
    {"n": "4", "status": "none"},
    {"n": "5", "user": None, "status": 500},
]


def found(query, rows=ROWS, **options):
    return "".join(row["n"] for row in run_cql(query, rows, **options).rows)


@pytest.mark.parametrize(
    ("query", "passing"),
    [
        # syntax-filters.html, field filters
        ("url = *login*", "1"),
        ("user = *Turing", "1"),
        ('user = "Alan Turing"', "1"),
        ('user != "Alan Turing"', "2345"),
        ("url != *login*", "2345"),
        ("user = *", "123"),
        ("user != *", "45"),
        ('user = ""', "3"),
        ('user != ""', "1245"),
        ('url = "/*"', "12"),  # a star cannot be escaped
        # syntax-filters.html, regular expressions
        ("url = /login/", "1"),
        ("user = /Turing$/", "1"),
        ("user = /TURING/i", "12"),
        ("user != /turing/i", "345"),
        ("user = /^/", "123"),
        (r"url = /^\/\*$/", "2"),
        # syntax-operators.html: like looks inside, and takes wildcards and regular expressions
        ("user like Turing", "1"),
        ('user like "A*g"', "1"),
        ("user like /ing/", "12"),
        # syntax-operators.html, numbers
        ("status < 400", "2"),
        ("status <= 404", "123"),
        ("status > 400", "135"),
        ("status >= 404", "135"),
        ("status = 404", "13"),
        ("status != 404", "245"),
        ('status = "404"', "13"),
        # syntax-operators.html, precedence and negation
        ("method=GET or method=POST", "12"),
        ("status=404 and (method=GET or method=POST)", "1"),
        ("status=404 method=GET or method=POST", "1"),
        ("status=404 | method=GET or method=POST", "1"),
        ("not method=GET method=POST", "2"),
        ("status=* not status=404", "245"),
        ("!method=GET", "2345"),
        ("not (user = *)", "45"),
        ("not (status > 400)", "24"),
        ("not not method=GET", "1"),
        ("method=GET or not user=* and status=*", "145"),  # or binds tighter than and, not tightest
        ("true", "12345"),
        ("false", ""),
        ("*", "12345"),
    ],
)
def test_a_filter_passes_what_the_documentation_says(query, passing):
    assert found(query) == passing


def test_free_text_is_found_in_any_field_but_tags_and_metadata():
    # syntax-filters.html, free-text filters
    rows = [
        {"n": "1", "a": "say foo bar"},
        {"n": "2", "#tag": "foo"},
        {"n": "3", "@id": "foo", "@timestamp": 1},
        {"n": "4", "@rawstring": "x foo"},
        {"n": "5", "b": "Foo"},
    ]
    assert found("foo", rows) == "14"
    assert found('"foo bar"', rows) == "1"
    assert found("/foo/i", rows) == "145"
    assert found("not foo", rows) == "235"


def test_free_text_looks_at_the_event_as_it_came():
    # syntax-filters.html: "does not take into account any fields added or removed within the pipeline"
    assert found('n=* | extra := "zebra" | zebra') == ""
    assert found("drop(user) | Turing") == "1"


def test_a_tag_is_a_field_like_any_other():
    # syntax-operators.html, filtering on tag fields
    rows = [{"n": "1", "#event_simpleName": "A", "event_simpleName": "B"}, {"n": "2", "event_simpleName": "A"}]
    assert found("#event_simpleName=A", rows) == "1"
    assert found("#event_simpleName!=A", rows) == "2"


@pytest.mark.parametrize(
    ("query", "passing"),
    [
        # functions-cidr.html
        ('cidr(ip, subnet="192.0.2.0/24")', "1"),
        ('cidr(ip, subnet=["192.0.2.0/24", "203.0.113.0/24"])', "12"),
        ('cidr(ip, subnet=["0.0.0.0/0", "::/0"])', "123"),  # is it an address at all?
        ('cidr(ip, subnet="::/0")', "3"),
        ('!cidr(ip, subnet="192.0.2.0/24")', "2345"),
        ('ip =~ cidr(subnet="192.0.2.0/24")', "1"),
        ('ip =~ !cidr(subnet="192.0.2.0/24")', "2345"),
    ],
)
def test_cidr_tells_addresses_in_networks_of_both_families(query, passing):
    rows = [
        {"n": "1", "ip": "192.0.2.7"},
        {"n": "2", "ip": "203.0.113.255"},
        {"n": "3", "ip": "2001:DB8::1"},
        {"n": "4", "ip": "host.example.com"},
        {"n": "5"},
    ]
    assert found(query, rows) == passing


@pytest.mark.parametrize(
    ("query", "passing"),
    [
        # functions-in.html
        ('in(status, values=["404", "422"])', "13"),
        ("in(status, values=[404, 422])", "13"),
        ('in(status, values=["4*"])', "13"),
        ('!in(status, values=["404", "200"])', "45"),
        ("in(user, values=[alan*], ignoreCase=true)", "12"),
        ("in(user, values=[alan*])", "2"),
        ("status =~ in(values=[200])", "2"),
        # functions-wildcard.html: the whole value, as /\\A...\\z/i
        ('wildcard(field=user, pattern="alan*", ignoreCase=true)', "12"),
        ('wildcard(field=user, pattern="alan", ignoreCase=true)', ""),
        ('wildcard(field=user, pattern="*")', "123"),
        ('wildcard(field=user, pattern="*", includeEverythingOnAsterisk=true)', "12345"),
        # functions-regex.html
        ('regex("Turing$", field=user)', "1"),
        ('regex("turing", field=user, flags=i)', "12"),
        ('regex("turing", field=user, strict=false)', "12345"),
        ('!regex("Turing", field=user)', "2345"),
        # functions-test.html: an unquoted word is a field, a quoted one a text
        ('test(method == "GET")', "1"),
        ("test(status < 400)", "2"),
        ("test(length(method) == 3)", "13"),
        ('test(text:contains(string=user, substring="Tur"))', "1"),
        ('text:startsWith(string=method, substring="P")', "23"),
        ('text:endsWith(string=method, substring="T")', "123"),
    ],
)
def test_a_filter_function_passes_what_the_documentation_says(query, passing):
    assert found(query) == passing


def test_case_takes_the_first_branch_and_drops_what_no_branch_takes():
    # syntax-conditional.html
    query = 'case { method=GET | kind := "read"; method=P* | status=200 | kind := "ok" }'
    result = run_cql(query, ROWS).rows
    assert [(row["n"], row["kind"]) for row in result] == [("1", "read"), ("2", "ok")]
    assert found("case { method=GET; * | status=none }") == "14"


def test_a_branch_that_is_not_taken_leaves_the_event_as_it_was():
    query = 'case { kind := "wrong" | drop(status) | method=GET; *; }'
    assert run_cql(query, ROWS[1:2]).rows == [ROWS[1]]


def test_match_takes_the_first_guard_that_its_field_meets():
    # syntax-conditional.html, match statements: * matches anything, "*" and ** ask for the field
    query = """status match {
        404 => kind := "missing";
        /^5/ => kind := "error";
        in(values=[200, 201]) => kind := "fine";
        * => kind := "other"
    }"""
    assert [row["kind"] for row in run_cql(query, ROWS).rows] == ["missing", "fine", "missing", "other", "error"]
    assert found("user match { ** => * }") == "123"
    assert found("user match { * => * }") == "12345"


def test_a_named_group_of_a_step_fills_a_field():
    # syntax-fields.html, regular expression-based field extraction
    rows = [{"n": "1", "text": "disk_free=2000"}, {"n": "2", "text": "disk_free=20"}, {"n": "3", "text": "no"}]
    assert found('regex("disk_free=(?<space>[0-9]+)", field=text) | space < 1000', rows) == "2"
    assert found("text=/disk_free=(?<space>[0-9]+)/ space < 1000", rows) == "2"
    query = 'regex("(?<a>x)?disk_free=(?<b.c>.)", field=text, strict=false)'
    assert [sorted(row) for row in run_cql(query, rows).rows] == [["b.c", "n", "text"]] * 2 + [["n", "text"]]


def test_rows_are_not_changed():
    row = {"n": "1", "a": "x"}
    result = run_cql('a := "y" | drop(n)', [row])
    assert row == {"n": "1", "a": "x"}
    assert result.rows == [{"a": "y"}]
    assert run_cql("n=1", [row]).rows[0] is not row


def test_nested_values_are_fields_of_their_own():
    rows = [{"n": "1", "host": {"name": "a", "tags": ["x", "y"]}, "up": True}]
    assert found("host.name=a host.tags[1]=y up=true", rows) == "1"
