"""The `polysigma` map on a Sigma correlation, typed: the boundary between YAML and a plan.

Expressions are still text here; `polysigma.plan.build` parses and types them. The JSON Schema that editors use is
made from these models (`json_schema`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
    model_validator,
)

from polysigma.plan.durations import DURATION_PATTERN, parse_duration
from polysigma.plan.faults import Fault, Place, PlanError
from polysigma.plan.steps import STEP_NAMES
from polysigma.plan.typing import near

NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*$"


def _duration(text: str) -> str:
    if parse_duration(text) is None:
        raise ValueError(f"{text!r} is not a time span: a number and one of s m h d w, such as 15m or 24h")
    return text


def _number_as_text(value: Any) -> Any:
    """A bare number is an expression, too; YAML reads it as a number."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _no_boolean(value: Any) -> Any:
    """To Python, true is 1."""
    if isinstance(value, bool):
        raise ValueError("a number is expected here, not true or false")
    return value


Duration = Annotated[
    StrictStr,
    AfterValidator(_duration),
    Field(examples=["15m", "24h"], json_schema_extra={"pattern": f"^{DURATION_PATTERN}$"}),
]
ExpressionText = Annotated[
    StrictStr,
    BeforeValidator(_number_as_text),
    Field(min_length=1, max_length=10_000, json_schema_extra={"type": ["string", "number"]}),
]
Name = Annotated[StrictStr, Field(pattern=NAME_PATTERN, max_length=64)]
ParameterValue = StrictBool | StrictInt | StrictFloat | StrictStr | list[StrictInt | StrictFloat | StrictStr]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ScheduleModel(_Model):
    """How often the detection runs."""

    every: Duration
    """Time between two runs; windows end on multiples of it."""
    delay: Duration | None = None
    """How long to wait after a window's end for late events."""


class ParameterModel(_Model):
    """A number, text or list that a site may set, with what it is for."""

    value: ParameterValue
    """A number, a text, true or false, or a list of numbers or texts."""
    unit: StrictStr | None = None
    """What the number counts."""
    about: StrictStr = Field(min_length=10)
    """What it means, in one sentence."""
    raise_: StrictStr | None = Field(default=None, alias="raise")
    """What raising it (or adding to a list) costs and brings."""
    lower: StrictStr | None = None
    """What lowering it (or taking from a list) costs and brings."""


class GroupModel(_Model):
    """One row for each combination of the columns in `by`."""

    by: list[Name] = Field(min_length=1)
    """The columns of the key."""
    measures: dict[Name, ExpressionText] = Field(min_length=1)
    """New column to measure, such as `count()` or `sum(HourlyConnections)`."""


class SequenceModel(GroupModel):
    """One row for each combination of the columns in `by` whose events matched the rules in this order."""

    measures: dict[Name, ExpressionText] = {}
    """New column to measure over all events of the key."""
    rules: list[Annotated[StrictStr, Field(min_length=1)]] = Field(min_length=2, max_length=10)
    """Rules of the correlation, in the order in which they must come within the window."""


class PreviousModel(_Model):
    """The row before, among those of one key: what a row has of it."""

    by: list[Name] = Field(min_length=1)
    """The columns of the key."""
    column: Name
    """What is taken from the row before, and what rows are ordered by: a bucket, or a time measured in it."""
    as_: Name = Field(alias="as")
    """New column that holds it; missing in the first row of a key."""


def _exactly_one(schema: dict[str, Any]) -> None:
    """What `StepModel._one` checks, in the words of JSON Schema."""
    schema |= {"minProperties": 1, "maxProperties": 1}
    for name, value in schema["properties"].items():
        described = {key: value[key] for key in ("title", "description") if key in value}
        (kind,) = (choice for choice in value["anyOf"] if choice != {"type": "null"})
        schema["properties"][name] = described | kind


class StepModel(_Model):
    """One step: exactly one of its keys."""

    model_config = ConfigDict(json_schema_extra=_exactly_one)

    bucket: dict[Name, Duration] | None = Field(default=None, min_length=1, max_length=1)
    """New column to the width of a tumbling time bucket."""
    group: GroupModel | None = None
    """`by` and `measures`: one row for each combination of the columns in `by`."""
    sequence: SequenceModel | None = None
    """`by`, `rules` and `measures`: one row for each key whose events matched the rules in their order."""
    annotate: GroupModel | None = None
    """`by` and `measures`: measures over a coarser key, added to every row."""
    previous: PreviousModel | None = None
    """`by`, `column` and `as`: the value that a column has in the row before, of the same key."""
    where: ExpressionText | None = None
    """A condition that a row must meet."""
    derive: dict[Name, ExpressionText] | None = Field(default=None, min_length=1)
    """New column to expression."""
    select: list[Name] | None = Field(default=None, min_length=1)
    """The columns to keep, in order."""
    score: dict[Name, list[ExpressionText]] | None = Field(default=None, min_length=1, max_length=1)
    """New column to its cases, `POINTS when CONDITION`; the first that holds counts, else 0."""
    sort: list[Annotated[StrictStr, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*( (asc|desc))?$")]] | None = Field(
        default=None, min_length=1
    )
    """Columns to order by, each with `desc` or `asc` behind it if need be."""
    take: Annotated[StrictInt, Field(ge=1, le=20_000)] | None = None
    """How many rows to keep, from 1 to 20000; for hunts."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        present = sorted(self.model_fields_set)
        if len(present) != 1:
            raise ValueError(f"a step has exactly one of {', '.join(STEP_NAMES)}; this has {present or 'none'}")
        if getattr(self, present[0]) is None:
            raise ValueError(f"the step {present[0]!r} is empty")
        return self

    @property
    def kind(self) -> str:
        return next(iter(self.model_fields_set))


class AlertModel(_Model):
    """What an alert shows and how often."""

    title: StrictStr = Field(min_length=5, max_length=250)
    """Text with {Column} for the values of the hit."""
    entities: dict[Literal["host", "ip", "user", "url", "file", "process", "dns"], Name] = Field(min_length=1)
    """Kind of entity to the column that names it."""
    quiet: Duration | None = None
    """A key that has been reported is not reported again for so long."""


class Metadata(_Model):
    """The whole `polysigma` map."""

    version: Annotated[Literal[1], BeforeValidator(_no_boolean)]
    """The version of this language: 1."""
    schedule: ScheduleModel | None = None
    """How often the detection runs: `every` and `delay`."""
    parameters: dict[Name, ParameterModel] = {}
    """Name to value and meaning: what a site may set."""
    steps: list[StepModel] = Field(min_length=1)
    """What is done with the events of the base rules, step by step."""
    alert: AlertModel | None = None
    """What an alert shows: `title`, `entities`, and how long a key is `quiet`."""


def read_metadata(value: Any) -> Metadata:
    """The typed map. Raises PlanError (code `polysigma-map`); paths start at the map."""
    try:
        return Metadata.model_validate(value)
    except ValidationError as error:
        faults = []
        for found in error.errors(include_url=False, include_context=False, include_input=False):
            # pydantic adds the names of union members and of validators to a location; a path holds keys only.
            path = _existing(value, found["loc"])
            key = found["loc"][len(path)] if len(found["loc"]) > len(path) else None
            message = found["msg"].removeprefix("Value error, ")
            unknown = found["type"] == "extra_forbidden"
            if found["type"] in {"model_type", "dict_type"}:
                message = "a map of keys to values is expected here"
            if unknown:
                message = f"unknown key {found['loc'][-1]!r}"
            elif found["type"] == "missing":
                message = f"the key {key!r} is missing"
            faults.append(Fault("polysigma-map", message, _hint(found["loc"], unknown=unknown), Place(path)))
        raise PlanError(*dict.fromkeys(faults)) from None


_INNER: dict[str, type[_Model]] = {
    "schedule": ScheduleModel,
    "parameters": ParameterModel,
    "steps": StepModel,
    "group": GroupModel,
    "sequence": SequenceModel,
    "annotate": GroupModel,
    "previous": PreviousModel,
    "alert": AlertModel,
}


def _hint(loc: tuple[str | int, ...], *, unknown: bool) -> str:
    """What the last key that is known means, or the known key that an unknown one may stand for."""
    model: type[_Model] = Metadata
    meaning = f"known here: {', '.join(_meanings(model))}"
    for index, part in enumerate(loc):
        meanings = _meanings(model)
        if part in meanings and loc[index - 1 : index] != ("parameters",):
            meaning = meanings[str(part)] or meaning
            model = _INNER.get(str(part), model)
        elif unknown and index == len(loc) - 1:
            return near(str(part), meanings)
    return meaning


def _meanings(model: type[_Model]) -> dict[str, str | None]:
    return {field.alias or name: field.description for name, field in model.model_fields.items()}


def _existing(value: Any, loc: tuple[str | int, ...]) -> tuple[str | int, ...]:
    path: list[str | int] = []
    for part in loc:
        in_map = isinstance(value, dict) and part in value
        in_list = isinstance(value, list) and isinstance(part, int) and part < len(value)
        if not in_map and not in_list:
            break
        value = value[part]
        path.append(part)
    return tuple(path)


def json_schema() -> dict[str, Any]:
    """A JSON Schema (2020-12) for a Sigma document that may hold a `polysigma` map; other keys are left to Sigma."""
    inner = Metadata.model_json_schema(by_alias=True)
    _close(inner)
    definitions = inner.pop("$defs", {})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A Sigma rule or correlation with Polysigma's correlation metadata",
        "type": "object",
        "properties": {"polysigma": inner},
        "$defs": definitions,
    }


def _close(schema: Any) -> None:
    """Refuses keys that are no names, which pydantic's patternProperties alone let pass."""
    if isinstance(schema, dict):
        if "patternProperties" in schema:
            schema["additionalProperties"] = False
        for value in schema.values():
            _close(value)
