"""Rows that stand for several events: what lowering makes of measures, and when a plan counts at all."""

from __future__ import annotations

import pytest

from polysigma.engines.reference.evaluate import run
from polysigma.plan.expressions import Arithmetic, Case, Column, Comparison, Constant
from polysigma.plan.faults import PlanError
from polysigma.plan.lower import Binding, lower
from polysigma.plan.steps import Bucket, Derive, Group, Measure, Select, Where, counts_rows
from polysigma.plan.types import Type

BINDINGS = {"Computer": Binding(("Host",), Type.TEXT), "Bytes": Binding(("Bytes",), Type.INTEGER)}
WEIGHT = Column("EventWeight")
BUSY = Comparison(">", Column("Bytes"), Constant(5))
ROWS = [
    {"Host": "a", "Bytes": 3, "EventWeight": 10},
    {"Host": "a", "Bytes": 7, "EventWeight": 2},
    {"Host": "a", "Bytes": None, "EventWeight": 1},
]


def lowered(*measures, weighted=True):
    return lower((Group(("Computer",), measures),), BINDINGS, weighted=weighted)


def group_of(made):
    return next(step for step in made.steps if isinstance(step, Group))


@pytest.mark.parametrize(
    ("measure", "value", "result"),
    [
        (Measure("N", "count"), WEIGHT, 13),
        (Measure("N", "count_if", None, BUSY), Case(((BUSY, WEIGHT),), Constant(0)), 2),
        (Measure("N", "sum", Column("Bytes")), Arithmetic("*", Column("Bytes"), WEIGHT), 44),
    ],
    ids=["count", "count_if", "sum"],
)
def test_counting_is_a_sum_of_the_weight(measure, value, result):
    made = lowered(measure)
    assert group_of(made).measures == (Measure("N", "sum", value),)
    assert "EventWeight" in made.columns
    assert run(made.steps, ROWS)[0]["N"] == result


@pytest.mark.parametrize(("function", "result"), [("distinct", 2), ("min", 3), ("max", 7)])
def test_measures_that_do_not_count_stay(function, result):
    made = lowered(Measure("N", function, Column("Bytes")))
    assert "EventWeight" not in made.columns
    assert run(made.steps, ROWS)[0]["N"] == result


@pytest.mark.parametrize("function", ["avg", "stdev", "median"])
def test_a_mean_over_single_events_is_refused(function):
    with pytest.raises(PlanError, match="stand for several events each"):
        lowered(Measure("N", function, Column("Bytes")))


def test_after_the_first_group_rows_are_rows_again():
    steps = (
        Group(("Computer", "Bytes"), (Measure("N", "count"),)),
        Group(("Computer",), (Measure("Groups", "count"), Measure("Mean", "avg", Column("N")))),
    )
    assert run(lower(steps, BINDINGS, weighted=True).steps, ROWS) == [{"Host": "a", "Groups": 2, "Mean": 6.0}]


def test_without_a_weight_nothing_changes():
    assert group_of(lowered(Measure("N", "count"), weighted=False)).measures == (Measure("N", "count"),)


def test_the_name_of_the_weight_is_taken():
    with pytest.raises(PlanError, match="weight of a row"):
        lower((Derive((("EventWeight", Column("Bytes")),)),), BINDINGS, weighted=True)


COUNTED = Group(("Computer",), (Measure("N", "count"),))
BY_RULE = Group(("Computer", "Rule"), (Measure("Events", "count"),))
RULES = Group(("Computer",), (Measure("Rules", "count"),))
MANY = Where(Comparison(">=", Column("N"), Constant(3)))


@pytest.mark.parametrize(
    ("steps", "counts"),
    [
        ((COUNTED,), True),
        ((COUNTED, MANY), True),
        ((Group(("Computer",), (Measure("N", "distinct", Column("Bytes")),)), MANY), False),
        ((BY_RULE, RULES), False),
        ((BY_RULE, Where(Comparison(">", Column("Events"), Constant(1))), RULES), True),
        ((BY_RULE, Group(("Computer",), (Measure("Most", "max", Column("Events")),))), True),
        ((COUNTED, Derive((("Twice", Arithmetic("*", Column("N"), Constant(2))),)), Select(("Computer",))), False),
        ((Bucket("Hour", 3600), Group(("Computer", "Hour"), (Measure("N", "distinct", Column("Bytes")),))), True),
    ],
)
def test_a_plan_counts_where_a_number_of_rows_is_shown_or_decides(steps, counts):
    assert counts_rows(steps) is counts
