"""The four targets. Each printer is imported when it prints, so that `sigma` starts as fast as without us."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from .backend import PolysigmaBackend

if TYPE_CHECKING:
    from .printer import Printer


class LogScaleBackend(PolysigmaBackend):
    """CrowdStrike LogScale and Falcon Next-Gen SIEM: plain rules and staged correlations."""

    name: ClassVar[str] = "CrowdStrike LogScale and Falcon Next-Gen SIEM (CQL)"
    identifier: ClassVar[str] = "logscale"
    example_pipeline: ClassVar[str] = "falcon"

    def printer(self) -> Printer:
        from .logscale import LogScalePrinter

        return LogScalePrinter()


class KqlBackend(PolysigmaBackend):
    """Microsoft Defender XDR and Microsoft Sentinel: plain rules and staged correlations."""

    name: ClassVar[str] = "Microsoft Defender XDR and Microsoft Sentinel (KQL)"
    identifier: ClassVar[str] = "kql"
    # The id sentinel_asim is taken: it is a pipeline of the official Kusto backend's.
    example_pipeline: ClassVar[str] = "defender, -p sentinel or -p asim"

    def printer(self) -> Printer:
        from .kql import KqlPrinter

        return KqlPrinter()


class SplBackend(PolysigmaBackend):
    """Splunk: plain rules and staged correlations."""

    name: ClassVar[str] = "Splunk (SPL)"
    identifier: ClassVar[str] = "spl"
    example_pipeline: ClassVar[str] = "splunk_sysmon"
    takes_index_macro: ClassVar[bool] = True

    def printer(self) -> Printer:
        from .spl import SplPrinter

        return SplPrinter(self.options.index_macro)


class SqlBackend(PolysigmaBackend):
    """SQL over a table of events: plain rules and staged correlations."""

    name: ClassVar[str] = "SQL (DuckDB; Spark by option)"
    identifier: ClassVar[str] = "sql"
    example_pipeline: ClassVar[str] = "sysmon_json"
    dialects: ClassVar[tuple[str, ...]] = ("duckdb", "spark")

    def printer(self) -> Printer:
        from .sql import SqlPrinter

        return SqlPrinter(self.options.dialect or "duckdb", self.options.table)
