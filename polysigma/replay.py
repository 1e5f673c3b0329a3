"""Runs a detection on recorded events, as its schedule would have run it: one window after another.

A plan is evaluated on [T - window, T), T being a multiple of its schedule's `every`; each hit names its T, and a key is
reported once in a quiet period. With `whole`, all events are one window. The query's rows come back under the names
that the rule uses, whatever the platform calls them.
"""

from __future__ import annotations

import ipaddress
import math
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polysigma.diagnostics import Diagnostic, Severity
from polysigma.engines import lookups
from polysigma.engines.ingest import load
from polysigma.engines.inputs import find_inputs
from polysigma.engines.sql import Windows, stream_sql
from polysigma.engines.sql_text import columns_read, read_query
from polysigma.plan.durations import format_duration
from polysigma.plan.steps import Annotate, Bucket, Derive, Group, Ordered, Previous, Score, Select, Sort, Take, Where
from polysigma.plan.types import Type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from polysigma.engines.ingest import Events
    from polysigma.engines.inputs import Inputs
    from polysigma.plan.steps import Output, Plan

Hit = dict[str, Any]
"""One hit: the canonical names of its keys and numbers, then `window_end`, `rule`, `rule_id` and `rule_author`."""

RUNS_A_WINDOW = 12
"""How often a rule without a schedule and without buckets is evaluated within its window."""


@dataclass(slots=True)
class Replay:
    """A replay: what was loaded, how it is run, and its hits, which are found while they are read."""

    plan: Plan
    events: Events
    windows: str
    """In words: how the data is cut into windows."""
    hits: Iterator[Hit]
    findings: list[Diagnostic] = field(default_factory=list)
    """What there is to say; complete once all hits have been read."""


@contextmanager
def opened(data: Sequence[str | Path], shape: str | None = None) -> Iterator[Inputs]:
    """Finds the data (files, folders, `-`) and says what it is; removes copies and database at the end.

    Raises PolysigmaError as `polysigma.engines.inputs.find_inputs` does.
    """
    with tempfile.TemporaryDirectory(prefix="polysigma-") as scratch:
        yield find_inputs(data, Path(scratch), shape=shape)


def load_events(
    text: str, inputs: Inputs, *, strict: bool = False, progress: Callable[[float], None] | None = None
) -> Events:
    """Loads what an SQL text reads of the inputs into the table `events`. Close it, or use it in a `with` statement.

    Raises PolysigmaError for data that cannot be read (with `strict`, a malformed line) and for a text that is no SQL.
    """
    columns = columns_read(read_query(text), inputs.family.schema.columns())
    return load(inputs, columns, strict=strict, progress=progress)


def replay(
    plan: Plan, text: str, events: Events, *, whole: bool = False, progress: Callable[[float], None] | None = None
) -> Replay:
    """Runs a plan, whose SQL is `text`, on loaded events.

    The hits are found while they are read, which raises PolysigmaError where DuckDB refuses the text.
    """
    findings = list(events.findings)
    labels = {column for output in plan.outputs if output.role == "label" for column in output.columns}
    absent = [column for column in events.absent if column not in labels]  # a hit without its label is still a hit
    if absent:
        names = ", ".join(absent)
        findings.append(_warning("absent-columns", f"no event has {names}, which the query reads"))
    if not events.rows:
        findings.append(_warning("no-events", "there are no events: that nothing hits means nothing"))
    done = Replay(plan, events, _in_words(plan, whole=whole), iter(()), findings)
    done.hits = _hits(done, text, whole=whole, progress=progress)
    return done


def _hits(done: Replay, text: str, *, whole: bool, progress: Callable[[float], None] | None) -> Iterator[Hit]:
    """In order of T, and within one window in the order of the query."""
    plan = done.plan
    lookups.provide(done.events.connection, plan)
    if plan.window is None:
        for row in stream_sql(text, done.events.connection):
            yield _hit(plan, row, None)
        return
    every = schedule_of(plan)
    with Windows(text, done.events.connection, bucket=_bucket(plan, every)) as windows:
        if windows.untimed:
            message = f"{windows.untimed:,} events that the rule matches have no time"
            done.findings.append(_warning("untimed-events", message if whole else f"{message} and are in no window"))
        if whole:
            end = _edge_after(windows.last, every) if windows.last else None
            for row in _ordered(plan, windows.run_whole()):
                yield _hit(plan, row, end)
            return
        found = windows.slide(every, plan.window, progress)
        yield from loud(plan, ((end, _ordered(plan, rows)) for end, rows in found))


def loud(plan: Plan, windows: Iterable[tuple[int, Iterable[dict[str, Any]]]]) -> Iterator[Hit]:
    """The hits of rows by the end of their window, but for those whose key was reported in its quiet period."""
    reported: dict[tuple[Any, ...], int] = {}
    for end, rows in windows:
        before = dict(reported)  # two rows of one window with the same key are two hits
        for row in rows:
            key = key_of(plan, row)
            if plan.quiet and key in before and end - before[key] < plan.quiet:
                continue
            reported[key] = end
            yield _hit(plan, row, end)


def _ordered(plan: Plan, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows in the order of the query; those that it leaves in any order (one of several threads), by their keys."""
    last = next(
        (step for step in reversed(plan.steps) if not isinstance(step, Where | Derive | Select | Score | Take)), None
    )
    columns = [column for column, _ in last.columns] if isinstance(last, Sort) else []
    if not isinstance(last, Sort | Group | Ordered | Annotate | Previous):
        return rows
    ordered = []
    for _, ties in groupby(rows, key=lambda row: [row.get(column) for column in columns]):
        ordered += sorted(ties, key=lambda row: [str(value) for value in key_of(plan, row)])
    return ordered


def _bucket(plan: Plan, every: int) -> tuple[str, int] | None:
    """The bucket by which a plan's rows are first grouped, where windows begin and end on its edges."""
    for step in plan.steps:
        if isinstance(step, Bucket):
            fits = every % step.seconds == 0 and (plan.window or 0) % step.seconds == 0
            return (step.name, step.seconds) if fits else None
        if not isinstance(step, Where | Derive | Select):
            return None
    return None


def schedule_of(plan: Plan) -> int:
    """Seconds between two evaluations of a plan that has a window.

    Without a schedule: each time a bucket ends, or twelve times a window, which comes near to Sigma's window that
    slides with every event.
    """
    assert plan.window is not None
    if plan.schedule:
        return plan.schedule.every
    buckets = [step.seconds for step in plan.steps if isinstance(step, Bucket)]
    return min(buckets, default=max(1, plan.window // RUNS_A_WINDOW))


def key_of(plan: Plan, row: dict[str, Any]) -> tuple[Any, ...]:
    """What identifies a hit: all its key columns, on the platform's names, without regard to case."""
    values = []
    for output in plan.outputs:
        if output.role == "key":
            for column in output.columns:
                value = _shown(row.get(column), output.type)
                values.append(value.casefold() if isinstance(value, str) else value)
    return tuple(values)


def _hit(plan: Plan, row: dict[str, Any], end: int | None) -> Hit:
    """A row under the rule's names. Columns that the plan does not name (a plain rule's event) keep theirs."""
    hit: Hit = {}
    if plan.outputs:
        for output in plan.outputs:
            if output.role != "label":
                hit.setdefault(output.canonical, None)
                hit[output.canonical] = _value(plan, output, row)
    else:
        hit = {name: _plain(value) for name, value in row.items() if value is not None}
    moment = None if end is None else datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=end)
    rule = {"rule": plan.name, "rule_id": plan.id, "rule_author": plan.author}
    return hit | {"window_end": moment and _plain(moment), **rule}


def _value(plan: Plan, output: Output, row: dict[str, Any]) -> Any:
    labels = (one for one in plan.outputs if one.role == "label" and one.canonical == output.canonical)
    for label in labels:
        for column in label.columns:
            if row.get(column):
                return _shown(row[column], label.type)
    return _shown(row.get(output.columns[-1]), output.type)


def _shown(value: Any, kind: Type) -> Any:
    """A value of a result as plain data: JSON holds it, and every platform writes it the same."""
    if value is None:
        return None
    match kind:
        case Type.LIST:
            items = (
                {str(_plain(item)) for item in value if item is not None and item != ""}
                if _is_list(value)
                else {str(value)}
            )
            return sorted(items)
        case Type.ADDRESS:
            return _address(str(value))
        case Type.INTEGER:
            number = _number(value)
            return int(number) if isinstance(number, float) and number.is_integer() else number
        case Type.REAL:
            number = _number(value)
            return float(number) if isinstance(number, int | float) else number
        case Type.BOOLEAN:
            return {"true": True, "false": False}.get(str(value).lower(), value)
        case Type.TEXT | Type.TIME:
            return _plain(value)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple | set)


def _number(value: Any) -> Any:
    """An integer, a real, or None for what JSON has no number for (not a number, infinity)."""
    if isinstance(value, bool | int):
        return int(value)
    try:
        real = float(value)
    except (TypeError, ValueError):
        return _plain(value)
    return real if math.isfinite(real) else None


def _address(text: str) -> str:
    """The canonical spelling of an address: compressed, an IPv4 address mapped into IPv6 as IPv4."""
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return text
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(address)


def _plain(value: Any) -> Any:
    """A value of DuckDB's as JSON data; times as ISO 8601, UTC."""
    if isinstance(value, datetime):
        utc = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        return utc.isoformat().replace("+00:00", "Z")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if _is_list(value):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value if isinstance(value, str | int | bool | None) else str(value)


def _edge_after(moment: datetime, every: int) -> int:
    seconds = (moment - datetime(1970, 1, 1)) // timedelta(seconds=1)  # noqa: DTZ001 - DuckDB's times are UTC without saying so
    return (seconds // every + 1) * every


def _in_words(plan: Plan, *, whole: bool) -> str:
    if plan.window is None:
        return "each event by itself"
    if whole:
        return "all events as one window"
    return f"windows of {format_duration(plan.window)}, one every {format_duration(schedule_of(plan))}"


def _warning(code: str, message: str) -> Diagnostic:
    return Diagnostic(code, message, severity=Severity.WARNING)
