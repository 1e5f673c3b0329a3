"""`polysigma demo`: three days of a small network, one detection, its queries and its hits, told to a person."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import click

from polysigma.diagnostics import Diagnostic, PolysigmaError
from polysigma.files import writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console, RenderableType
    from rich.text import Text

    from polysigma.demo import Found, Missed

SHOWN_LINES = 44
"""How much of a query is shown: all of the one that comes with the demo, and never an endless one."""
WIDE = 96
"""The width from which on the table has all of its columns."""


@click.command()
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Where the generated events and the queries are left.",
)
def command(folder: Path) -> None:
    """Generate three days of a network of forty hosts, search it for bots, and show what was found.

    The detection botnet_node_beaconing is converted to CQL for Falcon and to SQL, and the SQL is run on the events with
    DuckDB, once as Sysmon records them and once as Falcon does. Since the network is a generated one, every alert is
    shown with what is really there. Takes about half a minute and leaves some 25 MB of files.
    """
    from rich.console import Console

    from polysigma.engines.embedded import duckdb

    duckdb()  # before anything is generated: without it there is nothing to show
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PolysigmaError(
            Diagnostic("unwritable", f"cannot be made: {error.strerror}", "name another with --folder", str(folder))
        ) from None
    # Where nobody looks at a terminal there is no width to respect but that of a readable text.
    given = sys.stdout.isatty() or "COLUMNS" in os.environ
    _Demo(Console(highlight=False, width=None if given else 100), folder).run()


class _Demo:
    """The steps of the demo, in their order."""

    def __init__(self, console: Console, folder: Path) -> None:
        self.console = console
        self.folder = folder
        self.began = perf_counter()

    def run(self) -> None:
        from polysigma import demo
        from polysigma.convert import SUFFIXES, compile_rule
        from polysigma.telemetry import demo_scenario, generate, render, write_rows

        scenario = demo_scenario()
        sysmon, fdr = self.folder / "sysmon.jsonl.gz", self.folder / "falcon.jsonl.gz"
        planted = demo.bots(scenario)
        days = round(scenario.span / 86400)
        self.console.print()

        with self._step(f"Generating {days} days of a network of {len(scenario.hosts)} hosts") as say:
            recorded = demo.record(scenario, sysmon, "sysmon", lambda count: say(f"{count:,} events"))
            say("the same as Falcon records them")
            falcon_rows = write_rows(fdr, render(generate(scenario), "fdr"))
        self._line(
            f"{recorded.events:,} events: {recorded.rows:,} rows of Sysmon, {falcon_rows:,} of Falcon. "
            f"{len(planted)} of the hosts have joined a botnet; the detection is not told which."
        )

        with self._step(f"Converting {demo.DETECTION} to CQL, for Falcon"):
            cql = compile_rule(demo.DETECTION, "falcon", "logscale", form="hunt", accept_blind=False)
            cql_file = self._save(f"{demo.DETECTION}{SUFFIXES['logscale']}", cql.query)
        self._show_query(cql.query, cql_file)
        with self._step("Converting it to SQL, for Sysmon events in DuckDB"):
            sql = compile_rule(demo.DETECTION, "sysmon_json", "sql", form="hunt", accept_blind=False)
            sql_file = self._save(f"{demo.DETECTION}{SUFFIXES['sql']}", sql.query)
        self._line(f"{len(sql.query.splitlines())} lines of SQL: {sql_file}")

        with self._step("Searching the Sysmon events, hour by hour as its schedule says") as say:
            hits = demo.search(sysmon, "sysmon", lambda part: say(f"{part:.0%} of the windows"))
        found = demo.judge(hits, recorded.origins, scenario)
        lost = demo.missed(scenario, found, recorded.origins)
        self._show(f"{len(hits)} alerts for {len(found)} pairs of a host and a destination")
        self._show_hits(found)
        self._show_verdict(found, lost, days)

        with self._step("Searching the Falcon events") as say:
            others = demo.search(fdr, "fdr", lambda part: say(f"{part:.0%} of the windows"))
        here, there = demo.alerts(hits, scenario), demo.alerts(others, scenario)
        if here == there:
            self._line(f"The same {len(here)} alerts: same hosts, destinations, times, counts and scores.")
        else:
            self._line(
                f"{len(here & there)} alerts agree; {len(here - there)} only Sysmon, {len(there - here)} only Falcon"
            )
        self._show_next(sysmon)

    @contextmanager
    def _step(self, title: str) -> Iterator[Callable[[str], None]]:
        """Names a step, shows while it runs where it stands, and afterwards how long it took."""
        from rich.text import Text

        start = perf_counter()
        with self.console.status(Text(title)) as status:
            yield lambda text: status.update(Text(f"{title}: {text}"))
        seconds = f"{perf_counter() - start:.1f} s"
        line = Text(title, style="bold")
        gap = self.console.width - line.cell_len - len(seconds)
        self.console.print(line.append(" " * max(gap, 1)).append(seconds, style="dim not bold"))

    def _line(self, text: str) -> None:
        self._show(text)
        self.console.print()

    def _show(self, what: RenderableType) -> None:
        from rich.padding import Padding

        self.console.print(Padding(what, (0, 0, 0, 2), expand=False))

    def _save(self, name: str, text: str) -> Path:
        path = self.folder / name
        with writing(path):
            path.write_text(text, encoding="utf-8", newline="\n")
        return path

    def _show_query(self, query: str, path: Path) -> None:
        """The query without its head comment, one line a line: what is too wide is cut, and said to be in the file."""
        from rich.text import Text

        lines = [line for line in query.splitlines() if not line.startswith("//")]
        remarks = len(query.splitlines()) - len(lines)
        width = self.console.width - 3
        cut = any(len(line) > width for line in lines) or len(lines) > SHOWN_LINES
        self.console.print()
        self._show(Text("\n").join(_coloured(_cut(line, width)) for line in lines[:SHOWN_LINES]))
        self.console.print()
        more = " (in full)" if cut else ""
        self._line(f"{len(lines)} lines of CQL and {remarks} of remarks on what it can and cannot say: {path}{more}")

    def _show_hits(self, found: list[Found]) -> None:
        from rich import box
        from rich.table import Table
        from rich.text import Text

        wide = self.console.width >= WIDE
        table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
        for name in ("", "Host", "Destination"):
            table.add_column(name, no_wrap=True)
        for name in ("Score", "Conns", "Hours", "Alerts") if wide else ("Score", "Conns", "Alerts"):
            table.add_column(name, justify="right", no_wrap=True)
        if wide:
            table.add_column("First alert", no_wrap=True)
        table.add_column("What it is", overflow="fold")
        for number, one in enumerate(found):
            if number and found[number - 1].bot and not one.bot:
                table.add_section()
            host, address, port = one.flow
            numbers = [one.score, one.connections, *([one.hours] if wide else []), one.alerts]
            cells = [
                "bot" if one.bot else "false",
                host,
                f"[{address}]:{port}" if ":" in address else f"{address}:{port}",
                *(str(number) for number in numbers),
                *([f"{datetime.fromisoformat(one.first):%a %H:%M}"] if wide else []),
                one.what,
            ]
            table.add_row(*(Text(cell, style="bold red" if one.bot else "") for cell in cells))
        self.console.print()
        self._show(table)
        self.console.print()
        self._line("Conns" + (" and hours" if wide else "") + ": the most that one alert counted, within 24 hours")

    def _show_verdict(self, found: list[Found], lost: list[Missed], days: int) -> None:
        from rich.table import Table
        from rich.text import Text

        right = [one for one in found if one.bot]
        wrong = [one for one in found if not one.bot]
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_row(
            Text("Found", style="bold green"),
            Text(f"{len(right)} of the {len(right) + len(lost)} bots, in {sum(one.alerts for one in right)} alerts"),
        )
        for one in lost:
            host, address, port = one.flow
            table.add_row(
                Text("Missed", style="bold red"), Text(f"{host} to {address}:{port}, a {one.what}: {one.why}")
            )
        false = sum(one.alerts for one in wrong)
        table.add_row(
            Text("False", style="bold yellow"),
            Text(f"{false} alerts for {len(wrong)} harmless pairs, {false / days:.0f} a day: work for tuning"),
        )
        self._show(table)
        self.console.print()

    def _show_next(self, data: Path) -> None:
        from rich.text import Text

        took = f"{perf_counter() - self.began:.0f} s"
        self.console.print(
            Text.assemble(
                ("Done", "bold"), f" in {took}. Events and queries are in ", (f"{self.folder}{os.sep}", "bold")
            )
        )
        self._line("To try next:")
        for about, line in next_commands(data):
            self._show(Text(f"# {about}", style="dim"))
            # A command must stay one line, or it cannot be pasted.
            self.console.print(Text(f"  {line}", style="cyan"), soft_wrap=True)
            self.console.print()


def next_commands(data: Path) -> list[tuple[str, str]]:
    """Three command lines that work where the demo was called, each with what it is for."""
    from polysigma.catalog import rules_root
    from polysigma.demo import DETECTION

    rule = _short(rules_root() / DETECTION)
    ours, sigma = _program("polysigma"), _program("sigma")
    return [
        (
            "only the ports that few programs use: fewer alerts, one bot less",
            f"{ours} replay {DETECTION} {_quoted(data)} --set min_score=3",
        ),
        (
            "every platform at once, one file a query",
            f"{ours} convert {DETECTION} --output {_quoted(data.parent / 'queries')}",
        ),
        ("the same query from sigma-cli", f"{sigma} convert -t logscale -p falcon {_quoted(rule)}"),
    ]


def _program(name: str) -> str:
    """How to call a program of this installation from here: by its name where that finds it, else by its path."""
    path = Path(sys.executable).parent / name
    found = shutil.which(name)
    return name if not path.exists() or (found and Path(found) == path) else _quoted(_short(path))


def _short(path: Path) -> Path:
    """A path from the current folder, where it lies below it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _quoted(path: Path) -> str:
    import shlex

    return shlex.quote(str(path))


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else line[: width - 3] + "..."


_COLOURS = {
    r"\"(?:[^\"\\]|\\.)*\"?": "green",
    r"(?<![\w.@#\"])\d+(?![\w\"])": "magenta",
    r"\b[a-zA-Z]+(?=\()": "cyan",
    r"^\s*\||:=|[!<>]?=|[<>]": "yellow",
    r"\b(?:case|or|and|not)\b": "bold blue",
}
"""What stands out in CQL, for a reader; the last one that matches a place decides, so texts come first and last."""


def _coloured(line: str) -> Text:
    from rich.text import Text

    text = Text(line)
    for pattern, style in _COLOURS.items():
        text.highlight_regex(pattern, style)
    text.highlight_regex(next(iter(_COLOURS)), "green")
    return text
