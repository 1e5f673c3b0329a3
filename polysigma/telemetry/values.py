"""The values that a person writes in a scenario: durations and addresses."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from polysigma.telemetry.addresses import canonical, is_harmless

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhd])")
_DURATION = r"^(\d+(\.\d+)?(ms|[smhd]))+$"


def refusal(message: str) -> PydanticCustomError:
    """A ValueError whose message pydantic passes on as it stands."""
    return PydanticCustomError("scenario", "{message}", {"message": message})


def parse_duration(value: Any) -> float:
    """Seconds of `90s`, `15m`, `1h30m`, `1h59m59s999ms` or a plain number. Raises ValueError for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return float(value)
    if isinstance(value, str) and re.match(_DURATION, value):
        # Whole milliseconds, so that a sum of parts falls exactly on the edge of a bucket.
        return round(sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(value)), 3)
    raise refusal(f"{value!r} is not a duration: write 90s, 15m, 1h30m or 3d")


def parse_address(value: Any) -> str:
    """A canonical address. Raises ValueError for what is none, and for one that belongs to somebody."""
    try:
        address = canonical(str(value))
    except ValueError:
        raise refusal(f"{value!r} is not an IP address") from None
    if not is_harmless(address):
        raise refusal(
            f"{address} belongs to somebody: the public internet of a scenario is 192.0.2.0/24, 198.51.100.0/24, "
            "203.0.113.0/24 and 2001:db8::/32"
        )
    return address


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": _DURATION}, {"type": "number", "minimum": 0}]}),
]
Period = Annotated[Duration, Field(gt=0)]
Address = Annotated[str, BeforeValidator(parse_address)]
Port = Annotated[int, Field(ge=0, le=65535, strict=True)]
Share = Annotated[float, Field(ge=0, le=1)]
