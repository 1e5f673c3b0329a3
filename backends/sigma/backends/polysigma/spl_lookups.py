"""Lookups in SPL: a command puts what it finds into a field of its own, and conditions ask whether that is there.

`lookup` compares with regard to case unless transforms.conf says otherwise, so both sides are in lower case; it takes
the name of a CSV file as that of a table, and OUTPUT gives nothing for a row that it has no match for (Splunk Search
Reference, "lookup").
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from polysigma.plan.expressions import Column, Expression, In, Lookup, walk
from polysigma.plan.lookups import COLUMN

from .spl_text import eval_name, search_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .spl_values import Values


def found_in(item: Expression, lookup: Lookup) -> str:
    """The field that is there where a value is in a lookup."""
    assert isinstance(item, Column)  # as every test of a Sigma field is
    return f"{lookup.name}_{item.name}"


def lookups(values: Values, conditions: Iterable[Expression]) -> list[str]:
    """The commands that conditions need before them, one for each lookup and column."""
    lines: dict[str, None] = {}
    for node in (node for condition in conditions for node in walk(condition)):
        if not (isinstance(node, In) and isinstance(node.choices, Lookup) and isinstance(node.item, Column)):
            continue
        found, key = found_in(node.item, node.choices), values.name(node.item.name)
        if node.item.name not in values.lowered:
            lines[f"eval {eval_name(f'{found}_key')}=lower({values.text(node.item)})"] = None
            key = f"{found}_key"
        lines[
            f"lookup {node.choices.name}.csv {COLUMN} AS {search_name(key)} OUTPUT {COLUMN} AS {search_name(found)}"
        ] = None
    return list(lines)
