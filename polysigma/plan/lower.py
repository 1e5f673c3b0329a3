"""From canonical names to a platform's own columns: the last thing that happens to a plan before it is printed.

A canonical field may be more than one column: a host is a key (what is grouped by) and a label (what is shown).
Group keys get an explicit filter for missing values here, so that every language drops the same rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, assert_never

from polysigma.plan.expressions import (
    Arithmetic,
    Case,
    Column,
    Constant,
    Exists,
    Expression,
    conjunction,
    rewrite,
    walk,
)
from polysigma.plan.faults import fault
from polysigma.plan.functions import MEASURES
from polysigma.plan.steps import (
    END_COLUMN,
    RULE_COLUMN,
    TIME_COLUMN,
    WEIGHT_COLUMN,
    Annotate,
    Bucket,
    Chain,
    Derive,
    Group,
    Measure,
    Ordered,
    Output,
    Previous,
    Score,
    Select,
    Sort,
    Step,
    Take,
    Where,
    makes_hits,
)
from polysigma.plan.types import Type

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Binding:
    """The platform's columns behind one canonical name: the key, and the label where it is another column."""

    key: tuple[str, ...]
    type: Type
    label: str | None = None

    @property
    def shown(self) -> str:
        """The column to show or to compare with a text."""
        return self.label or self.key[-1]

    @property
    def columns(self) -> tuple[str, ...]:
        return self.key + ((self.label,) if self.label else ())


@dataclass(frozen=True, slots=True)
class Lowered:
    """Steps on a platform's columns, and what each column of the result is called in the rule."""

    steps: tuple[Step, ...]
    outputs: tuple[Output, ...]
    columns: frozenset[str]
    """The platform's columns that the steps read from the events."""
    by_rule: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """In a chain, those that are read of the events of each rule."""


def lower(
    steps: tuple[Step, ...],
    bindings: Mapping[str, Binding],
    always_there: frozenset[str] = frozenset(),
    *,
    weighted: bool = False,
) -> Lowered:
    """The steps on the platform's columns.

    `weighted` says that a row stands for as many events as its column `EventWeight` says, which is never missing:
    events are then counted by its sum.
    `bindings` has every canonical field that the steps name; `always_there` names platform columns that no row lacks.
    Raises PlanError where a step's own column takes the name of a column that the platform needs for something else.
    """
    lowering = _Lowering(bindings, always_there, weighted=weighted)
    lowering.add_all(steps)
    return Lowered(tuple(lowering.steps), lowering.outputs(), frozenset(lowering.read), lowering.by_rule)


class _Lowering:
    def __init__(self, bindings: Mapping[str, Binding], always_there: frozenset[str], *, weighted: bool) -> None:
        self.scope: dict[str, Binding] = dict(bindings)
        self.fields = frozenset(bindings)
        self.present: set[str] = set(always_there)
        self.keys: tuple[str, ...] = ()
        self.grouped = False
        self.weighted = self.weighs = weighted
        """Whether the platform's rows have weights, and whether those that a step sees do."""
        self.steps: list[Step] = []
        self.read: set[str] = set()
        self.by_rule: dict[str, frozenset[str]] = {}

    def add_all(self, steps: tuple[Step, ...]) -> None:
        for index, step in enumerate(steps):
            if isinstance(step, Bucket) and index + 1 < len(steps):
                self.expect(steps[index + 1])
            self.add(step)

    def add(self, step: Step) -> None:
        match step:
            case Chain():
                self.chain(step)
            case Bucket(name=name):
                self.use(TIME_COLUMN)
                self.require(TIME_COLUMN)
                self.define(name, Type.TIME)
                self.present.add(name)
                self.steps.append(step)
            case Group() | Ordered():
                self.group(step)
            case Annotate(by=by, measures=measures):
                keys = self.key_columns(by)
                self.require(*keys)
                done = tuple(self.measure(measure) for measure in measures)
                for measure in measures:
                    self.define(measure.name, self.measure_type(measure))
                self.steps.append(Annotate(keys, done, at=step.at))
            case Previous(by=by, column=column, name=name):
                keys, values = self.key_columns(by), self.key_columns((column,))
                self.require(*keys, *values)
                self.define(name, self.scope[column].type)
                self.steps.append(Previous(keys, values[-1], name, at=step.at))
            case Where(condition=condition):
                self.steps.append(Where(self.expression(condition), at=step.at))
            case Derive(columns=columns):
                done_columns = []
                for name, expression in columns:
                    done_columns.append((name, self.expression(expression)))
                    self.define(name, self.guess(expression))
                self.steps.append(Derive(tuple(done_columns), at=step.at))
            case Select(columns=names):
                self.scope = {name: self.scope[name] for name in names}
                columns_kept = tuple(column for name in names for column in self.scope[name].columns)
                self.steps.append(Select(columns_kept, at=step.at))
            case Score(name=name, cases=cases):
                lowered = tuple((points, self.expression(condition)) for points, condition in cases)
                self.define(name, Type.INTEGER)
                self.steps.append(Score(name, lowered, at=step.at))
            case Sort(columns=columns):
                order = [(column, down) for name, down in columns for column in self.scope[name].key]
                self.steps.append(Sort(tuple(order), at=step.at))
            case Take():
                self.steps.append(step)
            case _:
                assert_never(step)

    def chain(self, step: Chain) -> None:
        """Each branch by itself; what comes out of all has to have the same columns under one name."""
        branches = []
        scopes = []
        weighs = self.weighted and not all(makes_hits(branch.steps) for branch in step.branches)
        carried = (WEIGHT_COLUMN,) if weighs else ()
        for branch in step.branches:
            inner = _Lowering(self.scope, frozenset(self.present), weighted=self.weighted)
            inner.add_all(branch.steps)
            if weighs and makes_hits(branch.steps):
                # A hit is one, whatever its events weigh.
                inner.steps.append(Derive(((WEIGHT_COLUMN, Constant(1)),)))
            elif weighs:
                inner.use(WEIGHT_COLUMN)
            for name in step.columns:
                inner.use(*inner.scope[name].columns)
            scopes.append(inner.scope)
            branches.append(replace(branch, steps=tuple(inner.steps)))
            for rule in branch.rules:
                found = inner.by_rule.get(rule, frozenset()) if inner.by_rule else frozenset(inner.read)
                self.by_rule[rule] = self.by_rule.get(rule, frozenset()) | found
        first = scopes[0]
        for name in step.columns:
            if any(scope[name] != first[name] for scope in scopes):
                raise fault("chain-columns", f"{name} is not the same columns in each correlation", None)
        self.scope = {name: first[name] for name in step.columns} | {RULE_COLUMN: self.scope[RULE_COLUMN]}
        self.present = {RULE_COLUMN}
        self.grouped, self.weighs = True, weighs
        columns = tuple(dict.fromkeys(column for name in step.columns for column in first[name].columns))
        self.steps.append(Chain(tuple(branches), (*columns, *carried), at=step.at))

    def expect(self, step: Step) -> None:
        """Drops rows that miss the time or a key of the group that follows, in one step before the bucket."""
        self.use(TIME_COLUMN)
        keys = [name for name in step.by if name in self.scope] if isinstance(step, Group) else []
        self.require(TIME_COLUMN, *self.key_columns(tuple(keys)))

    def group(self, step: Group | Ordered) -> None:
        keys = self.key_columns(step.by)
        self.require(*keys)
        if isinstance(step, Ordered):
            times = (TIME_COLUMN, END_COLUMN) if step.spans else (TIME_COLUMN,)
            self.use(*times, RULE_COLUMN)
            self.require(*times)
        labels = {self.scope[name].label for name in step.by} - {None} - set(keys)
        measures = [self.measure(measure) for measure in step.measures]
        taken = {*keys, *(label for label in labels if label)}
        for measure in step.measures:
            if measure.name in taken:
                message = f"{measure.name!r} is a column of the platform that the group needs"
                raise fault("name-taken", message, measure.at, "choose another name")
        types = {measure.name: self.measure_type(measure) for measure in step.measures}
        for label in sorted(label for label in labels if label):
            self.use(label)
            measures.append(Measure(label, "any_value", Column(label)))
        self.scope = {name: self.scope[name] for name in step.by}
        for name, kind in types.items():
            self.scope[name] = Binding((name,), kind)
        self.present = set(keys)
        self.keys = step.by
        self.grouped, self.weighs = True, False
        self.steps.append(replace(step, by=keys, measures=tuple(measures)))

    def key_columns(self, names: tuple[str, ...]) -> tuple[str, ...]:
        columns = tuple(dict.fromkeys(column for name in names for column in self.scope[name].key))
        self.use(*columns)
        return columns

    def require(self, *columns: str) -> None:
        """Drops rows that miss one of the columns, unless none can."""
        missing = [column for column in columns if column not in self.present]
        if missing:
            self.steps.append(Where(conjunction(*(Exists(Column(column)) for column in missing))))
            self.present |= set(missing)

    def define(self, name: str, kind: Type) -> None:
        """A column that a step adds; it must not overwrite one of the platform's that is still needed."""
        if name == WEIGHT_COLUMN and self.weighted:
            raise fault("name-taken", f"{name!r} is the weight of a row", None, "choose another name")
        for other, binding in self.scope.items():
            if other != name and name in binding.columns:
                raise fault("name-taken", f"{name!r} is a column of the platform", None, "choose another name")
        self.scope[name] = Binding((name,), kind)

    def use(self, *columns: str) -> None:
        """Notes columns that come from the events, as opposed to those that a step made."""
        made = {column for name, binding in self.scope.items() if name not in self.fields for column in binding.key}
        if not self.grouped:
            self.read |= {column for column in columns if column not in made}

    def measure(self, measure: Measure) -> Measure:
        identity = measure.function in {"distinct", "distinct_if"}
        value = self.expression(measure.value, identity=identity) if measure.value is not None else None
        condition = self.expression(measure.condition) if measure.condition is not None else None
        if MEASURES[measure.function].ordered:
            self.use(TIME_COLUMN)
        lowered = replace(measure, value=value, condition=condition)
        return self.weigh(lowered) if self.weighs else lowered

    def weigh(self, measure: Measure) -> Measure:
        """The measure over rows that each stand for several events."""
        weight = Column(WEIGHT_COLUMN)
        match measure:
            case Measure(function="count"):
                value: Expression = weight
            case Measure(function="count_if", condition=condition) if condition is not None:
                value = Case(((condition, weight),), Constant(0))
            case Measure(function="sum", value=summed) if summed is not None:
                value = Arithmetic("*", summed, weight)
            case Measure(function="avg" | "stdev" | "median" | "percentile" as function):
                message = f"{function} over single events: the platform's rows stand for several events each"
                raise fault("weighted", message, measure.at, "count first, by group, and measure the counts")
            case _:
                return measure
        self.use(WEIGHT_COLUMN)
        return replace(measure, function="sum", value=value, condition=None)

    def measure_type(self, measure: Measure) -> Type:
        result = MEASURES[measure.function].result
        if result is None and measure.value is not None:
            result = self.guess(measure.value)
        return result or Type.TEXT

    def guess(self, expression: Expression) -> Type:
        """The type of a canonical expression that has been checked before."""
        from polysigma.plan.typing import Scope, infer

        types = {name: binding.type for name, binding in self.scope.items()}
        return infer(expression, Scope(types, {})).type or Type.TEXT

    def expression(self, expression: Expression, *, identity: bool = False) -> Expression:
        """With each column replaced by the platform's: what is shown, or what identifies where values are counted."""

        def change(node: Expression) -> Expression:
            if not isinstance(node, Column):
                return node
            binding = self.scope[node.name]
            return Column(binding.key[-1] if identity else binding.shown, at=node.at)

        lowered = rewrite(expression, change)
        self.use(*(node.name for node in walk(lowered) if isinstance(node, Column)))
        return lowered

    def outputs(self) -> tuple[Output, ...]:
        found = []
        for name, binding in self.scope.items():
            role = "key" if name in self.keys else "value"
            if binding.label and binding.label not in binding.key:
                found.append(Output(name, (binding.label,), "label", binding.type))
            found.append(Output(name, binding.key, "key" if role == "key" else "value", binding.type))
        return tuple(found)
