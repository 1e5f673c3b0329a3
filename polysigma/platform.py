"""The model of a platform's claims: what it records for a Sigma log source, under which names, and what it cannot show.

Claims are data (`pipelines/sigma/pipelines/polysigma/*.yaml`). They reach a backend as one `Platform` in the
variables of a pySigma pipeline, under `PIPELINE_VARIABLE`. What a vendor documents about its tables is in
`polysigma.schemas`, apart, so that a claim can be held against it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from polysigma.diagnostics import Diagnostic, PolysigmaError
from polysigma.source import read_file
from polysigma.validation import validate

if TYPE_CHECKING:
    from pathlib import Path

PIPELINE_VARIABLE = "polysigma_platform"
"""The variable of a pySigma pipeline that carries the Platform."""


class FidelityLevel(StrEnum):
    """How faithfully a query on a platform says what the rule says, best first."""

    EXACT = "exact"
    APPROXIMATE = "approximate"
    BLIND = "blind"
    REFUSED = "refused"


class RefusalCode(StrEnum):
    """Why a field or a log source has no counterpart on a platform."""

    NOT_RECORDED = "not-recorded"
    """The platform's telemetry does not hold this value."""
    NOT_COMPARABLE = "not-comparable"
    """It is recorded in a form that the Sigma values cannot be translated to."""
    UNVERIFIED = "unverified"
    """It may be there under a name that no source we could read confirms; guessing would be a silent miss."""


class _Claim(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Loss(_Claim):
    """A declared loss of fidelity."""

    level: Literal[FidelityLevel.APPROXIMATE, FidelityLevel.BLIND]
    reason: str = Field(min_length=10)


class FieldClaim(_Claim):
    """What became of one Sigma field: exactly one of `column`, `derived`, `choices`, `refused`."""

    column: str | None = None
    """The platform's column of the same meaning."""
    derived: str | None = None
    """A derived column of the platform (see `Platform.derived`)."""
    choices: dict[str, dict[str, tuple[str, ...]]] | None = None
    """The field's value is told by other columns: for each Sigma value (lower case), which columns hold what."""
    refused: RefusalCode | None = None
    form: Literal["nt_path", "base_name"] | None = None
    """How the column writes a path: with the device instead of the drive, or its last part only."""
    values: dict[str, str | int] | None = None
    """Sigma value (lower case) to platform value, where the platform spells a closed set of values differently."""
    loss: Loss | None = None
    """What a rule that uses the field loses."""
    reason: str | None = None
    source: str = Field(min_length=3)
    """Where this is known from: a vendor page, a real row, published content."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = [kind for kind in ("column", "derived", "choices", "refused") if getattr(self, kind) is not None]
        if len(kinds) != 1:
            raise ValueError(f"needs exactly one of column, derived, choices, refused; has {kinds or 'none'}")
        if self.refused and not self.reason:
            raise ValueError("a refused field needs a reason")
        if self.form and not self.column:
            raise ValueError("`form` goes with `column`")
        return self


class Logsource(_Claim):
    """A Sigma log source; what is None matches anything in a claim."""

    category: str | None = None
    product: str | None = None
    service: str | None = None

    def __str__(self) -> str:
        return " ".join(f"{key}={value}" for key, value in self.model_dump().items() if value) or "any"

    def covers(self, other: Logsource) -> bool:
        """Whether every part that this claim names is the same in `other`."""
        return all(value is None or value == getattr(other, key) for key, value in self.model_dump().items())


class CategoryClaim(_Claim):
    """What the platform records for the log sources it claims."""

    logsources: tuple[Logsource, ...] = Field(min_length=1)
    tables: tuple[str, ...] = Field(min_length=1)
    """The tables (or event types) of the platform's schema that hold these events."""
    event: dict[str, tuple[str, ...]]
    """The event filter: for each column the values (exact, with case) of which it must hold one. Always printed."""
    fields: dict[str, FieldClaim]
    loss: Loss | None = None
    """What every rule of this category loses."""
    count_loss: Loss | None = None
    """What a rule that counts these events loses besides (deduplication, caps)."""
    source: str = Field(min_length=3)

    @property
    def derived_names(self) -> frozenset[str]:
        return frozenset(claim.derived for claim in self.fields.values() if claim.derived)


class RefusedLogsource(_Claim):
    """A log source that the platform is known not to serve."""

    logsource: Logsource
    code: RefusalCode
    reason: str = Field(min_length=10)
    source: str = Field(min_length=3)


class TimeClaim(_Claim):
    """Which clock stamps an event, as an expression of TIME type, and which column the platform searches by."""

    expression: str
    search_column: str
    endpoint_clock: bool
    """True where `expression` prefers the endpoint's own clock."""
    loss: Loss | None = None


class HostClaim(_Claim):
    """A host is a pair: the key columns to group by and the label to show."""

    field: str
    """The canonical Sigma field that names the host in rules (`Computer`)."""
    key: tuple[str, ...] = Field(min_length=1)
    label: str | None
    """A column that holds a readable name, carried through groups; None where the key is the name."""


class DerivedColumn(_Claim):
    """A column that the query computes right after the event filter, by an expression on the platform's columns."""

    expression: str
    source: str = Field(min_length=3)


class Platform(_Claim):
    """Everything that Polysigma claims about one platform."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str
    targets: tuple[Literal["logscale", "kql", "spl", "sql"], ...] = Field(min_length=1)
    """The query languages of ours that this platform's pipeline serves, the usual one first."""
    schema_name: str
    """The name of the schema in `polysigma.schemas`."""
    default_table: str | None = None
    """Where every event is, on platforms that have one table (SQL, LogScale)."""
    time: TimeClaim
    host: HostClaim
    derived: dict[str, DerivedColumn] = {}
    categories: dict[str, CategoryClaim]
    refused_logsources: tuple[RefusedLogsource, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name, category in self.categories.items():
            for field, claim in category.fields.items():
                if claim.derived and claim.derived not in self.derived:
                    raise ValueError(f"{name}: {field} names the derived column {claim.derived}, which is not declared")
        return self

    def category_for(self, logsource: Logsource) -> CategoryClaim | None:
        """The claim for a rule's log source, or None where the platform makes none.

        A rule that leaves its product open is claimed when its category is.
        """
        for category in self.categories.values():
            if any(claimed.covers(logsource) for claimed in category.logsources):
                return category
        return None

    def refusal_for(self, logsource: Logsource) -> RefusedLogsource | None:
        """The reason on record for which a log source is not claimed, if there is one."""
        return next((refused for refused in self.refused_logsources if refused.logsource.covers(logsource)), None)


def load_platform(path: Path) -> Platform:
    """The claims in a YAML file. Raises PolysigmaError with the place of what is wrong."""
    documents = read_file(path)
    if len(documents) != 1:
        raise PolysigmaError(Diagnostic("platform-file", "must hold exactly one YAML document", file=str(path)))
    return validate(Platform, documents[0], "platform-claim")
