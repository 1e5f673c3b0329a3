"""What a rule requires of every event that it matches, as far as its conditions say so plainly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sigma.conditions import ConditionAND, ConditionFieldEqualsValueExpression
from sigma.rule import SigmaDetection
from sigma.types import SigmaBool, SigmaNumber, SigmaString

if TYPE_CHECKING:
    from collections.abc import Collection

    from sigma.rule import SigmaRule


def required_values(rule: SigmaRule, fields: Collection[str]) -> dict[str, str]:
    """Of `fields`, those that have one value in every event the rule can match, and the value in lower case.

    Only conjuncts of the condition count; with several conditions, only what all of them require.
    """
    if not any(_mentions(detection, fields) for detection in rule.detection.detections.values()):
        return {}
    required: dict[str, str] | None = None
    for condition in rule.detection.parsed_condition:
        found = {field: value for field, value in _conjuncts(condition.parse()) if field in fields}
        required = found if required is None else dict(required.items() & found.items())
    return required or {}


def _mentions(detection: SigmaDetection, fields: Collection[str]) -> bool:
    for item in detection.detection_items:
        found = _mentions(item, fields) if isinstance(item, SigmaDetection) else item.field in fields
        if found:
            return True
    return False


def _conjuncts(condition: Any) -> list[tuple[str, str]]:
    if isinstance(condition, ConditionAND):
        return [pair for part in condition.args for pair in _conjuncts(part)]
    if isinstance(condition, ConditionFieldEqualsValueExpression):
        value = condition.value
        text = isinstance(value, SigmaString) and not value.contains_special()
        if text or isinstance(value, SigmaBool | SigmaNumber):
            return [(condition.field, str(value).lower())]
    return []
