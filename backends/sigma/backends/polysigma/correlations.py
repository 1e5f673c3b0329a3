"""Standard Sigma correlations as steps: the portable form of a rule, and all there is where it has no `polysigma` map.

Source: Sigma correlation rules specification 2.1, sections on correlation types and conditions.
"""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sigma.correlations import (
    CorrelationConditionAND,
    CorrelationConditionItem,
    CorrelationConditionNOT,
    SigmaCorrelationCondition,
    SigmaCorrelationConditionOperator,
    SigmaCorrelationRule,
    SigmaCorrelationType,
    SigmaRuleReference,
)

from polysigma.plan.expressions import (
    Case,
    Column,
    Comparison,
    ComparisonOperator,
    Constant,
    Expression,
    conjunction,
    disjunction,
)
from polysigma.plan.steps import (
    END_COLUMN,
    RULE_COLUMN,
    TIME_COLUMN,
    Bucket,
    Group,
    Measure,
    Order,
    Ordered,
    Select,
    Step,
    Where,
    is_rule,
)
from polysigma.refusals import RefusalCode

from .errors import unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polysigma.plan.types import Type

WINDOW = "Window"
"""The bucket of an inner correlation's own timespan, in a chain."""
MOST_ORDERS = 64
"""A condition that allows for more orders of rules is refused: each is several columns of the query."""

_OPERATORS: dict[SigmaCorrelationConditionOperator, ComparisonOperator] = {
    SigmaCorrelationConditionOperator.LT: "<",
    SigmaCorrelationConditionOperator.LTE: "<=",
    SigmaCorrelationConditionOperator.GT: ">",
    SigmaCorrelationConditionOperator.GTE: ">=",
    SigmaCorrelationConditionOperator.EQ: "=",
    SigmaCorrelationConditionOperator.NEQ: "!=",
}
_OF_RULES = {SigmaCorrelationType.TEMPORAL, SigmaCorrelationType.TEMPORAL_ORDERED}
_MEASURES = {
    SigmaCorrelationType.VALUE_SUM: ("ValueSum", "sum"),
    SigmaCorrelationType.VALUE_AVG: ("ValueAverage", "avg"),
    SigmaCorrelationType.VALUE_MEDIAN: ("ValueMedian", "median"),
    SigmaCorrelationType.VALUE_PERCENTILE: ("ValuePercentile", "percentile"),
}


@dataclass(frozen=True, slots=True)
class Portable:
    """A standard correlation as steps, and the canonical fields that they name."""

    steps: tuple[Step, ...]
    fields: frozenset[str]


def portable(
    rule: SigmaCorrelationRule,
    columns: Mapping[str, Type],
    rules: tuple[tuple[str, str], ...],
    bucket: tuple[str, int] | None = None,
    *,
    spans: bool = False,
) -> Portable:
    """The steps of a standard correlation over rows with these columns.

    `rules` are, in the order of the correlation, what it calls each rule, and the name by which rows know it. `bucket`
    cuts the rows into tumbling windows first: the name of their column, and so many seconds (an inner correlation of a
    chain). `spans` says that rows are hits, there from `EventTime` to `EventEnd`. Raises
    SigmaFeatureNotSupportedByBackendError for what cannot be said.
    """
    name = rule.name or rule.title
    names = tuple(known_as for _, known_as in rules)
    keys = tuple(str(field) for field in rule.group_by or ())
    steps: list[Step] = []
    if bucket is not None:
        steps.append(Bucket(*bucket))
        keys = (*keys, bucket[0])
    if rule.type in _OF_RULES and RULE_COLUMN not in columns:
        raise unsupported(
            RefusalCode.CORRELATION_RULES,
            f"correlation {name}: {rule.type.name.lower()} is about several rules, and this names one",
        )
    condition = rule.condition
    if not isinstance(condition, SigmaCorrelationCondition):
        terms = _terms(condition.parsed, dict(rules))
        if rule.type is SigmaCorrelationType.TEMPORAL_ORDERED:
            steps.append(Ordered(keys, _orders(name, terms, names), spans=spans))
        else:
            steps += _seen(keys, terms, tuple(dict.fromkeys(names)))
        return _checked(name, rule, columns, steps, ())
    match rule.type:
        case SigmaCorrelationType.EVENT_COUNT:
            column = "EventCount"
            steps.append(Group(keys, (Measure(column, "count"),)))
            fields: tuple[str, ...] = ()
        case SigmaCorrelationType.VALUE_COUNT:
            fields = _fields(name, condition)
            column = "ValueCount"
            # Counting groups of groups is exact in every language; several count distinct values by estimate.
            steps.append(
                Group((*keys, *(field for field in fields if field not in keys)), (Measure("Events", "count"),))
            )
            steps.append(Group(keys, (Measure(column, "count"),)))
        case SigmaCorrelationType.TEMPORAL:
            fields = ()
            column = "RuleCount"
            steps.append(Group((*keys, RULE_COLUMN), (Measure("Events", "count"),)))
            steps.append(Group(keys, (Measure(column, "count"),)))
        case SigmaCorrelationType.TEMPORAL_ORDERED:
            steps.append(Ordered(keys, _subsequences(name, condition, names), spans=spans))
            return _checked(name, rule, columns, steps, ())
        case kind if kind in _MEASURES:
            fields = _fields(name, condition)
            column, function = _MEASURES[kind]
            if len(fields) != 1 or not columns.get(fields[0], None) or not columns[fields[0]].is_number:
                raise unsupported(
                    RefusalCode.CORRELATION_FIELD,
                    f"correlation {name}: {kind.name.lower()} needs one field that holds numbers",
                )
            constant = condition.percentile if function == "percentile" else None
            if function == "percentile" and constant is None:
                raise unsupported(
                    RefusalCode.CORRELATION_CONDITION,
                    f"correlation {name}: value_percentile needs `percentile` in its condition",
                )
            steps.append(Group(keys, (Measure(column, function, Column(fields[0]), None, constant),)))
        case kind:
            raise unsupported(
                RefusalCode.CORRELATION_TYPE, f"correlation {name}: the type {kind.name.lower()} is not supported"
            )
    steps.append(Where(_threshold(condition, column)))
    return _checked(name, rule, columns, steps, fields)


def with_times(steps: tuple[Step, ...], *, spans: bool) -> tuple[Step, ...]:
    """The steps, so that a row says from when to when its events were. `spans`: the rows that go in say so already."""
    done: list[Step] = []
    end = END_COLUMN if spans else TIME_COLUMN
    for step in steps:
        if isinstance(step, Group | Ordered):
            times = (Measure(TIME_COLUMN, "min", Column(TIME_COLUMN)), Measure(END_COLUMN, "max", Column(end)))
            done.append(replace(step, measures=(*step.measures, *times)))
            end = END_COLUMN
        elif isinstance(step, Select):
            done.append(replace(step, columns=(*step.columns, TIME_COLUMN, END_COLUMN)))
        else:
            done.append(step)
    return tuple(done)


def _checked(
    name: str, rule: SigmaCorrelationRule, columns: Mapping[str, Type], steps: list[Step], fields: tuple[str, ...]
) -> Portable:
    """The steps, once the fields that they name are known to be there."""
    named = {*(str(field) for field in rule.group_by or ()), *fields}
    for field in sorted(named - columns.keys()):
        raise unsupported(
            RefusalCode.CORRELATION_FIELD, f"correlation {name}: {field} is not a field of the rules that it refers to"
        )
    return Portable(tuple(steps), frozenset(named))


@dataclass(frozen=True, slots=True)
class _Term:
    """Rules of which there must be an event, and rules of which there must be none."""

    some: frozenset[str]
    none: frozenset[str]


def _terms(node: CorrelationConditionItem | SigmaRuleReference, rules: Mapping[str, str]) -> list[_Term]:
    """An extended condition as alternatives (disjunctive normal form), those that cannot be met left out."""
    return [term for term in dict.fromkeys(_alternatives(node, rules, negate=False)) if not term.some & term.none]


def _alternatives(
    node: CorrelationConditionItem | SigmaRuleReference, rules: Mapping[str, str], *, negate: bool
) -> list[_Term]:
    if isinstance(node, SigmaRuleReference):
        rule, nothing = frozenset({rules[node.reference]}), frozenset[str]()
        return [_Term(nothing, rule) if negate else _Term(rule, nothing)]
    if isinstance(node, CorrelationConditionNOT):
        return _alternatives(node.args[0], rules, negate=not negate)
    parts = [_alternatives(part, rules, negate=negate) for part in node.args]
    if isinstance(node, CorrelationConditionAND) is negate:
        return [term for part in parts for term in part]
    if math.prod(len(part) for part in parts) > MOST_ORDERS:
        raise unsupported(RefusalCode.TOO_MANY, f"an extended condition with more than {MOST_ORDERS} alternatives")
    return [
        _Term(frozenset().union(*(term.some for term in each)), frozenset().union(*(term.none for term in each)))
        for each in itertools.product(*parts)
    ]


def _seen(keys: tuple[str, ...], terms: list[_Term], rules: tuple[str, ...]) -> list[Step]:
    """Which rules a key's events matched, and the condition on that."""
    seen = {rule: f"Saw_{re.sub(r'[^A-Za-z0-9_]', '_', rule)}" for rule in rules}
    if len(set(seen.values())) < len(seen):
        seen = {rule: f"{name}_{number}" for number, (rule, name) in enumerate(seen.items(), 1)}
    flags = tuple(
        Measure(name, "max", Case(((is_rule(rule), Constant(1)),), Constant(0))) for rule, name in seen.items()
    )

    def met(term: _Term) -> Expression:
        asked = [rule for rule in rules if rule in term.some | term.none]
        return conjunction(*(Comparison("=", Column(seen[rule]), Constant(int(rule in term.some))) for rule in asked))

    return [Group(keys, flags), Where(disjunction(*(met(term) for term in terms)))]


def _orders(name: str, terms: list[_Term], rules: tuple[str, ...]) -> tuple[Order, ...]:
    """The rules of each alternative in the order of the correlation."""
    found = []
    for term in terms:
        if not term.some:
            raise unsupported(
                RefusalCode.CORRELATION_CONDITION,
                f"correlation {name}: an order of rules without any rule that must have matched",
            )
        order = tuple(rule for rule in rules if rule in term.some)
        found.append(Order(order, tuple(rule for rule in rules if rule in term.none)))
    return tuple(dict.fromkeys(found))


def _subsequences(name: str, condition: SigmaCorrelationCondition, rules: tuple[str, ...]) -> tuple[Order, ...]:
    """All rules in their order, or, where the condition asks for fewer, every choice of so many."""
    operator, least = condition.op, condition.count  # a fraction, too, from pySigma 2 on
    if operator is SigmaCorrelationConditionOperator.GT:
        operator, least = SigmaCorrelationConditionOperator.GTE, least + 1
    if operator is SigmaCorrelationConditionOperator.EQ and least == len(rules):
        operator = SigmaCorrelationConditionOperator.GTE
    if operator is not SigmaCorrelationConditionOperator.GTE or least not in range(1, len(rules) + 1):
        raise unsupported(
            RefusalCode.CORRELATION_CONDITION,
            f"correlation {name}: temporal_ordered asks for some or all of its {len(rules)} rules in their order "
            f"(gte: 1 to {len(rules)}), not for {condition.op.name.lower()}: {condition.count}",
        )
    if math.comb(len(rules), least) > MOST_ORDERS:
        raise unsupported(
            RefusalCode.TOO_MANY, f"correlation {name}: {least} of {len(rules)} rules can come in too many orders"
        )
    return tuple(Order(chosen) for chosen in itertools.combinations(rules, least))


def _fields(name: str, condition: SigmaCorrelationCondition) -> tuple[str, ...]:
    found = condition.fieldref
    if not found:
        raise unsupported(RefusalCode.CORRELATION_CONDITION, f"correlation {name}: its condition names no field")
    return tuple(found) if isinstance(found, list) else (found,)


def _threshold(condition: SigmaCorrelationCondition, column: str) -> Expression:
    return Comparison(_OPERATORS[condition.op], Column(column), Constant(condition.count))
