"""Text that YAML takes away from an expression before anyone reads it.

In a flow map or list a comma ends a value, and ` #` after plain text begins a comment: what is left is often a valid
expression of another meaning. So an expression stands in a block, or in quotes, and a comment on a line of its own.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from polysigma.plan.faults import Fault, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from polysigma.source import Document

Path = tuple[str | int, ...]

_COMMENT = re.compile(r"\s+#")


def swallowed(document: Document, path: Path) -> list[Fault]:
    """What YAML may have taken from the expressions below `path`, the `polysigma` map of a correlation.

    Returns, in order of reading, a fault `flow-expression` for each flow map or list with an expression in plain text
    inside, and a fault `swallowed-comment` for each comment behind one. Lists of names and the width of a bucket are
    no expressions. Places start at the top of the document. Values that are not in the shape of steps are passed
    over: `polysigma.plan.metadata` refuses them.
    """
    faults = (_in_flow(document, path, place) or _commented(document, place) for place in _expressions(document, path))
    return list(dict.fromkeys(fault for fault in faults if fault))


def _expressions(document: Document, path: Path) -> Iterator[Path]:
    """The paths of the scalars that hold expressions, or what YAML left of them."""
    metadata: Any = document.value
    for part in path:
        metadata = metadata[part]
    steps = metadata.get("steps") if isinstance(metadata, dict) else None
    for index, step in enumerate(steps if isinstance(steps, list) else ()):
        for kind, value in step.items() if isinstance(step, dict) else ():
            at = (*path, "steps", index, kind)
            if kind in {"where", "derive", "score"}:
                yield from _scalars(value, at)
            elif kind in {"group", "annotate"} and isinstance(value, dict):
                yield from _scalars(value.get("measures"), (*at, "measures"))


def _scalars(value: Any, path: Path) -> Iterator[Path]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _scalars(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _scalars(inner, (*path, index))
    else:
        yield path


def _plain(document: Document, path: Path) -> yaml.ScalarNode | None:
    node = document.nodes.get(path)
    return node if isinstance(node, yaml.ScalarNode) and not node.style else None


def _in_flow(document: Document, top: Path, path: Path) -> Fault | None:
    """The outermost flow collection round an expression in plain text."""
    if _plain(document, path) is None:
        return None
    for length in range(len(top), len(path)):
        outer = path[:length]
        node = document.nodes.get(outer)
        if isinstance(node, yaml.CollectionNode) and node.flow_style:
            kind, sign = ("map", "{") if isinstance(node, yaml.MappingNode) else ("list", "[")
            message = f"an expression stands in a flow {kind}, `{sign}`, where YAML breaks it at its commas"
            hint = f"write a block {kind}: one item a line, without `{sign}`; or put the expression in double quotes"
            return Fault("flow-expression", message, hint, Place(outer))
    return None


def _commented(document: Document, path: Path) -> Fault | None:
    node = _plain(document, path)
    if node is None or node.end_mark.line >= len(document.lines):
        return None
    found = _COMMENT.match(document.lines[node.end_mark.line], node.end_mark.column)
    if found is None:
        return None
    message = "YAML takes ` #` and what follows for a comment, not for a part of the expression"
    hint = "put a comment on a line of its own; put an expression that holds ` #` in double quotes"
    gap = found.end() - found.start() - 1
    return Fault("swallowed-comment", message, hint, Place(path, column=len(node.value) + gap + 1))
