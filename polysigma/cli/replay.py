"""`polysigma replay`: runs a detection on recorded events and shows its hits."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from typing import IO, TYPE_CHECKING, Any, NoReturn

import click

from polysigma.diagnostics import PolysigmaError, as_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from polysigma.diagnostics import Diagnostic
    from polysigma.replay import Replay

TABLE_ROWS = 500
"""How many hits a table shows; it says how many there are."""


@click.command(name="replay")
@click.argument("rule")
@click.argument("data", nargs=-1, required=True)
@click.option("--shape", type=click.Choice(["sysmon", "fdr"]), help="What the data is, if it is not to be recognised.")
@click.option("--whole", is_flag=True, help="Take all data as one window.")
@click.option("--strict", is_flag=True, help="Fail on a malformed line.")
@click.option(
    "--format", type=click.Choice(["table", "json"]), default="table", show_default=True, help="How hits are written."
)
@click.option("--set", multiple=True, metavar="NAME=VALUE", help="Override a parameter of the rule.")
@click.option("--tuning", metavar="FILE", help="Values and exclusions of a site: see docs/guide/tuning.md.")
@click.option("--write", type=click.Path(dir_okay=False), metavar="PATH", help="Write the hits to a file.")
def command(rule: str, data: tuple[str, ...], **options: Any) -> None:
    """Run RULE on recorded events and show its hits.

    RULE is a folder, a file, or the name of a rule that comes with Polysigma. DATA are files or folders of Sysmon or
    Falcon Data Replicator events (JSON lines, JSON arrays, CSV, Parquet; also gzip, zip and tar), or - for standard
    input.

    The rule is evaluated as its schedule would have done it, window after window; a hit names the end of its window.
    Exit status: 0, hits or none; 2 for data or a rule that cannot be read.
    """
    try:
        _replay(rule, data, options)
    except PolysigmaError as error:
        _fail(as_text(error.findings))
    except BrokenPipeError:  # whoever read the output has seen enough; click ends quietly
        raise
    except OSError as error:
        _fail(f"{error.filename or 'polysigma'}: {error.strerror or error}")


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--set")
    return name.strip(), value.strip()


def _replay(rule: str, data: tuple[str, ...], options: dict[str, Any]) -> None:
    from polysigma import replay as verb
    from polysigma.convert import compile_rule
    from polysigma.engines.embedded import duckdb
    from polysigma.engines.sql_text import TABLE
    from polysigma.tuning import read_tuning

    overrides = dict(_setting(text) for text in options["set"])
    tuning = read_tuning(options["tuning"]) if options["tuning"] else None
    said: list[Diagnostic] = []
    duckdb()  # before the data is looked at: without it there is nothing to be had
    with ExitStack() as stack:
        inputs = stack.enter_context(verb.opened(data, options["shape"]))
        compiled = compile_rule(rule, inputs.family.platform, "sql", overrides, table=TABLE, tuning=tuning, said=said)
        with _Progress("reading events") as progress:
            events = verb.load_events(compiled.query, inputs, strict=options["strict"], progress=progress)
            stack.enter_context(events)
        with _Progress("looking at windows") as progress:
            done = verb.replay(compiled.plan, compiled.query, events, whole=options["whole"], progress=progress)
            done.findings += said
            if compiled.plan.window is not None:  # else a hit may be any event: they are not held
                done.hits = iter(list(done.hits))
        target = options["write"]
        output = stack.enter_context(open(target, "w", encoding="utf-8")) if target else sys.stdout  # noqa: PTH123
        count = (write_json if options["format"] == "json" else write_table)(done, output)
        _summary(done, count)


def write_json(replay: Replay, output: IO[str]) -> int:
    """Writes hits as one JSON list, one hit a line, while they are found. Returns how many there were."""
    count = 0
    for count, hit in enumerate(replay.hits, start=1):
        output.write(("[\n" if count == 1 else ",\n") + json.dumps(hit, ensure_ascii=False, allow_nan=False))
    output.write("\n]\n" if count else "[]\n")
    output.flush()
    return count


def write_table(replay: Replay, output: IO[str]) -> int:
    """Writes hits as a table. Returns how many there were, the ones that are not shown among them."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown, count = [], 0
    for count, hit in enumerate(replay.hits, start=1):
        if count <= TABLE_ROWS:
            shown.append(hit)
    console = Console(file=output, width=None if output.isatty() else 200)
    if not shown:
        console.print(Text(f"{replay.plan.title}: no hits"))
        return 0
    names = list(dict.fromkeys(name for hit in shown for name in hit if name not in {"rule", "rule_id", "rule_author"}))
    if "window_end" in names and all(hit["window_end"] is None for hit in shown):
        names.remove("window_end")
    by = f", by {replay.plan.author}" if replay.plan.author else ""
    title = Text(f"{replay.plan.title}{by} ({replay.windows})")
    table = Table(title=title, title_justify="left", header_style="bold")
    for name in names:
        number = all(isinstance(hit.get(name), int | float | None) for hit in shown)
        table.add_column(Text(name), justify="right" if number else "left", overflow="fold")
    for hit in shown:
        table.add_row(*(Text(_cell(hit.get(name))) for name in names))
    console.print(table)
    if count > len(shown):
        console.print(Text(f"{count - len(shown):,} more hits are not shown; --format json gives all of them"))
    return count


def _cell(value: Any) -> str:
    """A value for people. Control characters, which would reach the terminal, are shown as escapes."""
    if value is None:
        return ""
    if isinstance(value, list):
        return "\n".join(_cell(item) for item in value)
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


class _Progress:
    """A context that gives a progress bar on standard error, or None where that is no terminal."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.bar: Any = None

    def __enter__(self) -> Callable[[float], None] | None:
        if not sys.stderr.isatty():
            return None
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        columns = (TextColumn(self.title), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        bar = self.bar = Progress(*columns, console=Console(stderr=True), transient=True)
        task = bar.add_task("", total=1.0)
        bar.start()
        return lambda part: bar.update(task, completed=part)

    def __exit__(self, *_: object) -> None:
        if self.bar:
            self.bar.stop()


def _summary(replay: Replay, count: int) -> None:
    """What was read and what there is to say about it, on standard error."""
    if replay.findings:
        click.echo(as_text(replay.findings), err=True)
    events = replay.events
    malformed = f", {events.malformed:,} malformed lines left out" if events.malformed else ""
    plural = "hit" if count == 1 else "hits"
    click.echo(f"{events.rows:,} events{malformed}; {replay.windows}; {count:,} {plural}", err=True)


def _fail(text: str) -> NoReturn:
    click.echo(text, err=True)
    raise SystemExit(2)
