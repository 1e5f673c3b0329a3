"""From a YAML document to a typed model, with the place of everything that does not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from polysigma.diagnostics import Diagnostic, PolysigmaError

if TYPE_CHECKING:
    from polysigma.source import Document

Model = TypeVar("Model", bound=BaseModel)


def validate(model: type[Model], document: Document, code: str) -> Model:
    """A typed model of a document.

    Raises one PolysigmaError that holds a finding, under `code` and with its place, for every fault.
    """
    try:
        return model.model_validate(document.value)
    except ValidationError as error:
        findings = []
        for fault in error.errors(include_url=False, include_context=False, include_input=False):
            path = _keys(document, fault["loc"])
            message = f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}".removeprefix(": ")
            findings.append(Diagnostic(code, message, None, document.file, document.key_at(*path)))
        raise PolysigmaError(*findings) from None


def _keys(document: Document, loc: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """The leading parts of a pydantic location that are keys of the document (the rest names union members)."""
    known: tuple[str | int, ...] = ()
    for part in loc:
        if (*known, part) in document.nodes:
            known = (*known, part)
    return known
