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
