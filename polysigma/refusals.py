"""Why a rule has no query: one enumeration of codes, for claims and for languages, and the page about them.

    python -m polysigma.refusals > docs/reference/refusals.md

Each code has its reason, its source and an example in `refusals.toml`; a test converts every example.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files


class RefusalCode(StrEnum):
    """Why a rule, or a part of it, cannot be said on a platform or in its language."""

    # By a platform's claims.
    NOT_RECORDED = "not-recorded"
    """The platform's telemetry does not hold this value."""
    NOT_COMPARABLE = "not-comparable"
    """It is recorded in a form that the Sigma values cannot be translated to."""
    PATH_NOT_RECORDED = "path-not-recorded"
    """Only the last part of a path is recorded, and the value asks for more."""
    UNVERIFIED = "unverified"
    """It may be there under a name that no source we could read confirms; guessing would be a silent miss."""
    UNKNOWN_FIELD = "unknown-field"
    """No claim is made about a field of that name."""
    UNCLAIMED_LOGSOURCE = "unclaimed-logsource"
    """No claim is made about the log source."""
    BLIND = "blind"
    """The platform cannot show it by its nature; `-O accept=blind` converts it all the same."""

    # By the language of a regular expression.
    LOOKBEHIND = "lookbehind"
    LOOKAHEAD = "lookahead"
    BACK_REFERENCE = "back-reference"
    ATOMIC_GROUP = "atomic-group"
    POSSESSIVE_QUANTIFIER = "possessive-quantifier"
    UNICODE_CLASS = "unicode-class"
    REGEX_CONSTRUCT = "regex-construct"
    """Another construct that the engine does not document."""

    # By a value.
    PLACEHOLDER = "placeholder"
    """A placeholder that no pipeline has given a value."""
    TYPE_MISMATCH = "type-mismatch"
    """The value cannot be compared with what the column holds."""
    ADDRESS_PATTERN = "address-pattern"
    """A pattern of an address that has several spellings."""
    NUMBER_RANGE = "number-range"
    """A number beyond what every language can write."""
    CONTROL_CHARACTER = "control-character"
    """A character that no text of the language can hold."""
    NAME_CHARACTER = "name-character"
    """A field's name that the language cannot write."""
    KEYWORD_COLUMN = "keyword-column"
    """A keyword where no column holds the whole event."""
    KEYWORD_TEXT = "keyword-text"
    """A keyword that stands otherwise in the column that holds the whole event."""
    CONDITION_KIND = "condition-kind"
    """A kind of condition or value that is not known."""
    EMPTY_CONDITION = "empty-condition"
    """A pipeline has left nothing of the condition."""

    # By a correlation or its steps.
    CORRELATION_TYPE = "correlation-type"
    """A type of correlation that is not known."""
    CORRELATION_CONDITION = "correlation-condition"
    """A condition that has no meaning for the type, or needs more than the correlation says."""
    CORRELATION_FIELD = "correlation-field"
    """A field or an alias that the rules do not have, or not of one kind."""
    CORRELATION_RULES = "correlation-rules"
    """A correlation over rules, or a timespan, that cannot be joined to it."""
    TOO_MANY = "too-many"
    """More alternatives, orders or tables than a query takes."""
    DIFFERING_COLUMNS = "differing-columns"
    """A column that is computed differently in each of several rules."""
    STEP = "step"
    """A step, measure or function that the language has no counterpart of."""
    WRONG_STEPS = "wrong-steps"
    """The rule's own `polysigma` map is wrong."""

    # By how conversion was called.
    NO_PIPELINE = "no-pipeline"
    """No pipeline of Polysigma's took part."""
    WRONG_TARGET = "wrong-target"
    """The pipeline serves other targets."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What there is to say of a code. `example` is a Sigma detection, or a whole document, that gets it."""

    code: RefusalCode
    title: str
    why: str
    instead: str
    source: str
    example: str
    target: str
    pipeline: str


@cache
def refusals() -> dict[RefusalCode, Refusal]:
    """Every code by its name, in the order of `refusals.toml`."""
    import tomllib

    table = tomllib.loads(files("polysigma").joinpath("refusals.toml").read_text(encoding="utf-8"))
    return {
        RefusalCode(name): Refusal(
            code=RefusalCode(name),
            title=record["title"],
            why=" ".join(record["why"].split()),
            instead=" ".join(record["instead"].split()),
            source=record["source"],
            example=record["example"].strip("\n"),
            target=record.get("target", "logscale"),
            pipeline=record.get("pipeline", "falcon"),
        )
        for name, record in table.items()
    }


def as_markdown() -> str:
    """The page; `docs/reference/refusals.md` is this text."""
    lines = [
        "# Why a rule is refused",
        "",
        "Made by `python -m polysigma.refusals > docs/reference/refusals.md`; a test converts every example and looks",
        "for its code. `polysigma convert` puts `refused-` before it; with `sigma convert` it stands in the message.",
        "Which field of which platform is refused, and why, is on the page about [coverage](coverage.md).",
        "",
        "| code | |",
        "|---|---|",
    ]
    lines += [f"| [{one.code}](#{one.code}) | {one.title} |" for one in refusals().values()]
    for one in refusals().values():
        lines += ["", f"## {one.code}", "", f"{one.title}. {one.why}", "", f"*Instead:* {one.instead}", ""]
        lines += [f"Refused with `-t {one.target} -p {one.pipeline}`:", "", "```yaml", one.example, "```", ""]
        lines += [f"Source: {f'<{one.source}>' if one.source.startswith('http') else one.source}"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(as_markdown(), end="")  # noqa: T201  (the page goes to standard output)
