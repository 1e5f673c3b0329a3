"""One rule or correlation to its plan on a platform, its fidelity, and its query."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sigma.correlations import SigmaCorrelationRule
from sigma.exceptions import SigmaBackendError, SigmaError
from sigma.rule import SigmaRule

from polysigma.plan.build import Built, build
from polysigma.plan.durations import format_duration
from polysigma.plan.expressions import Column, Exists, In, InNetwork, TextMatch, conjuncts
from polysigma.plan.faults import PlanError
from polysigma.plan.lower import Binding, lower
from polysigma.plan.metadata import read_metadata
from polysigma.plan.parameters import bind
from polysigma.plan.scope import columns_after
from polysigma.plan.steps import RULE_COLUMN, TIME_COLUMN, Bucket, Ordered, Plan, Schedule, Step, counts_rows
from polysigma.plan.types import Type
from polysigma.platform import FidelityLevel, Loss

from .correlations import WINDOW, portable
from .errors import unsupported
from .printer import Job
from .sequences import without_sequences
from .sources import BaseRule, aliases_for, united

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .backend import PolysigmaBackend


@dataclass(frozen=True, slots=True)
class Compiled:
    """A rule on a platform: the plan on the platform's columns, the query, and what the query loses."""

    plan: Plan
    query: str
    losses: tuple[Loss, ...]
    fidelity: FidelityLevel
    unknown_columns: tuple[str, ...] = ()
    """Columns that the query reads and the platform's schema lacks (a pipeline of the user's may know better)."""


@dataclass(frozen=True, slots=True)
class _Correlated:
    """A correlation as canonical steps over base rules."""

    bases: tuple[BaseRule, ...]
    steps: tuple[Step, ...]
    columns: Mapping[str, Type]
    fields: frozenset[str]
    window: int
    schedule: Schedule | None
    quiet: int | None
    approximations: tuple[str, ...]
    aliases: Mapping[str, Mapping[str, str]]
    settings: tuple[str, ...] = ()
    """Lines about the parameters that have another value than the rule's."""


class Compiler:
    """Compiles for one backend and its options."""

    def __init__(self, backend: PolysigmaBackend) -> None:
        self.backend = backend
        self.printer = backend.printer()
        self.counting = False
        """Whether base rules are read by the claims that hold where events are counted."""

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
        losses = base.scope.losses(counts=False)
        return self._finished(plan, (base,), losses)

    def correlation(self, rule: SigmaCorrelationRule, method: str) -> Compiled:
        """A correlation, by the steps of its map (`staged`) or as the standard says (`portable`)."""
        correlated = self._correlated(rule, method)
        counts = counts_rows(correlated.steps)
        if counts and any(base.scope.counting for base in correlated.bases):
            self.counting = True
            correlated = self._correlated(rule, method)
        bindings = dict(united(list(correlated.bases), correlated.fields, correlated.aliases))
        if len(correlated.bases) > 1:
            bindings[RULE_COLUMN] = Binding((RULE_COLUMN,), Type.TEXT)
        try:
            weighted = any(base.scope.weight for base in correlated.bases)
            lowered = lower(correlated.steps, bindings, _always_there(correlated.bases), weighted=weighted)
        except PlanError as error:
            raise self._refused(rule, error) from None
        read = lowered.columns - {RULE_COLUMN}
        if correlated.window and self.printer.needs_time:
            read |= {TIME_COLUMN}
        sources = tuple(
            base.source(read, aliases_for(base, bindings_of(bindings), correlated.aliases)) for base in correlated.bases
        )
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
        for base in correlated.bases:
            losses += base.scope.losses(counts=counts, fields=correlated.fields, window=correlated.window)
            losses += _too_fine(base.scope.resolution, correlated)
        losses += [Loss(level=FidelityLevel.APPROXIMATE, reason=reason) for reason in correlated.approximations]
        return self._finished(plan, correlated.bases, tuple(losses), correlated.settings)

    def _correlated(self, rule: SigmaCorrelationRule, method: str, *, inner: bool = False) -> _Correlated:
        """The canonical steps of a correlation and of those inside it."""
        references = [reference.rule for reference in rule.referenced_rules or rule.rules or []]
        inner_rules = [reference for reference in references if isinstance(reference, SigmaCorrelationRule)]
        if inner_rules:
            return self._chained(rule, references, method)
        once = {id(reference): reference for reference in references}.values()
        bases = tuple(base for reference in once for base in self._bases(reference))
        if not bases:
            raise SigmaBackendError(f"correlation {rule.name or rule.title} refers to no rule")
        aliases = _aliases(rule)
        fields = _shared_fields(bases, aliases)
        metadata = rule.custom_attributes.get("polysigma")
        window = int(rule.timespan.seconds)
        if metadata is not None and method == "staged":
            return self._staged(rule, bases, fields, window, aliases)
        columns = {**fields, RULE_COLUMN: Type.TEXT} if len(bases) > 1 else fields
        named = tuple((reference.reference, _rule_name(reference)) for reference in rule.referenced_rules)
        standard = portable(rule, columns, named, bucket=window if inner else None)
        fields_read = standard.fields | ({TIME_COLUMN} if inner or _timed(standard.steps) else frozenset())
        return _Correlated(
            bases=bases,
            steps=standard.steps,
            columns=columns_after(standard.steps, columns),
            fields=fields_read,
            window=window,
            schedule=Schedule(min(window, 3600)),
            quiet=None,
            approximations=(_windows(window, tumbling=inner),),
            aliases=aliases,
        )

    def _staged(
        self,
        rule: SigmaCorrelationRule,
        bases: tuple[BaseRule, ...],
        fields: Mapping[str, Type],
        window: int,
        aliases: Mapping[str, Mapping[str, str]],
    ) -> _Correlated:
        settings = self._overrides(rule)
        columns = {**fields, RULE_COLUMN: Type.TEXT} if len(bases) > 1 else fields
        try:
            names = tuple(dict.fromkeys(base.name for base in bases))
            built = _built(rule.custom_attributes["polysigma"], columns, window, settings, names)
        except PlanError as error:
            raise self._refused(rule, error) from None
        return _Correlated(
            bases=bases,
            steps=built.steps,
            columns=built.columns,
            fields=built.fields - {RULE_COLUMN},
            window=window,
            schedule=built.schedule,
            quiet=built.quiet,
            approximations=(),
            aliases=aliases,
            settings=_set(rule.custom_attributes["polysigma"], settings),
        )

    def _chained(self, rule: SigmaCorrelationRule, references: list[Any], method: str) -> _Correlated:
        """A correlation of one correlation: the plan goes on over the inner one's rows."""
        name = rule.name or rule.title
        if len(references) != 1:
            raise unsupported(f"correlation {name}: a chain over several correlations is not supported; refer to one")
        window, inner_rule = int(rule.timespan.seconds), references[0]
        inner = self._correlated(inner_rule, method, inner=int(inner_rule.timespan.seconds) < window)
        if inner.window > window:
            raise unsupported(
                f"correlation {name}: its timespan {format_duration(window)} is shorter than that of "
                f"{inner_rule.name or inner_rule.title} ({format_duration(inner.window)})"
            )
        buckets = [step for step in inner.steps if isinstance(step, Bucket)]
        if inner.window < window and not any(step.name == WINDOW for step in buckets):
            raise unsupported(
                f"correlation {name}: a staged or chained correlation inside of it must have the same timespan"
            )
        outer = portable(rule, inner.columns, ())
        return _Correlated(
            bases=inner.bases,
            steps=(*inner.steps, *outer.steps),
            columns=columns_after(outer.steps, inner.columns),
            fields=inner.fields,
            window=window,
            schedule=Schedule(min(window, 3600)),
            quiet=None,
            approximations=tuple(dict.fromkeys((*inner.approximations, _windows(window, tumbling=False)))),
            aliases=inner.aliases,
            settings=inner.settings,
        )

    def _bases(self, reference: Any) -> list[BaseRule]:
        if not isinstance(reference, SigmaRule):
            raise SigmaBackendError(f"{reference!r} is neither a rule nor a correlation")
        try:
            return self.backend.base_rules(reference, counting=self.counting)
        except SigmaError as error:
            raise SigmaBackendError(f"the rule {reference.name or reference.title} was not converted") from error

    def _overrides(self, rule: SigmaCorrelationRule) -> dict[str, Any]:
        given = self.backend.options.overrides
        own = (rule.custom_attributes["polysigma"] or {}).get("parameters") or {}
        bare = {name: value for name, value in given.get("", {}).items() if name in own}
        return {**bare, **given.get(rule.name or str(rule.id), {})}

    def _finished(
        self, plan: Plan, bases: tuple[BaseRule, ...], losses: tuple[Loss, ...], settings: tuple[str, ...] = ()
    ) -> Compiled:
        """The query, under a head comment that says what it loses. Blind ones must have been accepted."""
        platform = bases[0].platform
        steps = without_sequences(plan.steps, grouped_first=self.printer.annotates_groups_only)
        said = replace(plan, steps=steps)
        own = [Loss(level=FidelityLevel.APPROXIMATE, reason=reason) for reason in self.printer.losses(said)]
        losses = tuple(dict.fromkeys((*losses, *own)))
        blind = [loss for loss in losses if loss.level is FidelityLevel.BLIND]
        if blind and "blind" not in self.backend.options.accept:
            raise unsupported(
                f"rule {plan.name}: {platform.title} is blind to it: {blind[0].reason} "
                "(-O accept=blind converts it all the same, and says so in the query)"
            )
        level = FidelityLevel.BLIND if blind else FidelityLevel.APPROXIMATE if losses else FidelityLevel.EXACT
        known_as = ", ".join(dict.fromkeys(filter(None, (plan.name, plan.id))))
        by = f" by {plan.author}" if plan.author else ""
        header = [plan.title, f"{known_as}{by}, for {platform.title}"]
        if plan.window is not None:
            header.append(self._window_line(plan))
        header += settings
        header += dict.fromkeys(line for base in bases for line in self.backend.filtered.get(base.name, ()))
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

    def _refused(self, rule: SigmaCorrelationRule, error: PlanError) -> SigmaBackendError:
        """The faults of a rule's map as pySigma reports them; with file, line and column where the file is known."""
        path = rule.source.path if rule.source else None
        located = _located(rule, error, str(path)) if path else None
        return PlanRefusedError(located or f"rule {rule.name or rule.title}: polysigma: {error}", error)


class PlanRefusedError(SigmaBackendError):
    """A rule's own steps are wrong. Holds the faults, whose paths start at the rule's `polysigma` map."""

    def __init__(self, message: str, error: PlanError) -> None:
        super().__init__(message)
        self.plan_error = error


_BUILT: dict[str, Built] = {}
"""What became of a map, by its text: `sigma convert` for several platforms reads the same one again and again."""


def _built(
    polysigma: Any, columns: Mapping[str, Type], window: int, settings: Mapping[str, Any], rules: tuple[str, ...]
) -> Built:
    """The steps of a map. Raises PlanError."""
    key = repr((polysigma, columns, window, settings, rules))
    if key not in _BUILT:
        if len(_BUILT) > 1000:
            _BUILT.clear()
        _BUILT[key] = build(read_metadata(polysigma), columns, window, settings, rules)
    return _BUILT[key]


def _set(polysigma: Any, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """A line for each parameter that has another value than the rule's."""
    parameters = read_metadata(polysigma).parameters
    bound = bind(parameters, settings)
    return tuple(
        f"set: {name} = {_shown(bound[name])} (the rule has {_shown(parameters[name].value)})"
        for name in parameters
        if name in settings and _shown(bound[name]) != _shown(parameters[name].value)
    )


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _located(rule: SigmaCorrelationRule, error: PlanError, path: str) -> str | None:
    """pySigma loses positions; on an error the file is read once more, with them."""
    from polysigma.diagnostics import PolysigmaError
    from polysigma.source import read_file

    try:
        documents = read_file(path)
    except PolysigmaError:
        return None
    for document in documents:
        value = document.value
        if isinstance(value, dict) and (value.get("name"), value.get("title")) == (rule.name, rule.title):
            return str(error.below("polysigma").located(document))
    return None


def _too_fine(resolution: int, correlated: _Correlated) -> list[Loss]:
    """What is lost where a plan counts in windows or buckets that one row of the platform may straddle."""
    spans = [step.seconds for step in correlated.steps if isinstance(step, Bucket)] + [correlated.window]
    short = [span for span in spans if resolution and span % resolution]
    if not short:
        ordered = resolution and any(isinstance(step, Ordered) for step in correlated.steps)
        reason = f"one row covers {format_duration(resolution)} of events, within which their order is not told"
        return [Loss(level=FidelityLevel.APPROXIMATE, reason=reason)] if ordered else []
    reason = (
        f"one row covers {format_duration(resolution)} of events, so that nothing can be counted in spans of "
        f"{format_duration(min(short))}"
    )
    return [Loss(level=FidelityLevel.BLIND, reason=reason)]


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


def bindings_of(bindings: Mapping[str, Binding]) -> dict[str, Binding]:
    """The bindings of fields, without the column that says which rule a row matched."""
    return {name: binding for name, binding in bindings.items() if name != RULE_COLUMN}


def _aliases(rule: SigmaCorrelationRule) -> dict[str, dict[str, str]]:
    return {
        alias.alias: {_rule_name(reference): str(field) for reference, field in alias.mapping.items()}
        for alias in rule.aliases
    }


def _rule_name(reference: Any) -> str:
    rule = getattr(reference, "rule", None)
    return (rule.name or str(rule.id or rule.title)) if rule is not None else str(reference.reference)


def _shared_fields(bases: tuple[BaseRule, ...], aliases: Mapping[str, Mapping[str, str]]) -> dict[str, Type]:
    """The canonical fields that all base rules have, and the aliases, each with its type."""
    shared = dict(bases[0].fields)
    for base in bases[1:]:
        shared = {name: kind for name, kind in shared.items() if base.fields.get(name) is kind}
    for alias, mapping in aliases.items():
        kinds = {base.fields.get(mapping.get(base.name, alias)) for base in bases}
        kind = kinds.pop() if len(kinds) == 1 else None
        shared[alias] = kind or Type.TEXT
    return shared


def _timed(steps: tuple[Step, ...]) -> bool:
    """Whether steps look at the time of the events."""
    return any(isinstance(step, Bucket | Ordered) for step in steps)


def _windows(window: int, *, tumbling: bool) -> str:
    span = format_duration(window)
    if tumbling:
        return (
            f"the inner correlation counts in fixed windows of {span}; events that straddle two of them can be missed"
        )
    return (
        f"counts in the {span} before each run, where Sigma's window slides with every event; "
        "events that straddle two runs' windows can be missed"
    )
