"""Exclusions that leave out more than whoever wrote them will have meant: a bot hides in what nobody looks at."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from polysigma.tuning.model import Exclusion

WIDEST = {4: 16, 6: 32}
"""The shortest prefix that may be excluded without naming a process.

A /16 of IPv4 is what one large organisation has, or a region of a cloud that rents to anybody; in IPv6 a /32 is the
least that a registry hands to a provider (RIPE-738, section 5.1.1), and so is the same order of neighbours.
"""

ADDRESSES = frozenset({"DestinationIp", "SourceIp"})
PROCESSES = frozenset(
    {
        *("Image", "CommandLine", "ParentImage", "ParentCommandLine", "ImageLoaded", "OriginalFileName"),
        *("Hashes", "imphash", "md5", "sha1", "sha256", "Product", "Company", "Signature"),
    }
)
"""Fields that say which program it was."""
NARROW = frozenset(
    {
        *("Computer", "User", "ParentUser", "SourceHostname", "DestinationHostname", "QueryName", "TargetFilename"),
        *("SourceFilename", "TargetObject", "ScriptBlockText", "Path", "Details"),
    }
)
"""Fields that name one host, person, name or place: with one of them something is named at least."""


def wide(exclusion: Exclusion) -> Iterator[tuple[str, str]]:
    """What is too wide in an exclusion: the key of its `where`, and what is wrong. A lookup holds whole values."""
    where = {**exclusion.where, **({exclusion.field: _WHOLE} if exclusion.field else {})}
    named = {key.partition("|")[0] for key, value in where.items() if _says(key, value)}
    if named & PROCESSES:
        return
    addressed = False
    for key, value in where.items():
        if key.partition("|")[0] in ADDRESSES:
            addressed = True
            yield from ((key, problem) for item in _items(value) if (problem := _wide(key, item)))
    if not addressed and not named & NARROW:
        yield next(iter(where)), "names neither a process nor an address, host, user or name"


_WHOLE = "a whole value"


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


_ANYWHERE = frozenset(
    {
        *("exe", "dll", "com", "bin", "c:", "c:\\windows", "c:\\windows\\system32", "c:\\users", "c:\\program files"),
        *("c:\\program files (x86)", "c:\\programdata", "windows", "system32", "users", "program files", "usr", "bin"),
        *("usr/bin", "usr/sbin", "usr/lib", "opt", "home", "tmp", "var"),
    }
)
"""Parts of paths that half of all programs have."""


def _says(key: str, value: Any) -> bool:
    """Whether a field's test names anything: `*` and `.exe` do not, nor does mere presence, nor absence."""
    if key.partition("|")[2] in {"exists", "neq"}:
        return False
    texts = ["" if item is None else str(item).casefold().strip("*?+^$\\/. ") for item in _items(value)]
    return all(sum(letter.isalnum() for letter in text) > 1 and text not in _ANYWHERE for text in texts)


def _wide(key: str, value: Any) -> str | None:
    modifiers = key.split("|")[1:]
    text = str(value)
    if "cidr" in modifiers:
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            return None  # pySigma says that it is no network
        least = WIDEST[network.version]
        return f"{text} is wider than a /{least}, and no process is named" if network.prefixlen < least else None
    if {"startswith", "contains", "endswith", "re", "neq", "exists"} & set(modifiers) or set("*?") & set(text):
        return _wide_text(modifiers, text)
    return None


def _wide_text(modifiers: list[str], text: str) -> str | None:
    """A test of an address as text: only a beginning of two whole parts is as narrow as a /16."""
    start = text if modifiers == ["startswith"] else text.partition("*")[0].partition("?")[0] if not modifiers else ""
    dots = start.count(".")
    colons = start.count(":")
    if dots >= 2 or (dots == 0 and colons >= 2 and "::" not in start[:-1]):
        return None
    return f"{text!r} takes in more addresses than a /16 does, and no process is named"
