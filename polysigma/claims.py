"""What a platform claims of a log source and of a field: the parts of `polysigma.platform`.

They are read from YAML by `polysigma.validation.structured`, whose rules their annotations are, whenever something is
converted. So they are dataclasses: pydantic takes longer to import than they to read.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Literal

from polysigma.fidelity import Loss, at_least
from polysigma.refusals import RefusalCode  # noqa: TC001 - `structured` reads the annotation

Event = dict[str, tuple[str, ...]]
"""For each column the values, exact and with case, of which it must hold one; empty text lets a missing one pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """A value that stands inside the text of another column, as `MD5=...` does in `Hashes`."""

    column: str
    prefix: str
    """What stands right before the value."""

    def __post_init__(self) -> None:
        at_least(1, prefix=self.prefix)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldClaim:
    """What became of one Sigma field: exactly one of `column`, `derived`, `choices`, `hashes`, `inside`, `refused`."""

    column: str | None = None
    """The platform's column of the same meaning."""
    derived: str | None = None
    """A derived column of the platform (see `Platform.derived`)."""
    recorded: tuple[str, ...] = ()
    """With `derived`: the recorded columns, at most one of which holds a value, that serve a backend which cannot
    derive, and then misses events in which the column is derived of others. Empty where only that is right."""
    choices: dict[str, Event] | None = None
    """The field's value is told by other columns: for each Sigma value (lower case), which columns hold what."""
    hashes: dict[str, str] | None = None
    """The field is a list of `ALGORITHM=value`: for each algorithm (upper case) the Sigma field of its value."""
    inside: Inside | None = None
    """The value stands inside the text of a column."""
    refused: RefusalCode | None = None
    absent: bool = False
    """A test that the platform cannot answer is what Sigma makes of a test on an event without the field: false, and
    true where it asks for the field's absence. With `refused` this goes for every test, as no event holds the field;
    else for the values that cannot be translated. A rule is refused only where that leaves nothing of it; else it
    declares what it loses. Backends of others get the refusal."""
    form: Literal["nt_path", "base_name", "decimal", "own_id", "registry_path", "registry_data"] | None = None
    """How the column writes the value: a path with the device instead of the drive (`nt_path`), the last part of a path
    (`base_name`), a number in decimal that Sigma writes as 0x... (`decimal`), an identifier of the platform's own, good
    as a key but equal to no value of a rule (`own_id`), a registry path that knows no HKCR (`registry_path`), or the
    data of a registry value where it is text, and nothing for a number or bytes (`registry_data`)."""
    values: dict[str, str | int] | None = None
    """Sigma value (lower case) to platform value, where the platform spells a closed set of values differently."""
    unset: str | None = None
    """What the rules write for a value that is not there (`-`), which the platform may also leave out."""
    missing: str | None = None
    """The text by which the log source says that there is no value, where the platform has none then."""
    loss: Loss | None = None
    """What a rule that uses the field loses, as a key and for display too."""
    test_loss: Loss | None = None
    """What a rule loses that tests the field, in its detection or in a step; as a key and for display it is good."""
    reason: str | None = None
    """Why the field is `refused`; with `choices`, why the platform records no other value."""
    hint: str | None = None
    """With `refused`: what a rule could use instead."""
    source: str
    """Where this is known from: a vendor page, a real row, published content."""

    def __post_init__(self) -> None:
        at_least(3, source=self.source)
        kinds = ("column", "derived", "choices", "hashes", "inside", "refused")
        given = [kind for kind in kinds if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"needs exactly one of {', '.join(kinds)}; has {given or 'none'}")
        if self.refused and not self.reason:
            raise ValueError("a refused field needs a reason")
        if self.form and not self.name:
            raise ValueError("`form` goes with `column` or `derived`")
        if self.recorded and not self.derived:
            raise ValueError("`recorded` goes with `derived`")

    @property
    def name(self) -> str | None:
        """The one column, recorded or derived, that holds the field; None where there is no such column."""
        return self.column or self.derived


@dataclass(frozen=True, slots=True, kw_only=True)
class Logsource:
    """A Sigma log source; what is None matches anything in a refusal."""

    category: str | None = None
    product: str | None = None
    service: str | None = None

    def __str__(self) -> str:
        parts = ((part.name, getattr(self, part.name)) for part in fields(self))
        return " ".join(f"{name}={value}" for name, value in parts if value) or "any"

    def covers(self, other: Logsource) -> bool:
        """Whether every part that this one names is the same in `other`; `*` stands for any name."""
        parts = ((self.category, other.category), (self.product, other.product), (self.service, other.service))
        return all(value is None or value == given or (value == "*" and given is not None) for value, given in parts)

    def claims(self, rule: Logsource) -> bool:
        """Whether a claim of this log source serves a rule's.

        A rule may leave its product open; a service that it names must be claimed by name.
        """
        return (
            self.category == rule.category
            and self.service == rule.service
            and (None in {self.product, rule.product} or self.product == rule.product)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeClaim:
    """Which clock stamps an event, as an expression of TIME type, and which column the platform searches by."""

    expression: str
    search_column: str
    endpoint_clock: bool
    """True where `expression` prefers the endpoint's own clock."""
    always_there: bool = False
    """True where no event lacks it, as with a fallback to the platform's own clock."""
    loss: Loss | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostClaim:
    """A host is a pair: the key columns to group by and the label to show."""

    field: str
    """The canonical Sigma field that names the host in rules (`Computer`)."""
    key: tuple[str, ...]
    label: str | None
    """A column that holds a readable name, carried through groups; None where the key is the name."""

    def __post_init__(self) -> None:
        at_least(1, key=self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counting:
    """How events are counted where raw rows are no count of them: by rows that each stand for several events."""

    products: tuple[str, ...] = ()
    """The products that have such rows; empty: any."""
    event: Event = field(default_factory=dict)
    """Replaces the event filter on these columns."""
    fields: dict[str, FieldClaim] = field(default_factory=dict)
    """Replaces the claims of these fields."""
    weight: str
    """An expression on the platform's columns: how many events a row stands for. Never missing."""
    resolution: int = 0
    """The seconds that one row covers; 0 where every row has its own time. Nothing shorter can be counted."""
    loss: Loss | None = None
    """What a rule that counts loses; instead of the category's `count_loss`."""
    source: str

    def __post_init__(self) -> None:
        at_least(3, source=self.source)
        if self.resolution < 0:
            raise ValueError("`resolution` is a number of seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """How a category's claim changes for rules of one product, or for rules that require certain values."""

    product: str | None = None
    requires: dict[str, str] = field(default_factory=dict)
    """Sigma field to the value (lower case) that every match of the rule has."""
    event: Event = field(default_factory=dict)
    """Replaces the event filter on these columns."""
    fields: dict[str, FieldClaim] = field(default_factory=dict)
    """Replaces the claims of these fields."""
    host: HostClaim | None = None
    """Replaces the claim about the host."""

    counting: Counting | None = None
    """Replaces how the category's events are counted."""
    without_loss: bool = False
    """Whether what every rule of the category loses is not lost here."""

    def __post_init__(self) -> None:
        if not self.product and not self.requires:
            raise ValueError("a variant needs a `product` or `requires`")


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryClaim:
    """What the platform records for the log sources it claims."""

    logsources: tuple[Logsource, ...]
    tables: tuple[str, ...]
    """The tables (or event types) of the platform's schema that hold these events."""
    event: Event
    """The event filter. Always printed."""
    also: Event = field(default_factory=dict)
    """What stands for the same columns of the event filter in other rows that are such events, with what tells them
    apart: a parser that calls them otherwise."""
    without: Event = field(default_factory=dict)
    """Rows that meet the event filter, and are other events."""
    time: TimeClaim | None = None
    """Where these events are stamped otherwise than the platform's events in general."""
    host: HostClaim | None = None
    """Where these events name their host otherwise than the platform's events in general."""
    fields: dict[str, FieldClaim]
    """The platform's own `fields` are in here too, once it is read."""
    variants: tuple[Variant, ...] = ()
    """Applied in order, each that fits the rule."""
    loss: Loss | None = None
    """What every rule of this category loses."""
    count_loss: Loss | None = None
    """What a rule that counts these events loses besides (deduplication, caps)."""
    repeat_loss: Loss | None = None
    """What a correlation over less than a day loses, though it does not count: what was recorded earlier that day with
    the same values is not recorded again."""
    counting: Counting | None = None
    """How a rule that counts these events reads them, where not as they are."""
    source: str

    def __post_init__(self) -> None:
        at_least(1, logsources=self.logsources, tables=self.tables)
        at_least(3, source=self.source)

    @property
    def told_by(self) -> tuple[Event, ...]:
        """All that says which rows are these events, that of the variants included."""
        return (self.event, self.also, self.without, *(variant.event for variant in self.variants))

    @property
    def claims(self) -> tuple[tuple[str, FieldClaim], ...]:
        """Every claim about a field, those of the variants and of counting included."""
        others: tuple[Variant | Counting, ...] = (*self.variants, *self.countings)
        return (*self.fields.items(), *(item for other in others for item in other.fields.items()))

    @property
    def countings(self) -> tuple[Counting, ...]:
        """Every way of counting, those of the variants included."""
        found = [self.counting, *(variant.counting for variant in self.variants)]
        return tuple(counting for counting in found if counting)

    @property
    def derived_names(self) -> frozenset[str]:
        return frozenset(claim.derived for _, claim in self.claims if claim.derived)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedLogsource:
    """A log source that the platform is known not to serve."""

    logsource: Logsource
    code: RefusalCode
    reason: str
    source: str

    def __post_init__(self) -> None:
        at_least(10, reason=self.reason)
        at_least(3, source=self.source)


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedColumn:
    """A column that the query computes right after the event filter, by an expression on the platform's columns."""

    expression: str
    source: str

    def __post_init__(self) -> None:
        at_least(3, source=self.source)
