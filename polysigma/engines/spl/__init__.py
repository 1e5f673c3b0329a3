"""SPL, the search language of Splunk: a parser for the commands that Polysigma prints, and for nothing else.

It shares no code with the printer and is its judge: what it does not know, it refuses, with the position. Nothing here
has run on Splunk; what it takes for granted is in Splunk's documentation, cited where it is relied on.
"""

from polysigma.engines.spl.parser import parse
from polysigma.engines.spl.tree import Query, SplError

__all__ = ["Query", "SplError", "parse"]
