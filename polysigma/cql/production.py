"""Lint rules for what runs and hurts: results cut in silence, slow filters, surprising defaults. All are warnings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polysigma.cql import tree
from polysigma.cql.codes import finding
from polysigma.cql.structure import facts_of, is_aggregate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from polysigma.diagnostics import Diagnostic

_SOURCES = {"createEvents", "readFile", "correlate"}
"""Functions that bring their own events, so that a filter on tags before them means nothing."""
_ROWS = {"sort": 200, "table": 200, "head": 200, "tail": 200}


def check(query: tree.Query) -> Iterator[Diagnostic]:
    """The warnings about a query as a whole and about each of its parts."""
    yield from _no_tag(query)
    for node in tree.walk(query):
        match node:
            case tree.Pipeline():
                yield from _order(node)
            case tree.Call():
                yield from _call(node)
            case tree.Compare(at, tree.Field(name=name), "=" | "!=", tree.Regex()) if name.startswith("#"):
                yield finding(
                    "tag-regex",
                    f"the tag {name} is tested by a regular expression, which reads every data source",
                    f"write {name}=value, or in({name}, values=[...])",
                    at,
                )
            case tree.Or(operands=operands):
                yield from _calls_under_or(operands)
            case tree.And(operands=operands, explicit=True):
                yield from _mixed(operands)


def _no_tag(query: tree.Query) -> Iterator[Diagnostic]:
    filters: list[tree.Step] = []
    for step in query.steps:
        if is_aggregate(step):
            break
        filters.append(step)
    first = query.steps[0] if query.steps else None
    if first is None or any(_reads_less(node) for step in filters for node in tree.walk(step)):
        return
    if isinstance(first, tree.Call) and (facts := facts_of(first)) and facts.name in _SOURCES:
        return
    yield finding(
        "no-tag-filter",
        "no tag is tested before the first aggregate, so every data source is read",
        "begin with a tag, as in #event_simpleName=ProcessRollup2",
        first.at,
    )


def _reads_less(node: tree.Node) -> bool:
    match node:
        case tree.Compare(field=tree.Field(name=name)) | tree.Bind(field=tree.Field(name=name)):
            return name.startswith("#")
        case tree.Match(field=tree.Field(name=name)):
            return name.startswith("#")
        case tree.Saved():  # it may well test a tag
            return True
        case tree.Argument(value=tree.Bare(value=name) | tree.Quoted(value=name) | tree.Field(name=name)):
            return name.startswith("#")
        case _:
            return False


def _order(pipeline: tree.Pipeline) -> Iterator[Diagnostic]:
    sorted_at: tree.Call | None = None
    aggregated = False
    for step in pipeline.steps:
        facts = facts_of(step) if isinstance(step, tree.Call) else None
        if isinstance(step, tree.Call) and facts:
            if facts.name == "table" and sorted_at and not _given(step, "sortby"):
                yield finding(
                    "table-undoes-sort",
                    "table() sorts by sortby, which is @timestamp by default, and so undoes the sort() before it",
                    "leave sort() out and write table([...], sortby=..., order=..., limit=...)",
                    step.at,
                )
            if facts.name == "sort":
                sorted_at = step
            elif is_aggregate(step) and facts.name not in {"head", "tail"}:
                sorted_at = None
        if aggregated and isinstance(step, tree.FreeText) and not _is_star(step):
            yield finding(
                "free-text-after-aggregate",
                "free text behind an aggregate is deprecated since release 1.189",
                "name the field: field=*text*",
                step.at,
            )
        aggregated = aggregated or is_aggregate(step)


def _is_star(step: tree.FreeText) -> bool:
    return isinstance(step.pattern, tree.Bare | tree.Quoted) and step.pattern.value == "*"


def _call(call: tree.Call) -> Iterator[Diagnostic]:
    facts = facts_of(call)
    if facts is None:
        return
    if facts.name == "groupBy" and not _given(call, "limit"):
        yield finding(
            "groupby-limit",
            "groupBy() without limit keeps 20,000 groups; past that, counts are too low",
            "write limit=max (1,000,000), or the number of groups that you expect",
            call.at,
        )
    elif facts.name in _ROWS and not call_has_limit(call):
        rows = _ROWS[facts.name]
        yield finding(
            "default-limit",
            f"{facts.name}() without limit keeps {rows} rows and drops the rest in silence",
            "write limit=, up to 20000",
            call.at,
        )
    elif facts.name in {"timeChart", "bucket"} and not _given(call, "limit") and _has_series(call, facts.name):
        yield finding(
            "series-limit",
            f"{facts.name}() without limit keeps 10 series, chosen by their size",
            "write limit=, up to 500; to count by many keys, formatTime() into a field and groupBy()",
            call.at,
        )
    elif facts.name == "parseInt" and not _given(call, "radix"):
        yield finding(
            "parseint-radix", "parseInt() reads hexadecimal by default", "write radix=10 or radix=16", call.at
        )


def call_has_limit(call: tree.Call) -> bool:
    """Whether `sort`, `table`, `head` or `tail` is told how many rows to keep."""
    facts = facts_of(call)
    unnamed = any(argument.name is None for argument in call.arguments)
    return _given(call, "limit") or (unnamed and facts is not None and facts.unnamed == "limit")


def _has_series(call: tree.Call, name: str) -> bool:
    unnamed = any(argument.name is None for argument in call.arguments)
    return _given(call, "series") or unnamed if name == "timeChart" else _given(call, "field")


def _given(call: tree.Call, name: str) -> bool:
    return any(argument.name == name for argument in call.arguments)


def _calls_under_or(operands: tuple[tree.Filter, ...]) -> Iterator[Diagnostic]:
    for operand in operands:
        inner = operand.operand if isinstance(operand, tree.Not) else operand
        if isinstance(inner, tree.Call | tree.Bind | tree.Saved):
            yield finding(
                "call-under-or",
                "a call stands under `or`; the documented grammar has calls only as steps",
                "write case { one ; other }, with the call as a step of its branch",
                inner.at,
            )


def _mixed(operands: tuple[tree.Filter, ...]) -> Iterator[Diagnostic]:
    for operand in operands:
        if isinstance(operand, tree.Or) and not operand.grouped:
            yield finding(
                "mixed-and-or",
                "`and` and `or` stand side by side, and in CQL `or` binds tighter",
                "put parentheses around what belongs together",
                operand.at,
            )
