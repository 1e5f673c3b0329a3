"""One way to run the TEXT of a query on a platform's rows, whatever its language; an adapter an engine.

A target that has no engine here is not run, and whoever asks is told so: it is never taken for proven.
"""

from __future__ import annotations

import bisect
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

from polysigma.diagnostics import Diagnostic, PolysigmaError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

    from polysigma.plan.types import Type


Row = dict[str, Any]
Shelf = TypeVar("Shelf", bound="Closable")

Window = tuple[int, int]
"""From the first second on and up to, but not with, the last: seconds since the epoch."""


@dataclass(frozen=True)
class Data:
    """The rows of one platform: the name of its schema, the rows on the wire, and when each happened.

    `times` are seconds since the epoch by the clock that the platform's claims name, None where a row has none. An
    engine whose query knows the time of its rows does not look at them. `lookups` are those that a site has uploaded,
    by name, with the values of each.
    """

    schema: str
    rows: Sequence[Mapping[str, Any]]
    times: Sequence[float | None]
    lookups: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @cached_property
    def ordered(self) -> tuple[list[float], list[int]]:
        """The times of the rows that have one, ascending, and the number of the row that each is of."""
        pairs = sorted((time, number) for number, time in enumerate(self.times) if time is not None)
        return [time for time, _ in pairs], [number for _, number in pairs]

    def span(self, window: Window) -> tuple[int, int]:
        """The first and one past the last of the rows in a window, in the order of time."""
        times, _ = self.ordered
        return bisect.bisect_left(times, window[0]), bisect.bisect_left(times, window[1])

    def within(self, window: Window | None) -> Sequence[int]:
        """The numbers of the rows in a window, in the order of time; of all rows where there is no window."""
        if window is None:
            return range(len(self.rows))
        first, end = self.span(window)
        return self.ordered[1][first:end]


@dataclass(frozen=True)
class Result:
    """What an engine made of a query on some rows.

    `incomplete`: a limit was passed, so that rows are missing. `assumptions`: ids of what the engine takes for granted
    and the result may hang on.
    """

    rows: list[Row]
    incomplete: bool = False
    warnings: tuple[str, ...] = ()
    assumptions: frozenset[str] = field(default_factory=frozenset)


class Store(ABC):
    """Rows, ready to have queries run on them. Close it, or use it in a `with` statement."""

    @abstractmethod
    def run(self, text: str, windows: Sequence[Window | None], flip: frozenset[str] = frozenset()) -> Iterator[Result]:
        """What a query gives on each window, in their order; None is all rows.

        `flip` are assumptions of which the alternative is taken. Raises PolysigmaError where the engine refuses the
        query, with its reason.
        """

    def close(self) -> None:  # noqa: B027 - most stores keep nothing
        """Lets go of what the store keeps."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Runner(ABC):
    """An engine: it judges the text of a query, and runs it."""

    target: str
    engine: str
    """What to call it."""

    def unavailable(self) -> str | None:
        """Why it cannot run here, or None."""
        return None

    @abstractmethod
    def findings(self, text: str, schema: str) -> list[Diagnostic]:
        """What is wrong with the text of a query, known without running it."""

    @abstractmethod
    def store(self, data: Data, text: str) -> Store:
        """The rows, stored so that this query can be run, and others that read no more columns than it does."""

    def prefixes(self, text: str) -> list[str]:
        """Queries made of ever more of the steps of one, the whole one last; just that one where steps have no seam."""
        return [text]

    def flips(self) -> frozenset[str]:
        """The assumptions of which the engine can take the alternative."""
        return frozenset()

    def value(self, value: Any, kind: Type) -> Any:
        """A value of a result in the form in which all engines give one: lists as lists, times as times."""
        del kind
        return value


def no_flips(flip: frozenset[str]) -> None:
    """Raises ValueError where an engine that can flip nothing is asked to flip an assumption."""
    if flip:
        raise ValueError(f"no assumption that can be flipped: {', '.join(sorted(flip))}")


class Closable(Protocol):
    """What has to be closed."""

    def close(self) -> None: ...


def kept(shelves: dict[Hashable, Shelf], key: Hashable, most: int, make: Callable[[], Shelf]) -> Shelf:
    """What is kept under a key, made where there is none; the one kept longest is closed where there are too many."""
    if key not in shelves:
        if len(shelves) >= most:
            shelves.pop(next(iter(shelves))).close()
        shelves[key] = make()
    return shelves[key]


def runner(language: str) -> Runner:
    """The engine for a target, or for a dialect of SQL; a server where one is set.

    Raises PolysigmaError, with the reason, where there is none that can run here.
    """
    from polysigma.engines.runners.servers import server

    if language not in _RUNNERS:
        raise PolysigmaError(Diagnostic("no-engine", f"there is no engine for {language} here"))
    module, name = _RUNNERS[language]
    found: Runner = server(language) or getattr(import_module(f"{__name__}.{module}"), name)()
    reason = found.unavailable()
    if reason:
        raise PolysigmaError(Diagnostic("no-engine", reason))
    return found


_RUNNERS = {
    "sql": ("sql", "SqlRunner"),
    "duckdb": ("sql", "SqlRunner"),
    "spark": ("spark", "SparkRunner"),
    "logscale": ("cql", "CqlRunner"),
    "kql": ("kql", "KqlRunner"),
    "spl": ("spl", "SplRunner"),
}
