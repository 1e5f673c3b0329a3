"""Copies of rows on hosts of their own, and how many of the first rows make a difference."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

from plan_values import needed

from polysigma.plan.expressions import columns
from polysigma.plan.steps import TIME_COLUMN, Annotate, Derive

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

    from polysigma.plan.steps import Plan

Row: TypeAlias = "Mapping[str, Any]"

GRID = 16
"""Places of a scenario between which edges are looked for."""


class Copies:
    """Copies of rows, each on hosts of its own; where the plan counts over hosts, to peers of their own too."""

    def __init__(self, plan: Plan, rows: Iterable[Mapping[str, Any]], hosts: Iterable[str]) -> None:
        self._columns = {name for row in rows for name in row}
        # Each search derives a column in its own way.
        self._derived: dict[str, list[list[str]]] = {}
        for name, value in (pair for source in plan.sources for pair in source.derived):
            self._derived.setdefault(name, []).append(list(dict.fromkeys(columns(value))))
        for step in plan.steps:
            if isinstance(step, Derive):
                self._derived |= {name: [list(columns(value))] for name, value in step.columns if columns(value)}
        hosts = set(hosts)
        self.hosts = [name for host in sorted(hosts) for name in self.raw(host)]
        over = [step.by for step in plan.steps if isinstance(step, Annotate) and not hosts & set(step.by)]
        self._peers = [name for by in over for column in by for name in self.raw(column)]
        self.keys = sorted({name for column in needed(plan) for name in self.raw(column)})
        self._number = 0

    def raw(self, column: str) -> list[str]:
        """The columns of rows that a column is made of."""
        return _raw(column, self._derived, self._columns)

    def alternatives(self) -> list[list[str]]:
        """Columns that one derived column, which is no time, is made of, where they are several."""
        made = (names for name, ways in self._derived.items() if name != TIME_COLUMN for names in ways)
        found = [[name for name in names if name not in self._derived] for names in made]
        return [names for names in found if len(names) > 1]

    def fresh(self, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """A copy of the rows; a host without a name keeps none."""
        self._number += 1
        made = []
        for row in rows:
            copy = dict(row)
            for name in self.hosts:
                if there(copy.get(name)):
                    copy[name] = f"{copy[name]}-{self._number}"
            for name in self._peers:
                if is_ipv4(copy.get(name)):
                    copy[name] = f"52.{self._number // 250}.{self._number % 250}.{copy[name].split('.')[3]}"
            made.append(copy)
        return made


def edges(rows: Sequence[Mapping[str, Any]], find: Callable[[Sequence[Mapping[str, Any]]], Hashable]) -> list[int]:
    """How many of the first rows make a difference, and one fewer, by what `find` says of them; all of them last.

    Looked for between a few places, and where these differ between them: what comes and goes in between is not seen.
    """
    found: dict[int, Hashable] = {}

    def at(count: int) -> Hashable:
        if count not in found:
            found[count] = find(rows[:count])
        return found[count]

    chosen = {len(rows)}
    stretches = list(pairwise(sorted({len(rows) * part // GRID for part in range(GRID + 1)})))
    while stretches:
        first, last = stretches.pop()
        if at(first) == at(last):
            continue
        if last - first == 1:
            chosen |= {first, last}
            continue
        middle = (first + last) // 2
        stretches += [(first, middle), (middle, last)]
    return sorted(chosen - {0})


def fewest(rows: Sequence[Row], enough: Callable[[Sequence[Row]], bool]) -> list[Row]:
    """Some of the rows, in their order, that are enough, and of which none can be left out.

    Larger pieces are left out first, so that it takes no run for every row of a scenario.
    """
    left = list(rows)
    size = len(left)
    while size:
        start = 0
        while start < len(left):
            rest = [*left[:start], *left[start + size :]]
            if rest and enough(rest):
                left = rest
            else:
                start += size
        size //= 2
    return left


def is_ipv4(value: object) -> bool:
    """Whether a value is written as an IPv4 address."""
    return isinstance(value, str) and re.fullmatch(r"\d+(\.\d+){3}", value) is not None


def there(value: object) -> bool:
    """Whether there is a value at all."""
    return value is not None and value != ""


def nothing(value: object) -> str | None:
    """No value, as rows have it: an empty text for a text."""
    return "" if isinstance(value, str) else None


def _raw(
    column: str, derived: Mapping[str, list[list[str]]], raw: set[str], seen: frozenset[str] = frozenset()
) -> list[str]:
    """The columns of rows that a column is made of."""
    if column in derived and column not in seen:
        inner = (_raw(one, derived, raw, seen | {column}) for names in derived[column] for one in names)
        return list(dict.fromkeys(name for names in inner for name in names))
    return [column] if column in raw else []
