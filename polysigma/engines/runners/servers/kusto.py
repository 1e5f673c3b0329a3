"""KQL on a Kusto of one's own, such as Microsoft's emulator in a container: nothing is written there.

The rows of a window go with the query, as a table of the name that it reads (learn.microsoft.com/kusto/query:
"datatable operator", "let statement"); it is sent as "Query V1 HTTP request" and answered as "Query V1 HTTP response"
(learn.microsoft.com/kusto/api/rest) say.
"""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from polysigma.engines.kql.execute import PARSER_TIME, parser_of
from polysigma.engines.kql.validate import PARSER, kusto_types
from polysigma.engines.runners import Data, Result, Store, Window, no_flips
from polysigma.engines.runners.kql import ROW, TABLE, KqlRunner
from polysigma.engines.runners.servers import Settings, ask, no_lookups
from polysigma.schemas import load

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class _Settings(Settings):
    required = ("POLYSIGMA_KUSTO_URL", "POLYSIGMA_KUSTO_DATABASE")


_settings = _Settings()


class KustoServer(KqlRunner):
    """`POLYSIGMA_KUSTO_TOKEN` is sent where it is set; the emulator needs none."""

    engine = "Kusto"

    def unavailable(self) -> str | None:
        return _settings.missing()

    def store(self, data: Data, text: str) -> Store:
        return _KustoStore(data, text)


class _KustoStore(Store):
    def __init__(self, data: Data, text: str) -> None:
        no_lookups(data)
        self.data = data
        words = frozenset(re.findall(r"\w+", text)) | {PARSER_TIME, ROW}
        schema = load(data.schema)
        self.tables = {
            table: {name: kind for name, kind in kusto_types(schema, table).items() if name in words}
            for table in schema.tables
            if table in words
        }
        if any(ROW in row for row in data.rows[:1]):
            self.tables = {table: {**columns, ROW: "long"} for table, columns in self.tables.items()}

    def run(self, text: str, windows: Sequence[Window | None], flip: frozenset[str] = frozenset()) -> Iterator[Result]:
        """The result on each window."""
        no_flips(flip)
        for window in windows:
            rows = [self.data.rows[number] for number in self.data.within(window)]
            yield Result(_ask(f"{self._tables(rows)}\n{text}"))

    def _tables(self, rows: Sequence[Mapping[str, Any]]) -> str:
        """A `let` statement for each table: for one of ASIM's parsers a function with their parameters of time."""
        made = []
        for table, columns in self.tables.items():
            declared = ", ".join(f"{name}:{kind}" for name, kind in columns.items())
            values = [
                ", ".join(_literal(row.get(name), kind) for name, kind in columns.items())
                for row in rows
                if row[TABLE] == table
            ]
            listed = ",\n".join(values)
            held = f"datatable({declared}) [{listed}]"
            if table.startswith(PARSER):
                held = parser_of(held)
            made.append(f"let {table} = {held};")
        return "\n".join(made)


def _literal(value: Any, kind: str) -> str:
    """A value in KQL: text that is missing is empty, as Kusto has no other."""
    if kind == "string":
        return json.dumps("" if value is None else str(value), ensure_ascii=False)
    if value is None:
        return f"{kind}(null)"
    if kind == "dynamic":
        return f"dynamic({json.dumps(value, ensure_ascii=False)})"
    if kind == "bool":
        return "true" if value in {True, "true"} else "false"
    if kind == "datetime":
        return f"datetime({datetime.fromisoformat(str(value)).astimezone(UTC).isoformat()})"
    return f"{kind}({value if isinstance(value, int | float) else float(value)})"


def _ask(text: str) -> list[dict[str, Any]]:
    token = os.environ.get("POLYSIGMA_KUSTO_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    url = f"{_settings['POLYSIGMA_KUSTO_URL'].rstrip('/')}/v1/rest/query"
    answer = ask(url, headers, {"db": _settings["POLYSIGMA_KUSTO_DATABASE"], "csl": text})
    result = answer["Tables"][0]
    names = [column["ColumnName"] for column in result["Columns"]]
    times = {column["ColumnName"] for column in result["Columns"] if column.get("DataType") == "DateTime"}
    return [
        {name: _time(value) if name in times else value for name, value in zip(names, row, strict=True)}
        for row in result["Rows"]
    ]


def _time(value: Any) -> Any:
    """A time in UTC without a zone, as the engines here give it."""
    return datetime.fromisoformat(value).astimezone(UTC).replace(tzinfo=None) if value else None
