"""Mutants of CQL, KQL and SPL, made on the tokens of their text."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

Made: TypeAlias = tuple[str, str, str]
"""The kind of a mutant, what was changed, and the text."""

_TOKEN = re.compile(
    r"""
    (?P<comment> ```[^`]*``` | //[^\n]* )
  | (?P<text> @"[^"]*" | "(?:[^"\\]|\\.)*" | (?<=[=(])/(?:[^/\\\n]|\\.)+/[a-z]* )
  | (?P<duration> (?<![\w."])\d+[smhd](?!\w) )
  | (?P<number> (?<![\w."])\d+(?:\.\d+)?(?![\w.]) )
  | (?P<word> !?[A-Za-z_@#][\w.@#]* )
  | (?P<operator> !=|!~|>=|<=|==|=~|:=|[<>=] )
  | (?P<space> \s+ )
  | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_BOUNDS = {">=": ">", ">": ">=", "<=": "<", "<": "<="}
_WORDS = {
    "desc": ("order", "asc"),
    "asc": ("order", "desc"),
    "leftouter": ("join", "inner"),
    "inner": ("join", "leftouter"),
}
_CALLS = {
    "sum": "max",
    "min": "max",
    "max": "min",
    "avg": "max",
    "dc": "count",
    "values": "list",
    "make_set": "make_list",
    "count_distinct": "count",
    "stdev": "avg",
    "countif": "count",
    "arg_max": "arg_min",
    "arg_min": "arg_max",
    "earliest": "latest",
    "latest": "earliest",
}
_UNWRAPPED = {
    "coalesce": "guard",
    "nullif": "guard",
    "round": "guard",
    "floor": "bucket",
    "lower": "case",
    "tolower": "case",
}
_TEXTS = {"contains": "startswith", "endswith": "contains", "startswith": "contains"}
_TIMES = {'"%Y-%m-%dT%H:00:00Z"': '"%Y-%m-%dT00:00:00Z"', '"%Y-%m-%dT%H:%M:00Z"': '"%Y-%m-%dT%H:00:00Z"'}
_LIMITS = re.compile(r"limit=\s*$|head\s+$|sort\s+$")
_NETWORK = re.compile(r'"([0-9a-fA-F:.]+)/(\d+)"')
_ALTERNATIVES = re.compile(r"(?:\((?:\?:)?|^/)((?:[^()\\]|\\.)+)(?:\)|/[a-z]*$)")
_OPTIONS = re.compile(r"\b(as|limit|function|field|subnet|with|how|sortby|order|span|distinct|kind|values|ignoreCase)$")


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def of_pipeline(target: str, text: str) -> Iterator[Made]:
    """Every mutant of a query in CQL (`logscale`), KQL or SPL."""
    tokens = [_Token(found.lastgroup or "", found.group(), found.start()) for found in _TOKEN.finditer(text)]
    code = [token for token in tokens if token.kind not in {"comment", "space"}]
    for place, token in enumerate(code):
        after = code[place + 1].text if place + 1 < len(code) else ""
        for kind, new in _instead(target, text, token, after):
            yield kind, _around(text, token, new), text[: token.start] + new + text[token.end :]
        if token.kind == "word" and after == "(" and token.text.lower() in _UNWRAPPED:
            closing = code[_closed(code, place + 1)]
            inner = text[code[place + 1].end : _first_argument(code, place + 1)]
            made = text[: token.start] + inner + text[closing.end :]
            yield _UNWRAPPED[token.text.lower()], f"without {token.text}() in {_line(text, token.start)}", made
        if token.text == "(" and _junction(text, code, place):
            closing = code[_closed(code, place)]
            made = text[: token.start] + text[token.end : closing.start] + text[closing.end :]
            yield "precedence", f"without ( ) in {_line(text, token.start)}", made
        if token.kind == "word" and token.text.lower() in {"and", "or"}:
            yield from _sides(target, text, code, place)
        if token.kind == "text" and token.text.startswith("/"):
            yield from _alternatives(text, token)
    yield from _items(text, tokens)
    yield from _lines(text)
    yield from _buckets(target, text)
    if target == "spl":
        yield from _of_spl(text)


def _instead(target: str, text: str, token: _Token, after: str) -> Iterator[tuple[str, str]]:
    """Other texts of a token, each with the kind of the fault."""
    before, word = text[: token.start], token.text
    match token.kind:
        case "number":
            name = "limit" if _LIMITS.search(before) else "threshold"
            for other in (1, -1):
                yield name, f"{float(word) + other / 10:g}" if "." in word else str(int(word) + other)
        case "duration":
            yield "bucket", f"{2 * int(word[:-1])}{word[-1]}"
        case "text" if word in _TIMES:
            yield "bucket", _TIMES[word]
        case "text" if found := _NETWORK.fullmatch(word):
            for bits in (int(found[2]) - 1, int(found[2]) + 1):
                if bits <= (128 if ":" in found[1] else 32):
                    network = ipaddress.ip_network(f"{found[1]}/{bits}", strict=False)
                    yield "network", f'"{network.network_address}/{bits}"'
        case "text" if word.endswith("/i"):
            yield "case", word[:-1]
        case "operator" if word in _BOUNDS:
            yield "bound", _BOUNDS[word]
        case "operator" if word in {"!=", "!~"}:
            yield "negation", {"!~": "=~"}.get(word, "=" if target != "kql" else "==")
        case "operator" if word in {"==", "=~"}:
            yield "negation", "!=" if word == "==" else "!~"
            if word == "=~":
                yield "case", "=="
        case "operator" if word == "=" and _compares(target, text, token):
            yield "negation", "!="
        case "word":
            yield from _other_words(target, before, word, after, text[token.end :])
        case _:
            pass


def _other_words(target: str, before: str, word: str, after: str, behind: str) -> Iterator[tuple[str, str]]:
    match word:
        case "and" | "or" | "AND" | "OR":
            yield "junction", {"and": "or", "or": "and", "AND": "OR", "OR": "AND"}[word]
        case "not" | "NOT":
            yield "negation", "tobool" if target == "kql" and after == "(" else ""
        case _ if word.startswith("!"):
            yield "negation", word[1:]
        case "in" | "cidr" | "wildcard" if target != "spl" and after == "(":
            yield "negation", f"!{word}"
        case _ if target == "kql" and word in _TEXTS:
            yield "text", _TEXTS[word]
        case _ if word in _WORDS:
            yield _WORDS[word]
        case "max" if target == "logscale" and before.endswith("limit="):
            yield "limit", "1"
        case _ if word in _CALLS and after == "(":
            yield "measure", _CALLS[word]
        case "distinct" if behind.startswith("=true"):
            yield "measure", "unused"
        case _:
            pass


def _compares(target: str, text: str, token: _Token) -> bool:
    """Whether an equals sign tests: in CQL and SPL it gives functions their options and columns their values too."""
    line = text[text.rfind("\n", 0, token.start) + 1 : token.start]
    if target == "kql" or _OPTIONS.search(line):
        return False
    command = text[text.rfind("\n|", 0, token.start) + 1 : token.start]
    if target == "spl" and re.match(r"\| (eval|rename|stats|eventstats|streamstats)\b", command):
        # The first sign after the command, or after a comma outside of brackets, is the value of a column.
        own = re.sub(r"\"[^\"]*\"", "", command)
        while own != (shorter := re.sub(r"\([^()]*\)", "", own)):
            own = shorter
        return "(" in own or "=" in own.rpartition(",")[2]
    return True


def _closed(code: list[_Token], place: int) -> int:
    """Where the parenthesis at a place is closed."""
    depth = 0
    for index in range(place, len(code)):
        depth += (code[index].text in {"(", "["}) - (code[index].text in {")", "]"})
        if depth == 0:
            return index
    return len(code) - 1


def _first_argument(code: list[_Token], place: int) -> int:
    """Where the first argument of the call whose parenthesis stands at a place ends in the text."""
    depth = 0
    for index in range(place, len(code)):
        depth += (code[index].text in {"(", "["}) - (code[index].text in {")", "]"})
        if depth == 0 or (depth == 1 and code[index].text == ","):
            return code[index].start
    return code[-1].end


def _junction(text: str, code: list[_Token], place: int) -> bool:
    """Whether a parenthesis stands around an `or`, and is not that of a call."""
    start = code[place].start
    inside = code[place + 1 : _closed(code, place)]
    called = start > 0 and (text[start - 1].isalnum() or text[start - 1] == "_")
    return not called and any(token.text.lower() == "or" for token in inside)


def _alternatives(text: str, token: _Token) -> Iterator[Made]:
    """Without one of the alternatives of a regular expression, or of a group in it."""
    for group in _ALTERNATIVES.finditer(token.text):
        items = re.split(r"(?<!\\)\|", group[1])
        start, end = token.start + group.start(1), token.start + group.end(1)
        for index, item in enumerate(items if len(items) > 1 else ()):
            rest = "|".join((*items[:index], *items[index + 1 :]))
            yield "item", f"without {item[:60]} in {_line(text, token.start)}", text[:start] + rest + text[end:]


def _sides(target: str, text: str, code: list[_Token], place: int) -> Iterator[Made]:
    """Without the one or the other side of the junction at a place."""
    stops = {",", ";", "|", "{", "}", ":=", *({"="} if target == "kql" else ())}
    words = {"and", "or", "where", "case", *({"not"} if target == "logscale" else ())}
    ends = [place, place]
    for step in (-1, 1):
        depth, index = 0, place + step
        while 0 <= index < len(code):
            one = code[index].text
            depth += step * ((one in {"(", "["}) - (one in {")", "]"}))
            if depth < 0 or (depth == 0 and (one in stops or one.lower() in words)):
                break
            index += step
        ends[step > 0] = index - step
    left, right = ends
    if left < place < right:
        for first, last in ((left, place), (place, right)):
            gone = " ".join(text[code[first].start : code[last].end].split())
            yield "part", f"without {gone[:110]}", text[: code[first].start] + text[code[last].end :]


def _line(text: str, start: int) -> str:
    return text[text.rfind("\n", 0, start) + 1 : (text + "\n").find("\n", start)].strip()[:110]


def _around(text: str, token: _Token, new: str) -> str:
    return f"{token.text} -> {new or 'nothing'} in {_line(text, token.start)}"


_LIST = re.compile(
    r"[\[(]((?:\s*(?:\"[^\"\n]*\"|[\w#@][\w.@\[\]]*)\s*,)+\s*(?:\"[^\"\n]*\"|[\w#@][\w.@]*(?:\[\d+\])?)\s*)[\])]"
    r"|\bby ([\w., \n=()]+?)(?=\)?;|\)* on\b|\n *\||\n *\)|\)*$|\n *\w+ *=)"
)

_ITEM = re.compile(r"(?:\"[^\"\n]*\"|[^,\"])+")
"""What stands between two commas that are in no quotes."""


def _items(text: str, tokens: list[_Token]) -> Iterator[Made]:
    """Without one item of a list: a network, a port, a key, a column."""
    opaque = [(token.start, token.end) for token in tokens if token.kind in {"comment", "text"}]
    for found in _LIST.finditer(text):
        if any(start <= found.start() < end for start, end in opaque):
            continue
        group = 1 if found[1] else 2
        commas = group == 1 or "," in found[2]
        items = list(map(str.strip, _ITEM.findall(found[group]) if commas else found[group].split()))
        if len(items) < 2:
            continue
        for index, item in enumerate(items):
            rest = (", " if commas else " ").join((*items[:index], *items[index + 1 :]))
            made = text[: found.start(group)] + rest + text[found.end(group) :]
            name = "key" if group == 2 or text[: found.start()].endswith("groupBy(") else "item"
            yield name, f"without {item} in {found[0][:80]}", made


def _lines(text: str) -> Iterator[Made]:
    """Without one step, or one line of a step that ends in a comma or a semicolon."""
    lines = text.splitlines(keepends=True)
    for first, line in enumerate(lines):
        if line.lstrip().startswith("| "):
            last = first + 1
            while last < len(lines) and not re.match(r"\s*\| |\w|\)", lines[last]):
                last += 1
            whole = "".join(lines[first:last]).rstrip("\n")
            # Brackets that are closed behind the step are not the step's.
            kept = ""
            while whole and whole.count("(") < whole.count(")"):
                cut = whole.rindex(")")
                whole, kept = whole[:cut], whole[cut:] + kept
            about = re.sub(r"\s+", " ", whole).strip()[:120]
            yield "step", f"without {about}", "".join((*lines[:first], f"{kept}\n" if kept else "", *lines[last:]))
        elif re.match(r"\s", line) and line.rstrip()[-1:] in {",", ";"}:
            yield "line", f"without {line.strip()[:110]}", "".join((*lines[:first], *lines[first + 1 :]))


def _buckets(target: str, text: str) -> Iterator[Made]:
    """Twice as long a bucket, where its length stands twice: cut to a whole number, and made long again."""
    if target == "spl":
        for found in re.finditer(r"floor\((\w+)/(\d+)\)\*\2\b", text):
            length = 2 * int(found[2])
            made = f"floor({found[1]}/{length})*{length}"
            yield "bucket", f"{found[0]} -> {made}", text[: found.start()] + made + text[found.end() :]
    if target == "logscale":
        for found in re.finditer(r"\| (\w+) := (\w+) / (\d+)\n\| round\(\1, how=floor\)\n\| \1 := \1 \* \3\b", text):
            made = found[0].replace(found[3], str(2 * int(found[3])))
            yield (
                "bucket",
                f"{found[1]} of {found[3]} twice as long",
                text[: found.start()] + made + text[found.end() :],
            )


def _of_spl(text: str) -> Iterator[Made]:
    """The other order of a column, and a search without one of its terms."""
    for found in re.finditer(r"\| sort (\d+) ([^\n]+)", text):
        names = found[2].split(", ")
        for index, name in enumerate(names):
            for other in (name[1:] if name[0] == "-" else f"-{name}", ""):
                listed = ", ".join(one for one in (*names[:index], other, *names[index + 1 :]) if one)
                made = text[: found.start(2)] + listed + text[found.end(2) :]
                yield "order", f"{name} -> {other or 'nothing'} in {found[0]}", made
    for search in re.finditer(r"(?:^|(?<=\n)|(?<=\[))(?:\(*`\w+`|\| tstats|search)[^|\[]+", text):
        for found in re.finditer(r"[\w.]+(?:!=|>=|<=|=|<|>)(?:\"[^\"]*\"|[\w.*:-]+)", search[0]):
            if not re.match(r"span=|datamodel=", found[0]):
                start, end = search.start() + found.start(), search.start() + found.end()
                yield "term", f"without {found[0]}", text[:start] + text[end:]
