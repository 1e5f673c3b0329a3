"""Polysigma's targets for `sigma convert`: logscale and sql."""

from .kql import KqlBackend
from .logscale import LogScaleBackend
from .sql import SqlBackend

__all__ = ["KqlBackend", "LogScaleBackend", "SqlBackend", "backends"]

backends = {"logscale": LogScaleBackend, "kql": KqlBackend, "sql": SqlBackend}
