"""SQL: DuckDB, and Spark by `-O dialect=spark`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from .backend import PolysigmaBackend

if TYPE_CHECKING:
    from .printer import Printer


class SqlBackend(PolysigmaBackend):
    """SQL over a table of events: plain rules and staged correlations."""

    name: ClassVar[str] = "SQL (DuckDB; Spark by option)"
    identifier: ClassVar[str] = "sql"
    dialects: ClassVar[tuple[str, ...]] = ("duckdb", "spark")
    example_pipeline: ClassVar[str] = "sysmon_json"

    def printer(self) -> Printer:
        # sqlglot takes as long to import as the rest of a conversion, so only this target pays for it.
        from .sql_printer import SqlPrinter

        return SqlPrinter(self.options.dialect or "duckdb", self.options.table)
