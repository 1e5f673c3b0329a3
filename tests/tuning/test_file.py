"""`tuning.yaml`: what it may hold, and where it says that something is wrong."""

from __future__ import annotations

import json
from datetime import date

import jsonschema
import pytest
import yaml

from polysigma.catalog import read_rules
from polysigma.diagnostics import PolysigmaError, Severity
from polysigma.tuning import apply, json_schema, read_tuning

HEAD = "- detection: botnet_node_beaconing\n"
END = "    reason: backup vendor\n    owner: soc@example.com\n    expires: 2999-06-30\n"


def exclusion(where: str, end: str = END) -> str:
    return f"{HEAD}  exclude:\n  - where:\n        {where}\n{end}"


def findings(path: str, *rules: str) -> list:
    files, _ = read_rules(rules or ["botnet_node_beaconing"])
    with pytest.raises(PolysigmaError) as caught:
        apply(files, read_tuning(path))
    return list(caught.value.findings)


@pytest.mark.parametrize(
    ("text", "code", "place", "said"),
    [
        ("- detection: botnet_node_beaconing\n", "tuning", "1:3", "parameters"),
        (HEAD + "  parameters: {min_conections: 40}\n", "unknown-parameter", "2:16", "min_conections"),
        (HEAD + "  parameters: {min_connections: many}\n", "parameter-type", "2:33", "takes a number"),
        (HEAD + "  parameters: {min_connections: 2.5}\n", "parameter-type", "2:33", "whole number"),
        (HEAD + "  parametres: {min_connections: 40}\n", "tuning", "2:3", "parametres"),
        ("- detection: botnet_node_beacon\n  parameters: {a: 1}\n", "unknown-detection", "1:14", "botnet_node_beacon"),
        (exclusion("Imgae|endswith: x.exe"), "unknown-field", "4:9", "Imgae"),
        (exclusion("Image|ends: x.exe"), "invalid-exclusion", "4:9", "ends"),
        (exclusion("DestinationIp|cidr: 203.0.113.0/99"), "invalid-exclusion", "4:9", "203.0.113.0/99"),
        (exclusion("Image: x.exe", END.replace("2999-06-30", "2020-06-30")), "expired-exclusion", "7:14", "2020-06-30"),
        (exclusion("Image: x.exe", END.replace("2999-06-30", "20270630")), "tuning", "7:5", "a day is expected"),
        (exclusion("Image: x.exe", END.replace("2999-06-30", "soon")), "tuning", "7:5", "date"),
        (exclusion("Image: x.exe", END.replace("    owner: soc@example.com\n", "")), "tuning", "3:5", "owner"),
        (exclusion("Image: x.exe", "    owner: soc\n    expires: 2999-06-30\n"), "tuning", "3:5", "reason"),
        (
            HEAD + "  parameters: {min_score: 2}\n" + HEAD + "  parameters: {min_score: 3}\n",
            "tuning",
            "4:16",
            "set in line 2",
        ),
        ("just words\n", "tuning", "1:1", "list"),
        ("a: [\n", "yaml-syntax", "2:1", "YAML"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(write, text, code, place, said):
    path = write(text)
    found = findings(path)
    assert [(one.code, str(one.at)) for one in found] == [(code, place)]
    assert said in str(found[0])
    assert found[0].file == path


def test_an_exclusion_holds_on_its_last_day_and_not_on_the_next(write):
    path = write(exclusion("Image: x.exe", END.replace("2999", "2027")))
    assert read_tuning(path, on=date(2027, 6, 30)).entries
    with pytest.raises(PolysigmaError, match=r"ask soc@example\.com"):
        read_tuning(path, on=date(2027, 7, 1))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(PolysigmaError, match="cannot be read"):
        read_tuning(tmp_path / "none.yaml")


def test_more_exclusions_than_a_query_can_hold_are_refused_with_what_to_do(write):
    one = f"  - where: {{Image: 'C:\\x.exe'}}\n{END}"
    found = findings(write(HEAD + "  exclude:\n" + one * 301))
    assert [one.code for one in found] == ["too-many-exclusions"]
    assert "lookup" in str(found[0])


def test_three_hundred_exclusions_convert(write, polysigma):
    one = "".join(f"  - where: {{DestinationIp: 203.0.{n // 200}.{n % 200 + 1}}}\n{END}" for n in range(300))
    shown = polysigma(
        "convert", "botnet_node_beaconing", "-p", "falcon", "--tuning", write(HEAD + "  exclude:\n" + one)
    )
    assert shown.code == 0
    assert "203.0.1.100" in shown.out
    assert shown.out.count("backup vendor") == 1, "the same line is said once"


def test_entries_about_other_packaged_detections_are_left_aside(write):
    files, _ = read_rules(["botnet_node_beaconing"])
    path = write("- detection: regular_beacon_to_rare_destination\n  parameters: {max_hosts: 2}\n")
    assert apply(files, read_tuning(path)).settings == {}


def test_an_entry_about_a_detection_in_a_folder_beside_is_left_aside(tmp_path, write):
    for name in ("mine", "other"):
        (tmp_path / name).mkdir()
    rule = tmp_path / "mine" / "rule.yml"
    rule.write_text(
        "title: T\nname: mine\nlogsource: {category: dns_query}\ndetection: {a: {QueryName: b}, condition: a}\n"
    )
    files, _ = read_rules([str(rule)])
    path = write("- detection: other\n  parameters: {max_hosts: 2}\n")
    assert apply(files, read_tuning(path)).filters == []


@pytest.mark.parametrize(
    "where",
    [
        "DestinationIp|cidr: 203.0.0.0/15",
        "DestinationIp|cidr: [203.0.113.0/24, 10.0.0.0/8]",
        "DestinationIp|cidr: 2001:db8::/31",
        "DestinationIp|startswith: '203.'",
        "DestinationIp: '203.*'",
        "DestinationIp|re: '203.*'",
        "DestinationIp|contains: '.113.'",
        "DestinationPort: 443",
        "Image|exists: true",
        "Image: '*'",
        "Image|endswith: .exe",
        "Image|re: '.+'",
        "Image|startswith: 'C:\\Windows\\'",
        "Image|endswith: ['\\backup.exe', '\\']",
        "Computer: '*'",
        "{DestinationPort: 443, Protocol: tcp}",
    ],
)
def test_what_leaves_out_much_without_naming_a_process_is_a_finding(write, where):
    files, _ = read_rules(["botnet_node_beaconing"])
    text = exclusion(where) if not where.startswith("{") else exclusion(where).replace("where:\n        ", "where: ")
    (found,) = apply(files, read_tuning(write(text))).findings
    assert (found.code, found.severity) == ("wide-exclusion", Severity.WARNING)
    assert found.at is not None


@pytest.mark.parametrize(
    "where",
    [
        "DestinationIp|cidr: 203.0.0.0/16",
        "DestinationIp|cidr: 2001:db8::/32",
        "DestinationIp: 203.0.113.7",
        "DestinationIp|startswith: '203.0.'",
        "Computer: backup-01",
        "Image|endswith: /nc",
        "Image|startswith: 'C:\\Windows\\CCM\\'",
        "DestinationHostname|endswith: .example.com",
        "{DestinationIp|cidr: 0.0.0.0/0, Image|endswith: '\\backup.exe'}",
    ],
)
def test_what_names_something_is_none(write, where):
    files, _ = read_rules(["botnet_node_beaconing"])
    text = exclusion(where) if not where.startswith("{") else exclusion(where).replace("where:\n        ", "where: ")
    assert apply(files, read_tuning(write(text))).findings == []


def test_the_json_schema_takes_a_tuning_file_and_refuses_what_is_none(write, polysigma):
    shown = polysigma("schema", "--tuning")
    schema = json.loads(shown.out)
    assert schema == json_schema()
    good = json.loads(json.dumps(yaml.safe_load(exclusion("Image: x.exe")), default=str))
    jsonschema.validate(good, schema)
    for spoil in ({"detection": "x", "exlude": []}, {"parameters": {"a": 1}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate([spoil], schema)
