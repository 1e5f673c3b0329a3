"""The beaconing rule on its scenarios: as Sysmon and as Falcon record them, by SQL and by the oracle, the same hits."""

from __future__ import annotations

import csv
import ipaddress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sigma.collection import SigmaCollection

from polysigma.engines.reference import slide
from polysigma.engines.sql import Windows
from polysigma.telemetry import HostDirectory, Scenario, generate, load_scenarios, render
from sigma.backends.polysigma import SqlBackend
from sigma.pipelines.polysigma import pipelines

if TYPE_CHECKING:
    from polysigma.plan.steps import Plan

FOLDER = Path(__file__).parents[2] / "rules" / "botnet_node_beaconing"
SCENARIOS = load_scenarios(FOLDER / "scenarios.yaml")
SHAPES = {"sysmon": "sysmon_json", "fdr": "fdr"}
NUMBERS = ("TotalConnections", "ActiveHours", "MinHourlyConnections", "MaxHourlyConnections", "BeaconingScore")

Hit = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Shape:
    """The rule for one shape of data: its plan, its query, and the columns that the plan reads."""

    plan: Plan
    query: str

    @property
    def columns(self) -> tuple[str, ...]:
        (source,) = self.plan.sources
        return tuple(source.types)

    def hit(self, row: dict[str, Any], hosts: HostDirectory) -> Hit:
        """A row by canonical names, the host by its name, the address in one spelling, and without display lists."""
        found: dict[str, Any] = {}
        for output in self.plan.outputs:
            if output.role == "key" or output.canonical in NUMBERS:
                found[output.canonical] = row[output.columns[-1]]
        name = str(found["Computer"])
        found["Computer"] = (hosts.host(name).name if name in hosts else hosts.computer(name)).lower()
        found["DestinationIp"] = str(ipaddress.ip_address(found["DestinationIp"]))
        return tuple(sorted(found.items()))


def _shape(pipeline: str) -> Shape:
    backend = SqlBackend(pipelines[pipeline](), form="rule", table="events")
    backend.compiled = {}
    (query,) = backend.convert(SigmaCollection.from_yaml((FOLDER / "rule.yml").read_text()))
    ((compiled,),) = backend.compiled.values()
    return Shape(replace(compiled.plan, quiet=None), query)


@pytest.fixture(scope="module")
def shapes() -> dict[str, Shape]:
    return {name: _shape(pipeline) for name, pipeline in SHAPES.items()}


def _by_sql(
    shape: Shape, rows: list[dict[str, Any]], hosts: HostDirectory, database: Any, folder: Path
) -> set[tuple[int, Hit]]:
    file = folder / "rows.csv"
    with file.open("w", newline="", encoding="utf-8") as target:
        writer = csv.writer(target)
        # A missing value and an empty text are different things in a file, and one to the rule.
        writer.writerows([r"\N" if row.get(name) is None else str(row[name]) for name in shape.columns] for row in rows)
    listed = ", ".join(f"'{name}': 'VARCHAR'" for name in shape.columns)
    database.execute(
        f"CREATE OR REPLACE TABLE events AS SELECT * FROM "
        f"read_csv('{file}', header=false, nullstr='\\N', columns={{{listed}}})"
    )
    schedule = shape.plan.schedule
    assert schedule
    assert shape.plan.window
    with Windows(shape.query, database, bucket=("Hour", 3600)) as windows:
        return {
            (time, shape.hit(row, hosts))
            for time, found in windows.slide(schedule.every, shape.plan.window)
            for row in found
        }


def _by_oracle(shape: Shape, rows: list[dict[str, Any]], hosts: HostDirectory) -> set[tuple[int, Hit]]:
    return {(hit.time or 0, shape.hit(hit.row, hosts)) for hit in slide(shape.plan, rows)}


def _meets(hit: Hit, expected: dict[str, Any]) -> bool:
    found = dict(hit)
    return all(str(found[name]).lower() == str(value).lower() for name, value in expected.items())


@pytest.mark.parametrize(
    "scenario",
    [
        pytest.param(one, id=one.name, marks=[pytest.mark.slow] if len(one.hosts) > 5 else [])  # half a minute
        for one in SCENARIOS
    ],
)
def test_every_way_finds_the_same_hits_and_what_the_scenario_expects(scenario: Scenario, shapes, database, tmp_path):
    hosts = scenario.directory
    found = {}
    for name, shape in shapes.items():
        rows = list(render(generate(scenario), name))
        found[name, "sql"] = _by_sql(shape, rows, hosts, database, tmp_path)
        found[name, "oracle"] = _by_oracle(shape, rows, hosts)
    first, *others = found.values()
    assert all(other == first for other in others), {way: sorted(hits ^ first) for way, hits in found.items()}

    hits = {hit for _, hit in first}
    for expected in scenario.hit:
        assert any(_meets(hit, expected) for hit in hits), expected
    for unwanted in scenario.miss:
        assert not [hit for hit in hits if _meets(hit, unwanted)], unwanted
    if not scenario.other_hits:
        keys = [{name: value for name, value in expected.items() if name not in NUMBERS} for expected in scenario.hit]
        assert not [hit for hit in hits if not any(_meets(hit, key) for key in keys)]
