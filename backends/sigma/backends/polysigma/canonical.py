"""A correlation as canonical steps over base rules: by its map or by the standard, alone or over other correlations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sigma.correlations import SigmaCorrelationRule, SigmaCorrelationType
from sigma.exceptions import SigmaError
from sigma.rule import SigmaRule

from polysigma.plan.build import Built, build
from polysigma.plan.durations import format_duration
from polysigma.plan.expressions import Column
from polysigma.plan.faults import PlanError
from polysigma.plan.metadata import read_metadata
from polysigma.plan.parameters import bind
from polysigma.plan.scope import columns_after, free_name
from polysigma.plan.steps import (
    END_COLUMN,
    RULE_COLUMN,
    TIME_COLUMN,
    Branch,
    Bucket,
    Chain,
    Derive,
    Group,
    Measure,
    Ordered,
    Schedule,
    Step,
)
from polysigma.plan.types import Type
from polysigma.refusals import RefusalCode

from .correlations import WINDOW, portable, with_times
from .errors import PlanRefusedError, unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .backend import PolysigmaBackend
    from .sources import BaseRule


@dataclass(frozen=True, slots=True)
class Correlated:
    """A correlation as canonical steps over base rules."""

    name: str
    bases: tuple[BaseRule, ...]
    steps: tuple[Step, ...]
    columns: Mapping[str, Type]
    asked: Mapping[str, frozenset[str]]
    """The canonical fields that the steps read of each base rule, by its name."""
    window: int
    schedule: Schedule | None = None
    quiet: int | None = None
    approximations: tuple[str, ...] = ()
    aliases: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    settings: tuple[str, ...] = ()
    """Lines about the parameters that have another value than the rule's."""


@dataclass(frozen=True, slots=True)
class _Outer:
    """What a correlation asks of one inside of it."""

    window: int
    times: bool
    """Whether its rows must say when their events were."""


class Correlations:
    """Reads correlations for one backend."""

    def __init__(self, backend: PolysigmaBackend, method: str, *, counting: bool) -> None:
        self.backend = backend
        self.method = method
        self.counting = counting
        """Whether base rules are read by the claims that hold where events are counted."""

    def read(self, rule: SigmaCorrelationRule, outer: _Outer | None = None) -> Correlated:
        """The canonical steps of a correlation and of those inside it.

        Raises SigmaFeatureNotSupportedByBackendError for what cannot be said, PlanRefusedError for a map that is wrong.
        """
        references = list({id(one.rule): one.rule for one in rule.referenced_rules or rule.rules or []}.values())
        if not references:
            raise unsupported(RefusalCode.CORRELATION_RULES, f"correlation {_name(rule)} refers to no rule")
        if any(isinstance(reference, SigmaCorrelationRule) for reference in references):
            return self._chained(rule, references, outer)
        bases = tuple(base for reference in references for base in self._bases(reference))
        aliases = _aliases(rule)
        fields = _shared_fields(bases, aliases)
        columns = {**fields, RULE_COLUMN: Type.TEXT} if len(bases) > 1 else fields
        steps, own = self._steps(rule, columns, tuple(dict.fromkeys(base.name for base in bases)), outer, spans=False)
        read = own.fields - {RULE_COLUMN} | ({TIME_COLUMN} if _timed(steps) or (outer and outer.times) else frozenset())
        return Correlated(
            name=_name(rule),
            bases=bases,
            steps=steps,
            columns=columns_after(steps, columns),
            asked={base.name: read for base in bases},
            window=int(rule.timespan.seconds),
            schedule=own.schedule,
            quiet=own.quiet,
            approximations=own.approximations,
            aliases=aliases,
            settings=own.settings,
        )

    def _chained(self, rule: SigmaCorrelationRule, references: list[Any], outer: _Outer | None) -> Correlated:
        """A correlation over others: the plan goes on over the rows of one, or over those of several, united."""
        window = int(rule.timespan.seconds)
        times = rule.type is SigmaCorrelationType.TEMPORAL_ORDERED or (
            outer is not None and (outer.times or window < outer.window)
        )
        parts = [self._part(rule, reference, _Outer(window, times)) for reference in references]
        single = len(parts) == 1
        renamed = _aliases(rule)
        columns = _common([_with_aliases(part, renamed) for part in parts])
        names = tuple(part.name for part in parts)
        if not single:
            columns[RULE_COLUMN] = Type.TEXT
        steps, own = self._steps(rule, columns, names, outer, spans=times)
        kept = own.fields - {RULE_COLUMN} | ({TIME_COLUMN, END_COLUMN} if times else frozenset())
        derived = [_derivation(part, renamed, kept) for part in parts]
        if own.standard and rule.type is SigmaCorrelationType.TEMPORAL and not times:
            # Only whether there was an event counts, so that one row for each key does.
            once = Group(tuple(sorted(kept)), (Measure("Events", "count"),))
            derived = [more if part.steps else (*more, once) for part, more in zip(parts, derived, strict=True)]
        if single:
            inside: tuple[Step, ...] = (*parts[0].steps, *derived[0])
        else:
            branches = tuple(
                Branch(part.name, tuple(dict.fromkeys(base.name for base in part.bases)), (*part.steps, *more))
                for part, more in zip(parts, derived, strict=True)
            )
            inside = (Chain(branches, tuple(sorted(kept))),)
        asked: dict[str, frozenset[str]] = {}
        for part in parts:
            # Of a rule on single events the fields are read here; of a correlation it has read them itself.
            own_fields = {renamed.get(name, {}).get(part.name, name) for name in kept} - {END_COLUMN}
            for base in part.bases:
                more = part.asked.get(base.name, frozenset()) if part.steps else frozenset(own_fields)
                asked[base.name] = asked.get(base.name, frozenset()) | more
        approximations = [reason for part in parts for reason in part.approximations]
        if rule.type is SigmaCorrelationType.TEMPORAL_ORDERED and any(part.steps for part in parts):
            approximations.append("in an order a hit of a correlation counts as there from its first event to its last")
        return Correlated(
            name=_name(rule),
            bases=tuple(_unique(parts)),
            steps=(*inside, *steps),
            columns=columns_after(steps, columns),
            asked=asked,
            window=window,
            schedule=own.schedule,
            quiet=own.quiet,
            approximations=tuple(dict.fromkeys((*approximations, *own.approximations))),
            aliases=_merged(rule, parts),
            settings=tuple(dict.fromkeys((*(line for part in parts for line in part.settings), *own.settings))),
        )

    def _part(self, rule: SigmaCorrelationRule, reference: Any, asked: _Outer) -> Correlated:
        """What a correlation over others refers to: another, or a rule on single events."""
        if isinstance(reference, SigmaCorrelationRule):
            found = self.read(reference, asked)
            if found.window > asked.window:
                raise unsupported(
                    RefusalCode.CORRELATION_RULES,
                    f"correlation {_name(rule)}: its timespan {format_duration(asked.window)} is shorter than that of "
                    f"{found.name} ({format_duration(found.window)})",
                )
            return found
        bases = tuple(self._bases(reference))
        fields = _shared_fields(bases, {})
        return Correlated(_name(reference), bases, (), fields, {}, 0)

    def _steps(
        self,
        rule: SigmaCorrelationRule,
        columns: Mapping[str, Type],
        names: tuple[str, ...],
        outer: _Outer | None,
        *,
        spans: bool,
    ) -> tuple[tuple[Step, ...], _Own]:
        """A correlation's own steps over rows with these columns."""
        window = int(rule.timespan.seconds)
        shorter = outer is not None and window < outer.window
        if rule.custom_attributes.get("polysigma") is not None and self.method == "staged":
            if shorter:
                raise unsupported(
                    RefusalCode.CORRELATION_RULES,
                    f"correlation {_name(rule)}: inside of another a map must have the same timespan",
                )
            settings = self._overrides(rule)
            try:
                built = _built(rule.custom_attributes["polysigma"], columns, window, settings, names)
            except PlanError as error:
                raise refused(rule, error) from None
            own = _Own(
                built.fields,
                built.schedule,
                built.quiet,
                settings=_set(rule.custom_attributes["polysigma"], settings),
            )
            steps = built.steps
        else:
            called = tuple((one.reference, _name(one.rule)) for one in rule.referenced_rules)
            bucket = (free_name(WINDOW, columns), window) if shorter else None
            standard = portable(rule, columns, called, bucket, spans=spans)
            reasons = (_windows(window, tumbling=shorter),)
            own = _Own(standard.fields, Schedule(min(window, 3600)), None, reasons, standard=True)
            steps = standard.steps
        if outer is not None and outer.times:
            steps = with_times(steps, spans=spans)
        return steps, own

    def _bases(self, reference: Any) -> list[BaseRule]:
        if not isinstance(reference, SigmaRule):
            raise unsupported(RefusalCode.CORRELATION_RULES, f"{reference!r} is neither a rule nor a correlation")
        try:
            return self.backend.base_rules(reference, counting=self.counting)
        except SigmaError as error:
            why = next((one for rule, one in self.backend.errors if rule is reference), error)
            code = RefusalCode(getattr(why, "code", RefusalCode.CORRELATION_RULES))
            raise unsupported(code, f"the rule {_name(reference)} was not converted") from error

    def _overrides(self, rule: SigmaCorrelationRule) -> dict[str, Any]:
        given = self.backend.options.overrides
        own = parameters_of(rule)
        bare = {name: value for name, value in given.get("", {}).items() if name in own}
        return {**bare, **given.get(rule.name or str(rule.id), {})}


@dataclass(frozen=True, slots=True)
class _Own:
    """What a correlation says besides its steps."""

    fields: frozenset[str]
    schedule: Schedule | None
    quiet: int | None
    approximations: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    standard: bool = False
    """Whether the steps are those of the standard, not of a map."""


def _name(rule: SigmaCorrelationRule | SigmaRule) -> str:
    return rule.name or str(rule.id or rule.title)


def _with_aliases(part: Correlated, aliases: Mapping[str, Mapping[str, str]]) -> dict[str, Type]:
    """The columns of a part, and the aliases that name one of them."""
    named = {alias: mapping[part.name] for alias, mapping in aliases.items() if part.name in mapping}
    for alias, name in named.items():
        if name not in part.columns:
            raise unsupported(RefusalCode.CORRELATION_FIELD, f"the alias {alias}: {name} is no column of {part.name}")
    return {**part.columns, **{alias: part.columns[name] for alias, name in named.items()}}


def _common(parts: list[dict[str, Type]]) -> dict[str, Type]:
    """The columns that all parts have, of one type."""
    first, *others = parts
    return {name: kind for name, kind in first.items() if all(other.get(name) is kind for other in others)}


def _derivation(part: Correlated, aliases: Mapping[str, Mapping[str, str]], kept: frozenset[str]) -> tuple[Step, ...]:
    """What has to be added to the rows of a part: aliases, and the end of what is an event and has only a time."""
    items = [
        (alias, Column(mapping[part.name]))
        for alias, mapping in aliases.items()
        if alias in kept and part.name in mapping and mapping[part.name] != alias
    ]
    for _, column in items:
        if any(column.name == base.scope.host.field for base in part.bases):
            raise unsupported(
                RefusalCode.CORRELATION_FIELD,
                f"an alias of {column.name}, which is what a host is known by, in a chain",
            )
    if not part.steps and END_COLUMN in kept:
        items.append((END_COLUMN, Column(TIME_COLUMN)))
    return (Derive(tuple(items)),) if items else ()


def _unique(parts: list[Correlated]) -> list[BaseRule]:
    """The base rules of all parts, each rule once, though several parts may refer to it."""
    found: dict[str, tuple[BaseRule, ...]] = {}
    for part in parts:
        for name in dict.fromkeys(base.name for base in part.bases):
            found.setdefault(name, tuple(base for base in part.bases if base.name == name))
    return [base for bases in found.values() for base in bases]


def _merged(rule: SigmaCorrelationRule, parts: list[Correlated]) -> dict[str, dict[str, str]]:
    """The aliases of all parts in one: which field an alias stands for in each base rule."""
    merged: dict[str, dict[str, str]] = {}
    for part in parts:
        for alias, mapping in part.aliases.items():
            known = merged.setdefault(alias, {})
            if any(known.get(name, stands_for) != stands_for for name, stands_for in mapping.items()):
                raise unsupported(
                    RefusalCode.CORRELATION_FIELD,
                    f"correlation {_name(rule)}: the alias {alias} means two fields of one rule",
                )
            known |= mapping
    return merged


def _aliases(rule: SigmaCorrelationRule) -> dict[str, dict[str, str]]:
    """Which field an alias stands for in each rule, by the name under which rows know the rule."""
    known = {
        text: _name(one.rule)
        for one in rule.referenced_rules
        for text in (one.reference, one.rule.name, str(one.rule.id))
        if text
    }
    return {
        alias.alias: {
            known.get(reference.reference, reference.reference): str(field)
            for reference, field in alias.mapping.items()
        }
        for alias in rule.aliases
    }


def _shared_fields(bases: tuple[BaseRule, ...], aliases: Mapping[str, Mapping[str, str]]) -> dict[str, Type]:
    """The canonical fields that all base rules have, and the aliases, each with its type."""
    shared = dict(bases[0].fields)
    for base in bases[1:]:
        shared = {name: kind for name, kind in shared.items() if base.fields.get(name) is kind}
    for alias, mapping in aliases.items():
        kinds = set()
        for base in bases:
            name = mapping.get(base.name, alias)
            if name not in base.fields:
                raise unsupported(
                    RefusalCode.CORRELATION_FIELD, f"the alias {alias}: {name} is no field of the rule {base.name}"
                )
            kinds.add(base.fields[name])
        if len(kinds) > 1 and not kinds <= {Type.TEXT, Type.ADDRESS}:
            raise unsupported(
                RefusalCode.CORRELATION_FIELD,
                f"the alias {alias} stands for {' and for '.join(sorted(kinds))}, which are not comparable",
            )
        shared[alias] = kinds.pop() if len(kinds) == 1 else Type.TEXT
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


def parameters_of(rule: SigmaCorrelationRule | SigmaRule) -> list[str]:
    """The names of a rule's parameters; none where its map is not of the form that it should have."""
    own = rule.custom_attributes.get("polysigma")
    parameters = own.get("parameters") if isinstance(own, dict) else None
    return [str(name) for name in parameters] if isinstance(parameters, dict) else []


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


def refused(rule: SigmaCorrelationRule, error: PlanError) -> PlanRefusedError:
    """The faults of a rule's map as pySigma reports them; with file, line and column where the file is known."""
    path = rule.source.path if rule.source else None
    located = _located(rule, error, str(path)) if path else None
    return PlanRefusedError(located or f"rule {rule.name or rule.title}: polysigma: {error}", error)
