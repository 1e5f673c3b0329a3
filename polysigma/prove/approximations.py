"""What detections declare to lose on each platform, and which scenario shows it, as a page.

    python -m polysigma.prove.approximations > docs/reference/approximations.md

Nothing is run for it: a scenario says which losses it shows, and `polysigma prove` holds it to that.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from polysigma.prove.judgement import named
from polysigma.prove.model import Case, Status, shown_elsewhere

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from polysigma.prove.prepare import Detection

_HEAD = """\
# What is approximate, and what shows it

Made by `python -m polysigma.prove.approximations` from the packaged detections, the claims about the platforms, and the
scenarios. Each line is something that queries on a platform lose, as they say in their heads.

* *Shown by* names a scenario in which the platform finds something else than the others because of it.
  `polysigma prove` runs it, and a scenario that shows nothing is an error. A loss is the platform's: what one detection
  shows holds for all that declare it.
* *Cannot be shown*: why no scenario can.
"""


@dataclass(slots=True)
class Approximation:
    """A declared loss of a platform, with the rules that have it."""

    platform: str
    reason: str
    rules: list[str] = field(default_factory=list)
    shown: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By rule, the scenarios that show it."""
    unshown: str | None = None
    """Why no scenario can show it."""


@dataclass(slots=True)
class Account:
    """How many times a rule declares a loss on a platform, and what becomes of that. Each is counted once."""

    shown: int = 0
    elsewhere: int = 0
    unshown: int = 0
    owed: list[str] = field(default_factory=list)
    """What could be shown and is not, as `rule on platform: reason`."""
    stale: list[str] = field(default_factory=list)
    """What is shown and yet said not to be possible to show, likewise."""


def promised(detections: Iterable[Detection]) -> list[Detection]:
    """The detections with a case for each scenario that says what it shows of a platform, as if it had been run."""
    done = list(detections)
    for detection in done:
        for bench in detection.benches:
            verdict = bench.verdict
            for scenario in detection.scenarios:
                other = scenario.platforms.get(verdict.platform)
                words = other.because if other else ()
                reasons = dict.fromkeys(reason for one in words for reason in named(one, verdict.reasons))
                if reasons:
                    verdict.cases.append(Case(scenario.name, excused=tuple(reasons)))
    verdicts = [bench.verdict for detection in done for bench in detection.benches]
    for verdict in verdicts:
        verdict.elsewhere = shown_elsewhere(verdict, verdicts)
    return done


def account(detections: Iterable[Detection]) -> Account:
    """What becomes of every declared loss of detections that have been `promised`, or proven."""
    found = Account()
    for verdict in (bench.verdict for detection in detections for bench in detection.benches):
        if verdict.fidelity is not Status.APPROXIMATE:
            continue
        owed = verdict.owed
        for reason, scenarios in verdict.shown.items():
            where = f"{verdict.rule} on {verdict.platform}: {reason}"
            if scenarios or reason in verdict.elsewhere:
                found.stale += [where] if reason in verdict.unshown else []
                found.shown += bool(scenarios)
                found.elsewhere += not scenarios
            elif reason in verdict.unshown:
                found.unshown += 1
            elif reason in owed:
                found.owed.append(where)
    return found


def approximations(detections: Iterable[Detection]) -> list[Approximation]:
    """Every loss of every platform, by platform in the order of detections' benches."""
    found: dict[tuple[str, str], Approximation] = {}
    for verdict in (bench.verdict for detection in detections for bench in detection.benches):
        if verdict.fidelity is not Status.APPROXIMATE:
            continue
        for reason, scenarios in verdict.shown.items():
            one = found.setdefault((verdict.platform, reason), Approximation(verdict.platform, reason))
            one.rules.append(verdict.rule)
            one.unshown = verdict.unshown.get(reason)
            if scenarios:
                one.shown[verdict.rule] = scenarios
    return sorted(found.values(), key=lambda one: one.platform)


def page(detections: Iterable[Detection]) -> str:
    """The page in Markdown, of detections that have been `promised`."""
    done = list(detections)
    total = account(done)
    several = total.shown + total.elsewhere + total.unshown + len(total.owed)
    counts = (
        f"{several} times a rule declares a loss on a platform: {total.shown} are shown by a scenario of the rule, "
        f"{total.elsewhere} by one of another rule, {total.unshown} cannot be shown, and {len(total.owed)} could "
        "be and are not.\n"
    )
    parts = [_HEAD, counts]
    by_platform: dict[str, list[Approximation]] = {}
    for one in approximations(done):
        by_platform.setdefault(one.platform, []).append(one)
    for platform, losses in by_platform.items():
        rows = [("what is approximate", "rules", "shown by, or why not"), ("---", "---", "---")]
        rows += [(one.reason, ", ".join(f"`{rule}`" for rule in one.rules), _where(one.shown, one)) for one in losses]
        table = "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in rows)
        parts.append(f"## {platform}\n\n{table}")
    return "\n".join(parts)


_MOST = 2
"""So many scenarios of a rule are named: any of them shows it."""


def _where(shown: Mapping[str, tuple[str, ...]], one: Approximation) -> str:
    if shown:
        names = {rule: ", ".join(f"`{name}`" for name in some[:_MOST]) for rule, some in shown.items()}
        return "; ".join(f"`{rule}`: {some}" for rule, some in names.items())
    return f"Cannot be shown: {one.unshown}" if one.unshown else "**no scenario**"


def packaged() -> list[Detection]:
    """The detections of the package on all platforms, with what their scenarios promise."""
    from polysigma.catalog import packaged_names, read_rules
    from polysigma.convert import pairs
    from polysigma.prove.prepare import prepare

    files, _ = read_rules(packaged_names())
    detections, _ = prepare(files, pairs((), None))
    return promised(detections)


def main() -> None:
    """Prints the page."""
    sys.stdout.write(page(packaged()))


if __name__ == "__main__":
    main()
