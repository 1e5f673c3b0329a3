"""Random correlations over correlations, on events at the edges of windows, and what the specification says.

`hits` counts rows in plain Python, by the section on correlations of the specification and by what the head of every
such query declares: windows stand still, and in an order a hit is there from its first event to its last. It knows
neither plans nor pipelines, so that the reading of a correlation as steps is judged, too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Hashable, Mapping, Sequence

Document = dict[str, Any]
SPANS = {"15m": 900, "30m": 1800, "1h": 3600, "2h": 7200}
OPERATORS: dict[str, Callable[[int, int], bool]] = {
    "gte": lambda one, other: one >= other,
    "gt": lambda one, other: one > other,
    "lte": lambda one, other: one <= other,
    "eq": lambda one, other: one == other,
    "neq": lambda one, other: one != other,
}


@dataclass(frozen=True)
class Row:
    """An event that a rule took, or the hit of a correlation."""

    rule: str
    values: Mapping[str, Hashable]
    first: float
    last: float
    number: int | None = None
    """What the correlation counted."""
    weight: int = 1
    """How many events it stands for."""


def _key(row: Row, names: Sequence[str]) -> tuple[Hashable, ...] | None:
    """The values of a key; None where one is missing."""
    found = tuple(row.values.get(name) for name in names)
    return None if None in found else found


def hits(
    correlation: Document, known: Mapping[str, Document], events: Mapping[str, Sequence[Row]], outer: int | None = None
) -> list[Row]:
    """The hits of a correlation, of which `known` are the documents and `events` the rows of rules on events."""
    body = correlation["correlation"]
    names, span = list(dict.fromkeys(body["rules"])), SPANS[body["timespan"]]
    rows: list[Row] = []
    for name in names:
        inner = hits(known[name], known, events, span) if "correlation" in known[name] else events[name]
        rows += [replace(row, rule=name) for row in inner]
    by = body.get("group-by", [])
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        key = _key(row, by)
        if key is not None:
            groups.setdefault((key, row.first // span if outer and span < outer else 0), []).append(row)
    found = []
    for (key, _), members in groups.items():
        number = _number(body, names, members)
        if number is not None:
            values = dict(zip(by, key, strict=True))
            first, last = min(row.first for row in members), max(row.last for row in members)
            found.append(Row(correlation["name"], values, first, last, number))
    return found


def _number(body: Document, names: Sequence[str], members: Sequence[Row]) -> int | None:
    """What is counted of the rows of a key where it meets the condition."""
    condition = dict(body.get("condition", {}))
    if body["type"] == "temporal_ordered":
        return 1 if _in_order(names, members, float("-inf")) else None
    fields = condition.pop("field", None)
    match body["type"]:
        case "event_count":
            number = sum(row.weight for row in members)
        case "value_count":
            fields = fields if isinstance(fields, list) else [fields]
            number = len({key for row in members if (key := _key(row, fields)) is not None})
            if not number:  # a key without any value has no row to count
                return None
        case _:
            number = len({row.rule for row in members})
            condition = condition or {"gte": len(names)}
    ((operator, count),) = condition.items()
    return number if OPERATORS[operator](number, count) else None


def _in_order(names: Sequence[str], members: Sequence[Row], since: float) -> bool:
    """Whether a moment can be found for each rule, none before that of the rule before it: every choice is tried."""
    if not names:
        return True
    moments = {max(row.first, since) for row in members if row.rule == names[0] and row.last >= since}
    return any(_in_order(names[1:], members, moment) for moment in moments)


def chain(dice: random.Random, bases: Sequence[Document], fields: Sequence[str]) -> list[Document]:
    """Correlations over the base rules, each over those before it, the outermost last; hits are told by `fields`."""
    outermost = dice.choice(("1h", "2h"))
    inner: list[Document] = []
    for number in range(dice.choice((1, 1, 2))):
        inner.append(_counting(dice, f"inner_{number}", [_any(dice, bases)], fields, _shorter(dice, outermost)))
    if dice.randrange(4) == 0:
        below = inner[-1]
        by = below["correlation"]["group-by"]
        span = below["correlation"]["timespan"]
        wider = dice.choice([one for one in SPANS if SPANS[span] <= SPANS[one] <= SPANS[outermost]])
        inner.append(_counting(dice, "middle", [below], by, wider))
    top, *others = reversed(inner)
    shared = list(top["correlation"]["group-by"])
    if dice.randrange(3) == 0:
        return [*inner, _counting(dice, "outer", [top], shared, outermost)]
    parts = [top, *others[: dice.randrange(2)], *dice.sample(list(bases), dice.choice((0, 1, 1, 2)))]
    parts += [_any(dice, bases)] if len(parts) == 1 else []
    dice.shuffle(parts)
    common = [one for one in shared if all(one in part["correlation"]["group-by"] for part in parts if part in inner)]
    return [*inner, _joining(dice, parts, common or ["Computer"], outermost)]


def _any(dice: random.Random, documents: Sequence[Document]) -> Document:
    return dice.choice(list(documents))


def _shorter(dice: random.Random, outermost: str) -> str:
    return dice.choice([one for one, seconds in SPANS.items() if seconds <= SPANS[outermost]])


def _document(name: str, kind: str, rules: Sequence[Document], by: Sequence[str], span: str, **more: Any) -> Document:
    body = {"type": kind, "rules": [one["name"] for one in rules], "group-by": list(by), "timespan": span, **more}
    return {"title": f"Correlation {name}", "name": name, "correlation": body}


def _counting(dice: random.Random, name: str, rules: Sequence[Document], fields: Sequence[str], span: str) -> Document:
    """Counts events, or values of a field that is no key."""
    others = [one for one in fields if one != "Computer"]
    by = ["Computer", *dice.sample(others, dice.randint(0, min(2, len(others))))]
    by = by if dice.randrange(6) or not by[1:] else by[1:]
    by = by if "Computer" in by or "Computer" not in fields else ["Computer", *by[1:]]
    counted = [one for one in others if one not in by]
    condition = {dice.choice(("gte", "gte", "gt", "lte", "eq", "neq")): dice.randint(1, 3)}
    if counted and dice.randrange(2):
        return _document(name, "value_count", rules, by, span, condition={**condition, "field": counted[0]})
    return _document(name, "event_count", rules, by, span, condition=condition)


def _joining(dice: random.Random, parts: Sequence[Document], by: Sequence[str], span: str) -> Document:
    """Asks for several rules, in any order or in theirs, or counts what all of them give."""
    keys = dice.sample(list(by), dice.randint(1, len(by)))
    keys = keys if "Computer" in keys else ["Computer", *keys]
    kind = dice.choice(("temporal", "temporal_ordered", "event_count"))
    more = {"condition": {dice.choice(("gte", "lte")): dice.randint(1, 4)}} if kind == "event_count" else {}
    return _document("outer", kind, parts, keys, span, **more)
