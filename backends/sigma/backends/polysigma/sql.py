"""Plans as SQL: one WITH query a step, so that a reader can stop at any of them and look.

matched   the events of the rule: event filter, typed columns, computed columns, condition, window
step_1    ... the steps in order
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

import sqlglot
from sqlglot import exp

from polysigma.plan.expressions import Call, Expression, columns, conjuncts
from polysigma.plan.scope import columns_after
from polysigma.plan.simplify import simplify
from polysigma.plan.steps import (
    RULE_COLUMN,
    TIME_COLUMN,
    Annotate,
    Bucket,
    Chain,
    Derive,
    Group,
    Measure,
    Ordered,
    Plan,
    Previous,
    Score,
    Select,
    Sort,
    Source,
    Step,
    Take,
    Where,
)
from polysigma.plan.types import Type
from polysigma.refusals import RefusalCode

from .errors import unsupported
from .ordering import closure, columns_read
from .printer import Job, Printer
from .sql_dialects import ADDRESS_STAGES, DIALECTS
from .sql_expressions import Expressions, name, named, nested, picked, typed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from .sql_dialects import Over

_SIMPLE = {"sum": "SUM", "min": "MIN", "max": "MAX", "avg": "AVG", "stdev": "STDDEV_SAMP", "any_value": "MAX"}


class SqlPrinter(Printer):
    """Prints plans for one SQL dialect, from a table that has the platform's columns."""

    comment = "-- "
    needs_time = True

    def __init__(self, dialect: str, table: str | None) -> None:
        self.dialect = DIALECTS[dialect]()
        self.table = table

    @property
    def settings(self) -> tuple[str | None, ...]:
        return self.dialect.name, self.table

    def print(self, job: Job) -> str:
        query = _Query(job, self)
        text = query.text()
        return self.head((*job.header, *self.dialect.needs(len(query.withs)))) + text


class _Query:
    def __init__(self, job: Job, printer: SqlPrinter) -> None:
        self.job = job
        self.plan: Plan = job.plan
        self.dialect = printer.dialect
        self.table = printer.table
        self.types: dict[str, Type] = {}
        self.withs: list[tuple[str, exp.Query]] = []

    def text(self) -> str:
        sources = self.plan.sources
        if self.plan.window is None:
            query: exp.Query = self._plain(sources[0])
        else:
            self._sources(sources)
            for number, step in enumerate(self.plan.steps, 1):
                self._step(str(number), step)
            query = self._with_parts(self._result())
        sql: str = query.sql(self.dialect.name, pretty=True, copy=False, unsupported_level=sqlglot.ErrorLevel.RAISE)
        return sql + "\n"

    def over(self, table: str, types: Mapping[str, Type]) -> str:
        """The steps over a table, in the place of the events."""
        self.types = dict(types)
        self.withs = [("begun", picked([exp.Star()], table))]
        for number, step in enumerate(self.plan.steps, 1):
            self._step(str(number), step)
        shown = columns_after(self.plan.steps, types)
        query = self._with_parts(picked([name(column) for column in shown], self.previous))
        text: str = query.sql(self.dialect.name, copy=False, unsupported_level=sqlglot.ErrorLevel.RAISE)
        return text

    def _with_parts(self, query: exp.Query) -> exp.Query:
        """The last query, with the named ones that it reads before it."""
        for alias, body in self.withs:
            query = query.with_(exp.to_identifier(alias), as_=body, copy=False)
        return query

    @property
    def previous(self) -> str:
        return self.withs[-1][0]

    def _expressions(
        self, types: Mapping[str, Type] | None = None, recorded: Collection[str] = frozenset()
    ) -> Expressions:
        return Expressions(self.dialect, self.types if types is None else types, recorded)

    def _events(self, source: Source) -> exp.Table:
        table = self.table or source.table or "events"
        return exp.to_table(".".join(f'"{part}"' if not part.isidentifier() else part for part in table.split(".")))

    # Events.

    def _plain(self, source: Source) -> exp.Query:
        """A rule on single events: all columns of the events, computed ones only where the condition needs them."""
        condition = simplify(source.condition)
        query = self._matched(source, set(columns(condition)), everything=True)
        printer = self._expressions(self._source_types(source), source.types)
        tests = [printer.condition(part) for part in conjuncts(condition)]
        query = query.where(*tests, copy=False) if tests else query
        helpers = [helper for column, _ in source.derived for helper in self._helpers(column, query)]
        if helpers:
            shown = exp.Star(except_=[exp.to_identifier(helper, quoted=True) for helper in helpers])
            return picked([shown], nested(query, "found"))
        return query

    def _helpers(self, column: str, query: exp.Query) -> list[str]:
        """The columns that only lead to a computed one, such as the stages of an address."""
        made = {alias.alias for alias in query.find_all(exp.Alias)}
        return [helper for helper in (f"{column}_{part}" for part in ADDRESS_STAGES) if helper in made]

    def _sources(self, sources: tuple[Source, ...]) -> None:
        shared: dict[str, Type] = {}
        for source in sources:
            shared |= {column: kind for column, kind in self._source_types(source).items() if column in self._read()}
        several = len(sources) > 1 or any(isinstance(step, Chain) for step in self.plan.steps)
        names = [f"matched_{number}" for number in range(1, len(sources) + 1)] if len(sources) > 1 else ["matched"]
        for alias, source in zip(names, sources, strict=True):
            types = self._source_types(source)
            condition = simplify(source.condition)
            inner = self._matched(source, set(columns(condition)) | set(shared), everything=False)
            selected = [name(column) if column in types else named(exp.null(), column) for column in shared]
            if several:
                selected.append(named(exp.convert(source.rule), RULE_COLUMN))
            query = picked(selected, nested(inner, "recorded"))
            printer = self._expressions(types)
            tests = [printer.condition(part) for part in conjuncts(condition)] + self._bounds()
            self.withs.append((alias, query.where(*tests, copy=False) if tests else query))
        if several:
            self._unite("step_0", names)
            shared[RULE_COLUMN] = Type.TEXT
        self.types = shared

    def _unite(self, alias: str, names: list[str]) -> None:
        """The rows of several queries, under a name of their own."""
        union: exp.Query = picked([exp.Star()], names[0])
        for name_of_one in names[1:]:
            union = union.union(picked([exp.Star()], name_of_one), distinct=False, copy=False)
        self.withs.append((alias, union))

    def _chain(self, number: str, step: Chain) -> None:
        """Each branch in queries of its own, over the rows of its rules; then all of them in one."""
        base, types, hits = self.previous, self.types, []
        for place, branch in enumerate(step.branches, 1):
            self.types = types
            listed = [exp.convert(rule) for rule in branch.rules]
            rows = picked([exp.Star()], base).where(name(RULE_COLUMN).isin(*listed), copy=False)
            self.withs.append((f"step_{number}_{place}_0", rows))
            for inner, each in enumerate(branch.steps, 1):
                self._step(f"{number}_{place}_{inner}", each)
            selected = [*(name(column) for column in step.columns), named(exp.convert(branch.rule), RULE_COLUMN)]
            hits.append(f"hits_{number}_{place}")
            self.withs.append((hits[-1], picked(selected, self.previous)))
        self._unite(f"step_{number}", hits)
        self.types = columns_after((step,), types)

    def _read(self) -> set[str]:
        """What the steps read of the events, and the time that the window needs."""
        return columns_read(self.plan.steps) | {TIME_COLUMN}

    def _source_types(self, source: Source) -> dict[str, Type]:
        """Recorded and computed columns with their types."""
        from polysigma.plan.typing import Scope, infer

        types = dict(source.types)
        for column, expression in source.derived:
            types[column] = infer(expression, Scope(types, {})).type or Type.TEXT
        return types

    def _matched(self, source: Source, wanted: set[str], *, everything: bool) -> exp.Select:
        """The events of a source with the columns that are wanted: typed, and in layers where one needs another."""
        needed = closure(wanted, dict(source.derived))
        derived = {column: expression for column, expression in source.derived if column in needed}
        native = (wanted | {used for expression in derived.values() for used in columns(expression)}) - derived.keys()
        native &= source.types.keys()
        event = [self._expressions(source.types, source.types).condition(part) for part in source.event]
        if everything and not derived:
            query = picked([exp.Star()], self._events(source))
            return query.where(*event, copy=False) if event else query
        layers = self._layers(derived, source.types, source.types if everything else ())
        first = [named(typed(column, source.types[column]), column) for column in sorted(native)]
        query = picked([exp.Star()] if everything else first, self._events(source))
        query = query.where(*event, copy=False) if event else query
        for number, layer in enumerate(layers):
            columns_made = [named(body, column) for column, body in layer]
            query = picked([exp.Star(), *columns_made], nested(query, f"layer_{number + 1}"))
        return query

    def _layers(
        self, derived: Mapping[str, Expression], types: Mapping[str, Type], recorded: Collection[str]
    ) -> list[list[tuple[str, exp.Expr]]]:
        """Computed columns, each in a layer after those that it uses. An address takes several."""
        known = dict(types)
        layers: list[list[tuple[str, exp.Expr]]] = []
        ready: dict[str, int] = {}
        for column, expression in derived.items():
            from polysigma.plan.typing import Scope, infer

            start = max((ready[used] + 1 for used in columns(expression) if used in ready), default=0)
            printer = self._expressions(known, recorded)
            if isinstance(expression, Call) and expression.name == "address":
                chain = self.dialect.address(printer.text(expression.arguments[0]), column)
            else:
                chain = [(column, printer.value(expression))]
            for offset, made in enumerate(chain):
                while len(layers) <= start + offset:
                    layers.append([])
                layers[start + offset].append(made)
            ready[column] = start + len(chain) - 1
            known[column] = infer(expression, Scope(known, {})).type or Type.TEXT
        return layers

    def _bounds(self) -> list[exp.Expr]:
        """The window, in a hunt: it ends where the last whole bucket or run ended."""
        if self.job.form != "hunt":
            return []
        assert self.plan.window is not None
        end = self.dialect.floor(self.dialect.now(), self.plan.edge)
        start = exp.Sub(
            this=end.copy(), expression=exp.Interval(this=exp.convert(str(self.plan.window)), unit=exp.var("SECOND"))
        )
        time = name(TIME_COLUMN)
        return [exp.GTE(this=time, expression=start), exp.LT(this=time.copy(), expression=end)]

    # Steps.

    def _step(self, number: str, step: Step) -> None:
        base = self.previous
        everything = picked([exp.Star()], base)
        match step:
            case Chain():
                self._chain(number, step)
                return
            case Bucket(name=bucket, seconds=seconds):
                body = self.dialect.floor(name(TIME_COLUMN), seconds)
                query = picked([exp.Star(), named(body, bucket)], base)
            case Group(by=by, measures=measures):
                made = [named(self._measure(measure), measure.name) for measure in measures]
                query = picked([*(name(key) for key in by), *made], base)
                if by:
                    query = query.group_by(*(name(key) for key in by), copy=False)
                else:
                    # Without keys SQL makes a row of no rows, too.
                    query = query.having(exp.GT(this=exp.Count(this=exp.Star()), expression=exp.convert(0)), copy=False)
            case Annotate(by=by, measures=measures):
                partition = [name(key) for key in by]

                def over(measured: exp.Expr) -> exp.Expr:
                    return exp.Window(this=measured, partition_by=[key.copy() for key in partition])

                made = [named(self._measure(measure, over), measure.name) for measure in measures]
                query = picked([exp.Star(), *made], base)
            case Previous(by=by, column=column, name=alias):
                lag = exp.Window(
                    this=exp.Lag(this=name(column)),
                    partition_by=[name(key) for key in by],
                    order=exp.Order(expressions=[exp.Ordered(this=name(column), desc=False, nulls_first=False)]),
                )
                query = picked([exp.Star(), named(lag, alias)], base)
            case Where(condition=condition):
                parts = (self._expressions().condition(part) for part in conjuncts(simplify(condition)))
                query = everything.where(*parts, copy=False)
            case Derive(columns=items):
                self._derive(number, items)
                return
            case Score(name=score, cases=cases):
                case = exp.case()
                for points, condition in cases:
                    case = case.when(self._expressions().condition(condition), exp.convert(points), copy=False)
                query = picked([exp.Star(), named(case.else_(exp.convert(0), copy=False), score)], base)
            case Select() | Sort() | Take():
                return  # the result at the end shows, orders and limits
            case Ordered():
                raise TypeError(step)  # said by other steps
            case _:
                assert_never(step)
        self._add(number, step, query)

    def _add(self, number: str, step: Step, query: exp.Query) -> None:
        self.withs.append((f"step_{number}", query))
        self.types = columns_after((step,), self.types)

    def _derive(self, number: str, items: tuple[tuple[str, Expression], ...]) -> None:
        """New columns, in further queries where one uses another."""
        printed: list[exp.Expr] = []
        made: set[str] = set()
        part = 0
        for index, (column, expression) in enumerate(items):
            if made & set(columns(expression)):
                self._derived(f"step_{number}_{part + 1}", printed)
                printed, made, part = [], set(), part + 1
            printed.append(named(self._expressions().value(expression), column))
            made.add(column)
            self.types = columns_after((Derive(items[index : index + 1]),), self.types)
        self._derived(f"step_{number}", printed)

    def _derived(self, alias: str, printed: list[exp.Expr]) -> None:
        self.withs.append((alias, picked([exp.Star(), *printed], self.previous)))

    def _measure(self, measure: Measure, over: Over = lambda measured: measured) -> exp.Expr:
        expressions = self._expressions()
        value = expressions.value(measure.value) if measure.value is not None else None
        if measure.condition is not None:
            found = exp.convert(1) if value is None else value
            value = exp.case().when(expressions.condition(measure.condition), found)
        match measure.function:
            case "count":
                return over(exp.Count(this=exp.Star()))
            case "count_if":
                return over(exp.Count(this=value))
            case "distinct" | "distinct_if":
                assert value is not None
                return self.dialect.distinct(value, over)
            case "sum" if measure.value is not None and expressions.type_of(measure.value) is Type.INTEGER:
                return exp.cast(over(exp.Sum(this=value)), "BIGINT")
            case function if function in _SIMPLE:
                return over(exp.func(_SIMPLE[function], value))
            case "median" | "percentile":
                assert value is not None
                percent = 50 if measure.function == "median" else measure.constant
                assert percent is not None
                return over(self.dialect.percentile(value, percent / 100))
            case "collect":
                assert value is not None
                assert measure.constant is not None
                assert measure.value is not None
                nested = expressions.type_of(measure.value) is Type.LIST
                listed = value if nested else expressions.text(measure.value)
                return self.dialect.collect(listed, int(measure.constant), over, nested=nested)
            case "first" | "last":
                assert value is not None
                return over(self.dialect.ordered(value, name(TIME_COLUMN), last=measure.function == "last"))
            case function:
                raise unsupported(RefusalCode.STEP, f"the measure {function} has no counterpart in SQL")

    def _result(self) -> exp.Query:
        shown = dict.fromkeys(column for output in self.plan.outputs for column in output.columns)
        query = picked([name(column) for column in shown], self.previous)
        steps = self.plan.steps
        last_group = max((index for index, step in enumerate(steps) if isinstance(step, Group)), default=-1)
        for step in steps[last_group + 1 :]:
            if isinstance(step, Sort):
                order = [exp.Ordered(this=name(column), desc=down, nulls_first=False) for column, down in step.columns]
                query = query.order_by(*order, append=False, copy=False)
            elif isinstance(step, Take):
                query = query.limit(step.count, copy=False)
        return query


def print_steps(steps: Sequence[Step], types: Mapping[str, Type], table: str, dialect: str = "duckdb") -> str:
    """The SQL of some steps over a table that has these columns, as the steps before left them: all that it ends with.

    For whoever evaluates one plan in parts (`polysigma tune`). Sorting and limits are left out.
    """
    plan = Plan(name="", title="", sources=(), steps=tuple(steps), window=0)
    made = _Query(Job(plan, (), "rule", TIME_COLUMN), SqlPrinter(dialect, None))
    return made.over(table, types)
