"""One CQL query in the making, step by step: see `logscale`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from polysigma.plan.durations import format_duration
from polysigma.plan.expressions import Expression, columns, conjuncts
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

from .emptiness import filled, may_be_empty
from .errors import unsupported
from .logscale_filters import Filters, field_name, quoted
from .logscale_measures import Measures
from .logscale_sources import apart, in_common, shared_and_own, table_name
from .logscale_values import Values
from .ordering import calculated, closure, cost

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .printer import Job


MAX_TABLES = 10
"""The most ad-hoc tables of a query (documentation of defineTable)."""
MAX_ROWS = 20_000
"""The most rows that `table` and `sort` keep (documentation of table)."""
BUCKET_FORMATS = {60: "%Y-%m-%dT%H:%M:00Z", 3600: "%Y-%m-%dT%H:00:00Z", 86400: "%Y-%m-%dT00:00:00Z"}
_ANCHORS = ((86400, "d"), (3600, "h"), (60, "m"))


class Query:
    """One query in the making."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.plan = job.plan
        self.types: dict[str, Type] = {}
        self.flags: set[str] = set()
        self.values = Values()
        self.filters = Filters(self.types.get, self.flags, self.values.temporary)
        self.values.filters = self.filters
        self.lines: list[str] = []
        self.tables: dict[str, str] = {}
        """The ad-hoc tables of the query by name, each after those that it reads."""
        self.keys: tuple[str, ...] = ()
        """The keys of the last group."""
        self.filled: set[str] = set()
        """The columns that the conditions so far leave no empty text in."""
        labels = {name for output in self.plan.outputs if output.role == "label" for name in output.columns}
        self.measures = Measures(self.types, self.values, labels, self._may_be_empty)

    def text(self) -> str:
        plan = self.plan
        self.run()
        self.lines = [*self.tables.values(), *self.lines]
        if plan.window is not None and self.job.form == "hunt":
            # It must stand first.
            self.lines.insert(0, self._interval(plan.window))
        if plan.window is not None:
            self.lines.append(self._table())
        return "\n".join(f"| {line}" if number else line for number, line in enumerate(self.lines)) + "\n"

    def run(self) -> None:
        """The steps from the events, or from tables, to the last one."""
        plan = self.plan
        steps = plan.steps
        if steps and isinstance(steps[0], Chain):
            self._chain(steps[0])
            steps = steps[1:]
        elif len(plan.sources) == 1:
            self.lines += self._source(plan.sources[0])
        else:
            self.lines += self._sources(plan.sources)
        self._steps(steps)

    def _chain(self, step: Chain) -> None:
        """A table for each branch, and the rows of all of them as what the query goes on with."""
        read = []
        for branch in step.branches:
            inner = Query(replace(self.job, plan=self.plan.part(branch)))
            inner.tables, inner.values.temporaries = self.tables, self.values.temporaries
            inner.run()
            self.values.temporaries = inner.values.temporaries
            table = table_name(branch.rule, self.tables)
            listed = ", ".join(field_name(column) for column in (*step.columns, RULE_COLUMN))
            query = "\n| ".join([*inner.lines, f"{RULE_COLUMN} := {quoted(branch.rule)}"]).replace("\n", "\n    ")
            self.tables[table] = f"defineTable(name={quoted(table)}, include=[{listed}], query={{\n    {query}\n  }})"
            read.append(quoted(table))
            self.types |= {column: inner.types[column] for column in step.columns}
        if len(self.tables) > MAX_TABLES:
            raise unsupported(
                RefusalCode.TOO_MANY,
                f"a chain over {len(self.tables)} correlations: LogScale takes {MAX_TABLES} ad-hoc tables",
            )
        self.types[RULE_COLUMN] = Type.TEXT
        self.filters.raw = set(step.columns)
        self.lines.append(f"readFile([{', '.join(read)}])")

    def _interval(self, window: int) -> str:
        """The window in the query; it must stand first. Anchored, so that it ends on a bucket's edge."""
        every = self.plan.edge
        anchor = next((unit for size, unit in _ANCHORS if every % size == 0 and window % size == 0), "s")
        return f'setTimeInterval(start="{format_duration(window)}@{anchor}", end="now@{anchor}", timezone="UTC")'

    def _sources(self, sources: tuple[Source, ...]) -> list[str]:
        """A row for each rule that an event matches: one clause each where no event can match two, else a split."""
        if not apart(sources):
            return self._split(sources)
        branches, raw, empty = [], set(), set()
        for source in sources:
            steps = [*self._source(source), f"{RULE_COLUMN} := {quoted(source.rule)}"]
            branches.append(" | ".join(steps))
            raw |= self.filters.raw
            empty |= self.filters.raw - self.filled
        self.filters.raw, self.filled = raw, raw - empty
        self.types[RULE_COLUMN] = Type.TEXT
        return ["case {\n    " + ";\n    ".join(branches) + ";\n  }"]

    def _split(self, sources: tuple[Source, ...]) -> list[str]:
        """Every rule is tried on every event and notes its name; then an event becomes one for each name."""
        tested = {source.rule: set(columns(source.condition)) for source in sources}
        shared, own = shared_and_own(sources, tested)
        known = in_common(sources)
        lines = [step for part in known for step in self.filters.steps(part)]
        raw, empty = set(), set()
        for source in sources:
            rest = replace(source, event=tuple(part for part in source.event if part not in known))
            noted = f'array:append(array="{RULE_COLUMN}[]", values=[{quoted(source.rule)}])'
            steps = [*self._found(rest), noted]
            lines.append("case {\n    " + " | ".join(steps) + ";\n    *;\n  }")
            raw |= self.filters.raw
            empty |= self.filters.raw - self.filled
        self.filters.raw, self.filled = raw, raw - empty
        lines += [f"{RULE_COLUMN}[0]=*", f"split({RULE_COLUMN})"]
        self.types[RULE_COLUMN] = Type.TEXT
        if self.plan.window is not None:  # a branch of a chain may have no steps, and still be read
            # What every search that has it needed for its condition is there by now.
            late = {name for source in sources for name, _ in source.derived if name not in self._early(source)}
            lines += self._derive([item for item in shared if item[0] in late], self.types)
            branches = [
                " | ".join([f"{RULE_COLUMN}={quoted(rule)}", *self._derive(items, self.types)])
                for rule, items in own.items()
            ]
            lines += ["case {\n    " + ";\n    ".join(branches) + ";\n  }"] if branches else []
        return lines

    def _source(self, source: Source) -> list[str]:
        """The events of a source with all their computed fields."""
        lines = self._found(source)
        if self.plan.window is not None:
            early = self._early(source)
            lines += self._derive([item for item in source.derived if item[0] not in early], source.types)
        return lines or ["*"]

    def _early(self, source: Source) -> set[str]:
        """The computed fields that the condition needs."""
        return closure(set(columns(simplify(source.condition))), dict(source.derived))

    def _found(self, source: Source) -> list[str]:
        """Tags first, then what needs no computed field, cheapest first; then computed fields, and what needs them."""
        self.types.update(source.types)
        derived = {name for name, _ in source.derived}
        self.filters.raw = set(source.types) - derived
        self.filled = set()
        self.values.stored.clear()
        parts = conjuncts(simplify(source.condition))
        plain, rest = list(parts), []
        if derived:
            plain = [part for part in parts if derived.isdisjoint(columns(part))]
            rest = [part for part in parts if part not in plain]
        lines = [step for part in (*source.event, *sorted(plain, key=cost)) for step in self.filters.steps(part)]
        early = self._early(source)
        lines += self._derive([item for item in source.derived if item[0] in early], source.types)
        lines += [step for part in sorted(rest, key=cost) for step in self.filters.steps(part)]
        self.filled = filled(parts)
        return lines

    def _derive(self, items: list[tuple[str, Expression]], types: Mapping[str, Type]) -> list[str]:
        from polysigma.plan.typing import Scope, infer

        lines = []
        for name, expression in items:
            lines += self.values.assign(name, expression)
            empty = self._may_be_empty(expression)
            self.filled.discard(name)
            if empty:
                self.filters.raw.add(name)
            known = {**types, **self.types}
            if all(column in known for column in columns(expression)):
                self._typed(name, infer(expression, Scope(known, {})).type, own=True)
        return lines

    def _may_be_empty(self, value: Expression) -> bool:
        return may_be_empty(value, self.filters.raw - self.filled)

    def _typed(self, name: str, kind: Type | None, *, own: bool) -> None:
        self.types[name] = kind or Type.TEXT
        if kind is Type.BOOLEAN and own:
            self.flags.add(name)

    def _steps(self, steps: tuple[Step, ...]) -> None:
        from polysigma.plan.scope import columns_after

        for step in steps:
            match step:
                case Bucket():
                    self.lines += self._bucket(step)
                case Group(by=by, measures=measures):
                    self._group(by, measures)
                case Annotate(by=by, measures=measures):
                    self._annotate(by, measures)
                case Previous():
                    self.lines += self._previous(step)
                case Where(condition=condition):
                    parts = conjuncts(simplify(condition))
                    self.lines += [line for part in parts for line in self.filters.steps(part)]
                    self.filled |= filled(parts)
                case Derive(columns=items):
                    self.lines += self._derive(list(items), self.types)
                case Score(name=name, cases=cases):
                    self.lines += self.values.score(name, cases)
                case Select() | Sort() | Take():
                    pass  # the table at the end shows, orders and limits
                case Ordered() | Chain():
                    raise TypeError(step)  # said by other steps, or by tables
                case _:
                    assert_never(step)
            after = columns_after((step,), self.types)
            self.types.clear()
            self.types.update(after)

    def _bucket(self, step: Bucket) -> list[str]:
        name, time = field_name(step.name), TIME_COLUMN
        # A time as text reads well and groups as well; what is calculated with has to be a number.
        if step.seconds in BUCKET_FORMATS and step.name not in calculated(self.plan.steps):
            return [f'{name} := formatTime("{BUCKET_FORMATS[step.seconds]}", field={time}, timezone="UTC")']
        width = step.seconds * 1000
        return [f"{name} := {time} / {width}", f"round({name}, how=floor)", f"{name} := {name} * {width}"]

    def _group(self, by: tuple[str, ...], measures: tuple[Measure, ...]) -> None:
        before, functions, renames = self.measures.printed(measures, set(by))
        self.lines += before
        self.lines.append(_grouped(by, functions) if by else f"stats([{_listed(functions)}])")
        self.lines += renames
        if not by:
            # Without keys LogScale makes a row of no events, too.
            self.lines += [f"{field_name(measure.name)} > 0" for measure in measures if measure.function == "count"]
        self.values.never_zero = {
            field_name(measure.name) for measure in measures if measure.function == "count" and by
        }
        self.flags.clear()
        self.filters.raw.clear()  # keys and what measures leave are missing or have text
        self.keys = by

    def _annotate(self, by: tuple[str, ...], measures: tuple[Measure, ...]) -> None:
        """A measure over a coarser key on every row, without a join: `groupBy` inside `groupBy` repeats the outer
        measures on each inner row (LogScale documentation, groupBy, nested)."""
        rest = [key for key in self.keys if key not in by]
        if not self.keys or not set(by) <= set(self.keys):
            raise unsupported(RefusalCode.STEP, "LogScale can annotate only after a group, by some of its keys")
        kept = [column for column in self.types if column not in self.keys]
        # A list must not stand in the place of a key that the inner groups have.
        before, functions, renames = self.measures.printed(measures, {*self.keys, *kept})
        carried = f"selectLast([{', '.join(field_name(column) for column in kept)}])" if kept else ""
        inner = [carried] if carried else []
        if rest:
            inner = [_grouped(tuple(rest), inner, depth=1)]
        self.lines += [*before, _grouped(by, [*functions, *inner]), *renames]
        self.values.never_zero |= {field_name(measure.name) for measure in measures if measure.function == "count"}

    def _previous(self, step: Previous) -> list[str]:
        """The rows of each key in their order, each with a field of the one before it.

        Inside of a group, sort() has only the rows of the key to keep. The functions of sequences stand wherever an
        aggregate does, once there is an order; neighbor() names what it takes `prefix.field` (LogScale documentation,
        functions-sequence, functions-neighbor, examples-neighbor-preceeding).
        """
        keys, column, name = ", ".join(map(field_name, step.by)), field_name(step.column), field_name(step.name)
        ordered = f"sort([{column}], order=asc, type=number, limit={MAX_ROWS})"
        looked = f"{ordered}\n    | neighbor([{column}], prefix={name})"
        return [
            f"groupBy([{keys}], limit=max, function={{\n    {looked}\n  }})",
            f"rename(field={field_name(f'{step.name}.{step.column}')}, as={name})",
        ]

    def _table(self) -> str:
        """Shows and orders at once: `table` orders by time of its own accord, so a `sort` before it would be lost."""
        order: tuple[tuple[str, bool], ...] = ()
        limit = MAX_ROWS
        for step in self.plan.steps:
            if isinstance(step, Sort):
                order = step.columns
            elif isinstance(step, Take):
                limit = min(step.count, MAX_ROWS)
            elif isinstance(step, Group):
                order = ()
        shown = list(dict.fromkeys(column for output in self.plan.outputs for column in output.columns))
        asked = bool(order)
        if not order:
            # The greatest number first, and then by the key, so that it is the same at every run.
            numbers = [name for output in self.plan.outputs if output.role == "value" for name in output.columns]
            keys = [name for output in self.plan.outputs if output.role == "key" for name in output.columns]
            order = (*((name, True) for name in numbers[:1]), *((name, False) for name in keys))
        listed = ", ".join(field_name(name) for name in shown)
        by = ", ".join(field_name(name) for name, _ in order)
        directions = ", ".join("desc" if down else "asc" for _, down in order)
        # Texts that are numbers would come before all others: unless told otherwise, table() orders numbers.
        types = {name: output.type for output in self.plan.outputs for name in output.columns}
        texts = [types.get(name) in {Type.TEXT, Type.ADDRESS} for name, _ in order]
        kinds = ", ".join("string" if text else "number" for text in texts)
        typed = f" type=[{kinds}]," if asked and any(texts) else ""
        return f"table([{listed}],\n    sortby=[{by}], order=[{directions}],{typed} limit={limit})"


def _listed(functions: list[str], depth: int = 0) -> str:
    indent = "  " * (2 * depth + 3)
    return "\n" + ",\n".join(f"{indent}{function}" for function in functions) + "\n" + indent[2:]


def _grouped(by: tuple[str, ...], functions: list[str], depth: int = 0) -> str:
    keys = ", ".join(field_name(name) for name in by)
    return f"groupBy([{keys}], limit=max, function=[{_listed(functions, depth)}])"
