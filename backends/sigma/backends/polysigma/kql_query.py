"""A plan as a KQL query: a table, filters, computed columns, and the steps as operators."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from polysigma.plan.expressions import Column, Expression, In, ListLiteral, columns, conjuncts, rewrite
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
from .kql_measures import Printed, measure
from .kql_plain import details_asked, plain_columns
from .kql_rows import Rows, laid_out
from .kql_text import name, quoted, timespan
from .ordering import closure, columns_read, cost, implied

if TYPE_CHECKING:
    from .printer import Job

_YEAR_ONE_TO_EPOCH = 719_162 * 86_400
"""Seconds from 0001-01-01, where `bin` starts to count (learn.microsoft.com/kusto/query/bin-function), to 1970."""


class Query(Rows):
    """One query in the making."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.job = job
        self.plan = job.plan
        self.whole = job.plan
        """The plan whose window it is; in a branch of a chain that of the chain."""
        self.time = job.search_column
        self.read: set[str] = set()
        """The columns of events that are read after their condition."""
        self.bucket: Bucket | None = None
        self.lets: list[str] = []
        self.lines: list[str] = []
        self.grouped = False
        self.rows = 0

    def text(self) -> str:
        self.run()
        if self.plan.window is not None:
            self.lines.append(self._projection())
        return "\n".join([*self.lets, *self._piped(self.lines)]) + "\n"

    def run(self, kept: tuple[str, ...] = ()) -> None:
        """The lines from the events to the last step; `kept` are columns that are read after it."""
        steps = self._steps()
        shown = {column for output in self.plan.outputs for column in output.columns}
        self.read = columns_read(tuple(steps)) | {*kept, *shown, *self._carried(())}
        if steps and isinstance(steps[0], Chain):
            self._chain(steps.pop(0))
        else:
            sources = [self._timed(source) for source in self.plan.sources]
            if len(sources) == 1:
                self.lines = self._source(sources[0])
            else:
                self._union(sources, kept)
        for step in steps:
            self._step(step)

    def _chain(self, step: Step) -> None:
        """A query for each branch, and the rows of all of them."""
        assert isinstance(step, Chain)
        hits = []
        present: set[str] | None = None
        for branch in step.branches:
            inner = Query(replace(self.job, plan=self.plan.part(branch)))
            inner.lets, inner.rows, inner.whole = self.lets, self.rows, self.whole
            inner.run(step.columns)
            self.rows = inner.rows
            carried = [self.time, *self.job.carry] if self.job.carry else []
            listed = [
                f"{name(TIME_COLUMN)} = {name(self.time)}"
                if column == TIME_COLUMN and TIME_COLUMN not in inner.types
                else name(column)
                for column in step.columns
            ]
            listed += [name(column) for column in carried if column not in step.columns]
            inner.lines.append(laid_out("project", [f"{RULE_COLUMN} = {quoted(branch.rule)}", *listed]))
            hits.append(f"({self._nested(inner.lines)})")
            there = inner.present | ({TIME_COLUMN} if self.time in inner.present else set())
            present = there if present is None else present & there
            self.types |= {column: inner.types.get(column, Type.TIME) for column in (*step.columns, *carried)}
        self.types[RULE_COLUMN] = Type.TEXT
        self.present = {RULE_COLUMN, *(column for column in step.columns if column in (present or ()))}
        self.lines = ["union\n    " + ",\n    ".join(hits)]

    def _piped(self, lines: list[str]) -> list[str]:
        return [f"| {line}" if number else line for number, line in enumerate(lines)]

    def _nested(self, lines: list[str]) -> str:
        """The lines inside of another operator; no string holds a line end, so that all can be moved."""
        return "\n".join(self._piped(lines)).replace("\n", "\n    ")

    # Events.

    def _timed(self, source: Source) -> Source:
        """The source with the platform's own column of time in place of the canonical one, which is no other here."""
        derived = dict(source.derived)
        if derived.get(TIME_COLUMN) != Column(self.time):
            if TIME_COLUMN in derived:
                raise unsupported(RefusalCode.STEP, "a time that is not a column cannot be printed as KQL")
            return source
        del derived[TIME_COLUMN]
        return replace(
            source,
            condition=self._with_time(source.condition),
            derived=tuple((column, self._with_time(expression)) for column, expression in derived.items()),
            types={**source.types, self.time: Type.TIME},
        )

    def _with_time(self, expression: Expression) -> Expression:
        return rewrite(
            expression,
            lambda node: Column(self.time, at=node.at) if node == Column(TIME_COLUMN) else node,
        )

    @property
    def clock(self) -> str:
        """The column that says when a row was: the platform's, or after a group one of its measures."""
        return TIME_COLUMN if TIME_COLUMN in self.types else self.time

    def _steps(self) -> list[Step]:
        """The steps, with the platform's own column of time up to the first group."""
        if self.plan.steps and isinstance(self.plan.steps[0], Chain):
            return list(self.plan.steps)
        done: list[Step] = []
        for index, step in enumerate(self.plan.steps):
            match step:
                case Where(condition=condition):
                    done.append(replace(step, condition=self._with_time(condition)))
                case Derive(columns=items):
                    done.append(replace(step, columns=tuple((column, self._with_time(item)) for column, item in items)))
                case Group(by=by, measures=measures) | Annotate(by=by, measures=measures):
                    keys = tuple(self.time if key == TIME_COLUMN else key for key in by)
                    done.append(replace(step, by=keys, measures=tuple(self._timed_measure(item) for item in measures)))
                case Score(cases=cases):
                    done.append(replace(step, cases=tuple((points, self._with_time(test)) for points, test in cases)))
                case Bucket() | Previous() | Select() | Sort() | Take() | Ordered() | Chain():
                    done.append(step)
                case _:
                    assert_never(step)
            if isinstance(step, Group):
                return done + list(self.plan.steps[index + 1 :])
        return done

    def _timed_measure(self, item: Measure) -> Measure:
        value = self._with_time(item.value) if item.value is not None else None
        condition = self._with_time(item.condition) if item.condition is not None else None
        return replace(item, value=value, condition=condition)

    def _source(self, source: Source) -> list[str]:
        """Time first, then what needs no computed column, cheapest first; then computed columns and the rest."""
        self.types = dict(source.types)
        self.present = {self.time}
        derived = dict(source.derived)
        self.plain = plain_columns(source, self.read)
        self.details = details_asked(source, self.read)
        parts = conjuncts(simplify(source.condition))
        plain = [part for part in parts if not derived.keys() & set(columns(part))]
        rest = [part for part in parts if part not in plain]
        lines = [self._table(source.table or ""), *self._bounds()]
        for part in (*source.event, *sorted(plain, key=cost)):
            lines += self.where(part)
        for part in rest:
            # What every alternative needs is asked before anything is computed.
            for column, values in implied(part).items():
                if column not in derived:
                    lines += self.where(In(Column(column), ListLiteral(values)))
        early = closure({column for part in rest for column in columns(part)}, derived)
        lines += self.extended([item for item in source.derived if item[0] in early])
        for part in sorted(rest, key=cost):
            lines += self.where(part)
        if self.plan.window is not None:  # a branch of a chain may have no steps, and still be read
            lines += self.extended([item for item in source.derived if item[0] not in early])
        return lines

    def _union(self, sources: list[Source], kept: tuple[str, ...] = ()) -> None:
        # What steps make of the columns of the events is read by later ones, and is no column of a branch.
        there = {column for source in sources for column in (*source.types, *dict(source.derived))}
        read = (columns_read(tuple(self._steps())) | set(kept)) & there | set(self._carried(()))
        wanted = sorted(read - {RULE_COLUMN, self.time, TIME_COLUMN})
        branches = []
        types: dict[str, Type] = {}
        for source in sources:
            lines = self._source(source)
            listed = [self.time, f"{RULE_COLUMN} = {quoted(source.rule)}", *(name(column) for column in wanted)]
            lines.append(f"project {', '.join(listed)}")
            branches.append(f"({self._nested(lines)})")
            types |= self.types
        self.types = {**types, RULE_COLUMN: Type.TEXT}
        self.present = {self.time, RULE_COLUMN}
        self.lines = ["union\n    " + ",\n    ".join(branches)]

    def _table(self, table: str) -> str:
        """A table, or one of the functions that stand for a normalised one, which take the time as arguments."""
        if not table.startswith("_Im_"):
            return name(table)
        if self._hunted is None:
            return f"{table}()"
        start, end = self._hunted
        return f"{table}(starttime={start}, endtime={end})"

    @property
    def _hunted(self) -> tuple[str, str] | None:
        """Start and end of the window, in a hunt: it ends where the last whole bucket or run ended."""
        if self.plan.window is None or self.job.form != "hunt":
            return None
        end = self._bin("now()", self.whole.edge)
        return f"{end} - {timespan(self.plan.window)}", end

    def _bounds(self) -> list[str]:
        if self._hunted is None:
            return []
        start, end = self._hunted
        return [f"where {name(self.time)} >= {start} and {name(self.time)} < {end}"]

    def _bin(self, time: str, seconds: int) -> str:
        if _YEAR_ONE_TO_EPOCH % seconds == 0:
            return f"bin({time}, {timespan(seconds)})"
        return f"bin_at({time}, {timespan(seconds)}, datetime(1970-01-01))"

    # Operators.

    def _step(self, step: Step) -> None:
        if self.bucket is not None and not _only_key(step, self.bucket.name):
            self.lines.append(f"extend {name(self.bucket.name)} = {self._bin(name(self.clock), self.bucket.seconds)}")
            self.bucket = None
        match step:
            case Bucket():
                self.bucket = step
                self.present.add(step.name)
                self.types[step.name] = Type.TIME
            case Group():
                self._group(step)
            case Annotate():
                self._annotate(step)
            case Previous():
                self._previous(step)
            case Where(condition=condition):
                self.lines += self.where(simplify(condition))
            case Derive(columns=items):
                self.lines += self.extended(list(items))
            case Score(name=score, cases=cases):
                branches = [f"{self.expressions.condition(test)}, {points}" for points, test in cases]
                listed = ",\n    ".join([*branches, "0"])
                self.lines.append(f"extend {name(score)} = case(\n    {listed})")
                self.types[score] = Type.INTEGER
                self.present.add(score)
            case Sort(columns=order):
                self.lines.append(laid_out("sort by", [self._ordered(column, down=down) for column, down in order]))
            case Take(count=count):
                self.lines.append(f"take {count}")
            case Select():
                pass  # the projection at the end shows
            case Ordered() | Chain():
                raise TypeError(step)  # said by other steps
            case _:
                assert_never(step)

    def _ordered(self, column: str, *, down: bool) -> str:
        """Descending, missing values come last of their own accord; ascending, they would come first."""
        last = " nulls last" if not down and column not in self.present else ""
        return f"{name(column)} {'desc' if down else 'asc'}{last}"

    def _carried(self, by: tuple[str, ...]) -> list[str]:
        return [column for column in self.job.carry if column not in by]

    def _group(self, step: Group) -> None:
        printed = [measure(item, self.expressions, self.time) for item in step.measures]
        self.lines += self._before(printed)
        assignments = [item.text for item in printed]
        names = {item.name for item in step.measures}
        if self.job.carry:
            carried = self._carried(step.by)
            for taken in sorted({self.time, *carried} & names):
                raise unsupported(RefusalCode.STEP, f"a measure called {taken}: the platform needs the column itself")
            listed = ", ".join(name(column) for column in carried)
            assignments.append(f"({name(self.time)}, {listed}) = arg_max({name(self.time)}, {listed})")
        if not step.by:
            assignments.append("GroupedRows = count()")
        keys = ", ".join(self._key(key) for key in step.by)
        body = ",\n    ".join(assignments)
        self.lines.append(f"summarize\n    {body}" + (f"\n    by {keys}" if keys else ""))
        if not step.by:
            # Without keys there is always a row, also of nothing.
            self.lines.append("where GroupedRows > 0")
        self.bucket = None
        kinds = {column: self.types[column] for column in self._carried(step.by) if column in self.types}
        self.types = columns_after((step,), self.types)
        if self.job.carry:
            self.types |= {**kinds, self.time: Type.TIME}
        self.present = set(step.by) | {
            item.name for item, text in zip(step.measures, printed, strict=True) if text.there
        }
        self.never_zero = frozenset(item.name for item in step.measures if item.function == "count" and step.by)

    def _key(self, key: str) -> str:
        if self.bucket is not None and key == self.bucket.name:
            return f"{name(key)} = {self._bin(name(self.clock), self.bucket.seconds)}"
        return name(key)

    def _before(self, printed: list[Printed]) -> list[str]:
        items = [item for one in printed for item in one.before]
        return [laid_out("extend", [f"{name(column)} = {text}" for column, text in items])] if items else []

    def _annotate(self, step: Annotate) -> None:
        """The rows so far under a name, and their measures looked up by the key."""
        if not step.by:
            raise unsupported(RefusalCode.STEP, "annotate without a key is not printed for KQL yet")
        printed = [measure(item, self.expressions, self.time) for item in step.measures]
        self.rows += 1
        rows = f"Rows{self.rows}"
        self.lets.append(f"let {rows} = materialize(\n    {self._nested(self.lines)});")
        keys = ", ".join(name(key) for key in step.by)
        body = ", ".join(item.text for item in printed)
        # What the measures need first is computed on their side only: a lookup keeps the left column of one name.
        before = "".join(f" | {line}" for line in self._before(printed))
        self.lines = [rows, f"lookup kind=inner ({rows}{before} | summarize {body} by {keys}) on {keys}"]
        self.types = columns_after((step,), self.types)
        self.present |= {item.name for item, text in zip(step.measures, printed, strict=True) if text.there}

    def _previous(self, step: Previous) -> None:
        """What `sort` gives is in order, so that prev() may ask for the row before; a row of another key is none
        (learn.microsoft.com/kusto/query/prev-function, and .../window-functions, on serialized rows). Where the rows
        begin prev() has no value, which no key is equal to."""
        column = name(step.column)
        same = " and ".join(f"prev({name(key)}) == {name(key)}" for key in step.by)
        order = [self._ordered(key, down=False) for key in (*step.by, step.column)]
        self.lines += [
            laid_out("sort by", order),
            f"extend {name(step.name)} = iff({same}, prev({column}), datetime(null))",
        ]
        self.types = columns_after((step,), self.types)
        self.present.discard(step.name)

    def _projection(self) -> str:
        shown = [column for output in self.plan.outputs for column in output.columns]
        grouped = any(isinstance(step, Group) for step in self.plan.steps)
        shown = [self.time if column == TIME_COLUMN and not grouped else column for column in shown]
        if self.job.carry:
            shown = [self.time, *shown, *self.job.carry]
        return laid_out("project", [name(column) for column in dict.fromkeys(shown)])


def _only_key(step: Step, bucket: str) -> bool:
    """Whether a bucket is a key of a group that does not measure it: what `by` names is not there for measures yet."""
    if not isinstance(step, Group) or bucket not in step.by:
        return False
    parts = (part for item in step.measures for part in (item.value, item.condition) if part is not None)
    return not any(bucket in columns(part) for part in parts)
