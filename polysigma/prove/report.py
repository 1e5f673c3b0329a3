"""A proof as a table for people, as JSON, and as JUnit XML."""

from __future__ import annotations

import json
from collections import Counter
from typing import IO, TYPE_CHECKING
from xml.etree import ElementTree as ET

from polysigma.prove.model import Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from polysigma.prove.model import Case, Proof, Verdict

WIDTH = 100
_STYLES = {
    Status.EXACT: "green",
    Status.APPROXIMATE: "green",
    Status.BLIND: "yellow",
    Status.REFUSED: "yellow",
    Status.NOT_EXECUTED: "yellow",
    Status.WRONG: "bold red",
}
_MOST_DIFFERENCES = 5
"""How many differences of a verdict the table names; JSON and JUnit name all."""


def write_table(proof: Proof, output: IO[str]) -> None:
    """One table a rule, one line a platform."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=output, width=None if output.isatty() else WIDTH)
    for rule in dict.fromkeys(verdict.rule for verdict in proof.verdicts):
        table = Table(box=box.SIMPLE_HEAD, title=Text(rule, style="bold"), title_justify="left", header_style="bold")
        table.add_column("platform", no_wrap=True)
        table.add_column("verdict", no_wrap=True)
        table.add_column("proven", justify="right", no_wrap=True)
        table.add_column("why", overflow="fold")
        for verdict in (one for one in proof.verdicts if one.rule == rule):
            good = sum(not case.differences for case in verdict.cases)
            table.add_row(
                Text(verdict.platform),
                Text(verdict.status.value, style=_STYLES[verdict.status]),
                Text(f"{good}/{len(verdict.cases)}" if verdict.cases else "-"),
                Text("\n".join(printable(line) for line in _why(verdict))),
            )
        console.print(table)
    for line in summary(proof):
        console.print(Text(printable(line)))


def _why(verdict: Verdict) -> Iterator[str]:
    differences = verdict.differences
    for difference in differences[:_MOST_DIFFERENCES]:
        yield str(difference)
    if len(differences) > _MOST_DIFFERENCES:
        yield f"and {len(differences) - _MOST_DIFFERENCES} more (--format json has all)"
    if not differences:
        for reason, scenarios in verdict.shown.items():
            known = verdict.status is Status.APPROXIMATE and verdict.cases
            yield f"{reason} ({_shown(verdict, reason, scenarios)})" if known else reason
    for name, message in verdict.hangs.items():
        yield f"hangs on {name}: {message}"


def _shown(verdict: Verdict, reason: str, scenarios: tuple[str, ...]) -> str:
    """Where a declared loss can be seen."""
    elsewhere = verdict.elsewhere.get(reason)
    if scenarios:
        return f"in {', '.join(scenarios)}"
    if reason in verdict.unshown:
        return "no scenario can show it"
    return f"in {elsewhere[0]}" if elsewhere else "shown by no scenario"


def summary(proof: Proof) -> Iterator[str]:
    """What there is to say in the end."""
    counts = Counter(verdict.status for verdict in proof.verdicts)
    rules = len({verdict.rule for verdict in proof.verdicts})
    said = ", ".join(f"{counts[status]} {status.value}" for status in Status if counts[status])
    runs = sum(len(verdict.cases) for verdict in proof.verdicts)
    yield f"{_many(rules, 'rule')}, {_many(runs, 'run')} of scenarios, {proof.seconds:.1f} s: {said or 'nothing'}"
    if not runs:
        yield "nothing was run, so nothing is proven"
        return
    names = proof.assumptions
    under = f" under {_many(len(names), 'assumption')}: {', '.join(names)}" if names else " under no assumption"
    yield ("equal" if proof.holds else "not equal") + under
    owed = sum(len(verdict.owed) for verdict in proof.verdicts)
    if owed:
        yield f"{_many(owed, 'declared approximation')} could be shown, and no scenario that was run does"
    if proof.flipped:
        hanging = sorted({name for verdict in proof.verdicts for name in verdict.hangs})
        yield f"verdicts hang on {_many(len(hanging), 'of them', 'of them')}: {', '.join(hanging) or '-'}"


def _many(count: int, one: str, several: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def printable(text: str) -> str:
    """Text without what would reach the terminal as a command."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def write_json(proof: Proof, output: IO[str]) -> None:
    """The proof as one JSON object."""
    output.write(json.dumps(proof.as_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_junit(proof: Proof, output: IO[str]) -> None:
    """JUnit XML: a suite for each rule on each platform, a case for each scenario; what was not run is skipped."""
    root = ET.Element("testsuites", name="polysigma prove")
    for verdict in proof.verdicts:
        suite = ET.SubElement(root, "testsuite", name=f"{verdict.rule}.{verdict.platform}")
        for case in verdict.cases:
            _case(suite, verdict, case)
        if verdict.general or not verdict.cases:
            _whole(suite, verdict)
        _count(suite)
        if verdict.cases and verdict.status is Status.APPROXIMATE:
            lines = (f"{reason} ({_shown(verdict, reason, names)})" for reason, names in verdict.shown.items())
            ET.SubElement(suite, "system-out").text = "\n".join(map(_clean, lines))
    if proof.findings:
        suite = ET.SubElement(root, "testsuite", name="rules and scenarios")
        for finding in proof.findings:
            node = ET.SubElement(suite, "testcase", classname="scenarios", name=_clean(finding.code))
            ET.SubElement(node, "failure", message=_clean(str(finding)))
        _count(suite)
    ET.indent(root)
    output.write(ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n")


def _case(suite: ET.Element, verdict: Verdict, case: Case) -> None:
    name = f"{verdict.rule}.{verdict.platform}"
    node = ET.SubElement(suite, "testcase", classname=name, name=case.scenario, time=f"{case.seconds:.3f}")
    _fail(node, (str(difference) for difference in case.differences))


def _whole(suite: ET.Element, verdict: Verdict) -> None:
    """What is to be said of a verdict that is about no scenario: a fault, or why nothing was run."""
    name = f"{verdict.rule}.{verdict.platform}"
    node = ET.SubElement(suite, "testcase", classname=name, name=verdict.target)
    if verdict.general:
        _fail(node, (str(difference) for difference in verdict.general))
    else:
        reasons = "; ".join(verdict.reasons) or "there are no scenarios"
        ET.SubElement(node, "skipped", message=_clean(f"{verdict.status.value}: {reasons}"))


def _fail(node: ET.Element, messages: Iterable[str]) -> None:
    for message in messages:
        ET.SubElement(node, "failure", message=_clean(message))
        return  # one failure a case; the table and JSON have the rest


def _count(suite: ET.Element) -> None:
    cases = suite.findall("testcase")
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(sum(case.find("failure") is not None for case in cases)))
    suite.set("skipped", str(sum(case.find("skipped") is not None for case in cases)))


def _clean(text: str) -> str:
    """Text that XML can hold."""
    return printable(text.replace("\n", " "))


WRITERS = {"table": write_table, "json": write_json, "junit": write_junit}
