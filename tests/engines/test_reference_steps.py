"""Measures and steps on the oracle, from the semantics table of the design."""

from __future__ import annotations

import math
import statistics

import pytest

from polysigma.engines.reference import evaluate
from polysigma.plan.expressions import (
    TRUE,
    Arithmetic,
    Call,
    Column,
    Comparison,
    Constant,
    Exists,
    In,
    ListLiteral,
    TextMatch,
)
from polysigma.plan.steps import (
    Annotate,
    Derive,
    Group,
    Measure,
    Plan,
    Previous,
    Score,
    Select,
    Sort,
    Source,
    Take,
    Where,
)
from polysigma.plan.types import Type

TYPES = {
    "Computer": Type.TEXT,
    "Image": Type.TEXT,
    "Other": Type.TEXT,
    "Port": Type.INTEGER,
    "Bytes": Type.REAL,
    "Ip": Type.ADDRESS,
    "Flag": Type.BOOLEAN,
    "EventTime": Type.TIME,
}
A, B = Column("Bytes"), Column("Port")


def plan(*steps, where=TRUE, window=3600, **more):
    source = Source("rule", where, types=TYPES)
    return Plan("name", "title", more.pop("sources", (source,)), steps, window, **more)


def measure(function, rows, value=None, condition=None, constant=None):
    done = evaluate(plan(Group((), (Measure("M", function, value, condition, constant),))), rows)
    return done[0]["M"]


def of(column, *values):
    return [{column: item} for item in values]


# stdev of the sample; percentile and median exact here.


def test_a_standard_deviation_is_of_the_sample_and_missing_for_less_than_two():
    rows = of("Bytes", 2, 4, 4, 4, 5, 5, 7, 9, None)
    assert measure("stdev", rows, A) == pytest.approx(math.sqrt(32 / 7))
    assert measure("stdev", of("Bytes", 2, None), A) is None
    assert measure("stdev", of("Bytes", 3, 3), A) == 0


def test_median_and_percentile_are_exact_with_linear_interpolation():
    assert measure("median", of("Bytes", 4, 1, 3, 2), A) == 2.5
    assert measure("median", of("Bytes", 5, None, 1, 3), A) == 3
    rows = of("Bytes", *range(1, 12))
    assert measure("percentile", rows, A, constant=90) == 10
    assert measure("percentile", rows, A, constant=0) == 1
    assert measure("percentile", rows, A, constant=100) == 11
    assert measure("percentile", of("Bytes", 10, 20), A, constant=25) == 12.5
    values = [3.5, 1.25, 9, 4, 4, 8]
    cuts = statistics.quantiles(values, n=20, method="inclusive")
    assert measure("percentile", of("Bytes", *values), A, constant=95) == pytest.approx(cuts[-1])


# The other measures.


def test_measures_leave_out_missing_values():
    rows = of("Bytes", 1, None, "", "x", 3)
    assert measure("sum", rows, A) == 4
    assert measure("min", rows, A) == 1
    assert measure("max", rows, A) == 3
    assert measure("avg", rows, A) == 2
    assert measure("distinct", rows, A) == 2


@pytest.mark.parametrize(
    "function", ["sum", "min", "max", "avg", "median", "percentile", "stdev", "first", "last", "any_value", "collect"]
)
def test_a_measure_of_no_values_is_missing(function):
    assert measure(function, of("Bytes", None, ""), A, constant=5) is None


def test_a_count_of_no_values_is_zero():
    assert measure("distinct", of("Bytes", None), A) == 0
    assert measure("count_if", of("Port", 2), condition=Comparison(">", B, Constant(5))) == 0


def test_conditional_measures_take_the_rows_that_meet_the_condition():
    rows = [{"Port": 1, "Image": "a"}, {"Port": 9, "Image": "b"}, {"Port": 9, "Image": "c"}, {"Image": "d"}]
    high = Comparison(">", B, Constant(5))
    assert measure("count_if", rows, condition=high) == 2
    assert measure("distinct_if", rows, Column("Image"), high) == 2


def test_a_sum_of_reals_does_not_depend_on_their_order():
    values = [1e16, 1.0, -1e16, 0.1]
    assert measure("sum", of("Bytes", *values), A) == measure("sum", of("Bytes", *sorted(values)), A) == 1.1


def test_collect_gives_different_values_in_order_of_text_up_to_its_limit():
    rows = of("Image", "b", "a", "", "B", "a", None, "c")
    assert measure("collect", rows, Column("Image"), constant=10) == ["B", "a", "b", "c"]
    assert measure("collect", rows, Column("Image"), constant=2) == ["B", "a"]
    assert measure("collect", of("Port", 443, 80), B, constant=5) == ["443", "80"]
    assert measure("collect", of("Flag", 1, 0), Column("Flag"), constant=5) == ["false", "true"]


def test_collecting_lists_opens_them():
    inner = Group(("Computer", "Port"), (Measure("Images", "collect", Column("Image"), None, 5),))
    outer = Group(("Computer",), (Measure("Images", "collect", Column("Images"), None, 5),))
    rows = [
        {"Computer": "h", "Port": 1, "Image": "a"},
        {"Computer": "h", "Port": 2, "Image": "b"},
        {"Computer": "h", "Port": 2, "Image": "a"},
    ]
    assert evaluate(plan(inner, outer), rows) == [{"Computer": "h", "Images": ["a", "b"]}]


def test_first_and_last_go_by_time_and_take_rows_that_have_a_value():
    rows = [
        {"EventTime": 30, "Image": "c"},
        {"EventTime": 10, "Image": ""},
        {"EventTime": 20, "Image": "b"},
        {"EventTime": None, "Image": "x"},
        {"EventTime": 40, "Image": None},
    ]
    assert measure("first", rows, Column("Image")) == "b"
    assert measure("last", rows, Column("Image")) == "c"


def test_any_value_is_one_that_is_there():
    assert measure("any_value", of("Image", "", None, "b"), Column("Image")) == "b"


# Steps.


def test_a_score_is_that_of_the_first_case_that_holds_else_zero():
    score = Score("S", ((3, Comparison(">", B, Constant(9))), (1, Comparison(">", B, Constant(4)))))
    assert [row["S"] for row in evaluate(plan(score), of("Port", 10, 5, 1, None))] == [3, 1, 0, 0]


def test_sorting_puts_missing_values_last_either_way_and_is_stable():
    rows = [{"Port": port, "Image": image} for port, image in ((2, "a"), (None, "b"), (1, "c"), (2, "d"), (10, "e"))]

    def order(*columns):
        return "".join(row["Image"] for row in evaluate(plan(Sort(columns)), rows))

    assert order(("Port", False)) == "cadeb"
    assert order(("Port", True)) == "eadcb"
    assert order(("Port", True), ("Image", True)) == "edacb"


def test_take_keeps_the_first_rows():
    assert len(evaluate(plan(Take(2)), of("Port", 1, 2, 3))) == 2


def test_select_keeps_columns_in_order():
    [row] = evaluate(plan(Select(("Port", "Image", "Other"))), [{"Image": "a", "Port": 1, "Computer": "x"}])
    assert list(row.items()) == [("Port", 1), ("Image", "a"), ("Other", None)]


def test_a_later_derived_column_may_use_an_earlier_one():
    derive = Derive(
        (("Double", Arithmetic("*", B, Constant(2))), ("Four", Arithmetic("*", Column("Double"), Constant(2))))
    )
    assert evaluate(plan(derive, Where(Comparison("=", Column("Four"), Constant(12)))), of("Port", 3, 4)) == [
        {"Port": 3, "Double": 6, "Four": 12}
    ]


def test_annotate_adds_to_every_row_and_leaves_their_order():
    rows = [
        {"Computer": "a", "Ip": "192.0.2.1"},
        {"Computer": "b", "Ip": "192.0.2.2"},
        {"Computer": "c", "Ip": "192.0.2.1"},
    ]
    found = evaluate(plan(Annotate(("Ip",), (Measure("Hosts", "distinct", Column("Computer")),))), rows)
    assert [(row["Computer"], row["Hosts"]) for row in found] == [("a", 2), ("b", 1), ("c", 2)]


def test_no_rows_make_no_group_even_without_a_key():
    assert evaluate(plan(Group((), (Measure("N", "count"),))), []) == []


def test_every_source_is_tried_on_every_row_and_names_its_rule():
    low = Source("low", Comparison("<", B, Constant(10)), types=TYPES)
    even = Source("even", In(B, ListLiteral((2, 20))), types=TYPES)
    rows = evaluate(plan(sources=(low, even)), of("Port", 1, 2, 20, 21))
    assert [(row["Port"], row["Rule"]) for row in rows] == [(1, "low"), (2, "low"), (2, "even"), (20, "even")]


def test_the_event_filter_holds_before_columns_are_derived_and_the_condition_after():
    source = Source(
        "r",
        TextMatch(Column("Name"), ("b.exe",)),
        event=(In(Column("Kind"), ListLiteral(("Process",)), cased=True), Exists(Column("Path"))),
        derived=(("Name", Call("base_name", (Column("Path"),))),),
    )
    rows = [
        {"Kind": "Process", "Path": r"C:\B.EXE"},
        {"Kind": "process", "Path": r"C:\b.exe"},
        {"Kind": "Process", "Path": ""},
        {"Kind": "Process", "Path": r"C:\c.exe"},
    ]
    assert [row["Name"] for row in evaluate(plan(sources=(source,)), rows)] == ["B.EXE"]


def test_rows_that_are_given_stay_as_they_are():
    rows = of("Port", "1")
    evaluate(plan(Derive((("X", TRUE),))), rows)
    assert rows == [{"Port": "1"}]


def test_an_unknown_measure_is_an_error():
    with pytest.raises(ValueError, match="no measure"):
        measure("mode", [], A)


# previous


def test_each_row_knows_the_value_before_its_own_among_those_of_its_key():
    rows = [
        {"Computer": computer, "Port": 1, "EventTime": time, "Bytes": bytes_sent}
        for computer, time, bytes_sent in (("a", 50, 1), ("b", 20, 2), ("a", 10, 3), ("A", 30, 4), ("a", 40, 5))
    ]
    done = evaluate(plan(Previous(("Computer", "Port"), "EventTime", "Before")), rows)
    assert {row["Bytes"]: row["Before"] for row in done} == {3: None, 5: 10, 1: 40, 2: None, 4: None}


def test_rows_that_miss_a_key_or_the_value_have_no_place_in_the_order():
    rows = [
        {"Computer": "a", "EventTime": 10},
        {"Computer": "a", "EventTime": None},
        {"Computer": None, "EventTime": 15},
        {"Computer": "a", "EventTime": 20},
    ]
    done = evaluate(plan(Previous(("Computer",), "EventTime", "Before")), rows)
    assert [(row["EventTime"], row["Before"]) for row in done] == [(10, None), (20, 10)]
