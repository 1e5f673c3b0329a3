"""A plan over rows: the searches of its sources, then its steps one after the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import assert_never

from polysigma.engines.reference.expressions import condition, evaluator
from polysigma.engines.reference.measures import measurer
from polysigma.engines.reference.values import Record, Row, Value, convert, display, present
from polysigma.plan.expressions import columns
from polysigma.plan.steps import (
    END_COLUMN,
    RULE_COLUMN,
    TIME_COLUMN,
    Annotate,
    Bucket,
    Chain,
    Derive,
    Group,
    Measure,
    Order,
    Ordered,
    Plan,
    Previous,
    Score,
    Select,
    Sort,
    Source,
    Step,
    Take,
    Where,
)
from polysigma.plan.types import Type


def evaluate(plan: Plan, rows: Iterable[Row], *, start: float | None = None, end: float | None = None) -> list[Record]:
    """The rows that the plan gives for one platform's raw rows.

    A raw row maps column to value as on the wire. Every source is tried on every row, so a row can come up once for
    each source that it matches. `start` and `end` (epoch seconds, half open) look at the column `EventTime`: a row
    without a time is in no bounded window. Raises ValueError for a plan with unbound parameters and TypeError for
    values of different kinds that meet in an expression.
    """
    found = (row for row in search(plan, rows) if within(row, start, end))
    return run(plan.steps, list(found))


def within(row: Record, start: float | None, end: float | None) -> bool:
    """Whether the row's time lies in [start, end); a row without a time does where there are no bounds."""
    if start is None and end is None:
        return True
    time = row.get(TIME_COLUMN)
    if not isinstance(time, float):
        return False
    return (start is None or time >= start) and (end is None or time < end)


# Searches.


def search(plan: Plan, rows: Iterable[Row]) -> Iterator[Record]:
    """The rows that match a source: its columns read as their types, and its derived columns."""
    searches = [_search(source) for source in plan.sources]
    named = len(plan.sources) > 1 or any(isinstance(step, Chain) for step in plan.steps)
    for row in rows:
        for source, attempt in zip(plan.sources, searches, strict=True):
            found = attempt(row)
            if found is not None:
                if named:
                    found[RULE_COLUMN] = source.rule
                yield found


def _search(source: Source) -> Callable[[Row], Record | None]:
    """A row as the source finds it, or None: columns read as their types, the event filter, derived columns, condition.

    The time is read as a time, whether the source derives it or the row has it.
    """
    event = [condition(test) for test in source.event]
    derived = [(name, evaluator(expression)) for name, expression in source.derived]
    holds = condition(source.condition)
    as_time = convert(Type.TIME)
    expressions = (*source.event, *(value for _, value in source.derived), source.condition)
    read: dict[str, Callable[[object], Value]] = {name: present for item in expressions for name in columns(item)}
    read |= {name: convert(kind) for name, kind in source.types.items()}

    def attempt(raw: Row) -> Record | None:
        row = {name: value(raw[name]) for name, value in read.items() if name in raw}
        if not all(test(row) for test in event):
            return None
        for name, value in derived:
            row[name] = value(row)
        if not holds(row):
            return None
        # The rest of the row is read only now, as most rows are not found.
        row = {name: present(value) for name, value in raw.items() if name not in row} | row
        if TIME_COLUMN in row:
            row[TIME_COLUMN] = as_time(row[TIME_COLUMN])
        return row

    return attempt


# Steps.

Stage = Callable[[list[Record]], list[Record]]


def run(steps: Sequence[Step], rows: list[Record]) -> list[Record]:
    """The rows after the steps."""
    for stage in [stage_of(step) for step in steps]:
        rows = stage(rows)
    return rows


def stage_of(step: Step) -> Stage:
    """What a step does to the rows before it."""
    match step:
        case Chain():
            return _chain(step)
        case Bucket(name=name, seconds=seconds):
            return lambda rows: [{**row, name: _bucket(row.get(TIME_COLUMN), seconds)} for row in rows]
        case Group(by=by, measures=measures):
            return _group(by, measures)
        case Ordered():
            return _sequence(step)
        case Annotate(by=by, measures=measures):
            return _annotate(by, measures)
        case Previous(by=by, column=column, name=name):
            return _previous(by, column, name)
        case Where(condition=expression):
            holds = condition(expression)
            return lambda rows: [row for row in rows if holds(row)]
        case Derive(columns=columns):
            return _derive([(name, evaluator(value)) for name, value in columns])
        case Select(columns=names):
            return lambda rows: [{name: row.get(name) for name in names} for row in rows]
        case Score(name=name, cases=cases):
            tried = [(points, condition(test)) for points, test in cases]
            return lambda rows: [
                {**row, name: next((points for points, test in tried if test(row)), 0)} for row in rows
            ]
        case Sort(columns=order):
            return lambda rows: _sort(rows, order)
        case Take(count=count):
            return lambda rows: rows[:count]
        case _:
            assert_never(step)


def _chain(step: Chain) -> Stage:
    """Each branch by itself on the rows of its rules, one after the other."""
    branches = [(branch, [stage_of(inner) for inner in branch.steps]) for branch in step.branches]

    def stage(rows: list[Record]) -> list[Record]:
        found: list[Record] = []
        for branch, stages in branches:
            hits = [row for row in rows if row.get(RULE_COLUMN) in branch.rules]
            for inner in stages:
                hits = inner(hits)
            found += [{**{name: row.get(name) for name in step.columns}, RULE_COLUMN: branch.rule} for row in hits]
        return found

    return stage


def _bucket(time: Value, seconds: int) -> float | None:
    """The start of the bucket, at or before the time (also before 1970); missing for a row without a time."""
    return float(math.floor(time / seconds) * seconds) if isinstance(time, float) else None


def _groups(rows: Iterable[Record], by: Sequence[str]) -> dict[tuple[Value, ...], list[Record]]:
    """The rows by their key; a row that misses a part of it is dropped. Keys are exact, also in letter case.

    Groups stand in the order of their first rows. No rows make no group, also where there is no key.
    """
    found: dict[tuple[Value, ...], list[Record]] = {}
    for row in rows:
        key = tuple(row.get(name) for name in by)
        if None not in key:
            found.setdefault(key, []).append(row)
    return found


def _group(by: Sequence[str], measures: Sequence[Measure]) -> Stage:
    measured = [(measure.name, measurer(measure)) for measure in measures]

    def stage(rows: list[Record]) -> list[Record]:
        return [
            {**dict(zip(by, key, strict=True)), **{name: value(members) for name, value in measured}}
            for key, members in _groups(rows, by).items()
        ]

    return stage


def _sequence(step: Ordered) -> Stage:
    """Groups whose rows meet one of the orders, and what `_group` makes of them.

    Along an order the row of each rule is taken that lets the others come soonest: there is none that would allow more.
    """
    end = END_COLUMN if step.spans else TIME_COLUMN
    group = _group(step.by, step.measures)

    def kept(order: Order, members: Sequence[Record]) -> bool:
        if any(row.get(RULE_COLUMN) in order.without for row in members):
            return False
        now = -math.inf
        for rule in order.rules:
            of_rule = [_span(row, end) for row in members if row.get(RULE_COLUMN) == rule]
            reached = [max(first, now) for first, last in of_rule if last >= now]
            if not reached:
                return False
            now = min(reached)
        return True

    def stage(rows: list[Record]) -> list[Record]:
        timed = [row for row in rows if isinstance(row.get(TIME_COLUMN), float) and isinstance(row.get(end), float)]
        groups = _groups(timed, step.by).values()
        found = [members for members in groups if any(kept(order, members) for order in step.orders)]
        return group([row for members in found for row in members])

    return stage


def _span(row: Record, end: str) -> tuple[float, float]:
    """From when to when a row was there; rows without a time have been dropped."""
    first, last = row[TIME_COLUMN], row[end]
    assert isinstance(first, float)
    assert isinstance(last, float)
    return first, last


def _annotate(by: Sequence[str], measures: Sequence[Measure]) -> Stage:
    measured = [(measure.name, measurer(measure)) for measure in measures]

    def stage(rows: list[Record]) -> list[Record]:
        groups = _groups(rows, by)
        added = {key: {name: value(members) for name, value in measured} for key, members in groups.items()}
        keys = [tuple(row.get(name) for name in by) for row in rows]
        return [{**row, **added[key]} for row, key in zip(rows, keys, strict=True) if key in added]

    return stage


def _previous(by: Sequence[str], column: str, name: str) -> Stage:
    """Each row with what the greatest smaller value of its key is. Rows without a value have no place in an order."""

    def stage(rows: list[Record]) -> list[Record]:
        placed = [row for row in rows if row.get(column) is not None]
        done: list[Record] = []
        for members in _groups(placed, by).values():
            before: Value = None
            for row in _sort(members, ((column, False),)):
                done.append({**row, name: before})
                before = row[column]
        return done

    return stage


def _derive(columns: Sequence[tuple[str, Callable[[Record], Value]]]) -> Stage:
    def stage(rows: list[Record]) -> list[Record]:
        done = []
        for row in rows:
            wider = dict(row)
            for name, value in columns:
                wider[name] = value(wider)
            done.append(wider)
        return done

    return stage


def _sort(rows: list[Record], order: Sequence[tuple[str, bool]]) -> list[Record]:
    """Ordered by the first column, then the next; missing values last either way; equal rows keep their order.

    Text is ordered by code point, with regard to case.
    """
    for name, descending in reversed(order):
        having = [row for row in rows if row.get(name) is not None]
        lacking = [row for row in rows if row.get(name) is None]
        rows = sorted(having, key=lambda row, name=name: _order(row[name]), reverse=descending) + lacking  # type: ignore[misc]
    return rows


def _order(value: Value) -> tuple[int, float, str]:
    """Numbers before text, so that a column which holds both has an order, too."""
    return (0, value, "") if isinstance(value, int | float) else (1, 0, display(value))
