"""Aggregates, order and limits. Pages are under https://library.humio.com/data-analysis/."""

from __future__ import annotations

import pytest

from polysigma.diagnostics import PolysigmaError
from polysigma.engines.cql import compile_cql, run_cql

CODES = [
    {"status_code": "440", "ip": "192.0.2.1"},
    {"status_code": "500", "ip": "192.0.2.1"},
    {"status_code": "440", "ip": "192.0.2.1"},
    {"status_code": "440", "ip": "192.0.2.2"},
]
XS = [{"x": 1}, {"x": 2}, {"x": 9}, {"x": 10}]


def rows(query, given, **options):
    return run_cql(query, given, **options).rows


def test_group_by_counts_by_default():
    # functions-groupby.html, syntax examples
    assert rows("groupBy(status_code)", CODES) == [
        {"status_code": "440", "_count": 3},
        {"status_code": "500", "_count": 1},
    ]


def test_group_by_without_functions_gives_the_combinations():
    assert rows("groupBy([status_code, ip], function=[])", CODES) == [
        {"status_code": "440", "ip": "192.0.2.1"},
        {"status_code": "500", "ip": "192.0.2.1"},
        {"status_code": "440", "ip": "192.0.2.2"},
    ]


def test_a_nested_group_by_repeats_the_outer_measure():
    query = "groupBy(ip, function=[count(as=total), groupBy(status_code, function=count(as=n))])"
    assert rows(query, CODES) == [
        {"ip": "192.0.2.1", "total": 3, "status_code": "440", "n": 2},
        {"ip": "192.0.2.1", "total": 3, "status_code": "500", "n": 1},
        {"ip": "192.0.2.2", "total": 1, "status_code": "440", "n": 1},
    ]


def test_steps_in_braces_are_a_function_of_their_own():
    # functions-groupby.html: groupBy(host, function=[{count() | esp:=_count/300}])
    assert rows("groupBy(ip, function=[{status_code=440 | count() | half := _count / 2}])", CODES) == [
        {"ip": "192.0.2.1", "_count": 2, "half": 1},
        {"ip": "192.0.2.2", "_count": 1, "half": 0.5},
    ]


def test_values_of_one_text_are_one_group_whatever_made_them():
    assert rows("n := 1 + 1 | groupBy(n)", [{}, {}]) == [{"n": 2, "_count": 2}]
    assert rows("groupBy(n)", [{"n": 2}, {"n": "2"}, {"n": "2.0"}]) == [
        {"n": 2, "_count": 2},
        {"n": "2.0", "_count": 1},
    ]


def test_keys_regard_case():
    assert len(rows("groupBy(h)", [{"h": "A"}, {"h": "a"}])) == 2


def test_past_its_limit_group_by_is_incomplete():
    # functions-groupby.html: a restricted subset of groups, a lower bound, a warning
    result = run_cql("groupBy(n, limit=2)", [{"n": str(n)} for n in range(5)])
    assert len(result.rows) == 2
    assert result.incomplete
    assert "incomplete" in result.warnings[0]
    assert "group-kept" in result.assumptions
    assert not run_cql("groupBy(n, limit=5)", [{"n": str(n)} for n in range(5)]).incomplete


def test_group_by_takes_twenty_thousand_groups_by_default_and_a_million_at_most():
    many = [{"n": str(n)} for n in range(20_001)]
    assert run_cql("groupBy(n)", many).incomplete
    assert not run_cql("groupBy(n, limit=max)", many).incomplete
    with pytest.raises(PolysigmaError, match="no limit that is documented"):
        run_cql("groupBy(n, limit=1000001)", many)


def test_stats_combines_single_rows_and_multiplies_several():
    # functions-stats.html, examples 1 to 3
    assert rows("stats([avg(x), table([x], sortby=x, order=asc)])", XS) == [
        {"_avg": 5.5, "x": 1},
        {"_avg": 5.5, "x": 2},
        {"_avg": 5.5, "x": 9},
        {"_avg": 5.5, "x": 10},
    ]
    given = [{"x": 1, "y": "N/A"}, {"x": 2, "y": "N/A"}]
    assert rows("[sum(x, as=sumX), avg(y, as=avgY), table([x, y], sortby=x, order=asc)]", given) == [
        {"sumX": 3, "x": 1, "y": "N/A"},
        {"sumX": 3, "x": 2, "y": "N/A"},
    ]
    given = [{"x": 1, "z": 100}, {"x": 2, "z": 200}]
    product = rows("[table([x], sortby=x, order=asc), table([z], sortby=z, order=asc)]", given)
    assert [(row["x"], row["z"]) for row in product] == [(1, 100), (1, 200), (2, 100), (2, 200)]


def test_an_assignment_names_the_result_of_an_aggregate():
    assert rows("[least := min(x), most := max(x)]", XS) == [{"least": 1, "most": 10}]
    assert rows("total := sum(x)", XS) == [{"total": 22}]


def test_two_aggregates_with_different_values_for_one_field_are_an_error():
    with pytest.raises(PolysigmaError, match="cql-conflict"):
        run_cql("[count(as=n), sum(x, as=n)]", XS)
    assert rows("[count(as=n), count(as=n)]", XS) == [{"n": 4}]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("count()", {"_count": 5}),
        ("count(a)", {"_count": 4}),
        ("count(a, distinct=true)", {"_count": 3}),
        ("sum(a)", {"_sum": 4}),
        ("min(a)", {"_min": 1}),
        ("max(a)", {"_max": 2}),
        ("avg(a)", {"_avg": 4 / 3}),
        ("stdDev(a)", {"_stddev": pytest.approx(0.57735, abs=1e-5)}),
        ("percentile(a, percentiles=[50], as=m)", {"m_50": 1}),
        ("collect([a])", {"a": "1\n2\nx"}),
        ('collect([a], separator=", ", limit=2)', {"a": "1, 2"}),
    ],
)
def test_a_measure_leaves_out_what_is_missing_or_no_number(function, expected):
    given = [{"a": "1"}, {"a": 1}, {"a": "2"}, {"a": "x"}, {}]
    assert rows(function, given) == [expected]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("count()", [{"_count": 0}]),
        ("sum(a)", [{"_sum": 0}]),
        ("min(a)", []),
        ("avg(a)", []),
        ("stdDev(a)", []),
        ("percentile(a)", []),
        ("groupBy(a)", []),
        ("selectFromMax(a, include=[b])", []),
        ("collect([a])", [{}]),
    ],
)
def test_measures_of_nothing(function, expected):
    assert rows(function, [{"b": "1"}] if function != "count()" else []) == expected


def test_percentile_is_a_value_between_the_neighbours():
    # functions-percentile.html: of 12, 25, 50 and 99 the 50th percentile is any value from 25 to 50
    given = [{"x": x} for x in (99, 12, 50, 25)]
    assert 25 <= rows("percentile(x, percentiles=[50])", given)[0]["_50"] <= 50
    assert rows("percentile(x)", [{"x": 7}]) == [{"_50": 7, "_75": 7, "_99": 7}]


def test_collect_past_its_limit_warns_but_is_not_incomplete():
    # functions-collect.html: partial results and a warning
    result = run_cql("collect([x], limit=2)", XS)
    assert result.rows == [{"x": "1\n2"}]
    assert "only some" in result.warnings[0]
    assert not result.incomplete


def test_what_was_collected_before_counts_as_one_value():
    assert rows(
        "groupBy(h, function=collect([x], limit=9)) | collect([x])", [{"h": "a", "x": 1}, {"h": "a", "x": 2}]
    ) == [{"x": "1\n2"}]


def test_collect_without_multival_gives_a_row_for_each_value():
    assert rows("collect([x], multival=false)", XS[:2]) == [{"x": "1"}, {"x": "2"}]


def test_select_last_takes_each_field_from_the_latest_event_that_has_it():
    # functions-selectlast.html: {id:a, from:x}, {id:a, to:x}
    given = [
        {"id": "a", "@timestamp": 2, "from": "new"},
        {"id": "a", "@timestamp": 1, "from": "old", "to": "there"},
    ]
    assert rows("groupBy(id, function=selectLast([from, to]))", given) == [{"id": "a", "from": "new", "to": "there"}]


def test_select_from_max_takes_fields_of_one_event():
    # functions-selectfrommax.html
    given = [{"t": 1, "x": "old"}, {"t": 3, "y": "new"}, {"t": "z", "x": "text"}]
    assert rows("selectFromMax(t, include=[t, x, y])", given) == [{"t": 3, "y": "new"}]
    assert rows("selectFromMin(t, include=[x])", given) == [{"x": "old"}]


# Order


def shown(query, given, field="x"):
    return [row.get(field) for row in rows(query, given)]


def test_sort_is_by_number_and_descending_by_default():
    # functions-sort.html
    given = [{"x": "9"}, {"x": "10"}, {}, {"x": "2.5"}]
    assert shown("sort(x)", given) == ["10", "9", "2.5", None]
    assert shown("sort(x, order=asc)", given) == ["2.5", "9", "10", None]
    assert shown("sort(x, type=string, order=asc)", given) == ["10", "2.5", "9", None]
    assert shown("sort(x, type=hex, order=asc)", [{"x": "0xff"}, {"x": "1F"}, {"x": "20"}]) == ["1F", "20", "0xff"]
    assert shown("sort(x, limit=1)", given) == ["10"]


def test_sort_takes_an_order_for_each_field():
    given = [{"x": "a", "n": 1}, {"x": "b", "n": 1}, {"x": "a", "n": 2}]
    query = "sort([x, n], type=[string, number], order=[asc, desc])"
    assert [(row["x"], row["n"]) for row in rows(query, given)] == [("a", 2), ("a", 1), ("b", 1)]


def test_table_selects_fields_and_sorts_by_time_so_that_a_sort_before_it_is_undone():
    # functions-table.html: sortby is @timestamp by default
    given = [{"x": x, "y": 0, "@timestamp": time} for x, time in ((1, 10), (3, 30), (2, 20))]
    assert rows("sort(x, order=asc) | table([x])", given) == [{"x": 3}, {"x": 2}, {"x": 1}]
    assert rows("table([x, missing], sortby=x, order=asc)", given) == [{"x": 1}, {"x": 2}, {"x": 3}]


def test_a_table_cut_by_a_limit_that_nobody_chose_is_incomplete():
    given = [{"x": n} for n in range(201)]
    result = run_cql("table([x])", given)
    assert (len(result.rows), result.incomplete) == (200, True)
    result = run_cql("table([x], limit=100)", given)
    assert (len(result.rows), result.incomplete) == (100, False)
    assert len(rows("table([x], limit=max)", given)) == 201


def test_head_and_tail_keep_the_oldest_and_the_newest():
    # functions-head.html, functions-tail.html
    given = [{"x": x, "@timestamp": x} for x in (3, 1, 2)]
    assert shown("head(2)", given) == [1, 2]
    assert shown("tail(1)", given) == [3]
    assert shown("sort(x) | head(1)", [{"x": 1}, {"x": 2}]) == [2]


# Time


NOON = 1_700_049_600  # 2023-11-15T12:00:00Z, a Wednesday


@pytest.mark.parametrize(
    ("interval", "start", "end"),
    [
        # functions-settimeinterval.html, syntax-time-relative.html
        ("start=1h", -3600, 0),
        ("start=2hours, end=30min", -7200, -1800),
        ('start="24h@h", end="now@h"', -24 * 3600 - 1800, -1800),
        ('start="1d@d+12h"', -24 * 3600 - 1800, 0),
        ('start="now@w"', -60 * 3600 - 1800, 0),
        ('start="now@d", timezone="+02:00"', -14 * 3600 - 1800, 0),
        ('start="6h@h+30min"', -6 * 3600, 0),
        (f"start={(NOON - 60) * 1000}, end={NOON * 1000}", -1860, -1800),
    ],
)
def test_the_interval_of_a_query_is_relative_to_its_time_and_holds_its_start(interval, start, end):
    now = NOON + 1800
    times = [start - 1, start, end - 1, end]
    given = [{"@timestamp": (now + time) * 1000, "n": str(n)} for n, time in enumerate(times)]
    query = compile_cql(f"setTimeInterval({interval}) | n=*")
    assert [row["n"] for row in query.run(given, now=now).rows] == ["1", "2"]
    assert query.run([{"n": "x"}], now=now).rows == []


def test_a_compiled_query_forgets_its_last_run():
    query = compile_cql("groupBy(n, limit=1)")
    assert query.run([{"n": "1"}, {"n": "2"}]).incomplete
    again = query.run([{"n": "3"}])
    assert (again.rows, again.incomplete, again.assumptions) == ([{"n": "3", "_count": 1}], False, frozenset())


def test_a_query_over_selections_of_rows_gives_what_it_gives_over_each():
    query = compile_cql("x > 1 | y := x * 2 | groupBy(y)")
    sifted = query.sift(XS)
    assert sifted[0] is None
    for start in range(4):
        chosen = [row for row in sifted[start:] if row is not None]
        assert query.gather(chosen) == query.run(XS[start:])
    with pytest.raises(ValueError, match="interval"):
        compile_cql("setTimeInterval(start=1h) | x=*").sift(XS)


def test_split_makes_an_event_of_each_value_of_an_array():
    # functions-split.html, its example of an array of numbers
    assert rows("split(a)", [{"@id": "1", "a[0]": "1", "a[1]": "2"}]) == [
        {"@id": "1__0", "_index": 0, "a": "1"},
        {"@id": "1__1", "_index": 1, "a": "2"},
    ]


def test_values_are_appended_to_an_array_which_is_made_if_need_be():
    # functions-array-append.html
    query = 'array:append("a[]", values=["x", b, none]) | array:append("a[]", values=["y"])'
    assert rows(query, [{"b": "z"}]) == [{"b": "z", "a[0]": "x", "a[1]": "z", "a[2]": "y"}]


def test_a_split_of_what_is_no_array_is_refused():
    with pytest.raises(PolysigmaError, match="without an array"):
        rows("split(a)", [{"a": "1"}])


def test_tables_of_the_query_are_read_one_after_the_other():
    # functions-definetable.html, functions-readfile.html; a table may read an earlier one
    query = """defineTable(name="a", include=[status_code, n], query={groupBy(status_code, function=count(as=n))})
        | defineTable(name="b", include=[status_code, none], query={readFile(["a"]) | n > 1})
        | readFile(["b", "a"])
        | groupBy(status_code)"""
    assert rows(query, CODES) == [{"status_code": "440", "_count": 2}, {"status_code": "500", "_count": 1}]


def test_a_table_has_all_its_columns():
    query = 'defineTable(name="a", include=[x, y], query={*}) | readFile("a") | y=""'
    assert len(rows(query, XS)) == 4
    assert rows(query, XS, flip=frozenset({"table-missing"})) == []


# What comes before, in an order


LETTERS = [{"key": key, "@timestamp": at} for at, key in enumerate("aabc")]


def test_neighbor_adds_a_field_of_the_event_before():
    # examples/examples-neighbor-preceeding.html: <no value>, a, a, b
    found = rows("head() | neighbor(key, prefix=prev)", LETTERS)
    assert [(row["key"], row.get("prev.key")) for row in found] == [("a", None), ("a", "a"), ("b", "a"), ("c", "b")]


def test_inside_a_group_neighbor_sees_the_rows_of_the_group_alone():
    # functions-sequence.html: sequence functions stand where regular aggregates do, once there is an order
    given = [{"k": k, "n": n, "x": n * n} for k, n in (("a", 10), ("b", 2), ("a", 9), ("b", 1), ("a", 100))]
    query = "groupBy(k, function={sort(n, order=asc, type=number, limit=20000) | neighbor([n], prefix=p)})"
    result = run_cql(query, given)
    assert [(row["k"], row["n"], row["x"], row.get("p.n")) for row in result.rows] == [
        ("a", 9, 81, None), ("a", 10, 100, 9), ("a", 100, 10000, 10), ("b", 1, 1, None), ("b", 2, 4, 1),
    ]  # fmt: skip
    assert "group-composite-rows" in result.assumptions
    flipped = run_cql(query, given, flip=frozenset({"group-composite-rows"})).rows
    assert [(row["k"], row["n"]) for row in flipped] == [("a", 9), ("b", 1)]


def test_past_the_limit_of_its_sort_a_group_is_incomplete():
    query = "groupBy(k, function={sort(n, order=asc, limit=20000) | neighbor(n, prefix=p)})"
    result = run_cql(query, [{"k": "a", "n": n} for n in range(20_001)])
    assert (len(result.rows), result.incomplete) == (20_000, True)


@pytest.mark.parametrize("query", ["neighbor(n, prefix=p)", "count() | groupBy(k, function={neighbor(n, prefix=p)})"])
def test_neighbor_is_refused_where_events_have_no_order(query):
    with pytest.raises(PolysigmaError, match="stands behind no aggregate"):
        run_cql(query, [])
