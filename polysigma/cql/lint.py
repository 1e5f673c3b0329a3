"""`lint`: everything that is known to be wrong with a query, or to hurt, as findings."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from polysigma.cql import calls, contexts, production, regexes, structure, suppress, values
from polysigma.cql.contexts import Context
from polysigma.cql.parser import parse_tolerantly
from polysigma.diagnostics import Position

if TYPE_CHECKING:
    from polysigma.diagnostics import Diagnostic

_NOWHERE = Position(0, 0)


def lint(text: str, file: str | None = None, context: Context | str | None = None) -> list[Diagnostic]:
    """The findings in a query, in the order of the text; empty if it is clean.

    `file` is only carried into the findings. `context` is what the query runs as: `filter-alert`, `aggregate-alert`,
    `scheduled-search` or `correlation-rule`. After a syntax error the part of the query before it is judged.
    Raises ValueError for an unknown context, and nothing else, whatever the text.
    """
    parsed = parse_tolerantly(text)
    query = parsed.query
    findings = [
        *parsed.problems,
        *calls.check(query),
        *regexes.check(query),
        *values.check(query),
        *structure.check(query),
        *production.check(query),
    ]
    if context is not None:
        findings += contexts.check(query, Context(context))
    findings = suppress.apply(text, query.comments, findings)
    unique = dict.fromkeys(replace(one, file=file) for one in findings)
    return sorted(unique, key=lambda one: (one.at or _NOWHERE, one.severity.value, one.code))
