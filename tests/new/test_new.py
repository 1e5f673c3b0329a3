"""A new detection: with its blanks every one is named; with them filled it passes check and prove as it is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from polysigma.blanks import BLANK
from polysigma.cli.new import command
from polysigma.new import CATEGORIES
from polysigma.source import read_file

NAME = "chat_port_beacon"
FILES = ("rule.yml", "guide.yaml", "scenarios.yaml")
ANSWERS = {
    "The ending, or a list of endings, by which these names are told, as .example": "[.example, .test]",
    "an ending of the rule's without its first dot, as example": "example",
    "an ending that the rule does not look at, as invalid": "invalid",
    "What in the command line tells these programs, or a list of such texts": "' --hidden '",
    "the path of a program that the rule takes": "'C:\\Windows\\System32\\cmd.exe'",
    "a command line that the rule takes": "cmd.exe /c x.exe --hidden 1",
    "a command line that the rule does not take": "cmd.exe /c x.exe --shown 1",
    "table or event": "ProcessRollup2",
    "A query of CrowdStrike Falcon Next-Gen SIEM that shows from which hosts the events come": (
        "'#event_simpleName=ProcessRollup2 | groupBy([aid, ComputerName])'"
    ),
    "The port, or a list of ports, by which these connections are told": "[6667, 6697]",
    "a port of the rule": "6667",
    "a port that the rule does not look at": "443",
    "low, medium, high or critical": "medium",
    "low, medium, high or critical; as the rule's level": "medium",
    "low, medium or high": "low",
    "tactic, as command-and-control": "command-and-control",
    "its tactic, as command-and-control": "command-and-control",
    "technique, as t1571": "t1571",
    "technique that the detection is about, as T1571": "T1571",
    "technique that the sensor sees something of, as T1571": "T1571",
    "https:// address of a report or a page that describes it": "https://example.com/report",
    "https:// address": "https://example.com/report",
    "its path from a folder on, as \\Program Files\\Name\\name.exe": "'\\Program Files\\HexChat\\hexchat.exe'",
}
"""What somebody writes who knows; in the other blanks it is a sentence."""


@pytest.fixture(params=["network_connection"])
def made(request, polysigma, tmp_path):
    shown = polysigma("new", NAME, "--folder", tmp_path, "--category", request.param)
    assert shown.code == 0, shown.err
    assert [Path(line).name for line in shown.out.splitlines()] == ["rule.yml", "scenarios.yaml", "guide.yaml"]
    return tmp_path / NAME


def test_the_categories_of_the_command_are_those_that_there_are():
    (category,) = (option for option in command.params if option.name == "category")
    assert list(category.type.choices) == list(CATEGORIES)


def fill(folder: Path) -> None:
    number = 0

    def answered(match: re.Match[str]) -> str:
        nonlocal number
        number += 1
        if match[1].startswith("By which values of which columns it is told, as Processes, "):
            return f"Processes is one program, and {match[1].rpartition(' ')[2]} is what its maker says"
        said = re.sub(r"[^\w ]+", "", match[1]).lower()
        return ANSWERS.get(match[1], f"Chat servers on 6667, point {number} about {said}")

    for name in FILES:
        path = folder / name
        path.write_text(BLANK.sub(answered, path.read_text(encoding="utf-8")), encoding="utf-8")


def test_what_it_makes_is_yaml_with_and_without_its_blanks(made):
    assert all(read_file(made / name) for name in FILES)
    fill(made)
    assert all(read_file(made / name) for name in FILES)


def test_every_blank_that_is_left_is_named_and_nothing_else(polysigma, made):
    shown = polysigma("check", made, "--format", "json")
    assert shown.code == 1
    found = json.loads(shown.out)
    assert {one["code"] for one in found} == {"blank"}
    lines = {name: (made / name).read_text(encoding="utf-8").splitlines() for name in FILES}
    count = sum(len(BLANK.findall(line)) for part in lines.values() for line in part)
    assert len(found) == count > 40
    for one in found:
        text = lines[Path(one["file"]).name][one["line"] - 1][one["column"] - 1 :]
        assert text.startswith("<<")
        assert one["message"].removeprefix("is to be filled in: ") in text


def test_a_single_blank_that_is_left_is_named(polysigma, made):
    fill(made)
    path = made / "guide.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("verdict: benign", "verdict: <<benign or not>>"), encoding="utf-8")
    shown = polysigma("check", made)
    assert shown.code == 1
    assert shown.out.count("error blank") == 1
    assert "is to be filled in: benign or not" in shown.out


@pytest.mark.parametrize("made", ["network_connection", "dns_query"], indirect=True)
def test_with_its_blanks_filled_a_new_detection_passes_check(polysigma, made):
    fill(made)
    shown = polysigma("check", made, "--strict")
    assert shown.code == 0, shown.said


def test_prove_names_the_blanks_that_keep_it_from_running(polysigma, made):
    shown = polysigma("prove", made)
    assert shown.code == 2
    assert shown.out == ""
    files = {line.split(":")[0].rpartition("/")[2] for line in shown.err.splitlines() if "error blank" in line}
    assert files == {"rule.yml", "scenarios.yaml"}


@pytest.mark.parametrize("made", list(CATEGORIES), indirect=True)
def test_with_its_blanks_filled_a_new_detection_is_proven(polysigma, made):
    fill(made)
    shown = polysigma("prove", made, "--format", "json", "-j", "1")
    proof = json.loads(shown.out)
    assert shown.code == 0, shown.said
    verdicts = {one["platform"]: one["verdict"] for one in proof["verdicts"]}
    assert verdicts["sysmon_json"] in {"exact", "approximate"}
    assert set(verdicts.values()) <= {"exact", "approximate", "blind", "refused", "not executed"}
    assert sum(verdict in {"exact", "approximate"} for verdict in verdicts.values()) >= 5


def test_what_no_packaged_guide_says_of_a_platform_is_blank_and_passes_once_it_is_filled(polysigma, tmp_path):
    assert polysigma("new", NAME, "--folder", tmp_path, "-c", "process_creation", "-p", "falcon").code == 0
    fill(tmp_path / NAME)
    shown = polysigma("check", tmp_path / NAME)
    assert shown.code == 0, shown.said


def test_it_can_be_locked_at_once(polysigma, made):
    fill(made)
    shown = polysigma("check", made, "--write-lock")
    assert shown.code == 0, shown.said
    lock = json.loads((made.parent / "lock.json").read_text(encoding="utf-8"))
    assert list(lock[NAME]) == ["1.0.0"]
    rule = made / "rule.yml"
    rule.write_text(rule.read_text(encoding="utf-8").replace("value: 10", "value: 11"), encoding="utf-8")
    assert "changed-meaning" in polysigma("check", made).out
    assert "changed-meaning" in polysigma("check", made, "--write-lock").out
    assert polysigma("check", made, "--write-lock", "--again").code == 0
    assert polysigma("check", made, "--again").code == 2


def test_only_the_platforms_that_are_asked_for_are_in_its_guide(polysigma, tmp_path):
    assert polysigma("new", NAME, "--folder", tmp_path, "-p", "falcon", "-p", "asim").code == 0
    (guide,) = read_file(tmp_path / NAME / "guide.yaml")
    assert list(guide.value["platforms"]) == ["falcon", "asim"]


@pytest.mark.parametrize("name", ["Beacon", "beacon", "9_beacons", "a-b", "botnet_node_beaconing", "../x_y"])
def test_a_name_that_is_none_or_is_taken_is_refused(polysigma, tmp_path, name):
    shown = polysigma("new", name, "--folder", tmp_path)
    assert shown.code == 2
    assert "error name" in shown.err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_left_alone(polysigma, made):
    before = (made / "rule.yml").read_text(encoding="utf-8")
    assert polysigma("new", NAME, "--folder", made.parent).code == 2
    assert (made / "rule.yml").read_text(encoding="utf-8") == before
