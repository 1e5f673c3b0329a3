"""Lint rules for what a query runs as: an alert, a scheduled search or a correlation rule forbids some steps.

Sources: library.humio.com/data-analysis/automated-alerts.html (filter alerts take no aggregate, aggregate alerts need
one; neither takes functions that read the data twice), .../functions-join.html, and the behaviour of scheduled searches
when a result carries a warning.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from polysigma.cql import tree
from polysigma.cql.codes import finding
from polysigma.cql.structure import facts_of, is_aggregate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from polysigma.diagnostics import Diagnostic


class Context(StrEnum):
    """What a query runs as."""

    FILTER_ALERT = "filter-alert"
    AGGREGATE_ALERT = "aggregate-alert"
    SCHEDULED_SEARCH = "scheduled-search"
    CORRELATION_RULE = "correlation-rule"


_READS_TWICE = {"join", "selfJoin", "selfJoinFilter", "defineTable", "correlate"}
_NOT_LIVE = {Context.FILTER_ALERT, Context.AGGREGATE_ALERT}


def check(query: tree.Query, context: Context) -> Iterator[Diagnostic]:
    """The findings in a query that is to run as `context`."""
    aggregates = [step for step in query.steps if is_aggregate(step) and not _is(step, "correlate")]
    correlates = [step for step in query.steps if _is(step, "correlate")]
    if context is Context.FILTER_ALERT:
        for step in aggregates:
            yield _forbidden("a filter alert takes no aggregate", "make it an aggregate alert", step)
    if context is Context.AGGREGATE_ALERT and query.steps and not aggregates:
        yield _forbidden("an aggregate alert needs an aggregate", "make it a filter alert", query.steps[0])
    if context is Context.CORRELATION_RULE and correlates:
        for step in aggregates:
            yield _forbidden(
                "a correlation rule combines correlate() with no other aggregate",
                "use correlate(aggregation=...), or leave correlate() out",
                step,
            )
    for node in tree.walk(query):
        if not isinstance(node, tree.Call):
            continue
        facts = facts_of(node)
        if facts is None:
            continue
        if context in _NOT_LIVE and facts.name in _READS_TWICE:
            yield _forbidden(f"an alert runs live, and {facts.name}() reads twice", "make it a scheduled search", node)
        if facts.name == "setTimeInterval":
            yield _forbidden("the time of a rule is that of its schedule", "leave setTimeInterval() out", node)


def _is(step: tree.Step, name: str) -> bool:
    facts = facts_of(step) if isinstance(step, tree.Call) else None
    return facts is not None and facts.name == name


def _forbidden(message: str, hint: str, node: tree.Node) -> Diagnostic:
    return finding("context-forbids", message, hint, node.at)
