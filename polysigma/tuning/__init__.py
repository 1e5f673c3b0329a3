"""A site's tuning, apart from the rules: values of parameters, and exclusions as standard Sigma filters."""

from __future__ import annotations

from polysigma.tuning.binding import Tuned, apply, as_errors
from polysigma.tuning.model import Entry, Exclusion, Tuning, json_schema, read_tuning

__all__ = ["Entry", "Exclusion", "Tuned", "Tuning", "apply", "as_errors", "json_schema", "read_tuning"]
