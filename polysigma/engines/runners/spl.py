"""SPL by the engine of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polysigma.diagnostics import Diagnostic, PolysigmaError
from polysigma.engines.runners import Data, Result, Runner, Store, Window, no_flips
from polysigma.engines.spl import SplError, compile_spl, parse
from polysigma.engines.spl.tree import Append, Eval, Fieldformat, Lookup, Mvexpand, Rename, Search, Where
from polysigma.plan.types import Type

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PLACE = "polysigma_row"
"""A field with the number of the row, which queries hand through and do not see."""

_ALONE = Where | Eval | Rename | Fieldformat | Mvexpand | Lookup
"""Commands that look at one row at a time."""


class SplRunner(Runner):
    target = "spl"
    engine = "the SPL engine"

    def findings(self, text: str, schema: str) -> list[Diagnostic]:
        """What the engine's own parser reports: there is no other."""
        del schema
        try:
            compile_spl(text)
        except (SplError, KeyError) as error:
            return [Diagnostic("invalid-spl", str(error))]
        return []

    def store(self, data: Data, text: str) -> Store:
        """The rows as they are."""
        del text
        return _SplStore(data)

    def prefixes(self, text: str) -> list[str]:
        """The search up to each command that begins a line."""
        cuts = [place for place in range(len(text)) if text.startswith("\n| ", place)]
        return [*(text[:cut] for cut in cuts), text]

    def value(self, value: Any, kind: Type) -> Any:
        """A field with one value is not a list of one."""
        return [value] if kind is Type.LIST and isinstance(value, str) else value


class _SplStore(Store):
    """Rows with their number. What a search does to one row after the other is done once for all of them."""

    def __init__(self, data: Data) -> None:
        self.data = data

    def run(self, text: str, windows: Sequence[Window | None], flip: frozenset[str] = frozenset()) -> Iterator[Result]:
        """The result on each window."""
        no_flips(flip)
        try:
            query, commands = compile_spl(text, lookups=self.data.lookups), parse(text).commands
            if any(isinstance(command, Append) for command in commands):
                for window in windows:
                    numbers = sorted(self.data.within(window))
                    yield Result(query.run([self.data.rows[number] for number in numbers], now=0.0))
                return
            rows: list[Any] = []
            for number, event in enumerate(self.data.rows):
                row = query.take(event, 0.0)
                if row is not None:
                    row[PLACE] = number
                    rows.append(row)
            stages = [stage for stage in query.stages if callable(stage)]
            if isinstance(commands[0], Search):
                for command in commands[1:]:
                    if not isinstance(command, _ALONE):
                        break
                    rows = stages.pop(0)(rows)
            by_number: dict[int, list[Any]] = {}
            for row in rows:
                by_number.setdefault(row[PLACE], []).append(row)
            for window in windows:
                # Copies: there are commands that add to a row where it is, and windows have rows in common.
                numbers = sorted(self.data.within(window))
                found = [dict(row) for number in numbers for row in by_number.get(number, ())]
                for stage in stages:
                    found = stage(found)
                yield Result(found)
        except (SplError, KeyError, TypeError) as error:
            raise PolysigmaError(Diagnostic("spl-not-run", f"{type(error).__name__}: {error}")) from None
