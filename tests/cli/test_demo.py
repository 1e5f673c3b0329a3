"""The demo tells the truth, fits the terminal, and ends with commands that work."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from polysigma import demo
from polysigma.telemetry import demo_scenario, generate, load_scenarios, render

ROOT = Path(__file__).resolve().parents[2]
SMALL = """\
- name: small
  span: 12h
  hosts: {ws: 3}
  traffic:
    - {kind: browsing, hosts: [ws-01]}
    - {kind: updater, hosts: 2}
    - {kind: irc, to: 203.0.113.67, hosts: [ws-02]}
    - {kind: slow_beacon, to: 203.0.113.69, hosts: [ws-03]}
  oddities:
    - {kind: duplicates, share: 0.1}
  hit:
    - {Computer: ws-02}
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("small") / "scenarios.yaml"
    path.write_text(SMALL)
    (scenario,) = load_scenarios(path)
    return scenario


@pytest.fixture(scope="module")
def searched(small, tmp_path_factory):
    path = tmp_path_factory.mktemp("searched") / "sysmon.jsonl.gz"
    recorded = demo.record(small, path, "sysmon")
    return recorded, demo.search(path, "sysmon"), path


def test_what_is_written_is_what_the_scenario_generates(small, searched):
    _, _, path = searched
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    assert [json.loads(line) for line in lines] == list(render(generate(small), "sysmon"))


def test_every_outbound_connection_has_an_origin(small, searched):
    recorded, _, _ = searched
    outbound = [event for event in generate(small) if event.category == "network_connection" and event.initiated]
    assert sum(sum(kinds.values()) for kinds in recorded.origins.values()) == len(outbound)
    assert recorded.origins["ws-02", "203.0.113.67", 6667].keys() == {"irc"}


def test_a_planted_bot_is_marked_and_the_slow_one_is_missed_with_the_reason(small, searched):
    recorded, hits, _ = searched
    found = demo.judge(hits, recorded.origins, small)
    assert [one.flow for one in found if one.bot] == [("ws-02", "203.0.113.67", 6667)]
    (lost,) = demo.missed(small, found, recorded.origins)
    assert lost.flow == ("ws-03", "203.0.113.69", 443)
    assert re.fullmatch(r"it makes about \d connections a day, and the detection asks for 20", lost.why)


def test_a_false_alarm_is_named_by_the_traffic_that_made_it(small, searched):
    recorded, hits, _ = searched
    flow = next(flow for flow, kinds in recorded.origins.items() if kinds.keys() == {"updater"})
    false = hits[0] | {"Computer": flow[0], "DestinationIp": flow[1], "DestinationPort": flow[2]}
    (found,) = demo.judge([false], recorded.origins, small)
    assert (found.bot, found.what) == (False, "update check")


def test_every_kind_of_traffic_in_the_demo_has_words_for_it():
    planted = {item.kind for _, item in demo.bots(demo_scenario())}
    kinds = {item.kind for item in demo_scenario().traffic} - planted
    assert kinds - demo.MEANINGS.keys() == {"lookups", "processes", "scan"}, "these open no flow that can hit"


def test_a_folder_that_cannot_be_made_is_named_before_anything_is_generated(polysigma, tmp_path):
    (tmp_path / "file").write_text("")
    shown = polysigma("demo", "--folder", tmp_path / "file" / "inside")
    assert shown.code == 2
    assert f"{tmp_path / 'file' / 'inside'}: error unwritable" in shown.err


def run(folder, columns):
    """The demo as it prints where nobody looks at a terminal."""
    return subprocess.run(
        [Path(sys.executable).with_name("polysigma"), "demo"],
        cwd=folder,
        env=os.environ | {"COLUMNS": str(columns), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_the_demo_runs_fits_and_is_without_colour_in_a_pipe(tmp_path):
    columns = 80
    done = run(tmp_path, columns)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    pasted = {line.strip() for line in done.stdout.splitlines() if re.match(r"  \S*(polysigma|sigma) ", line)}
    wide = [line for line in done.stdout.splitlines() if len(line) > columns and line.strip() not in pasted]
    assert wide == []


@pytest.mark.slow
def test_the_demo_finds_three_of_four_bots_names_the_fourth_and_its_commands_work(tmp_path):
    done = run(tmp_path, 100)
    assert re.search(r"Found +3 of the 4 bots", done.stdout)
    assert re.search(r"Missed +srv-04 to 203\.0\.113\.69:443", done.stdout)
    for bot in ("ws-19   203.0.113.67:6667", "ws-31   203.0.113.68:1080", "ws-07   203.0.113.66:443"):
        assert f"bot    {bot}" in done.stdout
    assert "same hosts, destinations, times, counts and scores" in done.stdout
    commands = [line.strip() for line in done.stdout.splitlines() if re.match(r"  \S*(polysigma|sigma) ", line)]
    assert len(commands) == 3
    for command in commands:
        again = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert again.returncode == 0, f"{command}\n{again.stderr}"
        assert again.stdout + again.stderr
