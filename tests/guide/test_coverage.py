"""Coverage queries run, and put the hosts first that are alive and report nothing of what is needed."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import duckdb
import pytest

from polysigma.catalog import rules_root
from polysigma.engines.cql import run_cql
from polysigma.engines.kql.validate import unavailable, validate
from polysigma.engines.spl.engine import run_spl
from polysigma.guide import read_guide
from sigma.pipelines.polysigma import platform

GUIDES = sorted(rules_root().glob("*/guide.yaml"))
pytestmark = pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.parent.name)
NOW = time.time()


NEEDED = {"Connections": 3, "Queries": 22, "Starts": 1}
"""What a coverage query counts, and Sysmon's number for it."""


def query(path, name):
    platforms = read_guide(path)[1].platforms
    if name not in platforms:
        pytest.skip(f"{name} does not record what the detection looks at")
    return platforms[name].coverage.query


def counted(rows, by):
    """Hosts with the number of events that the detection needs, in the order of the result."""
    return [(row[by], next(value for name, value in row.items() if name.title() in NEEDED)) for row in rows]


def falcon(name, aid):
    moment = int(NOW * 1000) - 5_000
    return {"event_simpleName": name, "cid": "c", "aid": aid, "ComputerName": f"host-{aid}", "timestamp": str(moment)}


EVENTS = [
    *(falcon(name, "a") for name in ("NetworkConnectIP4", "DnsRequest", "ProcessRollup2", "SensorHeartbeat")),
    falcon("SensorHeartbeat", "b"),
]


def sysmon(number, computer):
    moment = datetime.fromtimestamp(NOW - 5, UTC).replace(tzinfo=None).isoformat(" ", "milliseconds")
    port = "443" if number == 3 else None
    initiated = "true" if number == 3 else None
    return {
        "EventID": number,
        "Computer": computer,
        "DestinationPort": port,
        "Initiated": initiated,
        "UtcTime": moment,
    }


def in_duckdb(text, table, rows):
    connection = duckdb.connect(config={"threads": 1})
    kinds = {int: "BIGINT"}
    columns = ", ".join(f'"{name}" {kinds.get(type(value), "VARCHAR")}' for name, value in rows[0].items())
    connection.execute(f"CREATE TABLE {table} ({columns})")
    connection.executemany(
        f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", [[*row.values()] for row in rows]
    )
    found = connection.execute(text)
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def session(device, number, named="observer.name"):
    ends = {"source.ip": f"10.1.0.{number}", "destination.ip": "203.0.113.10", "destination.port": "443"}
    tags = {"#event.kind": "event", "#observer.type": "firewall", "#Vendor": "fortinet"}
    return {**tags, **ends, named: device, "@timestamp": int(NOW * 1000) - 5_000}


def test_falcon(path):
    if "firewall" in read_guide(path)[1].platforms["falcon"].tables:
        rows = [session("fw-a", 1), session("fw-a", 2), session("fw-b", 1)]
        rows += [session("fw-c", last, "observer.hostname") for last in (1, 2, 3)]
        found = run_cql(query(path, "falcon"), rows, now=NOW).rows
        assert [(row["Firewall"], row["Connections"], row["Sources"]) for row in found] == [
            ("fw-b", 1, 1),
            ("fw-a", 2, 2),
            ("fw-c", 3, 3),
        ]
        return
    rows = [
        {
            ("#" if name == "event_simpleName" else "") + name: value
            for name, value in event.items()
            if name != "timestamp"
        }
        | {"@timestamp": int(event["timestamp"]), "event_platform": "Win"}
        for event in EVENTS
    ]
    found = run_cql(query(path, "falcon"), rows, now=NOW).rows
    assert counted(found, "ComputerName") == [("host-b", 0), ("host-a", 1)]


def test_the_data_replicator(path):
    found = in_duckdb(query(path, "fdr"), "fdr", EVENTS)
    assert counted(found, "aid") == [("b", 0), ("a", 1)]


def test_sysmon_as_json(path):
    rows = [sysmon(3, "WS-01"), *(sysmon(number, "ws-01") for number in (22, 1, 5)), sysmon(5, "ws-02")]
    assert counted(in_duckdb(query(path, "sysmon_json"), "sysmon", rows), "host") == [("ws-02", 0), ("ws-01", 1)]


def test_sysmon_in_splunk(path):
    source = "XmlWinEventLog:Microsoft-Windows-Sysmon/Operational"
    text = query(path, "splunk_sysmon")
    alive = 5 if "Starts" in text else 1
    rows = [
        {
            "_time": NOW - 5,
            "source": source,
            "EventCode": str(number),
            "Computer": computer,
            "DestinationPort": "443" if number == 3 else "",
            "Initiated": "true" if number == 3 else "",
        }
        for number, computer in (*((number, "ws-01") for number in (3, 22, 1, 5)), (alive, "ws-02"))
    ]
    assert counted(run_spl(text, rows, now=NOW), "Computer") == [("ws-02", 0), ("ws-01", 1)]


@pytest.mark.slow
@pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))
@pytest.mark.parametrize("name", ["defender", "sentinel", "asim"])
def test_microsofts_binder_knows_every_column(path, name):
    assert validate(query(path, name), platform(name).schema_name) == []
