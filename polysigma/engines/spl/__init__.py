"""An engine for SPL, the search language of Splunk: it parses, and runs on rows, what Polysigma prints.

It shares no code with the printer and is its judge: what it does not know, it refuses, with the position. Nothing here
has run on Splunk; each behaviour is that of a page of Splunk's documentation, named where it is relied on, and the
worked examples of these pages are its tests. What no page settles stands in `assumptions.toml`.
"""

from polysigma.engines.spl.assumptions import Assumption, assumptions
from polysigma.engines.spl.engine import CompiledQuery, compile_spl, run_spl
from polysigma.engines.spl.parser import parse
from polysigma.engines.spl.tree import Query, SplError

__all__ = ["Assumption", "CompiledQuery", "Query", "SplError", "assumptions", "compile_spl", "parse", "run_spl"]
