"""When the collector of garbage works: it looks through all that is held, for the little that nothing else frees."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Leaves the collector to be called: at its own turns it looks through thousands of rules, or rows, each time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
