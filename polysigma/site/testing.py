"""The parts of a page about trying a detection: hunts, and atomic tests with the signal that each leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polysigma.site import queries, sections
from polysigma.site.markup import (
    block,
    bullets,
    code,
    codes,
    heading,
    joined,
    link,
    literal,
    paragraph,
    said,
    section,
    table,
    text,
    worded,
)

if TYPE_CHECKING:
    from polysigma.guide.model import AtomicTest, Hunt, Signal
    from polysigma.site.sections import View


def hunts(view: View) -> str:
    guide = view.detection.guide
    if guide is None:
        return ""
    return section("Hunts", "hunts", *(_hunt(view, number, one) for number, one in enumerate(guide.hunts, 1)))


def hunts_in_short(view: View) -> str:
    guide = view.detection.guide
    if guide is None:
        return ""
    return section(
        "Hunts",
        "hunts",
        bullets(
            f"{link(text(one.name), f'{view.up}tests/#hunt-{number}')}: {text(one.ask)}"
            for number, one in enumerate(guide.hunts, 1)
        ),
    )


def _hunt(view: View, number: int, hunt: Hunt) -> str:
    every = view.detection.hunts.get(hunt.file or "", ())
    if view.on is None:
        lines = "\n".join(one.command for one in every if one.compiled)
        shown = sections.command(lines) if lines else ""
    else:
        here = next((one for one in every if one.platform == view.on.platform), None)
        shown = joined(sections.fidelity(here), queries.query(here)) if here else ""
    return joined(
        heading(3, text(hunt.name), f"hunt-{number}"),
        paragraph(text(hunt.ask)),
        shown,
        paragraph(f"It is the detection {code(hunt.detection)}.") if hunt.detection else "",
        said("In the result:", text(hunt.reading)),
    )


def atomic_tests(view: View) -> str:
    """Every test with its commands and the signal that it leaves on each platform."""
    guide = view.detection.guide
    if guide is None:
        return ""
    return section("Tests", "tests", *(_test(view, number, one) for number, one in enumerate(guide.tests, 1)))


def atomic_tests_in_short(view: View) -> str:
    """The tests by name, with the signal that each leaves on the platform of the page."""
    guide, on = view.detection.guide, view.on
    if guide is None:
        return ""
    lines = []
    for number, one in enumerate(guide.tests, 1):
        if on is not None and on.platform not in one.expected:
            continue
        name = link(f"{text(one.technique)}: {text(one.name)}", f"{view.up}tests/#test-{number}")
        signal = f". Expected in {_signal(one.expected[on.platform])}" if on else ""
        lines.append(f"{name}, found by {code(one.hits)}{signal}")
    if not lines and guide.tests:
        lines = ["No atomic test names the signal that this platform would record."]
    return section("Tests", "tests", bullets(lines))


def atomic_tests_elsewhere(view: View) -> str:
    guide = view.detection.guide
    if guide is None or not guide.tests:
        return ""
    words = f"{len(guide.tests)} tests with their commands, and the signal that each leaves on every platform"
    return section("Tests", "tests", paragraph(link(words, f"{view.up}tests/#tests")))


def _signal(signal: Signal) -> str:
    return f"{code(signal.table)}: {_values(signal)}"


def _values(signal: Signal) -> str:
    values = ", ".join(f"{code(column)} = {literal(value)}" for column, value in signal.values.items())
    return values + (f" {text(signal.note)}" if signal.note else "")


def _test(view: View, number: int, test: AtomicTest) -> str:
    detection = view.detection
    titles = {one.platform: one.title for one in detection.on}
    rows = (
        (text(titles.get(platform, platform)), code(signal.table), _values(signal))
        for platform, signal in test.expected.items()
    )
    values = ", ".join(f"{code(name)} {text(value)}" for name, value in test.hit.items())
    return joined(
        heading(3, f"{text(test.technique)}: {text(test.name)}", f"test-{number}"),
        paragraph(f"Atomic Red Team's test {code(test.guid)}; it is not in this repository.") if test.guid else "",
        said("Found by", f"{code(test.hits)}. <strong>Takes:</strong> {text(test.within)}"),
        said("In the hit:", values),
        _commands(view, test),
        table(("Platform", "Table or event", "Expected signal"), rows),
    )


_WHERE = "for a machine of your own"
"""No test of ours runs what a test of a detection's does: it is about a real sensor."""


def _commands(view: View, test: AtomicTest) -> str:
    package = view.detection.package
    for file in package.atomics if package else ():
        if file.model.attack_technique != test.technique:
            continue
        for one in file.model.atomic_tests:
            if one.name == test.name:
                language = "powershell" if one.executor.name == "powershell" else "bash"
                arguments = [
                    f"{code(name)} ({text(what.description)}): {literal(what.default)}"
                    for name, what in one.input_arguments.items()
                ]
                return joined(
                    paragraph(worded(one.description)),
                    paragraph(
                        f"Runs on {codes(one.supported_platforms)}"
                        + (", elevated." if one.executor.elevation_required else ".")
                    ),
                    joined("<p>Arguments, and what they are if not given:</p>", bullets(arguments))
                    if arguments
                    else "",
                    block(one.command(), language, f"The test, {_WHERE}"),
                    block(one.command(cleanup=True), language, f"Afterwards, {_WHERE}"),
                )
    return ""
