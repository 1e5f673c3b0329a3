"""Sigma's |minute, |hour, |day, |week, |month and |year in every language.

Each query, run by its engine, finds the events whose time has that part in UTC, by Python's calendar and by the naive
reading of Sigma (`naive.py`).
"""

from __future__ import annotations

import importlib.util
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sigma.collection import SigmaCollection
from sigma.exceptions import SigmaError

from polysigma.engines.runners import Data, runner
from polysigma.engines.runners.kql import ROW
from polysigma.engines.spl import evaluate as spl
from polysigma.plan.functions import TIME_PARTS
from sigma.backends.polysigma import KqlBackend, LogScaleBackend, SplBackend, SqlBackend
from sigma.pipelines.polysigma import pipelines

from . import naive

MOMENTS = [
    # Around the ends of days and years: 2020 and 2026 have an ISO week 53, 2024-12-30 is in the first of 2025.
    *[
        "1999-12-31 23:59:59",
        "2000-02-29 00:00:00",
        "2020-12-31 12:30:00",
        "2021-01-03 23:59:59",
        "2021-01-04 00:00:00",
    ],
    *[
        "2024-02-29 22:05:09",
        "2024-12-29 23:59:59",
        "2024-12-30 00:00:00",
        "2025-06-30 09:59:59",
        "2025-06-30 10:00:00",
    ],
    *[
        "2026-12-31 13:59:59",
        "2027-01-01 14:00:00",
        "2027-03-28 01:30:00",
        "2027-10-31 01:30:00",
        "2030-10-10 10:10:10",
    ],
]
TARGETS = {
    "falcon": (LogScaleBackend, "logscale", "falcon"),
    "defender": (KqlBackend, "kql", "defender"),
    "splunk_sysmon": (SplBackend, "spl", "splunk_sysmon"),
    "sysmon_json": (SqlBackend, "sql", "sysmon"),
}
DAYS = [10, 31]
VALUES = {
    "minute": [0, 10, 59],
    "hour": [0, 10, 22],
    "day": DAYS,
    "week": [1, 26, 53],
    "month": [2, 12],
    "year": [2021],
}


def collection(selection, condition="selection"):
    logsource = {"category": "process_creation", "product": "windows"}
    rule = {"title": "A rule", "logsource": logsource, "detection": {"selection": selection, "condition": condition}}
    return SigmaCollection.from_dicts([rule])


def query(platform, selection, condition="selection"):
    options = {"table": "events"} if platform == "sysmon_json" else {}
    backend = TARGETS[platform][0](pipelines[platform](), **options)
    (text,) = backend.convert(collection(selection, condition))
    return text


def row(platform, moment, number):
    """An event as each platform writes it down."""
    seconds = int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp())
    match platform:
        case "falcon":
            own = {"#event_simpleName": "ProcessRollup2", "event_platform": "Win", "ContextTimeStamp": f"{seconds}.250"}
            return {**own, "CommandLine": str(number)}
        case "defender":
            return {"$table": "DeviceProcessEvents", "ActionType": "ProcessCreated", "Timestamp": f"{moment}.25"}
        case "splunk_sysmon":
            own = {"_time": seconds + 0.25, "source": "XmlWinEventLog:Microsoft-Windows-Sysmon/Operational"}
            channel = "Microsoft-Windows-Sysmon/Operational"
            return {**own, "EventCode": "1", "Channel": channel, "CommandLine": str(number)}
        case _:
            return {"EventID": "1", "UtcTime": f"{moment}.250", "CommandLine": str(number)}


def found(platform, text, moments):
    """The numbers of the moments that a query finds."""
    _, target, schema = TARGETS[platform]
    rows = [row(platform, moment, number) for number, moment in enumerate(moments)]
    column = ROW if platform == "defender" else "CommandLine"
    with runner(target).store(Data(schema, rows, [0.0] * len(rows)), text) as store:
        (result,) = store.run(text, [None])
    return sorted(int(one[column]) for one in result.rows)


def wanted(selection, condition, moments):
    (rule,) = collection(selection, condition).rules
    (parsed,) = [one.parsed for one in rule.detection.parsed_condition]
    return [number for number, moment in enumerate(moments) if naive.holds(parsed, {"UtcTime": moment})]


@pytest.fixture(params=TARGETS)
def platform(request):
    if request.param == "defender" and importlib.util.find_spec("duckdb_kql") is None:
        pytest.skip("duckdb-kql runs KQL and is not installed")
    return request.param


@pytest.mark.parametrize("part", TIME_PARTS)
def test_a_part_of_the_time_of_an_event_is_that_in_utc(part, platform):
    texts = {
        "minute": lambda moment: moment.minute,
        "hour": lambda moment: moment.hour,
        "day": lambda moment: moment.day,
        "week": lambda moment: int(moment.strftime("%V")),
        "month": lambda moment: moment.month,
        "year": lambda moment: moment.year,
    }
    told = [texts[part](datetime.fromisoformat(moment)) for moment in MOMENTS]
    values = VALUES[part]
    tests = {
        "": lambda one: one == values[0],
        "|gte": lambda one: one >= values[-1],
        "|gt": lambda one: one > values[-1],
        "|lt": lambda one: one < values[-1],
        "|lte": lambda one: one <= values[-1],
        "|neq": lambda one: one != values[0],
    }
    for modifier, test in tests.items():
        value = values[0] if modifier in {"", "|neq"} else values[-1]
        text = query(platform, {f"UtcTime|{part}{modifier}": value})
        assert found(platform, text, MOMENTS) == [n for n, one in enumerate(told) if test(one)], text
    text = query(platform, {f"EventTime|{part}": values})
    assert found(platform, text, MOMENTS) == [n for n, one in enumerate(told) if one in values], text
    text = query(platform, {f"UtcTime|{part}": values}, "not selection")
    assert found(platform, text, MOMENTS) == [n for n, one in enumerate(told) if one not in values], text


ITEMS = st.sampled_from(TIME_PARTS).flatmap(
    lambda part: st.one_of(
        st.tuples(
            st.sampled_from(["", "|neq", "|gt", "|gte", "|lt", "|lte"]).map(lambda order: f"UtcTime|{part}{order}"),
            st.sampled_from(VALUES[part]),
        ),
        st.tuples(st.just(f"UtcTime|{part}"), st.lists(st.sampled_from(VALUES[part]), min_size=2, max_size=3)),
    )
)
CONDITIONS = ["selection", "not selection", "1 of selection*", "not 1 of selection*"]


@settings(max_examples=15, deadline=None)
@given(
    selection=st.lists(ITEMS, min_size=1, max_size=3).map(dict),
    condition=st.sampled_from(CONDITIONS),
    more=st.lists(st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1)), max_size=4),  # noqa: DTZ001
)
@pytest.mark.parametrize("name", ["falcon", "splunk_sysmon", "sysmon_json"])
def test_random_parts_of_times_mean_what_sigma_says(name, selection, condition, more):
    moments = [*MOMENTS, *(moment.strftime("%Y-%m-%d %H:%M:%S") for moment in more)]
    text = query(name, selection, condition)
    assert found(name, text, moments) == wanted(selection, condition, moments), text


@pytest.mark.parametrize("hours", [-10, -9.5, -3, 0, 5.75, 12, 13, 13.75])
@pytest.mark.parametrize("part", ["day", "week", "month", "year"])
def test_a_date_in_splunk_is_that_of_utc_whatever_the_time_zone_of_the_search(monkeypatch, hours, part):
    """`strftime` writes in the time zone of whoever searches; the query says so of the zones beyond these."""
    zone = timezone(timedelta(hours=hours))
    text = query("splunk_sysmon", {f"UtcTime|{part}": VALUES[part]})
    expected = found("splunk_sysmon", text, MOMENTS)

    def written(value, form):
        return datetime.fromtimestamp(float(value), zone).strftime(form)

    monkeypatch.setitem(spl._FUNCTIONS, "strftime", written)
    assert found("splunk_sysmon", text, MOMENTS) == expected
    assert f"approximate: what is asked of dates ({part}) is that of UTC where the time zone of the search" in text


@pytest.mark.parametrize("part", ["minute", "hour"])
def test_a_clock_in_splunk_needs_no_time_zone(part):
    assert "strftime" not in query("splunk_sysmon", {f"UtcTime|{part}": 3})
    assert "time zone" not in query("splunk_sysmon", {f"UtcTime|{part}": 3})


@pytest.mark.parametrize("name", TARGETS)
def test_a_part_of_what_is_no_time_is_refused_by_rule_and_field(name):
    for modifier in ("hour", "week|gte"):
        with pytest.raises(SigmaError, match="is a part of a time, and this is a") as caught:
            query(name, {f"CommandLine|{modifier}": 3})
        assert str(caught.value).startswith('rule "A rule": ')
        assert "ask it of UtcTime" in str(caught.value)


@pytest.mark.parametrize("name", ["falcon", "defender"])
def test_the_time_of_an_event_is_still_no_text_and_no_number(name):
    with pytest.raises(SigmaError, match="UtcTime"):
        query(name, {"UtcTime|startswith": "2024"})
    with pytest.raises(SigmaError, match="EventTime"):
        query(name, {"EventTime|gte": 3})
