"""From a YAML document to a typed model, with the place of everything that does not fit."""

from __future__ import annotations

import dataclasses
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from polysigma.diagnostics import Diagnostic, PolysigmaError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

    from polysigma.source import Document

    Model = TypeVar("Model", bound=BaseModel)

Record = TypeVar("Record")


def validate(model: type[Model], document: Document, code: str) -> Model:
    """A typed model of a document.

    Raises one PolysigmaError that holds a finding, under `code` and with its place, for every fault.
    """
    from pydantic import ValidationError

    try:
        return model.model_validate(document.value)
    except ValidationError as error:
        findings = []
        for fault in error.errors(include_url=False, include_context=False, include_input=False):
            findings.append(_finding(document, code, fault["loc"], fault["msg"]))
        raise PolysigmaError(*findings) from None


def structured(record: type[Record], document: Document, code: str) -> Record:
    """A dataclass, and the dataclasses in it, of a document, by their annotations.

    For our own data that is read at every start, where importing pydantic would take most of the time. Takes texts,
    numbers, truth values, enumerations, `Literal`, `X | None`, `tuple[X, ...]` and `dict[str, X]`; a ValueError of a
    `__post_init__` is a fault of the data. Raises PolysigmaError with the place of the first fault.
    """
    try:
        return cast("Record", _reader(cast("Any", record))(document.value))
    except _FaultError as fault:
        raise PolysigmaError(_finding(document, code, tuple(fault.path[::-1]), fault.message)) from None


def _finding(document: Document, code: str, loc: tuple[str | int, ...], said: str) -> Diagnostic:
    message = f"{'.'.join(str(part) for part in loc)}: {said}".removeprefix(": ")
    return Diagnostic(code, message, None, document.file, document.key_at(*_keys(document, loc)))


def _keys(document: Document, loc: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """The leading parts of a fault's location that are keys of the document (pydantic names union members, too)."""
    known: tuple[str | int, ...] = ()
    for part in loc:
        if (*known, part) in document.nodes:
            known = (*known, part)
    return known


class _FaultError(Exception):
    """What is wrong with a value, and on its way out the keys that lead to it, inner ones first."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.path: list[str | int] = []


@cache
def _reader(hint: Any) -> Callable[[Any], Any]:
    """The function that reads values of a type, or raises _FaultError."""
    origin, arguments = get_origin(hint), get_args(hint)
    if dataclasses.is_dataclass(hint):
        return _record_reader(cast("type[Any]", hint))
    if origin is tuple:
        return _list_reader(_reader(arguments[0]))
    if origin is dict:
        return _map_reader(_reader(arguments[1]))
    if origin is Literal:
        return _choice_reader({choice: choice for choice in arguments})
    if origin in {Union, UnionType}:
        return _union_reader(arguments)
    if issubclass(hint, Enum):
        return _choice_reader({member.value: member for member in hint})
    return _scalar_reader(hint)


def _scalar_reader(*kinds: type) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if type(value) not in kinds:
            raise _FaultError(f"is {value!r}, and should be {' or '.join(kind.__name__ for kind in kinds)}")
        return value

    return read


def _choice_reader(choices: dict[Any, Any]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if not isinstance(value, str) or value not in choices:
            raise _FaultError(f"is {value!r}, and should be one of {', '.join(map(str, choices))}")
        return choices[value]

    return read


def _union_reader(kinds: tuple[Any, ...]) -> Callable[[Any], Any]:
    """Scalars of several types, or one type of any kind that may also be null."""
    others = tuple(kind for kind in kinds if kind is not NoneType)
    inner = _reader(others[0]) if len(others) == 1 else _scalar_reader(*others)
    if NoneType not in kinds:
        return inner
    return lambda value: None if value is None else inner(value)


def _list_reader(inner: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if not isinstance(value, list):
            raise _FaultError("should be a list")
        found = []
        for index, item in enumerate(value):
            try:
                found.append(inner(item))
            except _FaultError as fault:
                fault.path.append(index)
                raise
        return tuple(found)

    return read


def _map_reader(inner: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _FaultError("should be a map")
        found = {}
        for key, item in value.items():
            if not isinstance(key, str):
                raise _FaultError(f"has the key {key!r}, which is no text")
            try:
                found[key] = inner(item)
            except _FaultError as fault:
                fault.path.append(key)
                raise
        return found

    return read


def _record_reader(record: type[Any]) -> Callable[[Any], Any]:
    parts = dataclasses.fields(record)
    needed = {
        part.name
        for part in parts
        if part.default is dataclasses.MISSING and part.default_factory is dataclasses.MISSING
    }
    hints = get_type_hints(record)
    readers = {part.name: _reader(hints[part.name]) for part in parts}

    def read(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _FaultError("should be a map")
        unknown, missing = value.keys() - readers.keys(), needed - value.keys()
        if unknown or missing:
            wrong = [f"{key} is unknown" for key in unknown] + [f"{key} is missing" for key in missing]
            raise _FaultError(", ".join(sorted(map(str, wrong))))
        given = {}
        for key, item in value.items():
            try:
                given[key] = readers[key](item)
            except _FaultError as fault:
                fault.path.append(key)
                raise
        try:
            return record(**given)
        except ValueError as error:
            raise _FaultError(str(error)) from None

    return read
