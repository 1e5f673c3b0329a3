"""What vendors document about their tables: columns, types, and where that is known from.

Facts, restated as small JSON files beside this module. They are the truth that claims (`polysigma.claims`) and
generated telemetry (`polysigma.telemetry`) are held against, and know nothing of either.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from polysigma.diagnostics import Diagnostic, PolysigmaError
from polysigma.plan.types import Type

if TYPE_CHECKING:
    from collections.abc import Mapping


class TimeForm(StrEnum):
    """How a platform writes a time down."""

    UTC_TEXT = "utc_text"
    """`2026-03-02 08:51:00.008` or ISO 8601 with `T` and `Z`; UTC."""
    EPOCH_SECONDS = "epoch_s"
    """Seconds since 1970, with a fraction."""
    EPOCH_MILLISECONDS = "epoch_ms"
    DATETIME = "datetime"
    """A type of the platform's own; queries need not read it."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One way in which shippers lay a schema's columns out in a row.

    `envelope` gives the dotted path of each common column; every other column is under the dotted path `fields`
    (empty: at the top of the row).
    """

    name: str
    fields: str
    envelope: Mapping[str, str]

    def path(self, column: str) -> str:
        """The dotted path of a column in a row of this shape."""
        if column in self.envelope:
            return self.envelope[column]
        return f"{self.fields}.{column}" if self.fields else column


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of a platform, their columns and the type of each.

    `source` and `as_of` say where and when this was read; a column that is not here is unknown to that reading, not
    impossible. `wire_text` is true where every value is delivered as text and a query must cast it. `shapes` is empty
    where rows have one layout.
    """

    name: str
    source: str
    as_of: str
    wire_text: bool
    tables: Mapping[str, Mapping[str, Type]]
    caveats: tuple[str, ...] = ()
    time_forms: Mapping[str, TimeForm] = field(default_factory=dict)
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    native: Mapping[str, str] = field(default_factory=dict)
    """The vendor's name of a column's type, where it does not follow from `Type` (`int`, `dynamic`)."""
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """For a table that is a view over tagged events (a Splunk data model), the tags that each of them has."""
    fills: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """For such a table, what the view puts into columns that an event lacks."""

    def columns(self, *tables: str) -> dict[str, Type]:
        """Every column of the named tables, or of all tables where none is named.

        Raises PolysigmaError for a table that the schema does not know.
        """
        merged: dict[str, Type] = {}
        for table in tables or self.tables:
            if table not in self.tables:
                raise PolysigmaError(
                    Diagnostic(
                        "unknown-table",
                        f"{table!r} is not a table of the {self.name} schema ({self.as_of})",
                        _nearest(table, self.tables),
                    )
                )
            merged.update(self.tables[table])
        return merged

    def type_of(self, column: str, *tables: str) -> Type | None:
        """The type of a column in the named tables (in any table where none is named); None where no table has it.

        A column has one type in all tables of a schema. Raises PolysigmaError for an unknown table.
        """
        return self.columns(*tables).get(column)


def known() -> tuple[str, ...]:
    """The names that `load` takes."""
    names = (entry.name for entry in files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(".json") for name in names if name.endswith(".json")))


@cache
def load(name: str) -> Schema:
    """The schema of that name. Raises PolysigmaError, listing the known ones, for any other name."""
    if name not in known():
        raise PolysigmaError(
            Diagnostic("unknown-schema", f"no schema is called {name!r}", f"known: {', '.join(known())}")
        )
    data = json.loads(files(__name__).joinpath(f"{name}.json").read_text(encoding="utf-8"))
    base = load(data["extends"]) if "extends" in data else None
    apart = frozenset(data.get("apart", ()))
    types = {column: Type(kind) for kind, columns in data["types"].items() for column in columns}
    tables: dict[str, dict[str, Type]] = {}
    for table in (*(base.tables if base else ()), *data["tables"]):
        if table in tables:
            continue
        columns = (*(() if table in apart else data["common"]), *data["tables"].get(table, ()))
        inherited = base.tables.get(table, {}) if base else {}
        tables[table] = {**inherited, **{column: types.get(column, Type.TEXT) for column in columns}}
    forms = {column: TimeForm(form) for column, form in data["time_forms"].items()}
    return Schema(
        name=name,
        source=data["source"],
        as_of=data["as_of"],
        wire_text=data["wire_text"],
        tables=tables,
        caveats=(*(base.caveats if base else ()), *data["caveats"]),
        time_forms={**(base.time_forms if base else {}), **forms},
        shapes={shape: _shape(shape, paths) for shape, paths in data.get("shapes", {}).items()},
        native={column: kind for kind, columns in data.get("native", {}).items() for column in columns},
        tags={table: tuple(names) for table, names in data.get("tags", {}).items()},
        fills=data.get("fills", {}),
    )


def _shape(name: str, paths: dict[str, Any]) -> Shape:
    return Shape(name, paths["fields"], {column: path for column, path in paths.items() if column != "fields"})


def _nearest(name: str, names: Mapping[str, Any]) -> str | None:
    from difflib import get_close_matches

    close = get_close_matches(name, names, n=3)
    return f"did you mean {' or '.join(close)}?" if close else None
