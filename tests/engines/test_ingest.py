"""Loading data into the table that queries read: shapes, formats, malformed lines."""

import csv
import gzip
import io
import json

import pytest

from polysigma.diagnostics import PolysigmaError
from polysigma.engines.ingest import NAMED_LINES, load
from polysigma.engines.inputs import find_inputs

COLUMNS = ("Computer", "EventID", "UtcTime", "Image", "DestinationIp", "DestinationPort", "Initiated")
EVENT = {
    "UtcTime": "2026-03-02 08:51:00.008",
    "Image": 'C:\\Users\\Zoë\\"app".exe',
    "DestinationIp": "198.51.100.7",
    "DestinationPort": "443",
    "Initiated": "true",
}
FLAT = {"Computer": "ws1.example.com", "EventID": 3, **EVENT}
NXLOG = {"Hostname": "ws1.example.com", "EventID": 3, "host": "collector", "ProcessID": 2644, **EVENT}
WINLOGBEAT = {
    "@timestamp": "2026-03-02T08:51:01.000Z",
    "host": {"name": "collector"},
    "winlog": {"computer_name": "ws1.example.com", "event_id": 3, "event_data": EVENT},
}
WINLOGBEAT_6 = {"computer_name": "ws1.example.com", "event_id": 3, "host": {"name": "collector"}, "event_data": EVENT}
ROW = ("ws1.example.com", "3", *EVENT.values())


def lines(*rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


@pytest.fixture
def loaded(tmp_path):
    """Loads data that is written under the given name; gives the events and their rows."""
    opened = []

    def load_it(content, name="data.jsonl", columns=COLUMNS, *, strict=False, shape=None):
        path = tmp_path / name
        path.write_bytes(content)
        scratch = tmp_path / f"scratch-{len(opened)}"
        scratch.mkdir()
        events = load(find_inputs([path], scratch, shape=shape), columns, strict=strict)
        opened.append(events)
        return events, events.connection.execute("SELECT * FROM events").fetchall()

    yield load_it
    for events in opened:
        events.close()


@pytest.mark.parametrize("row", [FLAT, NXLOG, WINLOGBEAT, WINLOGBEAT_6], ids=["flat", "nxlog", "winlogbeat", "6"])
def test_every_shape_of_sysmon_event_gives_the_same_row(loaded, row):
    assert loaded(lines(row))[1] == [ROW]


def test_rows_of_several_shapes_may_share_a_file(loaded):
    assert loaded(lines(WINLOGBEAT, FLAT, WINLOGBEAT_6, NXLOG))[1] == [ROW] * 4


def test_the_table_holds_the_asked_columns_as_text_and_no_others(loaded):
    events, rows = loaded(lines(FLAT), columns=("EventID", "Nothing"))
    described = events.connection.execute("DESCRIBE events").fetchall()
    assert [(name, kind) for name, kind, *_ in described] == [("EventID", "VARCHAR"), ("Nothing", "VARCHAR")]
    assert rows == [("3", None)]
    assert events.absent == ("Nothing",)


def test_keys_that_differ_in_case_are_different_keys(loaded):
    assert loaded(lines(NXLOG), columns=("ProcessId",))[1] == [(None,)]


def test_a_column_that_a_query_spells_in_two_ways_is_one_column(loaded):
    row = {"Computer": "a", "EventID": 10, "SourceProcessGUID": "{1}"}
    events, rows = loaded(lines(row), columns=("SourceProcessGuid", "SourceProcessGUID"))
    assert events.columns == ("SourceProcessGuid",)
    assert rows == [("{1}",)]


def test_falcon_rows_are_recognised_by_their_event_name(loaded):
    row = {"event_simpleName": "NetworkConnectIP4", "aid": "a1", "RemotePort": "443"}
    events, rows = loaded(lines(row), columns=("aid", "RemotePort", "event_simpleName"))
    assert (events.family.name, events.family.platform) == ("fdr", "fdr")
    assert rows == [("a1", "443", "NetworkConnectIP4")]


def test_falcon_events_exported_from_logscale_have_a_tag_for_their_name(loaded):
    row = {"#event_simpleName": "DnsRequest", "aid": "a1"}
    assert loaded(lines(row), columns=("event_simpleName",))[1] == [("DnsRequest",)]


def test_marks_line_ends_and_empty_lines_do_not_matter(loaded):
    content = b"\xef\xbb\xbf" + lines(FLAT).replace(b"\n", b"\r\n") + b"\r\n   \n\n" + lines(FLAT).rstrip()
    events, rows = loaded(content)
    assert rows == [ROW, ROW]
    assert events.malformed == 0


def test_duplicate_rows_are_kept(loaded):
    assert loaded(lines(FLAT) * 3)[1] == [ROW] * 3


def test_gzip_is_read_whatever_the_file_is_called(loaded):
    assert loaded(gzip.compress(lines(FLAT)) + gzip.compress(lines(NXLOG)), "part-00000")[1] == [ROW, ROW]


def test_a_file_name_is_a_name_and_no_pattern(loaded, tmp_path):
    (tmp_path / "o'brien 1.jsonl").write_bytes(lines(FLAT) * 7)
    for name in (
        "o'brien [1].jsonl",
        "o'brien *.jsonl",
        "o'brien ?.jsonl",
        "o'brien \\[1].jsonl",
        "o'brien {1,2}.jsonl",
    ):
        events, rows = loaded(lines(FLAT) + b"{\n", name)
        assert rows == [ROW], name
        assert events.findings[0].file.endswith(name)


@pytest.mark.parametrize("indent", [None, 2])
def test_a_json_array_is_read(loaded, indent):
    assert loaded(json.dumps([FLAT, WINLOGBEAT], indent=indent).encode(), "data.json")[1] == [ROW, ROW]


def test_objects_over_several_lines_are_read(loaded):
    content = json.dumps(FLAT, indent=2) + "\n" + json.dumps(NXLOG, indent=2)
    assert loaded(content.encode(), "data.json")[1] == [ROW, ROW]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_is_read_by_its_header(loaded, delimiter):
    text = io.StringIO()
    writer = csv.DictWriter(text, ["", *FLAT, "Other", "Other"], delimiter=delimiter, lineterminator="\r\n")
    writer.writeheader()
    writer.writerow({**FLAT, "": "1", "Other": "two\nlines"})
    assert loaded(b"\xef\xbb\xbf" + text.getvalue().encode(), "data.csv")[1] == [ROW]


def test_a_csv_header_may_be_the_flattened_paths_of_an_event(loaded):
    header = "winlog.computer_name,winlog.event_id,winlog.event_data.DestinationIp"
    _, rows = loaded(f"{header}\nws1,3,192.0.2.1\n".encode(), "data.csv", ("Computer", "EventID", "DestinationIp"))
    assert rows == [("ws1", "3", "192.0.2.1")]


def test_a_csv_with_line_ends_of_two_kinds_is_read_and_that_is_said(loaded):
    content = b"Computer,EventID,Image\r\na,3,C:\\a.exe\nb,3,C:\\b.exe\r\n"
    events, rows = loaded(content, "data.csv", ("Computer", "EventID"))
    assert rows == [("a", "3"), ("b", "3")]
    assert [finding.code for finding in events.findings] == ["loose-csv"]


def test_malformed_rows_of_a_csv_are_named_by_their_line(loaded):
    content = b'Computer,EventID,Image\na,3,"two\nlines"\nb,3\nc,3,x,y\nd,3,caf\xe9\ne,3,z\n'
    events, rows = loaded(content, "data.csv", ("Computer", "Image"))
    assert rows == [("a", "two\nlines"), ("e", "z")]
    assert events.malformed == 3
    assert [finding.at.line for finding in events.findings] == [4, 5, 6]


def parquet(connection, path, select):
    connection.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
    return path.read_bytes()


def test_parquet_is_read_flat_and_nested_and_typed(loaded, tmp_path):
    events, _ = loaded(lines(FLAT))
    select = (
        'SELECT \'ws1\' AS "Computer", 3 AS "EventID", TIMESTAMPTZ \'2026-03-02 09:51:00.008+01\' AS "UtcTime", '
        'true AS "Initiated", 443::DOUBLE AS "DestinationPort"'
    )
    content = parquet(events.connection, tmp_path / "flat", select)
    wanted = ("Computer", "EventID", "UtcTime", "Initiated", "DestinationPort", "Image")
    assert loaded(content, "data.parquet", wanted)[1] == [
        ("ws1", "3", "2026-03-02 08:51:00.008", "true", "443.0", None)
    ]
    select = "SELECT {'computer_name': 'ws1', 'event_id': 3, 'event_data': {'DestinationIp': '192.0.2.1'}} AS winlog"
    content = parquet(events.connection, tmp_path / "nested", select)
    assert loaded(content, "data.parquet", ("Computer", "EventID", "DestinationIp"))[1] == [("ws1", "3", "192.0.2.1")]


def test_a_time_in_parquet_becomes_the_text_that_the_wire_has(loaded, tmp_path):
    events, _ = loaded(lines(FLAT))
    select = (
        "SELECT 'DnsRequest' AS \"event_simpleName\", TIMESTAMP '2026-03-02 08:51:00.008' AS \"ContextTimeStamp\", "
        "TIMESTAMP '2026-03-02 08:51:00.008' AS \"timestamp\""
    )
    content = parquet(events.connection, tmp_path / "times", select)
    assert loaded(content, "data.parquet", ("ContextTimeStamp", "timestamp"))[1] == [
        ("1772441460.008", "1772441460008")
    ]


MALFORMED = {
    "cut off": (b'{"Computer": "ws1", "Ev', "is not JSON"),
    "not an object": (b'["a"]', "is not a JSON object"),
    "text": (b'"a"', "is not a JSON object"),
    "two objects": (b'{"EventID": 1} {"EventID": 2}', "is not JSON"),
    "not UTF-8": (b'{"Computer": "caf\xe9"}', "is not UTF-8"),
    "binary": (b"\x00\x01\x02", "is not JSON"),
}


@pytest.mark.parametrize("case", MALFORMED)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_a_malformed_line_is_counted_and_named_and_the_others_are_loaded(loaded, case, packed):
    line, reason = MALFORMED[case]
    content = lines(FLAT) + b"\n  \n" + line + b"\n" + lines(FLAT)
    events, rows = loaded(gzip.compress(content) if packed else content)
    assert rows == [ROW, ROW]
    assert events.malformed == 1
    [finding] = events.findings
    assert (finding.code, finding.at.line, finding.severity) == ("malformed-line", 4, "warning")
    assert finding.file.endswith("data.jsonl")
    assert reason in finding.message


def test_only_the_first_malformed_lines_are_named_and_all_are_counted(loaded):
    events, rows = loaded(lines(FLAT) + b"{\n" * 20_000)
    assert len(rows) == 1
    assert events.malformed == 20_000
    assert [finding.at.line for finding in events.findings[:-1]] == list(range(2, 2 + NAMED_LINES))
    assert events.findings[-1].message == f"{20_000 - NAMED_LINES} more lines are malformed"


def test_strict_makes_a_malformed_line_an_error(loaded):
    with pytest.raises(PolysigmaError, match=r"data\.jsonl:2:1: malformed-line"):
        loaded(lines(FLAT) + b"{\n", strict=True)


def test_a_gzip_file_that_ends_early_is_named(loaded):
    noise = [{**FLAT, "Image": str(number * 7919 % 10007)} for number in range(60_000)]
    with pytest.raises(PolysigmaError, match=r"data\.jsonl: unreadable-data .*GZIP"):
        loaded(gzip.compress(lines(*noise))[:-100])


def test_a_json_array_that_breaks_off_is_named_with_the_place(loaded):
    rows = b",\n".join(lines(FLAT).rstrip() for _ in range(20_000))
    with pytest.raises(PolysigmaError, match=r"data\.json:20000:\d+: unreadable-data"):
        loaded(b"[" + rows + b",]", "data.json")


def test_no_column_at_all_still_counts_the_rows(loaded):
    events, rows = loaded(lines(FLAT, FLAT) + b"{\n", columns=())
    assert events.rows == len(rows) == 2
