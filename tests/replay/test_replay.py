"""Running a plan on data, window after window, and naming its hits."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from polysigma import replay as module
from polysigma.diagnostics import PolysigmaError
from polysigma.plan.expressions import Column
from polysigma.plan.steps import Bucket, Group, Output, Plan, Schedule, Sort, Where
from polysigma.plan.types import Type
from polysigma.replay import key_of, load_events, opened, replay, schedule_of

HOUR, DAY = 3600, 86400
START = datetime(2026, 3, 2)  # noqa: DTZ001 - as DuckDB gives times: UTC, without saying so
QUERIES = Path(__file__).parent
NUMBERS = (
    Output("TotalConnections", ("TotalConnections",), "value", Type.INTEGER),
    Output("ActiveHours", ("ActiveHours",), "value", Type.INTEGER),
    Output("ConnectionsPerHour", ("ConnectionsPerHour",), "value", Type.REAL),
    Output("FirstHour", ("FirstHour",), "value", Type.TIME),
    Output("Processes", ("Processes",), "value", Type.LIST),
)
SYSMON = Plan(
    name="botnet",
    title="Botnet",
    sources=(),
    steps=(Bucket("Hour", HOUR),),
    window=DAY,
    schedule=Schedule(HOUR),
    quiet=DAY,
    id="6f0a5b3e",
    outputs=(
        Output("Computer", ("Computer",), "key", Type.TEXT),
        Output("DestinationIp", ("DestinationIp",), "key", Type.ADDRESS),
        Output("DestinationPort", ("DestinationPort",), "key", Type.INTEGER),
        *NUMBERS,
    ),
)
FDR = Plan(
    name="botnet",
    title="Botnet",
    sources=(),
    steps=(Bucket("Hour", HOUR),),
    window=DAY,
    schedule=Schedule(HOUR),
    quiet=DAY,
    id="6f0a5b3e",
    outputs=(
        Output("Computer", ("cid", "aid"), "key", Type.TEXT),
        Output("Computer", ("ComputerName",), "label", Type.TEXT),
        Output("DestinationIp", ("RemoteAddress",), "key", Type.ADDRESS),
        Output("DestinationPort", ("RemotePort",), "key", Type.INTEGER),
        *NUMBERS,
    ),
)


def times(count=24, step=timedelta(minutes=20)):
    return [START + timedelta(minutes=5) + number * step for number in range(count)]


def sysmon_event(time, ip="198.51.100.7", host="ws1", image="C:\\bot.exe"):
    return {
        "Computer": host,
        "EventID": 3,
        "UtcTime": time.isoformat(" ", "milliseconds"),
        "Image": image,
        "DestinationIp": ip,
        "DestinationPort": "443",
        "Initiated": "true",
    }


def fdr_event(time, ip="198.51.100.7", aid="ws1", **more):
    seconds = time.replace(tzinfo=UTC).timestamp()
    return {
        "event_simpleName": "NetworkConnectIP6" if ":" in ip else "NetworkConnectIP4",
        "cid": "c1",
        "aid": aid,
        "ContextTimeStamp": f"{seconds:.3f}",
        "timestamp": str(int(seconds * 1000) + 90_000_000),
        "RemoteAddressIP6" if ":" in ip else "RemoteAddressIP4": ip,
        "RemotePort": "443",
        "ConnectionDirection": "0",
        "ContextBaseFileName": "bot.exe",
        **more,
    }


@pytest.fixture
def hits_of(tmp_path):
    """Replays events; gives the hits and what there is to say."""

    def run(plan, events, text=None, *, whole=False):
        path = tmp_path / "events.jsonl"
        path.write_text("".join(json.dumps(event) + "\n" for event in events))
        text = text or (QUERIES / ("fdr.sql" if plan is FDR else "sysmon.sql")).read_text()
        with opened([path]) as inputs, load_events(text, inputs) as loaded:
            done = replay(plan, text, loaded, whole=whole)
            return list(done.hits), done.findings

    return run


def test_a_hit_names_its_keys_its_numbers_and_its_window(hits_of):
    hits, findings = hits_of(SYSMON, [sysmon_event(time) for time in times()])
    assert hits == [
        {
            "Computer": "ws1",
            "DestinationIp": "198.51.100.7",
            "DestinationPort": 443,
            "TotalConnections": 21,
            "ActiveHours": 7,
            "ConnectionsPerHour": 3.0,
            "FirstHour": "2026-03-02T00:00:00Z",
            "Processes": ["C:\\bot.exe"],
            "window_end": "2026-03-02T07:00:00Z",
            "rule": "botnet",
            "rule_id": "6f0a5b3e",
            "rule_author": None,
        }
    ]
    assert not findings


@pytest.mark.parametrize("ip", ["198.51.100.7", "2001:db8::7"])
def test_both_platforms_give_the_same_hit(hits_of, ip):
    ours, _ = hits_of(SYSMON, [sysmon_event(time, ip, image="bot.exe") for time in times()])
    theirs, _ = hits_of(FDR, [fdr_event(time, ip) for time in times()])
    assert ours == theirs
    assert len(ours) == 1


def test_an_address_is_spelled_in_the_canonical_way(hits_of):
    for written in ("2001:0db8:0:0:0:0:0:0007", "2001:DB8::7"):
        [hit], _ = hits_of(SYSMON, [sysmon_event(time, written) for time in times()])
        assert hit["DestinationIp"] == "2001:db8::7"
    [hit], _ = hits_of(SYSMON, [sysmon_event(time, "::ffff:198.51.100.7") for time in times()])
    assert hit["DestinationIp"] == "198.51.100.7"


def test_a_host_is_shown_by_its_label_and_else_by_the_last_of_its_keys(hits_of):
    assert hits_of(FDR, [fdr_event(time) for time in times()])[0][0]["Computer"] == "ws1"
    events = [fdr_event(time, aid="a1", ComputerName="WS1") for time in times()]
    assert hits_of(FDR, events)[0][0]["Computer"] == "WS1"


def test_two_hosts_of_one_name_are_two_hits(hits_of):
    events = [fdr_event(time, aid=aid, ComputerName="WS1") for time in times() for aid in ("a1", "a2")]
    hits, _ = hits_of(FDR, events)
    assert [hit["Computer"] for hit in hits] == ["WS1", "WS1"]


def test_a_key_is_reported_again_when_its_quiet_period_is_over(hits_of):
    hits, _ = hits_of(SYSMON, [sysmon_event(time) for time in times(count=3 * 24 * 4, step=timedelta(minutes=15))])
    # Reported when 20 connections are reached, then every 24 hours.
    assert [hit["window_end"] for hit in hits] == [f"2026-03-0{day}T05:00:00Z" for day in (2, 3, 4)]


def test_without_a_quiet_period_every_window_reports(hits_of):
    hits, _ = hits_of(replace(SYSMON, quiet=None), [sysmon_event(time) for time in times()])
    assert [hit["window_end"][11:13] for hit in hits] == ["07", "08"]


def test_the_whole_data_is_one_window_on_request(hits_of):
    events = [sysmon_event(time) for time in times(count=30, step=timedelta(hours=10))]
    assert hits_of(SYSMON, events)[0] == []
    [hit], _ = hits_of(SYSMON, events, whole=True)
    assert hit["TotalConnections"] == 30
    assert hit["window_end"] == "2026-03-14T03:00:00Z"


def test_events_without_a_time_are_in_no_window_and_are_counted(hits_of):
    broken = {**sysmon_event(START), "UtcTime": "soon"}
    hits, findings = hits_of(SYSMON, [broken] * 40 + [sysmon_event(START)])
    assert hits == []
    assert [finding.message for finding in findings] == [
        "40 events that the rule matches have no time and are in no window"
    ]


def test_a_plain_rule_reports_each_event_without_a_window(hits_of):
    text = 'SELECT "Computer", "Image", "User" FROM events WHERE "Image" LIKE \'%bot%\''
    plan = Plan("plain", "Plain", (), (), None, id="1")
    hits, findings = hits_of(plan, [sysmon_event(START), sysmon_event(START, image="x")], text)
    of_rule = {"rule": "plain", "rule_id": "1", "rule_author": None}
    assert hits == [{"Computer": "ws1", "Image": "C:\\bot.exe", "window_end": None, **of_rule}]
    assert [finding.message for finding in findings] == ["no event has User, which the query reads"]


def test_no_hits_on_no_events_is_said(hits_of, tmp_path):
    path = tmp_path / "empty.jsonl"
    path.write_text("\n")
    text = (QUERIES / "sysmon.sql").read_text()
    with opened([path], "sysmon") as inputs, load_events(text, inputs) as loaded:
        done = replay(SYSMON, text, loaded)
        assert list(done.hits) == []
    assert [finding.code for finding in done.findings] == ["empty-file", "no-events"]


def test_nothing_is_left_on_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path = tmp_path / "events.jsonl"
    path.write_text(json.dumps(sysmon_event(START)))
    text = (QUERIES / "sysmon.sql").read_text()
    with opened([path]) as inputs, load_events(text, inputs) as loaded:
        assert len(list(tmp_path.iterdir())) == 2
        list(replay(SYSMON, text, loaded).hits)
    with pytest.raises(PolysigmaError), opened([tmp_path / "nowhere"]):
        pass
    assert list(tmp_path.iterdir()) == [path]


def test_rows_that_the_query_leaves_in_any_order_are_ordered_by_their_keys():
    rows = [{"N": 2, "K": "b"}, {"N": 2, "K": "A"}, {"N": 1, "K": "c"}, {"N": 1, "K": "a"}]
    outputs = (Output("K", ("K",), "key", Type.TEXT),)
    most_first = plan_with(steps=(Group(("K",), ()), Sort((("N", True),))), outputs=outputs)
    assert [row["K"] for row in module._ordered(most_first, rows)] == ["A", "b", "a", "c"]
    unsorted = plan_with(steps=(Group(("K",), ()), Where(Column("N"))), outputs=outputs)
    assert [row["K"] for row in module._ordered(unsorted, rows)] == ["A", "a", "b", "c"]
    assert module._ordered(plan_with(outputs=outputs), rows) == rows


def test_the_bucket_is_found_behind_filters_and_only_where_windows_keep_to_its_edges():
    bucket, where = Bucket("Hour", HOUR), Where(Column("x"))
    assert module._bucket(plan_with(steps=(where, bucket)), HOUR) == ("Hour", HOUR)
    assert module._bucket(plan_with(steps=(where, bucket)), 1800) is None
    assert module._bucket(plan_with(steps=(bucket,), window=5400), HOUR) is None
    assert module._bucket(plan_with(steps=(Group(("x",), ()), bucket)), HOUR) is None
    assert module._bucket(plan_with(steps=(where,)), HOUR) is None


def plan_with(schedule=None, steps=(), window=DAY, outputs=()):
    return Plan("x", "X", (), steps, window, schedule, outputs)


def test_a_rule_without_a_schedule_is_evaluated_at_every_bucket_or_twelve_times_a_window():
    assert schedule_of(plan_with(Schedule(900))) == 900
    assert schedule_of(plan_with(steps=(Bucket("Hour", HOUR),))) == HOUR
    assert schedule_of(plan_with()) == 2 * HOUR
    assert schedule_of(plan_with(window=5)) == 1


def test_a_key_is_compared_without_regard_to_case_or_spelling():
    plan = plan_with(
        outputs=(Output("Computer", ("cid", "aid"), "key", Type.TEXT), Output("Ip", ("ip",), "key", Type.ADDRESS))
    )
    assert key_of(plan, {"cid": "C", "aid": "A", "ip": "2001:DB8:0::1"}) == ("c", "a", "2001:db8::1")


@pytest.mark.parametrize(
    ("kind", "value", "shown"),
    [
        (Type.INTEGER, 3, 3),
        (Type.INTEGER, 3.0, 3),
        (Type.INTEGER, Decimal(3), 3),
        (Type.INTEGER, "443", 443),
        (Type.INTEGER, 2**70, 2**70),
        (Type.REAL, 3, 3.0),
        (Type.REAL, Decimal("1.5"), 1.5),
        (Type.REAL, math.nan, None),
        (Type.REAL, math.inf, None),
        (Type.BOOLEAN, True, True),
        (Type.BOOLEAN, "false", False),
        (Type.TEXT, "a", "a"),
        (Type.TEXT, None, None),
        (Type.ADDRESS, "not an address", "not an address"),
        (Type.TIME, START + timedelta(milliseconds=8), "2026-03-02T00:00:00.008000Z"),
        (Type.LIST, ["b", None, "a", "", "b"], ["a", "b"]),
        (Type.LIST, [], []),
        (Type.LIST, None, None),
    ],
)
def test_a_value_is_shown_as_plain_data(hits_of, kind, value, shown):
    found = module._shown(value, kind)
    assert found == shown
    assert type(found) is type(shown)
    json.dumps(found, allow_nan=False)
