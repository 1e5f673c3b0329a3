"""From the `polysigma` map (or a list of step models) to typed steps on canonical names."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from polysigma.plan.durations import format_duration, parse_duration
from polysigma.plan.expressions import Call, Expression, Parameter, columns, walk
from polysigma.plan.faults import Fault, Place, PlanError, fault
from polysigma.plan.functions import MEASURES
from polysigma.plan.looking_back import ordered_by
from polysigma.plan.parameters import bind
from polysigma.plan.parser import parse_expression
from polysigma.plan.steps import (
    RULE_COLUMN,
    TIME_COLUMN,
    Annotate,
    Bucket,
    Derive,
    Group,
    Measure,
    Order,
    Ordered,
    Previous,
    Schedule,
    Score,
    Select,
    Sort,
    Step,
    Take,
    Where,
)
from polysigma.plan.types import Type
from polysigma.plan.typing import ParameterValues, Scope, as_test, condition, for_display, infer, near

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polysigma.plan.metadata import (
        GroupModel,
        Metadata,
        ParameterValue,
        PreviousModel,
        SequenceModel,
        StepModel,
    )

Path = tuple[str | int, ...]
_DISPLAY_MEASURES = frozenset({"any_value"})
_TITLE_FIELD = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Built:
    """The outcome: steps, schedule, the columns of the result with their types, and the parameters' values."""

    steps: tuple[Step, ...]
    schedule: Schedule | None
    columns: Mapping[str, Type]
    parameters: ParameterValues
    quiet: int | None
    fields: frozenset[str]
    """The canonical fields that the steps read."""


def build(
    metadata: Metadata,
    fields: Mapping[str, Type],
    window: int,
    overrides: Mapping[str, ParameterValue] | None = None,
    rules: tuple[str, ...] = (),
) -> Built:
    """Typed steps from the map.

    `fields` are the canonical columns of the base rules with their types, `window` the correlation's timespan in
    seconds, `rules` the names of the rules, as a `sequence` may call them. Raises PlanError; its paths start at the
    map.
    """
    parameters = bind(metadata.parameters, overrides)
    builder = _Builder(fields, parameters, rules)
    for index, model in enumerate(metadata.steps):
        builder.add(model, ("steps", index))
    builder.finish(len(metadata.steps))
    unused = [name for name in metadata.parameters if name not in builder.used]
    if unused:
        faults = (
            Fault(
                "unused-parameter",
                f"no step uses the parameter {name!r}",
                f"write :{name}",
                Place(("parameters", name)),
            )
            for name in unused
        )
        raise PlanError(*faults)
    schedule = _schedule(metadata, builder.steps, window)
    quiet = None
    if metadata.alert:
        _check_alert(metadata, builder.columns)
        quiet = parse_duration(metadata.alert.quiet) if metadata.alert.quiet else None
    return Built(tuple(builder.steps), schedule, builder.columns, parameters, quiet, frozenset(builder.read))


def _schedule(metadata: Metadata, steps: list[Step], window: int) -> Schedule | None:
    """The schedule, held against the buckets: windows must begin and end on their edges."""
    schedule = None
    if metadata.schedule:
        every = parse_duration(metadata.schedule.every)
        delay = parse_duration(metadata.schedule.delay) if metadata.schedule.delay else 0
        assert every is not None
        assert delay is not None
        schedule = Schedule(every, delay)
        if every > window:
            message = f"runs every {metadata.schedule.every}, but looks back {format_duration(window)} only"
            raise fault("schedule-gap", message, Place(("schedule", "every")), "events in between are never seen")
    for step in steps:
        if not isinstance(step, Bucket):
            continue
        spans = {"the window (correlation.timespan)": window}
        if schedule:
            spans["schedule.every"] = schedule.every
        for name, span in spans.items():
            if span % step.seconds:
                message = f"{name} is {format_duration(span)}, not a multiple of the bucket {step.name}"
                hint = f"use a multiple of {format_duration(step.seconds)}: a cut bucket counts less than it should"
                raise fault("bucket-edge", message, step.at, hint)
    return schedule


def _check_alert(metadata: Metadata, columns: Mapping[str, Type]) -> None:
    assert metadata.alert is not None
    faults = []
    for name in _TITLE_FIELD.findall(metadata.alert.title):
        if name not in columns:
            message = f"the alert's title shows {{{name}}}, which the result does not hold"
            faults.append(Fault("unknown-column", message, near(name, columns), Place(("alert", "title"))))
    for kind, name in metadata.alert.entities.items():
        if name not in columns:
            message = f"the entity {kind} is {name!r}, which the result does not hold"
            faults.append(Fault("unknown-column", message, near(name, columns), Place(("alert", "entities", kind))))
    if faults:
        raise PlanError(*faults)


class _Builder:
    """The scope, step by step."""

    def __init__(self, fields: Mapping[str, Type], parameters: ParameterValues, rules: tuple[str, ...] = ()) -> None:
        self.fields = fields
        self.rules = rules
        self.columns: dict[str, Type] = dict(fields)
        self.parameters = parameters
        self.display: frozenset[str] = frozenset()
        self.keys: tuple[str, ...] | None = None
        self.steps: list[Step] = []
        self.used: set[str] = set()
        self.read: set[str] = set()

    @property
    def scope(self) -> Scope:
        return Scope(self.columns, self.parameters, self.display)

    def add(self, model: StepModel, path: Path) -> None:
        at = Place((*path, model.kind))
        match model.kind:
            case "bucket":
                self.bucket(model, at)
            case "group":
                assert model.group
                self.group(model.group, at)
            case "sequence":
                assert model.sequence
                self.sequence(model.sequence, at)
            case "annotate":
                assert model.annotate
                self.annotate(model.annotate, at)
            case "previous":
                assert model.previous
                self.previous(model.previous, at)
            case "where":
                assert model.where
                self.steps.append(Where(condition(self.parse(model.where, at.path), self.scope), at=at))
            case "derive":
                assert model.derive
                self.derive(model.derive, at)
            case "select":
                assert model.select
                self.known(model.select, at)
                self.columns = {name: self.columns[name] for name in model.select}
                self.steps.append(Select(tuple(model.select), at=at))
            case "score":
                assert model.score
                self.score(model.score, at)
            case "sort":
                assert model.sort
                self.sort(model.sort, at)
            case "take":
                assert model.take
                self.take(model.take, at)
            case _:
                raise ValueError(model.kind)

    def finish(self, count: int) -> None:
        if self.keys is None:
            raise fault(
                "no-group",
                "no step groups the events, so there is no hit to name",
                Place(("steps", count - 1)),
                "add a group step: its keys are what a hit is called by",
            )

    def parse(self, text: str, path: Path) -> Expression:
        expression = parse_expression(text, path)
        self.used |= {node.name for node in walk(expression) if isinstance(node, Parameter)}
        self.read |= self.fields.keys() & set(columns(expression))
        return expression

    def new_name(self, name: str, at: Place, *, within: Mapping[str, object]) -> None:
        """A step's own column must not hide a column that is in scope, nor be taken for a Sigma field."""
        if name in within:
            raise fault("name-taken", f"there is already a column {name!r}", at, "choose another name")
        if name in self.fields:
            raise fault("name-taken", f"{name!r} is a Sigma field of the base rule", at, "choose another name")

    def known(self, names: list[str], at: Place) -> None:
        for index, name in enumerate(names):
            place = replace(at, path=(*at.path, index))
            if name not in self.columns:
                raise fault("unknown-column", f"there is no column {name!r} here", place, near(name, self.columns))
            if name in names[:index]:
                raise fault("duplicate-column", f"{name!r} stands twice in one list", place, "keep one of them")
        self.read |= self.fields.keys() & set(names)

    def bucket(self, model: StepModel, at: Place) -> None:
        assert model.bucket
        (name, width), *_ = model.bucket.items()
        if self.keys is not None:
            raise fault("bucket-order", "rows have no time of their own after a group", at, "put the bucket first")
        self.new_name(name, at, within=self.columns)
        seconds = parse_duration(width)
        assert seconds is not None
        self.read |= self.fields.keys() & {TIME_COLUMN}
        self.columns = {**self.columns, name: Type.TIME}
        self.steps.append(Bucket(name, seconds, at=at))

    def measures(self, model: GroupModel, at: Place, within: Mapping[str, object]) -> tuple[Measure, ...]:
        found = []
        for name, text in model.measures.items():
            place = Place((*at.path, "measures", name))
            self.new_name(name, place, within=within)
            found.append(self.measure(name, text, place))
        return tuple(found)

    def measure(self, name: str, text: str, at: Place) -> Measure:
        call = self.parse(text, at.path)
        if not isinstance(call, Call) or call.name not in MEASURES:
            wrong = call.name if isinstance(call, Call) else text
            raise fault("unknown-measure", f"{wrong!r} is not a measure", call.at or at, near(wrong, MEASURES))
        function = MEASURES[call.name]
        arguments = list(call.arguments)
        wanted = (function.argument is not None) + function.conditional + (function.constant is not None)
        if len(arguments) != wanted:
            message = f"{function.name} takes {wanted} argument{'s' if wanted != 1 else ''}, not {len(arguments)}"
            raise fault("wrong-arguments", message, call.at or at, _usage(function.name))
        if function.ordered and self.keys is not None:
            message = f"rows have no time of their own after a group: no {function.name}"
            raise fault("bucket-order", message, call.at, "measure it in the first group")
        value = kind = filter_ = constant = None
        if function.argument is not None:
            typed = infer(arguments.pop(0), self.scope)
            if typed.type not in function.argument:
                names = " or ".join(sorted(accepted.value for accepted in function.argument))
                message = f"{function.name} needs {names}, not {typed.type or 'nothing'}"
                raise fault("type-mismatch", message, call.at, _usage(function.name))
            value, kind = typed.expression, typed.type
        if function.conditional:
            filter_ = condition(arguments.pop(0), self.scope)
        if function.constant is not None:
            constant = self.constant(function.name, arguments.pop(0))
        self.pending[name] = function.result or kind or Type.TEXT
        return Measure(name, function.name, value, filter_, constant, at=at)

    pending: dict[str, Type]

    def constant(self, function: str, argument: Expression) -> int | float:
        settled = infer(argument, self.scope).expression
        value = getattr(settled, "value", None)
        low, high = (0, 100) if function == "percentile" else (1, 1000)
        whole = function == "collect"
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)) or not low <= value <= high:
            message = f"{function} needs a {'whole ' if whole else ''}number from {low} to {high} here"
            raise fault("wrong-arguments", message, argument.at, _usage(function))
        return value

    def group(self, model: GroupModel, at: Place) -> None:
        by_at = replace(at, path=(*at.path, "by"))
        self.known(model.by, by_at)
        self.comparable(model.by, by_at)
        self.pending = {}
        measures = self.measures(model, at, dict.fromkeys(model.by))
        self.columns = {**{name: self.columns[name] for name in model.by}, **self.pending}
        self.display = self.shown(measures)
        self.keys = tuple(model.by)
        self.steps.append(Group(tuple(model.by), measures, at=at))

    def sequence(self, model: SequenceModel, at: Place) -> None:
        rules_at = replace(at, path=(*at.path, "rules"))
        if RULE_COLUMN not in self.columns or self.keys is not None:
            message = "a sequence needs the events of several rules" if self.keys is None else "events are grouped here"
            hint = "the correlation names several `rules`, and the sequence stands before any group"
            raise fault("sequence-of-one", message, at, hint)
        for index, name in enumerate(model.rules):
            if self.rules and name not in self.rules:
                place = replace(rules_at, path=(*rules_at.path, index))
                message = f"{name!r} is not a rule of this correlation"
                raise fault("unknown-rule", message, place, near(name, dict.fromkeys(self.rules)))
        self.read |= self.fields.keys() & {TIME_COLUMN}
        self.group(model, at)
        group = self.steps.pop()
        assert isinstance(group, Group)
        self.steps.append(Ordered(group.by, (Order(tuple(model.rules)),), group.measures, at=at))

    def annotate(self, model: GroupModel, at: Place) -> None:
        by_at = replace(at, path=(*at.path, "by"))
        self.known(model.by, by_at)
        self.comparable(model.by, by_at)
        self.pending = {}
        measures = self.measures(model, at, self.columns)
        self.columns = {**self.columns, **self.pending}
        self.display |= self.shown(measures)
        self.steps.append(Annotate(tuple(model.by), measures, at=at))

    def previous(self, model: PreviousModel, at: Place) -> None:
        by_at, column_at = (replace(at, path=(*at.path, part)) for part in ("by", "column"))
        self.known(model.by, by_at)
        self.comparable(model.by, by_at)
        if model.column not in self.columns:
            message = f"there is no column {model.column!r} here"
            raise fault("unknown-column", message, column_at, near(model.column, self.columns))
        known = ordered_by(self.steps, model.by)
        if model.column not in known:
            listed = ", ".join(model.by)
            message = f"two rows of one {listed} may have the same {model.column}: which is before which is not known"
            hint = f"order by {' or '.join(known)}"
            if not known:
                hint = (
                    f"group by {listed} and one bucket of time before it, and order by that bucket, or by its "
                    f"min({TIME_COLUMN}) or max({TIME_COLUMN})"
                )
            raise fault("previous-order", message, column_at, hint)
        self.new_name(model.as_, replace(at, path=(*at.path, "as")), within=self.columns)
        self.columns = {**self.columns, model.as_: self.columns[model.column]}
        self.steps.append(Previous(tuple(model.by), model.column, model.as_, at=at))

    def shown(self, measures: tuple[Measure, ...]) -> frozenset[str]:
        """The measures that are for display only: arbitrary, or of values that are."""
        return frozenset(
            measure.name
            for measure in measures
            if measure.function in _DISPLAY_MEASURES
            or (measure.value is not None and for_display(measure.value, self.display) is not None)
        )

    def comparable(self, names: list[str], at: Place) -> None:
        for index, name in enumerate(names):
            if self.columns[name] in {Type.LIST, Type.REAL} or name in self.display:
                place = replace(at, path=(*at.path, index))
                message = f"{name!r} cannot be a key: it is for display, or not exact"
                raise fault("type-mismatch", message, place, "group by whole numbers, texts, addresses or times")

    def derive(self, texts: Mapping[str, str], at: Place) -> None:
        done = []
        for name, text in texts.items():
            place = Place((*at.path, name))
            self.new_name(name, place, within=self.columns)
            typed = infer(self.parse(text, place.path), self.scope)
            if typed.type is None:
                raise fault("type-mismatch", "this is always missing", place, "leave it out")
            if for_display(typed.expression, self.display) is not None:
                self.display |= {name}
            self.columns = {**self.columns, name: typed.type}
            called = typed.type is Type.BOOLEAN and isinstance(typed.expression, Call)
            done.append((name, as_test(typed.expression) if called else typed.expression))
        self.steps.append(Derive(tuple(done), at=at))

    def score(self, score: Mapping[str, list[str]], at: Place) -> None:
        (name, texts), *_ = score.items()
        self.new_name(name, at, within=self.columns)
        cases = []
        for index, text in enumerate(texts):
            path = (*at.path, name, index)
            found = re.match(r"\s*(\d{1,6})\s+when\s+", text)
            if found is None:
                raise fault("expression-syntax", "a case is `POINTS when CONDITION`", Place(path), "3 when WatchedPort")
            # Blanks in place of the points keep every column of the condition where it stands in the file.
            test = self.parse(" " * found.end() + text[found.end() :], path)
            cases.append((int(found[1]), condition(test, self.scope)))
        if not cases:
            raise fault("expression-syntax", "a score needs at least one case", at, "- 3 when WatchedPort")
        self.columns = {**self.columns, name: Type.INTEGER}
        self.steps.append(Score(name, tuple(cases), at=at))

    def sort(self, texts: list[str], at: Place) -> None:
        parts = [text.split() for text in texts]
        self.known([name for name, *_ in parts], at)
        for index, (name, *_) in enumerate(parts):
            if self.columns[name] is Type.LIST:
                message = f"{name!r} is a list, which has no order"
                raise fault("type-mismatch", message, Place((*at.path, index)), "sort by a number or a text")
        self.steps.append(Sort(tuple((name, direction == ["desc"]) for name, *direction in parts), at=at))

    def take(self, count: int, at: Place) -> None:
        last = self.steps[-1] if self.steps else None
        ordered = {name for name, _ in last.columns} if isinstance(last, Sort) else set()
        if self.keys is None or not set(self.keys) <= ordered:
            hint = "sort by the group's keys last, so that the order is total"
            raise fault("take-order", "which rows are taken would be left to chance", at, hint)
        self.steps.append(Take(count, at=at))


def _usage(name: str) -> str:
    function = MEASURES[name]
    parts = ["column"] * (function.argument is not None) + ["condition"] * function.conditional
    if function.constant:
        parts.append(function.constant)
    return f"{name}({', '.join(parts)})"
