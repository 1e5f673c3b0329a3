"""CQL, the query language of CrowdStrike LogScale and Falcon Next-Gen SIEM, offline: parser, function table, linter."""

from polysigma.cql.lint import lint
from polysigma.cql.parser import parse, parse_tolerantly

__all__ = ["lint", "parse", "parse_tolerantly"]
