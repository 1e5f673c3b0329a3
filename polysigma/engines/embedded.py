"""DuckDB, the embedded engine: found or asked for, and opened so that it stays within its memory."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from polysigma.diagnostics import Diagnostic, PolysigmaError

if TYPE_CHECKING:
    from pathlib import Path

    from duckdb import DuckDBPyConnection

_MOST_THREADS = 8
"""Each thread that reads JSON holds buffers of its own, so threads are memory."""


def duckdb() -> Any:
    """The module `duckdb`. Raises PolysigmaError, saying how to install it, where it is missing."""
    try:
        return import_module("duckdb")
    except ImportError:
        hint = "pip install 'polysigma[run]'"
        raise PolysigmaError(Diagnostic("no-duckdb", "DuckDB runs the query and is not installed", hint)) from None


def connect(folder: Path, *, memory: str = "1GB") -> DuckDBPyConnection:
    """A new database on disk in `folder`, which also takes what does not fit into `memory`. Times are UTC.

    Nothing is fetched: extensions are neither installed nor loaded on their own (DuckDB's documentation, "Securing
    DuckDB").
    """
    connection: DuckDBPyConnection = duckdb().connect(
        str(folder / "events.duckdb"),
        config={
            "memory_limit": memory,
            "threads": min(os.cpu_count() or 1, _MOST_THREADS),
            "temp_directory": str(folder / "spill"),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        },
    )
    connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
    return connection


def file_name(path: Path) -> str:
    """The absolute path of a file as DuckDB's table functions take it: they read a name as a pattern.

    A pattern character in brackets is itself (DuckDB's documentation, "Reading Multiple Files", glob syntax).
    """
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in str(path.absolute()))


def quoted(name: str) -> str:
    """An identifier in SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text value in SQL, for the places that take no parameter."""
    return "'" + text.replace("'", "''") + "'"
