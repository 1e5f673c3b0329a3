"""The types of columns and expressions."""

from __future__ import annotations

from enum import StrEnum


class Type(StrEnum):
    """What a value is, on every platform. How a platform writes it down is its schema's business."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    REAL = "real"
    TEXT = "text"
    ADDRESS = "address"
    """An IPv4 or IPv6 address, in one canonical spelling; `::ffff:a.b.c.d` is a.b.c.d."""
    TIME = "time"
    """A point in time, UTC."""
    LIST = "list"
    """A display list made by `collect`; it is never compared."""

    @property
    def is_number(self) -> bool:
        return self in {Type.INTEGER, Type.REAL}
