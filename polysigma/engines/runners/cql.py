"""CQL by the engine of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polysigma.cql import lint, parse
from polysigma.diagnostics import Diagnostic, Severity
from polysigma.engines.cql import assumptions, compile_cql
from polysigma.engines.runners import Data, Result, Runner, Store, Window
from polysigma.plan.types import Type

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class CqlRunner(Runner):
    target = "logscale"
    engine = "the CQL engine"

    def findings(self, text: str, schema: str) -> list[Diagnostic]:
        del schema
        return [finding for finding in lint(text) if finding.severity is Severity.ERROR]

    def store(self, data: Data, text: str) -> Store:
        del text
        return _CqlStore(data)

    def prefixes(self, text: str) -> list[str]:
        """The pipeline up to each of its steps."""
        lines = text.splitlines(keepends=True)
        starts = [0]
        for line in lines:
            starts.append(starts[-1] + len(line))
        steps = parse(text).steps
        cuts = [text.rfind("|", 0, starts[step.at.line - 1] + step.at.column - 1) for step in steps[1:]]
        return [*(text[:cut].rstrip() for cut in cuts if cut > 0), text]

    def flips(self) -> frozenset[str]:
        return frozenset(name for name, one in assumptions().items() if one.flips)

    def value(self, value: Any, kind: Type) -> Any:
        """Lists are text, an item a line; times that were not made into text are milliseconds since the epoch."""
        if kind is Type.LIST and isinstance(value, str):
            return value.split("\n")
        if kind is Type.TIME:
            try:
                return float(value) / 1000
            except (TypeError, ValueError):
                return value
        return value


class _CqlStore(Store):
    def __init__(self, data: Data) -> None:
        self.data = data

    def run(self, text: str, windows: Sequence[Window | None], flip: frozenset[str] = frozenset()) -> Iterator[Result]:
        query = compile_cql(text, flip=flip, lookups=self.data.lookups)
        sifted = query.sift(self.data.rows)
        for window in windows:
            rows = (sifted[number] for number in self.data.within(window))
            done = query.gather(row for row in rows if row is not None)
            yield Result(done.rows, done.incomplete, done.warnings, done.assumptions)
