"""Hunts are rules that are not deployed: they convert, and find what their guide says."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import jsonschema
import pytest

from polysigma.catalog import packaged_names, read_rules, resolve, rules_root
from polysigma.convert import compile_rule, convert, pairs
from polysigma.diagnostics import Diagnostic
from polysigma.engines.sql import TABLE
from polysigma.guide import hunts
from polysigma.replay import load_events, opened, replay
from polysigma.source import read_file

HUNTS = rules_root() / "botnet_node_beaconing" / "hunts"
MODELINE = "# yaml-language-server: $schema=../../polysigma.schema.json"
START = datetime(2026, 3, 2, 9, 5, tzinfo=UTC)
EVERY = sorted(rules_root().glob("*/hunts/*.yaml"))


@cache
def compiled_hunt(hunt, platform):
    return compile_rule(str(HUNTS / f"{hunt}.yaml"), platform, "sql", table=TABLE)


def found(tmp_path, hunt, rows):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"Computer": "ws-01", **row}) + "\n" for row in rows), encoding="utf-8")
    with opened([path]) as inputs:
        compiled = compiled_hunt(hunt, inputs.family.platform)
        with load_events(compiled.query, inputs) as events:
            return list(replay(compiled.plan, compiled.query, events, whole=True).hits)


def connection(number=0, *, ip="203.0.113.10", port=6667, seconds=1):
    moment = START + timedelta(seconds=number * seconds)
    return {
        "EventID": 3,
        "UtcTime": moment.replace(tzinfo=None).isoformat(" ", "milliseconds"),
        "Initiated": "true",
        "Image": "C:\\Users\\Public\\bot.exe",
        "DestinationIp": ip,
        "DestinationPort": str(port),
    }


def test_the_hunt_of_irc_converts_everywhere():
    files, _ = read_rules([str(HUNTS / "irc_clients.yaml")])
    results = list(convert(files, pairs((), None)))
    assert not [result for result in results if isinstance(result, Diagnostic) or result.finding]


@pytest.mark.parametrize("path", EVERY, ids=lambda path: path.stem)
def test_every_document_of_a_hunt_names_the_schema_and_is_valid_by_it(path):
    schema = rules_root() / "polysigma.schema.json"
    assert (path.parent / "../../polysigma.schema.json").resolve() == schema.resolve()
    documents = path.read_text(encoding="utf-8").split("\n---\n")
    assert {document.splitlines()[0] for document in documents} == {MODELINE}
    validator = jsonschema.Draft202012Validator(json.loads(schema.read_text(encoding="utf-8")))
    assert [error.message for one in read_file(path) for error in validator.iter_errors(one.value)] == []


@pytest.mark.slow
def test_sigma_s_own_checker_passes_hunts():
    sigma = Path(sys.executable).with_name("sigma")
    configuration = ["--validation-config", rules_root() / "sigma-validators.yaml"]
    run = subprocess.run(
        [sigma, "check", *configuration, "--fail-on-issues", *EVERY],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Found 0 errors, 0 condition errors and 0 issues." in run.stdout


def test_hunts_are_no_rules_to_deploy():
    assert all(path.parent.name != "hunts" for name in packaged_names() for path in resolve(name))
    files, _ = read_rules([str(HUNTS.parent)])
    assert {path.stem for path in hunts(files)} == {"irc_clients"}


def test_one_connection_to_an_irc_port_is_enough(tmp_path):
    (hit,) = found(tmp_path, "irc_clients", [connection()])
    assert (hit["Connections"], hit["Hosts"], hit["DestinationPort"]) == (1, 1, 6667)


def test_servers_that_few_hosts_know_come_first(tmp_path):
    known = [connection(number, ip="203.0.113.20") | {"Computer": f"ws-0{number}"} for number in range(3)]
    hits = found(tmp_path, "irc_clients", [*known, connection()])
    assert [hit["Hosts"] for hit in hits] == [1, 3, 3, 3]


@pytest.mark.parametrize("other", [{"port": 443}, {"ip": "10.1.2.3"}, {"ip": "127.0.0.1"}], ids=["port", "lan", "loop"])
def test_other_connections_are_no_irc_clients(tmp_path, other):
    assert found(tmp_path, "irc_clients", [connection(**other)]) == []
