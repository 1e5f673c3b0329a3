"""The functions of the step language as KQL's.

Source: learn.microsoft.com/kusto/query, pages of extract(), parse_json(), replace_regex(), strcat() and of the
conversion functions; `coalesce` passes over empty strings.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from polysigma.plan.expressions import Call, Constant, Expression
from polysigma.plan.functions import SHARES, TIME_PARTS
from polysigma.refusals import RefusalCode

from .errors import unsupported
from .kql_plain import DETAILS, ENTITIES, NUMERIC, ROOTS
from .kql_text import quoted, verbatim
from .printer import PADDING, network_pattern

if TYPE_CHECKING:
    from .kql_expressions import Expressions

_TEXT_TESTS = {"starts_with": "startswith", "ends_with": "endswith", "contains": "contains"}
_LAST_PART = verbatim(r"[^\\/]*$")
_BACKSLASH = quoted("\\")
_PIPES = verbatim(r"(?i)^\\Device\\NamedPipe")


def call(node: Call, expressions: Expressions) -> str:
    """A function of the step language."""
    first, *rest = node.arguments
    match node.name:
        case "coalesce":
            kind = expressions.type_of(node)
            return f"coalesce({', '.join(expressions.as_type(argument, kind) for argument in node.arguments)})"
        case "lower":
            return f"tolower({expressions.text(first)})"
        case "length":
            return _if_there(first, expressions, f"strlen({expressions.text(first)})", "long(null)")
        case "round":
            return f"round({expressions.value(first)}, {expressions.value(rest[0])})"
        case "digit_ratio" | "vowel_ratio":
            others = verbatim(f"[^{SHARES[node.name]}]")
            counted = f"strlen(replace_regex({expressions.text(first)}, {others}, {quoted('')}))"
            return _if_there(
                first, expressions, f"todouble({counted}) / strlen({expressions.text(first)})", "real(null)"
            )
        case "labels":
            count = rest[0]
            if not isinstance(count, Constant) or not isinstance(count.value, int) or count.value < 1:
                raise unsupported(RefusalCode.STEP, "labels with a number that is not constant")
            pattern = rf"([^.]+(?:[.][^.]+){{0,{count.value - 1}}})[.]?$"
            return f"extract({verbatim(pattern)}, 1, {expressions.text(first)})"
        case "network":
            pattern = verbatim(network_pattern(rest[0]))
            kept = f"extract({pattern}, 1, {expressions.text(first)})"
            return f"replace_regex({kept}, {verbatim(PADDING)}, {verbatim(chr(92) + '1' + chr(92) + '2')})"
        case "base_name":
            return f"extract({_LAST_PART}, 0, {expressions.text(first)})"
        case "account":
            domain, user = expressions.text(first), expressions.text(rest[0])
            joined = f"strcat({domain}, {_BACKSLASH}, {user})"
            return f"iff(isempty({domain}) or isempty({user}), strcat({domain}, {user}), {joined})"
        case "starts_with" | "ends_with" | "contains":
            # Every text starts with the empty one, but a missing text is none.
            there = "" if expressions.is_there(rest[0]) else f"isnotempty({expressions.text(rest[0])}) and "
            operator = _TEXT_TESTS[node.name]
            return f"({there}{expressions.text(first)} {operator} {expressions.text(rest[0])})"
        case "seconds_between":
            return f"(({expressions.value(first)} - {expressions.value(rest[0])}) / 1s)"
        case "week":
            # By ISO 8601, as datetime_part("week_of_year") is; datetimes are UTC.
            return f"week_of_year({expressions.value(first)})"
        case part if part in TIME_PARTS:
            return f"datetime_part({quoted(part)}, {expressions.value(first)})"
        case "registry_path":
            return _registry_path(expressions.text(first), expressions.text(rest[0]), plain=expressions.plain)
        case "registry_details":
            data = expressions.text(rest[0])
            return registry_details(expressions.text(first), data, f"tolong({data})", ALL_DETAILS)
        case "json_text":
            return f"tostring({_json(node, expressions)})"
        case "json_integer":
            return f"tolong({_json(node, expressions)})"
        case "pipe_name":
            return f"replace_regex({expressions.text(first)}, {_PIPES}, {quoted('')})"
        case "event_text":
            return _event_text(node, expressions)
        case "event_integer":
            return f"tolong({_event_data(node, expressions)})"
        case "time_from_seconds":
            return f"unixtime_seconds_todatetime({expressions.value(first)})"
        case "time_from_milliseconds":
            return f"unixtime_milliseconds_todatetime({expressions.value(first)})"
        case "time_from_text":
            return f"todatetime({expressions.text(first)})"
        case other:
            raise unsupported(
                RefusalCode.STEP, f"the function {other} can only define a column, not stand inside an expression"
            )


_LISTED = ",\n            "


def _registry_path(key: str, item: str, *, plain: bool) -> str:
    """A key and a value's name as Sysmon has them; a user's own hive is by its SID below HKU there.

    `plain`: under the root's name as it is recorded.
    """
    rest = f"iff(isempty({key}) or isempty({item}), {item}, strcat({_BACKSLASH}, {item}))"
    if plain:
        return f"strcat({key}, {rest})"
    cases = [
        f"{key} startswith {quoted(root + chr(92))}, strcat({quoted(short)}, substring({key}, {len(root)}))"
        for root, short in ROOTS.items()
    ]
    path = f"case(\n            {_LISTED.join([*cases, key])})"
    return f"strcat(\n        {path},\n        {rest})"


def registry_details(kind: str, data: str, number: str, asked: frozenset[str]) -> str:
    """Data of a registry value as Sysmon's Details has it; `number` is the data as a number.

    Of kinds that are not `asked` for, the data is left empty: no test matches what it would be.
    """
    numbers = {
        "Dword": f'strcat("DWORD (0x", tohex({number}, 8), ")")',
        "Qword": (f'strcat("QWORD (0x", tohex({number} / 4294967296, 8), "-0x", tohex({number} % 4294967296, 8), ")")'),
    }
    parts = [f"{_kinds(kind, name)} and isnotnull({number}), {text}" for name, text in numbers.items() if name in asked]
    others = [name for name in numbers if name not in asked]
    if NUMERIC in asked and others:
        parts.append(f'{_kinds(kind, *others)} and isnotnull({number}), ""')
    parts.append(f"{_kinds(kind, 'Binary')}, {quoted('Binary Data' if 'Binary' in asked else '')}")
    if "Empty" in asked:
        parts.append(f'isempty({data}) and isnotempty({kind}), "(Empty)"')
    if len(parts) == 1:
        return f"iff({parts[0]}, {data})"
    return f"case(\n            {_LISTED.join([*parts, data])})"


def _kinds(kind: str, *names: str) -> str:
    """Whether a value is of one of some kinds; ASIM writes Reg_Dword where Defender has Dword."""
    return f"{kind} in~ ({', '.join(quoted(text) for name in names for text in (name, f'Reg_{name}'))})"


ALL_DETAILS = frozenset({*DETAILS, NUMERIC})


def _json(node: Call, expressions: Expressions) -> str:
    text, key = node.arguments
    if not isinstance(key, Constant) or not isinstance(key.value, str):
        raise unsupported(RefusalCode.STEP, "a JSON key that is not constant")
    access = f".{key.value}" if re.fullmatch(r"[A-Za-z_]\w*", key.value) else f"[{quoted(key.value)}]"
    return f"parse_json({expressions.value(text)}){access}"


def _event_data(node: Call, expressions: Expressions) -> str:
    """A named Data of a Windows event's data, as it stands in the XML."""
    data, name = node.arguments
    if not isinstance(name, Constant) or not isinstance(name.value, str):
        raise unsupported(RefusalCode.STEP, "a name of event data that is not constant")
    pattern = f'Name="{re.escape(name.value)}">([^<]*)<'
    return f"extract({verbatim(pattern)}, 1, {expressions.text(data)})"


def _event_text(node: Call, expressions: Expressions) -> str:
    text = _event_data(node, expressions)
    if expressions.plain:
        return text
    for entity, character in ENTITIES.items():
        text = f"replace_string({text}, {quoted(entity)}, {quoted(character)})"
    return text


def _if_there(node: Expression, expressions: Expressions, text: str, null: str) -> str:
    return text if expressions.is_there(node) else f"iff(isempty({expressions.text(node)}), {null}, {text})"
