"""A staged plan must not report what the portable correlation of the same rule would miss."""

from __future__ import annotations

import pytest

from polysigma.plan.build import build
from polysigma.plan.metadata import read_metadata
from polysigma.plan.superset import Threshold, Verdict, implies
from polysigma.plan.types import Type

FIELDS = {"Computer": Type.TEXT, "DestinationIp": Type.ADDRESS, "QueryName": Type.TEXT, "EventTime": Type.TIME}
PER_HOUR = {"group": {"by": ["Computer", "DestinationIp", "Hour"], "measures": {"Hourly": "count()"}}}
BUCKET = {"bucket": {"Hour": "1h"}}
TOTALS = {
    "group": {"by": ["Computer", "DestinationIp"], "measures": {"Total": "sum(Hourly)", "Hours": "count()"}},
}


def verdict(*steps: dict, least: int = 20, keys: tuple[str, ...] = ("Computer", "DestinationIp")) -> Verdict:
    built = build(read_metadata({"version": 1, "steps": list(steps)}), FIELDS, 86400)
    return implies(built.steps, Threshold("events", keys, least))


def test_a_sum_of_counts_over_the_same_keys_implies_the_count():
    assert verdict(BUCKET, PER_HOUR, TOTALS, {"where": "Total >= 20"}).holds


def test_a_greater_than_implies_one_more():
    assert verdict(BUCKET, PER_HOUR, TOTALS, {"where": "Total > 19"}).holds


def test_a_filter_on_the_hourly_counts_implies_at_least_that_many_in_all():
    assert verdict(BUCKET, PER_HOUR, {"where": "Hourly >= 20"}, TOTALS).holds


def test_the_number_of_groups_is_a_bound_too_as_each_has_at_least_one_event():
    assert verdict(BUCKET, PER_HOUR, TOTALS, {"where": "Hours >= 20"}).holds


def test_a_lower_threshold_is_refuted_and_says_by_which_column():
    found = verdict(BUCKET, PER_HOUR, TOTALS, {"where": "Total >= 19"})
    assert not found.holds
    assert "a hit can have 19 events (Total >= 19), the correlation asks for 20" in found.reason


def test_a_filter_inside_an_or_shows_nothing():
    assert not verdict(BUCKET, PER_HOUR, TOTALS, {"where": "Total >= 20 or Hours >= 3"}).holds


def test_a_product_of_counts_is_no_bound():
    derived = {"derive": {"Twice": "Total * 2"}}
    assert not verdict(BUCKET, PER_HOUR, TOTALS, derived, {"where": "Twice >= 20"}).holds


def test_hits_that_are_coarser_than_the_correlation_s_keys_show_nothing():
    coarse = {"group": {"by": ["Computer"], "measures": {"Total": "count()"}}}
    found = verdict(coarse, {"where": "Total >= 20"})
    assert not found.holds
    assert "DestinationIp" in found.reason


def test_finer_hits_imply_the_coarser_count():
    assert verdict(BUCKET, PER_HOUR, TOTALS, {"where": "Total >= 20"}, keys=("Computer",)).holds


@pytest.mark.parametrize(
    ("steps", "holds"),
    [
        (
            ({"group": {"by": ["Computer"], "measures": {"Names": "distinct(QueryName)"}}}, {"where": "Names >= 5"}),
            True,
        ),
        (({"group": {"by": ["Computer"], "measures": {"Names": "count()"}}}, {"where": "Names >= 5"}), False),
        (
            (
                {"group": {"by": ["Computer", "QueryName"], "measures": {"N": "count()"}}},
                {"group": {"by": ["Computer"], "measures": {"Names": "count()"}}},
                {"where": "Names >= 5"},
            ),
            True,
        ),
    ],
    ids=["distinct values", "events are no values", "groups by value"],
)
def test_different_values_are_counted_as_such(steps, holds):
    built = build(read_metadata({"version": 1, "steps": list(steps)}), FIELDS, 86400)
    assert implies(built.steps, Threshold("values", ("Computer",), 5, ("QueryName",))).holds is holds


SEVERAL = {**FIELDS, "Rule": Type.TEXT}


def verdict_on_rules(*steps: dict, least: int = 3, ordered: bool = True) -> Verdict:
    built = build(read_metadata({"version": 1, "steps": list(steps)}), SEVERAL, 86400)
    return implies(built.steps, Threshold("rules", ("Computer",), least, rules=("a", "b", "c"), ordered=ordered))


def sequence(*rules: str, by: tuple[str, ...] = ("Computer",)) -> dict:
    return {"sequence": {"by": list(by), "rules": list(rules)}}


def test_a_sequence_of_the_rules_implies_their_order_and_that_they_are_there():
    assert verdict_on_rules(sequence("a", "b", "c")).holds
    assert verdict_on_rules(sequence("a", "c", "b", "c")).holds
    assert verdict_on_rules(sequence("a", "b", "c"), ordered=False).holds


def test_a_sequence_of_fewer_rules_or_in_another_order_implies_less():
    found = verdict_on_rules(sequence("c", "b", "a"))
    assert not found.holds
    assert "3 of its 3 rules in their order, the steps for 1" in found.reason
    assert verdict_on_rules(sequence("a", "c"), least=2).holds
    assert not verdict_on_rules(sequence("a", "c")).holds
    assert not verdict_on_rules(sequence("a", "b", "c", by=("DestinationIp",))).holds


def test_a_filter_on_the_number_of_rules_implies_it_but_no_order():
    steps = ({"group": {"by": ["Computer"], "measures": {"Rules": "distinct(Rule)"}}}, {"where": "Rules >= 3"})
    assert verdict_on_rules(*steps, ordered=False).holds
    assert not verdict_on_rules(*steps).holds
