"""A naive evaluator of plans: the oracle that every printed query is held against.

It is written from the semantics table of `docs/design.md`, in plain Python, and shares nothing with the printers or
with the engines that run query text. Where it has to decide something that the table leaves open, the docstring of the
function that decides it says so.
"""

from polysigma.engines.reference.evaluate import evaluate
from polysigma.engines.reference.windows import Hit, slide

__all__ = ["Hit", "evaluate", "slide"]
