"""duckdb-kql with what it lacks, held to what Microsoft documents of each function."""

from __future__ import annotations

import pytest

from polysigma.diagnostics import PolysigmaError
from polysigma.engines.kql import execute
from polysigma.engines.kql.execute import Database


@pytest.fixture(scope="module")
def database():
    rows = [
        {"DeviceId": "a", "RemoteIP": "10.1.2.3", "RemotePort": 1, "Timestamp": "2026-03-02T10:59:59.999Z"},
        {"DeviceId": "a", "RemoteIP": "::ffff:10.1.2.3", "RemotePort": None, "Timestamp": "2026-03-02T11:00:00Z"},
        {"DeviceId": "b", "RemoteIP": None, "RemotePort": 2, "Timestamp": "2026-03-09T11:00:00Z"},
    ]
    with Database("defender", {"DeviceNetworkEvents": rows}) as filled:
        yield filled


def test_prev_is_of_the_row_before_in_the_order_of_a_sort(database):
    """learn.microsoft.com/kusto/query/prev-function: without a row before there is no value."""
    text = (
        "DeviceNetworkEvents\n| sort by Timestamp desc\n"
        "| extend X = iff(prev(DeviceId) == DeviceId, prev(RemotePort), int(null))\n| project DeviceId, RemotePort, X"
    )
    found = [(row["DeviceId"], row["RemotePort"], row["X"]) for row in database.run(text)]
    assert found == [("b", 2, None), ("a", None, None), ("a", 1, None)]
    ascending = [row["X"] for row in database.run(text.replace("desc", "asc"))]
    assert ascending == [None, 1, None]
    with pytest.raises(PolysigmaError, match="behind no sort"):
        database.run(text.replace("| sort by Timestamp desc\n", ""))


def one(database, expression):
    (row,) = database.run(f"DeviceNetworkEvents | take 1 | project X = {expression}")
    return row["X"]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('ipv4_is_in_any_range("10.1.2.3", "192.0.2.0/24", "10.0.0.0/8")', True),
        ('ipv4_is_in_any_range("11.1.2.3", "10.0.0.0/8")', False),
        ('ipv4_is_in_any_range("fe80::1", "10.0.0.0/8")', None),
        ('ipv6_is_in_any_range("fe80::1", "fe80::/10")', True),
        ('ipv6_is_in_any_range("10.1.2.3", "::ffff:0:0/96")', True),
        ('ipv6_is_in_any_range("nonsense", "::/0")', None),
        ("format_ipv4(3221225985)", "192.0.2.1"),
        ('parse_ipv6("127.0.0.1")', "0000:0000:0000:0000:0000:ffff:7f00:0001"),
        ('parse_ipv6("nonsense")', ""),
        ("tohex(256, 8)", "00000100"),
    ],
)
def test_a_function_gives_what_is_documented(database, expression, expected):
    assert one(database, expression) == expected


def test_missing_text_is_empty_and_missing_numbers_are_null(database):
    (row,) = database.run('DeviceNetworkEvents | where DeviceId == "b" | project RemoteIP, LocalPort')
    assert row == {"RemoteIP": "", "LocalPort": None}


def test_what_is_unequal_to_null_is_true_and_an_order_with_it_is_not(database):
    text = "DeviceNetworkEvents | where RemotePort {} | count"
    assert database.run(text.format("!= 1"))[0]["Count"] == 2
    assert database.run(text.format("> 0"))[0]["Count"] == 2


def test_aggregates_leave_nulls_out_and_count_exactly(database):
    (row,) = database.run(
        "DeviceNetworkEvents | summarize N = count_distinct(RemotePort), "
        "T = count_distinctif(RemoteIP, isnotempty(RemoteIP)), S = make_set_if(RemoteIP, isnotempty(RemoteIP), 5)"
    )
    assert (row["N"], row["T"]) == (2, 2)
    assert row["S"].count("10.1.2.3") == 2


@pytest.mark.parametrize("made", ["make_set(RemoteIP{})", "make_set_if(RemoteIP, true{})", "make_list(RemoteIP{})"])
def test_a_list_has_no_more_items_than_are_asked_for(database, made):
    """learn.microsoft.com/kusto/query/make-set-aggregation-function: `maxSize`, which is 1,048,576 by default."""
    text = "DeviceNetworkEvents | summarize {} | extend N = array_length(X) | project N"
    counts = [database.run(text.format(f"X = {made.format(limit)}"))[0]["N"] for limit in ("", ", 2", ", 1", ", 5")]
    assert counts == [3, 2, 1, 3]


def test_weeks_can_start_where_asked(database):
    rows = database.run(
        "DeviceNetworkEvents | summarize N = count() by W = bin_at(Timestamp, 7d, datetime(1970-01-01)) | sort by W asc"
    )
    assert [(row["W"].isoformat(), row["N"]) for row in rows] == [
        ("2026-02-26T00:00:00", 2),
        ("2026-03-05T00:00:00", 1),
    ]


def test_a_query_that_is_not_understood_is_refused_with_the_reason(database):
    with pytest.raises(PolysigmaError, match="kql-not-run"):
        database.run("DeviceNetworkEvents | make-series count() on Timestamp step 1h")


def test_another_version_of_the_translator_is_told_from_this_one(monkeypatch):
    monkeypatch.setattr(execute, "_AGGREGATES", {"count_distinct": ("count({0})", (1,))})
    execute._translator.cache_clear()
    monkeypatch.setattr(execute, "_extend", lambda functions: functions.SCALAR_FUNCTIONS.pop("format_ipv4", None))
    try:
        with pytest.raises(PolysigmaError, match="no-duckdb-kql"):
            execute._translator()
    finally:
        monkeypatch.undo()
        execute._translator.cache_clear()
        execute._translator()
