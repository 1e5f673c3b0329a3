"""Atomic tests: their shape is Atomic Red Team's, and what they do is found."""

from __future__ import annotations

import copy
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from polysigma.catalog import rules_root
from polysigma.convert import compile_rule
from polysigma.engines.cql import run_cql
from polysigma.engines.sql_text import TABLE
from polysigma.guide import AtomicFile
from polysigma.replay import load_events, opened, replay
from polysigma.source import read_file
from polysigma.telemetry.events import FirewallSession
from polysigma.telemetry.falcon import siem

FOLDER = rules_root() / "botnet_node_beaconing"
REGULAR = rules_root() / "regular_beacon_to_rare_destination"
FILES = sorted(rules_root().glob("*/atomics/*/*.yaml"))
ADDRESS = "203.0.113.10"
PUBLISHED = "atomic-red-team-mcp==1.3.2"
"""Has the model of redcanaryco/atomic-red-team inside, a little stricter; needs nothing but pydantic for it."""
LISTENER = """
import json, selectors, socket, sys, time
ports, path = [int(port) for port in sys.argv[2].split(",")], sys.argv[3]
selector = selectors.DefaultSelector()
for port in ports:
    server = socket.create_server((sys.argv[1], port), backlog=500)
    selector.register(server, selectors.EVENT_READ)
print("ready", flush=True)
with open(path, "a", buffering=1) as seen:
    while True:
        for key, _ in selector.select():
            connection, peer = key.fileobj.accept()
            local = connection.getsockname()
            connection.settimeout(0.5)
            said = ""
            try:
                while part := connection.recv(200):
                    said += part.decode("latin-1")
                    if said.endswith("\\r\\n\\r\\n"):
                        connection.sendall(b"HTTP/1.0 204 No Content\\r\\n\\r\\n")
                        break
            except OSError:
                pass
            connection.close()
            told = {"time": time.time(), "peer": peer[0], "address": local[0], "port": local[1], "said": said}
            seen.write(json.dumps(told) + "\\n")
"""
CALLER = """
import socket, sys, time
for _ in range(100):
    try:
        socket.create_connection((sys.argv[1], int(sys.argv[2])), 1).close()
        break
    except OSError:
        time.sleep(0.1)
"""
HOST = "203.0.113.254"
OTHERS = [f"203.0.113.{last}" for last in (250, 251, 252, 253)]
"""Further addresses of the host."""


NAME_SERVER = """
import json, socket, sys, time
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind((sys.argv[1], int(sys.argv[2])))
print("ready", flush=True)
with open(sys.argv[3], "a", buffering=1) as seen:
    while True:
        question, peer = server.recvfrom(512)
        labels, place = [], 12
        while question[place]:
            labels.append(question[place + 1 : place + 1 + question[place]].decode("ascii"))
            place += 1 + question[place]
        assert question[place + 1 :] == bytes([0, 1, 0, 1]) and question[4:6] == bytes([0, 1])
        one = {"time": time.time(), "peer": peer[0], "address": sys.argv[1], "name": ".".join(labels)}
        seen.write(json.dumps(one) + "\\n")
"""
BASH = [(path.parents[2], path.stem) for path in FILES if "name: bash" in path.read_text(encoding="utf-8")]
NAMES = [f"{folder.name}-{technique}" for folder, technique in BASH]


def atomic(technique, shell, folder=FOLDER):
    file = folder / "atomics" / technique / f"{technique}.yaml"
    tests = AtomicFile.model_validate(read_file(file)[0].value).atomic_tests
    return next(test for test in tests if test.executor.name == shell)


@pytest.fixture(scope="module")
def value():
    return read_file(FOLDER / "atomics" / "T1571" / "T1571.yaml")[0].value


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parents[2].name}-{path.stem}")
def test_a_file_stands_where_invoke_atomictest_looks_for_it(path):
    assert path.parent.name == path.stem == AtomicFile.model_validate(read_file(path)[0].value).attack_technique


def test_guids_are_given_once():
    tests = [test for path in FILES for test in AtomicFile.model_validate(read_file(path)[0].value).atomic_tests]
    assert len({test.auto_generated_guid for test in tests}) == len(tests)
    assert len({test.name for test in tests}) == len(tests)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda test: test["input_arguments"].pop("port"), "not declared"),
        (lambda test: test["input_arguments"].update(more={**test["input_arguments"]["port"]}), "no command uses"),
        (lambda test: test.update(supported_platforms=["windows"]), "not to be expected on windows"),
        (lambda test: test["executor"].update(command="sudo " + test["executor"]["command"]), "elevation_required"),
        (lambda test: test["executor"].pop("cleanup_command"), "cleanup_command"),
        (lambda test: test.update(auto_generated_guid="1"), "auto_generated_guid"),
        (lambda test: test.update(more=1), "Extra inputs"),
    ],
)
def test_a_test_that_could_not_run_is_refused(value, change, expected):
    spoilt = copy.deepcopy(value)
    change(spoilt["atomic_tests"][0])
    with pytest.raises(ValidationError, match=expected):
        AtomicFile.model_validate(spoilt)


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
@pytest.mark.parametrize(("folder", "technique"), BASH, ids=NAMES)
def test_bash_can_read_the_commands(folder, technique):
    test = atomic(technique, "bash", folder)
    for cleanup in (False, True):
        command = test.command(cleanup=cleanup)
        assert "#{" not in command
        subprocess.run(["bash", "-n"], input=command, text=True, check=True)


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
@pytest.mark.parametrize(("folder", "technique"), BASH, ids=NAMES)
@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "172.20.0.1", "192.168.7.7"])
def test_a_test_does_not_shoot_at_what_the_detection_leaves_out(folder, technique, address):
    command = atomic(technique, "bash", folder).command(address=address)
    run = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert "leaves" in run.stderr


@pytest.mark.slow
def test_the_files_are_valid_by_the_published_model(tmp_path):
    fetch = [sys.executable, "-m", "pip", "-qq", "--disable-pip-version-check", "install", "--no-deps"]
    subprocess.run([*fetch, "--target", str(tmp_path), PUBLISHED], check=True)
    spec = importlib.util.spec_from_file_location("published", tmp_path / "atomic_red_team_mcp/models/atomic.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["published"] = module
    try:
        spec.loader.exec_module(module)
        for path in FILES:
            module.Technique.model_validate(read_file(path)[0].value)
    finally:
        del sys.modules["published"]


# What the tests do, done between two network namespaces, one of which has a documentation address.


@contextmanager
def network():
    """Two namespaces with a cable between them: the host's, and that of the server at ADDRESS and those around it."""
    host, server = f"polysigma-host-{os.getpid()}", f"polysigma-server-{os.getpid()}"
    steps = [
        f"netns add {host}",
        f"netns add {server}",
        f"link add eth0 netns {host} type veth peer name eth0 netns {server}",
        *(f"-n {host} address add {address}/24 dev eth0" for address in (HOST, *OTHERS)),
        f"-n {server} address add {ADDRESS}/24 dev eth0",
        *(f"-n {space} link set {device} up" for space in (host, server) for device in ("lo", "eth0")),
        f"-n {server} route add local 203.0.113.0/25 dev lo",
    ]
    try:
        for step in steps:
            done = subprocess.run(["ip", *step.split()], capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"no network namespaces here: ip {step}: {done.stderr.strip()}")
        yield host, server
    finally:
        for space in (host, server):
            subprocess.run(["ip", "netns", "delete", space], capture_output=True, check=False)


@pytest.fixture
def run(tmp_path):
    """Runs a Bash test against a listener and returns its output and the connections that the listener accepted.

    With `call`, the server calls that port of the host as soon as somebody waits there.
    """
    if sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("bash"):
        pytest.skip("network namespaces take Linux, root, ip and bash")

    def one(test, listening, call=None, script=LISTENER, **values):
        seen = tmp_path / "seen.jsonl"
        seen.touch()
        with network() as (host, server):
            inside = ["ip", "netns", "exec", server, sys.executable, "-c", script]
            listener = subprocess.Popen(
                [*inside, "", ",".join(map(str, listening)), str(seen)], stdout=subprocess.PIPE, text=True
            )
            try:
                assert listener.stdout.readline() == "ready\n"
                command = test.command(address=ADDRESS, **values)
                there = ["ip", "netns", "exec", host, "bash", "-c"]
                caller = subprocess.Popen([*inside[:-1], CALLER, HOST, str(call)]) if call else None
                done = subprocess.run([*there, command], capture_output=True, text=True, check=False, timeout=120)
                undone = subprocess.run([*there, test.command(cleanup=True)], capture_output=True, check=False)
                time.sleep(0.3)
                assert caller is None or caller.wait() == 0
            finally:
                listener.terminate()
                listener.wait()
                listener.stdout.close()
        assert done.returncode == 0, done.stdout + done.stderr
        assert undone.returncode == 0
        return done.stdout, [json.loads(line) for line in seen.read_text(encoding="utf-8").splitlines()]

    return one


def hits(tmp_path, reference, connections, lasting=None, image="/usr/bin/bash", accepted=None, commands=()):
    """The hits of a detection over the connections or names, as Sysmon would have recorded them.

    A run with short pauses is stretched to the time that the test's own pauses take (`lasting`). `accepted` is a port
    of the host on which it accepted a connection from ADDRESS before it opened its own, `commands` are programs that
    it started, each with its command line.
    """
    first, last = connections[0]["time"], connections[-1]["time"]
    stretch = lasting.total_seconds() / (last - first) if lasting else 1.0
    start = datetime(2026, 3, 2, 9, 50, tzinfo=UTC)
    rows = tmp_path / "sysmon.jsonl"
    call = {"time": first, "peer": ADDRESS, "address": HOST, "port": accepted, "accepted": True}
    with rows.open("w", encoding="utf-8") as file:
        for one in [call, *connections] if accepted else connections:
            moment = start + timedelta(seconds=(one["time"] - first) * stretch)
            row = {
                "Channel": "Linux-Sysmon/Operational",
                "Computer": "ws-01",
                "EventID": 3,
                "UtcTime": moment.replace(tzinfo=None).isoformat(" ", "milliseconds"),
                "Image": image,
                "Initiated": "false" if "accepted" in one else "true",
                "Protocol": "tcp",
                "SourceIp": one["peer"],
                "DestinationIp": one["address"],
                "DestinationPort": str(one.get("port")),
            }
            if "name" in one:
                row |= {"EventID": 22, "QueryName": one["name"], "Channel": "Microsoft-Windows-Sysmon/Operational"}
            told = dict(line.split(": ", 1) for line in one.get("said", "").split("\r\n") if line.startswith("X-"))
            if told:  # the program told the server what it is: its start is what was recorded
                row |= {"EventID": 1, "Image": told["X-Image"], "CommandLine": told["X-Command"]}
            file.write(json.dumps(row) + "\n")
        for program, command in commands:
            row = {"EventID": 1, "Computer": "ws-01", "UtcTime": "2026-03-02 09:50:00.000", "Image": program}
            file.write(json.dumps(row | {"CommandLine": command}) + "\n")
    with opened([rows]) as inputs:
        compiled = compile_rule(reference, inputs.family.platform, "sql", table=TABLE)
        with load_events(compiled.query, inputs) as events:
            return list(replay(compiled.plan, compiled.query, events).hits)


@pytest.mark.slow
def test_returning_to_an_irc_port_hits(run, tmp_path):
    test = atomic("T1571", "bash")
    said, connections = run(test, [6667], interval="0.05")
    assert "21 of 21 connections" in said
    assert {one["said"] for one in connections} == {"NICK polysigma\r\n"}
    assert not Path("/tmp/polysigma-T1571.pid").exists()
    (hit,) = hits(tmp_path, "botnet_node_beaconing", connections, timedelta(seconds=20 * 420))
    assert (hit["Computer"], hit["DestinationIp"], hit["DestinationPort"]) == ("ws-01", ADDRESS, 6667)
    assert (hit["BeaconingScore"], hit["ActiveHours"]) == (3, 3) or hit["ActiveHours"] == 4
    assert hit["TotalConnections"] in {20, 21}


@pytest.mark.slow
def test_polling_a_web_server_hits(run, tmp_path):
    said, connections = run(atomic("T1071.001", "bash"), [8080], interval="0.02")
    assert "76 of 76 requests" in said
    assert all(one["said"].startswith("GET /work?round=") for one in connections)
    (hit,) = hits(tmp_path, "botnet_node_beaconing", connections, timedelta(seconds=75 * 120))
    assert (hit["DestinationPort"], hit["BeaconingScore"], hit["WatchedPort"]) == (8080, 2, False)
    assert 51 <= hit["TotalConnections"] <= 76


@pytest.mark.slow
def test_checking_in_by_the_clock_hits(run, tmp_path):
    said, connections = run(atomic("T1071.001", "bash", REGULAR), [8080], interval="0.25")
    assert "33 of 33 check-ins" in said
    assert all(one["said"].startswith("GET /checkin") for one in connections)
    assert not Path("/tmp/polysigma-regular-T1071.001.pid").exists()
    (hit,) = hits(tmp_path, REGULAR.name, connections, timedelta(minutes=32))
    assert (hit["DestinationPort"], hit["TotalConnections"], hit["Hosts"]) == (8080, 33, 1)
    assert hit["SecondsPerCheckIn"] == pytest.approx(60, abs=0.1)


@pytest.mark.slow
def test_trying_a_port_every_half_minute_hits(run, tmp_path):
    said, connections = run(atomic("T1571", "bash", REGULAR), [4782], interval="0.12")
    assert "65 of 65 tries" in said
    assert {one["said"] for one in connections} == {""}
    (hit,) = hits(tmp_path, REGULAR.name, connections, timedelta(minutes=32))
    assert (hit["DestinationPort"], hit["TotalConnections"], hit["Hosts"]) == (4782, 65, 1)
    assert hit["SecondsPerCheckIn"] == pytest.approx(30, abs=0.1)


@pytest.mark.slow
def test_saying_hello_to_an_irc_server_hits(run, tmp_path):
    folder = rules_root() / "irc_connection_from_workstation"
    said, connections = run(atomic("T1071", "bash", folder), [6667])
    assert f"said hello to {ADDRESS}:6667" in said
    assert [one["said"].splitlines()[0] for one in connections] == ["NICK polysigma"]
    (hit,) = hits(tmp_path, folder.name, connections)
    assert (hit["IrcScore"], hit["Servers"], hit["InterpreterServers"], hit["PlainServers"]) == (3, 1, 1, 1)


@pytest.mark.slow
def test_rushing_an_address_and_trying_its_ports_are_bursts(run, tmp_path):
    folder = rules_root() / "connection_burst_ddos"
    said, connections = run(atomic("T1498.001", "bash", folder), [8080], pause="0.01")
    assert f"210 of 210 connections to {ADDRESS}:8080" in said
    found = hits(tmp_path, folder.name, connections, timedelta(seconds=42))
    seen = {(hit["BurstScore"], hit["Connections"], hit["UniquePorts"], hit["ScanIndicator"]) for hit in found}
    assert seen == {(2, 210, 1, False)}
    assert hits(tmp_path, "botnet_node_beaconing", connections) == []  # a burst is not a habit
    said, connections = run(atomic("T1046", "bash", folder), range(8000, 8040), pause="0.01")
    assert "120 tries of 40 ports" in said
    found = hits(tmp_path, folder.name, connections[210:], timedelta(seconds=60))
    assert {(hit["BurstScore"], hit["UniquePorts"], hit["ScanIndicator"]) for hit in found} == {(3, 40, True)}


@pytest.mark.slow
def test_accepting_a_client_and_calling_many_addresses_hits(run, tmp_path):
    folder = rules_root() / "socks_relay_node"
    said, connections = run(atomic("T1090.002", "bash", folder), [443], call=4145)
    assert f"25 of 25 addresses called for {ADDRESS}" in said
    assert len({one["address"] for one in connections}) == 25
    assert hits(tmp_path, folder.name, connections, image="/usr/bin/python3.11") == []  # nobody called
    (hit,) = hits(tmp_path, folder.name, connections, image="/usr/bin/python3.11", accepted=4145)
    assert (hit["Program"], hit["Clients"], hit["Destinations"], hit["ListeningPorts"]) == ("python3.11", 1, 25, 1)


@pytest.mark.slow
def test_knocking_at_telnet_ports_hits(run, tmp_path):
    folder = rules_root() / "telnet_ssh_spray"
    said, connections = run(atomic("T1046", "bash", folder), [2323])
    assert "12 of 12 addresses opened port 2323" in said
    (hit,) = {hit["Computer"]: hit for hit in hits(tmp_path, folder.name, connections)}.values()
    assert (hit["SprayScore"], hit["Addresses"], hit["TelnetAddresses"], hit["Ports"]) == (3, 12, 12, 1)


@pytest.mark.slow
def test_asking_for_made_up_names_hits(run, tmp_path):
    folder = rules_root() / "dns_query_burst_dga"
    said, asked = run(atomic("T1568.002", "bash", folder), [53], script=NAME_SERVER, pause="0.02")
    assert "asked" in said
    names = {one["name"] for one in asked}
    assert len(names) == 60
    assert all(len(name) == 19 and name.endswith(".test") for name in names)
    found = hits(tmp_path, folder.name, asked, timedelta(seconds=20))
    assert {(hit["MadeUpDomains"], hit["Domains"], hit["Endings"]) for hit in found} == {(60, 60, 1)}


@pytest.mark.slow
def test_calling_a_pools_port_hits_and_more_so_with_the_arguments(run, tmp_path):
    folder = rules_root() / "miner_stratum_connection"
    test = atomic("T1496.001", "bash", folder)
    said, connections = run(test, [14444])
    assert f"logged on at {ADDRESS}:14444" in said
    assert '"method":"login"' in connections[0]["said"]
    (hit,) = {hit["Computer"]: hit for hit in hits(tmp_path, folder.name, connections)}.values()
    assert (hit["MinerScore"], hit["PlainPorts"], hit["Arguments"]) == (2, 1, 0)
    arguments = f"bash -c ... miner -o stratum+tcp://{ADDRESS}:14444 -u polysigma --donate-level=1"
    found = hits(tmp_path, folder.name, connections, commands=[("/usr/bin/bash", arguments)])
    assert {(hit["MinerScore"], hit["PlainPorts"], hit["Arguments"]) for hit in found} == {(4, 1, 1)}


@pytest.mark.slow
def test_starting_something_called_pwsh_again_and_again_hits(run, tmp_path):
    folder = rules_root() / "powershell_download_loop"
    said, connections = run(atomic("T1059.001", "bash", folder), [8080], interval="0.1")
    assert "5 of 5 starts" in said
    assert all("X-Image: /tmp/polysigma-T1059.001/pwsh\r\n" in one["said"] for one in connections)
    assert not Path("/tmp/polysigma-T1059.001").exists()
    found = hits(tmp_path, folder.name, connections, timedelta(minutes=4))
    assert {(hit["LoopScore"], hit["Starts"], hit["MostRepeated"]) for hit in found} == {(3, 5, 5)}


@pytest.mark.slow
def test_calling_one_address_for_half_a_day_hits_in_the_firewalls_log(run):
    folder = rules_root() / "unmanaged_device_beacon"
    said, connections = run(atomic("T1071", "bash", folder), [8080], interval="0.25")
    assert "76 of 76 calls" in said
    assert not Path("/tmp/polysigma-device-T1071.pid").exists()
    first, last = connections[0]["time"], connections[-1]["time"]
    start = datetime(2026, 3, 2, 6, 55, tzinfo=UTC).timestamp()
    rows = [
        {
            "#event.kind": "event",
            "#observer.type": "firewall",
            "observer.name": "edge-fw-01",
            "source.ip": "10.1.0.11",
            "destination.ip": one["address"],
            "destination.port": str(one["port"]),
            "event.action": "accept",
            "@timestamp": round(1000 * (start + (one["time"] - first) / (last - first) * 75 * 600)),
        }
        for one in connections
    ]
    text = compile_rule(folder.name, "falcon", "logscale").query
    (hit,) = run_cql(text, rows, now=datetime(2026, 3, 2, 20, tzinfo=UTC).timestamp()).rows
    assert (hit["FirewallDestination"], int(hit["destination.port"])) == (ADDRESS, 8080)
    assert (int(hit["Sources"]), int(hit["ActiveHours"])) in {(1, 13), (1, 14)}


CRONTAB = """#!/bin/sh
case "$1" in
    -l) cat "$TABLE" ;;
    -r) rm "$TABLE" ;;
    *) cp "$1" "$TABLE"; echo "crontab $*" >> "$TABLE.log" ;;
esac
"""
"""Stands for cron's own, so that nobody's table is touched; keeps the table in a file, and the commands that it got."""


@pytest.mark.slow
@pytest.mark.parametrize("before", ["", "@daily true\n"], ids=["no table", "a table"])
def test_loading_a_cron_entry_and_calling_home_hits(run, tmp_path, monkeypatch, before):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/crontab").write_text(CRONTAB, encoding="utf-8")
    (tmp_path / "bin/crontab").chmod(0o755)
    table, log = tmp_path / "table", tmp_path / "table.log"
    if before:
        table.write_text(before, encoding="utf-8")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("TABLE", str(table))
    folder = rules_root() / "persistence_then_beacon"
    said, connections = run(atomic("T1053.003", "bash", folder), [8443], interval="0.1")
    assert "21 of 21 connections" in said
    commands = [("/usr/bin/crontab", line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert (table.read_text(encoding="utf-8") if table.exists() else "") == before  # cleaned up
    assert list(Path("/tmp").glob("polysigma-T1053.003*")) == []
    lasting = timedelta(seconds=20 * 600)
    assert hits(tmp_path, folder.name, connections, lasting) == []  # nothing was set to start
    found = hits(tmp_path, folder.name, connections, lasting, commands=commands[:1])
    assert {(hit["Peer"], hit["Entries"], hit["Hosts"]) for hit in found} == {(ADDRESS, 1, 1)}
    assert all(hit["Connections"] >= 12 and hit["ActiveHours"] >= 4 for hit in found)


@pytest.mark.slow
def test_knocking_from_five_addresses_hits_in_the_firewalls_log(run):
    folder = rules_root() / "edge_device_admin_exposure"
    said, connections = run(atomic("T1133", "bash", folder), [2222])
    assert f"5 of 5 sources called {ADDRESS}:2222" in said
    assert {one["peer"] for one in connections} == {HOST, *OTHERS}
    start = datetime(2026, 3, 2, 9, 5, tzinfo=UTC).timestamp()
    sessions = [
        FirewallSession(
            time=start + number,
            arrival=start + number,
            device="edge-fw-01",
            protocol="tcp",
            src_ip=one["peer"],
            src_port=40000,
            dst_ip="10.5.0.22",
            dst_port=one["port"],
            allowed=True,
        )
        for number, one in enumerate(connections)
    ]
    text = compile_rule(folder.name, "falcon", "logscale").query
    now = datetime(2026, 3, 2, 10, tzinfo=UTC).timestamp()
    (hit,) = run_cql(text, siem(sessions), now=now).rows
    assert (hit["FirewallDestination"], int(hit["destination.port"])) == ("10.5.0.22", 2222)
    assert (int(hit["Sources"]), int(hit["ExposureScore"])) == (5, 1)
    assert run_cql(text, siem(sessions[:4]), now=now).rows == []


@pytest.mark.slow
def test_greeting_many_mail_servers_hits(run, tmp_path):
    folder = rules_root() / "smtp_spam_burst"
    said, connections = run(atomic("T1071.003", "bash", folder), [25])
    assert "12 of 12 addresses took a greeting on port 25" in said
    assert {one["said"] for one in connections} == {"NOOP\r\nQUIT\r\n"}
    found = hits(tmp_path, folder.name, connections)
    assert {(hit["SpamScore"], hit["Servers"], hit["Programs"]) for hit in found} == {(1, 12, 1)}
    assert hits(tmp_path, folder.name, connections, image="/usr/sbin/exim4") == []
