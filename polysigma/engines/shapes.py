"""Which platform a row of data is from, and where in it each column stands.

The columns and the ways in which shippers lay them out are facts of `polysigma.schemas`. Here they are only put to
use: a row is recognised by the keys that every event of a platform has, and a column is looked for at every path where
one of the platform's shippers puts it (one file may hold rows of several).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from polysigma.diagnostics import Diagnostic, PolysigmaError
from polysigma.schemas import Shape, load

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from polysigma.schemas import Schema


@dataclass(frozen=True, slots=True)
class Family:
    """The rows of one platform, in all their shapes.

    `mark` is the column that says what kind of event a row is; `proof` are columns of which a row must hold one
    besides, for a mark that other products have too. `platform` is the id of the platform's claims.
    """

    name: str
    platform: str
    title: str
    mark: str
    proof: tuple[str, ...]
    schema: Schema
    shapes: tuple[Shape, ...]

    def paths(self, column: str, shapes: Sequence[Shape] = ()) -> tuple[str, ...]:
        """The dotted paths at which a column may stand, in the given shapes or in all."""
        return tuple(dict.fromkeys(shape.path(column) for shape in shapes or self.shapes))

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Whether a row is of this family, in one of its shapes."""
        return self._shape_of(row) is not None

    def like(self, rows: Iterable[Mapping[str, Any]]) -> tuple[Shape, ...]:
        """The shapes that put the columns where the first row that is of this family has them; else the first ones."""
        shape = next((shape for row in rows if (shape := self._shape_of(row))), self.shapes[0])
        return tuple(other for other in self.shapes if other.fields == shape.fields)

    def _shape_of(self, row: Mapping[str, Any]) -> Shape | None:
        for shape in self.shapes:
            proven = not self.proof or any(_has(row, shape.path(column)) for column in self.proof)
            if proven and _has(row, shape.path(self.mark)):
                return shape
        return None


def _has(row: Mapping[str, Any], path: str) -> bool:
    if path in row:  # the whole path as one name: flattened CSV and Parquet
        return True
    value: Any = row
    for part in path.split("."):
        if not isinstance(value, dict) or part not in value:
            return False
        value = value[part]
    return True


@cache
def families() -> dict[str, Family]:
    """The families by name (the values of `--shape`)."""
    sysmon, fdr = load("sysmon"), load("fdr")
    return {
        "sysmon": Family(
            name="sysmon",
            platform="sysmon_json",
            title="Sysmon events as JSON",
            mark="EventID",
            # Any Windows event has an id: the machine or Sysmon's own clock must be there too. (The top-level `host` of
            # NXLog and Winlogbeat rows is the collector, not the machine, and proves nothing.)
            proof=("Computer", "UtcTime"),
            schema=sysmon,
            shapes=tuple(sysmon.shapes.values()),
        ),
        "fdr": Family(
            name="fdr",
            platform="fdr",
            title="Falcon Data Replicator events",
            mark="event_simpleName",
            proof=(),
            schema=fdr,
            # The second: events exported from LogScale itself, where the event's name is a tag and carries `#`.
            shapes=(
                *(fdr.shapes.values() or (Shape("flat", "", {}),)),
                Shape("logscale", "", {"event_simpleName": "#event_simpleName", "timestamp": "@timestamp"}),
            ),
        ),
    }


def family(name: str) -> Family:
    """The family of that name. Raises PolysigmaError, listing the known ones, for any other name."""
    if name not in families():
        known = ", ".join(families())
        raise PolysigmaError(Diagnostic("unknown-shape", f"no data shape is called {name!r}", f"known: {known}"))
    return families()[name]


def recognise(rows: Iterable[Mapping[str, Any]]) -> Family | None:
    """The family of the first row that is of one; None where no row is."""
    for row in rows:
        for candidate in families().values():
            if candidate.holds(row):
                return candidate
    return None


def unrecognised(file: str, keys: Sequence[str]) -> Diagnostic:
    """The finding for data of no known shape: the keys that were seen, and those that would be right."""
    shown = ", ".join(keys[:12]) + (f" and {len(keys) - 12} more" if len(keys) > 12 else "")
    wanted = []
    for candidate in families().values():
        forms = dict.fromkeys(
            " and ".join(shape.path(key) for key in (candidate.mark, *candidate.proof[:1]))
            for shape in candidate.shapes
        )
        wanted.append(f"{candidate.title} have {', or '.join(forms)}")
    return Diagnostic(
        "unknown-data",
        f"is of no known shape; its keys: {shown or 'none'}",
        f"{'; '.join(wanted)} (or name the shape: --shape {'|'.join(families())})",
        file,
    )
