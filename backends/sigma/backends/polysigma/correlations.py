"""Standard Sigma correlations as steps: the portable form of a rule, and all there is where it has no `polysigma` map.

Source: Sigma correlation rules specification 2.1, sections on correlation types and conditions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sigma.correlations import (
    SigmaCorrelationCondition,
    SigmaCorrelationConditionOperator,
    SigmaCorrelationRule,
    SigmaCorrelationType,
)

from polysigma.plan.expressions import Column, Comparison, ComparisonOperator, Constant, Expression
from polysigma.plan.steps import Bucket, Group, Measure, Step, Where

from .errors import unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polysigma.plan.types import Type

WINDOW = "Window"
"""The bucket of an inner correlation's own timespan, in a chain."""
RULE_COLUMN = "Rule"
"""In a plan with several sources, the name of the rule that a row matched."""

_OPERATORS: dict[SigmaCorrelationConditionOperator, ComparisonOperator] = {
    SigmaCorrelationConditionOperator.LT: "<",
    SigmaCorrelationConditionOperator.LTE: "<=",
    SigmaCorrelationConditionOperator.GT: ">",
    SigmaCorrelationConditionOperator.GTE: ">=",
    SigmaCorrelationConditionOperator.EQ: "=",
    SigmaCorrelationConditionOperator.NEQ: "!=",
}
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


def portable(rule: SigmaCorrelationRule, columns: Mapping[str, Type], bucket: int | None = None) -> Portable:
    """The steps of a standard correlation over rows with these columns.

    `bucket` cuts the rows into tumbling windows of so many seconds first (an inner correlation of a chain). Raises
    SigmaFeatureNotSupportedByBackendError for what cannot be said.
    """
    name = rule.name or rule.title
    keys = tuple(str(field) for field in rule.group_by or ())
    steps: list[Step] = []
    if bucket is not None:
        steps.append(Bucket(WINDOW, bucket))
        keys = (*keys, WINDOW)
    condition = rule.condition
    if not isinstance(condition, SigmaCorrelationCondition):
        raise unsupported(f"correlation {name}: extended conditions are not supported yet")
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
            raise unsupported(
                f"correlation {name}: temporal_ordered is not supported yet (temporal is, without the order)"
            )
        case kind if kind in _MEASURES:
            fields = _fields(name, condition)
            column, function = _MEASURES[kind]
            if len(fields) != 1 or not columns.get(fields[0], None) or not columns[fields[0]].is_number:
                raise unsupported(f"correlation {name}: {kind.name.lower()} needs one field that holds numbers")
            constant = condition.percentile if function == "percentile" else None
            if function == "percentile" and constant is None:
                raise unsupported(f"correlation {name}: value_percentile needs `percentile` in its condition")
            steps.append(Group(keys, (Measure(column, function, Column(fields[0]), None, constant),)))
        case kind:
            raise unsupported(f"correlation {name}: the type {kind.name.lower()} is not supported")
    steps.append(Where(_threshold(condition, column)))
    named = {*(str(field) for field in rule.group_by or ()), *fields}
    for field in sorted(named - columns.keys()):
        raise unsupported(f"correlation {name}: {field} is not a field of the rules that it refers to")
    return Portable(tuple(steps), frozenset(named))


def _fields(name: str, condition: SigmaCorrelationCondition) -> tuple[str, ...]:
    found = condition.fieldref
    if not found:
        raise unsupported(f"correlation {name}: its condition names no field")
    return tuple(found) if isinstance(found, list) else (found,)


def _threshold(condition: SigmaCorrelationCondition, column: str) -> Expression:
    return Comparison(_OPERATORS[condition.op], Column(column), Constant(condition.count))
