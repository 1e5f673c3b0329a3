"""How often a detection of beacons finds timers of many kinds, and how often it takes other traffic for one.

    python benchmarks/beacons.py [RULE] [FLOWS] [DAYS]

Every flow is one host's connections to one address; FLOWS (4) of each kind are made, put through the rule as
`polysigma replay` does, and counted. Then DAYS (70) of ordinary hosts, and to how many alerts they come. All numbers
come from random generators (`rhythms.py`), none from recorded traffic: they compare rules and settings with one
another, and say nothing of the share of real programs that behave like either column.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from rhythms import HELD_OUT, SEEN, ordinary_day

from polysigma.convert import compile_rule
from polysigma.engines.sql_text import TABLE
from polysigma.replay import load_events, opened, replay

if TYPE_CHECKING:
    from rhythms import Flow, Kinds

RULE = "regular_beacon_to_rare_destination"
START = datetime(2026, 3, 2, tzinfo=UTC)


def found(rule: str, flows: list[Flow]) -> set[int]:
    """Which of the flows the rule finds, on any window of its schedule."""
    lines = []
    for number, flow in enumerate(flows):
        address = f"198.51.{number // 250}.{number % 250 + 1}"
        for at in flow:
            time = (START + timedelta(seconds=at)).replace(tzinfo=None).isoformat(" ", "milliseconds")
            event = {"EventID": 3, "UtcTime": time, "Computer": "ws-01", "Initiated": "true", "Image": "/usr/bin/any"}
            lines.append((at, json.dumps({**event, "DestinationIp": address, "DestinationPort": "443"})))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "events.jsonl")
        path.write_text("".join(f"{line}\n" for _, line in sorted(lines)), encoding="utf-8")
        with opened([path]) as inputs:
            compiled = compile_rule(rule, inputs.family.platform, "sql", table=TABLE)
            with load_events(compiled.query, inputs) as events:
                addresses = {hit["DestinationIp"] for hit in replay(compiled.plan, compiled.query, events).hits}
    parts = [address.split(".") for address in addresses]
    return {int(part[2]) * 250 + int(part[3]) - 1 for part in parts}


def report(rule: str, title: str, kinds: Kinds, number: int) -> None:
    hits = found(rule, [make() for make in kinds.values() for _ in range(number)])
    counts = {name: sum(index // number == turn for index in hits) for turn, name in enumerate(kinds)}
    print(f"\n{title}: {len(hits) / number / len(kinds):.1%} of {len(kinds)} kinds, {number} of each", flush=True)
    for name, count in counts.items():
        print(f"  {count:3}  {name}")


def days(rule: str, number: int) -> None:
    """Alerts on ordinary days, and how likely seven of them have at most three."""
    owners: list[str] = []
    flows: list[Flow] = []
    present: Counter[str] = Counter()
    for _ in range(number):
        for program, some in ordinary_day().items():
            present[program] += 1
            flows += some
            owners += [program] * len(some)
    alerts = Counter(owners[index] for index in found(rule, flows))
    print(f"\n{number} host-days, {len(flows) / number:.0f} addresses each; alerts on a day with this program:")
    for program, times in present.items():
        print(f"  {alerts[program] / times:5.2f}  {program}, on {times} of the days")
    for title, count in (("use alone", alerts["use"]), ("all of it", alerts.total())):
        mean = 7 * count / number
        few = sum(math.exp(-mean) * mean**some / math.factorial(some) for some in range(4))
        print(f"  seven host-days, {title}: {mean:.1f} alerts on average, at most three in {few:.0%} (Poisson)")


def main(rule: str = RULE, flows: str = "4", host_days: str = "70") -> None:
    for title, (timers, others) in (("seen while tuning", SEEN), ("held out", HELD_OUT)):
        report(rule, f"timers that are found, {title}", timers, int(flows))
        report(rule, f"other traffic that is taken for one, {title}", others, int(flows))
    days(rule, int(host_days))


if __name__ == "__main__":
    main(*sys.argv[1:])
