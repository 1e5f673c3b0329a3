"""The steps of a plan as SPL commands.

SPL facts this rests on (Splunk Search Reference, "stats", "eventstats", "Statistical and charting functions", "sort",
"mvindex"): `stats` leaves out rows that lack a key; `count(eval(c))` counts where c is true; `dc` is exact; `values` is
distinct and in order of text; `stdev` is that of the sample; `max` of texts is the last in order; `earliest` and
`latest` go by `_time`; `sort` without 0 keeps 10,000 rows. "streamstats": with `current=f` a row is left out of its own
numbers, and with `global=f` each key has a window of its own, here of one row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from polysigma.plan.expressions import Column, Expression, columns, conjuncts
from polysigma.plan.simplify import simplify
from polysigma.plan.steps import (
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
    Step,
    Take,
    Where,
)
from polysigma.plan.types import Type
from polysigma.refusals import RefusalCode

from .errors import unsupported
from .spl_lookups import lookups
from .spl_text import eval_name, search_name

if TYPE_CHECKING:
    from .spl_values import Values

WIDTH = 110
"""A command that is longer is written over several lines."""
_SIMPLE = {
    "sum": "sum",
    "min": "min",
    "max": "max",
    "avg": "avg",
    "stdev": "stdev",
    "median": "median",
    "distinct": "dc",
    "collect": "values",
    "any_value": "max",
    "first": "earliest",
    "last": "latest",
}
_NUMBERS_ONLY = frozenset({"sum", "avg", "stdev", "median", "percentile"})
"""Functions that leave out what is no number."""
_NEVER_MISSING = frozenset({"count", "count_if", "distinct", "distinct_if"})


class Steps:
    """Prints steps, one after the other, and keeps account of the columns between them."""

    def __init__(self, values: Values, counted: str | None = None) -> None:
        self.values = values
        self.counted = counted
        """The column that holds how many events a row stands for, until the first group."""
        self.grouped = False

    def commands(self, steps: tuple[Step, ...]) -> list[str]:
        """The commands of all steps."""
        lines: list[str] = []
        for step in steps:
            if isinstance(step, Group | Annotate):
                lines += self._without_empty_text(step)
            lines += self._step(step)
        return lines

    def _step(self, step: Step) -> list[str]:
        from polysigma.plan.scope import columns_after

        lines: list[str] = []
        match step:
            case Bucket(name=name, seconds=seconds):
                time = self.values.text(Column(TIME_COLUMN))
                lines = [f"eval {eval_name(name)}=floor({time}/{seconds})*{seconds}"]
                self.values.present.add(name)
            case Group():
                lines = self._group(step)
            case Annotate(by=by, measures=measures):
                lines = self._measured("eventstats", by, measures)
            case Previous(by=by, column=column, name=name):
                listed = ", ".join(search_name(self.values.name(key)) for key in by)
                value = search_name(self.values.name(column))
                lines = [
                    f"sort 0 {value}",
                    f"streamstats current=f window=1 global=f last({value}) AS {search_name(name)} by {listed}",
                ]
            case Where(condition=condition):
                lines = where(self.values, conjuncts(simplify(condition)))
            case Derive(columns=items):
                return [line for name, expression in items for line in self.derive(name, expression)]
            case Score(name=name, cases=cases):
                pairs = [f"{self.values.tests.text(test)}, {points}" for points, test in cases]
                lines = [folded_command(f"eval {eval_name(name)}=case(", [*pairs, "true(), 0"], ")")]
            case Select():
                pass  # the table at the end shows what is left
            case Sort(columns=order):
                keys = (f"{'-' if down else ''}{search_name(self.values.name(name))}" for name, down in order)
                lines = [f"sort 0 {', '.join(keys)}"]
            case Take(count=count):
                lines = [f"head {count}"]
            case Ordered() | Chain():
                raise TypeError(step)  # said by other steps
            case _:
                assert_never(step)
        after = columns_after((step,), self.values.types)
        self.values.types.clear()
        self.values.types.update(after)
        if isinstance(step, Previous | Score):
            self._made(step.name)
        if isinstance(step, Score):
            self.values.present.add(step.name)
        return lines

    def derive(self, name: str, expression: Expression) -> list[str]:
        """The commands that compute a column."""
        kind = self.values.type_of(expression)
        lines = self.values.assign(name, expression)
        empty = self.values.may_be_empty(expression)
        self.values.types[name] = kind or Type.TEXT
        self._made(name)
        if empty:
            self.values.doubtful.add(name)
        if kind is Type.BOOLEAN:
            self.values.present.add(name)
            self.values.lowered.add(name)
        return lines

    def _made(self, name: str) -> None:
        self.values.recorded.discard(name)
        self.values.present.discard(name)
        self.values.doubtful.discard(name)
        self.values.filled.discard(name)
        self.values.lowered.discard(name)
        self.values.aliases.pop(name, None)

    def _without_empty_text(self, step: Group | Annotate) -> list[str]:
        """Makes empty text null in what measures read of the events: they would take it for a value."""
        read = dict.fromkeys(
            column
            for measure in step.measures
            if measure.value is not None and measure.function != "any_value"
            for column in columns(measure.value)
            if measure.function not in _NUMBERS_ONLY or self.values.types.get(column) in {Type.TEXT, Type.ADDRESS}
        )
        texts = [name for name in read if self.values.may_be_empty(Column(name))]
        return (
            ["eval " + ", ".join(f'{eval_name(name)}=nullif({eval_name(name)}, "")' for name in texts)] if texts else []
        )

    def _group(self, step: Group) -> list[str]:
        lines = self._measured("stats", step.by, step.measures)
        values = self.values
        values.recorded.clear()
        values.doubtful.clear()
        values.filled.clear()
        values.aliases.clear()
        values.lowered &= set(step.by)
        values.present = {*step.by, *(one.name for one in step.measures if one.function in _NEVER_MISSING)}
        self.counted = None
        self.grouped = True
        return lines

    def _measured(self, command: str, by: tuple[str, ...], measures: tuple[Measure, ...]) -> list[str]:
        functions: list[str] = []
        after: list[str] = []
        for measure in measures:
            functions.append(f"{self._function(measure)} AS {search_name(measure.name)}")
            target = eval_name(measure.name)
            if measure.function == "collect":
                last = int(measure.constant or 1) - 1
                after.append(f"eval {target}=mvindex({target}, 0, {last})")
            elif measure.function == "stdev":
                # One value has no deviation; what Splunk gives for it, its documentation does not say.
                helper = f"{measure.name}_values"
                assert measure.value is not None
                functions.append(f"count({self._argument(measure.value)}) AS {search_name(helper)}")
                after.append(f"eval {target}=if({eval_name(helper)}>1, {target}, null())")
        keys = f" by {', '.join(search_name(self.values.name(name)) for name in by)}" if by else ""
        return [folded_command(f"{command} ", functions, keys), *after]

    def _function(self, measure: Measure) -> str:
        function = measure.function
        if self.counted and function not in {"count", "collect", "any_value", "min", "max", "sum"}:
            raise TypeError(f"{function} over rows that stand for several events")
        match function:
            case "count":
                return f"sum({self.counted})" if self.counted else "count"
            case "count_if":
                assert measure.condition is not None
                return f"count(eval({self.values.tests.text(measure.condition)}))"
            case "distinct_if":
                assert measure.condition is not None
                assert measure.value is not None
                test, value = self.values.tests.text(measure.condition), self.values.text(measure.value)
                return f"dc(eval(if({test}, {value}, null())))"
            case "percentile":
                assert measure.value is not None
                return f"exactperc{measure.constant}({self._argument(measure.value)})"
            case "first" | "last" if self.grouped:
                raise unsupported(RefusalCode.STEP, f"{function} after a group: there is no _time to go by any more")
            case _ if function in _SIMPLE:
                assert measure.value is not None
                return f"{_SIMPLE[function]}({self._argument(measure.value)})"
            case _:
                raise unsupported(RefusalCode.STEP, f"the measure {function} has no counterpart in SPL")

    def _argument(self, value: Expression) -> str:
        if isinstance(value, Column):
            return search_name(self.values.name(value.name))
        return f"eval({self.values.text(value)})"


def where(values: Values, conditions: tuple[Expression, ...]) -> list[str]:
    """One `where` for conditions that must all hold; none for none. Lookups that they ask for come before it."""
    before = lookups(values, conditions)
    parts = values.tests.conjuncts(conditions)
    if not parts:
        return []
    text = " AND ".join(parts)
    if len(text) > WIDTH and len(parts) > 1:
        text = "\n    AND ".join(parts)
    return [*before, f"where {text}"]


def folded_command(start: str, items: list[str], end: str) -> str:
    """A command with a list, over several lines where it is long."""
    text = start + ", ".join(items) + end
    if len(text) <= WIDTH:
        return text
    return start + ",\n    ".join(items) + (f"\n   {end}" if end.startswith(" ") else end)
