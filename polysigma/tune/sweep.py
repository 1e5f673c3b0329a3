"""One plan in many variants on all windows of its schedule at once, with DuckDB.

`replay` runs a query on one window after another, which is what a scheduler does. To try fifty values of eight
parameters that way would take fifty replays. Here the end of the window is one more key of every grouping, so that one
query answers for all windows; and what variants have in common is evaluated once: the events that the rule matches,
their counts by bucket, and the steps up to the first one that differs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count, groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Self

from polysigma.diagnostics import Diagnostic, PolysigmaError
from polysigma.engines import lookups
from polysigma.engines.embedded import duckdb, quoted
from polysigma.engines.sql_text import read_query
from polysigma.plan.scope import columns_after
from polysigma.plan.steps import TIME_COLUMN, Annotate, Bucket, Chain, Group, Select, Sort, Take
from polysigma.plan.types import Type
from polysigma.plan.typing import Scope, infer
from polysigma.replay import loud, schedule_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from duckdb import DuckDBPyConnection

    from polysigma.plan.steps import Plan, Step
    from polysigma.replay import Hit

_NUMBERS = count()
"""Several sweeps may have their tables in one connection."""

_SLOT = "PolysigmaSlot"
END = "PolysigmaWindowEnd"
"""The column that holds the end of the window, in seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class _Table:
    """Rows of some stage, and the columns that they have."""

    name: str
    types: dict[str, Type]


class Sweep:
    """A rule on loaded events, ready to be asked for the hits of variants of its plan.

    Use it in a `with` statement, or close it: it keeps tables in the connection.
    """

    def __init__(self, plan: Plan, text: str, connection: DuckDBPyConnection) -> None:
        """`text` is the plan's SQL.

        Raises PolysigmaError for a plan that has no windows, that takes some rows only, or that chains several others.
        """
        if plan.window is None:
            message = (
                f"{plan.name} is a rule on single events: it has no window, and nothing to be tuned but exclusions"
            )
            raise PolysigmaError(Diagnostic("no-window", message))
        if any(isinstance(step, Take) for step in plan.steps):
            raise PolysigmaError(Diagnostic("no-sweep", f"{plan.name} takes some rows only (`take`): it is a hunt"))
        if any(isinstance(step, Chain) for step in plan.steps):
            message = f"{plan.name} puts the hits of several correlations together: its values are not tried here"
            raise PolysigmaError(Diagnostic("no-sweep", message, "polysigma replay --set NAME=VALUE tries one"))
        self.plan = plan
        self.every = schedule_of(plan)
        self.window = plan.window
        self.connection = connection
        self._tables: list[str] = []
        self._spread: dict[tuple[Step, ...], _Table] = {}
        self._stages: dict[tuple[Step, ...], _Table] = {}
        lookups.provide(connection, plan)
        self._matched = self._evaluated(text)
        at = f"epoch({quoted(TIME_COLUMN)})"
        found = self._execute(
            f"SELECT count(*), min({at}), max({at}), count(DISTINCT floor({at} / 86400)) FROM {self._matched.name} "  # noqa: S608
            f"WHERE isfinite({quoted(TIME_COLUMN)})"
        )
        self.matched, first, last, dates = found.fetchall()[0]
        self.last = None if last is None else (int(last // self.every) + 1) * self.every
        """The end of the last window."""
        self.days: float = 1.0 if last is None else max(1.0, min((last - first) / 86400, dates))
        """For how many days there are events that the rule matches: data may be captures that are years apart."""
        self._base = _windowless(plan)

    def _evaluated(self, text: str) -> _Table:
        """The events that the rule matches: the text up to the query that gives them, by its name."""
        withs = {one.name: one for one in read_query(text).withs}
        one = withs.get("step_0") or withs["matched"]
        types: dict[str, Type] = {}
        for source in self.plan.sources:
            types |= source.types
            for column, expression in source.derived:
                types[column] = infer(expression, Scope(types, {})).type or Type.TEXT
        name = self._new(f"{text[: one.end + 1]}\nSELECT * FROM {quoted(one.name)}")
        columns = [row[0] for row in self._execute(f"DESCRIBE {name}").fetchall()]
        return _Table(name, {column: types.get(column, Type.TEXT) for column in columns})

    def hits(self, plan: Plan) -> list[Hit]:
        """The hits of a variant of the plan, window after window, a key once in its quiet period."""
        shown = replace(plan, outputs=tuple(one for one in plan.outputs if one.type is not Type.LIST))
        return list(loud(shown, groupby(self._rows(plan), key=itemgetter(END))))

    def _rows(self, plan: Plan) -> Iterator[dict[str, Any]]:
        from sigma.backends.polysigma.sql import print_steps

        alone, steps = _parted(_windowless(plan), self.every, self.window)
        base_alone, base_steps = _parted(self._base, self.every, self.window)
        common = 0
        if alone == base_alone:
            while common < min(len(steps), len(base_steps)) and steps[common] == base_steps[common]:
                common += 1
        table = self._stage(alone, steps[:common])
        text = print_steps(steps[common:], table.types, table.name)
        cursor = self._execute(f"{text} ORDER BY {quoted(END)}")
        names = [column[0] for column in cursor.description or ()]
        while batch := cursor.fetchmany(10_000):
            for values in batch:
                yield dict(zip(names, values, strict=True))

    def _stage(self, alone: tuple[Step, ...], steps: tuple[Step, ...]) -> _Table:
        """The rows after some steps, evaluated once."""
        from sigma.backends.polysigma.sql import print_steps

        key = (*alone, *steps)
        if key not in self._stages:
            table = self._spread_over_windows(alone)
            if steps:
                name = self._new(print_steps(steps, table.types, table.name))
                table = _Table(name, columns_after(steps, table.types))
            self._stages[key] = table
        return self._stages[key]

    def _spread_over_windows(self, alone: tuple[Step, ...]) -> _Table:
        """The rows after the steps that need no window, once for each window that they are in."""
        from sigma.backends.polysigma.sql import print_steps

        if alone not in self._spread:
            table = self._matched
            time = TIME_COLUMN
            if alone:
                name = self._new(print_steps(alone, table.types, table.name))
                table = _Table(name, columns_after(alone, table.types))
                time = _edge(alone, self.every, self.window)
            at = f"epoch({quoted(time)})"
            slots = -(-self.window // self.every)
            name = self._new(
                f"SELECT * EXCLUDE ({_SLOT}) FROM "  # noqa: S608 - our own names
                f"(SELECT *, (CAST(floor({at} / {self.every}) AS BIGINT) + {_SLOT}) * {self.every} AS {END} "
                f"FROM {table.name} CROSS JOIN (SELECT CAST(range AS BIGINT) AS {_SLOT} FROM range(1, {slots + 1})) "
                f"WHERE isfinite({quoted(time)})) WHERE {at} >= {END} - {self.window} AND {END} <= {self.last or 0}"
            )
            self._spread[alone] = _Table(name, {**table.types, END: Type.INTEGER})
        return self._spread[alone]

    def _new(self, select: str) -> str:
        name = f"polysigma_sweep_{next(_NUMBERS)}"
        self._execute(f"CREATE TABLE {name} AS {select}\n")
        self._tables.append(name)
        return name

    def _execute(self, text: str) -> Any:
        try:
            return self.connection.cursor().execute(text)
        except duckdb().Error as failure:
            message = f"DuckDB refuses the query: {str(failure).splitlines()[0]}"
            raise PolysigmaError(Diagnostic("sql-failed", message)) from None

    def close(self) -> None:
        """Drops the tables."""
        for name in self._tables:
            self.connection.execute(f"DROP TABLE IF EXISTS {name}")
        self._tables.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _windowless(plan: Plan) -> tuple[Step, ...]:
    """The steps that decide about hits: no order, and no lists, which are for display only. A sequence is groups."""
    from sigma.backends.polysigma.sequences import without_sequences

    kept: list[Step] = []
    lists: set[str] = set()
    for step in without_sequences(plan.steps):
        match step:
            case Sort():
                continue
            case Select(columns=names):
                kept.append(replace(step, columns=tuple(name for name in names if name not in lists)))
                continue
        measures = getattr(step, "measures", None)
        if measures is None:
            kept.append(step)
            continue
        left = tuple(measure for measure in measures if measure.function != "collect")
        lists |= {measure.name for measure in measures} - {measure.name for measure in left}
        if left or not isinstance(step, Annotate):
            kept.append(_with(step, measures=left))
    return tuple(kept)


def _parted(steps: tuple[Step, ...], every: int, window: int) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    """The steps up to the first grouping, if that is by a bucket whose edges windows begin and end on; and the others,
    with the end of the window among the keys of each."""
    whole = 0
    buckets: set[str] = set()
    for number, step in enumerate(steps, start=1):
        if isinstance(step, Bucket) and not every % step.seconds and not window % step.seconds:
            buckets.add(step.name)
        elif hasattr(step, "by"):
            whole = number if isinstance(step, Group) and buckets & set(step.by) else 0
            break
    return steps[:whole], tuple(_keyed(step) for step in steps[whole:])


def _edge(alone: tuple[Step, ...], every: int, window: int) -> str:
    """The bucket by which the rows after these steps are in a window or not."""
    by = getattr(alone[-1], "by", ())
    return next(
        step.name
        for step in alone
        if isinstance(step, Bucket) and step.name in by and not every % step.seconds and not window % step.seconds
    )


def _keyed(step: Step) -> Step:
    """A step with the end of the window among its keys, or among what it shows."""
    if isinstance(step, Select):
        return replace(step, columns=(END, *step.columns))
    if hasattr(step, "by"):
        return _with(step, by=(END, *step.by))
    return step


def _with(step: Any, **changes: Any) -> Step:
    """A step of whichever kind that has these parts, with others in their place."""
    changed: Step = replace(step, **changes)
    return changed
