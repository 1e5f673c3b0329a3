"""All windows at once give what one window after another gives."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from polysigma.convert import compile_rule
from polysigma.diagnostics import PolysigmaError
from polysigma.replay import load_events, opened, replay
from polysigma.tune.sweep import Sweep

START = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    """Three days of bots, polling programs and people, with a time that is missing, and one in the last second."""
    dice = random.Random(7)
    rows = []

    def connect(seconds: float, host: str, address: str, port: int, image: str) -> None:
        time = START + timedelta(seconds=seconds)
        rows.append(
            {
                "Channel": "Microsoft-Windows-Sysmon/Operational",
                "EventID": 3,
                "Computer": host,
                "UtcTime": f"{time:%Y-%m-%d %H:%M:%S.%f}"[:-3],
                "Image": image,
                "Initiated": "true",
                "DestinationIp": address,
                "DestinationPort": str(port),
            }
        )

    for host, address, port, period in (
        ("ws-01", "203.0.113.10", 6667, 1200),
        ("ws-02", "203.0.113.10", 6667, 2400),
        ("ws-03", "203.0.113.11", 443, 300),
        ("ws-04", "2001:db8::11", 443, 600),
        ("ws-05", "203.0.113.12", 123, 64),
        ("WS-06", "203.0.113.13", 1080, 3000),
    ):
        for number in range(int(3 * 86400 / period)):
            if not (host == "ws-03" and 40_000 < number * period < 130_000):
                connect(number * period + dice.random() * 5, host, address, port, rf"C:\{host}.exe")
    for _ in range(1500):
        connect(
            dice.random() * 3 * 86400, f"ws-0{dice.randint(1, 6)}", f"198.51.100.{dice.randint(1, 9)}", 443, "b.exe"
        )
    connect(3 * 86400 - 0.001, "ws-01", "203.0.113.10", 6667, "last.exe")
    rows[5]["UtcTime"] = ""
    path = tmp_path_factory.mktemp("data") / "sysmon.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def plain(hits) -> list[str]:
    """Hits without lists, which a sweep leaves out. The last digits of sums of fractions follow the order of rows."""
    kept = (
        {
            name: float(f"{value:.9g}") if isinstance(value, float) else value
            for name, value in hit.items()
            if not isinstance(value, list)
        }
        for hit in hits
    )
    return sorted(json.dumps(hit, sort_keys=True) for hit in kept)


BY = "by: [Computer, DestinationIp]\n              measures:\n                  Connections"

VARIANTS = {
    "botnet_node_beaconing": [
        {},
        {"min_connections": 40},
        {"min_active_hours": 1},
        {"min_score": 0},
        {"watched_ports": [6667]},
        {"busy_rate": 2, "notable_total": 10},
    ],
    "regular_beacon_to_rare_destination": [
        {},
        {"infrastructure_ports": [53]},
        {"min_span_minutes": 2, "min_evidence": 2, "max_hosts": 1},
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("rule", VARIANTS)
def test_a_sweep_gives_the_hits_of_a_replay_for_every_variant(events, rule):
    with opened([events]) as inputs:
        made = [compile_rule(rule, "sysmon_json", "sql", values, table="events") for values in VARIANTS[rule]]
        with load_events(made[0].query, inputs) as loaded:
            with Sweep(made[0].plan, made[0].query, loaded.connection) as sweep:
                swept = [plain(sweep.hits(one.plan)) for one in made]
            replayed = [plain(replay(one.plan, one.query, loaded).hits) for one in made]
    assert swept == replayed
    assert len({tuple(one) for one in swept}) > 1, "the variants differ"


@pytest.mark.parametrize(
    ("timespan", "every", "bucket"),
    [("6h", "1h", "30m"), ("6h", "6h", "1h"), ("90m", "1h", "10m"), ("2h", "40m", "20m"), ("2h", "45m", None)],
)
def test_windows_of_any_schedule_are_the_same_with_and_without_a_bucket(events, detection, timespan, every, bucket):
    path = Path(detection) / "rule.yml"
    text = path.read_text(encoding="utf-8").replace("timespan: 6h", f"timespan: {timespan}")
    text = text.replace("every: 1h", f"every: {every}").replace("value: 5", "value: 1")
    if bucket:
        text = text.replace("    steps:\n", f"    steps:\n        - bucket:\n              Slot: {bucket}\n")
        text = text.replace(BY, BY.replace("]", ", Slot]"))
    path.write_text(text, encoding="utf-8")
    with opened([events]) as inputs:
        made = compile_rule(detection, "sysmon_json", "sql", table="events")
        with load_events(made.query, inputs) as loaded:
            with Sweep(made.plan, made.query, loaded.connection) as sweep:
                swept = plain(sweep.hits(made.plan))
            replayed = plain(replay(made.plan, made.query, loaded).hits)
    assert swept == replayed
    assert swept


UNION = """\
title: {name}
id: {number}1111111-1111-4111-8111-111111111111
name: {name}
logsource: {{category: network_connection}}
detection:
    selection: {{Initiated: 'true', DestinationPort: {port}}}
    condition: selection
---
"""
TOGETHER = """\
title: Both
id: 32222222-2222-4222-8222-222222222222
name: both
correlation:
    type: {type}
    rules: [chat, web]
    group-by: [Computer]
    timespan: 1h
"""


@pytest.mark.parametrize("kind", ["temporal", "temporal_ordered"])
def test_rules_together_and_in_order_are_swept_too(events, tmp_path, kind):
    path = tmp_path / "rule.yml"
    chat, web = UNION.format(name="chat", number=1, port=6667), UNION.format(name="web", number=2, port=443)
    path.write_text(chat + web + TOGETHER.format(type=kind), encoding="utf-8")
    with opened([events]) as inputs:
        made = compile_rule(str(path), "sysmon_json", "sql", table="events")
        with load_events(made.query, inputs) as loaded:
            with Sweep(made.plan, made.query, loaded.connection) as sweep:
                swept = plain(sweep.hits(made.plan))
            replayed = plain(replay(made.plan, made.query, loaded).hits)
    assert swept == replayed
    assert swept


def test_a_rule_on_single_events_has_nothing_to_sweep(events, detection):
    with opened([events]) as inputs:
        made = compile_rule(detection, "sysmon_json", "sql", table="events")
        with load_events(made.query, inputs) as loaded:
            single = replace(made.plan, window=None)
            with pytest.raises(PolysigmaError, match="no window"):
                Sweep(single, made.query, loaded.connection)


INNER = """\
title: {name}
id: {number}3333333-1111-4111-8111-111111111111
name: {name}
correlation:
    type: event_count
    rules: [{base}]
    group-by: [Computer]
    timespan: 1h
    condition: {{gte: 2}}
---
"""


def test_a_chain_of_several_correlations_is_refused_with_what_to_do(polysigma, events, tmp_path):
    path = tmp_path / "rule.yml"
    chat, web = UNION.format(name="chat", number=1, port=6667), UNION.format(name="web", number=2, port=443)
    inner = INNER.format(name="chats", number=4, base="chat") + INNER.format(name="webs", number=5, base="web")
    outer = TOGETHER.format(type="temporal").replace("[chat, web]", "[chats, webs]")
    path.write_text(chat + web + inner + outer, encoding="utf-8")
    shown = polysigma("tune", path, events)
    assert shown.code == 2
    assert "no-sweep both puts the hits of several correlations together" in shown.err
