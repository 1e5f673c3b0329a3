"""File paths that a platform writes otherwise than Sigma does: values translated exactly, or not at all.

Sigma writes a Windows path with its drive, `C:\\Windows\\x.exe`. Some platforms name the volume's device instead, and
some record only what follows the last separator.
"""

from __future__ import annotations

import re

from sigma.types import (
    Placeholder,
    SigmaCasedString,
    SigmaRegularExpression,
    SigmaRegularExpressionFlag,
    SigmaString,
    SpecialChars,
)

DIGITS = "digits"
"""The name of the placeholder that stands for one or more digits in `DevicePath.pattern`."""

_DEVICE = "\\Device\\HarddiskVolume"
_SEPARATORS = frozenset("\\/")
_REGEX_SPECIAL = frozenset(".*+?^$[](){}\\|")

Part = str | SpecialChars | Placeholder


class DevicePath(SigmaRegularExpression):
    """A path on a volume of any number.

    Wildcards cannot say "digits", so to a backend this is a regular expression. `pattern` says the same as text:
    a string with wildcards in which `Placeholder(DIGITS)` stands for the number. `cased` is true where case counts.
    """

    pattern: SigmaString
    cased: bool

    def __init__(self, rest: list[Part], *, cased: bool) -> None:
        """`rest` is what follows the volume's number."""
        parts = [_DEVICE, Placeholder(DIGITS), *(part for part in rest if part)]
        super().__init__(_regex(parts), set() if cased else {SigmaRegularExpressionFlag.IGNORECASE})
        self.pattern = SigmaCasedString() if cased else SigmaString()
        self.pattern.s = parts
        self.cased = cased

    def compile(self) -> None:
        """Nothing: pySigma compiles patterns to see whether they are valid, and this one is put together so."""


class UnsayableValueError(Exception):
    """A value that cannot be translated exactly. Its argument says why."""


class NoValueError(UnsayableValueError):
    """A placeholder that nothing has given a value."""


class NetworkPathError(UnsayableValueError):
    """A path on another computer, whose form no source confirms."""


def base_name(value: SigmaString) -> SigmaString:
    """The pattern of a path's last part that holds exactly where `value` holds of the path.

    Raises UnsayableValueError where the last part cannot decide it: a folder is named, or a wildcard might span one.
    """
    parts = _parts(value)
    anywhere = bool(parts) and parts[0] is SpecialChars.WILDCARD_MULTI
    rest = parts[1:] if anywhere else parts
    if not rest:
        return value
    if len(rest) > 1 or not isinstance(rest[0], str):
        raise UnsayableValueError("a wildcard in or after the file's name might span folders, which are not recorded")
    name = rest[0]
    in_folder = anywhere and name[0] in _SEPARATORS
    if in_folder:
        name = name[1:]
    if not name or not _SEPARATORS.isdisjoint(name):
        raise UnsayableValueError("it names a folder, and only the file's name is recorded")
    return _like(value, [name]) if in_folder else value


def in_name(value: object) -> SigmaString | None:
    """The pattern of a path's last part where `value` holds of the path if it holds of that, and may hold otherwise.

    That is a pattern of text that may stand anywhere in the path, and of no folder. None for any other.
    """
    if not isinstance(value, SigmaString):
        return None
    parts = _parts(value)
    if len(parts) < 3 or parts[0] is not SpecialChars.WILDCARD_MULTI or not isinstance(parts[1], str):
        return None
    if parts[1][0] in _SEPARATORS:
        parts = [parts[1][1:], *parts[2:]]
    texts = [part for part in parts if isinstance(part, str)]
    named = any(texts) and all(_SEPARATORS.isdisjoint(text) for text in texts)
    return _like(value, [part for part in parts if part]) if named else None


def device_path(value: SigmaString) -> tuple[SigmaString | DevicePath, bool]:
    """The pattern of a path with its device that holds exactly where `value` holds of the path with its drive.

    The second result says whether the value named a drive letter, which the device does not tell.
    Raises UnsayableValueError where there is no such pattern.
    """
    parts = _parts(value)
    if any(isinstance(part, str) and "\\\\" in part for part in parts):
        raise NetworkPathError("no source confirms how paths on other computers (\\\\server\\share) are recorded")
    lead, rest = _leading_wildcards(parts)
    first = rest[0] if rest else ""
    if not isinstance(first, str):  # pragma: no cover - the leading wildcards were taken off
        raise TypeError(first)
    cased = isinstance(value, SigmaCasedString)
    if not lead:
        return _anchored(value, first, rest, cased=cased)
    if not rest and SpecialChars.WILDCARD_SINGLE not in lead:
        return value, False
    if first.startswith(":\\") and lead in ([SpecialChars.WILDCARD_MULTI], [SpecialChars.WILDCARD_SINGLE]):
        return DevicePath([first[1:], *rest[1:]], cased=cased), False
    if lead != [SpecialChars.WILDCARD_MULTI]:
        raise UnsayableValueError("the leading wildcard stands for part of a drive, which is not recorded")
    if re.match(r"[A-Za-z]:(?=\\|$)", first):
        return DevicePath([first[2:], *rest[1:]], cased=cased), True
    if ":\\" in first or first == ":" or re.fullmatch(r"[A-Za-z]", first):
        raise UnsayableValueError("it may hold of the drive alone, which is not recorded")
    if _may_match_device(first.lower()):
        return DevicePath([SpecialChars.WILDCARD_MULTI, *rest], cased=cased), False
    return value, False


def is_below_drive(value: SigmaRegularExpression) -> bool:
    """Whether a regular expression finds the same in a path with its drive as in that with its device.

    It does if whatever it finds begins with a backslash and text that is nowhere in the device's part: then all of it
    is in what both paths have.
    """
    text = str(value.regexp)
    begin = _BEGINS_WITH_FOLDER.match(text)
    if begin is None or _splits(text):
        return False
    return not _may_match_device("\\" + re.sub(r"\\(?=[.$])", "", begin[1]).lower())


_BEGINS_WITH_FOLDER = re.compile(r"(?:\(\?[ims]+\))?\\\\((?:[\w -]|\\[.$])+)(?![\w?*{+ -]|\\[.$])")
"""A pattern that begins with a backslash and text, no part of which is repeated or left out."""


def _splits(pattern: str) -> bool:
    """Whether a pattern has alternatives outside of groups, of which only the first would begin as it does."""
    depth, in_class = 0, False
    for part in re.findall(r"\\.|.", pattern, re.DOTALL):
        if in_class:
            in_class = part != "]"
        elif part == "[":
            in_class = True
        elif part in {"(", ")"}:
            depth += 1 if part == "(" else -1
        elif part == "|" and depth == 0:
            return True
    return False


def _anchored(
    value: SigmaString, first: str, rest: list[Part], *, cased: bool
) -> tuple[SigmaString | DevicePath, bool]:
    drive = re.match(r"[A-Za-z]:(?=\\|$)", first)
    if drive and (len(first) > 2 or len(rest) > 1):
        return DevicePath([first[2:], *rest[1:]], cased=cased), True
    if len(rest) > 1 and first.startswith("\\") and _DEVICE.lower().startswith(first.lower()):
        raise UnsayableValueError("it starts as every recorded path does, and no path with a drive")
    if len(rest) > 1 and re.fullmatch(r"[A-Za-z]", first):
        raise UnsayableValueError("it may hold of the drive alone, which is not recorded")
    return value, False


def _may_match_device(text: str) -> bool:
    """Whether text could be found in the device's part of a path, where the drive's path does not have it."""
    device = _DEVICE.lower()
    starts = [start for start, letter in enumerate(device) if letter == text[:1]]
    for start in (*starts, len(device)):
        fixed = device[start:]
        common = min(len(text), len(fixed))
        if text[:common] != fixed[:common]:
            continue
        number = text[common:]
        digits = len(number) - len(number.lstrip("0123456789"))
        if not number or (digits and (digits == len(number) or number[digits] == "\\")):
            return True
    return False


def _parts(value: SigmaString) -> list[Part]:
    """The parts of a value, runs of `*` made one. Raises UnsayableValueError for a placeholder left in it."""
    parts: list[Part] = []
    for part in value.s:
        if isinstance(part, Placeholder):
            raise NoValueError(f"its placeholder %{part.name}% has no value here that could be translated")
        if part is SpecialChars.WILDCARD_MULTI and parts and parts[-1] is part:
            continue
        parts.append(part)
    return parts


def _leading_wildcards(parts: list[Part]) -> tuple[list[Part], list[Part]]:
    count = next((index for index, part in enumerate(parts) if isinstance(part, str)), len(parts))
    return parts[:count], parts[count:]


def _like(value: SigmaString, parts: list[Part]) -> SigmaString:
    """A string of the same kind (cased or not) with other parts."""
    result = value.__class__()
    result.s = parts
    return result


def _regex(parts: list[Part]) -> str:
    text = "^"
    for index, part in enumerate(parts):
        if isinstance(part, Placeholder):
            text += "[0-9]+"
        elif part is SpecialChars.WILDCARD_MULTI:
            if index == len(parts) - 1:
                return text
            text += ".*"
        elif part is SpecialChars.WILDCARD_SINGLE:
            text += "."
        else:
            assert isinstance(part, str)
            text += "".join("\\" + character if character in _REGEX_SPECIAL else character for character in part)
    return text + "$"
