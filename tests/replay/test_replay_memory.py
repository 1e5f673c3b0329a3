"""A replay of many events stays within its memory. The number of events is in POLYSIGMA_REPLAY_ROWS."""

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

ROWS = int(os.environ.get("POLYSIGMA_REPLAY_ROWS", "2_000_000"))
LIMIT_MB = 2000

# 400 hosts over three days, each talking to some sixty addresses, and one line in a million cut off.
EVENTS = """
COPY (
    SELECT
        strftime(time, '%Y-%m-%dT%H:%M:%S.%gZ') AS "@timestamp", 'Microsoft-Windows-Sysmon/Operational' AS "Channel",
        'WS' || host || '.example.com' AS "Computer", CASE WHEN n % 5 = 0 THEN 1 ELSE 3 END AS "EventID",
        '-' AS "RuleName", strftime(time, '%Y-%m-%d %H:%M:%S.%g') AS "UtcTime",
        '{{b59756a9-b239-5f17-' || n || '}}' AS "ProcessGuid", (n % 9999)::VARCHAR AS "ProcessId",
        ['C:\\Windows\\System32\\svchost.exe', 'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe'][1 + n % 2]
            AS "Image",
        'EXAMPLE\\user' || host AS "User", 'tcp' AS "Protocol", 'true' AS "Initiated", 'false' AS "SourceIsIpv6",
        '10.0.' || host // 256 || '.' || host % 256 AS "SourceIp", '-' AS "SourceHostname",
        (49152 + n % 16000)::VARCHAR AS "SourcePort", '-' AS "SourcePortName", 'false' AS "DestinationIsIpv6",
        '198.51.100.' || (host + 3 * (hash(n, 1) % 20)) % 250 AS "DestinationIp", '-' AS "DestinationHostname",
        ['443', '80', '6667'][1 + (hash(n, 2) % 3)::INT] AS "DestinationPort", '-' AS "DestinationPortName"
    FROM (
        SELECT n, hash(n) % 400 AS host,
            TIMESTAMP '2026-03-02' + to_milliseconds(CAST(n * 3 * 86400000.0 / {rows} AS BIGINT)) AS time
        FROM range({rows}) AS numbers(n)
    )
) TO '{path}' (FORMAT json)
"""

RUN = """
import resource, sys, time
from polysigma.plan.steps import Bucket, Output, Plan, Schedule
from polysigma.plan.types import Type
from polysigma.replay import load_events, opened, replay

text = open(sys.argv[2]).read()
outputs = [Output(name, (name,), "key", Type.TEXT) for name in ("Computer", "DestinationIp", "DestinationPort")]
outputs.append(Output("TotalConnections", ("TotalConnections",), "value", Type.INTEGER))
plan = Plan("botnet", "Botnet", (), (Bucket("Hour", 3600),), 86400, Schedule(3600), tuple(outputs), quiet=86400)
start = time.time()
with opened([sys.argv[1]]) as inputs, load_events(text, inputs) as events:
    loaded = time.time()
    print(f"{events.rows} rows, {events.malformed} malformed, loaded in {loaded - start:.1f} s", file=sys.stderr)
    hits = sum(1 for _ in replay(plan, text, events).hits)
    print(f"{hits} hits in {time.time() - loaded:.1f} s", file=sys.stderr)
    assert hits and events.malformed
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(peak // (1024 if sys.platform == "linux" else 1024 * 1024))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the peak of memory is read by the resource module")
def test_many_events_are_replayed_within_two_gigabytes(tmp_path):
    path = tmp_path / "events.jsonl"
    with duckdb.connect() as connection:
        connection.execute(EVENTS.format(rows=ROWS, path=path))
    with path.open("ab") as file:
        file.write(b'{"cut off": ' + b"\n")
    query = Path(__file__).with_name("sysmon.sql")
    done = subprocess.run([sys.executable, "-c", RUN, path, query], capture_output=True, text=True, check=False)
    print(done.stderr)
    assert done.returncode == 0, done.stderr
    peak = int(done.stdout)
    print(f"{path.stat().st_size >> 20} MB of JSON lines; peak of memory {peak} MB")
    assert peak < LIMIT_MB
