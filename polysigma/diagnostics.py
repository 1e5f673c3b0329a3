"""What is wrong, where, and what would be right: the one shape in which every part of Polysigma reports a finding."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Severity(StrEnum):
    """How bad a finding is. An error makes the exit code 1; a warning does not, unless the command says otherwise."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a text: line and column, both counted from 1."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding.

    `code` is stable and documented (a short lower-case slug such as `unknown-column`); `message` says what was wrong
    and `hint` what would be right. `file` is a path as the user wrote it, or None where the text has no file.
    """

    code: str
    message: str
    hint: str | None = None
    file: str | None = None
    at: Position | None = None
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.at) if part is not None)
        text = f"{place}: {self.code} {self.message}" if place else f"{self.code} {self.message}"
        return f"{text} (hint: {self.hint})" if self.hint else text

    def as_dict(self) -> dict[str, Any]:
        """The finding as JSON-ready data: file, line, column, code, severity, message, hint."""
        return {
            "file": self.file,
            "line": self.at.line if self.at else None,
            "column": self.at.column if self.at else None,
            "code": self.code,
            "severity": self.severity.value,
            "message": self.message,
            "hint": self.hint,
        }


class PolysigmaError(Exception):
    """Bad input. Carries the findings that say what and where; the command line prints them without a traceback."""

    def __init__(self, *findings: Diagnostic) -> None:
        if not findings:
            raise ValueError("a PolysigmaError needs at least one finding")
        self.findings = findings
        super().__init__("\n".join(str(finding) for finding in findings))


def as_text(findings: Iterable[Diagnostic]) -> str:
    """One line a finding: `path:line:column: severity CODE message`, and its hint indented below it."""
    lines = []
    for finding in findings:
        place = ":".join(str(part) for part in (finding.file, finding.at) if part is not None)
        lines.append(f"{place or '-'}: {finding.severity.value} {finding.code} {finding.message}")
        if finding.hint:
            lines.append(f"    hint: {finding.hint}")
    return "\n".join(lines)


def as_json(findings: Iterable[Diagnostic]) -> str:
    """One JSON list of findings."""
    return json.dumps([finding.as_dict() for finding in findings], indent=2, ensure_ascii=False)


def as_github(findings: Iterable[Diagnostic]) -> str:
    """GitHub Actions workflow commands, one a line.

    Source: docs.github.com, "Workflow commands for GitHub Actions", setting an error message; `%`, CR and LF are
    percent-encoded in data, and `:` and `,` in properties too.
    """
    return "\n".join(_github_command(finding) for finding in findings)


def _github_command(finding: Diagnostic) -> str:
    properties = {"title": finding.code}
    if finding.file:
        properties["file"] = finding.file
    if finding.at:
        properties |= {"line": str(finding.at.line), "col": str(finding.at.column)}
    joined = ",".join(f"{key}={_github_property(value)}" for key, value in properties.items())
    message = f"{finding.message} ({finding.hint})" if finding.hint else finding.message
    return f"::{finding.severity.value} {joined}::{_github_data(message)}"


def _github_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _github_property(text: str) -> str:
    return _github_data(text).replace(":", "%3A").replace(",", "%2C")


def as_sarif(findings: Sequence[Diagnostic]) -> str:
    """A SARIF 2.1.0 log with one run (OASIS, sarif-schema-2.1.0)."""
    from polysigma import __version__

    rules = sorted({finding.code for finding in findings})
    run = {
        "tool": {
            "driver": {
                "name": "polysigma",
                "version": __version__,
                "rules": [{"id": code} for code in rules],
            }
        },
        "results": [_sarif_result(finding, rules.index(finding.code)) for finding in findings],
    }
    log = {
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [run],
    }
    return json.dumps(log, indent=2, ensure_ascii=False)


def _sarif_result(finding: Diagnostic, rule_index: int) -> dict[str, Any]:
    message = f"{finding.message} Hint: {finding.hint}" if finding.hint else finding.message
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": rule_index,
        "level": finding.severity.value,
        "message": {"text": message},
    }
    if finding.file:
        location: dict[str, Any] = {"artifactLocation": {"uri": finding.file.replace("\\", "/")}}
        if finding.at:
            location["region"] = {"startLine": finding.at.line, "startColumn": finding.at.column}
        result["locations"] = [{"physicalLocation": location}]
    return result


FORMATS = {"text": as_text, "json": as_json, "github": as_github, "sarif": as_sarif}
"""How a list of findings is written, by the name of the command line's `--format`."""
