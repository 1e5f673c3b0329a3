"""At which step of the plan an engine went another way than the oracle: both are asked after every step.

The text of the query is cut into ever longer parts that are queries of their own. As long as these give the rows that
the oracle has after some step, they are right up to there; the step after the last one that was reached is named.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from polysigma.diagnostics import PolysigmaError
from polysigma.engines.reference.evaluate import run
from polysigma.engines.reference.values import display, present
from polysigma.plan.steps import Annotate, Bucket, Derive, Group, Ordered, Previous, Score
from polysigma.prove.spelling import spell_step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from polysigma.engines.runners import Runner, Store, Window
    from polysigma.plan.steps import Plan, Step
    from polysigma.prove.trial import Ground

MOST_ROWS = 20_000
"""Past so many rows nobody waits for the step."""

_UNCOMPARED = frozenset({"collect", "any_value", "first", "last"})
"""What a measure of these gives is for display, or not one value."""


@dataclass(frozen=True, slots=True)
class _State:
    """What the oracle has after a step, what to compare of it, what must be there and what cannot be there yet."""

    rows: list[dict[str, Any]]
    compared: list[str]
    needed: set[str]
    later: set[str]


def diverging_step(ground: Ground, window: Window | None, text: str, engine: Runner, store: Store) -> str | None:
    """In words, after which step rows differ; None where that cannot be told."""
    plan = ground.plan
    rows = ground.between(window)
    if len(rows) > MOST_ROWS or not plan.steps:
        return None
    parts = _parts(engine, store, text, window)
    if len(parts) < 2:
        return None
    states = [
        _State(run(plan.steps[:number], list(rows)), *_columns(plan, number), _made(plan, number))
        for number in range(len(plan.steps) + 1)
    ]
    reached = -1
    for part in parts:
        # The least that fits: a step that changes nothing here is not taken for done before its text was.
        ahead = range(max(reached, 0), len(states))
        reached = next((number for number in ahead if _equal(part, states[number])), reached)
    if reached == len(plan.steps):
        return "after the last step: in what is shown"
    return _said(plan.steps, reached + 1)


def _said(steps: Sequence[Step], number: int) -> str:
    if number == 0:
        return "in the search"
    return f"after step {number}: {spell_step(steps[number - 1])}"


def _parts(engine: Runner, store: Store, text: str, window: Window | None) -> list[list[dict[str, Any]]]:
    parts = []
    for part in engine.prefixes(text):
        try:
            (result,) = store.run(part, [window])
        except PolysigmaError:
            continue  # a part of a query need not be one
        parts.append(result.rows)
    return parts


def _columns(plan: Plan, number: int) -> tuple[list[str], set[str]]:
    """The columns to compare after so many steps, and those that must be there for the step to have been made.

    Times are left out: languages hold them in forms of their own.
    """
    known = {name for source in plan.sources for name, _ in source.derived if not name.endswith("Time")}
    known |= {name for step in plan.steps if isinstance(step, Group | Ordered | Annotate) for name in step.by}
    hidden: set[str] = set()
    keys = {name for step in plan.steps if isinstance(step, Group | Ordered) for name in step.by}
    needed = keys & {name for source in plan.sources for name, _ in source.derived}
    for step in plan.steps[:number]:
        made = set(_made_by(step))
        needed |= made
        match step:
            case Bucket(name=name) | Previous(name=name):
                hidden |= {name}
            case Group(measures=measures) | Ordered(measures=measures) | Annotate(measures=measures):
                shown = {one.name for one in measures if one.function not in _UNCOMPARED}
                hidden = (hidden | made) - shown
            case _:
                pass
        known |= made
    return sorted(known - hidden), needed


def _made(plan: Plan, number: int) -> set[str]:
    """The columns that no step up to this one has made, and a later one does: with them a part is further on."""
    names = [set(_made_by(step)) for step in plan.steps]
    before = {name for made in names[:number] for name in made}
    return {name for made in names[number:] for name in made} - before


def _made_by(step: Step) -> tuple[str, ...]:
    match step:
        case Bucket(name=name) | Previous(name=name) | Score(name=name):
            return (name,)
        case Group(measures=measures) | Annotate(measures=measures):
            return tuple(measure.name for measure in measures)
        case Derive(columns=columns):
            return tuple(name for name, _ in columns)
        case _:
            return ()


def _equal(found: Sequence[Mapping[str, Any]], state: _State) -> bool:
    expected, compared, needed = state.rows, state.compared, state.needed
    if len(found) != len(expected):
        return False
    there = {name for row in found for name in row}
    had = {name for row in expected for name, value in row.items() if value is not None}
    if (needed & had) - there or (state.later & there) - had:
        return False
    names = [name for name in compared if name in there and name in had]
    return Counter(_spelled(row, names) for row in found) == Counter(_spelled(row, names) for row in expected)


def _spelled(row: Mapping[str, Any], names: Sequence[str]) -> tuple[str, ...]:
    return tuple(_loosely(row.get(name)) for name in names)


def _loosely(value: Any) -> str:
    """A value in one spelling whatever the language: numbers as numbers, truth as 1 and 0, addresses in full."""
    text = display(present(value))
    if text in {"true", "false"}:
        return str(int(text == "true"))
    try:
        return f"{float(text):.6g}"
    except ValueError:
        pass
    try:
        return ipaddress.ip_address(text).exploded
    except ValueError:
        return text
