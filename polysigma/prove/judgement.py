"""From outcomes to verdicts: what scenarios expect, what platforms find beside each other, what losses excuse."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from polysigma.diagnostics import Diagnostic
from polysigma.prove.hits import alike, near
from polysigma.prove.model import Case, Difference, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from polysigma.prove.hits import Hit
    from polysigma.prove.prepare import Bench, Detection
    from polysigma.prove.trial import Outcome
    from polysigma.telemetry import Scenario

    Outcomes = Mapping[tuple[str, str], Outcome]
    """By platform and name of the scenario."""


def pronounce(detection: Detection, outcomes: Outcomes) -> list[Diagnostic]:
    """Fills the verdicts of a rule's benches; gives back what is wrong with its scenarios themselves."""
    for bench in detection.benches:
        for scenario in detection.scenarios if bench.trials else ():
            outcome = outcomes[bench.verdict.platform, scenario.name]
            bench.verdict.assumptions |= outcome.assumptions
            bench.verdict.cases.append(_case(bench, scenario, outcome))
    for scenario in detection.scenarios:
        _side_by_side(detection, scenario, outcomes)
    return _worth(detection, outcomes)


def _case(bench: Bench, scenario: Scenario, outcome: Outcome) -> Case:
    case = Case(scenario.name, outcome.rows, outcome.windows, len(outcome.hits), outcome.seconds)
    if outcome.error:
        case.differences.append(Difference("engine", f"the query did not run: {outcome.error}", scenario.name))
        return case
    case.differences += _excuses(bench, scenario, case)
    if outcome.mismatch and not case.excused:
        wrong = outcome.mismatch
        end = wrong.window[1] if wrong.window else None
        case.differences.append(Difference("oracle", wrong.message, scenario.name, wrong.step, end))
    if bench.verdict.fidelity is not Status.BLIND:
        case.differences += _expectations(bench, scenario, outcome)
    return case


def _expectations(bench: Bench, scenario: Scenario, outcome: Outcome) -> Iterable[Difference]:
    """What the scenario says of the platform and its hits do not meet."""
    other = scenario.platforms.get(bench.verdict.platform)
    hit = scenario.hit if other is None or other.hit is None else other.hit
    miss = scenario.miss if other is None or other.miss is None else other.miss
    others = scenario.other_hits if other is None or other.other_hits is None else other.other_hits
    for expected in hit:
        if not any(found.fits(expected) for found in outcome.hits):
            nor = "" if any(found.fits(expected) for found in outcome.oracle) else _nor(outcome)
            yield Difference("expectation", f"does not find {_said(expected)}, as it must{nor}", scenario.name)
    for expected in miss:
        wrong = next((found for found in outcome.hits if found.fits(expected)), None)
        if wrong:
            message = f"finds {wrong.said()}, which it must not"
            yield Difference("expectation", message, scenario.name, None, wrong.end)
    if not others:
        named = [{name: value for name, value in expected.items() if name in bench.keys} for expected in hit]
        wrong = next((found for found in outcome.hits if not any(found.fits(one) for one in named)), None)
        if wrong:
            message = f"finds {wrong.said()}, which the scenario does not name"
            yield Difference("expectation", message, scenario.name, None, wrong.end)


def _nor(outcome: Outcome) -> str:
    """What to say where the oracle does not find it either: the rule, or the scenario, is not what was meant."""
    if outcome.matched == 0:
        return f", nor does the oracle: the rule's search takes none of the {outcome.rows} rows"
    return f", nor does the oracle: the rule's search takes {outcome.matched} of the {outcome.rows} rows"


def _said(expected: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in expected.items())


def _excuses(bench: Bench, scenario: Scenario, case: Case) -> Iterable[Difference]:
    """Ties what a scenario excuses to losses that the platform declares; what is not declared is a difference."""
    other = scenario.platforms.get(bench.verdict.platform)
    if other is None:
        return
    for words in other.because:
        declared = named(words, bench.verdict.reasons)
        case.excused = tuple(dict.fromkeys((*case.excused, *declared)))
        if not declared:
            message = f"excuses {bench.verdict.platform} by a loss that it does not declare: {words!r}"
            yield Difference("excuse", message, scenario.name)


def named(words: str, reasons: Iterable[str]) -> list[str]:
    """The declared losses that a scenario means by some of their words."""
    return [reason for reason in reasons if words.casefold() in reason.casefold()]


def _side_by_side(detection: Detection, scenario: Scenario, outcomes: Outcomes) -> None:
    """Holds the hits of the platforms against each other: what most of them find is what the rest must find."""
    found: dict[str, Outcome] = {}
    cases: dict[str, Case] = {}
    keys: frozenset[str] = frozenset()
    for bench in detection.benches:
        platform = bench.verdict.platform
        outcome = outcomes.get((platform, scenario.name))
        if outcome is None or outcome.error or bench.verdict.fidelity is Status.BLIND:
            continue
        keys |= bench.keys
        cases[platform] = next(case for case in bench.verdict.cases if case.scenario == scenario.name)
        if not outcome.mismatch or cases[platform].excused:
            found[platform] = outcome
    held = [platform for platform in found if platform not in scenario.platforms]
    if not held:
        _beside_itself(detection, scenario, found, cases)
        return
    apart = {
        (one, other): _apart(found[one], found[other], keys, other) if one != other else None
        for one in found
        for other in held
    }
    common = max(held, key=lambda platform: sum(apart[other, platform] is None for other in held))
    for platform in found:
        message = apart[platform, common]
        if platform not in scenario.platforms:
            if message:
                cases[platform].differences.append(Difference("platforms", message, scenario.name))
        elif message is None and scenario.name not in detection.retuned:
            message = f"excuses {platform}, which finds the same as {common}: nothing is shown here"
            cases[platform].differences.append(Difference("excuse", message, scenario.name))


def _beside_itself(
    detection: Detection, scenario: Scenario, found: Mapping[str, Outcome], cases: Mapping[str, Case]
) -> None:
    """Where every platform is excused, what the scenario says of all of them must not be what one of them finds."""
    plain = scenario.model_copy(update={"platforms": {}})
    for bench in detection.benches if scenario.name not in detection.retuned else ():
        platform = bench.verdict.platform
        if platform in found and not any(_expectations(bench, plain, found[platform])):
            message = f"excuses {platform}, which finds what the scenario expects of all: nothing is shown here"
            cases[platform].differences.append(Difference("excuse", message, scenario.name))


def _apart(one: Outcome, other: Outcome, keys: frozenset[str], name: str) -> str | None:
    """The first thing that one platform finds otherwise than another, in the windows that were run on both."""
    # A platform that has no row of a scenario has no window to look into, and finds nothing in any.
    shared = one.ends & other.ends if one.ends and other.ends else one.ends | other.ends
    left = {_key(hit, keys): hit for hit in one.hits if hit.end in shared}
    right = {_key(hit, keys): hit for hit in other.hits if hit.end in shared}
    times, others = (Counter(_key(hit, keys) for hit in some.hits) for some in (one, other))
    for key, hit in right.items():
        if key not in left:
            return f"does not find what {name} finds: {hit.said()}"
        mine = left[key]
        if times[key] != others[key]:
            return f"finds {times[key]} times what {name} finds {others[key]} times: {hit.said()}"
        if [field for field, _ in mine.fields] != [field for field, _ in hit.fields]:
            return f"gives {', '.join(dict(mine.fields))}, where {name} gives {', '.join(dict(hit.fields))}"
        if not alike(mine.fields, hit.fields):
            wrong = next(
                f"{field} is {value}, where {name} has {theirs}"
                for (field, value), (_, theirs) in zip(mine.fields, hit.fields, strict=True)
                if not near(value, theirs)
            )
            return f"{wrong} in {mine.said()}"
    extra = next((hit for key, hit in left.items() if key not in right), None)
    return f"finds what {name} does not: {extra.said()}" if extra else None


def _key(hit: Hit, keys: frozenset[str]) -> tuple[Any, ...]:
    return (hit.end, *((name, str(value).casefold()) for name, value in hit.fields if name in keys))


def _worth(detection: Detection, outcomes: Outcomes) -> list[Diagnostic]:
    """Whether the scenarios can prove anything: some hit is expected and found, and something is expected to miss."""
    if not detection.scenarios:
        return []
    findings = []

    def add(code: str, message: str, hint: str) -> None:
        findings.append(Diagnostic(code, f"{detection.rule}: {message}", hint, str(detection.path)))

    expected = [(scenario, one) for scenario in detection.scenarios for one in scenario.hit]
    missed = [one for scenario in detection.scenarios for one in scenario.miss]
    judged = [
        (bench.verdict.platform, bench)
        for bench in detection.benches
        if bench.trials and bench.verdict.fidelity is not Status.BLIND
    ]
    if not expected and not detection.retuned:
        add("no-hit", "no scenario expects a hit", "name a tuple that must hit")
    elif (
        expected
        and judged
        and not any(
            found.fits(one)
            for scenario, one in expected
            for platform, _ in judged
            for found in outcomes[platform, scenario.name].oracle
        )
    ):
        message = "its scenarios cannot fire: the oracle finds no hit that they expect"
        hint = "does the traffic go where the rule looks, and not to an address that it excludes?"
        add("cannot-fire", message, hint)
    if not missed and not detection.retuned:
        add("no-miss", "no scenario names what must not hit", "add traffic just below a threshold, under `miss`")
    first = [trial for bench in detection.benches for trial in bench.trials[:1]]
    fields = {output.canonical for trial in first for output in (trial.fields or trial.plan).outputs}
    odd = sorted({name for one in (*(one for _, one in expected), *missed) for name in one} - fields)
    if odd and fields:
        message = f"scenarios expect {', '.join(odd)}, which no hit has"
        add("unknown-field", message, f"a hit has {', '.join(sorted(fields))}")
    return findings
