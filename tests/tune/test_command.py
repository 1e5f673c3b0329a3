"""`polysigma tune` on a small history."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from polysigma.tuning import read_tuning

FLOWS = (
    ("ws-01", "203.0.113.10", "C:\\Users\\Public\\bot.exe", 30),
    ("ws-02", "203.0.113.20", "C:\\Program Files\\Chat\\chat.exe", 20),
    ("ws-03", "203.0.113.20", "C:\\Program Files\\Chat\\chat.exe", 8),
    ("ws-04", "203.0.113.21", "C:\\Program Files\\Chat\\chat.exe", 3),
)


@pytest.fixture
def events(tmp_path):
    rows = [
        {
            "Channel": "Microsoft-Windows-Sysmon/Operational",
            "EventID": 3,
            "Computer": host,
            "UtcTime": f"{datetime(2026, 3, 2, tzinfo=UTC) + timedelta(minutes=number):%Y-%m-%d %H:%M:%S}.000",
            "Image": image,
            "Initiated": "true",
            "DestinationIp": address,
            "DestinationPort": "6667",
        }
        for host, address, image, count in FLOWS
        for number in range(count)
    ]
    path = tmp_path / "sysmon.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def labels(tmp_path):
    path = tmp_path / "labels.yaml"
    path.write_text(
        "malicious:\n    - {Computer: WS-01}\n    - {Computer: ws-77}\nbenign:\n    - {DestinationIp: 203.0.113.20}\n",
        encoding="utf-8",
    )
    return path


def test_everything_is_in_the_json(polysigma, detection, events, labels):
    shown = polysigma("tune", detection, events, "--labels", labels, "--format", "json")
    assert shown.code == 0, shown.err
    found = json.loads(shown.out)
    assert (found["events"], found["days"], found["alerts"], found["alerts_a_day"]) == (61, 1.0, 3, 3.0)
    assert (found["known"], found["found"], found["missed"]) == (2, 1, [{"Computer": "ws-77"}])
    (curve,) = found["curves"]
    points = {point["value"]: (point["alerts"], point["found"], point["false"]) for point in curve["points"]}
    assert points[3] == (4, 1, 2)
    assert points[5] == (3, 1, 2)
    assert points[9] == (2, 1, 1)
    assert [point["value"] for point in curve["points"] if point["default"]] == [5]
    assert found["talkers"]["DestinationIp"][0] == {"value": "203.0.113.20", "alerts": 2}
    proposals = {json.dumps(one["where"]): (one["removes"], one["loses"]) for one in found["proposals"]}
    chat = '{"Image": "C:\\\\Program Files\\\\Chat\\\\chat.exe", "DestinationIp": "203.0.113.20"}'
    bot = '{"Image": "C:\\\\Users\\\\Public\\\\bot.exe", "DestinationIp": "203.0.113.10"}'
    assert proposals[chat] == (2, [])
    assert proposals[bot] == (1, [{"Computer": "WS-01"}])
    assert found["proposals"][-1]["loses"], "what hides a known hit comes last"


def test_a_parameter_of_which_no_value_raises_anything_has_no_table(polysigma, detection, events, tmp_path):
    other = tmp_path / "other.jsonl"
    other.write_text(events.read_text(encoding="utf-8").replace("6667", "443"), encoding="utf-8")
    shown = polysigma("tune", detection, other)
    assert shown.code == 0
    assert "0 alerts, 0 a day" in shown.out
    assert "no alert at any value from 0 to 13, and so nothing to be learnt about it from this data" in shown.out
    assert "┃" not in shown.out


def test_the_tables_show_values_talkers_and_proposals(polysigma, detection, events, labels):
    shown = polysigma("tune", detection, events, "--labels", labels)
    assert shown.code == 0, shown.err
    for text in ("1 of 2 known hits are found", "not found: Computer ws-77", "5 *", "Who raises most", "2 of 3"):
        assert text in shown.out


def test_the_tuning_in_force_is_where_it_begins(polysigma, write, detection, events):
    path = write(
        "- detection: many_chat_connections\n  parameters: {least: 9}\n  exclude:\n"
        "  - {where: {Computer: ws-02}, reason: a chat server, owner: soc, expires: 2999-01-01}\n"
    )
    shown = polysigma("tune", detection, events, "--tuning", path, "--format", "json")
    found = json.loads(shown.out)
    assert found["alerts"] == 1
    points = {point["value"]: point["alerts"] for point in found["curves"][0]["points"]}
    assert points[9] == 1
    assert points[4] == 2
    assert [point["value"] for point in found["curves"][0]["points"] if point["default"]] == [9]


def test_chosen_proposals_are_written_and_do_what_they_say(polysigma, detection, events, tmp_path):
    path = tmp_path / "new.yaml"
    more = ("--write", path, "--choose", "1", "--owner", "soc@example.com", "--expires", "2999-01-01")
    shown = polysigma("tune", detection, events, "--format", "json", *more)
    assert shown.code == 0, shown.err
    first = json.loads(shown.out)["proposals"][0]
    (entry,) = read_tuning(path).entries
    assert [one.where for one in entry.exclude] == [first["where"]]
    again = polysigma("tune", detection, events, "--format", "json", "--tuning", path)
    assert json.loads(again.out)["alerts"] == 3 - first["removes"]


def test_pictures_are_written_one_a_parameter(polysigma, detection, events, tmp_path):
    shown = polysigma("tune", detection, events, "--proposals", "0", "--svg", tmp_path / "pictures")
    assert shown.code == 0
    assert [path.name for path in (tmp_path / "pictures").iterdir()] == ["least.svg"]
    assert "<desc>" in (tmp_path / "pictures" / "least.svg").read_text(encoding="utf-8")
    assert "could be excluded" not in shown.out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--write", "t.yaml"], "needs --choose and --owner and --expires"),
        (["--write", "t.yaml", "--choose", "1", "--owner", "soc"], "needs --expires"),
        (["--owner", "soc"], "needs --write"),
        (["--write", "t.yaml", "--choose", "1", "--owner", "soc", "--expires", "soon"], "no day"),
        (["--write", "t.yaml", "--choose", "1", "--owner", "soc", "--expires", "2020-01-01"], "2020-01-01 is past"),
        (["-p", "most"], "least"),
        (["--labels", "none.yaml"], "none.yaml"),
        (["--write", "t.yaml", "--choose", "99", "--owner", "soc", "--expires", "2999-01-01"], "no proposal 99"),
    ],
)
def test_wrong_usage_is_said_and_nothing_is_written(polysigma, detection, events, tmp_path, monkeypatch, more, said):
    monkeypatch.chdir(tmp_path)
    shown = polysigma("tune", detection, events, *more)
    assert shown.code == 2
    assert said in shown.err
    assert not Path("t.yaml").exists()


@pytest.mark.parametrize("arguments", [[], ["botnet_node_beaconing"]])
def test_a_rule_without_data_is_wrong_usage(polysigma, arguments):
    shown = polysigma("tune", *arguments)
    assert shown.code == 2
    assert "name a rule, and the data" in shown.err


@pytest.mark.parametrize("text", ["- a\n", "malicious: [{}]\n", "bad: []\n", "malicious: [{Computer: [1]}]\n"])
def test_a_label_file_that_is_none_is_refused_with_its_place(polysigma, detection, events, tmp_path, text):
    path = tmp_path / "labels.yaml"
    path.write_text(text)
    shown = polysigma("tune", detection, events, "--labels", path)
    assert shown.code == 2
    assert f"{path}:1:" in shown.err


def test_captures_that_are_years_apart_are_the_days_that_they_last(polysigma, detection, events):
    later = events.with_name("later.jsonl")
    later.write_text(events.read_text(encoding="utf-8").replace("2026-03-02", "2028-03-02"), encoding="utf-8")
    found = json.loads(polysigma("tune", detection, events, later, "--proposals", "0", "--format", "json").out)
    assert (found["days"], found["alerts"], found["alerts_a_day"]) == (2.0, 6, 3.0)


def test_without_hits_nothing_is_proposed(polysigma, detection, events):
    path = Path(detection) / "rule.yml"
    path.write_text(path.read_text(encoding="utf-8").replace("value: 5", "value: 500"), encoding="utf-8")
    found = json.loads(polysigma("tune", detection, events, "--format", "json").out)
    assert (found["alerts"], found["proposals"]) == (0, [])
    assert [point["alerts"] for point in found["curves"][0]["points"]] == [0] * len(found["curves"][0]["points"])


def test_without_data_the_scenarios_of_the_rule_show_where_a_value_begins_to_cost_hits(polysigma, detection, write):
    shown = polysigma("tune", detection, "--scenarios")
    assert shown.code == 0, shown.err
    assert "18 events of its scenarios, 2 alerts" in shown.out
    assert "2 of 2 expected hits are found" in shown.out
    assert "unexpected" in shown.out
    path = write("- detection: many_chat_connections\n  parameters: {least: 6}\n")
    found = json.loads(polysigma("tune", detection, "--scenarios", "--tuning", path, "--format", "json").out)
    assert (found["on"], found["known"], found["found"]) == ("scenarios", 2, 1)
    assert [point["value"] for point in found["curves"][0]["points"] if point["default"]] == [6]


@pytest.mark.parametrize("more", [["events.jsonl"], ["--labels", "a.yaml"], []])
def test_scenarios_and_data_do_not_go_together(polysigma, detection, more):
    flags = ["--scenarios"] if more else []
    assert polysigma("tune", detection, *more, *flags).code == 2
