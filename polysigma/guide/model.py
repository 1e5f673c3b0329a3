"""`guide.yaml`, typed: what a responder does with a hit, and what a tuner has to know. It becomes the page.

The models say what a guide must hold; whether it is true (fields that exist, techniques that ATT&CK has, advice for
every parameter) is for `polysigma.guide.check_guides`. The JSON Schema that editors use is made from them
(`json_schema`).
"""

from __future__ import annotations

from datetime import date  # noqa: TC003  (pydantic reads annotations at run time)
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictStr, model_validator

from polysigma.plan.metadata import Name, ParameterValue  # noqa: TC001  (as above)

Level = Literal["informational", "low", "medium", "high", "critical"]
"""Sigma's levels, for the severity."""
Degree = Literal["low", "medium", "high"]
"""How sure a hit makes one."""

Text = Annotated[StrictStr, Field(min_length=3, max_length=4_000)]
Sentence = Annotated[StrictStr, Field(min_length=20, max_length=4_000)]
"""Long enough to say something."""
TechniqueId = Annotated[StrictStr, Field(pattern=r"^T\d{4}(\.\d{3})?$", examples=["T1584.005"])]
Version = Annotated[StrictStr, Field(pattern=r"^\d+\.\d+\.\d+$", examples=["1.0.0"])]
Fields = dict[StrictStr, Annotated[list[StrictStr], Field(min_length=1)]]
"""Table (or event) of a platform to columns of it."""


def _web(text: str) -> str:
    if not text.startswith("https://"):
        raise ValueError("a reference is an https:// address")
    return text


Url = Annotated[StrictStr, AfterValidator(_web), Field(json_schema_extra={"pattern": "^https://"})]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Severity(_Model):
    """How bad it is if the hit is what it looks like."""

    level: Level
    """The rule's own `level`."""
    because: Sentence
    """What the level rests on."""


class Confidence(_Model):
    """How likely the hit is what it looks like."""

    level: Degree
    because: Sentence
    """What speaks for it, and what against it."""


class AttackClaim(_Model):
    """A technique of MITRE ATT&CK, under one of its tactics, and the reason why it is named."""

    id: TechniqueId
    tactic: StrictStr
    """The key of the tactic, as `command-and-control`."""
    because: Sentence
    """What in the hit is the technique."""


class Attack(_Model):
    """What the detection is about, against what it sees."""

    subject: AttackClaim
    """What the adversary does that this detection is about, be it out of the sensor's sight."""
    observed: Annotated[list[AttackClaim], Field(min_length=1)]
    """What the sensor records of it."""

    @property
    def claims(self) -> list[tuple[str, AttackClaim]]:
        """All techniques, each with the word for what it is: `subject` or `observed`."""
        return [("subject", self.subject), *(("observed", one) for one in self.observed)]


class Coverage(_Model):
    """A query that says from which hosts the needed events come: without them, no hit means nothing."""

    query: Sentence
    """In the platform's own language."""
    reading: Sentence
    """What its result means, an empty one above all."""


class PlatformGuide(_Model):
    """What the detection needs on one platform."""

    sources: Annotated[list[Text], Field(min_length=1)]
    """The products that record it."""
    tables: dict[StrictStr, Sentence] = Field(min_length=1)
    """The tables or events that the query reads, and what each is here."""
    also: dict[StrictStr, Sentence] = {}
    """Tables or events that the investigation needs besides."""
    settings: Annotated[list[Sentence], Field(min_length=1)]
    """What must be switched on."""
    licences: Annotated[list[Text], Field(min_length=1)]
    """What must have been bought."""
    coverage: Coverage
    notes: list[Sentence] = []
    """What is peculiar to a hit on this platform."""


class Question(_Model):
    """One question of the triage, in the order of asking."""

    ask: Sentence
    how: Sentence
    """What to look up, and how to look at it."""
    alert: list[Name] = []
    """Columns of the hit itself that bear on it."""
    focus: dict[StrictStr, Fields] = {}
    """Platform to table to columns: exactly where the answer is."""
    elsewhere: list[Sentence] = []
    """Where else to look: outside of the event tables."""
    escalate_when: Sentence
    lower_only_when: Sentence
    """The answer that makes it less likely; nothing weaker does."""
    hint: Sentence
    """What a missing answer means. Missing telemetry is unresolved, not benign."""

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if not (self.alert or self.focus or self.elsewhere):
            raise ValueError("a question needs a place to look: `alert`, `focus` or `elsewhere`")
        return self


class Containment(_Model):
    """What is cut off, by whom, and what stops working with it."""

    action: Sentence
    owner: Sentence
    """Who decides and who does it."""
    breaks: Sentence
    """What else stops working."""


class Verdict(_Model):
    """What to do once the triage has an outcome."""

    verdict: Literal["malicious", "suspicious", "unresolved", "benign"]
    when: Sentence
    containment: Annotated[list[Containment], Field(min_length=1)]
    steps: Annotated[list[Sentence], Field(min_length=1)]
    closing: Annotated[list[Sentence], Field(min_length=1)]
    """What must be so before the case is closed."""


class Response(_Model):
    """What to save, and what to do by verdict."""

    evidence_first: Annotated[list[Sentence], Field(min_length=1)]
    """What is lost by isolating or restarting, and so is saved before."""
    verdicts: Annotated[list[Verdict], Field(min_length=2)]


class Exclude(_Model):
    """How to keep a false positive from coming back: exactly one of `where`, `parameters`, `never`."""

    where: dict[StrictStr, Any] | None = Field(default=None, min_length=1)
    """A selection as in a Sigma filter (`Field|modifier: value`): events that meet it are left out."""
    parameters: dict[Name, ParameterValue] | None = Field(default=None, min_length=1)
    """Parameters to set instead."""
    never: Sentence | None = None
    """Why it is not to be excluded, and what to do instead."""
    costs: Sentence | None = None
    """What is no longer seen with it."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [name for name in ("where", "parameters", "never") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"has exactly one of where, parameters, never; this has {given or 'none'}")
        if self.never is None and self.costs is None:
            raise ValueError("an exclusion needs `costs`: what is no longer seen with it")
        return self


class FalsePositive(_Model):
    """Something ordinary that the rule finds."""

    name: Text
    recognise: StrictStr = ""
    """By which values of which fields it is told from a bot."""
    exclude: Exclude


class BlindSpot(_Model):
    """What the rule does not see."""

    what: Sentence
    instead: Sentence
    """What sees it, or what would have to change."""


class Tuning(_Model):
    """Advice about one parameter of the rule, beyond what the rule says of it."""

    parameter: Name
    advice: Sentence
    """When to change it, to what, and by which measure."""


class Hunt(_Model):
    """A question to ask of the data without an alert: exactly one of `file`, `detection`."""

    name: Text
    file: StrictStr | None = None
    """A Sigma file below the detection's folder."""
    detection: Name | None = None
    """A detection of the package."""
    ask: Sentence
    """What is looked for."""
    reading: Sentence
    """What in the result is worth a look, and what is not."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.file is None) == (self.detection is None):
            raise ValueError("has exactly one of file, detection")
        return self


class Signal(_Model):
    """The event that a test leaves on one platform."""

    table: StrictStr
    values: dict[StrictStr, StrictStr | int | bool] = Field(min_length=1)
    """Column to value; `#{argument}` stands for an argument of the test."""
    note: Sentence | None = None


class AtomicTest(_Model):
    """A test of the detection: one of `atomics/`, by its name, or one of Atomic Red Team's, by its guid."""

    technique: TechniqueId
    name: Text
    """As in the file of the technique."""
    guid: Annotated[StrictStr, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")] | None = None
    """Set where the test is Atomic Red Team's and not in `atomics/`."""
    hits: StrictStr
    """What finds it: the detection, or the file of a hunt."""
    within: Sentence
    """How long it takes until there is something to be found."""
    hit: dict[Name, StrictStr | int] = {}
    """The values of the hit."""
    expected: dict[StrictStr, Signal] = Field(min_length=1)
    """Platform to the event that it records."""


class Related(_Model):
    """Another detection that belongs to the same story."""

    detection: Name
    how: Sentence


class Reference(_Model):
    title: Text
    url: Url
    gives: Sentence
    """What is to be had there."""


class Change(_Model):
    version: Version
    date: date
    changes: Annotated[list[Sentence], Field(min_length=1)]


class Guide(_Model):
    """What a responder and a tuner read about a detection."""

    detection: Name
    """The rule's `name`."""
    version: Version
    """Of the rule's meaning: it moves when the same events could give other hits (`rules/lock.json` holds its hash)."""
    meaning: Sentence
    """What a hit means, in two sentences."""
    first_look: Sentence
    """The first thing to look at, before anything else."""
    severity: Severity
    confidence: Confidence
    attack: Attack
    query: Annotated[list[Sentence], Field(min_length=1)]
    """How the query works, step by step."""
    caveats: list[Sentence] = []
    """What a reader of the hit must know to read it right."""
    platforms: dict[StrictStr, PlatformGuide] = Field(min_length=1)
    triage: Annotated[list[Question], Field(min_length=3)]
    response: Response
    false_positives: Annotated[list[FalsePositive], Field(min_length=1)]
    blind_spots: Annotated[list[BlindSpot], Field(min_length=1)]
    tuning: list[Tuning] = []
    hunts: list[Hunt] = []
    tests: list[AtomicTest] = []
    related: list[Related] = []
    references: Annotated[list[Reference], Field(min_length=1)]
    changelog: Annotated[list[Change], Field(min_length=1)]
    """Newest first."""


def json_schema() -> dict[str, Any]:
    """A JSON Schema (2020-12) for `guide.yaml`."""
    schema = Guide.model_json_schema()
    _close(schema)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "The guide of a Polysigma detection",
    }


def _close(schema: Any) -> None:
    """Refuses keys that are no names, which pydantic's patternProperties alone let pass."""
    if isinstance(schema, dict):
        if "patternProperties" in schema:
            schema["additionalProperties"] = False
        for value in schema.values():
            _close(value)
    elif isinstance(schema, list):
        for value in schema:
            _close(value)
