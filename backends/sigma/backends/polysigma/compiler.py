"""One rule or correlation to its plan on a platform, its fidelity, and its query."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from polysigma.fidelity import FidelityLevel, Loss, approximately
from polysigma.plan.durations import format_duration
from polysigma.plan.expressions import (
    Call,
    Column,
    Constant,
    Exists,
    In,
    InNetwork,
    TextMatch,
    columns,
    conjuncts,
    rewrite,
)
from polysigma.plan.faults import PlanError
from polysigma.plan.lookups import lookups_of
from polysigma.plan.lower import Binding, lower
from polysigma.plan.steps import (
    RULE_COLUMN,
    TIME_COLUMN,
    Annotate,
    Bucket,
    Chain,
    Derive,
    Group,
    Ordered,
    Plan,
    Score,
    Sort,
    Take,
    Where,
    all_steps,
    counts_rows,
)
from polysigma.plan.types import Type
from polysigma.refusals import RefusalCode

from . import whole_numbers
from .errors import unsupported
from .printer import Job
from .sequences import without_sequences
from .sources import BaseRule, aliases_for, united

if TYPE_CHECKING:
    from sigma.correlations import SigmaCorrelationRule
    from sigma.rule import SigmaRule

    from polysigma.plan.expressions import Expression
    from polysigma.plan.steps import Source, Step

    from .backend import PolysigmaBackend
    from .canonical import Correlated


@dataclass(frozen=True, slots=True)
class Compiled:
    """A rule on a platform: the plan on the platform's columns, the query, and what the query loses."""

    plan: Plan
    query: str
    losses: tuple[Loss, ...]
    fidelity: FidelityLevel
    unknown_columns: tuple[str, ...] = ()
    """Columns that the query reads and the platform's schema lacks (a pipeline of the user's may know better)."""


class Compiler:
    """Compiles for one backend and its options."""

    def __init__(self, backend: PolysigmaBackend) -> None:
        self.backend = backend
        self.printer = backend.printer()

    def plain(self, rule: SigmaRule, base: BaseRule) -> Compiled:
        """A rule on single events."""
        plan = Plan(
            name=base.name,
            title=rule.title,
            sources=(base.source(frozenset()),),
            steps=(),
            window=None,
            id=str(rule.id) if rule.id else None,
            author=rule.author,
        )
        losses = (*base.scope.losses(counts=False), *base.keyword_losses())
        return self._finished(plan, (base,), losses)

    def correlation(self, rule: SigmaCorrelationRule, method: str) -> Compiled:
        """A correlation, by the steps of its map (`staged`) or as the standard says (`portable`)."""
        # With them come the models of the map, which plain rules need not wait for.
        from .canonical import Correlations, refused

        correlated = Correlations(self.backend, method, counting=False).read(rule)
        counts = counts_rows(correlated.steps)
        if counts and any(base.scope.counting for base in correlated.bases):
            correlated = Correlations(self.backend, method, counting=True).read(rule)
        chained = any(isinstance(step, Chain) for step in correlated.steps)
        bindings = dict(united(correlated.bases, correlated.asked, correlated.aliases))
        if len(correlated.bases) > 1 or chained:
            bindings[RULE_COLUMN] = Binding((RULE_COLUMN,), Type.TEXT)
        try:
            weighted = any(base.scope.weight for base in correlated.bases)
            lowered = lower(correlated.steps, bindings, _always_there(correlated.bases), weighted=weighted)
        except PlanError as error:
            raise refused(rule, error) from None

        def source(base: BaseRule) -> Source:
            read = lowered.by_rule.get(base.name, lowered.columns) - {RULE_COLUMN}
            if correlated.window and self.printer.needs_time:
                read |= {TIME_COLUMN}
            asked = {field: bindings[field] for field in sorted(correlated.asked[base.name])}
            return base.source(read, aliases_for(base, asked, correlated.aliases))

        sources = tuple(source(base) for base in correlated.bases)
        plan = Plan(
            name=rule.name or str(rule.id or rule.title),
            title=rule.title,
            sources=sources,
            steps=lowered.steps,
            window=correlated.window,
            schedule=correlated.schedule,
            outputs=lowered.outputs,
            id=str(rule.id) if rule.id else None,
            author=rule.author,
            quiet=correlated.quiet,
        )
        losses: list[Loss] = []
        read = _tested(correlated.steps)
        for base in correlated.bases:
            asked = correlated.asked[base.name]
            tested = {correlated.aliases.get(name, {}).get(base.name, name) for name in read}
            losses += base.scope.losses(counts=counts, fields=asked, tested=tested & asked, window=correlated.window)
            losses += base.keyword_losses()
            losses += _too_fine(base.scope.resolution, correlated)
        losses += _cut_by_address(correlated)
        losses += whole_numbers.losses(
            correlated.steps, _recorded(correlated), self.backend.options.dialect or self.backend.identifier
        )
        losses += [approximately(reason) for reason in correlated.approximations]
        return self._finished(plan, correlated.bases, tuple(losses), correlated.settings)

    def _finished(
        self, plan: Plan, bases: tuple[BaseRule, ...], losses: tuple[Loss, ...], settings: tuple[str, ...] = ()
    ) -> Compiled:
        """The query, under a head comment that says what it loses. Blind ones must have been accepted."""
        platform = bases[0].platform
        steps = without_sequences(plan.steps, grouped_first=self.printer.annotates_groups_only)
        said = replace(plan, steps=steps)
        losses = tuple(dict.fromkeys((*losses, *self.printer.losses(said))))
        blind = [loss for loss in losses if loss.level is FidelityLevel.BLIND]
        if blind and "blind" not in self.backend.options.accept:
            raise unsupported(
                RefusalCode.BLIND,
                f"rule {plan.name}: {platform.title} is blind to it: {blind[0].reason} "
                "(-O accept=blind converts it all the same, and says so in the query)",
            )
        level = FidelityLevel.BLIND if blind else FidelityLevel.APPROXIMATE if losses else FidelityLevel.EXACT
        known_as = ", ".join(dict.fromkeys(filter(None, (plan.name, plan.id))))
        by = f" by {plan.author}" if plan.author else ""
        header = [plan.title, f"{known_as}{by}, for {platform.title}"]
        if plan.window is not None:
            header.append(self._window_line(plan))
        header += settings
        header += dict.fromkeys(line for base in bases for line in self.backend.filtered.get(base.name, ()))
        header += [
            f"needs: the lookup {name} with {len(items)} values; without it the query fails, or leaves none of them out"
            for name, items in (lookups_of(plan) if self.backend.lookups else {}).items()
        ]
        header.append("fidelity: exact") if level is FidelityLevel.EXACT else None
        header += [f"{loss.level.value}: {loss.reason}" for loss in losses]
        time = bases[0].scope.time
        job = Job(said, tuple(header), self.backend.options.form, time.search_column, platform.carry)
        query = self.printer.query(job)
        unknown = tuple(sorted(column for base in bases for column in base.unknown_columns(plan)))
        return Compiled(plan, query, losses, level, unknown)

    def _window_line(self, plan: Plan) -> str:
        assert plan.window is not None
        schedule = f"every {format_duration(plan.schedule.every)}" if plan.schedule else "on a schedule"
        span = format_duration(plan.window)
        if self.backend.options.form == "hunt":
            return f"window: the last {span}; as a rule it runs {schedule}"
        return f"window: {span}, which the scheduler sets; runs {schedule}"


def _tested(steps: tuple[Step, ...]) -> frozenset[str]:
    """The columns on whose values something hangs in the steps, but for files of which only the name is asked."""
    said: list[Expression] = []
    for step in all_steps(steps):
        match step:
            case Where(condition=condition):
                said.append(condition)
            case Derive(columns=derived):
                said += [value for _, value in derived]
            case Score(cases=cases):
                said += [condition for _, condition in cases]
            case Group() | Annotate() | Ordered():
                said += [measure.condition for measure in step.measures if measure.condition is not None]
            case _:
                pass
    return frozenset(name for one in said for name in columns(rewrite(one, _without_names)))


def _without_names(node: Expression) -> Expression:
    return Constant("") if isinstance(node, Call) and node.name == "base_name" else node


def _too_fine(resolution: int, correlated: Correlated) -> list[Loss]:
    """What is lost where a plan counts in windows or buckets that one row of the platform may straddle."""
    spans = [step.seconds for step in all_steps(correlated.steps) if isinstance(step, Bucket)] + [correlated.window]
    short = [span for span in spans if resolution and span % resolution]
    if not short:
        if not resolution:
            return []
        span = format_duration(resolution)
        found = []
        if any(isinstance(step, Ordered) for step in all_steps(correlated.steps)):
            found.append(approximately(f"one row covers {span} of events, within which their order is not told"))
        if _reads_times(correlated.steps):
            reason = f"a row tells one time for {span} of events, so that their first and last times are off by as much"
            found.append(approximately(reason))
        return found
    reason = (
        f"one row covers {format_duration(resolution)} of events, so that nothing can be counted in spans of "
        f"{format_duration(min(short))}"
    )
    return [Loss(level=FidelityLevel.BLIND, reason=reason)]


def _reads_times(steps: tuple[Step, ...]) -> bool:
    """Whether steps show the time of an event, or decide by it."""
    measures = [
        measure
        for step in all_steps(steps)
        if isinstance(step, Group | Annotate | Ordered)
        for measure in step.measures
    ]
    values = (measure.value for measure in measures if measure.value is not None)
    return TIME_COLUMN in _tested(steps) or any(TIME_COLUMN in columns(value) for value in values)


def _cut_by_address(correlated: Correlated) -> list[Loss]:
    """What is lost where rows are cut off in the order of addresses, which is that of their text on the platform."""
    for step, after in pairwise(correlated.steps):
        if isinstance(step, Sort) and isinstance(after, Take):
            named = [name for name, _ in step.columns if correlated.columns.get(name) is Type.ADDRESS]
            reason = "which of the rows that are equal up to {} are taken hangs on how the platform spells addresses"
            return [approximately(reason.format(name)) for name in named[:1]]
    return []


def _recorded(correlated: Correlated) -> dict[str, Type]:
    """The canonical columns of the events, by whatever name, with their types."""
    known = {name: kind for base in correlated.bases for name, kind in base.fields.items()}
    for alias, mapping in correlated.aliases.items():
        known[alias] = next((known[name] for name in mapping.values() if name in known), Type.TEXT)
    return {**known, RULE_COLUMN: Type.TEXT}


def _always_there(bases: tuple[BaseRule, ...]) -> frozenset[str]:
    """The columns that no event of any base rule lacks: what its condition asks for, times that have a fallback, and
    the rule that it matched."""
    found: set[str] | None = None
    for base in bases:
        asked = {
            part.item.name
            for part in conjuncts(base.condition)
            if isinstance(part, Exists | In | InNetwork | TextMatch) and isinstance(part.item, Column)
        }
        if base.scope.time.always_there:
            asked.add(TIME_COLUMN)
        found = asked if found is None else found & asked
    return frozenset(found or ()) | {RULE_COLUMN}
