"""Canonical events: by seed, in order, on the public internet that belongs to nobody."""

import os
import subprocess
import sys
from itertools import islice, pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polysigma.source import read_text
from polysigma.telemetry import RENDERERS, Scenario, demo_scenario, generate, load_scenarios, render, write_rows
from polysigma.telemetry.addresses import is_harmless
from polysigma.telemetry.scenarios import ScenarioFile
from polysigma.validation import validate

RULE = Path(__file__).parents[2] / "rules/botnet_node_beaconing/scenarios.yaml"
KINDS = {
    "backup": "",
    "beacon": "to: 203.0.113.1",
    "browsing": "",
    "burst": "to: [203.0.113.1], connections: 50",
    "cdn": "",
    "exact": "to: 203.0.113.1, port: 6667, hourly: [2, 1]",
    "inbound": "",
    "internal": "",
    "ipv6": "",
    "irc": "to: 203.0.113.1",
    "lookups": "generated: true",
    "monitoring": "",
    "ntp": "",
    "polling": "",
    "processes": "",
    "proxy": "",
    "push": "",
    "queries": "made_up: 3, words: 3, names: [a.example]",
    "resolver": "",
    "scan": "to: [203.0.113.1], last_port: 50",
    "slow_beacon": "to: 203.0.113.1",
    "socks": "to: 203.0.113.1, inbound: 4",
    "starts": "image: a.exe, command_line: a.exe -x, at: [1s, 2s]",
    "updater": "",
}


def scenario(traffic: str, *, more: str = "", hosts: str = "[ws-01]", seed: int = 1) -> Scenario:
    text = f"- name: x\n  seed: {seed}\n  hosts: {hosts}\n  traffic: [{traffic}]\n{more}"
    (parsed,) = validate(ScenarioFile, read_text(text)[0], "scenario").root
    return parsed


def of_kind(kind: str, **options) -> Scenario:
    parameters = KINDS[kind]
    return scenario(f"{{kind: {kind}{', ' if parameters else ''}{parameters}}}", **options)


def test_every_kind_of_traffic_is_tried_here():
    schema = ScenarioFile.model_json_schema()
    assert set(schema["$defs"]["Scenario"]["properties"]["traffic"]["items"]["discriminator"]["mapping"]) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_of_traffic_is_in_order_within_its_window_and_points_at_nobody(kind):
    drawn = of_kind(kind)
    events = list(generate(drawn))
    assert events
    assert all(earlier.time <= later.time for earlier, later in pairwise(events))
    for event in events:
        assert drawn.begin <= event.time < drawn.end
        assert round(event.time, 3) == event.time
        assert event.time < event.arrival < event.time + 15
        for address in (getattr(event, "remote_ip", None), *getattr(event, "answers", ())):
            assert address is None or is_harmless(address)


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_decides_everything(kind):
    assert list(generate(of_kind(kind))) == list(generate(of_kind(kind)))
    if kind not in {"exact", "starts"}:
        assert list(generate(of_kind(kind))) != list(generate(of_kind(kind, seed=2)))


def test_the_same_seed_gives_the_same_bytes_in_another_process(tmp_path):
    program = (
        "import sys; from itertools import islice; from polysigma.telemetry import *\n"
        "write_rows(sys.argv[1], render(islice(generate(demo_scenario()), 3000), sys.argv[2]))"
    )
    for platform in ("sysmon_winlogbeat", "falcon"):
        there, here = tmp_path / "there.json.gz", tmp_path / "here.json.gz"
        environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Etc/GMT+7"}
        subprocess.run([sys.executable, "-c", program, str(there), platform], check=True, env=environment)
        write_rows(here, render(islice(generate(demo_scenario()), 3000), platform))
        assert there.read_bytes() == here.read_bytes()


def test_the_events_of_a_network_come_in_the_order_of_time():
    events = list(islice(generate(demo_scenario()), 20000))
    assert all(earlier.time <= later.time for earlier, later in pairwise(events))
    assert len({event.host.name for event in events}) == 40


def test_events_are_made_as_they_are_asked_for():
    long = demo_scenario().model_copy(update={"span": 3650 * 86400.0})
    assert len(list(islice(generate(long), 100))) == 100


def test_a_new_kind_of_traffic_leaves_the_others_as_they_were():
    before = list(generate(scenario("{kind: push}")))
    after = list(generate(scenario("{kind: push}, {kind: ntp}")))
    assert [event for event in after if event.process.image.endswith("messenger.exe")] == before


def test_hosts_have_habits_of_their_own():
    starts = {
        event.host.name: event.time
        for event in reversed(list(generate(scenario("{kind: browsing}", hosts="8"))))
        if event.category == "process_creation"
    }
    assert len(starts) == 8
    assert max(starts.values()) - min(starts.values()) > 1800


def test_people_browse_by_day_and_services_by_night_too():
    def night(kind):
        return [event for event in generate(of_kind(kind)) if event.time % 86400 < 4 * 3600]

    assert not night("browsing")
    assert night("monitoring")


def test_a_machine_may_be_off_when_nobody_is_at_work():
    always = list(generate(scenario("{kind: monitoring}")))
    at_work = list(generate(scenario("{kind: monitoring, while: work}")))
    assert 0 < len(at_work) < len(always) / 2
    assert set(at_work) < set(always)
    browsing = [event.time for event in generate(scenario("{kind: browsing}"))]
    assert at_work[0].time - 120 < browsing[0]
    assert browsing[-1] < at_work[-1].time + 120


def test_a_number_of_hosts_is_picked_by_the_seed():
    def picked(seed):
        drawn = scenario("{kind: push, hosts: 3}", hosts="20", seed=seed)
        return {event.host.name for event in generate(drawn)}

    assert len(picked(1)) == 3
    assert picked(1) == picked(1)
    assert picked(1) != picked(2)


def test_names_of_hosts_may_hold_wildcards():
    drawn = scenario("{kind: push, hosts: [SRV-*]}", hosts="{ws: 2, srv: 2}")
    assert {event.host.name for event in generate(drawn)} == {"srv-01", "srv-02"}


def test_a_steady_bot_without_jitter_falls_on_every_edge():
    drawn = scenario("{kind: beacon, to: 203.0.113.1, period: 1h, jitter: 0, phase: 0}")
    times = [event.time for event in generate(drawn) if event.category == "network_connection"]
    assert times == [drawn.begin + 3600 * hour for hour in range(24)]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=24))
def test_exact_connections_are_so_many_in_each_hour(hourly):
    drawn = scenario(f"{{kind: exact, to: 203.0.113.1, port: 1, hourly: {hourly}}}")
    counted = [0] * len(hourly)
    for event in generate(drawn):
        counted[int((event.time - drawn.begin) // 3600)] += 1
    assert counted == hourly


def test_queries_are_so_many_different_names_within_their_time():
    drawn = scenario("{kind: queries, made_up: 30, words: 20, names: [a.example], at: 1h, lasts: 5m}")
    events = list(generate(drawn))
    assert len({event.name for event in events}) == 51
    assert sum(not set(event.name.partition(".")[0]) & set("aeiou") for event in events) == 30
    assert all(3600 <= event.time - drawn.begin < 3900 and event.status == 9003 for event in events)


def test_a_program_is_started_when_it_is_said():
    drawn = scenario("{kind: starts, image: a.exe, command_line: a -x, at: [5s, 1m]}")
    events = list(generate(drawn))
    assert [event.time - drawn.begin for event in events] == [5, 60]
    assert {(event.process.image, event.process.command_line) for event in events} == {("a.exe", "a -x")}


def test_an_offline_host_flushes_when_it_is_back():
    more = "  oddities: [{kind: offline, from: 1h, until: 5h}]\n"
    drawn = of_kind("monitoring", more=more)
    events = list(generate(drawn))
    back = drawn.begin + 5 * 3600
    late = [event for event in events if drawn.begin + 3600 <= event.time < back]
    assert late
    assert all(back <= event.arrival <= back + 5 for event in late)
    assert all(event.arrival < event.time + 15 for event in events if event not in late)


def test_oddities_strike_only_the_hosts_and_the_time_that_they_name():
    more = "  oddities: [{kind: missing, fields: [DestinationIp], hosts: [ws-02], from: 12h}]\n"
    drawn = of_kind("monitoring", more=more, hosts="2")
    for event in generate(drawn):
        struck = event.host.name == "ws-02" and event.time >= drawn.begin + 12 * 3600
        assert bool(event.overrides) is struck


def test_duplicates_follow_their_original():
    events = list(generate(of_kind("monitoring", more="  oddities: [{kind: duplicates}]\n")))
    assert events[::2] == events[1::2]


@pytest.mark.parametrize("platform", RENDERERS)
def test_every_scenario_of_the_package_can_be_rendered_for_every_platform(platform):
    for drawn in load_scenarios(RULE):
        assert list(islice(render(generate(drawn), platform), 500))
