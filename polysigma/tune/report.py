"""A study for people: tables on a terminal, and the pictures of its curves."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from polysigma.files import writing
from polysigma.tune.svg import curve_svg

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from polysigma.tune.history import Study
    from polysigma.tune.model import Curve
    from polysigma.tune.proposals import Proposal

BAR = 24
"""The longest bar of a table, in characters."""


def write_study(study: Study, output: IO[str]) -> None:
    """The study as tables."""
    from rich.console import Console
    from rich.text import Text

    console = Console(file=output, width=None if output.isatty() else 120, highlight=False)
    a_day = study.alerts / study.days
    console.print(Text(study.title, style="bold"))
    if study.on_scenarios:
        console.print(f"{study.events:,} events of its scenarios, {study.alerts:,} alerts")
    else:
        console.print(f"{study.events:,} events, {_days(study.days)}, {study.alerts:,} alerts, {a_day:.3g} a day")
    if study.known:
        what = "expected" if study.on_scenarios else "known"
        console.print(f"{study.found} of {study.known} {what} hits are found")
        for one in study.missed:
            console.print(Text(f"  not found: {_said(one)}", style="red"))
    for curve in study.curves:
        _curve(console, curve, a_day=not study.on_scenarios)
    _talkers(console, study)
    _proposals(console, study)


def _days(count: float) -> str:
    return "1 day" if count == 1 else f"{count:.3g} days"


def _said(values: object) -> str:
    pairs = values.items() if isinstance(values, dict) else ()
    return _safe(", ".join(f"{name} {value}" for name, value in pairs))


def _safe(text: str) -> str:
    """Text out of events without control characters, which would reach the terminal."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def _curve(console: Console, curve: Curve, *, a_day: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    unit = f", {curve.unit}" if curve.unit else ""
    console.print(Text(f"{curve.parameter}{unit}: {_safe(curve.about)}", style="bold"), soft_wrap=True)
    if curve.points and not any(point.alerts for point in curve.points):
        first, last = curve.points[0].label, curve.points[-1].label
        tried = f"from {_safe(first)} to {_safe(last)}" if curve.numeric else "that was tried"
        console.print(Text(f"  no alert at any value {tried}, and so nothing to be learnt about it from this data"))
        return
    table = Table()
    table.add_column("value", justify="right")
    table.add_column("alerts a day" if a_day else "alerts", justify="right")
    table.add_column("")
    shows_found = any(point.found is not None for point in curve.points)
    shows_false = any(point.false is not None for point in curve.points)
    if shows_found:
        table.add_column(f"found of {curve.known}", justify="right")
    if shows_false:
        table.add_column("known benign" if a_day else "unexpected", justify="right")
    most = max((point.alerts for point in curve.points), default=0) or 1
    for point in curve.points:
        cells = [
            point.label + (" *" if point.default else "  "),
            f"{point.alerts_a_day:.3g}" if a_day else str(point.alerts),
        ]
        cells.append("█" * round(BAR * point.alerts / most))
        cells += [str(point.found)] if shows_found else []
        cells += [str(point.false)] if shows_false else []
        table.add_row(*(Text(_safe(cell)) for cell in cells), style="bold" if point.default else None)
    console.print(table)
    for refused in curve.refused:
        console.print(Text(f"  not tried: {_safe(refused)}"))


def _talkers(console: Console, study: Study) -> None:
    from rich.table import Table
    from rich.text import Text

    if not any(study.talkers.values()):
        return
    table = Table(title="Who raises most alerts", title_justify="left", title_style="bold")
    table.add_column("field")
    table.add_column("value", overflow="fold")
    table.add_column("alerts", justify="right")
    for name, values in study.talkers.items():
        for number, (value, count) in enumerate(values[:5]):
            table.add_row(Text("" if number else name), Text(_safe(value)), str(count), end_section=False)
        table.add_section()
    console.print(table)


def _proposals(console: Console, study: Study) -> None:
    from rich.table import Table
    from rich.text import Text

    if not study.proposals:
        return
    table = Table(title="What could be excluded, each tried by itself", title_justify="left", title_style="bold")
    table.add_column("no.", justify="right")
    table.add_column("events where", overflow="fold")
    table.add_column("removes", justify="right")
    table.add_column("hosts", justify="right")
    table.add_column("known hits lost", overflow="fold")
    for number, one in enumerate(study.proposals, start=1):
        lost = "\n".join(_said(hit) for hit in one.loses) if study.known else "nothing is known"
        removes = f"{one.removes} of {study.alerts}"
        style = "red" if one.loses else None
        table.add_row(str(number), Text(_where(one)), removes, str(one.hosts), Text(lost or "none"), style=style)
    console.print(table)
    console.print("--write FILE --choose NO. adds them to a tuning file; look at each before: a bot is a program, too")


def _where(proposal: Proposal) -> str:
    return "\n".join(_safe(f"{key}: {value}") for key, value in proposal.where.items())


def write_pictures(curves: list[Curve], folder: Path, *, a_day: bool = True) -> list[Path]:
    """A picture of each curve in a folder. Raises PolysigmaError where it cannot be written."""
    done = []
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for curve in curves:
            path = folder / f"{curve.parameter}.svg"
            path.write_text(curve_svg(curve, a_day=a_day), encoding="utf-8")
            done.append(path)
    return done
