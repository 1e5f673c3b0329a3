"""Time spans as Sigma writes them: a number and one of s m h d w (Sigma correlation specification, `timespan`)."""

from __future__ import annotations

import re

DURATION_PATTERN = "([1-9][0-9]{0,5})([smhdw])"
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def parse_duration(text: str) -> int | None:
    """The seconds of a span such as `15m`, or None where the text is none."""
    found = re.fullmatch(DURATION_PATTERN, text)
    return int(found[1]) * _SECONDS[found[2]] if found else None


def format_duration(seconds: int) -> str:
    """The shortest exact spelling: 86400 is `24h`, since a day of detection is said in hours; 7 days are `7d`."""
    for unit in ("d", "h", "m"):
        size = _SECONDS[unit]
        if seconds % size == 0 and (unit != "d" or seconds > 2 * size):
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
