"""From a rule and its events to a curve for each parameter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from polysigma.diagnostics import PolysigmaError
from polysigma.tune.model import Curve, Point
from polysigma.tune.values import around

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from polysigma.plan.metadata import ParameterModel, ParameterValue
    from polysigma.plan.steps import Plan
    from polysigma.replay import Hit
    from sigma.backends.polysigma.compiler import Compiled

    Compile = Callable[[Mapping[str, ParameterValue]], Compiled]
    """The rule with some parameters set otherwise. Raises PolysigmaError where it cannot be converted so."""


class Events(Protocol):
    """Events that can be asked for the hits of many variants of a plan."""

    matched: int
    """How many of them the rule takes."""

    def hits(self, plan: Plan) -> list[Hit]:
        """The hits of a variant, window after window."""


class Known(Protocol):
    """What is known about the hits that there may be."""

    @property
    def malicious(self) -> int | None:
        """How many different hits are known to be malicious; None where nothing is known."""

    def found(self, hits: Iterable[Hit]) -> int:
        """How many of them are among some hits."""

    def false(self, hits: Iterable[Hit]) -> int | None:
        """How many of some hits are known not to be; None where that is not known."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing is known."""

    malicious: int | None = None

    def found(self, hits: Iterable[Hit]) -> int:
        del hits
        return 0

    def false(self, hits: Iterable[Hit]) -> int | None:
        del hits
        return None


def measure(
    events: Events,
    compiling: Compile,
    parameters: Mapping[str, tuple[ParameterModel, ParameterValue]],
    days: float,
    known: Known | None = None,
    *,
    progress: Callable[[float], None] | None = None,
) -> list[Curve]:
    """A curve for each of some parameters; each comes with its model and with the value that it has now."""
    known = known or Nothing()
    work = [(name, list(around(value))) for name, (_, value) in parameters.items()]
    total, done = sum(len(values) for _, values in work), 0
    curves = []
    for name, values in work:
        model, now = parameters[name]
        points: list[Point] = []
        refused: list[str] = []
        for label, value in values:
            done += 1
            try:
                hits = events.hits(compiling({} if value == now else {name: value}).plan)
            except PolysigmaError as error:
                refused.append(f"{label}: {error.findings[0].message}")
                continue
            points.append(_point(label, value, hits, days, known, default=value == now))
            if progress:
                progress(done / total)
        curves.append(
            Curve(
                parameter=name,
                about=model.about,
                unit=model.unit,
                raising=model.raise_,
                lowering=model.lower,
                points=tuple(points),
                known=known.malicious or 0,
                refused=tuple(refused),
            )
        )
    return curves


def _point(
    label: str, value: ParameterValue, hits: Sequence[Hit], days: float, known: Known, *, default: bool
) -> Point:
    return Point(
        value=value,
        label=label,
        alerts=len(hits),
        alerts_a_day=round(len(hits) / days, 4) if days else 0.0,
        found=known.found(hits) if known.malicious is not None else None,
        false=known.false(hits),
        default=default,
    )


def fits(hit: Hit, expected: Mapping[str, Any]) -> bool:
    """Whether a hit has all of some values; text is compared without regard to case, and a number as text is one."""
    return all(name in hit and str(hit[name]).casefold() == str(value).casefold() for name, value in expected.items())
