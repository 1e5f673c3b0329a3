"""Guides: what a responder and a tuner read about a detection, typed, checked, and kept apart from the rule.

`read_package` reads a detection's folder for its page; `check_guides` says what is wrong with the guides beside rules.
"""

from __future__ import annotations

from polysigma.guide.atomics import Atomic, AtomicFile
from polysigma.guide.checks import check_beside, check_guides
from polysigma.guide.exclusions import as_filter
from polysigma.guide.files import Package, hunts, packages, read_guide, read_package
from polysigma.guide.model import Guide, json_schema

__all__ = [
    "Atomic",
    "AtomicFile",
    "Guide",
    "Package",
    "as_filter",
    "check_beside",
    "check_guides",
    "hunts",
    "json_schema",
    "packages",
    "read_guide",
    "read_package",
]
