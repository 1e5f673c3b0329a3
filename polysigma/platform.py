"""The model of a platform's claims: what it records for a Sigma log source, under which names, and what it cannot show.

Claims are data (`pipelines/sigma/pipelines/polysigma/*.yaml`, read by `claims.py` there). They reach a backend as one
`Platform` in the variables of a pySigma pipeline, under `PIPELINE_VARIABLE`, and, for the rule at hand, as one `Scope`
in its state, under `SCOPE_STATE`. What a vendor documents about its tables is in `polysigma.schemas`, apart, so that a
claim can be held against it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from polysigma.claims import (  # noqa: TC001 - `structured` reads the annotations
    CategoryClaim,
    Counting,
    DerivedColumn,
    Event,
    FieldClaim,
    HostClaim,
    Logsource,
    RefusedLogsource,
    TimeClaim,
)
from polysigma.fidelity import FidelityLevel, Loss, at_least

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PIPELINE_VARIABLE = "polysigma_platform"
"""The variable of a pySigma pipeline that carries the Platform."""

SCOPE_STATE = "polysigma_scope"
"""The key of a pySigma pipeline's state under which the Scope of the rule just transformed stands."""

BACKEND_VARIABLE = "polysigma_backend"
"""The variable by which a backend says that it prints event filters and derived columns from the claims itself.

A backend that does not say so is given rules that need neither: the event filter is added to the condition, and a
derived column gives way to the recorded columns that it is made of, or the rule is refused.
"""

ABSENT_PREFIX = "polysigma absent: "
"""What stands before the name of a Sigma field that the platform's events never hold, in a condition on its way to a
backend of ours: the test on it has one outcome for every event, which the backend puts in its place."""

COUNTING_VARIABLE = "polysigma_counting"
"""The variable by which a backend asks for the claims that hold where events are counted (`Counting`)."""

_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Absence:
    """Why tests of a field, or for some values of it, are made as if no event held it."""

    field: str
    code: str
    reason: str
    hint: str | None
    values: bool
    """Whether it is about some values only."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The claims that hold for one rule: its category's, with the variants that fit it.

    `used` names the Sigma fields that the rule's detection tests, and `notes` the losses that its values bring with
    them. Both are empty until a pipeline has gone over the rule.
    """

    category: str
    logsource: Logsource
    tables: tuple[str, ...]
    event: Event
    also: Event
    without: Event
    time: TimeClaim
    host: HostClaim
    fields: Mapping[str, FieldClaim]
    loss: Loss | None
    count_loss: Loss | None
    repeat_loss: Loss | None = None
    used: frozenset[str] = frozenset()
    notes: tuple[Loss, ...] = ()
    absences: Mapping[str, Absence] = field(default_factory=dict)
    """By the name, with ABSENT_PREFIX, under which a condition has such a test."""
    counting: Counting | None = None
    """How a rule that counts would read these events."""
    weight: str | None = None
    """In the scope of a rule that counts: how many events a row stands for; None: one."""
    resolution: int = 0

    def losses(
        self,
        *,
        counts: bool,
        fields: Iterable[str] = (),
        tested: Iterable[str] = (),
        window: int | None = None,
    ) -> tuple[Loss, ...]:
        """What the rule loses on the platform, each loss once, the worst first.

        `counts` says whether the result depends on how many rows an event leaves, and so on when it happened; `fields`
        names Sigma fields that are used outside of the detection, as keys and measures are, and `tested` those of them
        on whose value something hangs; `window` is the span in seconds over which events are put together, if they are.
        """
        claims = (self.fields[field] for field in sorted({*self.used, *fields}) if field in self.fields)
        losses = [self.loss, self.count_loss if counts else None, *self.notes]
        losses += [self.time.loss if counts or window else None]
        losses += [self.repeat_loss if window and window < _DAY and not counts else None]
        losses += [claim.loss for claim in claims]
        tests = sorted({*self.used, *tested})
        losses += [self.fields[field].test_loss for field in tests if field in self.fields]
        distinct = dict.fromkeys(loss for loss in losses if loss)
        return tuple(sorted(distinct, key=lambda loss: loss.level is not FidelityLevel.BLIND))


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """Everything that Polysigma claims about one platform."""

    id: str
    title: str
    targets: tuple[Literal["logscale", "kql", "spl", "sql"], ...]
    """The query languages of ours that this platform's pipeline serves, the usual one first."""
    schema_name: str
    """The name of the schema in `polysigma.schemas`."""
    default_table: str | None = None
    """Where every event is, on platforms that have one table (SQL, LogScale)."""
    raw: str | None = None
    """The column that holds an event as it arrived, which keywords are looked for in."""
    time: TimeClaim
    host: HostClaim
    products: dict[str, Event] = field(default_factory=dict)
    """What the event filter says besides where the rule's log source names this product, in categories that are claimed
    by product."""
    fields: dict[str, FieldClaim] = field(default_factory=dict)
    """Claims that hold in every category which makes none of its own about the field."""
    derived: dict[str, DerivedColumn] = field(default_factory=dict)
    carry: tuple[str, ...] = ()
    """Columns that a result must have of one and the same event, the latest, besides its time: what the platform's
    own detections are attached to."""
    lookups: bool = True
    """Whether queries can read lists that a site uploads. Where they cannot, the values stand in the query."""
    categories: dict[str, CategoryClaim]
    refused_logsources: tuple[RefusedLogsource, ...] = ()

    def __post_init__(self) -> None:
        """Puts the platform's own claims about fields into each category, and looks at what must fit together."""
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.id):
            raise ValueError("`id` is a word in lower case")
        at_least(1, targets=self.targets)
        whole = {
            name: replace(category, fields={**self.fields, **category.fields})
            for name, category in self.categories.items()
        }
        object.__setattr__(self, "categories", whole)
        for name, category in self.categories.items():
            for sigma, claim in category.claims:
                if claim.derived and claim.derived not in self.derived:
                    raise ValueError(f"{name}: {sigma} names the derived column {claim.derived}, which is not declared")
                for part in (claim.hashes or {}).values():
                    if part not in category.fields:
                        raise ValueError(f"{name}: {sigma} refers to the field {part}, about which nothing is claimed")

    def category_for(self, logsource: Logsource) -> CategoryClaim | None:
        """The claim for a rule's log source, variants not yet applied, or None where the platform makes none."""
        name = self._category_name(logsource)
        return self.categories[name] if name else None

    def _category_name(self, logsource: Logsource) -> str | None:
        for name, category in self.categories.items():
            if any(claimed.claims(logsource) for claimed in category.logsources):
                return name
        return None

    def scope(
        self, logsource: Logsource, required: Mapping[str, str] | None = None, *, counting: bool = False
    ) -> Scope | None:
        """The claims for a rule, or None where the platform claims nothing for its log source.

        `required` gives Sigma fields that have one value (lower case) in every event that the rule can match;
        `counting` asks for the claims that hold where events are counted.
        """
        name = self._category_name(logsource)
        if name is None:
            return None
        category = self.categories[name]
        told = self.products if any(source.product for source in category.logsources) else {}
        event = {**category.event, **told.get(logsource.product or "", {})}
        fields = dict(category.fields)
        how = category.counting
        host = category.host or self.host
        loss = category.loss
        for variant in category.variants:
            if (variant.product is None or variant.product == logsource.product) and all(
                (required or {}).get(field) == value for field, value in variant.requires.items()
            ):
                event |= variant.event
                fields |= variant.fields
                how = variant.counting or how
                loss = None if variant.without_loss else loss
                host = variant.host or host
        if how is not None and how.products and logsource.product not in {None, *how.products}:
            how = None
        counted = how if counting else None
        if counted is not None:
            event |= counted.event
            fields |= counted.fields
        return Scope(
            category=name,
            logsource=logsource,
            tables=category.tables,
            event=event,
            also=category.also,
            without=category.without,
            time=category.time or self.time,
            host=host,
            fields=fields,
            loss=loss,
            count_loss=counted.loss if counted is not None else category.count_loss,
            repeat_loss=category.repeat_loss,
            counting=how,
            weight=counted.weight if counted is not None else None,
            resolution=counted.resolution if counted is not None else 0,
        )

    def refusal_for(self, logsource: Logsource) -> RefusedLogsource | None:
        """The reason on record for which a log source is not claimed, if there is one."""
        return next((refused for refused in self.refused_logsources if refused.logsource.covers(logsource)), None)
