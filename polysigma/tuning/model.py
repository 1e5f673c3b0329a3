"""`tuning.yaml`, typed: what a site changes about detections, kept apart from the rules so that it survives upgrades.

    - detection: botnet_node_beaconing
      parameters:
          min_connections: 40
      exclude:
          - where:
                DestinationIp|cidr: 203.0.113.0/24
                Image|endswith: '\\backup.exe'
            reason: backup vendor
            owner: soc@example.com
            expires: 2027-06-30

      - via: lookup
        file: update_servers.csv
        field: DestinationIp
        reason: ...

`polysigma.tuning.binding` says whether it fits the rules. The JSON Schema for editors is made from these models.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, RootModel, StrictStr, model_validator

from polysigma.diagnostics import Diagnostic, PolysigmaError
from polysigma.plan.metadata import Name, ParameterValue  # noqa: TC001  (pydantic reads annotations at run time)
from polysigma.source import read_file
from polysigma.tuning.lookups import read_lookups
from polysigma.validation import validate

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from polysigma.source import Document

MOST_EXCLUSIONS = 300
"""So many exclusions one detection may have: more make queries that platforms refuse, and that nobody reviews."""


def _day(value: Any) -> Any:
    """pydantic would read a number as seconds since 1970."""
    if isinstance(value, datetime) or not isinstance(value, date | str):
        raise ValueError("a day is expected here, as 2027-06-30")
    return value


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Exclusion(_Model):
    """Events that are left out, and who answers for it until when."""

    where: dict[StrictStr, Any] = {}
    """A selection as in a Sigma rule, `Field|modifier: value`: events that meet all of it are left out."""
    via: Literal["lookup"] | None = None
    """`lookup`: the values of one field are in a file, and stand in a lookup of the platform's, not in the query."""
    file: StrictStr | None = None
    """With `via`: a CSV file beside this one. Its first line names its columns."""
    field: StrictStr | None = None
    """With `via`: the field whose value must be in the file's column of that name; `where` must hold besides."""
    reason: StrictStr = Field(min_length=5, max_length=250)
    """Why these events are not looked at."""
    owner: StrictStr = Field(min_length=3, max_length=120)
    """Who answers for it: a person or a team that can be asked."""
    expires: Annotated[date, BeforeValidator(_day)]
    """The last day on which it holds. After it every command that reads the file ends with an error."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.via is None and (self.file or self.field):
            raise ValueError("`file` and `field` need `via: lookup`")
        if self.via is None and not self.where:
            raise ValueError("an exclusion says what is left out: `where`, or `via: lookup` with `file` and `field`")
        if self.via is not None and not (self.file and self.field):
            raise ValueError("`via: lookup` needs `file`, a CSV file beside this one, and `field`, its column")
        return self


class Entry(_Model):
    """What is changed about one detection."""

    detection: Name
    """The rule's `name`."""
    parameters: dict[Name, ParameterValue] = {}
    """Parameter of the rule to the value that it has here."""
    exclude: list[Exclusion] = []
    """What is left out."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not (self.parameters or self.exclude):
            raise ValueError("an entry has `parameters`, `exclude`, or both")
        return self


class TuningFile(RootModel[list[Entry]]):
    """The tuning of a site."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """A tuning file that could be read, and the document that it came from."""

    document: Document
    entries: tuple[Entry, ...]
    lookups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What is in the lookups that exclusions name, by the name that each has on a platform."""

    def of(self, detection: str) -> list[tuple[int, Entry]]:
        """The entries about a detection, with their numbers."""
        return [(number, entry) for number, entry in enumerate(self.entries) if entry.detection == detection]


def today() -> date:
    """The day by which exclusions expire, UTC."""
    return datetime.now(UTC).date()


def read_tuning(path: str | Path, *, on: date | None = None) -> Tuning:
    """A tuning file.

    Raises PolysigmaError, with the place of every fault, for a file that is none, and for exclusions that have expired
    on the day `on`, today where it is not given.
    """
    documents = read_file(path)
    if len(documents) != 1:
        raise PolysigmaError(Diagnostic("tuning", "holds one YAML document: a list of entries", file=str(path)))
    document = documents[0]
    entries = tuple(validate(TuningFile, document, "tuning").root)
    findings = [*_expired(document, entries, on or today()), *_contradictions(document, entries)]
    lookups, wrong = read_lookups(document, entries)
    if findings or wrong:
        raise PolysigmaError(*findings, *wrong)
    return Tuning(document, entries, lookups)


def _expired(document: Document, entries: tuple[Entry, ...], day: date) -> list[Diagnostic]:
    found: list[Diagnostic] = []
    for number, entry in enumerate(entries):
        for index, one in enumerate(entry.exclude):
            if one.expires < day:
                message = f"the exclusion {one.reason!r} expired on {one.expires}"
                hint = f"ask {one.owner} whether it still holds: set a later day, or take it out"
                error = document.error("expired-exclusion", message, number, "exclude", index, "expires", hint=hint)
                found += error.findings
    return found


def _contradictions(document: Document, entries: tuple[Entry, ...]) -> list[Diagnostic]:
    """A parameter that is set twice, and more exclusions than a query can hold."""
    found: list[Diagnostic] = []
    known: dict[tuple[str, str], int] = {}
    counts: dict[str, int] = {}
    for number, entry in enumerate(entries):
        for name in entry.parameters:
            first = known.setdefault((entry.detection, name), number)
            if first != number:
                at = document.key_at(first, "parameters", name)
                message = f"{name} of {entry.detection} is set in line {at.line if at else '?'} already"
                place = document.key_at(number, "parameters", name)
                found.append(Diagnostic("tuning", message, "keep one of them", document.file, place))
        before = counts.get(entry.detection, 0)
        counts[entry.detection] = before + len(entry.exclude)
        if before <= MOST_EXCLUSIONS < counts[entry.detection]:
            message = f"{entry.detection} has more than {MOST_EXCLUSIONS} exclusions"
            hint = (
                "a query cannot hold them: put several values into one `where` (Field: [a, b, c]), or many into a CSV "
                "file (via: lookup, file, field), which becomes a lookup of the platform's"
            )
            error = document.error(
                "too-many-exclusions", message, number, "exclude", MOST_EXCLUSIONS - before, hint=hint
            )
            found += error.findings
    return found


def json_schema() -> dict[str, Any]:
    """A JSON Schema (2020-12) for `tuning.yaml`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **TuningFile.model_json_schema(),
        "title": "What a site changes about Polysigma's detections",
    }
