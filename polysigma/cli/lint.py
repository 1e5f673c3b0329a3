"""`polysigma lint`: CQL in files, folders, LogScale packages and standard input."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from polysigma import cql, source
from polysigma.cql.contexts import Context
from polysigma.diagnostics import FORMATS, Diagnostic, PolysigmaError, Severity
from polysigma.plan.spelling import position_in_scalar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from polysigma.diagnostics import Position

_TEXTS = {".cql", ".logscale"}
_YAML = {".yaml", ".yml"}
_QUERY_KEYS = {"queryString", "query"}
"""The keys of a LogScale package that hold a query: of saved queries, alerts, searches, widgets and parameters."""
_SCHEMA = "schemas.humio.com"


@dataclass(frozen=True, slots=True)
class _Query:
    """A query's text, and where it stands: in a file of its own, or at `path` of a YAML document."""

    text: str
    file: str
    document: source.Document | None = None
    path: source.Path_ = ()

    def place(self, at: Position | None) -> Position | None:
        """A position in the query as a position in its file."""
        if self.document is None or at is None:
            return at
        return position_in_scalar(self.document, self.path, at.line, at.column)


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="text", help="How findings are written.")
@click.option("--context", type=click.Choice([str(context) for context in Context]), help="What the queries run as.")
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings too.")
def command(paths: tuple[str, ...], form: str, context: str | None, strict: bool) -> None:  # noqa: FBT001
    """Check CQL, the language of LogScale and Falcon Next-Gen SIEM, without a server.

    PATH is a query's file (.cql, .logscale), the YAML of a LogScale package, a folder of them, or - for standard input.

    Exits with 0 when no error is found, 1 when one is, 2 when a path cannot be read or holds no query.
    """
    findings: list[Diagnostic] = []
    failures: list[Diagnostic] = []
    number = 0
    for path in paths:
        count = 0
        try:
            for query in _queries(path, findings, failures):
                count += 1
                found = cql.lint(query.text, query.file, context)
                findings += [replace(one, at=query.place(one.at)) for one in found]
        except PolysigmaError as error:
            failures += error.findings
            continue
        if not count and not any(one.file == path for one in [*findings, *failures]):
            failures.append(Diagnostic("no-query", "holds no query", "give .cql, .logscale or package YAML", path))
        number += count
    output = FORMATS[form](findings)
    if output:
        click.echo(output)
    for failure in failures:
        click.echo(str(failure), err=True)
    errors = sum(one.severity is Severity.ERROR for one in findings)
    if form == "text":
        click.echo(f"{number} queries: {errors} errors, {len(findings) - errors} warnings", err=True)
    if failures:
        sys.exit(2)
    sys.exit(1 if errors or (strict and findings) else 0)


def _queries(path: str, findings: list[Diagnostic], failures: list[Diagnostic]) -> Iterator[_Query]:
    """The queries of a path. Broken YAML is a finding in it; what cannot be read is a failure.

    Raises PolysigmaError when the path itself cannot be read.
    """
    if path == "-":
        yield _Query(source.decode(sys.stdin.buffer.read(), "-"), "-")
        return
    if not Path(path).is_dir():
        yield from _file(path, findings, chosen=True)
        return
    for folder, names, files in os.walk(path):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(files):
            if Path(name).suffix.lower() in _TEXTS | _YAML:
                try:
                    yield from _file(str(Path(folder) / name), findings, chosen=False)
                except PolysigmaError as error:
                    failures += error.findings


def _file(path: str, findings: list[Diagnostic], *, chosen: bool) -> Iterator[_Query]:
    """The queries of a file; a YAML file that was not `chosen` by name counts only with the schema of a package."""
    text = _read(path)
    if Path(path).suffix.lower() not in _YAML:
        yield _Query(text, path)
        return
    try:
        documents = source.read_text(text, path)
    except PolysigmaError as error:
        if chosen or _SCHEMA in text:
            findings += error.findings
        return
    for document in documents:
        if chosen or _is_package(document.value):
            yield from _in_document(document, path)


def _read(path: str) -> str:
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise PolysigmaError(Diagnostic("unreadable-file", f"cannot be read: {error.strerror}", file=path)) from None
    except ValueError:  # a NUL byte in the name
        raise PolysigmaError(Diagnostic("unreadable-file", "is not a path", file=path)) from None
    return source.decode(data, path)


def _is_package(value: Any) -> bool:
    schema = value.get("$schema") if isinstance(value, dict) else None
    return isinstance(schema, str) and _SCHEMA in schema


def _in_document(document: source.Document, file: str) -> Iterator[_Query]:
    stack: list[tuple[source.Path_, Any]] = [((), document.value)]
    while stack:
        path, value = stack.pop()
        if isinstance(value, str):
            if path and path[-1] in _QUERY_KEYS and value.strip():
                yield _Query(value, file, document, path)
        elif isinstance(value, dict):
            stack.extend((((*path, key), item) for key, item in reversed(value.items())))
        elif isinstance(value, list):
            stack.extend((((*path, index), item) for index, item in reversed(list(enumerate(value)))))
