"""Sums and products of recorded whole numbers say what becomes of them where they have no room; others say nothing."""

from __future__ import annotations

from copy import deepcopy

import duckdb
import pytest
from sigma.collection import SigmaCollection

from sigma.backends.polysigma import backends
from sigma.pipelines.polysigma import pipelines

NETWORK = {
    "title": "Connections",
    "name": "base",
    "logsource": {"category": "network_connection", "product": "windows"},
    "detection": {"s": {"Initiated": "true"}, "condition": "s"},
}
PROCESS = {
    "title": "Processes",
    "name": "base",
    "logsource": {"category": "process_creation", "product": "windows"},
    "detection": {"s": {"Image|endswith": "\\a.exe"}, "condition": "s"},
}
ROUNDED = "of ProcessId can be rounded beyond 9,007,199,254,740,992 (2^53)"
ERROR = "of ProcessId ends the query with an error beyond 9,223,372,036,854,775,807 (2^63)"
PLACES = {
    "logscale": ("falcon", {}, ROUNDED),
    "spl": ("splunk_sysmon", {}, ROUNDED),
    "kql": ("defender", {}, ERROR),
    "duckdb": ("sysmon_json", {"table": "events"}, ERROR),
    "spark": ("sysmon_json", {"table": "events", "dialect": "spark"}, f"{ERROR}; it wraps around there where"),
}
NOTE = "a number calculated of"


def query(language, base, measure, *steps, keys=(), form="hunt"):
    pipeline, options, _ = PLACES[language]
    correlation = {
        "title": "Steps",
        "name": "steps",
        "correlation": {
            "type": "event_count", "rules": ["base"], "group-by": ["Computer"], "timespan": "24h",
            "condition": {"gte": 1},
        },
        "polysigma": {"version": 1, "steps": [
            {"group": {"by": ["Computer", *keys], "measures": {"N": measure}}},
            *steps,
        ]},
    }  # fmt: skip
    backend = backends["sql" if options else language](pipelines[pipeline](), accept="blind", form=form, **options)
    return backend.convert(SigmaCollection.from_dicts([deepcopy(base), correlation]))[-1]


@pytest.mark.parametrize("language", PLACES)
@pytest.mark.parametrize("measure", ["sum(ProcessId)", "max(ProcessId + 1)", "max(ProcessId * ProcessId)"])
def test_what_is_calculated_of_recorded_numbers_says_what_becomes_of_great_ones(language, measure):
    assert f"{NOTE[:-2]}{PLACES[language][2]}" in query(language, PROCESS, measure)


@pytest.mark.parametrize("language", PLACES)
def test_so_does_what_a_later_step_calculates_of_a_measure(language):
    said = query(language, PROCESS, "max(ProcessId)", {"derive": {"Twice": "2 * N"}})
    assert PLACES[language][2].replace("of ProcessId", "of N") in said


@pytest.mark.parametrize("language", PLACES)
def test_so_does_what_a_column_of_the_same_step_calculates(language):
    steps = ({"derive": {"Halved": "N / 2", "Twice": "2 * N", "Again": "Twice + Halved", "Square": "Twice * Twice"}},)
    said = query(language, PROCESS, "max(ProcessId)", *steps)
    assert PLACES[language][2].replace("of ProcessId", "of Twice") in said


@pytest.mark.parametrize("language", PLACES)
@pytest.mark.parametrize(
    "measure", ["count()", "sum(DestinationPort)", "max(SourcePort * DestinationPort)", "sum(if(ProcessId > 4, 1, 0))"]
)
def test_what_no_window_makes_great_says_nothing(language, measure):
    base = PROCESS if "ProcessId" in measure else NETWORK
    again = {"group": {"by": ["Computer"], "measures": {"Total": "sum(N)"}}}
    key = "Image" if base is PROCESS else "DestinationIp"
    steps = () if "*" in measure else (again,)
    assert NOTE not in query(language, base, measure, *steps, keys=[key])


@pytest.mark.parametrize("language", PLACES)
def test_a_sum_of_what_stands_on_every_row_is_no_part_of_a_sum(language):
    """A port by all events, on each event's row and summed up: the number of events comes in twice."""
    steps = (
        {"annotate": {"by": ["Computer"], "measures": {"All": "sum(N)"}}},
        {"group": {"by": ["Computer"], "measures": {"Total": "sum(All)"}}},
    )
    assert f"{NOTE} All" in query(language, NETWORK, "sum(DestinationPort)", *steps, keys=["DestinationIp"])


@pytest.mark.parametrize(("second", "fits"), [(0, True), (1, False)])
def test_duckdb_ends_with_an_error_where_a_sum_has_no_room(second, fits):
    text = query("duckdb", PROCESS, "sum(ProcessId)", form="rule")
    rows = ", ".join(
        f"('Microsoft-Windows-Sysmon/Operational', 1, 'h', 'C:\\a.exe', {number}, '2026-03-02 10:00:00.000')"
        for number in (2**63 - 1, second)
    )
    names = "Channel, EventID, Computer, Image, ProcessId, UtcTime"
    with duckdb.connect() as database:
        database.execute(f"CREATE TABLE events AS SELECT * FROM (VALUES {rows}) AS made({names})")
        if fits:
            assert 2**63 - 1 in database.execute(text).fetchone()
        else:
            with pytest.raises(duckdb.Error, match="out of range"):
                database.execute(text).fetchall()
