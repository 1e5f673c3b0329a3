"""Every SPL query as the reader sees it: one file per rule and platform in `goldens/`.

The rules are those of `tests/backends/goldens/*.yml`, and the beaconing rule. A query that changed on purpose is
written anew by

    UPDATE_GOLDENS=1 pytest tests/backends/spl/test_spl_goldens.py

and the difference read as a Splunk specialist would. What cannot be said is a golden, too: the message, in a file that
ends in `.refused`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sigma.exceptions import SigmaError

from polysigma.engines.spl import parse
from polysigma.engines.spl.tree import Macro, Search, Tstats

GOLDENS = Path(__file__).parent / "goldens"
RULES = Path(__file__).parents[1] / "goldens"
BEACONING = Path(__file__).parents[3] / "rules" / "botnet_node_beaconing" / "rule.yml"
REGULAR = Path(__file__).parents[3] / "rules" / "regular_beacon_to_rare_destination" / "rule.yml"
UPDATE = bool(os.environ.get("UPDATE_GOLDENS"))


@dataclass(frozen=True)
class Case:
    """One query: which rule, for which platform, with which options, and the file that it is kept in."""

    rule: Path
    pipeline: str
    file: str
    method: str | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.file


ON_CIM = (
    *("aliases", "cidr_not", "endswith", "event_count", "inbound", "measures", "plain_dns", "plain_network"),
    *("plain_process", "previous", "temporal", "value_count", "value_sum"),
)
"""What is printed over the Common Information Model as well."""


def _cases() -> list[Case]:
    found = [Case(rule, "splunk_sysmon", f"{rule.stem}.spl") for rule in sorted(RULES.glob("*.yml"))]
    found += [Case(RULES / f"{name}.yml", "splunk_cim", f"{name}.cim.spl") for name in ON_CIM]
    for name, pipeline in (("beaconing", "splunk_sysmon"), ("beaconing.cim", "splunk_cim")):
        found.append(Case(BEACONING, pipeline, f"{name}.spl"))
        found.append(Case(BEACONING, pipeline, f"{name}.rule.spl", options={"form": "rule"}))
        found.append(Case(BEACONING, pipeline, f"{name}.portable.spl", method="portable"))
        found.append(Case(BEACONING, pipeline, f"{name}.macro.spl", options={"index_macro": "edr_events"}))
    for name, pipeline in (("regular", "splunk_sysmon"), ("regular.cim", "splunk_cim")):
        found.append(Case(REGULAR, pipeline, f"{name}.spl"))
    found.append(Case(RULES / "endswith.yml", "splunk_sysmon", "endswith.literal.spl", options={"index_macro": ""}))
    found.append(Case(GOLDENS / "annotated.yml", "splunk_sysmon", "annotated.spl"))
    return found


CASES = _cases()


def _printed(case: Case, convert: Any) -> tuple[str, str]:
    """The query, and the end of its file's name."""
    try:
        queries = convert(case.rule.read_text(), "spl", case.pipeline, method=case.method, **case.options)
    except SigmaError as error:
        return f"{error}\n", ".refused"
    (query,) = queries
    return query, ""


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_query_is_the_golden_one_and_parses(case, convert):
    text, ending = _printed(case, convert)
    file = GOLDENS / f"{case.file}{ending}"
    if UPDATE:
        for stale in (GOLDENS / case.file, GOLDENS / f"{case.file}.refused"):
            stale.unlink(missing_ok=True)
        file.write_text(text)
    assert file.exists(), "no golden yet: UPDATE_GOLDENS=1"
    assert file.read_text() == text
    if not ending:
        first = parse(text).commands[0]
        assert isinstance(first, Search | Tstats)


def test_no_golden_is_left_of_a_case_that_is_gone():
    known = {case.file for case in CASES}
    kept = {file.name.removesuffix(".refused") for file in GOLDENS.iterdir() if file.suffix != ".yml"}
    assert kept == known


@pytest.mark.parametrize("pipeline", ["splunk_sysmon", "splunk_cim"])
def test_a_hunt_states_its_window_in_the_first_search_and_a_rule_does_not(pipeline, convert):
    (hunt,) = convert(BEACONING.read_text(), "spl", pipeline)
    (rule,) = convert(BEACONING.read_text(), "spl", pipeline, form="rule")
    first, quiet = parse(hunt).commands[0], parse(rule).commands[0]
    assert (first.earliest, first.latest) == ("-24h@h", "@h")
    assert (quiet.earliest, quiet.latest) == (None, None)
    assert parse(hunt).commands[1:] == parse(rule).commands[1:]


def test_the_macro_of_a_site_stands_where_the_usual_one_does(convert):
    rule = (RULES / "endswith.yml").read_text()
    (usual,) = convert(rule, "spl", "splunk_sysmon")
    (own,) = convert(rule, "spl", "splunk_sysmon", index_macro="edr_events")
    assert usual.replace("`sysmon`", "`edr_events`") == own
    assert any(isinstance(item, Macro) for item in parse(own).commands[0].expression.items)


@pytest.mark.parametrize("name", ["a b", "`x`", "x|y", 'x"'])
def test_a_macro_has_the_name_of_one(name, convert):
    with pytest.raises(TypeError, match="index_macro"):
        convert(BEACONING.read_text(), "spl", "splunk_sysmon", index_macro=name)


def test_only_splunk_takes_a_macro(convert):
    with pytest.raises(TypeError, match="index_macro"):
        convert(BEACONING.read_text(), "logscale", "falcon", index_macro="x")


def test_the_first_stage_over_a_data_model_is_accelerated_where_it_can_be(convert):
    (counted,) = convert(BEACONING.read_text(), "spl", "splunk_cim")
    (plain,) = convert((RULES / "plain_network.yml").read_text(), "spl", "splunk_cim")
    assert isinstance(parse(counted).commands[0], Tstats)
    assert isinstance(parse(plain).commands[0], Search)


COUNTED = """
title: Outbound
name: outbound
logsource: {category: network_connection, product: windows}
detection:
    selection: {Initiated: 'true'}
    condition: selection
---
title: Counted by minute
name: counted
correlation: {type: event_count, rules: [outbound], group-by: [Computer], timespan: 24h, condition: {gte: 1}}
polysigma:
    version: 1
    steps:
        - bucket:
              Hour: 1h
        - bucket:
              Part: WIDTH
        - group:
              by: [Computer, Hour, Part]
              measures:
                  MEASURE
        - where: N >= 1
"""


@pytest.mark.parametrize(("width", "span"), [("15m", 900), ("10m", 300), ("1m", 60)])
def test_the_span_of_stage_one_divides_every_bucket(width, span, convert):
    text = COUNTED.replace("WIDTH", width).replace("MEASURE", "N: count()")
    (query,) = convert(text, "spl", "splunk_cim")
    assert parse(query).commands[0].span == span


@pytest.mark.parametrize("measure", ["N: count_if(SourcePort > 1)", "N: max(EventTime)", "N: distinct(SourcePort)"])
def test_what_stage_one_cannot_count_is_searched_for(measure, convert):
    text = COUNTED.replace("WIDTH", "10m").replace("MEASURE", measure).replace("where: N >= 1", "where: N is not null")
    (query,) = convert(text, "spl", "splunk_cim")
    assert isinstance(parse(query).commands[0], Search)
