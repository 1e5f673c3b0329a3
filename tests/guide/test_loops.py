"""The hunt beside the loops of PowerShell, and what it finds."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from polysigma.catalog import rules_root
from polysigma.convert import compile_rule
from polysigma.engines.sql_text import TABLE
from polysigma.replay import load_events, opened, replay

HUNT = rules_root() / "powershell_download_loop" / "hunts" / "powershell_connections.yaml"


@pytest.mark.parametrize(
    ("count", "image", "minutes", "hit"),
    [
        (10, "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe", 5, True),
        (9, "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe", 5, False),
        (10, "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe", 7, False),
        (10, "C:\\Windows\\System32\\curl.exe", 5, False),
    ],
    ids=["ten in an hour", "nine", "ten in more than an hour", "another program"],
)
def test_the_hunt_finds_ten_connections_of_powershell_in_one_hour(tmp_path, count, image, minutes, hit):
    path = tmp_path / "rows.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            moment = datetime(2026, 3, 2, 9, tzinfo=UTC) + timedelta(minutes=number * minutes)
            row = {
                "EventID": 3,
                "Computer": "ws-01",
                "UtcTime": moment.replace(tzinfo=None).isoformat(" ", "milliseconds"),
                "Image": image,
                "Initiated": "true",
                "DestinationIp": "203.0.113.10",
                "DestinationPort": "443",
            }
            file.write(json.dumps(row) + "\n")
    with opened([path]) as inputs:
        compiled = compile_rule(str(HUNT), inputs.family.platform, "sql", table=TABLE)
        with load_events(compiled.query, inputs) as events:
            found = list(replay(compiled.plan, compiled.query, events, whole=True).hits)
    assert [(one["Connections"], one["FullestHour"]) for one in found] == ([(10, 10)] if hit else [])
