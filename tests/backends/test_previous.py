"""What queries say of the row before, and of times, where a language or a platform does not know all of them."""

from __future__ import annotations

from copy import deepcopy

import pytest
from sigma.collection import SigmaCollection

from polysigma.engines.cql import run_cql
from sigma.backends.polysigma import backends
from sigma.pipelines.polysigma import pipelines

BASE = {
    "title": "Connections",
    "name": "base",
    "logsource": {"category": "network_connection", "product": "windows"},
    "detection": {"s": {"Initiated": "true"}, "condition": "s"},
}
BACK = {"previous": {"by": ["Computer"], "column": "Slot", "as": "Before"}}
COUNTED = {"group": {"by": ["Computer"], "measures": {"Rows": "count()", "Known": "count_if(Before is not null)"}}}
CUT = "of a key the first 20,000 rows are kept, the limit of sort(); those after them are left out"
TIMES = "a row tells one time for 1h of events, so that their first and last times are off by as much"


def query(target, pipeline, bucket, measures, *steps, form="rule"):
    correlation = {
        "title": "Steps", "name": "steps",
        "correlation": {
            "type": "event_count", "rules": ["base"], "group-by": ["Computer"], "timespan": "24h",
            "condition": {"gte": 1},
        },
        "polysigma": {"version": 1, "schedule": {"every": "1h"}, "steps": [
            {"bucket": {"Slot": bucket}},
            {"group": {"by": ["Computer", "Slot"], "measures": measures}},
            *steps,
        ]},
    }  # fmt: skip
    backend = backends[target](pipelines[pipeline](), form=form)
    return backend.convert(SigmaCollection.from_dicts([deepcopy(BASE), correlation]))[-1]


@pytest.mark.parametrize(("bucket", "said"), [("4s", True), ("5s", False)])
def test_where_a_key_can_have_more_than_20_000_buckets_logscale_leaves_some_out_and_says_so(bucket, said):
    text = query("logscale", "falcon", bucket, {"N": "count()"}, BACK, COUNTED)
    assert (CUT in text) is said
    assert CUT not in query("logscale", "falcon", bucket, {"N": "count()"})
    assert CUT not in query("spl", "splunk_sysmon", bucket, {"N": "count()"}, BACK, COUNTED)


@pytest.mark.parametrize(("slots", "kept", "incomplete"), [(20_000, 20_000, False), (20_001, 20_000, True)])
def test_it_leaves_out_what_the_head_of_the_query_says(slots, kept, incomplete):
    text = query("logscale", "falcon", "4s", {"N": "count()"}, BACK, COUNTED)
    rows = [
        {
            "#event_simpleName": "NetworkConnectIP4",
            "event_platform": "Win",
            "cid": "c",
            "aid": "a",
            "ContextTimeStamp": str(1_772_445_600 + 4 * slot),
        }
        for slot in range(slots)
    ]
    result = run_cql(text, rows)
    (row,) = result.rows
    assert (float(row["Rows"]), float(row["Known"]), result.incomplete) == (kept, kept - 1, incomplete)


@pytest.mark.parametrize("measure", ["min(EventTime)", "last(EventTime)", "count_if(EventTime > Slot)"])
def test_a_platform_whose_rows_stand_for_an_hour_says_that_times_are_no_finer(measure):
    measures = {"N": "count()", "Other": measure}
    assert TIMES in query("kql", "defender", "1h", measures)
    assert TIMES not in query("kql", "asim", "1h", measures)


def test_it_says_nothing_of_times_where_no_time_is_read():
    assert TIMES not in query("kql", "defender", "1h", {"N": "count()"}, BACK, COUNTED)
