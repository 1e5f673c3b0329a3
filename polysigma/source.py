"""The one YAML reader: plain Python values, and the place in the file of each of them.

Everything that Polysigma reads as YAML goes through here, so that a scalar means the same everywhere and an error can
name its line. It is PyYAML's safe loader (what pySigma uses), without duplicate keys, aliases to a parent, or tags.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import yaml

from polysigma.diagnostics import Diagnostic, PolysigmaError, Position

Path_ = tuple[str | int, ...]
"""Where a value stands in a document: keys and list indexes from the top."""

_Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MAX_DEPTH = 100
_MAX_VALUES = 1_000_000
"""More values than any honest file holds: aliases of aliases would otherwise grow without end."""


@dataclass(frozen=True)
class Document:
    """One YAML document: its `value`, and the text that it came from.

    Positions are needed where something is wrong, which is seldom: the text is then read once more.
    """

    value: Any
    file: str | None
    text: str
    """The text of the whole file."""
    number: int
    """Which of the file's documents it is, empty ones left out, from 0."""

    @property
    def _reader(self) -> _Reader:
        return _with_positions(self.text, self.file)[self.number][1]

    @property
    def nodes(self) -> dict[Path_, yaml.Node]:
        """The YAML node of every value, by its path."""
        return self._reader.nodes

    @property
    def keys(self) -> dict[Path_, Position]:
        """The position of the key that introduces each value, by the value's path."""
        return self._reader.keys

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """The lines of the file."""
        return tuple(self.text.splitlines())

    def at(self, *path: str | int) -> Position | None:
        """The position of the value at `path`, or of its nearest parent that has one."""
        while path not in self.nodes:
            if not path:
                return None
            path = path[:-1]
        return _position(self.nodes[path].start_mark)

    def key_at(self, *path: str | int) -> Position | None:
        """The position of the key that introduces `path`, or of the value where it has no key."""
        return self._top_key(path) or self.keys.get(path) or self.at(*path)

    def _top_key(self, path: Path_) -> Position | None:
        """The place of a key of the document's own map, without reading it once more: what most findings ask for.

        In a file that is one block map, only such a key can start a line (YAML 1.2.2, 8.2.2: what belongs to its value
        is indented), so one that is found once is it.
        """
        if len(path) != 1 or not re.match(r"(?:[ \t]*(?:#.*)?\r?\n)*\w+:", self.text) or "\n---" in self.text:
            return None
        found = [match.start() for match in re.finditer(rf"^{re.escape(str(path[0]))}:", self.text, re.MULTILINE)]
        return Position(self.text.count("\n", 0, found[0]) + 1, 1) if len(found) == 1 else None

    def scalar_at(self, *path: str | int) -> Position | None:
        """The position of the first character of a scalar's text, past a quote mark or a block header."""
        node = self.nodes.get(path)
        if not isinstance(node, yaml.ScalarNode):
            return self.at(*path)
        start = _position(node.start_mark)
        if node.style in {"'", '"'}:
            return Position(start.line, start.column + 1)
        if node.style in {"|", ">"}:
            for number in range(start.line, len(self.lines)):
                text = self.lines[number]
                if text.strip():
                    return Position(number + 1, len(text) - len(text.lstrip()) + 1)
        return start

    def error(self, code: str, message: str, *path: str | int, hint: str | None = None) -> PolysigmaError:
        """A PolysigmaError at the value that stands at `path`."""
        return PolysigmaError(Diagnostic(code, message, hint, self.file, self.at(*path)))


def read_file(path: str | Path) -> list[Document]:
    """The YAML documents of a file, empty ones left out.

    Raises PolysigmaError when the file cannot be read, is not UTF-8 text, or is not valid YAML.
    """
    name = str(path)
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise PolysigmaError(Diagnostic("unreadable-file", f"cannot be read: {error.strerror}", file=name)) from None
    return read_text(decode(data, name), name)


def decode(data: bytes, file: str | None) -> str:
    """UTF-8 text without a byte order mark; raises PolysigmaError for anything else (NUL marks a binary file)."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        finding = Diagnostic("not-utf8", "is not UTF-8 text", "save it as UTF-8", file, Position(line, 1))
        raise PolysigmaError(finding) from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise PolysigmaError(
            Diagnostic("binary-file", "holds a NUL byte: not YAML text", None, file, Position(line, 1))
        )
    return text


def read_text(text: str, file: str | None = None) -> list[Document]:
    """The YAML documents of a text, empty ones left out. Raises PolysigmaError as `read_file` does."""
    try:
        values = _values(text)
    except (_NotPlainError, yaml.YAMLError, ValueError, RecursionError):
        values = [value for value, _ in _with_positions(text, file)]
    return [Document(value, file, text, number) for number, value in enumerate(values)]


class _NotPlainError(Exception):
    """The text has something that needs a closer look."""


def _values(text: str) -> list[Any]:
    """The values of the documents, by the shortest way. Raises for anything that is wrong, or out of the common."""
    loader = _Loader(text)
    try:
        values = []
        while not isinstance(event := loader.get_event(), yaml.StreamEndEvent):
            if isinstance(event, yaml.DocumentStartEvent):
                value = _value_of(loader, loader.get_event(), 0)
                values += [] if value is None else [value]
        return values
    finally:
        loader.dispose()


def _value_of(loader: Any, event: Any, depth: int) -> Any:
    """The value that begins with an event. Without the nodes between, reading takes two thirds of the time."""
    kind = type(event)
    if kind is yaml.AliasEvent or event.tag is not None or event.anchor is not None:
        raise _NotPlainError
    if kind is yaml.ScalarEvent:
        text = event.value
        # Only plain text can be something else, and only by its first character.
        if not event.implicit[0] or text[:1] not in loader.yaml_implicit_resolvers:
            return text
        return _SCALARS[text] if text in _SCALARS else _scalar(loader, event)
    if depth > _MAX_DEPTH:
        raise _NotPlainError
    if kind is yaml.SequenceStartEvent:
        items = []
        while type(item := loader.get_event()) is not yaml.SequenceEndEvent:
            items.append(_value_of(loader, item, depth + 1))
        return items
    pairs: dict[Any, Any] = {}
    while type(key_event := loader.get_event()) is not yaml.MappingEndEvent:
        if type(key_event) is not yaml.ScalarEvent:
            raise _NotPlainError
        key = _value_of(loader, key_event, depth)
        if key in pairs:
            raise _NotPlainError
        pairs[key] = _value_of(loader, loader.get_event(), depth + 1)
    return pairs


_SCALARS: dict[str, Any] = {}
"""What plain texts stand for. Rules are full of the same (`status: test`, tags, dates), and none can be changed."""
_REMEMBERED = 2000


def _scalar(loader: Any, event: Any) -> Any:
    """What a plain text stands for: itself, or a number, a date, a truth value, null."""
    tag = loader.resolve(yaml.ScalarNode, event.value, event.implicit)
    if tag == "tag:yaml.org,2002:merge":
        raise _NotPlainError
    value = loader.construct_object(yaml.ScalarNode(tag, event.value))
    if len(_SCALARS) >= _REMEMBERED:
        _SCALARS.clear()
    _SCALARS[event.value] = value
    return value


@lru_cache(maxsize=4)
def _with_positions(text: str, file: str | None) -> list[tuple[Any, _Reader]]:
    """The documents' values, and the readers that know where everything stands in them.

    The last few are kept, as findings about one file come one after the other; all of them would take much memory.
    """
    loader = _Loader(text)
    documents = []
    try:
        while loader.check_node():
            node = loader.get_node()
            if isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null":
                continue
            reader = _Reader(loader, file)
            documents.append((reader.read(node, ()), reader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = " ".join(part for part in (error.context, error.problem) if part)
        finding = Diagnostic(
            "yaml-syntax", f"is not valid YAML: {message}", None, file, _position(mark) if mark else None
        )
        raise PolysigmaError(finding) from None
    except yaml.YAMLError as error:
        reason = getattr(error, "reason", None) or "unacceptable character"
        before = text[: getattr(error, "position", 0)]
        at = Position(before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise PolysigmaError(Diagnostic("yaml-syntax", f"is not valid YAML: {reason}", None, file, at)) from None
    except RecursionError:
        raise PolysigmaError(Diagnostic("yaml-depth", "nests too deeply", None, file)) from None
    finally:
        loader.dispose()
    return documents


class _Reader:
    """Turns a composed node into a value and remembers where each part stands."""

    def __init__(self, loader: Any, file: str | None) -> None:
        self.loader = loader
        self.file = file
        self.nodes: dict[Path_, yaml.Node] = {}
        self.keys: dict[Path_, Position] = {}
        self.count = 0

    def read(self, node: yaml.Node, path: Path_) -> Any:
        if len(path) > _MAX_DEPTH:
            raise self.error("yaml-depth", f"nests deeper than {_MAX_DEPTH} levels (an alias to its own parent?)", node)
        self.count += 1
        if self.count > _MAX_VALUES:
            raise self.error("yaml-size", f"holds more than {_MAX_VALUES:,} values (aliases of aliases?)", node)
        self.nodes[path] = node
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, (*path, index)) for index, item in enumerate(node.value)]
        try:
            return self.loader.construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            problem = getattr(error, "problem", None) or str(error)
            raise self.error("yaml-value", f"cannot be read as a value: {problem}", node) from None

    def _mapping(self, node: yaml.MappingNode, path: Path_) -> dict[Any, Any]:
        self.loader.flatten_mapping(node)
        value: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise self.error("yaml-key", "a key must be plain text", key_node)
            key = self.read(key_node, path)
            self.nodes[path] = node
            if key in value:
                raise self.error(
                    "duplicate-key", f"the key {key!r} stands twice in one map", key_node, "keep one of them"
                )
            self.keys[(*path, key)] = _position(key_node.start_mark)
            value[key] = self.read(value_node, (*path, key))
        return value

    def error(self, code: str, message: str, node: yaml.Node, hint: str | None = None) -> PolysigmaError:
        return PolysigmaError(Diagnostic(code, message, hint, self.file, _position(node.start_mark)))


def _position(mark: Any) -> Position:
    return Position(mark.line + 1, mark.column + 1)
