"""Correlations over several rules: what each branch of a query makes, and what they are said to lose together."""

from __future__ import annotations

import pytest

from polysigma.check import check
from polysigma.convert import compile_rule

RULE = """\
title: Accepted
id: 7b1d4a52-93a5-4a77-8a0e-000000000001
name: union_accepted
status: test
logsource:
    category: network_connection
detection:
    accepted:
        Initiated: 'false'
        SourceIp: '*'
    condition: accepted
---
title: Opened
id: 7b1d4a52-93a5-4a77-8a0e-000000000002
name: union_opened
status: test
logsource:
    category: network_connection
detection:
    opened:
        Initiated: 'true'
        DestinationIp: '*'
    condition: opened
---
title: Accepts and Opens
id: 7b1d4a52-93a5-4a77-8a0e-000000000003
name: union_of_both
status: test
correlation:
    type: value_count
    rules: [union_accepted, union_opened]
    group-by: [Computer]
    timespan: TIMESPAN
    condition: {field: DestinationIp, gte: 2}
polysigma:
    version: 1
    steps:
        - derive:
              Program: lower(base_name(Image))
              Opened: Rule = 'union_opened'
        - group:
              by: [Computer, Program]
              measures:
                  Destinations: distinct_if(DestinationIp, Opened)
        - where: Destinations >= 2
"""


@pytest.fixture
def compiled(tmp_path):
    def one(platform, target, timespan="1h"):
        path = tmp_path / "rule.yml"
        path.write_text(RULE.replace("TIMESPAN", timespan), encoding="utf-8")
        return compile_rule(str(path), platform, target)

    return one


@pytest.mark.parametrize("platform", ["fdr", "falcon"])
def test_a_branch_makes_what_its_names_stand_for(compiled, platform):
    query = compiled(platform, "sql").query
    assert '"LocalAddress" AS "DestinationIp"' in query
    assert '"RemoteAddress" AS "DestinationIp"' in query


@pytest.mark.parametrize("platform", ["defender", "sentinel", "asim"])
def test_a_branch_shows_no_column_that_only_a_later_step_makes(compiled, platform):
    query = compiled(platform, "kql").query
    projections = [line for line in query.splitlines() if "Rule = " in line and "project" in line]
    assert len(projections) == 2
    assert not any("Opened" in line.replace('"union_opened"', "") or "Program," in line for line in projections)


def reasons(compiled):
    return [loss.reason for loss in compiled.losses]


@pytest.mark.parametrize("platform", ["defender", "sentinel"])
def test_what_is_recorded_once_a_day_is_missing_from_shorter_windows(compiled, platform):
    assert any("once in 24 hours" in reason for reason in reasons(compiled(platform, "kql")))
    assert not any("once in 24 hours" in reason for reason in reasons(compiled(platform, "kql", "24h")))


def test_a_window_has_edges_whether_or_not_events_are_counted_in_it(compiled):
    assert any("the time at which it was logged" in reason for reason in reasons(compiled("splunk_sysmon", "spl")))


def test_check_knows_which_rule_a_row_met_and_the_names_that_a_correlation_gives(tmp_path):
    path = tmp_path / "rule.yml"
    aliased = RULE.replace(
        "group-by:", "aliases:\n        Peer: {union_accepted: SourceIp, union_opened: DestinationIp}\n    group-by:"
    )
    aliased = aliased.replace("distinct_if(DestinationIp, Opened)", "distinct_if(Peer, Opened)").replace(
        "value_count", "event_count"
    )
    aliased = aliased.replace("{field: DestinationIp, gte: 2}", "{gte: 2}").replace("TIMESPAN", "1h")
    path.write_text(aliased, encoding="utf-8")
    assert check([str(path)])[0] == []
    path.write_text(aliased.replace("distinct_if(Peer", "distinct_if(Pear"), encoding="utf-8")
    assert [finding.code for finding in check([str(path)])[0]] == ["unknown-column"]


def test_what_a_condition_needed_is_not_computed_again_for_the_rows_of_an_event():
    query = compile_rule("miner_stratum_connection", "falcon", "logscale").query
    before, _, after = query.partition("| split(Rule)")
    assert before.count("RemoteAddress := coalesce([RemoteAddressIP4, RemoteAddressIP6])") == 2
    assert "RemoteAddress := coalesce(" not in after
    assert 'Rule="port_of_stratum" | Indicator := RemoteAddress;' in after
