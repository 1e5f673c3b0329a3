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
from polysigma.engines.sql_text import TABLE
from polysigma.guide import hunts
from polysigma.replay import load_events, opened, replay
from polysigma.source import read_file

HUNTS = rules_root() / "botnet_node_beaconing" / "hunts"
MODELINE = "# yaml-language-server: $schema=../../polysigma.schema.json"
START = datetime(2026, 3, 2, 9, 5, tzinfo=UTC)
EVERY = sorted(rules_root().glob("*/hunts/*.yaml"))

NO_FIREWALL = ("refused-not-recorded", "log of a firewall")
HOURLY_REPORTS = ("refused-blind", "blind to it: one row covers 1h of events")
UNREAD_ANSWER = ("refused-unverified", "no source read shows that it holds the codes of Sysmon")

NOT_EVERYWHERE = {
    "logons_from_many_addresses": {
        "splunk_cim": ("refused-not-recorded", "Authentication holds logons of any system, without their numbers"),
        "sysmon_json": ("refused-unclaimed-logsource", "no claim is made about it"),
    },
    "many_destinations_of_a_device": dict.fromkeys(["defender", "fdr", "splunk_sysmon", "sysmon_json"], NO_FIREWALL),
    "names_that_do_not_exist": {
        "falcon": UNREAD_ANSWER,
        "fdr": UNREAD_ANSWER,
        "splunk_cim": ("refused-not-comparable", "the code of DNS from a resolver and that of Windows"),
    },
    "powershell_connections": {
        "splunk_cim": ("refused-not-comparable", "the column holds identifiers of the platform's own"),
    },
    "rhythm_of_a_rare_program": dict.fromkeys(["defender", "sentinel"], HOURLY_REPORTS),
}
"""By hunt and platform, why there is no query: the code of the first finding, and words of its reason. What is not
named here converts."""


@cache
def compiled_hunt(hunt, platform):
    return compile_rule(str((HUNTS / hunt).with_suffix(".yaml")), platform, "sql", table=TABLE)


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


def converted(path):
    """The platforms with a query for each correlation of the file, and the first finding of each of the others."""
    files, findings = read_rules([str(path)])
    correlations = {value["name"] for file in files for _, value in file.maps if "correlation" in value}
    results = list(convert(files, pairs((), None)))
    assert not findings
    assert not [result for result in results if isinstance(result, Diagnostic)]
    queries: dict[str, set[str]] = {}
    refused: dict[str, Diagnostic] = {}
    for result in results:
        if result.finding:
            refused.setdefault(result.platform, result.finding)
        elif all(one.query for one in result.compiled):
            queries.setdefault(result.platform, set()).add(result.rule)
    return {name for name, rules in queries.items() if rules >= correlations}, refused


@pytest.mark.parametrize("path", EVERY, ids=lambda path: path.stem)
def test_a_hunt_converts_on_every_platform_or_is_refused_there_for_the_reason_written_down(path):
    complete, refused = converted(path)
    declared = NOT_EVERYWHERE.get(path.stem, {})
    assert {name: finding.code for name, finding in refused.items()} == {name: why[0] for name, why in declared.items()}
    assert complete == {name for name, _ in pairs((), None)} - declared.keys()
    assert all(declared[name][1] in finding.message for name, finding in refused.items())


def test_reasons_are_written_down_for_hunts_that_are_there():
    assert len({path.stem for path in EVERY}) == len(EVERY)
    assert {path.stem for path in EVERY} >= NOT_EVERYWHERE.keys()


def test_checking_the_package_checks_every_hunt():
    """What `polysigma check` says of the package is asserted for the package as a whole, in `tests/check`."""
    files, _ = read_rules([str(rules_root())])
    assert sorted(hunts(files)) == EVERY


@pytest.mark.parametrize("path", EVERY, ids=lambda path: path.stem)
def test_a_hunt_is_called_one_and_is_told_by_its_file_s_name(path):
    documents = [one.value for one in read_file(path)]
    assert all(value["title"].startswith("Hunt: ") and value["name"].startswith("hunt_") for value in documents)
    correlations = [value["name"] for value in documents if "correlation" in value]
    assert correlations == [f"hunt_{path.stem}"]


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


CLERK, BAKER = "S-1-5-21-1004336348-1177238915-682003330-1104", "S-1-5-21-1004336348-1177238915-682003330-1105"


def logons(*rows):
    """Rows of Falcon's UserLogon, a minute apart, each from an account, an address, and what else is different."""
    for number, (sid, address, *more) in enumerate(rows):
        moment = (START + timedelta(minutes=number)).timestamp()
        yield {
            "event_simpleName": "UserLogon",
            "event_platform": "Win",
            "cid": "c" * 32,
            "aid": "a" * 32,
            "timestamp": str(int(moment * 1000)),
            "ContextTimeStamp": f"{moment:.3f}",
            "ComputerName": "gateway-01",
            "LogonType": "10",
            "UserSid": sid,
            "RemoteAddressIP4": address,
        } | dict(*more)


def accounts(tmp_path, *rows):
    names = ("TargetUserSid", "Addresses", "OwnAddresses", "MostAccounts")
    hunt = rules_root() / "edge_device_admin_exposure" / "hunts" / "logons_from_many_addresses"
    return [tuple(hit[name] for name in names) for hit in found(tmp_path, hunt, logons(*rows))]


def test_three_addresses_of_one_account_are_found_and_two_are_not(tmp_path):
    three = [(CLERK, f"203.0.{number}.9") for number in range(3)]
    assert accounts(tmp_path, *three) == [(CLERK, 3, 3, 1)]
    assert accounts(tmp_path, *three[:2], three[0]) == []


def test_many_addresses_of_one_network_are_a_provider_s_pool(tmp_path):
    pool = [(CLERK, f"203.0.113.{number}") for number in range(5)]
    assert accounts(tmp_path, *pool) == []
    assert accounts(tmp_path, *pool, (CLERK, "198.51.100.1")) == [(CLERK, 6, 6, 1)]


def test_addresses_that_nobody_else_comes_from_put_an_account_first(tmp_path):
    shared = [(sid, f"203.0.{number}.113") for number in range(4) for sid in (CLERK, BAKER)]
    own = [(BAKER, f"198.51.100.{number}") for number in range(2)]
    assert accounts(tmp_path, *shared, *own) == [(BAKER, 6, 2, 2), (CLERK, 4, 0, 2)]


@pytest.mark.parametrize(
    "other",
    [
        (CLERK, "10.1.2.3"),
        (CLERK, ""),
        (CLERK, "203.0.113.9", {"LogonType": "2"}),
        (CLERK, "203.0.113.9", {"event_simpleName": "UserLogonFailed2"}),
        ("S-1-5-7", "203.0.113.9"),
        (BAKER, "203.0.113.9"),
    ],
    ids=["from inside", "no address", "at the keyboard", "failed", "without a name", "somebody else"],
)
def test_other_logons_do_not_count_for_the_account(tmp_path, other):
    assert accounts(tmp_path, (CLERK, "203.0.113.1"), (CLERK, "198.51.100.2"), other) == []
