"""Running the text of a query, whole and window by window."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from polysigma.diagnostics import PolysigmaError
from polysigma.engines.sql import Windows, run_sql, stream_sql
from polysigma.engines.sql_text import columns_read, read_query
from polysigma.schemas import load

HOUR, DAY = 3600, 86400
START = 1_772_409_600  # 2026-03-02, midnight
QUERIES = Path(__file__).parents[1] / "replay"
SYSMON = (QUERIES / "sysmon.sql").read_text()
SYSMON_COLUMNS = ("Computer", "DestinationPort", "DestinationIp", "Image", "UtcTime", "EventID", "Initiated")
SIMPLE = """
WITH matched AS (SELECT "Computer", CAST("UtcTime" AS TIMESTAMP) AS "EventTime" FROM events WHERE "EventID" = '3')
SELECT "Computer", count(*) AS "N", min("EventTime") AS "First" FROM matched GROUP BY ALL ORDER BY ALL
"""


def at(seconds):
    return datetime.fromtimestamp(0, UTC).replace(tzinfo=None) + timedelta(seconds=seconds)


@pytest.fixture
def connection():
    with duckdb.connect() as opened:
        yield opened


def table(connection, rows, columns=("Computer", "EventID", "UtcTime")):
    declared = ", ".join(f'"{column}" VARCHAR' for column in columns)
    connection.execute(f"CREATE OR REPLACE TABLE events ({declared})")
    if rows:
        values = ", ".join("unnest(?::VARCHAR[])" for _ in columns)
        connection.execute(f"INSERT INTO events SELECT {values}", [list(column) for column in zip(*rows, strict=True)])


def beacons(connection, seed=7, count=4000):
    """Random connections over three days, some of them on the very edges of hours, some without a time."""
    rng = random.Random(seed)
    rows = []
    for _ in range(count):
        moment = START + rng.randrange(3 * DAY) if rng.random() < 0.8 else START + HOUR * rng.randrange(72)
        time = str(at(moment)) if rng.random() < 0.98 else rng.choice((None, "", "yesterday"))
        host, port = rng.choice(("ws1", "ws2", "", None)), rng.choice(("443", "6667", "", "x"))
        rows.append((host, port, f"198.51.100.{rng.randrange(3)}", rng.choice("abc"), time, "3", "true"))
    table(connection, rows, SYSMON_COLUMNS)


def comparable(rows):
    return [{key: sorted(value) if isinstance(value, list) else value for key, value in row.items()} for row in rows]


def test_the_columns_that_a_query_reads_are_found_in_its_text():
    assert columns_read(read_query(SYSMON), load("sysmon").columns()) == SYSMON_COLUMNS


def test_a_name_that_the_query_itself_gives_is_no_column_of_the_data():
    text = (
        'WITH m AS (SELECT "UtcTime"::TIMESTAMP AS "EventTime" FROM events WHERE "EventTime" > now()) SELECT * FROM m'
    )
    assert columns_read(read_query(text), {"UtcTime"}) == ("UtcTime",)


def test_a_column_that_keeps_its_name_is_one_of_the_data():
    text = 'SELECT lower("Image") AS "Image", "Computer" AS "Host" FROM events AS e WHERE e."User" IS NOT NULL'
    assert columns_read(read_query(text), {"Image"}) == ("Image", "Computer", "User")


def test_a_star_reads_every_known_column():
    assert columns_read(read_query("SELECT * FROM events WHERE Z = 1"), ("A", "B")) == ("A", "B", "Z")


def test_columns_of_other_tables_are_not_read():
    text = 'WITH m AS (SELECT "A" AS "X" FROM events) SELECT "X", "Y" FROM m WHERE "X" IN (SELECT "B" FROM events)'
    assert columns_read(read_query(text), ()) == ("A", "B")


@pytest.mark.parametrize(
    "text",
    [
        "DROP TABLE events",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE events",
        "COPY (SELECT 1) TO 'x'",
        "",
        "-- nothing",
        "SELEC 1",
        "SELECT 'open",
        "WITH a AS (SELECT 1 SELECT 2",
        "WITH a(x) AS (SELECT 1) SELECT * FROM a",
        "WITH RECURSIVE a AS (SELECT 1) SELECT * FROM a",
    ],
)
def test_a_text_that_is_not_one_query_is_refused(text, connection):
    with pytest.raises(PolysigmaError, match="sql-"):
        run_sql(text, connection)


def test_a_query_that_duckdb_refuses_says_why(connection):
    with pytest.raises(PolysigmaError, match=r"sql-failed .*nowhere"):
        run_sql("SELECT * FROM nowhere", connection)


def test_rows_come_one_after_another(connection):
    rows = stream_sql("SELECT * FROM range(10_000_000) AS r(n)", connection)
    assert [next(rows), next(rows)] == [{"n": 0}, {"n": 1}]


def test_a_window_includes_its_begin_and_not_its_end(connection):
    table(connection, [("a", "3", str(at(START + seconds))) for seconds in (-1, 0, HOUR - 1, HOUR)])
    assert run_sql(SIMPLE, connection, (START, START + HOUR)) == [{"Computer": "a", "N": 2, "First": at(START)}]


@pytest.mark.parametrize("bucket", [None, ("Hour", HOUR)], ids=["rows", "groups"])
@pytest.mark.parametrize("seed", range(3))
def test_a_window_is_the_whole_text_on_the_rows_of_the_window(connection, seed, bucket):
    beacons(connection, seed)
    connection.execute("ALTER TABLE events RENAME TO everything")
    hits = 0
    connection.execute("CREATE VIEW events AS FROM everything")
    with Windows(SYSMON, connection, bucket=bucket) as windows:
        assert bool(windows.bucket) is bool(bucket)
        for end in range(START + HOUR, START + 4 * DAY, 7 * HOUR):
            found = windows.run(end - DAY, end)
            time = 'TRY_CAST("UtcTime" AS TIMESTAMP)'
            bounds = f"{time} >= TIMESTAMP '{at(end - DAY)}' AND {time} < TIMESTAMP '{at(end)}'"
            connection.execute(f"CREATE OR REPLACE VIEW events AS FROM everything WHERE {bounds}")
            assert comparable(found) == comparable(run_sql(SYSMON, connection))
            hits += len(found)
    assert hits > 20


def test_all_rows_as_one_window_are_the_text_as_it_stands(connection):
    beacons(connection)
    with Windows(SYSMON, connection, bucket=("Hour", HOUR)) as windows:
        assert comparable(windows.run_whole()) == comparable(run_sql(SYSMON, connection))
        assert windows.untimed > 0


def test_groups_of_a_bucket_are_evaluated_once_only_where_the_text_allows(connection):
    beacons(connection)
    for change in (
        ('"Hour", count(*)', '"Hour" + INTERVAL 1 MINUTE AS "Hour", count(*)'),  # shows another time
        ("SELECT *, time_bucket", 'SELECT *, count(*) OVER (PARTITION BY "Image") AS "All", time_bucket'),
        ("SELECT * FROM step_3 WHERE", "SELECT * FROM step_3 WHERE (SELECT count(*) FROM step_1) > 1 AND"),
        ('    GROUP BY "Computer", "DestinationIp", "DestinationPort", "Hour"', "    GROUP BY ALL LIMIT 5"),
    ):
        text = SYSMON.replace(*change)
        assert text != SYSMON
        with Windows(text, connection, bucket=("Hour", HOUR)) as windows:
            assert windows.bucket is None, change


def test_a_bucket_that_is_no_timestamp_is_left_alone(connection):
    beacons(connection)
    text = SYSMON.replace(
        "time_bucket(INTERVAL '3600 seconds', \"EventTime\", TIMESTAMP '1970-01-01')", 'epoch("EventTime") // 3600'
    )
    with Windows(text, connection, bucket=("Hour", HOUR)) as windows:
        assert windows.bucket is None
        assert windows.run(START, START + DAY)


def test_windows_that_would_cut_a_group_are_refused(connection):
    beacons(connection)
    with Windows(SYSMON, connection, bucket=("Hour", HOUR)) as windows, pytest.raises(ValueError, match="edges"):
        windows.run(START + 1, START + DAY)


def test_several_sources_are_cut_to_the_same_window(connection):
    text = """
    WITH matched_1 AS (SELECT 'one' AS "Rule", "Computer", CAST("UtcTime" AS TIMESTAMP) AS "EventTime"
                       FROM events WHERE "EventID" = '1'),
         matched_2 AS (SELECT 'two' AS "Rule", "Computer", CAST("UtcTime" AS TIMESTAMP) AS "EventTime"
                       FROM events WHERE "EventID" = '3'),
         step_1 AS (SELECT * FROM matched_1 UNION ALL SELECT * FROM matched_2)
    SELECT "Computer", count(DISTINCT "Rule") AS "Rules", count(*) AS "N" FROM step_1 GROUP BY ALL ORDER BY ALL
    """
    times = [(event, str(at(START + hour * HOUR))) for event, hour in (("1", 0), ("3", 1), ("3", 2), ("1", 9))]
    table(connection, [("a", event, time) for event, time in times])
    with Windows(text, connection) as windows:
        assert windows.rows == 4
        assert [(end - START, rows) for end, rows in windows.slide(HOUR, 2 * HOUR)][:3] == [
            (HOUR, [{"Computer": "a", "Rules": 1, "N": 1}]),
            (2 * HOUR, [{"Computer": "a", "Rules": 2, "N": 2}]),
            (3 * HOUR, [{"Computer": "a", "Rules": 1, "N": 2}]),
        ]


def test_rows_may_be_picked_in_a_nested_query(connection):
    text = """
    WITH matched AS (
        SELECT upper("C") AS "C", "EventTime"
        FROM (SELECT "Computer" AS "C", CAST("UtcTime" AS TIMESTAMP) AS "EventTime" FROM events) WHERE "C" <> '')
    SELECT "C", count(*) AS "N" FROM matched GROUP BY ALL
    """
    table(connection, [("a", "3", str(at(START)))])
    assert run_sql(text, connection, (START, START + 1)) == [{"C": "A", "N": 1}]


HOSTILE = [
    "')",
    '"',
    "\\",
    "\\'",
    "--",
    "/* ",
    "*/",
    "a\nb",
    "(",
    "'; DROP TABLE events; --",
    "$$",
    "{table}",
    "é中😀",
    "x" * 100_000,
]


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_values_in_the_text_stay_values(connection, value):
    table(connection, [(value, "3", str(at(START))), ("other", "3", str(at(START)))])
    quoted = value.replace("'", "''")
    text = SIMPLE.replace("'3'", f"'3' AND \"Computer\" = '{quoted}'").replace(
        'SELECT "Computer", count', f'SELECT \'{quoted}\' AS "V", "Computer", count'
    )
    assert [row["V"] for row in run_sql(text, connection, (START, START + 1))] == [value]
    assert columns_read(read_query(text), ()) == ("Computer", "UtcTime", "EventID")


@pytest.mark.parametrize(
    "body",
    [
        'SELECT "Computer" FROM events',
        'SELECT "Computer", "UtcTime" AS "EventTime" FROM events',
        'SELECT "Computer", max("UtcTime"::TIMESTAMP) AS "EventTime" FROM events GROUP BY ALL',
        'SELECT DISTINCT "Computer", "UtcTime"::TIMESTAMP AS "EventTime" FROM events',
        'SELECT "Computer", "UtcTime"::TIMESTAMP AS "EventTime" FROM events LIMIT 3',
        'SELECT "UtcTime"::TIMESTAMP AS "EventTime" FROM events WHERE "A" IN (SELECT max("A") FROM events)',
        'SELECT a."Computer", a."UtcTime"::TIMESTAMP AS "EventTime" FROM events a, events b',
    ],
)
def test_windows_need_rows_with_a_time_that_are_picked_one_by_one(connection, body):
    table(connection, [("a", "3", str(at(START)))])
    with pytest.raises(PolysigmaError, match="query-form"):
        Windows(f"WITH matched AS ({body}) SELECT * FROM matched", connection)


def test_a_query_without_with_cannot_be_cut_into_windows(connection):
    table(connection, [])
    with pytest.raises(PolysigmaError, match=r"query-form .*EventTime"):
        Windows("SELECT * FROM events", connection)


def slid(connection, seconds, every, window):
    table(connection, [("a", "3", str(at(START + second))) for second in seconds])
    with Windows(SIMPLE, connection) as windows:
        return [(end - START, rows[0]["N"]) for end, rows in windows.slide(every, window)]


def test_windows_begin_after_the_first_event_and_end_after_the_last(connection):
    assert slid(connection, [10, HOUR], HOUR, 2 * HOUR) == [(HOUR, 1), (2 * HOUR, 2)]


def test_an_event_on_an_edge_is_in_the_window_that_begins_there(connection):
    assert slid(connection, [0], HOUR, HOUR) == [(HOUR, 1)]


def test_windows_without_events_are_passed_over_in_any_number(connection):
    century = 100 * 365 * DAY
    assert slid(connection, [-century, 0], HOUR, 3 * HOUR) == [
        (-century + HOUR, 1),
        (-century + 2 * HOUR, 1),
        (-century + 3 * HOUR, 1),
        (HOUR, 1),
    ]


def test_a_window_that_is_no_multiple_of_the_schedule_is_right(connection):
    assert slid(connection, [0, 5 * HOUR], 2 * HOUR, 3 * HOUR) == [(2 * HOUR, 1), (6 * HOUR, 1)]


@pytest.mark.parametrize("seed", range(5))
def test_sliding_counts_what_plain_python_counts(connection, seed):
    rng = random.Random(seed)
    seconds = [rng.choice((rng.randrange(40 * HOUR), HOUR * rng.randrange(40))) for _ in range(30)]
    every, window = rng.choice((HOUR, 1800, 2 * HOUR)), rng.choice((2 * HOUR, 5 * HOUR, 9000))
    wanted = []
    for end in range(0, max(seconds) + every + 1, every):
        count = sum(end - window <= second < end for second in seconds)
        if count:
            wanted.append((end, count))
    assert slid(connection, seconds, every, window) == wanted


def test_progress_is_told_to_the_end(connection):
    table(connection, [("a", "3", str(at(START))), ("a", "3", str(at(START + DAY)))])
    told = []
    with Windows(SIMPLE, connection) as windows:
        list(windows.slide(HOUR, HOUR, told.append))
    assert told == [0.5, 1.0]


def test_nothing_is_left_in_the_connection(connection):
    beacons(connection)
    with Windows(SYSMON, connection, bucket=("Hour", HOUR)) as windows:
        windows.run(START, START + DAY)
    assert connection.execute("SELECT table_name FROM duckdb_tables()").fetchall() == [("events",)]
