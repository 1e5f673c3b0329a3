"""Which values of a parameter are worth a try: those around the one that it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from polysigma.plan.metadata import ParameterValue

FACTORS = (0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 3, 4)
MOST_ITEMS = 20
"""Of a longer list only so many items are left out, one at a time."""


def around(value: ParameterValue) -> Iterator[tuple[str, ParameterValue]]:
    """Label and value of each that is worth a try, the value itself among them.

    Of a number: from a quarter of it to four times as much; of a small whole number each one. Of true or false: both.
    Of a list: all of it, and without each of its items. Of a text: only itself.
    """
    match value:
        case bool():
            yield from (("false", False), ("true", True))
        case int():
            yield from ((str(one), one) for one in _whole(value))
        case float():
            tried = sorted({round(value * factor, 9) for factor in FACTORS} | {value})
            share = 0 < value < 1  # of which there is no more than all
            yield from ((f"{one:g}", one) for one in tried if one <= 1 or not share)
        case list():
            yield ("all", value)
            if len(value) > 1:
                for number, item in enumerate(value[:MOST_ITEMS]):
                    yield f"without {item}", [*value[:number], *value[number + 1 :]]
        case _:
            yield str(value), value


def _whole(value: int) -> list[int]:
    if 0 <= value <= 5:
        return list(range(2 * value + 4))
    tried = {round(value * factor) for factor in FACTORS}
    near = {value - 1, value + 1} if abs(value) < 12 else set()
    return sorted(tried | near | {value})
