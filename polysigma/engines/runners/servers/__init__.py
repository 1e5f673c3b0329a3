"""Vendors' own servers in the place of the engines here, where environment variables name one.

A server is asked over HTTP, as its vendor documents it. No server of a vendor's has been asked by us: that what is
sent is what the documentation says is tested against servers made for the tests.
"""

from __future__ import annotations

import json
import os
import time
from http import HTTPStatus
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

from polysigma.diagnostics import Diagnostic, PolysigmaError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from polysigma.engines.runners import Data, Runner

_SERVERS = {
    "logscale": ("POLYSIGMA_LOGSCALE_URL", "logscale", "LogScaleServer"),
    "spl": ("POLYSIGMA_SPLUNK_URL", "splunk", "SplunkServer"),
    "kql": ("POLYSIGMA_KUSTO_URL", "kusto", "KustoServer"),
}
"""For each language the variable that switches to a server, and where the adapter is."""

_PATIENCE = 60.0
"""Seconds to wait for an answer, and for events to become searchable."""


def server(language: str) -> Runner | None:
    """The server that the environment names for a language, if it names one."""
    if language not in _SERVERS:
        return None
    variable, module, name = _SERVERS[language]
    if not os.environ.get(variable):
        return None
    found: Runner = getattr(import_module(f"{__name__}.{module}"), name)()
    return found


class Settings:
    """What the environment says about a server: a class for each, with the variables that it needs."""

    required: ClassVar[tuple[str, ...]]

    def missing(self) -> str | None:
        """What to set, where something is missing."""
        unset = [name for name in self.required if not os.environ.get(name)]
        url = os.environ.get(self.required[0], "")
        if not unset and urlsplit(url).scheme not in {"http", "https"}:
            return f"{self.required[0]} is not the address of a server: it begins with http:// or https://"
        return f"{', '.join(unset)} must be set beside {self.required[0]}" if unset else None

    def __getitem__(self, name: str) -> str:
        return os.environ[name]


def ask(url: str, headers: Mapping[str, str], body: Any = None, form: Mapping[str, Any] | None = None) -> Any:
    """What a server answers, read as JSON, to a body that is sent as JSON or as a form.

    Raises PolysigmaError, without what the headers say, where it does not answer, refuses, or answers something else.
    """
    place = urlsplit(url).netloc
    kind = "application/x-www-form-urlencoded" if form is not None else "application/json"
    if form is not None:
        data = urlencode(form).encode()
    else:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = Request(  # noqa: S310 (Settings.missing has looked at the scheme)
        url, data=data, headers={"Content-Type": kind, "Accept": "application/json", **headers}, method="POST"
    )
    try:
        with urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310
            text = answer.read().decode()
    except HTTPError as error:
        said = error.read().decode(errors="replace")[:300].strip()
        why = f"{error.code} {HTTPStatus(error.code).phrase}" if error.code in set(HTTPStatus) else str(error.code)
        raise _failed(f"{place} answers {why}: {said}") from None
    except (URLError, OSError) as error:
        raise _failed(f"{place} cannot be reached: {getattr(error, 'reason', error)}") from None
    try:
        return json.loads(text) if text.strip() else None
    except ValueError:
        raise _failed(f"{place} answers with something other than JSON: {text[:100]!r}") from None


def no_lookups(data: Data) -> None:
    """Raises PolysigmaError where a query reads a lookup: nothing is uploaded to a server but events."""
    if data.lookups:
        message = f"the query reads the lookup {', '.join(sorted(data.lookups))}, which is not put on a server"
        raise PolysigmaError(Diagnostic("server-form", message))


def wait_for(many: int, count: Callable[[], int], place: str) -> None:
    """Waits until so many events can be found. Raises PolysigmaError where they cannot after a minute."""
    end = time.monotonic() + _PATIENCE
    while (found := count()) != many:
        if time.monotonic() > end:
            raise _failed(f"{place} finds {found} of the {many} events that it was sent")
        time.sleep(0.5)


def _failed(message: str) -> PolysigmaError:
    return PolysigmaError(Diagnostic("server-failed", message))
