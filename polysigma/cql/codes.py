"""The lint codes as data: what each means, why it matters, and an example that has it and one that does not."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from polysigma.diagnostics import Diagnostic, Position, Severity

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Code:
    """One lint code. `context` is the `--context` that its examples are linted in; `source` is a documentation page."""

    code: str
    severity: Severity
    title: str
    why: str
    bad: str
    good: str
    source: str | None = None
    context: str | None = None


@cache
def codes() -> Mapping[str, Code]:
    """Every code by its name, in the order of `codes.toml`."""
    text = files("polysigma.cql").joinpath("codes.toml").read_text(encoding="utf-8")
    table: dict[str, Code] = {}
    for name, record in tomllib.loads(text).items():
        table[name] = Code(
            code=name,
            severity=Severity(record["severity"]),
            title=record["title"],
            why=" ".join(record["why"].split()),
            bad=record["bad"].strip("\n"),
            good=record["good"].strip("\n"),
            source=record.get("source"),
            context=record.get("context"),
        )
    return table


def finding(code: str, message: str, hint: str, at: Position) -> Diagnostic:
    """A finding with the severity that its code has. Raises KeyError for a code that is not in the table."""
    return Diagnostic(code, message, hint, None, at, codes()[code].severity)


def as_markdown() -> str:
    """The reference page of the codes; `docs/reference/lint-codes.md` is this text."""
    lines = [
        "# Lint codes",
        "",
        "What `polysigma lint` finds in CQL, the language of CrowdStrike LogScale and Falcon Next-Gen SIEM. This page",
        "is written by `python -m polysigma.cql.codes > docs/reference/lint-codes.md`; a test lints all its examples.",
        "",
        "An error is what LogScale would reject or misread, by its documentation; a warning is what runs and hurts.",
        "Silence a code with a comment on its line, or alone on the line above: `// polysigma: ignore[code, code]`.",
        "",
        "| code | severity | |",
        "|---|---|---|",
    ]
    lines += [f"| [{code.code}](#{code.code}) | {code.severity} | {code.title} |" for code in codes().values()]
    for code in codes().values():
        lines += ["", f"## {code.code}", "", f"**{code.severity.capitalize()}.** {code.title}.", "", code.why]
        if code.context:
            lines += ["", f"Only with `--context {code.context}`."]
        lines += ["", "Bad:", "", "```logscale", code.bad, "```", "", "Good:", "", "```logscale", code.good, "```"]
        if code.source:
            lines += ["", f"Source: <{code.source}>"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(as_markdown(), end="")  # noqa: T201  (the page goes to standard output)
