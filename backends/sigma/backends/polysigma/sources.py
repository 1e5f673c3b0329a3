"""From a converted base rule to the source of a plan: event filter, derived columns, condition, types."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from polysigma import schemas
from polysigma.fidelity import approximately
from polysigma.plan.expressions import (
    NULL,
    Case,
    Column,
    Constant,
    Exists,
    Expression,
    In,
    ListLiteral,
    Not,
    columns,
    conjunction,
    conjuncts,
    disjunction,
)
from polysigma.plan.lower import Binding
from polysigma.plan.parser import parse_expression
from polysigma.plan.simplify import simplify
from polysigma.plan.steps import TIME_COLUMN, WEIGHT_COLUMN, Source
from polysigma.plan.types import Type
from polysigma.plan.typing import Scope as TypeScope
from polysigma.plan.typing import infer
from polysigma.refusals import RefusalCode

from .errors import unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polysigma.claims import Event, FieldClaim
    from polysigma.fidelity import Loss
    from polysigma.plan.steps import Plan
    from polysigma.platform import Platform, Scope


@dataclass(frozen=True)
class BaseRule:
    """A base rule as a pipeline left it: its condition on the platform's columns, and the claims that hold for it."""

    name: str
    condition: Expression
    platform: Platform
    scope: Scope

    @cached_property
    def column_types(self) -> Mapping[str, Type]:
        """The platform's own columns in these tables, and the derived ones."""
        return column_types(self.platform, self.scope.tables)

    @cached_property
    def fields(self) -> Mapping[str, Type]:
        """The canonical fields that a correlation over this rule may name, with their types."""
        taxonomy = schemas.load("sigma")
        known = taxonomy.tables.get(self.scope.category, {})
        claimed = {name: known.get(name, Type.TEXT) for name in self.scope.fields}
        return {**claimed, **known, self.scope.host.field: Type.TEXT, TIME_COLUMN: Type.TIME}

    @property
    def _event(self) -> Expression:
        """The event filter as one test. It is that of many rules, and may name many event types."""
        key = (self.platform.id, self.scope.category, tuple(self.scope.event.items()))
        if key not in _EVENTS:
            _EVENTS[key] = simplify(conjunction(*scope_filter(self.scope, self.column_types)))
        return _EVENTS[key]

    def unknown_columns(self, plan: Plan) -> set[str]:
        """What the plan's source of this rule reads that the platform's schema does not have."""
        read = {column for source in plan.sources if source.rule == self.name for column in source.types}
        return read - self.column_types.keys()

    def keyword_losses(self) -> tuple[Loss, ...]:
        """What keywords lose where the event, in which they are looked for, holds less of a field than rules mean."""
        if self.platform.raw is None or self.platform.raw not in columns(self.condition):
            return ()
        cut = sorted(name for name, claim in self.scope.fields.items() if claim.form == "base_name")
        if not cut:
            return ()
        reason = f"a keyword is not met in a folder of {' or '.join(cut)}: the event holds the file's name alone"
        return (approximately(reason),)

    def binding(self, field: str) -> Binding:
        """The platform's columns behind a canonical field. Raises SigmaFeatureNotSupportedByBackendError."""
        kind = self.fields[field]
        host = self.scope.host
        if field == host.field:
            return Binding(host.key, Type.TEXT, host.label)
        if field == TIME_COLUMN:
            return Binding((TIME_COLUMN,), Type.TIME)
        claim = self.scope.fields.get(field)
        if claim is None:
            raise unsupported(
                RefusalCode.UNKNOWN_FIELD,
                f"rule {self.name}: {self.platform.title} makes no claim about the field {field}",
            )
        if claim.refused:
            hint = f"; {claim.hint}" if claim.hint else ""
            raise unsupported(
                claim.refused,
                f"rule {self.name}: {field} has no counterpart on {self.platform.title}: {claim.reason}{hint}",
            )
        if claim.name:
            return Binding((claim.name,), kind)
        if claim.choices:
            return Binding((field,), kind)
        raise unsupported(
            RefusalCode.NOT_COMPARABLE,
            f"rule {self.name}: on {self.platform.title} {field} is not a column that steps could use",
        )

    def source(self, read: frozenset[str], aliases: Mapping[str, str] | None = None) -> Source:
        """The source, with the derived columns that its condition or `read` (columns that steps read) needs.

        `aliases` gives further names under which platform columns are wanted.
        """
        aliases = aliases or {}
        event = self._event
        filter_columns = set(columns(event))
        condition = simplify(self.condition)
        tested = columns(condition)
        if filter_columns.isdisjoint(tested):
            events, rest = conjuncts(event), condition
        else:
            narrowed = conjuncts(simplify(conjunction(event, condition)))
            events = tuple(part for part in narrowed if set(columns(part)) <= filter_columns)
            rest = conjunction(*(part for part in narrowed if part not in events))
            tested = columns(rest)
        wanted: set[str] = {*(read - aliases.keys()), *aliases.values(), *tested}
        derived = self._derived(wanted)
        derived += [(alias, Column(column)) for alias, column in aliases.items()]
        native = {column for part in events for column in columns(part)} | wanted
        native |= {column for _, expression in derived for column in columns(expression)}
        types = self.column_types
        made = {name for name, _ in derived}
        return Source(
            rule=self.name,
            condition=rest,
            table=self.platform.default_table or self.scope.tables[0],
            event=events,
            derived=tuple(derived),
            types={name: types.get(name, Type.TEXT) for name in sorted(native - made)},
        )

    def _derived(self, wanted: set[str]) -> list[tuple[str, Expression]]:
        """The derived columns among `wanted`, each after those that it is made of."""
        done: dict[str, Expression] = {}
        for name in sorted(wanted):
            self._derive(name, done)
        return list(done.items())

    def _derive(self, name: str, done: dict[str, Expression]) -> None:
        """Adds to `done` what a derived column is made of, and then the column."""
        expression = None if name in done else self._definition(name)
        if expression is None:
            return
        for inner in columns(expression):
            self._derive(inner, done)
        done[name] = expression

    def _definition(self, name: str) -> Expression | None:
        if name == TIME_COLUMN:
            return parsed(self.scope.time.expression)
        if name == WEIGHT_COLUMN:
            return parsed(self.scope.weight) if self.scope.weight else Constant(1)
        if name in self.platform.derived and name not in _recorded(self.platform.schema_name, self.scope.tables):
            return parsed(self.platform.derived[name].expression)
        claim = self.scope.fields.get(name)
        if claim and claim.choices and name not in self.column_types:
            return chosen(claim, self.fields[name], self.column_types)
        return None


@lru_cache(maxsize=512)
def _recorded(schema: str, tables: tuple[str, ...]) -> frozenset[str]:
    """The columns of some tables; many rules ask for those of dozens."""
    return frozenset(schemas.load(schema).columns(*tables))


@lru_cache(maxsize=512)
def parsed(text: str) -> Expression:
    """A claim's expression; claims are our own data, so a fault in one is a bug that the claim tests catch."""
    return parse_expression(text)


_RECORDED = {
    schemas.TimeForm.UTC_TEXT: Type.TEXT,
    schemas.TimeForm.EPOCH_SECONDS: Type.REAL,
    schemas.TimeForm.EPOCH_MILLISECONDS: Type.INTEGER,
    schemas.TimeForm.DATETIME: Type.TIME,
}
_EVENTS: dict[tuple[str, str, tuple[tuple[str, tuple[str, ...]], ...]], Expression] = {}
_TYPES: dict[tuple[str, tuple[str, ...]], Mapping[str, Type]] = {}


def column_types(platform: Platform, tables: tuple[str, ...]) -> Mapping[str, Type]:
    """The types of a platform's columns in some tables, derived ones included."""
    key = (platform.id, tables)
    if key not in _TYPES:
        schema = schemas.load(platform.schema_name)
        types: dict[str, Type] = dict(schema.columns(*tables))
        # A time is what a claim's expression makes of a column; the column itself is text or a number.
        types |= {name: _RECORDED[form] for name, form in schema.time_forms.items() if types.get(name) is Type.TIME}
        for name, derived in platform.derived.items():
            expression = parsed(derived.expression)
            if all(column in types for column in columns(expression)):
                types[name] = infer(expression, TypeScope(types, {})).type or Type.TEXT
        types[TIME_COLUMN] = Type.TIME
        _TYPES[key] = types
    return _TYPES[key]


def scope_filter(scope: Scope, types: Mapping[str, Type]) -> list[Expression]:
    """Which rows are the events of a scope, as tests that must all hold."""
    tests = event_filter({name: values for name, values in scope.event.items() if name not in scope.also}, types)
    if scope.also:
        told = {name: values for name, values in scope.event.items() if name in scope.also}
        both = (event_filter(told, types), event_filter(scope.also, types))
        tests.insert(0, disjunction(*(conjunction(*parts) for parts in both)))
    if scope.without:
        tests.append(Not(conjunction(*event_filter(scope.without, types))))
    return tests


def event_filter(event: Event, types: Mapping[str, Type]) -> list[Expression]:
    """The event filter as exact tests, one for each column."""
    tests: list[Expression] = []
    for column, values in event.items():
        numeric = types.get(column, Type.TEXT).is_number
        items = tuple(int(value) if numeric else value for value in values if value)
        test: Expression = In(Column(column), ListLiteral(items), cased=True)
        tests.append(disjunction(Not(Exists(Column(column))), test) if "" in values else test)
    return tests


def chosen(claim: FieldClaim, kind: Type, types: Mapping[str, Type]) -> Expression:
    """The value of a field that other columns tell."""
    assert claim.choices is not None
    branches = []
    told: list[Event] = []
    for value, event in claim.choices.items():
        if event in told:
            continue  # another word for the same
        told.append(event)
        told_as = value == "true" if kind is Type.BOOLEAN else int(value) if kind is Type.INTEGER else value
        constant = Constant(told_as)
        branches.append((conjunction(*event_filter(event, types)), constant))
    return Case(tuple(branches), NULL)


def united(
    rules: tuple[BaseRule, ...], asked: Mapping[str, frozenset[str]], aliases: Mapping[str, Mapping[str, str]]
) -> dict[str, Binding]:
    """The bindings of canonical fields for several base rules at once; `asked` are the fields wanted of each.

    `aliases` maps an alias to the field that it stands for in each rule. Where rules keep a field in different
    columns, the canonical name itself becomes a derived column of each source.
    """
    bindings = {}
    for field in sorted(frozenset().union(*asked.values())):
        of_these = [rule for rule in rules if field in asked[rule.name]]
        found = [rule.binding(aliases.get(field, {}).get(rule.name, field)) for rule in of_these]
        if all(binding == found[0] for binding in found):
            bindings[field] = found[0]
        elif any(len(binding.key) > 1 or binding.label for binding in found):
            raise unsupported(
                RefusalCode.DIFFERING_COLUMNS,
                f"{field} is made of several columns, differently in each rule; this is not supported",
            )
        else:
            bindings[field] = Binding((field,), found[0].type)
    return bindings


def aliases_for(
    rule: BaseRule, bindings: Mapping[str, Binding], aliases: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    """The derived columns that give a rule's own columns the names which `united` chose."""
    wanted = {}
    for field, binding in bindings.items():
        own = rule.binding(aliases.get(field, {}).get(rule.name, field))
        if own != binding:
            wanted[binding.key[0]] = own.key[0]
    return wanted
