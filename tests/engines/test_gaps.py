"""Where languages were seen to differ: each engine is held to its own, by a query that says nothing else.

Each gap was found while engines were chosen, and each has a fixture for every engine. What no vendor's page settles is
in the table of assumptions (CQL), or pins what the engine does, and says so; printers rest on none of these.
"""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from polysigma.diagnostics import PolysigmaError
from polysigma.engines.cql import run_cql
from polysigma.engines.kql.execute import Database
from polysigma.engines.runners import Data, runner
from polysigma.engines.runners.spark import SparkRunner
from polysigma.engines.spl import run_spl

Rows = list[dict[str, Any]]
ENGINES = ("cql", "kql", "spl", "duckdb", "spark")
HUMIO, KUSTO = "library.humio.com/data-analysis", "learn.microsoft.com/kusto/query"
SPLUNK, DUCKDB, SPARK = "Splunk Search Reference", "duckdb.org/docs", "spark.apache.org/docs/latest"


def cql(query: str, rows: Rows) -> Rows:
    return run_cql(query, rows).rows


def kql(query: str, rows: Rows) -> Rows:
    events = [{"Timestamp": "2026-03-02T10:59:59Z", **row} for row in rows]
    with Database("defender", {"DeviceNetworkEvents": events}) as database:
        return database.run(f"DeviceNetworkEvents | {query}")


def spl(query: str, rows: Rows) -> Rows:
    return run_spl(f"Id=1 {query}", [{"Id": "1", **row} for row in rows])


def on_duckdb(query: str, rows: Rows) -> Rows:
    names = list(dict.fromkeys(name for row in rows for name in row))
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE events ({', '.join(f'{name} VARCHAR' for name in names)})")
        marks = ", ".join("?" for _ in names)
        connection.executemany(
            f"INSERT INTO events VALUES ({marks})", [[row.get(one) for one in names] for row in rows]
        )
        cursor = connection.execute(query)
        columns = [column[0] for column in cursor.description]
        return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]


def on_spark(query: str, rows: Rows) -> Rows:
    matched = "SELECT Image, SourceIp, ProcessId, CAST(UtcTime AS TIMESTAMP) AS EventTime FROM events"
    text = f"WITH matched AS ({matched}) {query.replace('FROM events', 'FROM matched')}"
    events = [{"UtcTime": "2026-03-02 10:59:59", **row} for row in rows]
    with runner("spark").store(Data("sysmon", events, [0.0] * len(rows)), text) as store:
        (result,) = store.run(text, [None])
        return result.rows


RUN = {"cql": cql, "kql": kql, "spl": spl, "duckdb": on_duckdb, "spark": on_spark}

ADDRESSES = [{"RemoteIP": "192.0.2.1"}, {"RemoteIP": "10.1.1.1"}, {"DeviceName": "has IPv6 alone"}]
WORDS = [{"DeviceName": "axb"}, {"DeviceName": "a_b"}]
CASED = [{"DeviceName": "ab"}]
SIZES = [{"RemotePort": size} for size in (2, 4, 6)]
KEYS: Rows = [{"RemotePort": 2, "DeviceName": "x"}, {"DeviceName": "x"}]
HALF = [{"RemotePort": 5}]
TIMES = [{"Timestamp": f"2026-03-02T10:{time}Z"} for time in ("14:59.999", "15:00.000")]
SECONDS = [{"RemotePort": 899}, {"RemotePort": 900}]
SEVERAL = [{"DeviceName": name} for name in ("b", "10", "9", "b")]

GAPS: dict[str, dict[str, tuple[str, Rows, Rows, str]]] = {
    # gap: {engine: (query, rows, what it gives, where that is from)}
    "null logic of IPv6": {
        # Whether a row without the IPv4 column is outside of a network of IPv4.
        "cql": ('!cidr(RemoteIP, subnet="10.0.0.0/8") | count()', ADDRESSES, [{"_count": 2}],
                "assumption negated-call-missing"),
        "kql": ('where not(ipv4_is_in_any_range(RemoteIP, "10.0.0.0/8")) | count', ADDRESSES, [{"Count": 1}],
                f"{KUSTO}/ipv4-is-in-any-range-function: null for what is no address; not() of null is null"),
        "spl": ('| where NOT cidrmatch("10.0.0.0/8", RemoteIP) | stats count AS n', ADDRESSES, [{"n": 1}],
                f"{SPLUNK}, where: a null is neither true nor false"),
        "duckdb": ("SELECT count(*) AS n FROM events WHERE NOT RemoteIP LIKE '10.%'", ADDRESSES, [{"n": 1}],
                   f"{DUCKDB}/sql/data_types/nulls"),
        "spark": ("SELECT count(*) AS n FROM events WHERE NOT SourceIp LIKE '10.%'",
                  [{"SourceIp": "192.0.2.1"}, {"SourceIp": "10.1.1.1"}, {"SourceIp": None}], [{"n": 1}],
                  f"{SPARK}/sql-ref-null-semantics.html"),
    },
    "round at ties": {
        "cql": ("a := RemotePort / 2 | round(a) | select(a)", HALF, [{"a": 3}], "assumption round-half"),
        "kql": ("project a = round(RemotePort / 2.0, 0), b = round(4.25, 1), c = round(-2.5, 0)", HALF,
                [{"a": 3.0, "b": 4.3, "c": -3.0}],
                f"{KUSTO}/round-function names no rule for halves: this is what the engine does"),
        "spl": ("| eval a=round(RemotePort/2), b=round(4.25, 1) | table a, b", HALF, [{"a": 3, "b": 4.3}],
                f"{SPLUNK}, round: 2.555 is 2.56"),
        "duckdb": ("SELECT round(2.5::DOUBLE) AS a, round(4.25::DOUBLE, 1) AS b FROM events", HALF,
                   [{"a": 3.0, "b": 4.3}],
                   f"{DUCKDB}/sql/functions/numeric names no rule for halves: this is what it does"),
        "spark": ("SELECT round(CAST(2.5 AS DOUBLE)) AS a, round(CAST(4.25 AS DOUBLE), 1) AS b FROM events", HALF,
                  [{"a": 3.0, "b": 4.3}], f"{SPARK}/api/sql/#round: HALF_UP"),
    },
    "_ in LIKE": {
        # A character of a pattern in SQL and in like() of SPL, and no other than itself elsewhere.
        "cql": ('DeviceName="*a_b*" | count()', WORDS, [{"_count": 1}], f"{HUMIO}/syntax-filters.html: * alone"),
        "kql": ('where DeviceName contains "a_b" | count', WORDS, [{"Count": 1}], f"{KUSTO}/contains-operator"),
        "spl": ('| where like(DeviceName, "a_b") | stats count AS n', WORDS, [{"n": 2}],
                f"{SPLUNK}, like: an underscore is one character"),
        "duckdb": ("SELECT count_if(Name LIKE 'a_b') n, count_if(Name LIKE 'a!_b' ESCAPE '!') e FROM events",
                   [{"Name": "axb"}, {"Name": "a_b"}], [{"n": 2, "e": 1}],
                   f"{DUCKDB}/sql/functions/pattern_matching"),
        "spark": (r"SELECT count_if(Image LIKE 'a_b') AS n, count_if(Image LIKE r'a\_b') AS e FROM events",
                  [{"Image": "axb"}, {"Image": "a_b"}], [{"n": 2, "e": 1}],
                  f"{SPARK}/sql-ref-syntax-qry-select-like.html"),
    },
    "tumbling against sliding windows": {
        # Two events, a moment apart, on both sides of an edge: no language's buckets hold both.
        "cql": ("B := RemotePort / 900 | round(B, how=floor) | groupBy(B)", SECONDS,
                [{"B": 0, "_count": 1}, {"B": 1, "_count": 1}], f"{HUMIO}/functions-round.html"),
        "kql": ("summarize N = count() by B = bin(Timestamp, 15m) | project N", TIMES, [{"N": 1}, {"N": 1}],
                f"{KUSTO}/bin-function"),
        "spl": ("| eval B=floor(RemotePort/900) | stats count AS n by B", SECONDS, [{"B": 0, "n": 1}, {"B": 1, "n": 1}],
                f"{SPLUNK}, floor"),
        "duckdb": ("SELECT CAST(RemotePort AS BIGINT) // 900 AS B, count(*) AS n FROM events GROUP BY B ORDER BY B",
                   SECONDS, [{"B": 0, "n": 1}, {"B": 1, "n": 1}], f"{DUCKDB}/sql/functions/numeric"),
        "spark": ("SELECT CAST(ProcessId AS BIGINT) DIV 900 AS B, count(*) AS n FROM events GROUP BY B ORDER BY B",
                  [{"ProcessId": "899"}, {"ProcessId": "900"}], [{"B": 0, "n": 1}, {"B": 1, "n": 1}],
                  f"{SPARK}/api/sql/#div"),
    },
    "deviation of a sample": {
        # Of 2, 4 and 6 it is 2; of a population it would be 1.63.
        "cql": ("stdDev(RemotePort)", SIZES, [{"_stddev": 2}], "assumption stddev-sample"),
        "kql": ("summarize s = stdev(RemotePort)", SIZES, [{"s": 2.0}], f"{KUSTO}/stdev-aggregation-function"),
        "spl": ("| stats stdev(RemotePort) AS s", SIZES, [{"s": 2.0}], f"{SPLUNK}, stdev: of the sample"),
        "duckdb": ("SELECT stddev_samp(CAST(RemotePort AS DOUBLE)) AS s FROM events", SIZES, [{"s": 2.0}],
                   f"{DUCKDB}/sql/functions/aggregates"),
        "spark": ("SELECT stddev_samp(CAST(ProcessId AS DOUBLE)) AS s FROM events",
                  [{"ProcessId": size} for size in "246"], [{"s": 2.0}], f"{SPARK}/api/sql/#stddev_samp"),
    },
    "keys that are missing": {
        "cql": ("groupBy(RemotePort)", KEYS, [{"RemotePort": 2, "_count": 1}], "assumption group-missing-key"),
        "kql": ("summarize N = count() by RemotePort | sort by RemotePort asc", KEYS,
                [{"RemotePort": None, "N": 1}, {"RemotePort": 2, "N": 1}],
                f"{KUSTO}/summarize-operator: null is a value of a key"),
        "spl": ("| stats count AS n by RemotePort", KEYS, [{"RemotePort": 2, "n": 1}], f"{SPLUNK}, stats"),
        "duckdb": ("SELECT RemotePort AS k, count(*) AS n FROM events GROUP BY k ORDER BY k NULLS LAST", KEYS,
                   [{"k": "2", "n": 1}, {"k": None, "n": 1}], f"{DUCKDB}/sql/query_syntax/groupby"),
        "spark": ("SELECT Image AS k, count(*) AS n FROM events GROUP BY k ORDER BY k NULLS LAST",
                  [{"Image": "2", "User": "x"}, {"User": "x"}], [{"k": "2", "n": 1}, {"k": None, "n": 1}],
                  f"{SPARK}/sql-ref-null-semantics.html: nulls are one group"),
    },
    "limits and order of collected values": {
        "cql": ("collect([DeviceName], limit=2)", SEVERAL, [{"DeviceName": "b\n10"}], "assumption collect-order"),
        "kql": ("summarize n = array_length(make_set(DeviceName, 2))", SEVERAL, [{"n": 2}],
                f"{KUSTO}/make-set-aggregation-function: distinct, so many of them, in no order"),
        "spl": ("| stats values(DeviceName) AS v", SEVERAL, [{"v": ["10", "9", "b"]}],
                f"{SPLUNK}, values: in lexicographical order, without a limit"),
        "duckdb": ("SELECT list_sort(list(DISTINCT DeviceName))[1:2] AS v FROM events", SEVERAL, [{"v": ["10", "9"]}],
                   f"{DUCKDB}/sql/functions/list"),
        "spark": ("SELECT slice(sort_array(collect_set(Image)), 1, 2) AS v FROM events",
                  [{"Image": name} for name in ("b", "10", "9", "b")], [{"v": ["10", "9"]}],
                  f"{SPARK}/api/sql/#collect_set: in no order before it is sorted"),
    },
    "case in search and in where": {
        "cql": ('a := DeviceName | case { DeviceName="AB" | x := 1; DeviceName=/AB/i | x := 2; * } | select(x)', CASED,
                [{"x": 2}], f"{HUMIO}/syntax-filters.html: a value in its case, a regex with i in any"),
        "kql": ('project a = DeviceName == "AB", b = DeviceName =~ "AB", c = DeviceName has "AB"', CASED,
                [{"a": False, "b": True, "c": True}],
                f"{KUSTO}/datatypes-string-operators"),
        "spl": ('DeviceName="AB" | eval w=if(DeviceName="AB", 1, 0) | table w', CASED, [{"w": 0}],
                f"{SPLUNK}, search: in any case; where and eval: in its own"),
        "duckdb": ("SELECT DeviceName = 'AB' AS a, DeviceName LIKE 'AB' AS b FROM events", CASED,
                   [{"a": False, "b": False}], f"{DUCKDB}/sql/functions/pattern_matching: LIKE is case-sensitive"),
        "spark": ("SELECT Image = 'AB' AS a, Image LIKE 'AB' AS b FROM events", [{"Image": "ab"}],
                  [{"a": False, "b": False}], f"{SPARK}/sql-ref-syntax-qry-select-like.html"),
    },
    "division of whole numbers": {
        "cql": ("x := RemotePort / 2 | select(x)", HALF, [{"x": 2.5}], f"{HUMIO}/syntax-expressions.html"),
        "kql": ("project x = RemotePort / 2, y = todouble(RemotePort) / 2", HALF, [{"x": 2, "y": 2.5}],
                f"{KUSTO}/numerical-operators: of whole numbers it is cut off"),
        "spl": ("| eval x=RemotePort/2 | table x", HALF, [{"x": 2.5}], f"{SPLUNK}, eval"),
        "duckdb": ("SELECT CAST(RemotePort AS BIGINT) / 2 AS x, CAST(RemotePort AS BIGINT) // 2 AS y FROM events", HALF,
                   [{"x": 2.5, "y": 2}], f"{DUCKDB}/sql/functions/numeric"),
        "spark": ("SELECT CAST(ProcessId AS BIGINT) / 2 AS x, CAST(ProcessId AS BIGINT) DIV 2 AS y FROM events",
                  [{"ProcessId": "5"}], [{"x": 2.5, "y": 2}], f"{SPARK}/api/sql/#/: always floating point"),
    },
    "whole numbers beyond 64 bits": {
        "cql": ("sum(a)", [{"a": str(2**62)}] * 3, [{"_sum": 3 * 2**62}], f"{HUMIO}/functions-sum.html names no bound"),
        "spl": ("| stats sum(a) AS s", [{"a": str(2**62)}] * 3, [{"s": 3 * 2**62}], f"{SPLUNK}, sum names no bound"),
        "kql": ("summarize s = sum(RemotePort * 4611686018427387904)", [{"RemotePort": 1}], [{"s": 2**62}],
                "up to there it is exact; beyond, see the next test"),
        "duckdb": ("SELECT sum(CAST(a AS BIGINT)) AS s FROM events", [{"a": str(2**62)}] * 3, [{"s": 3 * 2**62}],
                   f"{DUCKDB}/sql/functions/aggregates: a HUGEINT"),
        "spark": ("SELECT sum(CAST(ProcessId AS BIGINT)) AS s FROM events", [{"ProcessId": str(2**62)}], [{"s": 2**62}],
                  f"{SPARK}/sql-ref-ansi-compliance.html: a BIGINT; beyond, see the next test"),
    },
}  # fmt: skip
CASES = [(gap, engine) for gap, engines in GAPS.items() for engine in engines]


BEYOND = [
    # Where a whole number has no room it is an error, never another number.
    ("kql", "project x = RemotePort * 4611686018427387904", [{"RemotePort": 2}],
     "learn.microsoft.com/kusto/concepts/overflow: usually a partial query failure"),
    ("kql", "project x = RemotePort + 9223372036854775807", [{"RemotePort": 2}],
     "learn.microsoft.com/kusto/concepts/overflow"),
    ("duckdb", "SELECT CAST(sum(CAST(a AS BIGINT)) AS BIGINT) AS s FROM events", [{"a": str(2**62)}] * 3,
     f"{DUCKDB}/sql/data_types/numeric: as printed for a sum"),
    ("duckdb", "SELECT CAST(a AS BIGINT) + CAST(a AS BIGINT) AS s FROM events", [{"a": str(2**62)}],
     f"{DUCKDB}/sql/data_types/numeric"),
]  # fmt: skip


def test_every_gap_has_a_fixture_for_every_engine():
    for gap, engines in GAPS.items():
        assert set(engines) == set(ENGINES), gap


@pytest.mark.parametrize(("gap", "engine"), [case for case in CASES if case[1] != "spark"])
def test_an_engine_does_what_its_language_does(gap, engine):
    query, rows, expected, source = GAPS[gap][engine]
    assert RUN[engine](query, rows) == expected, source


@pytest.mark.parametrize(("engine", "query", "rows", "source"), BEYOND)
def test_a_whole_number_beyond_64_bits_is_an_error_where_there_is_no_room_for_it(engine, query, rows, source):
    with pytest.raises((PolysigmaError, duckdb.Error), match=r"Overflow|out of range"):
        raise AssertionError(f"{RUN[engine](query, rows)}, other than {source}")


UNAVAILABLE = SparkRunner().unavailable()


@pytest.mark.slow
@pytest.mark.skipif(UNAVAILABLE is not None, reason=UNAVAILABLE or "Spark is here")
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("gap", GAPS)
def test_spark_does_what_its_language_does(gap):
    query, rows, expected, source = GAPS[gap]["spark"]
    assert on_spark(query, rows) == expected, source


@pytest.mark.slow
@pytest.mark.skipif(UNAVAILABLE is not None, reason=UNAVAILABLE or "Spark is here")
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_sum_beyond_64_bits_is_an_error_on_spark_as_it_is_set_up_from_4_on():
    """spark.apache.org/docs/latest/sql-ref-ansi-compliance.html; where ANSI mode is off, as before, it wraps around."""
    with pytest.raises(Exception, match="ARITHMETIC_OVERFLOW"):
        on_spark("SELECT sum(CAST(ProcessId AS BIGINT)) AS s FROM events", [{"ProcessId": str(2**62)}] * 3)
