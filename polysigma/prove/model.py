"""What a proof says: a verdict for each rule on each platform, the scenarios it rests on, and every difference."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from polysigma.diagnostics import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from polysigma.diagnostics import Diagnostic


class Status(StrEnum):
    """What is known of a rule on a platform."""

    EXACT = "exact"
    """Every scenario gives what it expects, what the oracle gives, and what the other platforms give."""
    APPROXIMATE = "approximate"
    """The same, up to losses that the platform declares and scenarios name."""
    BLIND = "blind"
    """The platform's telemetry cannot show this; the query means what the plan says, and finds nothing of use."""
    REFUSED = "refused"
    """The rule cannot be said on the platform."""
    NOT_EXECUTED = "not executed"
    """There is a query, and nothing here that runs it: nothing is known."""
    WRONG = "WRONG"
    """There is a difference that nothing declares."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not as it should be.

    `kind`: `query` (the text is not valid), `engine` (it did not run), `oracle` (the query gives something else than
    its plan does on the same rows), `expectation` (the scenario says otherwise), `platforms` (another platform finds
    something else), `excuse` (a scenario excuses what is not declared, or not there).
    """

    kind: str
    message: str
    scenario: str | None = None
    step: str | None = None
    window_end: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """The difference as JSON-ready data."""
        return {
            "kind": self.kind,
            "scenario": self.scenario,
            "message": self.message,
            "step": self.step,
            "window_end": self.window_end,
        }

    def __str__(self) -> str:
        where = f"{self.scenario}: " if self.scenario else ""
        return f"{where}{self.message}" + (f" [{self.step}]" if self.step else "")


@dataclass(slots=True)
class Case:
    """One scenario on one platform."""

    scenario: str
    rows: int = 0
    windows: int = 0
    hits: int = 0
    seconds: float = 0.0
    excused: tuple[str, ...] = ()
    """The declared losses that this scenario shows."""
    differences: list[Difference] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The case as JSON-ready data."""
        return {
            "name": self.scenario,
            "rows": self.rows,
            "windows": self.windows,
            "hits": self.hits,
            "seconds": round(self.seconds, 3),
            "shows": list(self.excused),
            "differences": [difference.as_dict() for difference in self.differences],
        }


@dataclass(slots=True)
class Verdict:
    """One rule on one platform."""

    rule: str
    title: str
    file: str
    platform: str
    target: str
    fidelity: Status
    """What it is if nothing is wrong."""
    engine: str | None = None
    reasons: tuple[str, ...] = ()
    """Why it is refused, blind or not executed; what it loses where it is approximate."""
    unshown: Mapping[str, str] = field(default_factory=dict)
    """For each of the reasons that no scenario can show, why not."""
    elsewhere: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """For each of the reasons, which scenarios of other rules show it of the same platform (`rule: scenario`)."""
    cases: list[Case] = field(default_factory=list)
    general: list[Difference] = field(default_factory=list)
    """Differences that are not about a scenario."""
    assumptions: frozenset[str] = frozenset()
    hangs: Mapping[str, str] = field(default_factory=dict)
    """The assumptions without which the verdict would be another, and the first difference then."""

    @property
    def differences(self) -> list[Difference]:
        """All of them."""
        return [*self.general, *(one for case in self.cases for one in case.differences)]

    @property
    def status(self) -> Status:
        """The verdict."""
        return Status.WRONG if self.differences else self.fidelity

    @property
    def shown(self) -> dict[str, tuple[str, ...]]:
        """For each loss the scenarios that show it."""
        return {
            reason: tuple(case.scenario for case in self.cases if reason in case.excused) for reason in self.reasons
        }

    @property
    def owed(self) -> tuple[str, ...]:
        """The declared losses that a scenario could show, and none does, of this rule or of another."""
        if self.fidelity is not Status.APPROXIMATE:
            return ()
        shown = self.shown
        known = (self.unshown, self.elsewhere)
        return tuple(one for one in self.reasons if not shown[one] and not any(one in why for why in known))

    def as_dict(self) -> dict[str, Any]:
        """The verdict as JSON-ready data."""
        return {
            "rule": self.rule,
            "title": self.title,
            "file": self.file,
            "platform": self.platform,
            "target": self.target,
            "engine": self.engine,
            "verdict": self.status.value,
            "reasons": [
                {
                    "text": reason,
                    "shown_by": list(names),
                    "shown_elsewhere": list(self.elsewhere.get(reason, ())),
                    "cannot_be_shown": self.unshown.get(reason),
                }
                for reason, names in self.shown.items()
            ],
            "differences": [difference.as_dict() for difference in self.differences],
            "scenarios": [case.as_dict() for case in self.cases],
            "assumptions": sorted(self.assumptions),
            "hangs_on": dict(self.hangs),
        }


def shown_elsewhere(verdict: Verdict, verdicts: Iterable[Verdict]) -> dict[str, tuple[str, ...]]:
    """For the losses of a verdict, the scenarios of other rules that show the same one of the same platform."""
    others = [one for one in verdicts if one.platform == verdict.platform and one.rule != verdict.rule]
    found = {
        reason: tuple(f"{one.rule}: {name}" for one in others for name in one.shown.get(reason, ()))
        for reason in verdict.reasons
    }
    return {reason: names for reason, names in found.items() if names}


@dataclass(slots=True)
class Proof:
    """What was proven, and what was not."""

    verdicts: list[Verdict] = field(default_factory=list)
    findings: list[Diagnostic] = field(default_factory=list)
    """What is wrong with rules and scenarios themselves."""
    seconds: float = 0.0
    flipped: bool = False
    """Whether each verdict was held against the alternatives of its assumptions."""

    @property
    def holds(self) -> bool:
        """Whether there is nothing undeclared: no difference, and no rule whose scenarios prove nothing."""
        wrong = any(verdict.differences for verdict in self.verdicts)
        return not wrong and not any(one.severity is Severity.ERROR for one in self.findings)

    @property
    def assumptions(self) -> list[str]:
        """The ids of what is taken for granted where something was proven."""
        return sorted({name for verdict in self.verdicts for name in verdict.assumptions})

    def as_dict(self) -> dict[str, Any]:
        """The proof as JSON-ready data: see docs/guide/proof.md."""
        return {
            "version": 1,
            "holds": self.holds,
            "seconds": round(self.seconds, 3),
            "assumptions": self.assumptions,
            "flipped": self.flipped,
            "findings": [finding.as_dict() for finding in self.findings],
            "verdicts": [verdict.as_dict() for verdict in self.verdicts],
        }
