"""An engine for CQL: runs the text of a LogScale query on rows.

It evaluates what Polysigma prints and what hand-written hunts of the package use, and refuses everything else, with its
place: breadth would invite a plausible interpreter that is wrong. It shares no code with the printer. Every behaviour
cites a page of LogScale's documentation (addresses are under https://library.humio.com/), or stands in
`assumptions.toml`.
"""

from polysigma.engines.cql.assumptions import Assumption, as_markdown, assumptions
from polysigma.engines.cql.engine import CompiledQuery, Result, compile_cql, run_cql

__all__ = ["Assumption", "CompiledQuery", "Result", "as_markdown", "assumptions", "compile_cql", "run_cql"]
