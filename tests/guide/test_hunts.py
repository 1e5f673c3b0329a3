"""Hunts are rules that are not deployed: they convert, and find what their guide says."""

from __future__ import annotations

import json
import random
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
BLIND = {("connection_burst", "defender"), ("connection_burst", "sentinel"), ("random_names", "defender")}
BLIND |= {("random_names", "sentinel"), ("random_names", "falcon"), ("random_names", "fdr")}


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


def query(number, name):
    moment = START + timedelta(seconds=number)
    return {
        "EventID": 22,
        "UtcTime": moment.replace(tzinfo=None).isoformat(" ", "milliseconds"),
        "Image": "C:\\Users\\Public\\bot.exe",
        "QueryName": name,
        "QueryStatus": "9003",
    }


def made_up(count, seed=7):
    maker = random.Random(seed)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    return ["".join(maker.choice(letters) for _ in range(12)) + ".invalid" for _ in range(count)]


@pytest.mark.parametrize("path", sorted(HUNTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_hunt_converts_everywhere_or_is_blind_for_a_reason(path):
    files, _ = read_rules([str(path)])
    results = list(convert(files, pairs((), None)))
    assert not [result for result in results if isinstance(result, Diagnostic)]
    refused = {(path.stem, result.platform): result.finding.message for result in results if result.finding}
    assert set(refused) == {one for one in BLIND if one[0] == path.stem}
    assert all("blind" in message for message in refused.values())


@pytest.mark.parametrize("path", sorted(HUNTS.glob("*.yaml")), ids=lambda path: path.stem)
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
        [sigma, "check", *configuration, "--fail-on-issues", *sorted(HUNTS.glob("*.yaml"))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Found 0 errors, 0 condition errors and 0 issues." in run.stdout


def test_hunts_are_no_rules_to_deploy():
    assert all(path.parent.name != "hunts" for name in packaged_names() for path in resolve(name))
    files, _ = read_rules([str(HUNTS.parent)])
    assert {path.stem for path in hunts(files)} == {"connection_burst", "irc_clients", "random_names"}


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


def test_a_hundred_connections_are_no_burst_and_one_more_is(tmp_path):
    assert found(tmp_path, "connection_burst", [connection(number) for number in range(100)]) == []
    (hit,) = found(tmp_path, "connection_burst", [connection(number) for number in range(101)])
    assert (hit["Connections"], hit["UniquePorts"], hit["ScanIndicator"]) == (101, 1, False)


def test_a_burst_over_many_ports_is_a_scan(tmp_path):
    (hit,) = found(tmp_path, "connection_burst", [connection(number, port=8000 + number % 20) for number in range(101)])
    assert (hit["UniquePorts"], hit["ScanIndicator"]) == (20, True)


def test_a_hundred_and_one_within_an_hour_are_no_burst(tmp_path):
    assert found(tmp_path, "connection_burst", [connection(number, seconds=36) for number in range(101)]) == []


def test_names_that_an_algorithm_made_are_found(tmp_path):
    (hit,) = found(tmp_path, "random_names", [query(number, name) for number, name in enumerate(made_up(50))])
    assert (hit["Names"], hit["Domains"], hit["Share"]) == (50, 50, 1.0)


@pytest.mark.parametrize(
    "names",
    [
        made_up(49),
        made_up(10) * 10,
        [f"{word}.blocklist.example" for word in made_up(80)],
        [f"w{number}.example{'abcdefghij'[number % 10]}{'klmnopqrst'[number // 10]}.com" for number in range(80)],
    ],
    ids=["49 names", "10 names again and again", "one domain", "short domains without digits"],
)
def test_other_names_are_not(tmp_path, names):
    assert found(tmp_path, "random_names", [query(number, name) for number, name in enumerate(names)]) == []
