"""SQL on DuckDB."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from polysigma.diagnostics import Diagnostic, PolysigmaError
from polysigma.engines.embedded import connect, duckdb, literal, quoted
from polysigma.engines.runners import Data, Result, Runner, Store, Window
from polysigma.engines.sql import Windows, columns_read, read_query, run_sql
from polysigma.schemas import load

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


class SqlRunner(Runner):
    target = "sql"
    engine = "DuckDB"

    def unavailable(self) -> str | None:
        try:
            duckdb()
        except PolysigmaError as error:
            return "; ".join(f"{one.message}: {one.hint}" for one in error.findings)
        return None

    def findings(self, text: str, schema: str) -> list[Diagnostic]:
        """Parsed by sqlglot, then bound by DuckDB to a table that has the columns of the schema."""
        try:
            with _SqlStore(Data(schema, (), ()), load(schema).columns()) as store:
                list(store.run(text, [None]))
        except PolysigmaError as error:
            return list(error.findings)
        return []

    def store(self, data: Data, text: str) -> Store:
        return _SqlStore(data, columns_read(read_query(text), load(data.schema).columns()))

    def prefixes(self, text: str) -> list[str]:
        """Each WITH query, shown whole."""
        shown = [f"{text[: one.end + 1]}\nSELECT * FROM {quoted(one.name)}" for one in read_query(text).withs]
        return [*shown, text]


class _SqlStore(Store):
    """The table `events` in a database of its own. Every value is text there, as in the files that `replay` reads."""

    def __init__(self, data: Data, columns: Iterable[str]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="polysigma-")
        folder = Path(self._folder.name)
        self.connection = connect(folder)
        # To DuckDB, names in another case are the same; a row that has only the other spelling fills the column.
        spellings: dict[str, list[str]] = {}
        for name in columns:
            spellings.setdefault(name.casefold(), []).append(name)
        names = [found[0] for found in spellings.values()] or ["nothing"]
        declared = ", ".join(f"{quoted(name)} VARCHAR" for name in names)
        self.connection.execute(f"CREATE TABLE events ({declared})")
        if data.rows:
            path = folder / "rows.json"
            with path.open("w", encoding="utf-8") as file:
                for row in data.rows:
                    taken = {found[0]: row[name] for found in spellings.values() for name in found if name in row}
                    file.write(json.dumps(taken, ensure_ascii=False) + "\n")
            kinds = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in names)
            source = f"read_json({literal(str(path))}, format='newline_delimited', columns={{{kinds}}})"
            self.connection.execute(f"INSERT INTO events SELECT * FROM {source}")  # noqa: S608 - names are quoted
            path.unlink()

    def run(self, text: str, windows: Sequence[Window | None], flip: frozenset[str] = frozenset()) -> Iterator[Result]:
        if flip:
            raise ValueError(f"no assumption that can be flipped: {', '.join(sorted(flip))}")
        if all(window is None for window in windows):
            yield from (Result(run_sql(text, self.connection)) for _ in windows)
            return
        with Windows(text, self.connection) as parts:
            for window in windows:
                yield Result(parts.run(*window) if window else parts.run_whole())

    def close(self) -> None:
        self.connection.close()
        self._folder.cleanup()
