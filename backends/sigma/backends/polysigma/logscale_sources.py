"""Several searches in one CQL query: an event becomes a row for each rule that it matches.

CQL facts this rests on (LogScale documentation, "Conditional Evaluation", functions array:append and split): a `case`
takes the first clause that an event passes, and a clause that it does not pass leaves it as it was; array:append makes
an array that is not there yet; split makes an event of each value of an array, under the array's name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from polysigma.plan.expressions import Column, Expression, In, ListLiteral, columns
from polysigma.plan.scope import free_name
from polysigma.refusals import RefusalCode

from .errors import unsupported
from .ordering import closure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polysigma.plan.expressions import Scalar
    from polysigma.plan.steps import Source


def apart(sources: tuple[Source, ...]) -> bool:
    """Whether no event can be found by two of the searches, as their event filters ask for different values."""
    choices = [_choices(source) for source in sources]
    return all(
        any(not set(one[column]) & set(other[column]) for column in one.keys() & other.keys())
        for number, one in enumerate(choices)
        for other in choices[number + 1 :]
    )


def in_common(sources: tuple[Source, ...]) -> list[Expression]:
    """Event filters that hold for what any of the searches finds; they prune before the rules are looked at."""
    choices = [_choices(source) for source in sources]
    found: list[Expression] = [part for part in sources[0].event if all(part in source.event for source in sources)]
    for column in sorted(set.intersection(*(set(one) for one in choices))):
        items = tuple(dict.fromkeys(item for one in choices for item in one[column]))
        wider = In(Column(column), ListLiteral(items), cased=True)
        if wider not in found:
            found.append(wider)
    return found


def shared_and_own(
    sources: tuple[Source, ...], tested: dict[str, set[str]]
) -> tuple[list[tuple[str, Expression]], dict[str, list[tuple[str, Expression]]]]:
    """The computed columns that all searches which have them compute alike, and the others, by rule.

    `tested` are the columns that each rule's condition reads. Raises SigmaFeatureNotSupportedByBackendError where one
    of these is computed differently in each: a value that is missing leaves a field as it was, so that the one rule's
    would be taken for the other's.
    """
    found: dict[str, dict[str, Expression]] = {}
    for source in sources:
        for name, expression in source.derived:
            found.setdefault(name, {})[source.rule] = expression
    differing = {name for name, rules in found.items() if len(set(rules.values())) > 1}
    # What is made of a column that differs from rule to rule does so, too.
    while more := {
        name
        for name, rules in found.items()
        if name not in differing and any(differing & set(columns(expression)) for expression in rules.values())
    }:
        differing |= more
    for source in sources:
        early = closure(tested[source.rule], dict(source.derived)) & differing
        if early:
            raise unsupported(
                RefusalCode.DIFFERING_COLUMNS,
                f"{', '.join(sorted(early))} is computed differently in each of the rules",
            )
    shared = {name: next(iter(rules.values())) for name, rules in found.items() if name not in differing}
    own = {
        source.rule: [(name, expression) for name, expression in source.derived if name in differing]
        for source in sources
    }
    return list(shared.items()), own if differing else {}


def table_name(rule: str, taken: Mapping[str, str]) -> str:
    """A name that no table has yet."""
    return free_name(re.sub(r"[^A-Za-z0-9_]", "_", rule), taken, join="_")


def _choices(source: Source) -> dict[str, tuple[Scalar, ...]]:
    """The values that the event filter asks of each column."""
    return {
        part.item.name: part.choices.items
        for part in source.event
        if isinstance(part, In) and isinstance(part.item, Column) and isinstance(part.choices, ListLiteral)
    }
