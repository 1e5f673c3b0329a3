"""`previous` looks at the row before only where the order of rows is known to be total."""

from __future__ import annotations

import pytest

from polysigma.plan.steps import Previous
from tests.plan.test_faults import check, compiled

STEPS = """\
steps:
    - bucket:
        Minute: 1m
    - bucket:
        Slot: {width}
    - group:
        by: [Computer, Ip, {by}]
        measures:
            N: count()
            FirstSeen: min(EventTime)
            Seen: max(EventTime)
            Least: min(Bytes)
            Some: first(EventTime)
"""
PREVIOUS = """\
    - previous:
        by: [Computer, Ip]
        column: {column}
        as: Before
"""
GROUPED = """\
    - group:
        by: [Computer, Ip]
        measures:
            FirstSeen: min(FirstSeen)
"""
BACK = STEPS.format(width="20s", by="Minute, Slot")


@pytest.mark.parametrize("column", ["Slot", "FirstSeen", "Seen"])
def test_rows_of_a_bucket_are_ordered_by_it_and_by_the_times_of_its_first_and_last_event(column):
    built = compiled(BACK + PREVIOUS.format(column=column))
    assert built.steps[-1] == Previous(("Computer", "Ip"), column, "Before")
    assert built.columns["Before"] == built.columns[column]


def test_what_leaves_out_rows_or_adds_to_them_may_stand_between():
    between = """\
    - where: N > 1
    - annotate:
        by: [Computer]
        measures:
            All: sum(N)
    - derive:
        Share: N / All
"""
    assert compiled(BACK + between + PREVIOUS.format(column="Slot")).steps


@pytest.mark.parametrize("column", ["▲Minute", "▲N", "▲Least", "▲Some"])
def test_a_column_that_two_rows_may_share_is_refused(column):
    text = BACK + PREVIOUS.format(column=column)
    check(text, "previous-order", "two rows of one Computer, Ip may have the same")


@pytest.mark.parametrize(
    ("steps", "by"),
    [
        (STEPS.format(width="20s", by="Image, Slot"), "Computer, Ip"),
        (STEPS.format(width="7m", by="Minute, Slot").replace("1m", "10m"), "Computer, Ip"),
        (STEPS.format(width="20s", by="Slot"), "Computer, Ip, Slot"),
        (STEPS.format(width="20s", by="Slot"), "Computer, N"),
        (BACK + "    - select: [Computer, Ip, Slot, FirstSeen]\n", "Computer, Ip"),
        (BACK + GROUPED, "Computer"),
    ],
    ids=["another key", "a bucket that divides no other", "no bucket", "not by the group's keys", "select", "a group"],
)
def test_where_nothing_tells_rows_apart_it_says_what_would(steps, by):
    text = steps + PREVIOUS.format(column="▲FirstSeen").replace("Computer, Ip", by)
    check(text, "previous-order", "which is before which is not known", window=70 * 60)


def test_its_columns_are_held_against_those_that_are_there():
    check(BACK + PREVIOUS.format(column="▲Sot"), "unknown-column", "'Sot'")
    check(BACK + PREVIOUS.format(column="Slot").replace("Before", "▲N"), "name-taken", "'N'")
    check(
        BACK + PREVIOUS.format(column="Slot").replace("[Computer, Ip]", "[Computer, ▲Image]"), "unknown-column", "Image"
    )
    nameless = BACK + PREVIOUS.format(column="Slot").replace("        as: Before\n", "")
    nameless = nameless.replace("by: [Computer, Ip]\n        column", "▲by: [Computer, Ip]\n        column")
    check(nameless, "polysigma-map", "the key 'as' is missing")
