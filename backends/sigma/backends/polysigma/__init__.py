"""Polysigma's targets for `sigma convert`: logscale, kql, spl and sql."""

from .targets import KqlBackend, LogScaleBackend, SplBackend, SqlBackend

__all__ = ["KqlBackend", "LogScaleBackend", "SplBackend", "SqlBackend", "backends"]

backends = {"logscale": LogScaleBackend, "kql": KqlBackend, "spl": SplBackend, "sql": SqlBackend}
