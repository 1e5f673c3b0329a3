"""A query's text to rows: parsed, compiled once to closures, run over rows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from polysigma.cql import parse, tree
from polysigma.cql.functions import Kind, function_facts
from polysigma.engines.cql import arrays
from polysigma.engines.cql.arguments import Arguments, function_name
from polysigma.engines.cql.context import Context, refuse
from polysigma.engines.cql.grouping import GroupBy, Stats
from polysigma.engines.cql.measures import TIME, measure
from polysigma.engines.cql.steps import Op, compile_step, run_all
from polysigma.engines.cql.tables import table
from polysigma.engines.cql.times import relative, zone
from polysigma.engines.cql.values import event, number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from polysigma.engines.cql.measures import Aggregate, Factory
    from polysigma.engines.cql.values import Row, Value

_NOT_YET = "join correlate selfJoin bucket timeChart session series window"


@dataclass(frozen=True, slots=True)
class Result:
    """What a query gives.

    `incomplete`: a limit was passed, so that rows are missing and counts are lower bounds. `warnings`: what the product
    would show with the result. `assumptions`: the ids of the rules of `assumptions.toml` that the result may hang on.
    """

    rows: list[Row]
    incomplete: bool
    warnings: tuple[str, ...]
    assumptions: frozenset[str]


def run_cql(
    text: str,
    rows: Iterable[Mapping[str, object]],
    *,
    now: float | None = None,
    flip: frozenset[str] = frozenset(),
) -> Result:
    """The result of a query over rows, which are not changed.

    A row maps fields to values, `@timestamp` in milliseconds since the epoch, tags with their `#`. `now` is the time of
    the query in seconds since the epoch, by default the present; `flip` are assumptions of which the alternative is
    evaluated. Raises PolysigmaError for a query that does not parse, that holds what is not implemented
    (`cql-unsupported`), or whose aggregates contradict each other (`cql-conflict`); ValueError for an assumption that
    is not known or cannot be flipped.
    """
    return compile_cql(text, flip=flip).run(rows, now=now)


def compile_cql(
    text: str,
    *,
    flip: frozenset[str] = frozenset(),
    file: str | None = None,
    lookups: Mapping[str, Sequence[str]] | None = None,
) -> CompiledQuery:
    """A query ready to be run several times. Raises as `run_cql`.

    `lookups` are the CSV files of one column, `value`, that the repository has, by name without `.csv`.
    """
    return CompiledQuery(parse(text, file).steps, Context(flip, lookups))


class CompiledQuery:
    """A compiled query. Its runs share a state, so one is to end before the next begins."""

    def __init__(self, steps: Sequence[tree.Step], context: Context) -> None:
        self.context = context
        self._interval: Callable[[float], tuple[float, float]] | None = None
        if steps and isinstance(steps[0], tree.Call) and function_name(steps[0]) == "setTimeInterval":
            self._interval = _interval(steps[0])
            steps = steps[1:]
        self._tables: list[_Table] = []
        while steps and isinstance(steps[0], tree.Call) and function_name(steps[0]) == "defineTable":
            self._tables.append(_Table(context, steps[0]))
            steps = steps[1:]
        self._main = _Search(context, steps)
        self._pipeline = self._main.pipeline
        self._sifted: frozenset[str] = frozenset()

    def run(self, rows: Iterable[Mapping[str, object]], *, now: float | None = None) -> Result:
        """The result over rows; see `run_cql`."""
        context = self.context
        context.reset(time.time() if now is None else now)
        events: Iterable[Mapping[str, Value]] = (event(row) for row in rows)
        if self._interval is not None:
            events = _within(context, events, *self._interval(context.now * 1000))
        return self._result(self._found(events))

    def _found(self, events: Iterable[Mapping[str, Value]]) -> list[Row]:
        """The rows of the query, once the tables are made that it reads."""
        if not self._tables:
            return self._main.run(events, {})
        events = list(events)
        known: dict[str, list[Row]] = {}
        for made in self._tables:
            known[made.name] = made.rows(events, known)
        return self._main.run(events, known)

    def sift(self, rows: Iterable[Mapping[str, object]]) -> list[Row | None]:
        """Each row as it comes to the first aggregate, or to the end; None where it does not get there.

        With `gather` a query is run on many selections of the same rows while it looks at each of them once. Raises
        ValueError for a query that names its own interval.
        """
        if self._interval is not None:
            raise ValueError("the query names its own interval")
        context = self.context
        context.reset(time.time())
        found: list[Row | None] = []
        if self._tables:
            return [dict(event(row)) for row in rows]
        for row in rows:
            context.event = event(row)
            found.append(self._pipeline.passed(context.event))
        self._sifted = frozenset(context.met)
        return found

    def gather(self, rows: Iterable[Row]) -> Result:
        """The result over some of the rows that `sift` has let through; the rest as `run`."""
        self.context.reset(time.time())
        found = self._found(rows) if self._tables else self._pipeline.gather(rows)
        self.context.met |= self._sifted
        return self._result(found)

    def _result(self, rows: list[Row]) -> Result:
        context = self.context
        # Rows that no step changed are still the caller's own.
        return Result(
            [dict(row) for row in rows],
            context.incomplete,
            tuple(context.warnings),
            frozenset(context.met | context.compiled),
        )


# The time interval


def _interval(call: tree.Call) -> Callable[[float], tuple[float, float]]:
    """The bounds of setTimeInterval() in milliseconds (data-analysis/functions-settimeinterval.html)."""
    arguments = Arguments(call, "start end timezone")
    where = zone(arguments.text("timezone", "UTC"))
    if where is None:
        refuse(arguments.node("timezone"), "the time zone is not known")
    texts = [arguments.text("start"), arguments.text("end", "now")]
    for name, text in zip(("start", "end"), texts, strict=True):
        if relative(text, 0.0, where) is None:
            refuse(arguments.node(name), f"the time {text!r} is not implemented")

    def bounds(now: float) -> tuple[float, float]:
        start, end = (relative(text, now, where) or 0.0 for text in texts)
        return start, end

    return bounds


def _within(
    context: Context, events: Iterable[Mapping[str, Value]], start: float, end: float
) -> Iterator[Mapping[str, Value]]:
    closed = context.flipped("interval-half-open")
    for found in events:
        stamp = number(found.get(TIME))
        if stamp is None or stamp < start or stamp > end:
            continue
        if stamp == end:
            context.meet("interval-half-open")
            if not closed:
                continue
        yield found


# Pipelines


class _Pipeline:
    """Operations on events, then, if there is an aggregate, the aggregate, and a pipeline over its rows."""

    def __init__(self, context: Context, steps: Sequence[tree.Step]) -> None:
        self.context = context
        self.aggregate: Factory | None = None
        self.rest: _Pipeline | None = None
        ops: list[Op] = []
        for index, step in enumerate(steps):
            factory = _aggregate_step(context, step)
            if factory is not None:
                self.aggregate = factory
                before = context.aggregated
                context.aggregated = True
                self.rest = _Pipeline(context, steps[index + 1 :])
                context.aggregated = before
                break
            ops += compile_step(context, step)
        pure = next((index for index, op in enumerate(ops) if op.mutates), len(ops))
        self.tests = run_all(ops[:pure]) if pure else None
        self.changes = run_all(ops[pure:]) if pure < len(ops) else None
        """From the first operation on that changes a row: run on a copy."""

    def passed(self, row: Mapping[str, Value]) -> Row | None:
        """The row after the operations before the aggregate, or None if it does not pass them.

        The operations of `tests` change nothing, so that they may look at a caller's row.
        """
        if self.tests is not None and not self.tests(row):  # type: ignore[arg-type]
            return None
        if self.changes is None:
            return row if isinstance(row, dict) else dict(row)
        copy = dict(row)
        return copy if self.changes(copy) else None

    def run(self, events: Iterable[Mapping[str, Value]], *, original: bool = True) -> list[Row]:
        """The rows of the result."""
        context = self.context
        aggregate = self.aggregate() if self.aggregate else None
        found: list[Row] = []
        keep = found.append if aggregate is None else aggregate.add
        for row in events:
            if original:
                context.event = row
            passed = self.passed(row)
            if passed is not None:
                keep(passed)
        return found if aggregate is None else self._finished(aggregate)

    def gather(self, passed: Iterable[Row]) -> list[Row]:
        """The rows of the result over rows that have `passed`."""
        aggregate = self.aggregate() if self.aggregate else None
        if aggregate is None:
            return list(passed)
        for row in passed:
            aggregate.add(row)
        return self._finished(aggregate)

    def _finished(self, aggregate: Aggregate) -> list[Row]:
        return self.rest.run(aggregate.rows(), original=False) if self.rest is not None else []


class _Search:
    """A pipeline over events, or over the tables that a readFile() at its beginning names."""

    def __init__(self, context: Context, steps: Sequence[tree.Step]) -> None:
        self.read: tree.Call | None = None
        self.files: list[str] = []
        if steps and isinstance(steps[0], tree.Call) and function_name(steps[0]) == "readFile":
            self.read = steps[0]
            self.files = Arguments(self.read, "file").texts("file")
            steps = steps[1:]
        self.pipeline = _Pipeline(context, steps)

    def run(self, events: Iterable[Mapping[str, Value]], tables: Mapping[str, list[Row]]) -> list[Row]:
        """The rows. Tables stand one after the other (data-analysis/functions-readfile.html)."""
        if self.read is None:
            return self.pipeline.run(events)
        for name in self.files:
            if name not in tables:
                refuse(self.read, f"the file {name!r} is not at hand: only tables of the query itself are")
        return self.pipeline.run([dict(row) for name in self.files for row in tables[name]], original=False)


class _Table:
    """defineTable(): what a subquery finds, with some of its fields (data-analysis/functions-definetable.html).

    A table may read those that were defined before it.
    """

    def __init__(self, context: Context, call: tree.Call) -> None:
        self.context = context
        arguments = Arguments(call, "query include name")
        self.name = arguments.text("name")
        self.include = arguments.fields("include")
        query = arguments.node("query")
        if not isinstance(query, tree.Subquery):
            refuse(query, "the query of a table stands in braces")
        self.search = _Search(context, query.pipeline.steps)

    def rows(self, events: Iterable[Mapping[str, Value]], tables: Mapping[str, list[Row]]) -> list[Row]:
        """The rows of the table. What a column holds for a row that lacks the field no page says."""
        found = []
        for row in self.search.run(events, tables):
            kept = {name: row[name] for name in self.include if name in row}
            if len(kept) < len(self.include):
                self.context.meet("table-missing")
                if not self.context.flipped("table-missing"):
                    kept |= {name: "" for name in self.include if name not in row}
            found.append(kept)
        return found


class _Composite:
    """`{ steps }` as a function of groupBy: the steps over the events of the group (functions-groupby.html)."""

    __slots__ = ("aggregate", "context", "pipeline")

    def __init__(self, context: Context, pipeline: _Pipeline, aggregate: Aggregate) -> None:
        self.context = context
        self.pipeline = pipeline
        self.aggregate = aggregate

    def add(self, row: Row) -> None:
        passed = self.pipeline.passed(row)
        if passed is not None:
            self.aggregate.add(passed)

    def rows(self) -> list[Row]:
        rest = self.pipeline.rest
        rows = rest.run(self.aggregate.rows(), original=False) if rest else self.aggregate.rows()
        if len(rows) > 1:
            self.context.meet("group-composite-rows")
            if self.context.flipped("group-composite-rows"):
                return rows[:1]
        return rows


# Aggregates


def _aggregate_step(context: Context, step: tree.Step) -> Factory | None:
    """The aggregate of a step, or None if the step is none."""
    match step:
        case tree.Stats(items=items):
            return _stats(context, items, step)
        case tree.Call() if function_name(step) == "split":
            return arrays.split(step)
        case tree.Call() if _is_aggregate(step):
            return _aggregate(context, step)
        case tree.Assign(field=field, value=tree.Call() as call) if _is_aggregate(call):
            return _aggregate(context, tree.Assign(step.at, field, call))
        case _:
            return None


def _is_aggregate(call: tree.Call) -> bool:
    name = function_name(call)
    if name in _NOT_YET.split():
        refuse(call, f"{name}() is not implemented")
    facts = function_facts(name)
    return facts is not None and facts.kind in {Kind.AGGREGATE, Kind.STREAMING}


def _aggregate(context: Context, node: tree.Value) -> Factory:
    """The aggregate of a function in a list, of a list, or of `{ steps }`."""
    match node:
        case tree.Array(items=items):
            return _stats(context, items, node)
        case tree.Subquery(pipeline=steps):
            return _composite(context, steps, node)
        case tree.Assign(field=field, value=tree.Call() as call):
            # "The assignment is rewritten to specify the as= argument" (data-analysis/syntax-fields.html).
            named = tree.Argument(field.at, "as", tree.Quoted(field.at, field.name))
            return _aggregate(context, tree.Call(call.at, call.function, (*call.arguments, named)))
        case tree.Call():
            return _called(context, node)
        case _:
            refuse(node, "this is no aggregate function")


def _composite(context: Context, steps: tree.Pipeline, node: tree.Node) -> Factory:
    # The events of a group are in no order, whatever was before it.
    before, context.aggregated = context.aggregated, False
    pipeline = _Pipeline(context, steps.steps)
    context.aggregated = before
    factory = pipeline.aggregate
    if factory is None:
        refuse(node, "the steps in braces hold no aggregate")
    return lambda: _Composite(context, pipeline, factory())


def _called(context: Context, call: tree.Call) -> Factory:
    match function_name(call):
        case "groupBy":
            arguments = Arguments(call, "field function limit")
            fields = arguments.fields("field")
            limit, _ = arguments.limit("limit", 20_000)
            counting = tree.Call(call.at, "count", ())
            function = _aggregate(context, arguments.node("function") if "function" in arguments else counting)
            return lambda: GroupBy(context, fields, limit, function)
        case "stats":
            arguments = Arguments(call, "function")
            return _aggregate(context, arguments.node("function"))
        case name:
            factory = measure(context, call) or table(context, call)
            if factory is None:
                refuse(call, f"{name}() is not implemented as an aggregate")
            return factory


def _stats(context: Context, items: Sequence[tree.Value], node: tree.Node) -> Factory:
    factories = [_aggregate(context, item) for item in items]
    return lambda: Stats(factories, node)
