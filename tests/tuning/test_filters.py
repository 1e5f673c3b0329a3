"""Exclusions of detections that look at several base rules, or share one; and text that wants out of its comment."""

from __future__ import annotations

import pytest

from polysigma.catalog import read_rules
from polysigma.diagnostics import PolysigmaError
from polysigma.tuning import apply, read_tuning

BASE = """\
title: {name}
id: {number}1111111-1111-4111-8111-111111111111
name: {name}
logsource: {{category: {category}}}
detection:
    selection: {{{field}: '*'}}
    condition: selection
---
"""
CORRELATION = """\
title: {name}
id: {number}2222222-2222-4222-8222-222222222222
name: {name}
correlation:
    type: {type}
    rules: [{rules}]
    group-by: [Computer]
    timespan: 1h
    condition: {{gte: 2}}
"""
CONNECTION = BASE.format(name="connection", number=1, category="network_connection", field="DestinationIp")
LOOKUP = BASE.format(name="lookup", number=2, category="dns_query", field="QueryName")
BOTH = CORRELATION.format(name="both", number=3, type="temporal", rules="connection, lookup")
END = "    reason: it is ours\n    owner: soc\n    expires: 2999-06-30\n"


def tuning(*wheres: str) -> str:
    return "- detection: both\n  exclude:\n" + "".join(f"  - where: {where}\n{END}" for where in wheres)


@pytest.fixture
def rules(tmp_path):
    path = tmp_path / "rule.yml"

    def written(text: str):
        path.write_text(text, encoding="utf-8")
        return read_rules([str(path)])[0]

    return written


def test_an_exclusion_is_applied_to_the_base_rules_whose_log_source_has_its_fields(rules, write):
    files = rules(CONNECTION + LOOKUP + BOTH)
    path = write(tuning("{Image: a.exe}", "{DestinationIp: 203.0.113.1}", "{QueryName: a.example}"))
    made = {one["filter"]["rules"][0]: one["filter"] for one in apply(files, read_tuning(path)).filters}
    assert {name: [*one.values()][1:-1] for name, one in made.items()} == {
        "connection": [{"Image": "a.exe"}, {"DestinationIp": "203.0.113.1"}],
        "lookup": [{"Image": "a.exe"}, {"QueryName": "a.example"}],
    }


def test_an_exclusion_whose_fields_no_base_rule_has_together_is_an_error(rules, write):
    path = write(tuning("{DestinationIp: 203.0.113.1, QueryName: a.example}"))
    with pytest.raises(PolysigmaError, match="unknown-field"):
        apply(rules(CONNECTION + LOOKUP + BOTH), read_tuning(path))


def test_what_is_left_out_of_another_detection_with_it_is_said(rules, write):
    other = CORRELATION.format(name="other", number=4, type="event_count", rules="connection")
    files = rules(f"{CONNECTION}{LOOKUP}{BOTH}---\n{other}")
    (said,) = apply(files, read_tuning(write(tuning("{Image: a.exe}")))).findings
    assert (said.code, str(said.at)) == ("shared-exclusion", "3:3")
    assert "left out of other too" in said.message


def test_a_plain_rule_has_exclusions_too(polysigma, rules, tmp_path, write):
    rules(CONNECTION)
    path = write(tuning("{Image|endswith: '\\a.exe'}").replace("both", "connection"))
    shown = polysigma("convert", tmp_path / "rule.yml", "-p", "falcon", "--tuning", path)
    assert shown.code == 0
    assert "left out: it is ours (soc, until 2999-06-30)" in shown.out
    assert "a\\.exe" in shown.out


HOSTILE = ["a ``` | delete", "a */ | head 1", "a\\n| drop", "a \\u2028 b", "-- a; DROP TABLE x", "$(x) `y`", "a // b"]


@pytest.mark.parametrize("platform", ["falcon", "defender", "splunk_sysmon", "sysmon_json"])
def test_words_of_a_tuning_cannot_leave_the_comment_at_the_head(polysigma, write, platform):
    entries = "".join(
        f'  - where: {{Image: x{number}.exe}}\n    reason: "{text}"\n    owner: "{text}"\n    expires: 2999-06-30\n'
        for number, text in enumerate(HOSTILE)
    )
    path = write("- detection: botnet_node_beaconing\n  exclude:\n" + entries)
    plain = polysigma("convert", "botnet_node_beaconing", "-p", platform)
    shown = polysigma("convert", "botnet_node_beaconing", "-p", platform, "--tuning", path)
    assert shown.code == 0, shown.err
    said = [line for line in shown.out.splitlines() if "left out: " in line]
    assert len(said) == len(HOSTILE)
    start = {"splunk_sysmon": "``` ", "sysmon_json": "-- "}.get(platform, "// ")
    assert all(line.startswith(start) for line in said)
    if platform == "splunk_sysmon":
        assert all(line.count("```") == 2 and line.endswith(" ```") for line in said)
    assert len(plain.out.splitlines()) + len(HOSTILE) <= len(shown.out.splitlines())
