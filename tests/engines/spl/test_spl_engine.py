"""What each command and function does, by worked examples of Splunk's documentation, named beside it."""

from __future__ import annotations

import pytest

from polysigma.engines.spl import SplError, assumptions, parse, run_spl
from polysigma.engines.spl.engine import bound
from polysigma.engines.spl.tree import Macro, SearchAnd, SearchNot, SearchOr, Term


def evaluated(expression, **row):
    """The value of an expression over one row."""
    (found,) = run_spl(f"Id=1 | eval result={expression}", [{"Id": "1", **row}])
    return found.get("result")


def kept(condition, *rows):
    """The numbers of the rows that `where` keeps."""
    numbered = [{"Id": "1", "Row": number, **row} for number, row in enumerate(rows)]
    return [row["Row"] for row in run_spl(f"Id=1 | where {condition}", numbered)]


def found(search, *rows):
    """The numbers of the rows that a search finds."""
    return [row["Row"] for row in run_spl(search, [{"Row": number, **row} for number, row in enumerate(rows)])]


# search


def test_or_binds_more_tightly_than_and_in_a_search():
    """Search Manual, "Boolean expressions": `A=1 AND B=2 OR C=3` is `A=1 AND (B=2 OR C=3)`."""
    a, b, c = (Term(name, "=", value) for name, value in (("A", "1"), ("B", "2"), ("C", "3")))
    assert parse("A=1 AND B=2 OR C=3").commands[0].expression == SearchAnd((a, SearchOr((b, c))))
    assert parse("A=1 B=2 OR C=3") == parse("A=1 (B=2 OR C=3)")
    assert parse("NOT A=1 OR B=2").commands[0].expression == SearchOr((SearchNot(a), b))


def test_and_binds_more_tightly_than_or_in_where():
    """Search Manual, "Boolean expressions": the where command evaluates AND before OR."""
    assert parse("Id=1 | where A=1 OR B=2 AND C=3") == parse("Id=1 | where A=1 OR (B=2 AND C=3)")
    assert parse("Id=1 | where NOT A=1 AND B=2") == parse("Id=1 | where (NOT A=1) AND B=2")


def test_a_search_knows_no_case_and_where_does():
    """Search Reference, "where", and "search": string comparison."""
    rows = ({"user": "Admin"}, {"user": "admin"})
    assert found('user="admin"', *rows) == [0, 1]
    assert kept('user="admin"', *rows) == [1]
    assert kept('lower(user)="admin"', *rows) == [0, 1]


def test_not_finds_events_without_the_field_and_unequal_does_not():
    """Search Manual, "Difference between NOT and !="."""
    rows = ({"fruit": "apple"}, {"fruit": "pear"}, {})
    assert found('Id!="x" fruit!="apple"', *({"Id": "1", **row} for row in rows)) == [1]
    assert found('NOT fruit="apple"', *rows) == [1, 2]


def test_a_star_stands_for_any_text():
    """Search Manual, "Wildcards": `my*` matches myhost1 and myhost.ny.mydomain.com."""
    rows = ({"host": "myhost1"}, {"host": "myhost.ny.mydomain.com"}, {"host": "hermes"})
    assert found('host="my*"', *rows) == [0, 1]
    assert found("host=*", *rows, {}) == [0, 1, 2]


def test_a_value_in_cidr_notation_matches_a_network_in_a_search():
    """Search Reference, "search", "CIDR matching"."""
    assert found('ip="203.0.113.0/24"', {"ip": "203.0.113.5"}, {"ip": "198.51.100.5"}) == [0]


def test_a_list_is_one_of_several_and_any_value_of_a_field_counts():
    """Search Reference, "search", "IN operator"."""
    assert found('status IN (400, 401, "40*")', {"status": "404"}, {"status": "500"}) == [0]
    assert found("tag=network tag=dns", {"tag": ["network", "dns"]}, {"tag": ["network"]}) == [0]


def test_the_sysmon_macro_is_that_of_splunk_s_own_content():
    rows = ({"source": "XmlWinEventLog:Microsoft-Windows-Sysmon/Operational"}, {"source": "WinEventLog:Security"})
    assert found("`sysmon`", *rows) == [0]
    assert parse("`sysmon`").commands[0].expression == Macro("sysmon")
    with pytest.raises(KeyError, match="unheard_of"):
        run_spl("`unheard_of`", [])


# eval


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        # "Comparison and conditional functions"
        ('case(error=200, "OK", error=404, "Not found", error=500, "Internal Server Error")', "Not found"),
        ('if(error=200, "OK", "Error")', "Error"),
        ('coalesce(nothing, null(), "this")', "this"),
        ('nullif("a", "a")', None),
        ('if(cidrmatch("192.0.2.0/24", "192.0.2.56"), "local", "not local")', "local"),
        ('if(cidrmatch("2001:db8::/32", "2001:db8:0:0:0:0:0:1"), "in", "out")', "in"),
        ('if(cidrmatch("10.0.0.0/8", "2001:db8::1"), "in", "out")', "out"),
        ('if(match("192.0.2.56", "^\\\\d{1,3}\\\\.\\\\d{1,3}\\\\.\\\\d{1,3}\\\\.\\\\d{1,3}$"), "yes", "no")', "yes"),
        ('if(like("addressed", "addr%"), "yes", "no")', "yes"),
        # "Text functions"
        ('lower("UserName")', "username"),
        ('len("length")', 6),
        ('replace("1/14/2023", "^(\\\\d{1,2})/(\\\\d{1,2})/", "\\\\2/\\\\1/")', "14/1/2023"),
        ('substr("string", 1, 3)', "str"),
        ('urldecode("http%3A%2F%2Fwww.splunk.com%2Fdownload%3Fr%3Dheader")', "http://www.splunk.com/download?r=header"),
        # "Conversion functions"
        ('tonumber("0A4", 16)', 164),
        ('tonumber("none")', None),
        # "Mathematical functions"
        ("floor(1.9)", 1),
        ("round(2.555, 2)", 2.56),
        # "Multivalue eval functions"
        ('mvindex(split("a;b;c", ";"), 1)', "b"),
        ('mvindex(split("a;b;c", ";"), 0, 1)', ["a", "b"]),
        ('mvfind(split("a;b;c", ";"), "c$")', 2),
        ('mvappend("a", null(), "b")', ["a", "b"]),
        # "eval": operators
        ("7/2", 3.5),
        ("7/0", None),
        ("nothing+1", None),
        ("1+2*3", 7),
        ("(1+2)*3", 9),
        ('floor(513/256).".".(513%256)', "2.1"),
    ],
)
def test_a_function_gives_what_its_page_says(expression, value):
    assert evaluated(expression, error="404") == value


def test_a_test_of_a_missing_field_is_null_and_so_is_its_opposite():
    """Search Reference, "where": a null is neither true nor false."""
    assert kept('user="a"', {}) == []
    assert kept('NOT user="a"', {}) == []
    assert kept('isnull(user) OR user!="a"', {}, {"user": "a"}, {"user": "b"}) == [0, 2]
    assert evaluated('if(user="a", "yes", "no")') == "no"


def test_numbers_are_compared_as_numbers_and_texts_in_their_order():
    """Search Reference, "where": `where foo<10` compares numbers where both sides are numbers."""
    assert kept("size>9", {"size": "10"}, {"size": "9"}, {"size": "-"}) == [0]


# stats and the rest


def rows_of(command, *rows):
    return run_spl(f"Id=1 | {command}", [{"Id": "1", **row} for row in rows])


def test_stats_leaves_out_rows_without_a_key_and_counts_where_a_condition_holds():
    """Search Reference, "stats": `count(eval(action="purchase"))`; rows whose by field is null are dropped."""
    rows = ({"p": "x", "action": "purchase"}, {"p": "x", "action": "view"}, {"action": "purchase"})
    assert rows_of('stats count AS views, count(eval(action="purchase")) AS bought by p', *rows) == [
        {"p": "x", "views": 2, "bought": 1}
    ]


def test_values_are_distinct_and_in_order_of_text():
    """Statistical and charting functions, "values": lexicographical order."""
    rows = tuple({"v": value} for value in ("b", "10", "9", "b", "a"))
    (found_row,) = rows_of("stats values(v) AS v, dc(v) AS n, max(v) AS last", *rows)
    assert found_row == {"v": ["10", "9", "a", "b"], "n": 4, "last": "b"}


def test_a_list_has_the_first_hundred_values_in_the_order_of_rows():
    """Multivalue stats and chart functions, "list": the order of the events, a hundred at most, all as text."""
    (found_row,) = rows_of("stats list(v) AS v", {"v": "b"}, {"v": 3}, {}, {"v": "b"}, {"v": "a"})
    assert found_row == {"v": ["b", "3", "b", "a"]}
    (found_row,) = rows_of("stats list(v) AS v", *({"v": str(number)} for number in range(101)))
    assert found_row == {"v": [str(number) for number in range(100)]}


def test_stdev_is_of_the_sample():
    (found_row,) = rows_of("stats stdev(v) AS s, avg(v) AS m, sum(v) AS t", {"v": "2"}, {"v": "4"}, {"v": "6"})
    assert found_row == {"s": 2.0, "m": 4.0, "t": 12}


def test_earliest_and_latest_go_by_time():
    rows = ({"_time": 20, "v": "b"}, {"_time": 10, "v": "a"}, {"_time": 30})
    assert rows_of("stats earliest(v) AS first, latest(v) AS last", *rows) == [{"first": "a", "last": "b"}]


def test_eventstats_adds_its_numbers_to_every_row():
    """Search Reference, "eventstats"."""
    rows = rows_of("eventstats count AS n by ip", {"ip": "a"}, {"ip": "a"}, {"ip": "b"}, {})
    assert [row.get("n") for row in rows] == [2, 2, 1, None]


def test_sort_orders_numbers_by_size_and_zero_keeps_them_all():
    """Search Reference, "sort": `sort 0` returns every result."""
    rows = rows_of("sort 0 -n, name", {"n": "9", "name": "b"}, {"n": "10", "name": "c"}, {"n": "9", "name": "a"})
    assert [row["name"] for row in rows] == ["c", "a", "b"]
    assert len(rows_of("sort 1 -n", {"n": "9"}, {"n": "10"})) == 1


def test_a_row_comes_once_for_each_value_that_is_expanded():
    """Search Reference, "mvexpand"."""
    assert [row["r"] for row in rows_of('eval r=mvappend("a", "b") | mvexpand r', {})] == ["a", "b"]


def test_mvexpand_keeps_a_row_without_a_value():
    """The manual does not say so: a query is not to rely on the other."""
    assert [row.get("r") for row in rows_of("eval r=null() | mvexpand r", {})] == [None]


def test_a_format_shows_a_field_otherwise_and_leaves_its_value():
    """Search Reference, "fieldformat": the underlying value does not change."""
    assert rows_of('fieldformat t=strftime(t, "%H:%M")', {"t": 60})[0]["t"] == 60
    assert evaluated('strftime(60, "%H:%M")') == "00:01"


def test_a_time_snaps_down():
    """Search Manual, "Specify time modifiers in your search": -1h@h at 13:45 is 12:00."""
    quarter_to_two = 13 * 3600 + 45 * 60
    assert bound("-1h@h", quarter_to_two) == 12 * 3600
    assert bound("@d", quarter_to_two) == 0
    assert bound("-30m", quarter_to_two) == 13 * 3600 + 15 * 60


def traffic(**changes):
    return {
        "_time": 100,
        "tag": ["network", "communicate"],
        "src": "h",
        "dest_ip": "192.0.2.1",
        "dest_port": "443",
    } | changes


def test_tstats_counts_events_of_the_data_set_by_keys_that_none_lacks():
    """Search Reference, "tstats"; the model fills src and dest_port, and leaves dest_ip alone."""
    query = (
        "| tstats count AS n from datamodel=Network_Traffic.All_Traffic where All_Traffic.dest_port!=0 "
        "by All_Traffic.dest_ip, All_Traffic.src, _time span=15m | rename All_Traffic.* AS *"
    )
    rows = [traffic(), traffic(_time=899), traffic(_time=900), traffic(src=None), traffic(dest_ip=None)]
    rows += [traffic(dest_port="http"), traffic(tag=["network"])]
    assert run_spl(query, rows) == [
        {"dest_ip": "192.0.2.1", "src": "h", "_time": 0, "n": 2},
        {"dest_ip": "192.0.2.1", "src": "h", "_time": 900, "n": 1},
        {"dest_ip": "192.0.2.1", "src": "unknown", "_time": 0, "n": 1},
    ]


# what is refused


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "1:1"),
        ("error", "1:6"),
        ('Id="x', "1:4"),
        ("Id=1 | statz count AS n", "1:8"),
        ("Id=1\n| where nosuch(x)=1", "2:9"),
        ("Id=1 | where len(a, b)=1", "1:14"),
        ("Id=1 | where Image", "1:14"),
        ("Id=1 | where a AND b=1", "1:16"),
        ("Id=1 | eval x=a=1", "1:13"),
        ("Id=1 | eval x=(a", "1:17"),
        ("Id=1 | where a=1=1", "1:17"),
        ("Id=1 | stats sum AS x", "1:18"),
        ("Id=1 | stats perc90(x) AS y", "1:14"),
        ("Id=1 | stats count(x) by y", "1:23"),
        ("Id=1 | sort -x", "1:13"),
        ("Id=1 | join x [search y=1]", "1:8"),
        ("Id=1 | append [y=1]", "1:16"),
        ("Id=1 | append [search y=1", "1:26"),
        ("Id=1 | table x; y", "1:15"),
        ("| from datamodel:Endpoint", "1:3"),
        ("earliest=-1h", "1:13"),
    ],
)
def test_what_is_not_known_is_refused_with_its_place(text, place):
    with pytest.raises(SplError, match=f"^{place}: "):
        parse(text)


def test_a_comment_is_a_space_and_keeps_the_places():
    """Search Manual, "Add comments to searches"."""
    assert parse("``` | delete ```\nId=1 ``` one ``` | head 3") == parse("Id=1 | head 3")
    with pytest.raises(SplError, match=r"^2:14: "):
        parse("``` a\nb ``` Id=1 | nope")


def test_what_no_page_settles_is_said_with_the_reason_and_the_page():
    assert {"empty-text", "null-under-not", "text-that-looks-like-a-number"} <= assumptions().keys()
    assert all(one.rule and one.why and one.page for one in assumptions().values())


def test_the_rows_of_a_subsearch_are_appended():
    # Search Reference, "append"
    events = [{"Id": "1", "x": "a"}, {"Id": "2", "x": "b"}, {"Id": "2", "x": "c"}]
    query = """Id=1 | table x | append [search Id=2 | stats count AS n by Id | table n]"""
    assert run_spl(query, events) == [{"x": "a"}, {"n": 2}]


def test_streamstats_takes_the_value_of_the_row_before_in_a_window_of_each_group():
    """Search Reference, "streamstats": `current=f` gives "the field value from the previous event", `global=f` a
    separate window for each group of the by clause."""
    given = ({"k": "a", "n": 3}, {"k": "b", "n": 1}, {"k": "a", "n": 1}, {"n": 2}, {"k": "A", "n": 9})
    done = rows_of("sort 0 n | streamstats current=f window=1 global=f last(n) AS p by k", *given)
    assert [(row.get("k"), row["n"], row.get("p")) for row in done] == [
        ("b", 1, None), ("a", 1, None), (None, 2, None), ("a", 3, 1), ("A", 9, None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "options", ["current=t window=1 global=f", "current=f window=2 global=f", "current=f window=1"]
)
def test_another_streamstats_is_refused(options):
    with pytest.raises(SplError):
        parse(f"Id=1 | streamstats {options} last(n) AS p by k")
