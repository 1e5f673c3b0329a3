"""Lookups as a site uploads them: a name, and the values of their one column. In databases they are tables."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from polysigma.diagnostics import Diagnostic, PolysigmaError
from polysigma.engines.embedded import quoted
from polysigma.plan.lookups import COLUMN, PREFIX, lookups_of, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from duckdb import DuckDBPyConnection

    from polysigma.plan.steps import Plan


def named(words: Iterable[str]) -> list[str]:
    """The names of lookups among the words of a query."""
    return sorted({word for word in words if word.startswith(PREFIX)})


def words(text: str) -> list[str]:
    """The words of a query's text."""
    return re.findall(r"\w+", text)


def missing(name: str) -> PolysigmaError:
    """The error for a lookup that is asked for and was not uploaded."""
    hint = "upload it, as polysigma tune --emit says"
    return PolysigmaError(Diagnostic("no-lookup", f"the query asks for the lookup {name}, which is not here", hint))


def declare(connection: DuckDBPyConnection, names: Iterable[str], column: str = COLUMN) -> None:
    """Makes a table without rows for each lookup that has none."""
    for name in names:
        connection.execute(f"CREATE TABLE IF NOT EXISTS {quoted(name)} ({quoted(column)} VARCHAR)")


def upload(connection: DuckDBPyConnection, names: Iterable[str], uploaded: Mapping[str, Sequence[str]]) -> None:
    """Puts what was uploaded into the tables of these lookups. Raises PolysigmaError for one that was not."""
    for name in names:
        if name not in uploaded:
            raise missing(name)
        connection.execute(f"DELETE FROM {quoted(name)}")  # noqa: S608 (names are quoted)
        values = json.dumps(list(uploaded[name]), ensure_ascii=False)
        connection.execute(f"INSERT INTO {quoted(name)} SELECT unnest(from_json(?, '[\"VARCHAR\"]'))", [values])


def provide(connection: DuckDBPyConnection, plan: Plan) -> None:
    """Uploads what a plan asks for."""
    uploaded = {name: rows_of(items) for name, items in lookups_of(plan).items()}
    declare(connection, uploaded)
    upload(connection, uploaded, uploaded)
