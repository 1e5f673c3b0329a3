"""Polysigma's targets for `sigma convert`: logscale and sql."""

from .kql import KqlBackend
from .logscale import LogScaleBackend
from .spl import SplBackend
from .sql import SqlBackend

__all__ = ["KqlBackend", "LogScaleBackend", "SplBackend", "SqlBackend", "backends"]

backends = {"logscale": LogScaleBackend, "kql": KqlBackend, "spl": SplBackend, "sql": SqlBackend}
