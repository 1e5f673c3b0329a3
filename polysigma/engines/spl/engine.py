"""A query's text to rows: parsed, compiled once, run over rows.

It evaluates what Polysigma prints and refuses everything else. Nothing here has run on Splunk: each command does what
its page of Splunk's Search Reference says.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cmp_to_key
from itertools import product
from typing import TypeAlias, assert_never

from polysigma import schemas
from polysigma.engines.spl.aggregates import aggregator
from polysigma.engines.spl.evaluate import evaluator
from polysigma.engines.spl.parser import parse
from polysigma.engines.spl.searching import POWERSHELL, SYSMON, predicate
from polysigma.engines.spl.tree import (
    Aggregate,
    Append,
    Command,
    Eval,
    Fieldformat,
    Head,
    Lookup,
    Mvexpand,
    Query,
    Rename,
    Search,
    SearchExpression,
    Sort,
    Stats,
    Streamstats,
    Table,
    Term,
    Tstats,
    Where,
)
from polysigma.engines.spl.values import Row, Single, Value, compare, number, several, text

Stage: TypeAlias = Callable[[list[Row]], list[Row]]

_MACROS: dict[str, SearchExpression | None] = {
    "sysmon": SYSMON,
    "powershell": POWERSHELL,
    "wineventlog_security": Term("source", "=", "XmlWinEventLog:Security"),
    "wineventlog_system": Term("source", "=", "XmlWinEventLog:System"),
    **{f"cim_{model}_indexes": None for model in ("Network_Traffic", "Network_Resolution", "Endpoint")},
}
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_BOUND = re.compile(r"(?:-(\d+)([smhd]))?(?:@([smhd]))?")


@dataclass(frozen=True, slots=True)
class CompiledQuery:
    """A query ready to be run several times.

    `take` looks at one event at a time, at a time of the query: the row that it begins with, or None where the query
    does not find it. `stages` make rows of rows; where the query begins with `tstats`, its groups are the first one.
    """

    take: Callable[[Mapping[str, object], float], Row | None]
    stages: tuple[Stage | CompiledQuery, ...]
    """A query among them is another search over the same events, whose rows are appended."""

    def run(self, rows: Iterable[Mapping[str, object]], *, now: float | None = None) -> list[Row]:
        """The rows that the query gives; see `run_spl`."""
        moment = time.time() if now is None else now
        events = list(rows)
        found = [row for event in events if (row := self.take(event, moment)) is not None]
        for stage in self.stages:
            found = found + stage.run(events, now=moment) if isinstance(stage, CompiledQuery) else stage(found)
        return found


def run_spl(
    text: str,
    rows: Iterable[Mapping[str, object]],
    *,
    now: float | None = None,
    macros: Mapping[str, SearchExpression | None] | None = None,
    lookups: Mapping[str, Sequence[str]] | None = None,
) -> list[Row]:
    """The rows that a query gives over events, which are not changed.

    An event maps fields to values, `_time` in seconds since the epoch, `tag` to the list of its tags. `now` is the time
    of the query, by default the present; the search head's clock is UTC. `macros` are a site's own, beside those that
    Splunk's content defines; `lookups` are the CSV files of one column that it has uploaded, by name without `.csv`.
    Raises SplError for what is not known here, KeyError for a macro or a lookup that is not.
    """
    return compile_spl(text, macros=macros, lookups=lookups).run(rows, now=now)


def compile_spl(
    text: str,
    *,
    macros: Mapping[str, SearchExpression | None] | None = None,
    lookups: Mapping[str, Sequence[str]] | None = None,
) -> CompiledQuery:
    """A query ready to be run several times. Raises as `run_spl`; for a lookup only when it is run."""
    return _compiled(parse(text), {**_MACROS, **(macros or {})}, lookups or {})


def _compiled(
    query: Query, known: Mapping[str, SearchExpression | None], lookups: Mapping[str, Sequence[str]]
) -> CompiledQuery:
    first, *rest = query.commands
    stages = tuple(
        _compiled(command.query, known, lookups) if isinstance(command, Append) else _stage(command, lookups)
        for command in rest
    )
    match first:
        case Search():
            return CompiledQuery(_search(first, known), stages)
        case Tstats():
            return CompiledQuery(_tstats(first, known), (_grouped(first.aggregates, first.by), *stages))
        case _:  # pragma: no cover - the parser begins with nothing else
            raise TypeError(first)


def bound(given: str, now: float) -> float:
    """A bound in time (`-24h@h`, `@d`) in seconds since the epoch. Source: "Time modifiers", snapping rounds down."""
    found = _BOUND.fullmatch(given)
    if found is None:
        raise ValueError(f"{given!r} is no bound in time")
    moment = now - (int(found[1]) * _UNITS[found[2]] if found[1] else 0)
    return moment // _UNITS[found[3]] * _UNITS[found[3]] if found[3] else moment


def _within(row: Row, bounds: tuple[str | None, str | None], now: float) -> bool:
    """Whether an event lies in the time range: from the earliest on, before the latest."""
    moment = number(row.get("_time"))
    earliest, latest = bounds
    if moment is None:
        return not earliest and not latest
    return (not earliest or moment >= bound(earliest, now)) and (not latest or moment < bound(latest, now))


def _search(node: Search, macros: Mapping[str, SearchExpression | None]) -> Callable[..., Row | None]:
    holds, bounds = predicate(node.expression, macros), (node.earliest, node.latest)

    def take(row: Row, now: float) -> Row | None:
        return dict(row) if holds(row) and _within(row, bounds, now) else None

    return take


def _tstats(node: Tstats, macros: Mapping[str, SearchExpression | None]) -> Callable[..., Row | None]:
    """The events that have the tags of the data set, with what the model fills."""
    schema = schemas.load("splunk_cim")
    tags, fills = set(schema.tags[node.data_model]), schema.fills.get(node.data_model, {})
    prefix = node.data_model.partition(".")[2]
    holds = predicate(node.where, macros) if node.where else lambda row: True  # noqa: ARG005
    bounds = (node.earliest, node.latest)

    def take(row: Row, now: float) -> Row | None:
        if not tags <= set(several(row.get("tag"))) or not _within(row, bounds, now):
            return None
        event: Row = {f"{prefix}.{name}": value for name, value in row.items() if value != ""}
        for name, fill in fills.items():
            missing = event.get(f"{prefix}.{name}") is None or (fill == "0" and number(row.get(name)) is None)
            if missing:
                event[f"{prefix}.{name}"] = fill
        moment = number(row.get("_time"))
        event["_time"] = moment if moment is None or not node.span else moment // node.span * node.span
        return event if holds(event) else None

    return take


def _stage(command: Command, lookups: Mapping[str, Sequence[str]]) -> Stage:
    match command:
        case Where(condition=condition):
            holds = evaluator(condition)
            return lambda rows: [row for row in rows if holds(row) is True]
        case Eval(assignments=assignments):
            values = [(name, evaluator(value)) for name, value in assignments]
            return lambda rows: [_assigned(row, values) for row in rows]
        case Stats(aggregates=aggregates, by=by, adds=False):
            return _grouped(aggregates, by)
        case Stats(aggregates=aggregates, by=by):
            return _added(aggregates, by)
        case Streamstats():
            return _carried(command)
        case Sort(keys=keys, limit=limit):
            return lambda rows: _sorted(rows, keys)[: limit or None]
        case Head(count=count):
            return lambda rows: rows[:count]
        case Table(fields=fields):
            return lambda rows: [{name: row.get(name) for name in fields} for row in rows]
        case Fieldformat():
            return lambda rows: rows
        case Rename(prefix=prefix):
            start = f"{prefix}."
            return lambda rows: [{name.removeprefix(start): value for name, value in row.items()} for row in rows]
        case Mvexpand(field=field):
            return lambda rows: [one for row in rows for one in _expanded(row, field)]
        case Lookup():
            return lambda rows: _looked_up(rows, command, lookups)
        case Append() | Search() | Tstats():
            raise TypeError(command)
        case _:
            assert_never(command)


def _expanded(row: Row, field: str) -> list[Row]:
    """A row for each value. The manual does not say what becomes of a row without one. It stays, as one of one value
    does: a query that relies on its going is found wrong, and ours ask for a value before."""
    return [{**row, field: one} for one in several(row.get(field))] or [row]


def _looked_up(rows: list[Row], command: Lookup, lookups: Mapping[str, Sequence[str]]) -> list[Row]:
    """OUTPUT puts nothing where there is no match, and takes away what was there. Texts are compared with their case
    (transforms.conf, case_sensitive_match); of several values of a field each one may match."""
    known = frozenset(lookups[command.table.removesuffix(".csv")])
    if (command.column, command.shown) != ("value", "value"):
        raise KeyError(command.column)
    for row in rows:
        found = [one for one in several(row.get(command.key)) if text(one) in known]
        if found:
            row[command.found] = found[0] if len(found) == 1 else found
        else:
            row.pop(command.found, None)
    return rows


def _assigned(row: Row, values: list[tuple[str, Callable[[Row], Value]]]) -> Row:
    for name, value in values:
        found = value(row)
        if found is None:
            row.pop(name, None)
        else:
            row[name] = found
    return row


def _groups(rows: Iterable[Row], by: tuple[str, ...]) -> dict[tuple[str, ...], tuple[tuple[Single, ...], list[Row]]]:
    """Rows by their keys: a row that lacks one is in no group, one with several values of a key in several."""
    groups: dict[tuple[str, ...], tuple[tuple[Single, ...], list[Row]]] = {}
    for row in rows:
        for key in product(*(several(row.get(name)) for name in by)):
            same = tuple(text(part) or "" for part in key)
            groups.setdefault(same, (key, []))[1].append(row)
    return groups


def _grouped(aggregates: tuple[Aggregate, ...], by: tuple[str, ...]) -> Stage:
    functions = [(node.name, aggregator(node)) for node in aggregates]

    def group(rows: list[Row]) -> list[Row]:
        groups = _groups(rows, by) if by else {(): ((), rows)}
        found = []
        for key, members in groups.values():
            row: Row = dict(zip(by, key, strict=True))
            row |= {name: value for name, function in functions if (value := function(members)) is not None}
            found.append(row)
        return found

    return group


def _added(aggregates: tuple[Aggregate, ...], by: tuple[str, ...]) -> Stage:
    functions = [(node.name, aggregator(node)) for node in aggregates]

    def add(rows: list[Row]) -> list[Row]:
        for _, members in (_groups(rows, by) if by else {(): ((), rows)}).values():
            values = {name: function(members) for name, function in functions}
            for row in members:
                row |= {name: value for name, value in values.items() if value is not None}
        return rows

    return add


def _carried(node: Streamstats) -> Stage:
    """A window of the row before for each key. `last` is the last value seen: a row without one has none to give on.

    Source: Search Reference, "streamstats": `current=f` is "the field value from the previous event", `global=f` "a
    separate window for each group". A row in no group is left as it is. A field of the name is written over.
    """

    def carry(rows: list[Row]) -> list[Row]:
        for _, members in _groups(rows, node.by).values():
            before: Value = None
            for row in members:
                now = row.get(node.field)
                if before is None:
                    row.pop(node.name, None)
                else:
                    row[node.name] = before
                before = now
        return rows

    return carry


def _sorted(rows: list[Row], keys: tuple[tuple[str, bool], ...]) -> list[Row]:
    """Numbers by size, texts in their order; a missing value comes last either way."""

    def order(left: Row, right: Row) -> int:
        for name, down in keys:
            one, other = left.get(name), right.get(name)
            if one is None or other is None:
                if one is not other:
                    return 1 if one is None else -1
                continue
            if compare("=", one, other):
                continue
            return 1 if bool(compare(">", one, other)) is not down else -1
        return 0

    return sorted(rows, key=cmp_to_key(order))
