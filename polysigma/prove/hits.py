"""Hits in one spelling: what is compared between an engine and the oracle, and between platforms."""

from __future__ import annotations

import ipaddress
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from polysigma.diagnostics import PolysigmaError
from polysigma.engines.reference.values import convert
from polysigma.plan.steps import Annotate, Group, Ordered, Sort
from polysigma.plan.types import Type

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from polysigma.plan.steps import Output, Plan
    from polysigma.telemetry import HostDirectory

    Reader = Callable[[Any, Type], Any]

TOLERANCE = 1e-6
"""Reals are equal within this part of them: engines add in different orders, and hold times to a micro- or millisecond.
Whole numbers, times, text and truth are equal or they are not."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One hit, at the end of its window (None: the rule has no window).

    `key` and `values` are by the platform's columns, in one spelling; `fields` by the rule's names, hosts by the
    scenario's. Lists are for display: they stand apart and identify nothing.
    """

    end: int | None
    key: tuple[tuple[str, Any], ...]
    values: tuple[tuple[str, Any], ...]
    fields: tuple[tuple[str, Any], ...]
    lists: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """By the rule's names, JSON-ready."""
        return {"window_end": self.end, **dict(self.fields), **{name: list(items) for name, items in self.lists}}

    def said(self) -> str:
        """For people: the fields, without lists."""
        return ", ".join(f"{name} {_shown(value)}" for name, value in self.fields)

    def fits(self, expected: Mapping[str, Any]) -> bool:
        """Whether the hit has all of these values; text is compared without regard to case."""
        fields = dict(self.fields)
        return all(name in fields and _same(fields[name], value) for name, value in expected.items())


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _same(found: Any, expected: Any) -> bool:
    if isinstance(expected, bool) or isinstance(found, bool):
        return found is expected
    if isinstance(expected, int | float):
        return isinstance(found, int | float) and near(found, expected)
    return str(found).casefold() == str(expected).casefold()


def near(one: Any, other: Any) -> bool:
    """Whether two values are the same, reals within the tolerance."""
    if isinstance(one, float) or isinstance(other, float):
        numbers = isinstance(one, int | float) and isinstance(other, int | float)
        return numbers and math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return bool(one == other)


def alike(some: Iterable[tuple[str, Any]], others: Iterable[tuple[str, Any]]) -> bool:
    """Whether all of two hits' values are the same, in their order."""
    return all(
        name == other and near(value, second) for (name, value), (other, second) in zip(some, others, strict=True)
    )


def read(value: Any, kind: Type) -> Any:
    """A value of a result or of the oracle's as its type: hashable, whole numbers whole, times to the millisecond."""
    found = convert(kind)(value)
    if isinstance(found, list):
        return tuple(sorted({_one_address(item) for item in found}))
    if kind is Type.TEXT and isinstance(found, str):
        return _one_address(found)
    if kind is Type.TIME and isinstance(found, float):
        return f"{datetime.fromtimestamp(round(found, 3), UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
    if kind is Type.INTEGER and isinstance(found, float) and found.is_integer():
        return int(found)
    return found


def _one_address(text: str) -> str:
    """An IPv6 address as it is written in a scenario: each language has its own spelling, also among texts."""
    if ":" not in text:
        return text
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text


class Reading:
    """How the rows of a plan become hits on one platform in one scenario."""

    def __init__(self, plan: Plan, directory: HostDirectory, hosts: Collection[str]) -> None:
        """`hosts` are the canonical fields that name a host."""
        self.outputs = [output for output in plan.outputs if output.role != "label"]
        self.labels: dict[str, list[str]] = {}
        for output in plan.outputs:
            if output.role == "label":
                self.labels.setdefault(output.canonical, []).extend(output.columns)
        self.directory = directory
        self.hosts = frozenset(hosts)

    def hit(self, row: Mapping[str, Any], end: int | None, reader: Reader = read) -> Hit:
        """The hit that a row is."""
        key: list[tuple[str, Any]] = []
        values: list[tuple[str, Any]] = []
        fields: list[tuple[str, Any]] = []
        lists: list[tuple[str, tuple[str, ...]]] = []
        for output in self.outputs:
            found = [(column, reader(row.get(column), output.type)) for column in output.columns]
            if output.type is Type.LIST:
                lists.append((output.canonical, found[-1][1] or ()))
                continue
            (key if output.role == "key" else values).extend(found)
            fields.append((output.canonical, self._field(output, row, found)))
        return Hit(end, tuple(key), tuple(values), tuple(fields), tuple(lists))

    def _field(self, output: Output, row: Mapping[str, Any], found: Sequence[tuple[str, Any]]) -> Any:
        if output.canonical not in self.hosts:
            return found[-1][1]
        labels = [row.get(column) for column in self.labels.get(output.canonical, ())]
        named = (self.host(value) for value in (*(value for _, value in found), *labels))
        return next((name for name in named if name), found[-1][1])

    def host(self, value: Any) -> str | None:
        """The scenario's name of the host behind a name, an address, or an id that starts with its agent id."""
        if not isinstance(value, str) or not value:
            return None
        for candidate in (value, value.partition(".")[0]):
            if candidate in self.directory:
                return self.directory.host(candidate).name
        try:
            return self.directory.computer(value[:32])
        except PolysigmaError:
            return next((host.name for host in self.directory if value in {host.ip, host.ip6}), None)


def lists_differ(plan: Plan, found: Hit, whole: Hit) -> str | None:
    """What is wrong with the display lists of a hit, held against lists without a limit; None where nothing is.

    Which values a list keeps that has a limit is not said anywhere; that it holds others than there are, or fewer
    than there is room for, would be wrong.
    """
    limits = [
        measure.constant
        for step in plan.steps
        if isinstance(step, Group | Ordered | Annotate)
        for measure in step.measures
        if measure.function == "collect" and measure.constant is not None
    ]
    room = min(limits, default=0)
    for (name, items), (_, all_items) in zip(found.lists, whole.lists, strict=True):
        if set(items) - set(all_items):
            return f"{name} lists {', '.join(sorted(set(items) - set(all_items)))}, which is not there"
        if len(items) < min(len(all_items), room):
            return f"{name} lists {len(items)} of {len(all_items)} values"
    return None


def order_of(plan: Plan, hits: Iterable[Hit]) -> list[tuple[Any, ...]]:
    """The values that hits were ordered by, as far as they are shown; nothing where the plan orders nothing."""
    last = plan.steps[-1] if plan.steps else None
    if not isinstance(last, Sort):
        return []
    columns = [column for column, _ in last.columns]
    return [tuple(dict((*hit.key, *hit.values)).get(column) for column in columns) for hit in hits]
