"""The command `polysigma replay`."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import click
import pytest
from click.testing import CliRunner

from polysigma.cli.replay import command as replay
from polysigma.diagnostics import Diagnostic, PolysigmaError
from polysigma.engines.shapes import families
from polysigma.plan.steps import Bucket, Output, Plan, Schedule
from polysigma.plan.types import Type

KEYS = ("Computer", "DestinationIp", "DestinationPort")
PLAN = Plan(
    name="botnet",
    title="Botnet [red]",
    sources=(),
    steps=(Bucket("Hour", 3600),),
    window=86400,
    schedule=Schedule(3600),
    quiet=86400,
    id="6f0a5b3e",
    outputs=(
        *(Output(name, (name,), "key", Type.TEXT) for name in KEYS),
        Output("TotalConnections", ("TotalConnections",), "value", Type.INTEGER),
    ),
)
EVENTS = "".join(
    json.dumps(
        {
            "Computer": "ws\x1b[31m1",
            "EventID": 3,
            "UtcTime": f"2026-03-02 {hour:02}:{minute:02}:00.000",
            "Image": "bot.exe",
            "DestinationIp": "198.51.100.7",
            "DestinationPort": "443",
            "Initiated": "true",
        }
    )
    + "\n"
    for hour in range(4)
    for minute in range(10, 20)
)


@dataclass
class Compiled:
    plan: Plan
    query: str


@pytest.fixture
def compiler(monkeypatch):
    """A stand-in for the compiler; remembers what it was asked for."""
    asked = []

    def compile_rule(reference, platform, target, overrides, *, table, tuning=None, said=None):
        asked.append((reference, platform, target, overrides))
        if reference == "broken":
            raise PolysigmaError(Diagnostic("unknown-rule", "no rule is called 'broken'", "did you mean botnet?"))
        return Compiled(PLAN, Path(__file__).with_name("sysmon.sql").read_text())

    module = ModuleType("polysigma.convert")
    module.compile_rule = compile_rule
    monkeypatch.setitem(sys.modules, "polysigma.convert", module)
    return asked


@pytest.fixture
def run(compiler, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "events.jsonl").write_text(EVENTS)
    return lambda *arguments, **more: CliRunner().invoke(replay, ["botnet", *arguments], **more)


def test_json_on_standard_output_is_one_list_of_hits_and_nothing_else(run):
    done = run("events.jsonl", "--format", "json")
    assert done.exit_code == 0
    [hit] = json.loads(done.stdout)
    assert hit["TotalConnections"] == 30
    assert hit["window_end"] == "2026-03-02T03:00:00Z"
    assert (hit["rule"], hit["rule_id"]) == ("botnet", "6f0a5b3e")
    assert done.stderr == "40 events; windows of 24h, one every 1h; 1 hit\n"


def test_no_hits_are_an_empty_list_and_no_error(run, tmp_path):
    (tmp_path / "few.jsonl").write_text(EVENTS.splitlines()[0])
    done = run("few.jsonl", "--format", "json")
    assert (done.exit_code, json.loads(done.stdout)) == (0, [])
    done = run("few.jsonl")
    assert (done.exit_code, done.stdout) == (0, "Botnet [red]: no hits\n")


def test_a_table_shows_keys_and_numbers_and_no_control_characters(run):
    done = run("events.jsonl")
    assert done.exit_code == 0
    assert "Botnet [red] (windows of 24h, one every 1h)" in done.stdout
    assert "ws\\x1b[31m1" in done.stdout
    assert "198.51.100.7" in done.stdout
    assert "rule_id" not in done.stdout


def test_one_window_of_all_data_is_said(run):
    done = run("events.jsonl", "--whole")
    assert "all events as one window" in done.stdout
    assert "all events as one window" in done.stderr
    assert " 40 " in done.stdout


def test_the_compiler_is_asked_for_the_platform_of_the_data(run, compiler, tmp_path):
    run("events.jsonl", "--set", "min_connections=5", "--set", "watched_ports = [1, 2]")
    (tmp_path / "falcon.jsonl").write_text('{"event_simpleName": "DnsRequest"}\n')
    run("falcon.jsonl")
    assert compiler == [
        ("botnet", "sysmon_json", "sql", {"min_connections": "5", "watched_ports": "[1, 2]"}),
        ("botnet", "fdr", "sql", {}),
    ]


def test_standard_input_is_data(run):
    done = run("-", "--format", "json", input=EVENTS)
    assert len(json.loads(done.stdout)) == 1


def test_hits_are_written_to_a_file_on_request(run, tmp_path):
    done = run("events.jsonl", "--format", "json", "--write", "hits.json")
    assert (done.exit_code, done.stdout) == (0, "")
    assert len(json.loads((tmp_path / "hits.json").read_text())) == 1


def test_malformed_lines_are_said_and_do_not_stop_the_replay(run, tmp_path):
    (tmp_path / "mixed.jsonl").write_text(EVENTS + "{broken\n")
    done = run("mixed.jsonl", "--format", "json")
    assert done.exit_code == 0
    assert len(json.loads(done.stdout)) == 1
    assert "mixed.jsonl:41:1: warning malformed-line is not JSON" in done.stderr
    assert "40 events, 1 malformed lines left out" in done.stderr


def test_strict_fails_on_a_malformed_line(run, tmp_path):
    (tmp_path / "mixed.jsonl").write_text(EVENTS + "{broken\n")
    done = run("mixed.jsonl", "--strict", "--format", "json")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "mixed.jsonl:41:1" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.jsonl"], "nowhere.jsonl: error unreadable-data cannot be read"),
        (["empty.jsonl"], "no-data"),
        (["zeek.jsonl"], "its keys: ts"),
        (["events.jsonl", "--set", "x"], "is not NAME=VALUE"),
        (["events.jsonl", "--write", "no/such/folder"], "no/such/folder: No such file"),
        (["events.jsonl", "--shape", "zeek"], "sysmon"),
        ([], "Missing argument"),
    ],
)
def test_what_cannot_be_done_is_said_with_status_2(run, tmp_path, arguments, message):
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "zeek.jsonl").write_text('{"ts": 1}\n')
    done = run(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stdout == ""


def test_a_rule_that_is_not_found_is_said_with_its_hint(compiler, run):
    done = CliRunner().invoke(replay, ["broken", "events.jsonl"])
    assert done.exit_code == 2
    assert "hint: did you mean botnet?" in done.stderr


def test_a_plain_install_says_how_to_get_duckdb(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    done = run("events.jsonl")
    assert done.exit_code == 2
    assert "pip install 'polysigma[run]'" in done.stderr


def test_the_shapes_of_the_command_are_those_that_there_are():
    [shape] = [option for option in replay.params if option.name == "shape"]
    assert list(shape.type.choices) == list(families())


def test_the_command_loads_nothing_heavy_before_it_runs():
    code = "import sys, polysigma.cli.replay; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"duckdb", "rich", "sqlglot", "sigma", "pydantic", "yaml", "polysigma.replay"}


def test_every_option_has_a_word_of_help():
    done = CliRunner().invoke(replay, ["--help"])
    assert done.exit_code == 0
    assert all(option.help for option in replay.params if isinstance(option, click.Option))
