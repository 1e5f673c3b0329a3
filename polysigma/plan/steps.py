"""A plan: searches, and a closed, linear list of steps over the rows that they find.

There is no general join and no subquery: a relational algebra cannot be honest in every language that has to print it.
The one look back is at the row before, where the order of rows is total. What a rule needs beyond these steps is
refused, and said.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, assert_never

from polysigma.plan.expressions import Column, TextMatch, columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from polysigma.plan.expressions import Expression
    from polysigma.plan.faults import Place
    from polysigma.plan.types import Type

TIME_COLUMN = "EventTime"
"""The canonical name, and on every platform the derived column, of an event's time."""

END_COLUMN = "EventEnd"
"""Of a row that is a hit of another correlation: the time of its last event; `EventTime` is that of its first."""

RULE_COLUMN = "Rule"
"""In a plan with several searches, the name of the rule that a row matched."""

WEIGHT_COLUMN = "EventWeight"
"""The derived column that says how many events a row stands for, on platforms whose rows are not one each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepBase:
    """What all steps have: their place in the rule, if known."""

    at: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Bucket(StepBase):
    """Adds `name`, the start of each row's tumbling time bucket: `seconds` wide, aligned to the Unix epoch, UTC."""

    name: str
    seconds: int


@dataclass(frozen=True, slots=True)
class Measure:
    """A value over the rows of a group; see `polysigma.plan.functions.MEASURES`."""

    name: str
    function: str
    value: Expression | None = None
    condition: Expression | None = None
    constant: int | float | None = None
    at: Place | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Group(StepBase):
    """One row for each combination of the `by` columns; rows that miss one of them are dropped."""

    by: tuple[str, ...]
    measures: tuple[Measure, ...]


@dataclass(frozen=True, slots=True)
class Annotate(StepBase):
    """Adds measures over a coarser key to every row; rows that miss a key are dropped."""

    by: tuple[str, ...]
    measures: tuple[Measure, ...]


@dataclass(frozen=True, slots=True)
class Previous(StepBase):
    """Adds `name`, the value of `column` in the row before: of those of one key, in ascending order of `column`.

    It is missing in the first row of a key; rows that miss a key or the column are dropped. No two rows of a key have
    the same value: `polysigma.plan.looking_back` refuses a step of which that is not known.
    """

    by: tuple[str, ...]
    column: str
    name: str


@dataclass(frozen=True, slots=True)
class Order:
    """Rules in the order in which they must come, and rules of which there must be none."""

    rules: tuple[str, ...]
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ordered(StepBase):
    """One row for each combination of the `by` columns whose rows meet one of the orders.

    There must be a time for each rule of an order at which a row of that rule was there, none of them before the one
    of the rule before it. So rows of one moment are in any order, and an event that matches several rules stands for
    each of them: clocks are coarse, and what cannot be told apart is not missed. Where rows are hits (`spans`), each
    is there from `EventTime` to `EventEnd`. The measures are over all rows of the key.
    """

    by: tuple[str, ...]
    orders: tuple[Order, ...]
    measures: tuple[Measure, ...] = ()
    spans: bool = False


@dataclass(frozen=True, slots=True)
class Where(StepBase):
    """Keeps the rows for which a condition holds."""

    condition: Expression


@dataclass(frozen=True, slots=True)
class Derive(StepBase):
    """Adds columns; a later one may use an earlier one."""

    columns: tuple[tuple[str, Expression], ...]


@dataclass(frozen=True, slots=True)
class Select(StepBase):
    """Keeps these columns, in this order."""

    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Score(StepBase):
    """Adds `name`: the points of the first case that holds, else 0."""

    name: str
    cases: tuple[tuple[int, Expression], ...]


@dataclass(frozen=True, slots=True)
class Sort(StepBase):
    """Orders the rows; each column with True for descending."""

    columns: tuple[tuple[str, bool], ...]


@dataclass(frozen=True, slots=True)
class Take(StepBase):
    """Keeps the first `count` rows. For hunts and display, never for a rule."""

    count: int


@dataclass(frozen=True, slots=True)
class Branch:
    """A part of a chain: the rows of some rules, and the steps by which they become the hits of another."""

    rule: str
    """What the rows that come out are called in the column `Rule`."""
    rules: tuple[str, ...]
    """The rules of the rows that go in."""
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Chain(StepBase):
    """The hits of several correlations, and events of rules, as the rows that a further correlation goes on with.

    Every row goes into each branch that takes its rule. What comes out has `columns`, and `Rule`. It is the first step,
    of a plan or of a branch.
    """

    branches: tuple[Branch, ...]
    columns: tuple[str, ...]


Step = Chain | Bucket | Group | Ordered | Annotate | Previous | Where | Derive | Select | Score | Sort | Take

STEP_NAMES = (
    "bucket",
    "group",
    "sequence",
    "annotate",
    "previous",
    "where",
    "derive",
    "select",
    "score",
    "sort",
    "take",
)
"""The names of the steps as a rule writes them."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How often a plan is evaluated, and how long after the end of its window (seconds)."""

    every: int
    delay: int = 0


@dataclass(frozen=True, slots=True)
class Source:
    """One search: the rows of a base rule.

    On canonical names `event` is empty. On a platform `event` is the event filter, `derived` the columns that are
    computed right after it, and `types` the types of the platform's own columns that the plan reads.
    """

    rule: str
    condition: Expression
    table: str | None = None
    event: tuple[Expression, ...] = ()
    derived: tuple[tuple[str, Expression], ...] = ()
    types: Mapping[str, Type] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Output:
    """How a column of the result is called in the rule (`canonical`) and on the platform (`columns`).

    The role says whether it identifies a hit (`key`), names a key for people (`label`), or is one of its numbers.
    A host is a key of one or more columns and perhaps a label, all under one canonical name.
    """

    canonical: str
    columns: tuple[str, ...]
    role: Literal["key", "label", "value"]
    type: Type


@dataclass(frozen=True, slots=True)
class Plan:
    """A rule, ready to be evaluated on [T - window, T), T on an edge of the schedule (all in seconds)."""

    name: str
    title: str
    sources: tuple[Source, ...]
    steps: tuple[Step, ...]
    window: int | None
    """None: a plain rule, evaluated on single events."""
    schedule: Schedule | None = None
    outputs: tuple[Output, ...] = ()
    id: str | None = None
    description: str | None = None
    author: str | None = None
    """Who wrote the rule; its licence may ask that whoever shows a match names them (Detection Rule License 1.1)."""
    quiet: int | None = None
    """Seconds for which a key that has been reported is not reported again."""

    @property
    def edge(self) -> int:
        """A window ends on a multiple of so many seconds: where the last whole bucket, or the last run, ended."""
        return widest_bucket(self.steps) or (self.schedule.every if self.schedule else 60)

    def part(self, branch: Branch) -> Plan:
        """A branch of a chain as a plan of its own, which shows nothing."""
        sources = tuple(source for source in self.sources if source.rule in branch.rules)
        return replace(self, sources=sources, steps=branch.steps, outputs=())


_COUNTING = frozenset({"count", "count_if", "sum", "avg", "stdev", "median", "percentile"})


def is_rule(rule: str) -> Expression:
    """Whether a row matched a rule, in a plan with several searches."""
    return TextMatch(Column(RULE_COLUMN), (rule,), cased=True)


def all_steps(steps: tuple[Step, ...]) -> Iterator[Step]:
    """The steps, and those in the branches of chains among them."""
    for step in steps:
        yield step
        if isinstance(step, Chain):
            for branch in step.branches:
                yield from all_steps(branch.steps)


def makes_hits(steps: tuple[Step, ...]) -> bool:
    """Whether what comes out are hits only; else some rows are still events, each as it was recorded."""
    return any(
        isinstance(step, Group | Ordered)
        or (isinstance(step, Chain) and all(makes_hits(branch.steps) for branch in step.branches))
        for step in steps
    )


def widest_bucket(steps: tuple[Step, ...]) -> int | None:
    """The width in seconds of the widest bucket: windows begin and end on its edges. None where there is no bucket."""
    return max((step.seconds for step in all_steps(steps) if isinstance(step, Bucket)), default=None)


def narrowest_bucket(steps: tuple[Step, ...]) -> int:
    """The width in seconds of the narrowest bucket, of which a window has the most. Raises ValueError without any."""
    return min(step.seconds for step in all_steps(steps) if isinstance(step, Bucket))


def counts_rows(steps: tuple[Step, ...]) -> bool:
    """Whether the result depends on how many rows an event leaves (so that caps and deduplication change it).

    It does where a number that rows were counted or summed for is shown, or decides; whether there was a row at all
    (as for `distinct`, or a count of groups) is another matter, except in a time bucket, for which caps are too coarse.
    """
    counted: set[str] = set()
    for index, step in enumerate(steps):
        match step:
            case Bucket():
                return True
            case Chain(branches=branches):
                if any(counts_rows(branch.steps) for branch in branches):
                    return True
            case (
                Group(by=by, measures=measures) | Ordered(by=by, measures=measures) | Annotate(by=by, measures=measures)
            ):
                if counted & set(by):
                    return True
                single = not makes_hits(steps[:index])
                found = {
                    measure.name
                    for measure in measures
                    if (single and measure.function in _COUNTING)
                    or any(counted & set(columns(part)) for part in (measure.value, measure.condition) if part)
                }
                counted = counted | found if isinstance(step, Annotate) else found
            case Where(condition=condition):
                if counted & set(columns(condition)):
                    return True
            case Derive(columns=items):
                for name, expression in items:
                    counted |= {name} if counted & set(columns(expression)) else set()
            case Score(name=name, cases=cases):
                counted |= {name} if any(counted & set(columns(test)) for _, test in cases) else set()
            case Select(columns=names):
                counted &= set(names)
            case Previous() | Sort() | Take():
                pass  # the step before tells rows apart by a bucket, which has been met
            case _:
                assert_never(step)
    return bool(counted)
