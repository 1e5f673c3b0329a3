"""CQL on a LogScale of one's own.

Events are sent to the endpoint for structured data (library.humio.com, "Ingesting Structured Data") and found by
"Streaming Search Request", each store by a mark of its own. LogScale stamps and searches by the time of the event; a
window is told by a field with the time that the platform's claims name, so that it is the same as in the engines here.
"""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING, Any

from polysigma.diagnostics import Diagnostic, PolysigmaError
from polysigma.engines.runners import Data, Result, Store, Window, no_flips
from polysigma.engines.runners.cql import CqlRunner
from polysigma.engines.runners.servers import Settings, ask, no_lookups, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

RUN = "polysigma_run"
"""The field that tells the events of one store from all others."""
AT = "polysigma_at"
"""The field with the time of an event in milliseconds."""

_BATCH = 1_000
_DAY = 86_400_000


class _Settings(Settings):
    required = (
        "POLYSIGMA_LOGSCALE_URL",
        "POLYSIGMA_LOGSCALE_REPOSITORY",
        "POLYSIGMA_LOGSCALE_TOKEN",
        "POLYSIGMA_LOGSCALE_INGEST_TOKEN",
    )


_settings = _Settings()


class LogScaleServer(CqlRunner):
    engine = "LogScale"

    def unavailable(self) -> str | None:
        return _settings.missing()

    def store(self, data: Data, text: str) -> Store:
        del text
        return _LogScaleStore(data)

    def flips(self) -> frozenset[str]:
        """None: a server is as it is."""
        return frozenset()


class _LogScaleStore(Store):
    def __init__(self, data: Data) -> None:
        no_lookups(data)
        self.run_id = uuid.uuid4().hex
        events = [self._event(row, at) for row, at in zip(data.rows, data.times, strict=True)]
        stamps = [event["timestamp"] for _, event in events]
        self.first, self.last = min(stamps, default=0) - _DAY, max(stamps, default=0) + _DAY
        by_tags: dict[str, list[dict[str, Any]]] = {}
        for tags, event in events:
            by_tags.setdefault(json.dumps(tags, sort_keys=True), []).append(event)
        headers = {"Authorization": f"Bearer {_settings['POLYSIGMA_LOGSCALE_INGEST_TOKEN']}"}
        url = f"{_settings['POLYSIGMA_LOGSCALE_URL'].rstrip('/')}/api/v1/ingest/humio-structured"
        for tags_text, several in by_tags.items():
            for start in range(0, len(several), _BATCH):
                ask(url, headers, [{"tags": json.loads(tags_text), "events": several[start : start + _BATCH]}])
        if events:
            wait_for(len(events), self._count, "LogScale")

    def _event(self, row: Mapping[str, Any], at: float | None) -> tuple[dict[str, str], dict[str, Any]]:
        """The tags of a row, but for the repository's, which the server sets; and the rest of it."""
        tags = {name[1:]: str(value) for name, value in row.items() if name.startswith("#") and name != "#repo"}
        attributes = {name: value for name, value in row.items() if not name.startswith(("#", "@"))}
        attributes[RUN] = self.run_id
        if at is not None:
            attributes[AT] = round(at * 1000)
        stamp = row.get("@timestamp", round(at * 1000) if at is not None else round(time.time() * 1000))
        return tags, {"timestamp": int(stamp), "attributes": attributes}

    def _count(self) -> int:
        rows = self._ask(f'{RUN}="{self.run_id}" | count()')
        return int(float(rows[0]["_count"])) if rows else 0

    def _ask(self, text: str) -> list[dict[str, Any]]:
        repository = _settings["POLYSIGMA_LOGSCALE_REPOSITORY"]
        url = f"{_settings['POLYSIGMA_LOGSCALE_URL'].rstrip('/')}/api/v1/repositories/{repository}/query"
        headers = {"Authorization": f"Bearer {_settings['POLYSIGMA_LOGSCALE_TOKEN']}"}
        body = {"queryString": text, "start": self.first, "end": self.last, "isLive": False}
        found = ask(url, headers, body)
        return found if isinstance(found, list) else []

    def run(self, text: str, windows: Sequence[Window | None], flip: frozenset[str] = frozenset()) -> Iterator[Result]:
        """The result on each window."""
        no_flips(flip)
        if "defineTable(" in text:
            message = "the query reads events in more than one place, so that those of others would be found too"
            raise PolysigmaError(Diagnostic("server-form", message, "run it on a repository that holds nothing else"))
        for window in windows:
            within = f" | {AT} >= {window[0] * 1000} | {AT} < {window[1] * 1000}" if window else ""
            yield Result(self._ask(f'{RUN}="{self.run_id}"{within}\n| {text}'))
