"""Operators of KQL that look at one row at a time: `where`, and `extend`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polysigma.plan.expressions import Call, Column, Exists, Expression, Not, Or, columns, conjuncts
from polysigma.plan.scope import columns_after
from polysigma.plan.steps import Derive

from .kql_addresses import address_columns, by_family
from .kql_expressions import Expressions
from .kql_functions import ALL_DETAILS, registry_details
from .kql_text import name

if TYPE_CHECKING:
    from polysigma.plan.types import Type

WIDTH = 110
"""Longer conditions and lists are broken, one part a line."""


class Rows:
    """What is known of the rows that the lines so far give."""

    def __init__(self) -> None:
        self.types: dict[str, Type] = {}
        self.present: set[str] = set()
        """The columns that no row lacks."""
        self.never_zero: frozenset[str] = frozenset()
        self.plain: frozenset[str] = frozenset()
        self.details: dict[str, frozenset[str]] = {}

    @property
    def expressions(self) -> Expressions:
        printer = Expressions(self.types, self.present)
        printer.never_zero = self.never_zero
        return printer

    def where(self, condition: Expression) -> list[str]:
        """Filters; what they ask to be there is not missing afterwards."""
        parts = tuple(part for item in conjuncts(condition) for part in by_family(item))
        printed = [self._operand(part) for part in parts] if len(parts) > 1 else [self.expressions.bare(parts[0])]
        for part in parts:
            if isinstance(part, Exists) and isinstance(part.item, Column):
                self.present.add(part.item.name)
        together = " and ".join(printed)
        if len(together) <= WIDTH:
            return [f"where {together}"]
        return [f"where {self._broken(part)}" for part in parts]

    def _broken(self, part: Expression) -> str:
        """A filter of its own; alternatives that are too long for a line stand one a line."""
        text = self.expressions.bare(part)
        if len(text) <= WIDTH:
            return text
        match part:
            case Or():
                return "\n    or ".join(self.expressions.alternatives(part))
            case Not(item=Or() as item):
                alternatives = self.expressions.alternatives(item, strict=True)
                return "not(" + "\n    or ".join(alternatives) + ")"
            case _:
                return text

    def _operand(self, part: Expression) -> str:
        text = self.expressions.condition(part)
        return f"({text})" if isinstance(part, Or) else text

    def extended(self, items: list[tuple[str, Expression]]) -> list[str]:
        """Computed columns, in a further `extend` where one uses another."""
        lines: list[str] = []
        batch: list[str] = []
        made: set[str] = set()
        for column, expression in items:
            chain = self._made(column, expression)
            if made & set(columns(expression)):
                lines.append(laid_out("extend", batch))
                batch, made = [], set()
            for number, (target, text) in enumerate(chain):
                if number:
                    lines.append(laid_out("extend", batch))
                    batch, made = [], set()
                batch.append(f"{name(target)} = {text}")
                made.add(target)
            there = self.expressions.is_there(expression)
            self.types = columns_after((Derive(((column, expression),)),), self.types)
            self.present = self.present - {column} | ({column} if there else set())
        return [*lines, laid_out("extend", batch)] if batch else lines

    def _made(self, column: str, expression: Expression) -> list[tuple[str, str]]:
        """A computed column, as one or several that follow from each other."""
        if not isinstance(expression, Call) or expression.name not in {"address", "registry_details"}:
            printer = self.expressions
            printer.plain = column in self.plain
            return [(column, printer.assigned(expression))]
        argument = expression.arguments[0]
        if expression.name == "registry_details":
            kind, data = (self.expressions.text(part) for part in expression.arguments)
            number = f"{column}Number"
            details = registry_details(kind, data, name(number), self.details.get(column, ALL_DETAILS))
            return [*([(number, f"tolong({data})")] if number in details else []), (column, details)]
        source = self.expressions.text(argument)
        if isinstance(argument, Column):
            return address_columns(column, source)
        written = f"{column}Written"
        return [(written, source), *address_columns(column, name(written))]


def laid_out(operator: str, items: list[str]) -> str:
    together = f"{operator} {', '.join(items)}"
    return together if len(together) <= WIDTH else f"{operator}\n    " + ",\n    ".join(items)
