"""Rows as each platform holds them: nothing that its schema does not know, nothing that it would not record."""

import gzip
import io
import json
import tarfile
import zipfile
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polysigma.diagnostics import PolysigmaError
from polysigma.plan.types import Type
from polysigma.schemas import load
from polysigma.telemetry import HostDirectory, demo_scenario, generate, render, write_rows
from polysigma.telemetry.addresses import Spelling, canonical, spelled
from polysigma.telemetry.sysmon import utc_text

from .test_generation import KINDS, of_kind, scenario

REAL = Path(__file__).parents[3] / "shared/data/sysmon"


@pytest.fixture(scope="module")
def events():
    drawn = demo_scenario()
    middle = drawn.model_copy(update={"span": 36 * 3600.0})
    return list(islice(generate(middle), 15000, 45000))


def rows_of(drawn, platform, **options):
    return list(render(generate(drawn), platform, **options))


def test_flat_sysmon_rows_hold_only_columns_of_their_event(events):
    tables = load("sysmon").tables
    for row in render(events, "sysmon"):
        assert row.keys() <= tables[str(row["EventID"])].keys()


def test_rows_of_sysmon_in_splunk_hold_only_fields_of_their_event_as_text(events):
    tables = load("splunk_sysmon").tables
    for row in render(events, "splunk_sysmon"):
        assert row.keys() <= tables[row["EventCode"]].keys()
        assert {name for name, value in row.items() if not isinstance(value, str)} == {"_time"}


def test_rows_of_the_common_information_model_hold_only_fields_of_their_data_set(events):
    schema = load("splunk_cim")
    for row in render(events, "splunk_cim"):
        assert row.keys() <= schema.tables[row["datamodel"]].keys()
        assert tuple(row["tag"]) == schema.tags[row["datamodel"]]


@pytest.mark.parametrize("platform", ["fdr", "falcon"])
def test_falcon_rows_hold_only_columns_of_their_event(events, platform):
    tables = load(platform).tables
    for row in render(events, platform):
        assert row.keys() <= tables[row["event_simpleName"]].keys()


def test_canonical_rows_hold_only_sigma_fields_of_their_types(events):
    kinds = {Type.TEXT: str, Type.ADDRESS: str, Type.INTEGER: int, Type.BOOLEAN: bool, Type.TIME: float}
    tables = load("sigma").tables
    for row in render(events, "sigma"):
        columns = tables[row.pop("category")]
        for column, value in row.items():
            # An oddity may have left an empty text in any column.
            assert value == "" or type(value) is kinds[columns[column]], column


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("platform", ["sysmon", "fdr", "falcon"])
def test_every_kind_of_traffic_fits_the_schemas(kind, platform):
    tables = load(platform).tables
    for row in islice(render(generate(of_kind(kind)), platform), 300):
        table = str(row["EventID"]) if platform == "sysmon" else row["event_simpleName"]
        assert row.keys() <= tables[table].keys()


@pytest.mark.parametrize("name", ["nxlog", "winlogbeat", "winlogbeat6"])
def test_a_shape_lays_the_same_values_out_by_its_paths(events, name):
    shape = load("sysmon").shapes[name]
    for flat, shaped in zip(render(events[:2000], "sysmon"), render(events[:2000], f"sysmon_{name}"), strict=True):
        for column, value in flat.items():
            place = shaped
            for key in shape.path(column).split("."):
                place = place[key]
            assert place == value
        assert len(flat) == _leaves(shaped)


def _leaves(value):
    return sum(_leaves(item) for item in value.values()) if isinstance(value, dict) else 1


def test_sysmon_writes_text_and_lower_case_booleans():
    (row,) = rows_of(scenario("{kind: exact, to: 203.0.113.1, port: 6667, at: [1s500ms]}"), "sysmon")
    assert row["Initiated"] == "true"
    assert row["DestinationPort"] == "6667"
    assert row["DestinationIsIpv6"] == "false"
    assert row["UtcTime"] == "2026-03-02 00:00:01.500"
    assert row["@timestamp"] == "2026-03-02T00:00:02.750Z"
    assert row["EventID"] == 3


def test_an_inbound_connection_has_the_other_side_as_its_source():
    drawn = scenario("{kind: exact, to: 203.0.113.1, port: 443, inbound: true, at: [1s]}")
    (row,) = rows_of(drawn, "sysmon")
    assert (row["Initiated"], row["SourceIp"], row["DestinationPort"]) == ("false", "203.0.113.1", "443")
    (row,) = rows_of(drawn, "fdr")
    assert row["event_simpleName"] == "NetworkReceiveAcceptIP4"
    assert (row["ConnectionDirection"], row["RemoteAddressIP4"], row["LocalPort"]) == ("1", "203.0.113.1", "443")


def test_replicated_falcon_rows_are_all_text_without_a_computer_name(events):
    for row in render(events, "fdr"):
        assert all(type(value) is str for value in row.values())
        assert "ComputerName" not in row
        assert "RemoteIP" not in row
        assert len(row["cid"]) == 32
        # A row that lost its host has no agent.
        assert len(row.get("aid", "")) in {0, 32}


def test_falcon_rows_carry_both_clocks():
    drawn = of_kind("monitoring", more="  oddities: [{kind: offline, from: 0s, until: 5h}]\n")
    for row in rows_of(drawn, "fdr"):
        happened, arrived = float(row["ContextTimeStamp"]), int(row["timestamp"]) / 1000
        assert arrived > happened
        if happened < drawn.begin + 5 * 3600:
            assert arrived >= drawn.begin + 5 * 3600


def test_the_siem_has_tags_and_a_computer_name_that_can_be_switched_off():
    drawn = of_kind("beacon")
    named, unnamed = rows_of(drawn, "falcon"), rows_of(drawn, "falcon", computer_name=False)
    for row, bare in zip(named, unnamed, strict=True):
        assert row["#event_simpleName"] == row["event_simpleName"]
        assert row["#repo"] == "base_sensor"
        assert row["@timestamp"] == int(row["timestamp"])
        assert row["ComputerName"] == "ws-01"
        assert "ComputerName" not in bare


def test_falcon_reports_a_name_once_a_day_for_a_process():
    text = "{kind: beacon, to: 203.0.113.1, period: 1h, domain: c2.example}"
    two_days = scenario(text, more="  span: 2d\n")
    names = [row for row in rows_of(two_days, "fdr") if row["event_simpleName"] == "DnsRequest"]
    assert len(names) == 2
    assert names[0]["IP4Records"] == "203.0.113.1;"
    assert sum(row["EventID"] == 22 for row in rows_of(two_days, "sysmon")) > 40


def test_falcon_reports_a_service_socket_at_its_first_send_only():
    drawn = of_kind("ntp")
    assert len(rows_of(drawn, "fdr")) == 1
    assert len(rows_of(drawn, "sysmon")) > 80
    queries = of_kind("resolver")
    assert len(rows_of(queries, "fdr")) == len(rows_of(queries, "sysmon"))


@pytest.mark.parametrize(
    ("address", "spelling", "sysmon", "column", "falcon"),
    [
        ("203.0.113.1", "native", "203.0.113.1", "RemoteAddressIP4", "203.0.113.1"),
        ("203.0.113.1", "mapped", "::ffff:203.0.113.1", "RemoteAddressIP6", "::ffff:203.0.113.1"),
        ("203.0.113.1", "mapped_hex", "0:0:0:0:0:ffff:cb00:7101", "RemoteAddressIP6", "::ffff:cb00:7101"),
        ("2001:db8::1", "native", "2001:db8:0:0:0:0:0:1", "RemoteAddressIP6", "2001:db8::1"),
        ("2001:db8::1", "compressed", "2001:db8::1", "RemoteAddressIP6", "2001:db8::1"),
    ],
)
def test_an_address_is_written_as_the_platform_would(address, spelling, sysmon, column, falcon):
    drawn = scenario(f"{{kind: exact, to: '{address}', port: 1, spelling: {spelling}, at: [1s]}}")
    (row,) = rows_of(drawn, "sysmon")
    assert row["DestinationIp"] == sysmon
    assert row["DestinationIsIpv6"] == ("true" if ":" in sysmon else "false")
    assert (":" in row["SourceIp"]) is (":" in sysmon)
    (row,) = rows_of(drawn, "fdr")
    assert row[column] == falcon
    (row,) = rows_of(drawn, "sigma")
    assert row["DestinationIp"] == address


@given(st.ip_addresses(), st.sampled_from(Spelling), st.booleans())
def test_no_spelling_changes_the_address(address, spelling, uncompressed):
    text = canonical(str(address))
    assert canonical(spelled(text, spelling, uncompressed=uncompressed)) == text


@pytest.mark.parametrize(
    ("field", "sysmon", "falcon"),
    [
        ("DestinationIp", "DestinationIp", "RemoteAddressIP4"),
        ("DestinationPort", "DestinationPort", "RemotePort"),
        ("SourceIp", "SourceIp", "LocalAddressIP4"),
        ("Computer", "Computer", "aid"),
        ("Image", "Image", "ContextBaseFileName"),
        ("UtcTime", "UtcTime", "ContextTimeStamp"),
    ],
)
def test_a_lost_field_is_lost_on_every_platform(field, sysmon, falcon):
    for lost, check in (("absent", lambda row, key: key not in row), ("empty", lambda row, key: row[key] == "")):
        more = f"  oddities: [{{kind: missing, fields: [{field}], as: {lost}}}]\n"
        drawn = scenario("{kind: exact, to: 203.0.113.1, port: 1, at: [1s]}", more=more)
        for platform, column in (("sysmon", sysmon), ("fdr", falcon), ("falcon", falcon), ("sigma", field)):
            (row,) = rows_of(drawn, platform)
            assert check(row, column), (platform, lost)


def test_another_case_of_the_host_is_the_same_agent():
    drawn = of_kind("beacon", more="  oddities: [{kind: mixed_case, share: 1}]\n")
    assert {row["Computer"] for row in rows_of(drawn, "sysmon")} == {"WS-01"}
    rows = rows_of(drawn, "falcon")
    assert {row["ComputerName"] for row in rows} == {"WS-01"}
    assert {row["aid"] for row in rows} == {drawn.directory.aid("ws-01")}


def test_the_directory_tells_host_and_agent_of_each_other():
    directory = HostDirectory(["ws-01", "Lab.Example"])
    assert len(directory) == 2
    assert "LAB.example" in directory
    for host in directory:
        assert directory.computer(directory.aid(host.name.upper())) == host.name
    with pytest.raises(PolysigmaError, match="unknown-host"):
        directory.aid("ws-02")
    with pytest.raises(PolysigmaError, match="unknown-host"):
        directory.computer("0" * 32)


def test_an_unknown_platform_lists_the_known_ones():
    with pytest.raises(PolysigmaError, match="sysmon_winlogbeat"):
        render([], "splunk")


@given(st.floats(0, 4e9))
def test_time_as_text_is_the_time_to_the_millisecond(time):
    from datetime import UTC, datetime

    parsed = datetime.strptime(utc_text(time), "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC)
    assert abs(parsed.timestamp() - time) <= 0.00051


VALUES = st.one_of(
    st.text(), st.integers(), st.booleans(), st.none(), st.dictionaries(st.text(), st.text(), max_size=3)
)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.dictionaries(st.text(), VALUES, max_size=5), max_size=6))
def test_written_lines_are_json_and_say_the_same(rows):
    from polysigma.telemetry.rendering import _write

    file = io.StringIO(newline="")
    assert _write(file, rows) == len(rows)
    assert [json.loads(line) for line in file.getvalue().split("\n")[:-1]] == rows
    expected = (json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows)
    assert file.getvalue().split("\n")[:-1] == list(expected)


def test_a_name_that_ends_in_gz_is_compressed(tmp_path, events):
    plain, packed = tmp_path / "rows.json", tmp_path / "rows.json.gz"
    assert write_rows(plain, render(events[:500], "sysmon")) == 500
    assert write_rows(packed, render(events[:500], "sysmon")) == 500
    assert gzip.decompress(packed.read_bytes()) == plain.read_bytes()
    assert plain.read_bytes().count(b"\n") == 500


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(PolysigmaError, match="unwritable-file"):
        write_rows(tmp_path / "missing/rows.json", [])


def _real_rows():
    for path in sorted(REAL.glob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith(".json") and "MACOSX" not in name:
                    with archive.open(name) as file:
                        yield from islice(file, 2000)
    for path in sorted(REAL.glob("*.tar.gz")):
        with tarfile.open(path) as archive:
            for member in archive:
                yield from islice(archive.extractfile(member) or (), 2000)


@pytest.mark.skipif(not REAL.is_dir(), reason="real Sysmon rows are not beside this checkout")
def test_real_sysmon_rows_have_the_fields_where_the_shapes_say():
    schema = load("sysmon")
    found = set()
    for line in _real_rows():
        if b"Sysmon" not in line:
            continue
        row = json.loads(line)
        name = "winlogbeat6" if "event_data" in row else "nxlog" if "Hostname" in row else "flat"
        shape = schema.shapes[name]
        event = str(row.get(shape.path("EventID"), ""))
        if event not in {"1", "3", "22"} or row.get(shape.path("Provider_Name")) != "Microsoft-Windows-Sysmon":
            continue
        found.add((name, event))
        data = row["event_data"] if name == "winlogbeat6" else row
        assert row[shape.path("Computer")]
        assert data["UtcTime"]
        if name == "winlogbeat6":
            assert data.keys() <= schema.tables[event].keys()
        if event == "3":
            assert data["Initiated"] in {"true", "false"}
            assert type(data["DestinationPort"]) is str
    assert {("winlogbeat6", "3"), ("nxlog", "3"), ("nxlog", "22"), ("nxlog", "1")} <= found
