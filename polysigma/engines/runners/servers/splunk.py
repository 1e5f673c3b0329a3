"""SPL on a Splunk of one's own.

Events are sent to the HTTP event collector (help.splunk.com, "Format events for HTTP Event Collector"), with every
value as an indexed field too ("Automate indexed field extractions with HTTP Event Collector"), and searched by a job
that answers at once (REST API Reference, search/jobs, `exec_mode=oneshot`). Each store has a mark of its own.
"""

from __future__ import annotations

import json
import re
import uuid
from typing import TYPE_CHECKING, Any

from polysigma.diagnostics import Diagnostic, PolysigmaError
from polysigma.engines.runners import Data, Result, Store, Window, no_flips
from polysigma.engines.runners.servers import Settings, ask, no_lookups, wait_for
from polysigma.engines.runners.spl import SplRunner

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

RUN = "polysigma_run"
"""The field that tells the events of one store from all others."""

_BATCH = 500
_META = ("host", "source", "sourcetype")
_COMMENTS = re.compile(r"(?:\s*```.*?```)*\s*", re.DOTALL)


class _Settings(Settings):
    required = (
        "POLYSIGMA_SPLUNK_URL",
        "POLYSIGMA_SPLUNK_TOKEN",
        "POLYSIGMA_SPLUNK_HEC_URL",
        "POLYSIGMA_SPLUNK_HEC_TOKEN",
        "POLYSIGMA_SPLUNK_INDEX",
    )


_settings = _Settings()


class SplunkServer(SplRunner):
    """The macros that queries name (`sysmon`) must exist there, and lead to the index that the events are sent to."""

    engine = "Splunk"

    def unavailable(self) -> str | None:
        return _settings.missing()

    def store(self, data: Data, text: str) -> Store:
        return _SplunkStore(data, self._place(text))

    def _place(self, text: str) -> int:
        """Where the first search begins. Raises PolysigmaError for a query of a data model, which no mark reaches."""
        start = _COMMENTS.match(text)
        place = start.end() if start else 0
        if text.startswith("|", place):
            message = "the query reads a data model, which holds the events of all others too"
            raise PolysigmaError(Diagnostic("server-form", message))
        return place


class _SplunkStore(Store):
    def __init__(self, data: Data, place: int) -> None:
        no_lookups(data)
        self.run_id = uuid.uuid4().hex
        self.place = place
        url = f"{_settings['POLYSIGMA_SPLUNK_HEC_URL'].rstrip('/')}/services/collector/event"
        headers = {"Authorization": f"Splunk {_settings['POLYSIGMA_SPLUNK_HEC_TOKEN']}"}
        events = [self._event(row, at) for row, at in zip(data.rows, data.times, strict=True)]
        for start in range(0, len(events), _BATCH):
            # The collector takes one JSON object after another, not a list of them.
            ask(url, headers, "\n".join(map(json.dumps, events[start : start + _BATCH])).encode())
        if events:
            wait_for(len(events), self._count, "Splunk")

    def _event(self, row: Mapping[str, Any], at: float | None) -> dict[str, Any]:
        values = {name: value for name, value in row.items() if name not in {*_META, "_time"} and value is not None}
        fields = {name: value if isinstance(value, list) else str(value) for name, value in values.items()}
        event = {"index": _settings["POLYSIGMA_SPLUNK_INDEX"], "event": values, "fields": {**fields, RUN: self.run_id}}
        event |= {name: row[name] for name in _META if row.get(name)}
        stamp = row.get("_time", at)
        return event if stamp is None else {**event, "time": stamp}

    def _count(self) -> int:
        index = _settings["POLYSIGMA_SPLUNK_INDEX"]
        rows = self._ask(f'search index="{index}" {RUN}::{self.run_id} | stats count AS found', None)
        return int(rows[0]["found"]) if rows else 0

    def _ask(self, text: str, window: Window | None) -> list[dict[str, Any]]:
        url = f"{_settings['POLYSIGMA_SPLUNK_URL'].rstrip('/')}/services/search/v2/jobs"
        headers = {"Authorization": f"Bearer {_settings['POLYSIGMA_SPLUNK_TOKEN']}"}
        first, beyond = window or (0, 2**31 - 1)
        form = {"search": text, "exec_mode": "oneshot", "output_mode": "json", "count": 0}
        found = ask(url, headers, form={**form, "earliest_time": first, "latest_time": beyond})
        errors = [one for one in (found or {}).get("messages", []) if one.get("type") in {"ERROR", "FATAL"}]
        if errors:
            raise PolysigmaError(Diagnostic("server-failed", f"Splunk refuses the search: {errors[0].get('text')}"))
        results = (found or {}).get("results", [])
        return results if isinstance(results, list) else []

    def run(self, text: str, windows: Sequence[Window | None], flip: frozenset[str] = frozenset()) -> Iterator[Result]:
        """The result on each window: `latest_time` is beyond it."""
        no_flips(flip)
        # AND binds less than OR in a search, so that a term in front narrows all of it.
        marked = f"search {RUN}::{self.run_id} {text[self.place :]}"
        for window in windows:
            yield Result(self._ask(marked, window))
