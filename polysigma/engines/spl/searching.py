"""Terms of `search`, compiled to functions of a row.

Source: Splunk Search Reference, "search" (values are compared without regard to case; `*` stands for any text; `<` and
the like compare numbers, or texts where one is none); Search Manual, "Difference between NOT and !=" (`!=` needs the
field, `NOT` does not); "search" on CIDR (a value in CIDR notation matches addresses in the network).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import TypeAlias, assert_never

from polysigma.engines.spl.evaluate import in_network, lowered
from polysigma.engines.spl.tree import Macro, SearchAnd, SearchExpression, SearchNot, SearchOr, Term, TermIn
from polysigma.engines.spl.values import Row, compare, number, several, text

Predicate: TypeAlias = Callable[[Row], bool]

SYSMON = SearchOr(
    (
        Term("source", "=", "XmlWinEventLog:Microsoft-Windows-Sysmon/Operational"),
        Term("source", "=", "Syslog:Linux-Sysmon/Operational"),
    )
)
"""The macro `sysmon`, as splunk/security_content defines it (macros/sysmon.yml), but for the old source type."""
POWERSHELL = SearchOr(
    (
        Term("source", "=", "XmlWinEventLog:Microsoft-Windows-PowerShell/Operational"),
        Term("source", "=", "XmlWinEventLog:PowerShellCore/Operational"),
    )
)
"""The macro `powershell` (macros/powershell.yml), but for events that are not collected as XML."""


def predicate(node: SearchExpression, macros: Mapping[str, SearchExpression | None]) -> Predicate:
    """Whether a row is found. A macro that is None finds everything. Raises KeyError for one that is not given."""
    match node:
        case Macro(name=name):
            meaning = macros[name]
            return predicate(meaning, macros) if meaning is not None else lambda row: True  # noqa: ARG005
        case SearchNot(item=item):
            inner = predicate(item, macros)
            return lambda row: not inner(row)
        case SearchAnd(items=items):
            tests = [predicate(item, macros) for item in items]
            return lambda row: all(test(row) for test in tests)
        case SearchOr(items=items):
            tests = [predicate(item, macros) for item in items]
            return lambda row: any(test(row) for test in tests)
        case TermIn(field=field, values=values):
            matches = [_matcher(value) for value in values]
            return lambda row: any(match(text(one) or "") for one in several(row.get(field)) for match in matches)
        case Term(field=field, operator="=", value=value):
            match_one = _matcher(value)
            return lambda row: any(match_one(text(one) or "") for one in several(row.get(field)))
        case Term(field=field, operator="!=", value=value):
            match_one = _matcher(value)
            return lambda row: (
                bool(found := several(row.get(field))) and not any(match_one(text(one) or "") for one in found)
            )
        case Term(field=field, operator=operator, value=value):
            bound = number(value) if number(value) is not None else value
            return lambda row: any(compare(operator, one, bound) is True for one in several(row.get(field)))
        case _:
            assert_never(node)


def _matcher(value: str) -> Callable[[str], bool]:
    wanted = lowered(value)
    if "*" in wanted:
        pattern = re.compile(".*".join(re.escape(part) for part in wanted.split("*")), re.DOTALL)
        return lambda found: pattern.fullmatch(lowered(found)) is not None
    if _is_network(value):
        return lambda found: lowered(found) == wanted or in_network(value, found)
    return lambda found: lowered(found) == wanted


def _is_network(value: str) -> bool:
    try:
        return "/" in value and bool(ipaddress.ip_network(value, strict=False))
    except ValueError:
        return False
