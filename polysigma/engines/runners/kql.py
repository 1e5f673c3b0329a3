"""KQL by duckdb-kql, on DuckDB."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from polysigma.diagnostics import Diagnostic, Severity
from polysigma.engines.embedded import quoted
from polysigma.engines.kql.execute import Database
from polysigma.engines.kql.validate import unavailable, validate
from polysigma.engines.runners import Data, Result, Runner, Store, Window
from polysigma.plan.types import Type

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

TABLE = "$table"
"""Not a column: which table of the schema a row is in."""

ROW = "polysigma_row"
"""The column of a result for the number of the row that it is, in the order in which they were given."""

PLACE = "polysigma_place"
"""The place of a row in the order of time: a column that queries hand through and do not see."""

_MATCHED = "polysigma_matched"

_AGGREGATION = "\n| summarize"


_TRANSLATED: dict[tuple[str, tuple[str, ...], str], str] = {}
_MOST_TRANSLATED = 200


class KqlRunner(Runner):
    """Validated by Microsoft's own binder where it is installed."""

    target = "kql"
    engine = "duckdb-kql on DuckDB"

    def unavailable(self) -> str | None:
        """duckdb-kql is an extra of its own."""
        if find_spec("duckdb_kql") is None:
            return "duckdb-kql runs KQL and is not installed: pip install 'polysigma[prove]'"
        return None

    def findings(self, text: str, schema: str) -> list[Diagnostic]:
        """Nothing where the binder is not installed."""
        if unavailable():
            return []
        return [finding for finding in validate(text, schema) if finding.severity is Severity.ERROR]

    def store(self, data: Data, text: str) -> Store:
        """All tables of the schema, whatever the query."""
        del text
        return _KqlStore(data)

    def prefixes(self, text: str) -> list[str]:
        """The pipeline up to each operator that begins a line."""
        cuts = [place for place in range(len(text)) if text.startswith("\n| ", place)]
        return [*(text[:cut] for cut in cuts), text]

    def value(self, value: Any, kind: Type) -> Any:
        """A dynamic array comes as JSON."""
        if kind is Type.LIST and isinstance(value, str):
            return json.loads(value) if value else []
        return value


class _KqlStore(Store):
    """Every row with its place in the order of time, so that a window is a stretch of places.

    What a query does before its first `summarize` it does to one row after the other: that is done once for all rows.
    """

    def __init__(self, data: Data) -> None:
        self.data = data
        untimed = [number for number, time in enumerate(data.times) if time is None]
        self.order = [*data.ordered[1], *untimed]
        tables: dict[str, list[Mapping[str, Any]]] = {}
        places: dict[str, list[int]] = {}
        for place, number in enumerate(self.order):
            row = data.rows[number]
            tables.setdefault(row[TABLE], []).append(row)
            places.setdefault(row[TABLE], []).append(place)
        self.database = Database(data.schema, tables)
        self.connection = self.database.connection
        made = {name for (name,) in self.connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
        self.stored = [name for name in made if name in places or name.removeprefix("Rows") in places]
        for name in self.stored:
            whole = _whole(name)
            self.connection.execute(f"ALTER TABLE {quoted(name)} RENAME TO {whole}")
            self.connection.execute(f"ALTER TABLE {whole} ADD COLUMN {PLACE} BIGINT")
            listed = places.get(name) or places[name.removeprefix("Rows")]
            self.connection.execute(f"UPDATE {whole} SET {PLACE} = ($1::BIGINT[])[rowid + 1]", [listed])  # noqa: S608

    def run(self, text: str, windows: Sequence[Window | None], flip: frozenset[str] = frozenset()) -> Iterator[Result]:
        """The result on each window."""
        if flip:
            raise ValueError(f"no assumption that can be flipped: {', '.join(sorted(flip))}")
        head, aggregation, tail = text.partition(_AGGREGATION)
        if aggregation and len(windows) > 1 and self._matched(head):
            shown = [(_MATCHED, f"{_MATCHED}_rows")]
            text = _MATCHED + aggregation + tail
        else:
            shown = [(name, _whole(name)) for name in self.stored]
        sql = None
        for window in windows:
            for view, table in shown:
                self._show(view, table, window)
            if sql is None:
                sql = self._translated(text)
            yield Result([self._numbered(row) for row in self.database.run_sql(sql)])

    def _matched(self, head: str) -> bool:
        """Keeps the rows before the aggregation; False where the query is not a pipeline from one table to there."""
        lines = [line for line in head.splitlines() if not line.startswith("//")]
        if any(not line.startswith(("|", " ")) or line.startswith("| union") for line in lines[1:]):
            return False
        for name in self.stored:
            self._show(name, _whole(name), None)
        self.connection.execute(f"CREATE OR REPLACE TABLE {_MATCHED}_rows AS {self._translated(head)}")
        columns = self.connection.execute(f"DESCRIBE {_MATCHED}_rows").fetchall()
        return any(name == PLACE for name, *_ in columns)

    def _translated(self, text: str) -> str:
        """The query in SQL, translated once for all stores of a schema: the same text is run on many."""
        key = (self.data.schema, tuple(sorted(self.stored)), text)
        if key not in _TRANSLATED or text.startswith(_MATCHED):
            self.database.look()
        if key not in _TRANSLATED:
            if len(_TRANSLATED) >= _MOST_TRANSLATED:
                _TRANSLATED.clear()
            _TRANSLATED[key] = self.database.sql(text)
        return _TRANSLATED[key]

    def _show(self, view: str, table: str, window: Window | None) -> None:
        """Lets queries see the rows of a window, or all, under a name."""
        first, end = self.data.span(window) if window else (0, len(self.order))
        rows = f"SELECT * FROM {table} WHERE {PLACE} >= {first} AND {PLACE} < {end}"  # noqa: S608
        self.connection.execute(f"CREATE OR REPLACE VIEW {quoted(view)} AS {rows}")

    def _numbered(self, row: dict[str, Any]) -> dict[str, Any]:
        """A row with its number, where the query hands its place through."""
        place = row.pop(PLACE, None)
        return row if place is None else {**row, ROW: self.order[place]}

    def close(self) -> None:
        """Closes the database."""
        self.connection.close()


def _whole(name: str) -> str:
    return quoted(f"polysigma_all_{name}")
