"""The numbers in the guide of regular beacons are those that the rule gives, and its hunts find what it says."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta

import pytest
from sigma.collection import SigmaCollection

from polysigma.catalog import rules_root
from polysigma.convert import compile_rule
from polysigma.engines.sql_text import TABLE
from polysigma.guide import as_filter, read_package
from polysigma.replay import load_events, opened, replay
from sigma.backends.polysigma import backends
from sigma.pipelines.polysigma import pipelines, platform

FOLDER = rules_root() / "regular_beacon_to_rare_destination"
HUNTS = FOLDER / "hunts"
START = datetime(2026, 3, 2, tzinfo=UTC)
ADDRESS = "203.0.113.10"
DAY = 86_400


@pytest.fixture
def found(tmp_path):
    """The hits over connections at some seconds after START, in one window or in those of the schedule."""

    def one(*traffic, reference=FOLDER.name, whole=True):
        path = tmp_path / "rows.jsonl"
        rows = []
        for seconds, values in traffic:
            for second in seconds:
                moment = (START + timedelta(seconds=second)).replace(tzinfo=None)
                rows.append(
                    {
                        "EventID": 3,
                        "UtcTime": moment.isoformat(" ", "milliseconds"),
                        "Computer": "ws-01",
                        "Initiated": "true",
                        "Image": "C:\\Users\\Public\\bot.exe",
                        "DestinationIp": ADDRESS,
                        "DestinationPort": "443",
                        **values,
                    }
                )
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        with opened([path]) as inputs:
            compiled = compile_rule(str(reference), inputs.family.platform, "sql", table=TABLE)
            with load_events(compiled.query, inputs) as events:
                return list(replay(compiled.plan, compiled.query, events, whole=whole).hits)

    return one


def timer(period, *, start=0.0, until=DAY, jitter=0.0, seed=5):
    maker, moments, moment = random.Random(seed), [], float(start)
    while moment < until:
        moments.append(moment)
        moment += period * (1 + maker.uniform(-jitter, jitter))
    return moments


@pytest.fixture
def evidence(found):
    """The evidence of several flows of one host, each to an address of its own; None where there is no hit."""

    def one(*flows):
        addresses = [f"203.0.113.{number}" for number in range(len(flows))]
        hits = found(*((flow, {"DestinationIp": address}) for flow, address in zip(flows, addresses, strict=True)))
        by_address = {hit["DestinationIp"]: hit["Evidence"] for hit in hits}
        return [by_address.get(address) for address in addresses]

    return one


PERFECT = {
    10: 1430, 20: 1430, 30: 5700, 60: 2870, 120: 1430, 300: 574, 600: 286, 900: 190, 1200: 142, 1800: 94, 3600: 46,
    5400: 30,
}  # fmt: skip


def test_what_a_perfect_timer_reaches_in_a_day(evidence):
    assert evidence(*map(timer, PERFECT)) == pytest.approx(list(PERFECT.values()), rel=0.02)


def test_periods_above_two_hours_and_a_half_are_missed(evidence):
    assert evidence(timer(7200, jitter=0.1), timer(9000)) == pytest.approx([21.7, 18], rel=0.02)
    assert evidence(timer(9700), timer(10800)) == [None, None]


def test_what_jitter_costs_a_timer_of_five_minutes(evidence):
    flows = [timer(300, jitter=jitter) for jitter in (0.2, 0.5, 0.8, 0.9)]
    assert evidence(*flows) == pytest.approx([530, 375, 190, 140], rel=0.1)


def test_what_jitter_costs_slow_timers(evidence):
    half_hours = evidence(*(timer(1800, jitter=0.8, seed=seed) for seed in range(20)))
    hours = evidence(*(timer(3600, jitter=0.5, seed=seed) for seed in range(20)))
    for found, middle in ((half_hours, 30), (hours, 32)):
        assert sorted(filter(None, found))[9] == pytest.approx(middle, rel=0.2)
    assert half_hours.count(None) + hours.count(None) <= 2


def test_how_soon_a_perfect_timer_is_found(evidence):
    flows = [timer(60, until=1801), timer(120, until=1801), timer(300, until=3001), timer(600, until=7201)]
    assert evidence(*flows) == pytest.approx([60, 30, 20, 24], rel=0.02)
    assert evidence(timer(300, until=2401)) == [None]


def test_what_ten_check_ins_need(evidence):
    tight, loose = timer(300, jitter=0.25)[:10], timer(300, jitter=0.8)[:10]
    assert evidence(tight, tight[:9], loose) == [pytest.approx(16, rel=0.1), None, None]


@pytest.mark.parametrize(("period", "burst"), [(60, 60), (300, 20)])
def test_one_busy_minute_does_not_hide_a_timer(found, period, burst):
    (hit,) = found((timer(period), {}), ((DAY / 2 + second for second in range(burst)), {}))
    assert hit["Evidence"] > 500


def test_a_busy_hour_hides_a_timer_of_five_minutes_but_none_of_one(evidence):
    busy = [DAY / 2 + 20 * slot + 5 for slot in range(180)]
    minute, minutes = evidence(timer(60) + busy, timer(300) + busy)
    assert minute > 2000
    assert minutes is None


def test_busy_minutes_within_an_hour_hide_a_timer_that_leaves_no_slot_empty(found):
    hour = [second for second in timer(10) if second < 3000]
    busy = [[start + number / 2 for number in range(100)] for start in (605, 1205, 1805)]
    assert found((hour, {}), (busy[0], {}))
    assert found((hour, {}), *((minute, {}) for minute in busy)) == []


def test_several_connections_at_a_check_in_are_one(found):
    maker = random.Random(8)
    several = [moment + second for moment in timer(120, until=3001) for second in range(maker.randint(1, 4))]
    (hit,) = found((several, {}))
    assert hit["TotalConnections"] == len(several)
    assert hit["Evidence"] == pytest.approx(50)
    assert hit["SecondsPerCheckIn"] == pytest.approx(120)


def test_chance_is_not_taken_for_a_timer(found):
    """Two hundred destinations with purely random timing, twelve an hour, for four hours."""
    maker, traffic = random.Random(11), []
    for number in range(200):
        moments = [maker.uniform(0, 4 * 3600) for _ in range(48)]
        traffic.append((moments, {"DestinationIp": f"203.0.113.{number}"}))
    assert found(*traffic) == []


def test_sleep_within_the_window_costs_no_more_than_its_check_ins(found):
    awake, again = timer(300, start=600, until=8.25 * 3600), timer(300, start=22.2 * 3600)
    (hit,) = found((awake + again, {}))
    assert hit["Evidence"] == pytest.approx(230, rel=0.02)
    assert hit["ActiveHours"] == pytest.approx(9.6, abs=0.3)
    assert hit["SecondsPerCheckIn"] == pytest.approx(300, abs=0.01)


def test_three_visitors_silence_a_hit(found):
    beacon = (timer(300), {})
    (hit,) = found(beacon, *(([DAY / 2], {"Computer": f"analyst-{number}"}) for number in range(2)))
    assert hit["Hosts"] == 3
    assert found(beacon, *(([DAY / 2], {"Computer": f"analyst-{number}"}) for number in range(3))) == []


def test_random_requests_that_keep_a_distance_are_seldom_even_enough(evidence):
    flows = []
    for seed in range(12):
        maker, moments, moment = random.Random(seed), [], 0.0
        while moment < 4 * 3600:
            moments.append(moment)
            moment += 30 + maker.expovariate(1 / 30)
        flows.append(moments)
    found = list(filter(None, evidence(*flows)))
    assert 1 <= len(found) <= 6
    assert all(90 < one < 130 for one in found)


@pytest.mark.parametrize(("hours", "evidence"), [(1, 84), (2, 21), (3, 14), (4, 9.7), (6, 14)])
def test_the_hunt_over_a_week_finds_what_a_day_is_too_short_for(found, hours, evidence):
    (hit,) = found((timer(hours * 3600, start=60, until=7 * DAY), {}), reference=HUNTS / "slow_beacon.yaml")
    assert hit["HoursPerConnection"] == pytest.approx(hours)
    assert hit["Evidence"] == pytest.approx(evidence, rel=0.1)


@pytest.mark.parametrize("hours", [8, 12])
def test_twice_and_thrice_a_day_are_beyond_it(found, hours):
    assert found((timer(hours * 3600, start=60, until=7 * DAY), {}), reference=HUNTS / "slow_beacon.yaml") == []


def test_a_rare_program_is_found_wherever_it_connects_to(found):
    moving = [
        ([moment], {"DestinationIp": f"203.0.113.{10 + number // 9}"}) for number, moment in enumerate(timer(300))
    ]
    assert found(*moving) == []
    (hit,) = found(*moving, reference=HUNTS / "rhythm_of_a_rare_program.yaml")
    assert hit["Image"].endswith("bot.exe")
    assert (hit["Hosts"], hit["TotalConnections"]) == (1, 288)


def test_a_program_that_four_hosts_have_is_not_rare(found):
    everywhere = [(timer(300), {"Computer": f"ws-{number}"}) for number in range(4)]
    assert found(*everywhere, reference=HUNTS / "rhythm_of_a_rare_program.yaml") == []


@pytest.mark.parametrize("name", ["falcon", "fdr", "sysmon_json", "asim", "splunk_sysmon"])
def test_every_exclusion_of_the_guide_converts_alone(name):
    package = read_package(FOLDER)
    filters = [as_filter(package, index) for index in range(len(package.guide.false_positives))]
    assert len([one for one in filters if one]) == 4
    for one in filter(None, filters):
        rules = SigmaCollection.from_dicts([*(dict(value) for _, value in package.documents), one])
        (query,) = backends[platform(name).targets[0]](pipelines[name]()).convert(rules)
        assert "198.51.100." in query
