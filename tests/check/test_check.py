"""`polysigma check`: each finding names its file, line and column, and what would be right."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from polysigma.catalog import rules_root
from polysigma.check import check

BASE = """\
title: Outbound
id: 11111111-1111-4111-8111-111111111111
name: outbound
logsource:
    category: network_connection
detection:
    selection:
        DestinationPort: 6667
    condition: selection
"""
CORRELATION = """\
---
title: Many
id: 22222222-2222-4222-8222-222222222222
name: many
correlation:
    type: event_count
    rules:
        - outbound
    group-by:
        - Computer
    timespan: 1h
    condition:
        gte: 20
"""
MAP = """\
polysigma:
    version: 1
    steps:
        - group:
              by: [Computer]
              measures:
                  Total: count()
        - where: Total >= 20
"""


@pytest.fixture
def findings(tmp_path: Path):
    def run(text: str, *more: str) -> list[str]:
        paths = []
        for number, content in enumerate((text, *more)):
            path = tmp_path / f"rule{number}.yml"
            path.write_text(textwrap.dedent(content), encoding="utf-8")
            paths.append(str(path))
        found, _ = check(paths)
        return [f"{Path(one.file or '').name}:{one.at}: {one.code}" for one in found]

    return run


def test_the_package_s_own_rules_have_nothing_wrong():
    found, files = check([str(rules_root())])
    assert found == []
    assert files


def test_a_good_rule_has_nothing_wrong(findings):
    assert findings(BASE + CORRELATION + MAP) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("        - outbound", "        - outbund", "rule0.yml:17:11: missing-rule"),
        ("id: 22222222-2222-4222-8222-222222222222", "status: test", "rule0.yml:11:1: missing-id"),
        ("id: 22222222-2222-4222-8222-222222222222", "id: 2222", "rule0.yml:12:5: malformed-id"),
        (
            "22222222-2222-4222-8222-222222222222",
            "11111111-1111-4111-8111-111111111111",
            "rule0.yml:12:5: duplicate-id",
        ),
        ("name: many", "name: outbound", "rule0.yml:13:7: duplicate-name"),
        ("Total >= 20", "Totl >= 20", "rule0.yml:30:18: unknown-column"),
        ("Total >= 20", "Total >= 20 # or so", "rule0.yml:30:30: swallowed-comment"),
        ("Total >= 20", "Total >= 19", "rule0.yml:22:9: not-a-superset"),
        ("version: 1", "version: 2", "rule0.yml:24:14: polysigma-map"),
        ("    condition: selection", "    condition: selecton", "rule0.yml:9:5: sigma"),
        ("    timespan: 1h", "    timespan: 1x", "rule0.yml:20:5: sigma"),
        ("title: Many", "title: Many\ntitle: Many", "rule0.yml:12:1: duplicate-key"),
        ("        DestinationPort: 6667", "        NoSuchField: 1", ""),
    ],
)
def test_a_fault_is_named_with_its_place(findings, old, new, expected):
    text = BASE + CORRELATION + MAP
    assert old in text
    found = findings(text.replace(old, new, 1) if "name" not in old else text.replace(old, new))
    assert expected in found if expected else found == []


def test_scenarios_beside_a_rule_that_cannot_be_read_are_found(findings, tmp_path):
    (tmp_path / "scenarios.yaml").write_text("- name: bot\n  hosts: [ws-01]\n  traffic: [{kind: exat}]\n")
    found = findings(BASE + CORRELATION + MAP)
    assert found
    assert all(one.startswith("scenarios.yaml:") for one in found)


def test_a_field_that_a_platform_lacks_is_no_finding(findings):
    assert findings(BASE.replace("DestinationPort: 6667", "DestinationHostname: example.org")) == []


def test_correlations_that_refer_to_each_other_are_found(findings):
    one = CORRELATION.replace("- outbound", "- two").removeprefix("---\n")
    two = (
        CORRELATION.replace("name: many", "name: two").replace("2222-4222", "3333-4222").replace("- outbound", "- many")
    )
    assert findings(one + two) == ["rule0.yml:7:9: rule-cycle", "rule0.yml:20:9: rule-cycle"]


def test_names_are_unique_across_files(findings):
    other = BASE.replace("11111111", "44444444", 1)
    assert findings(BASE, other) == ["rule1.yml:3:7: duplicate-name"]


def test_the_package_s_own_names_are_taken(findings):
    assert findings(BASE.replace("name: outbound", "name: botnet_node_beaconing")) == ["rule0.yml:3:7: duplicate-name"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "rule.yml:None: empty-file"),
        (b"\x00\x01\x02", "rule.yml:1:1: binary-file"),
        (b"title: \xff", "rule.yml:1:1: not-utf8"),
        (b"- a\n- b\n", "rule.yml:1:1: not-a-map"),
        (b"title: x\n", "rule.yml:1:1: not-sigma"),
        (b"title: [", "rule.yml:2:1: yaml-syntax"),
        (b"a: &a\n  b: *a\n", "rule.yml:1:4: yaml-depth"),
    ],
    ids=["empty", "binary", "latin-1", "a list", "no Sigma", "broken", "an alias to its parent"],
)
def test_a_file_that_is_no_rule_is_named(tmp_path, content, expected):
    path = tmp_path / "rule.yml"
    path.write_bytes(content)
    found, _ = check([str(path)])
    assert expected in [f"{Path(one.file or '').name}:{one.at}: {one.code}" for one in found]


SEQUENCE = """---
title: In order
id: 33333333-3333-4333-8333-333333333333
name: in_order
correlation:
    type: temporal_ordered
    rules: [outbound, second]
    group-by: [Computer]
    timespan: 1h
polysigma:
    version: 1
    steps:
        - sequence:
              by: [Computer]
              rules: [outbound, second]
"""
SECOND = BASE.replace("outbound", "second").replace("11111111-1111", "44444444-1111")


def test_a_sequence_is_held_against_the_order_that_the_correlation_promises(findings):
    """Behind a name that is no rule's stands the place of it in the sequence."""
    assert findings(BASE + "---\n" + SECOND + SEQUENCE) == []
    turned = SEQUENCE.replace("rules: [outbound, second]\n", "rules: [second, outbound]\n").replace(
        "    rules: [second, outbound]\n    group-by", "    rules: [outbound, second]\n    group-by"
    )
    assert [one.rsplit(" ", 1)[1] for one in findings(BASE + "---\n" + SECOND + turned)] == ["not-a-superset"]
    unknown = SEQUENCE.replace("              rules: [outbound, second]", "              rules: [outbound, third]")
    assert [one.rsplit(" ", 1)[1] for one in findings(BASE + "---\n" + SECOND + unknown)] == ["unknown-rule"]
