"""Lint rules for where a step may stand: errors about order and nesting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polysigma.cql import tree
from polysigma.cql.codes import finding
from polysigma.cql.functions import FunctionFacts, Kind, function_facts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from polysigma.diagnostics import Diagnostic

_FILTERING = {"regex", "ioc:lookup", "match", "parseJson", "selfJoin"}
"""Transformations that can drop an event, and so may stand where a filter must."""


def facts_of(call: tree.Call) -> FunctionFacts | None:
    """The function of a call, if it exists."""
    return function_facts(call.function)


def is_aggregate(step: tree.Node) -> bool:
    """Whether a step ends the stream of events: an aggregate's call, or `[f(), g()]`."""
    if isinstance(step, tree.Stats):
        return True
    if isinstance(step, tree.Assign):
        return isinstance(step.value, tree.Call) and is_aggregate(step.value)
    facts = facts_of(step) if isinstance(step, tree.Call) else None
    return facts is not None and facts.kind in {Kind.AGGREGATE, Kind.STREAMING}


def check(query: tree.Query) -> Iterator[Diagnostic]:
    """The findings about where the steps of a query stand."""
    yield from _pipeline(query.pipeline)
    yield from _preamble(query)
    for node in tree.walk(query):
        match node:
            case tree.And(operands=operands) | tree.Or(operands=operands):
                for operand in operands:
                    yield from _operand(operand)
            case tree.Not(operand=operand):
                yield from _operand(operand)
            case tree.MatchBranch(guard=tree.Call() as guard):
                yield from _operand(guard)
            case tree.Argument(name="function", value=tree.Subquery(pipeline=pipeline)):
                # The events of a group are in no order, whatever stood before it.
                yield from _pipeline(pipeline)
            case tree.Call():
                yield from _correlate(node)
                yield from _condition(node)
            case tree.Pipeline(steps=steps):
                for step in steps[1:]:
                    yield from _foreign(step)


def _preamble(query: tree.Query) -> Iterator[Diagnostic]:
    """`setTimeInterval()` behind another step, be that a definition of a table, or within a filter."""
    for number, step in enumerate(query.steps):
        operands = step.operands if isinstance(step, tree.And | tree.Or) else (step,)
        for call in operands if number else operands[1:]:
            if isinstance(call, tree.Call) and call.function.lower() == "settimeinterval":
                yield finding(
                    "late-time-interval",
                    "setTimeInterval() stands behind another step",
                    "make it the first step of the query",
                    call.at,
                )


_FOREIGN = {
    **dict.fromkeys(("where", "filter", "search"), "leave the word away: a step is a filter"),
    **dict.fromkeys(("fields", "project"), "write select([field, field])"),
    **dict.fromkeys(("stats", "summarize"), "write groupBy([field], function=[...])"),
    **dict.fromkeys(("eval", "extend"), "write field := expression"),
    **dict.fromkeys(("limit", "take"), "write head(limit=10)"),
    "dedup": "write groupBy([field], function=[tail(1)])",
    "rex": 'write regex("...", field=field)',
}
"""Commands of SPL, KQL and SQL, and what CQL has instead."""


def _foreign(step: tree.Step) -> Iterator[Diagnostic]:
    """`| where x > 3`, which looks for the word `where` in the text of the event."""
    match step:
        case tree.And(operands=(tree.FreeText(at, tree.Bare(value=word)), *_)) if word.lower() in _FOREIGN:
            yield finding("foreign-command", f"`{word}` is searched for as text", _FOREIGN[word.lower()], at)
        case _:
            pass


def _operand(node: tree.Node) -> Iterator[Diagnostic]:
    if isinstance(node, tree.Call) and is_aggregate(node):
        yield finding(
            "aggregate-in-filter",
            f"{node.function}() aggregates, and stands where a filter must",
            "make it a step of its own: write | before and behind it",
            node.at,
        )


def _condition(call: tree.Call) -> Iterator[Diagnostic]:
    """`test(count() > 5)` and `if(count() > 5, ...)`."""
    facts = facts_of(call)
    if facts is None or facts.name not in {"test", "if", "coalesce"}:
        return
    for node in tree.walk(call):
        if node is not call and isinstance(node, tree.Call) and is_aggregate(node):
            yield finding(
                "aggregate-in-filter",
                f"{node.function}() aggregates, and stands in an expression of {facts.name}()",
                "aggregate in a step before, with as=name, and use the name here",
                node.at,
            )


def _pipeline(pipeline: tree.Pipeline) -> Iterator[Diagnostic]:
    aggregated = False
    for step in pipeline.steps:
        facts = facts_of(step) if isinstance(step, tree.Call) else None
        if facts and isinstance(step, tree.Call):
            if facts.kind is Kind.STREAMING and not aggregated:
                yield finding(
                    "streaming-first",
                    f"{facts.name}() works on the rows of an aggregate, and none stands before it",
                    "put sort(), table() or groupBy() before it",
                    step.at,
                )
            if facts.name == "correlate" and aggregated:
                yield finding(
                    "correlate-aggregate",
                    "correlate() stands behind an aggregate",
                    "start the query with correlate(), and aggregate behind it",
                    step.at,
                )
        aggregated = aggregated or is_aggregate(step) or isinstance(step, tree.Saved)


def _correlate(call: tree.Call) -> Iterator[Diagnostic]:
    facts = facts_of(call)
    if facts is None or facts.name != "correlate":
        return
    for argument in call.arguments:
        if isinstance(argument.value, tree.NamedQuery):
            for step in argument.value.pipeline.steps:
                if is_aggregate(step):
                    yield finding(
                        "correlate-aggregate",
                        f"the query {argument.value.name} of correlate() aggregates",
                        "filter and transform only; aggregate behind correlate()",
                        step.at,
                    )
