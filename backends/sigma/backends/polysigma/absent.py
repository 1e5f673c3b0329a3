"""Fields that a platform's events never hold: tests on them have one outcome, and the rule says what that costs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigma.conditions import ConditionFieldEqualsValueExpression, ConditionNOT
from sigma.exceptions import SigmaFeatureNotSupportedByBackendError
from sigma.types import SigmaExists, SigmaExpansion, SigmaNull, SigmaString, SigmaType

from polysigma.fidelity import FidelityLevel, Loss
from polysigma.plan.expressions import FALSE, TRUE, Expression, columns, conjunction
from polysigma.plan.simplify import simplify
from polysigma.platform import ABSENT_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable

    from polysigma.platform import Absence, Scope


class NothingLeftError(SigmaFeatureNotSupportedByBackendError):
    """A rule of which fields that are not recorded leave nothing. `code` is that of the first of them."""

    def __init__(self, message: str, *, code: str, field: str) -> None:
        super().__init__(message)
        self.code = code
        self.field = field


def is_absent(name: str) -> bool:
    """Whether a condition names a field, or values of one, that the platform's events never hold."""
    return name.startswith(ABSENT_PREFIX)


def outcome(value: SigmaType) -> bool:
    """What a test for `value` gives for every event that lacks the field (a missing value and empty text are one)."""
    if isinstance(value, SigmaExpansion):
        return any(outcome(item) for item in value.values)
    if isinstance(value, SigmaExists):
        return not value.exists
    return isinstance(value, SigmaNull) or (isinstance(value, SigmaString) and not value.s)


def folded(expression: Expression, condition: object, scope: Scope, event: Iterable[Expression]) -> Expression:
    """The expression without its constants, if the condition tests absent fields; else as it is.

    `event` is the event filter. Raises NothingLeftError where what is left can never hold, always holds, or says no
    more than the event filter does.
    """
    tests = _tests(condition, scope) if scope.absences else []
    if not tests:
        return expression
    left = simplify(expression)
    told = scope.event.keys() | scope.also.keys() | scope.without.keys()
    first, *_ = tests[0]
    fields = ", ".join(dict.fromkeys(absence.field for absence, _, _ in tests))
    what = None
    if left == FALSE:
        what = "every event that it could match must hold it, so nothing of it can be seen"
    elif left == TRUE or set(columns(simplify(conjunction(*event, left)))) <= told:
        what = "nothing else of it is left, so it would match every event of its log source"
    if what is None:
        return left
    hint = f"; use instead: {first.hint}" if first.hint else ""
    message = f"it rests on {fields} ({first.code}): {first.reason}; {what}{hint}"
    raise NothingLeftError(message, code=first.code, field=first.field)


def losses(condition: object, scope: Scope) -> tuple[Loss, ...]:
    """What the absent fields of a condition cost, each once: events that are missed, or matched besides."""
    if not scope.absences:
        return ()
    found = []
    for absence, value, negated in _tests(condition, scope):
        if outcome(value) is negated:
            cost = "what only it would show is missed"
        elif negated:
            cost = "the exclusion by it does not apply, so more events match"
        else:
            cost = "the test that it is missing always holds, so more events match"
        what = (
            "has values that are taken as held by no event"
            if absence.values
            else "is taken as missing from every event"
        )
        reason = f"{absence.field} {what} ({absence.reason}): {cost}"
        found.append(Loss(level=FidelityLevel.APPROXIMATE, reason=reason))
    return tuple(dict.fromkeys(found))


def _tests(condition: object, scope: Scope) -> list[tuple[Absence, SigmaType, bool]]:
    """The tests that no event can meet: why, the value, and whether an odd number of `not` stands above."""
    found = []
    queue = [(condition, False)]
    while queue:
        part, negated = queue.pop()
        if isinstance(part, ConditionFieldEqualsValueExpression):
            if is_absent(part.field):
                found.append((scope.absences[part.field], part.value, negated))
        else:
            below = negated != isinstance(part, ConditionNOT)
            queue += [(inner, below) for inner in reversed(getattr(part, "args", ()))]
    return found
