"""Names, strings and regular expressions as SPL writes them.

SPL facts this rests on (Splunk Search Manual, "Quotes and escaping characters in searches", "Wildcards", "SPL and
regular expressions", "Use CIDR"; Search Reference, "search"): a backslash escapes a quote and itself, and leaves
other characters alone; in `search`, `*` is a wildcard that nothing escapes, and a value in CIDR notation matches the
addresses of its network; a backtick starts a macro; three start a comment.
"""

from __future__ import annotations

import ipaddress
import re

from polysigma.plan.expressions import Scalar, Wildcard
from polysigma.refusals import RefusalCode

from .errors import unsupported
from .regexes import RegexDialect, escaped, translate

SPL_REGEX = RegexDialect("Splunk", lookahead=True, lazy=True, hexed="`", inline="imsx-", pcre=True)
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DOTTED_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_WORDS = frozenset({"and", "or", "not", "xor", "like", "in", "as", "by", "where", "true", "false", "null", "over"})
_NUMBER = re.compile(r"\s*[+-]?(0[xX][0-9a-fA-F]+|[\d.]+([eE][+-]?\d+)?|inf(inity)?|nan)\s*", re.IGNORECASE)
_UNSAYABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029`]")
MAX_PATTERN = 8000
"""PCRE compiles patterns of some tens of thousands of characters; a list that is longer is split before that."""


def escaped_text(text: str) -> str:
    """Text between double quotes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def is_sayable(text: str) -> bool:
    """Whether a string can hold the text: no control character, and no backtick, which might start a macro."""
    return not _UNSAYABLE.search(text)


def eval_string(text: str) -> str:
    """The text as a value in `eval` and `where`; decoded by a function where no string can hold it."""
    if is_sayable(text):
        return escaped_text(text)
    encoded = "".join(
        character
        if character.isascii() and character.isalnum()
        else "".join(f"%{byte:02X}" for byte in character.encode())
        for character in text
    )
    return f'urldecode("{encoded}")'


def eval_name(name: str) -> str:
    """A field in `eval` and `where`: in single quotes where its characters need them."""
    return _name(name, "'", _PLAIN_NAME)


def search_name(name: str) -> str:
    """A field in `search`, `stats` and the other commands: in double quotes where its characters need them."""
    return _name(name, '"', _DOTTED_NAME)


def _name(name: str, quote: str, plain: re.Pattern[str]) -> str:
    if plain.fullmatch(name) and name.lower() not in _WORDS:
        return name
    if not name or re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029`\"'\\$*|\[\]]", name):
        raise unsupported(RefusalCode.NAME_CHARACTER, f"the field name {name!r} cannot be written in SPL")
    return f"{quote}{name}{quote}"


def number(value: float) -> str:
    """A number; a negative one in parentheses, for it may follow an operator."""
    text = repr(value)
    return f"({text})" if text.startswith("-") else text


def eval_value(value: Scalar) -> str:
    """A constant in `eval` and `where`; true and false are texts, as no field can hold a boolean."""
    if isinstance(value, bool):
        return f'"{str(value).lower()}"'
    return eval_string(value) if isinstance(value, str) else number(value)


def regex_string(pattern: str, flags: str = "") -> str:
    """A regular expression that is already PCRE, in quotes: its backslashes are doubled, as in any string."""
    return escaped_text(f"(?{flags}){pattern}" if flags else pattern)


def regex(pattern: str, flags: frozenset[str]) -> str:
    """Sigma's regular expression, in quotes. Raises SigmaFeatureNotSupportedByBackendError for what PCRE lacks."""
    return regex_string(translate(pattern, SPL_REGEX), "".join(sorted(flags)))


def pattern_of(parts: tuple[str | Wildcard, ...]) -> str:
    """A text pattern as PCRE for a search anywhere: no anchor where it begins or ends with any text."""
    start = "" if parts[0] is Wildcard.ANY else "^"
    end = "" if parts[-1] is Wildcard.ANY else "\\z"
    inner = parts[parts[0] is Wildcard.ANY : len(parts) - (parts[-1] is Wildcard.ANY)]
    wild = {Wildcard.ANY: ".*", Wildcard.ONE: "."}
    return (
        start + "".join(wild[part] if isinstance(part, Wildcard) else escaped(part, SPL_REGEX) for part in inner) + end
    )


def looks_like_number(text: str) -> bool:
    """Whether `eval` would compare a text as a number, so that 12 were 12.0."""
    return bool(_NUMBER.fullmatch(text))


def may_match_nothing(pattern: str) -> bool:
    """Whether a regular expression could match empty text; true where that cannot be told."""
    try:
        return re.search(pattern, "") is not None
    except re.error:
        return True


def means_network(text: str) -> bool:
    """Whether `search` would take a value for a network in CIDR notation."""
    if "/" not in text:
        return False
    try:
        ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return False
    return True


def eight_groups(text: str) -> str:
    """An IPv6 address as the queries spell it, in eight groups without leading zeros; other text stays as it is."""
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return text
    return ":".join(f"{int(group, 16):x}" for group in address.exploded.split(":"))
