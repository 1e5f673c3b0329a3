"""Stage one over an accelerated data model: `tstats` counts events by the columns that the rest of the query needs.

SPL facts this rests on (Splunk Search Reference, "tstats"; Common Information Model add-on, the data models): `tstats`
reads the model's summaries and, for what they do not hold yet, its events; its `where` takes search terms; it leaves
out events that lack a column of `by`; a model fills some columns that an event lacks; a `span` begins at the clock of
the search head, whose zone may be off by a quarter of an hour or its multiples, but by nothing less.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import TYPE_CHECKING

from polysigma import schemas
from polysigma.plan.durations import format_duration
from polysigma.plan.expressions import (
    Call,
    Column,
    Comparison,
    Exists,
    Expression,
    In,
    InNetwork,
    Regex,
    TextMatch,
    columns,
    conjuncts,
)
from polysigma.plan.simplify import simplify
from polysigma.plan.steps import TIME_COLUMN, Bucket, Group, Plan, Where

from .spl_search import Search
from .spl_text import search_name

if TYPE_CHECKING:
    from polysigma.plan.steps import Source, Step

QUARTER = 900
"""The seconds by which time zones differ, or a multiple of them."""
_CARRIED = {"collect": "values", "any_value": "max", "min": "min", "max": "max", "sum": "sum"}
"""Measures over a column that can be taken twice, over groups and over groups of these."""


@dataclass(frozen=True, slots=True)
class Staged:
    """The commands of stage one, what the events must still be tested for, and what its rows have."""

    commands: list[str]
    rest: tuple[Expression, ...]
    keys: tuple[str, ...]
    """The columns that tell its rows apart."""
    carried: tuple[str, ...]
    """The columns that are measures already."""
    counted: str
    """The column with the number of events of a row."""


def stage_one(plan: Plan, times: str, exact: frozenset[str]) -> Staged | None:
    """Stage one of a plan over a data set; None where only a search over its events gives the same.

    It does where a group of countable measures comes first and no column is needed that an event could lack and still
    be found.
    """
    source = plan.sources[0]
    schema = schemas.load("splunk_cim")
    table = source.table
    if len(plan.sources) != 1 or table is None or table not in schema.tags:
        return None
    before, group = _first_group(plan.steps)
    if group is None or any(not isinstance(step, Bucket | Where) for step in before):
        return None
    data_set = table.partition(".")[2]
    derived = dict(source.derived)
    recorded = {name: kind for name, kind in source.types.items() if name not in {"_time", "datamodel"}}
    search = Search(
        {**recorded, **{column: schema.columns(table)[column] for column in _event_columns(source)}},
        prefix=f"{data_set}.",
        fills=schema.fills.get(table, {}),
        exact=exact,
    )
    terms, rest = [], []
    for part in (*_event_parts(source), *conjuncts(simplify(source.condition))):
        term = search.terms(part)
        if term is None:
            terms += search.hints(part)
            rest.append(part)
        else:
            terms.append(term)
    made = {step.name for step in before if isinstance(step, Bucket)}
    wheres = [part for step in before if isinstance(step, Where) for part in conjuncts(step.condition)]
    asked = [*rest, *wheres]
    read = {column for part in asked for column in columns(part)} | set(group.by) - made
    needed = _recorded(read - {TIME_COLUMN}, derived)
    certain = _recorded({column for part in asked for column in _asked_for(part)} - {TIME_COLUMN}, derived)
    carried = _carried(group, needed)
    if carried is None or carried.keys() - recorded.keys() or not needed <= certain or not _simple(read, derived):
        return None
    counted = _free("Events", plan)
    functions = [f"count AS {counted}"]
    functions += [f"{name}({data_set}.{column}) AS {search_name(column)}" for column, name in carried.items()]
    keys = sorted(needed)
    terms += [term for column in keys if (term := search.filled(column))]
    terms = list(dict.fromkeys(terms))
    buckets = [step.seconds for step in before if isinstance(step, Bucket)]
    span = gcd(*buckets, QUARTER) if buckets else None
    by = [f"{data_set}.{column}" for column in keys] + ([f"_time span={format_duration(span)}"] if span else [])
    command = f"tstats {' '.join(functions)}\n    from datamodel={table}"
    if times or terms:
        command += f"\n    where {' '.join([*([times] if times else []), *terms])}"
    command += f"\n    by {', '.join(by)}" if by else ""
    return Staged([command, f"rename {data_set}.* AS *"], tuple(rest), tuple(keys), tuple(carried), counted)


def _first_group(steps: tuple[Step, ...]) -> tuple[list[Step], Group | None]:
    for index, step in enumerate(steps):
        if isinstance(step, Group):
            return list(steps[:index]), step
    return list(steps), None


def _event_parts(source: Source) -> list[Expression]:
    """The event filter but for the data set."""
    return [part for part in source.event if "datamodel" not in columns(part)]


def _event_columns(source: Source) -> set[str]:
    return {column for part in _event_parts(source) for column in columns(part)}


def _recorded(names: set[str], derived: dict[str, Expression]) -> set[str]:
    """The columns of the events behind some columns."""
    found: set[str] = set()
    for name in names:
        found |= _recorded(set(columns(derived[name])), derived) if name in derived else {name}
    return found


def _simple(names: set[str], derived: dict[str, Expression]) -> bool:
    """Whether each derived column is missing exactly where the one column that it is made of is."""
    made = [derived[name] for name in names if name in derived and name != TIME_COLUMN]
    return all(
        isinstance(item, Call) and item.name in {"lower", "address"} and isinstance(item.arguments[0], Column)
        for item in made
    )


def _asked_for(part: Expression) -> tuple[str, ...]:
    """The columns that must be there for a condition to hold."""
    match part:
        case Exists() | Comparison() | In() | TextMatch() | Regex() | InNetwork():
            return columns(part)
        case _:
            return ()


def _carried(group: Group, needed: set[str]) -> dict[str, str] | None:
    """For each column that the group measures, the function by which `tstats` brings it; None where one cannot be."""
    found: dict[str, str] = {}
    for measure in group.measures:
        match measure.function, measure.value:
            case "count", None:
                continue
            case function, Column(name=column) if function in _CARRIED and measure.condition is None:
                if column in needed and function != "sum":
                    continue
                if column in needed or found.setdefault(column, _CARRIED[function]) != _CARRIED[function]:
                    return None
            case _:
                return None
    return found


def _free(name: str, plan: Plan) -> str:
    """A name that no column of the plan has."""
    taken = {column for source in plan.sources for column in source.types}
    taken |= {measure.name for step in plan.steps if isinstance(step, Group) for measure in step.measures}
    while name in taken:
        name += "_"
    return name
