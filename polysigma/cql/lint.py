"""`lint`: everything that is known to be wrong with a query, or to hurt, as findings."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from polysigma.cql import calls
from polysigma.cql.parser import parse_tolerantly

if TYPE_CHECKING:
    from polysigma.diagnostics import Diagnostic


def lint(text: str, file: str | None = None, context: str | None = None) -> list[Diagnostic]:
    """The findings in a query, in the order of the text; empty if it is clean."""
    parsed = parse_tolerantly(text)
    findings = [*parsed.problems, *calls.check(parsed.query)]
    return [replace(one, file=file) for one in findings]
