"""From events to the rows of a platform, and to a file."""

from __future__ import annotations

import gzip
import json
from json.encoder import encode_basestring as quoted
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from polysigma.diagnostics import Diagnostic, PolysigmaError
from polysigma.telemetry import asim, defender, falcon, splunk, sysmon
from polysigma.telemetry.events import NetworkConnection
from polysigma.telemetry.generation import generate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from polysigma.telemetry.events import AnyEvent
    from polysigma.telemetry.scenarios import Scenario

    Renderer = Callable[..., Iterator[dict[str, Any]]]


def canonical_rows(events: Iterable[AnyEvent]) -> Iterator[dict[str, Any]]:
    """Rows by Sigma names with typed values, `UtcTime` in epoch seconds: what a rule is written about."""
    for event in events:
        if not isinstance(event, NetworkConnection) or event.answered:
            yield {"category": event.category, **event.fields()}


RENDERERS: Mapping[str, Renderer] = {
    "sigma": canonical_rows,
    "sysmon": sysmon.flat,
    "sysmon_nxlog": sysmon.nxlog,
    "sysmon_winlogbeat": sysmon.winlogbeat,
    "sysmon_winlogbeat6": sysmon.winlogbeat6,
    "fdr": falcon.replicated,
    "falcon": falcon.siem,
    "defender": defender.hunting,
    "sentinel": defender.workspace,
    "asim": asim.normalised,
    "splunk_sysmon": splunk.sysmon_addon,
    "splunk_cim": splunk.common_model,
}
"""How each platform, and each shape of its rows, is rendered."""


def render(events: Iterable[AnyEvent], platform: str, **options: Any) -> Iterator[dict[str, Any]]:
    """The rows that a platform would hold of the events, in their order. What it would not record is left out.

    `options` go to the platform's renderer (`computer_name=False` for `falcon`). Raises PolysigmaError for an unknown
    platform.
    """
    if platform not in RENDERERS:
        raise PolysigmaError(
            Diagnostic("unknown-platform", f"no telemetry for {platform!r}", f"known: {', '.join(RENDERERS)}")
        )
    return RENDERERS[platform](events, **options)


def recorded(scenario: Scenario, platform: str) -> Iterator[dict[str, Any]]:
    """The rows that a platform would hold of a scenario, as its site has set it up. Raises as `render` does."""
    return render(generate(scenario), platform, **scenario.setup.options(platform))


def write_rows(path: str | Path, rows: Iterable[dict[str, Any]]) -> int:
    """Write rows as JSON lines, compressed where the name ends in `.gz`; return how many.

    Rows are written as they come. The same rows give the same bytes: no name and no time goes into a gzip header.
    Raises PolysigmaError when the file cannot be written.
    """
    path = Path(path)
    try:
        if path.suffix != ".gz":
            with path.open("w", encoding="utf-8", newline="\n") as file:
                return _write(file, rows)
        with path.open("wb") as raw, gzip.GzipFile("", "wb", 3, raw, mtime=0) as packed:
            from io import TextIOWrapper

            with TextIOWrapper(packed, encoding="utf-8", newline="\n") as file:
                return _write(file, rows)
    except OSError as error:
        raise PolysigmaError(
            Diagnostic("unwritable-file", f"cannot be written: {error.strerror}", file=str(path))
        ) from None


def _write(file: TextIO, rows: Iterable[dict[str, Any]]) -> int:
    """What json.dumps would write for each row, in less time.

    The rows of one kind have the same keys in the same order, so the keys are encoded once for all of them.
    """
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    templates: dict[tuple[str, ...], str] = {}
    count = 0
    for row in rows:
        keys = tuple(row)
        template = templates.get(keys)
        if template is None:
            members = (encode(key).replace("%", "%%") + ":%s" for key in keys)
            template = templates[keys] = "{" + ",".join(members) + "}\n"
        values = []
        for value in row.values():
            kind = type(value)
            values.append(quoted(value) if kind is str else str(value) if kind is int else encode(value))
        file.write(template % tuple(values))
        count += 1
    return count
