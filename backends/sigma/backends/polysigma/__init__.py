"""Polysigma's targets for `sigma convert`: logscale and sql."""

from .logscale import LogScaleBackend
from .sql import SqlBackend

__all__ = ["LogScaleBackend", "SqlBackend", "backends"]

backends = {"logscale": LogScaleBackend, "sql": SqlBackend}
