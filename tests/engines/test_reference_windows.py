"""A plan over time on the oracle: when it is evaluated, and what is reported."""

from __future__ import annotations

from polysigma.engines.reference import slide
from polysigma.plan.expressions import (
    TRUE,
    Column,
    Comparison,
    Constant,
    TextMatch,
)
from polysigma.plan.steps import (
    Bucket,
    Group,
    Measure,
    Plan,
    Schedule,
    Source,
    Where,
)
from polysigma.plan.types import Type

TYPES = {"Computer": Type.TEXT, "EventTime": Type.TIME}


def plan(*steps, where=TRUE, window=3600, **more):
    source = Source("rule", where, types=TYPES)
    return Plan("name", "title", more.pop("sources", (source,)), steps, window, **more)


def counting(**more):
    return plan(Group(("Computer",), (Measure("N", "count"),)), **more)


def at(*times, computer="h"):
    return [{"Computer": computer, "EventTime": time} for time in times]


def test_a_plan_slides_over_multiples_of_every_until_the_first_after_the_last_event():
    hits = slide(counting(window=20, schedule=Schedule(10)), at(5, 12, 30))
    assert [(hit.time, hit.row["N"]) for hit in hits] == [(10, 1), (20, 2), (30, 1), (40, 1)]
    assert all(hit.key == ("h",) for hit in hits)


def test_an_event_on_an_edge_belongs_to_the_window_that_begins_there():
    hits = slide(counting(window=10, schedule=Schedule(10)), at(10, 19.999, 20))
    assert [(hit.time, hit.row["N"]) for hit in hits] == [(20, 2), (30, 1)]


def test_rows_that_match_nothing_do_not_prolong_the_data():
    source = Source("r", TextMatch(Column("Computer"), ("h",)), types=TYPES)
    rows = at(5) + at(32, computer="other")
    hits = slide(counting(sources=(source,), window=30, schedule=Schedule(10)), rows)
    assert [hit.time for hit in hits] == [10]


def test_a_key_is_found_by_every_window_that_holds_its_events():
    source = Source("r", TRUE, types=TYPES)
    hits = slide(counting(sources=(source,), window=30, schedule=Schedule(10)), at(5) + at(42, computer="g"))
    assert [(hit.time, *hit.key) for hit in hits] == [(10, "h"), (20, "h"), (30, "h"), (50, "g")]


def test_a_key_is_reported_once_a_quiet_period_from_the_last_report():
    rows = at(*range(0, 100, 10)) + at(15, computer="g")
    hits = slide(counting(window=20, schedule=Schedule(10), quiet=30), rows)
    assert [(hit.time, *hit.key) for hit in hits] == [(10, "h"), (20, "g"), (40, "h"), (70, "h"), (100, "h")]


def test_without_a_schedule_a_plan_runs_once_a_window():
    assert [hit.time for hit in slide(counting(window=60), at(5, 70))] == [60, 120]


def test_the_whole_of_the_data_can_be_one_window():
    [hit] = slide(counting(window=10, schedule=Schedule(10)), at(5, 5000, None), whole=True)
    assert (hit.time, hit.row["N"]) == (None, 3)


def test_rows_out_of_order_and_rows_without_a_time_change_no_window():
    rows = at(12, None, 5, "", 30)
    hits = slide(counting(window=20, schedule=Schedule(10)), rows)
    assert [(hit.time, hit.row["N"]) for hit in hits] == [(10, 1), (20, 2), (30, 1), (40, 1)]


def test_a_key_is_that_of_the_last_group():
    steps = (
        Bucket("Hour", 10),
        Group(("Computer", "Hour"), (Measure("N", "count"),)),
        Group(("Computer",), (Measure("Hours", "count"),)),
    )
    hits = slide(plan(*steps, window=20, schedule=Schedule(10)), at(1, 2, 11))
    assert [(hit.time, hit.key, hit.row["Hours"]) for hit in hits] == [(10, ("h",), 1), (20, ("h",), 2)]


def test_without_events_there_are_no_windows():
    assert slide(counting(window=10), []) == []
    assert slide(counting(window=10), at(None)) == []


def test_sliding_windows_find_what_straddles_a_tumbling_one():
    burst = at(8, 9, 11, 12)
    enough = Where(Comparison(">=", Column("N"), Constant(4)))
    group = Group(("Computer",), (Measure("N", "count"),))
    assert slide(plan(group, enough, window=10, schedule=Schedule(10)), burst) == []
    assert [hit.time for hit in slide(plan(group, enough, window=10, schedule=Schedule(5)), burst)] == [15]


def test_a_plan_without_a_window_hits_single_events():
    hits = slide(plan(window=None), at(5, 6))
    assert [hit.row["EventTime"] for hit in hits] == [5, 6]
