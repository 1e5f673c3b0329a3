"""Values of the Windows registry that a platform writes otherwise than Sysmon does.

Sysmon's documentation, event 12: it writes HKLM, HKU and HKCR for the roots; its events have the data of a value as
text, as `DWORD (0x00000001)`, `QWORD (0x00000000-0x00000001)`, `Binary Data` or `(Empty)`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sigma.types import SigmaRegularExpression, SigmaString, SigmaType, SpecialChars

from sigma.pipelines.polysigma.paths import UnsayableValueError

if TYPE_CHECKING:
    from sigma.types import Placeholder

_CLASSES = "HKLM\\SOFTWARE\\Classes"
_NUMBER = re.compile(r"[dq]word( |$)", re.IGNORECASE)


class NotRecordedDataError(UnsayableValueError):
    """Data of a kind that the column does not hold. Its argument says which."""


def registry_path(value: SigmaType) -> SigmaType:
    """The value with the key's own name for HKCR, which is Sysmon's name for `HKLM\\SOFTWARE\\Classes`.

    Raises UnsayableValueError where it cannot be told whether HKCR is meant.
    """
    if isinstance(value, SigmaRegularExpression):
        if "hkcr" in str(value.regexp).lower():
            raise UnsayableValueError("HKCR is recorded under HKLM\\SOFTWARE\\Classes")
        return value
    if not isinstance(value, SigmaString):
        return value
    parts: list[str | SpecialChars | Placeholder] = list(value.s)
    first = 1 if parts and parts[0] is SpecialChars.WILDCARD_MULTI else 0
    text = parts[first] if first < len(parts) else ""
    if not isinstance(text, str) or not re.match(r"HKCR(\\|$)", text, re.IGNORECASE):
        return value
    result = value.__class__()
    result.s = [*parts[:first], f"{_CLASSES}{text[4:]}", *parts[first + 1 :]]
    return result


def registry_data(value: SigmaType) -> SigmaType:
    """The value, where it is about text. Raises NotRecordedDataError for numbers, bytes and empty data."""
    if isinstance(value, SigmaString):
        text = "".join(part for part in value.s if isinstance(part, str))
        if _NUMBER.match(text) or re.match(r"\(?0x[0-9a-f]{8}\)?$", text, re.IGNORECASE):
            raise NotRecordedDataError("the number that a registry value holds is not recorded, its text is")
        if text.lower() == "binary data":
            raise NotRecordedDataError("whether a registry value holds bytes is not recorded, its text is")
        if text.lower() == "(empty)":
            raise NotRecordedDataError("an empty registry value cannot be told from one that holds a number or bytes")
    return value
