"""The one transformation of our pipelines: it reads a platform's claims and makes a rule speak the platform's columns.

It never drops a detection item and never widens one: what the platform cannot answer is a PlatformRefusalError.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sigma.correlations import SigmaCorrelationRule
from sigma.processing.transformations.base import FieldMappingTransformationBase
from sigma.rule import SigmaDetection, SigmaRule

from sigma.pipelines.polysigma.items import ItemTranslator
from sigma.pipelines.polysigma.refusals import PlatformRefusalError
from sigma.pipelines.polysigma.requirements import required_values

if TYPE_CHECKING:
    from sigma.rule import SigmaDetectionItem, SigmaLogSource

    from polysigma.claims import Event, FieldClaim, Logsource
    from polysigma.platform import Platform, Scope

EVENT_DETECTION = "_polysigma_event"
"""The detection that holds the event filter, for backends that do not print it from the claims."""

OTHERS_DETECTION = "_polysigma_others"
"""The detection that holds what meets the event filter and is another event, for the same backends."""

_SCOPE_ATTRIBUTE = "_polysigma_scope"
"""Where a transformed rule keeps its Scope: the pipeline's state is gone when a correlation of the rule comes by."""

_ScopeKey = tuple[str | None, str | None, str | None, frozenset[tuple[str, str]], bool]


@dataclass
class ClaimsTransformation(FieldMappingTransformationBase):
    """Maps fields, translates values and leaves the rule's Scope in the pipeline's state.

    Raises PlatformRefusalError for a log source, a field or a value that the platform cannot answer.
    """

    platform: Platform
    _scope: Scope | None = field(init=False, compare=False, default=None)
    _translator: ItemTranslator | None = field(init=False, compare=False, default=None)
    _keys: dict[str, str | list[str]] | None = field(init=False, compare=False, default=None)
    _scopes: dict[_ScopeKey, Scope] = field(init=False, compare=False, repr=False, default_factory=dict)
    """The scopes of the rules so far, which have few log sources: a scope holds all claims of a category."""

    def apply(self, rule: SigmaRule | SigmaCorrelationRule) -> None:
        if isinstance(rule, SigmaRule):
            self._apply_to_rule(rule)
        else:
            self._apply_to_correlation(rule)

    def apply_field_name(self, field: str | None) -> str | list[str] | None:
        """The column of a Sigma field; None, which leaves it as it is, where there is none to name."""
        if self._keys is not None:
            return self._keys.get(field) if field else None
        assert self._scope is not None
        claim = self._scope.fields.get(field) if field else None
        return self._names(claim) if claim else None

    def apply_detection_item(self, detection_item: SigmaDetectionItem) -> SigmaDetection | SigmaDetectionItem | None:
        assert self._translator is not None
        name = detection_item.field
        if name is None or self._is_column(name):
            return None
        result = self._translator.translate(detection_item)
        if self._pipeline is not None:
            self._pipeline.field_mappings.add_mapping(name, sorted(_fields(result)))
        return result

    def _apply_to_rule(self, rule: SigmaRule) -> None:
        from polysigma.platform import SCOPE_STATE

        scope = self._scope_of(rule)
        self._scope = scope
        self._translator = ItemTranslator(self.platform, scope, rule, derives=self._backend_derives)
        super().apply(rule)
        scope = dataclasses.replace(
            scope,
            used=frozenset(self._translator.used),
            notes=tuple(dict.fromkeys(self._translator.notes)),
            absences=self._translator.absences,
        )
        vars(rule)[_SCOPE_ATTRIBUTE] = scope
        if self._pipeline is not None:
            self._pipeline.state[SCOPE_STATE] = scope
        if not self._backend_derives:
            self._add_event_filter(rule, scope)

    def _scope_of(self, rule: SigmaRule) -> Scope:
        logsource = _logsource(rule.logsource)
        category = self.platform.category_for(logsource)
        if category is None:
            raise self._unclaimed(rule, logsource)
        asked = {field for variant in category.variants for field in variant.requires}
        required = required_values(rule, asked)
        parts = (logsource.category, logsource.product, logsource.service)
        key = (*parts, frozenset(required.items()), self._counting)
        if key not in self._scopes:
            scope = self.platform.scope(logsource, required, counting=self._counting)
            assert scope is not None
            self._scopes[key] = scope
        return self._scopes[key]

    @property
    def _counting(self) -> bool:
        from polysigma.platform import COUNTING_VARIABLE

        return bool(self._pipeline is not None and self._pipeline.vars.get(COUNTING_VARIABLE))

    def _unclaimed(self, rule: SigmaRule, logsource: Logsource) -> PlatformRefusalError:
        from polysigma.refusals import RefusalCode

        what = f"{self.platform.id} does not serve the log source {logsource}"
        known = self.platform.refusal_for(logsource)
        if known:
            return PlatformRefusalError.of(rule, what, known.code, f"{known.reason} ({known.source})")
        served = ", ".join(self.platform.categories)
        reason = "no claim is made about it, and a query without its event type would search everything"
        hint = f"a log source of the category {served}"
        return PlatformRefusalError.of(rule, what, RefusalCode.UNCLAIMED_LOGSOURCE, reason, hint=hint)

    def _add_event_filter(self, rule: SigmaRule, scope: Scope) -> None:
        event, other = _definition(scope.event), _definition({**scope.event, **scope.also})
        told: Any = self._tags(scope) or ([event, other] if scope.also else event)
        rule.detection.detections[EVENT_DETECTION] = SigmaDetection.from_definition(told)
        search = EVENT_DETECTION
        if scope.without:
            rule.detection.detections[OTHERS_DETECTION] = SigmaDetection.from_definition(_definition(scope.without))
            search += f" and not {OTHERS_DETECTION}"
        for condition in rule.detection.parsed_condition:
            condition.condition = f"{search} and ({condition.condition})"

    def _tags(self, scope: Scope) -> dict[str, list[str]]:
        """The tags that stand for a data model, which other backends do not know; empty where tables are columns."""
        from polysigma import schemas

        tags = schemas.load(self.platform.schema_name).tags
        return {"tag|all": [tag for table in scope.tables for tag in tags.get(table, ())]} if tags else {}

    def _apply_to_correlation(self, rule: SigmaCorrelationRule) -> None:
        """Maps the keys of a correlation whose rules all give a field the same name."""
        fields = {*(rule.group_by or ()), *rule.fields}
        fields |= {name for alias in rule.aliases for name in alias.mapping.values()}
        measured = getattr(rule.condition, "fieldref", None) or ()
        fields |= {measured} if isinstance(measured, str) else set(measured)
        keys: dict[str, str | list[str]] = {}
        for scope in _scopes_below(rule):
            for name in fields & scope.fields.keys():
                column = self._key(rule, scope, name)
                if keys.setdefault(name, column) != column:
                    what = f"{self.platform.id} names {name} {keys[name]} in one of its rules and {column} in another"
                    raise PlatformRefusalError.of(rule, what, "not-comparable", "a key must be one column", field=name)
        self._keys = keys
        try:
            super().apply(rule)
        finally:
            self._keys = None

    def _key(self, rule: SigmaCorrelationRule, scope: Scope, name: str) -> str | list[str]:
        host = scope.host
        if name == host.field and (self._backend_derives or not self.platform.derived.keys() & set(host.key)):
            return list(host.key)
        column = self._names(scope.fields[name])
        if column is None:
            raise ItemTranslator(self.platform, scope, rule, derives=self._backend_derives).no_column(name)
        return column

    def _names(self, claim: FieldClaim) -> str | list[str] | None:
        if claim.derived and not self._backend_derives:
            return list(claim.recorded) or None
        return claim.name

    @property
    def _backend_derives(self) -> bool:
        from polysigma.platform import BACKEND_VARIABLE

        return bool(self._pipeline is not None and self._pipeline.vars.get(BACKEND_VARIABLE))

    def _is_column(self, name: str) -> bool:
        """Whether a name that no claim is made about is the platform's own already, put there by another pipeline."""
        assert self._scope is not None
        if name in self._scope.fields:
            return False
        if self._pipeline is not None and name in self._pipeline.field_mappings.target_fields:
            return True
        from polysigma import schemas

        return name in self._scope.event or name in schemas.load(self.platform.schema_name).columns(*self._scope.tables)


def _definition(event: Event) -> dict[str, Any]:
    return {column: [value for value in values if value] for column, values in event.items()}


def _scopes_below(rule: SigmaCorrelationRule) -> list[Scope]:
    """The scopes of the rules that a correlation rests on, as far as they have been transformed."""
    scopes: list[Scope] = []
    for reference in rule.referenced_rules:
        below = getattr(reference, "rule", None)
        if isinstance(below, SigmaCorrelationRule):
            scopes += _scopes_below(below)
        elif below is not None and _SCOPE_ATTRIBUTE in vars(below):
            scopes.append(vars(below)[_SCOPE_ATTRIBUTE])
    return scopes


def _logsource(logsource: SigmaLogSource) -> Logsource:
    from polysigma.claims import Logsource

    return Logsource(category=logsource.category, product=logsource.product, service=logsource.service)


def _fields(detection: SigmaDetection | SigmaDetectionItem) -> set[str]:
    if not isinstance(detection, SigmaDetection):
        return {detection.field} if detection.field else set()
    return {name for item in detection.detection_items for name in _fields(item)}
