"""What the pages are made from: each detection with its guide and what it is on every platform."""

from __future__ import annotations

import re
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING, Any

from polysigma.catalog import read_rules, rules_root
from polysigma.convert import SUFFIXES, Conversion, convert, pairs
from polysigma.diagnostics import Diagnostic, PolysigmaError
from polysigma.fidelity import FidelityLevel
from polysigma.guide import packages
from polysigma.plan.faults import PlanError
from polysigma.plan.metadata import Metadata, read_metadata

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from polysigma.catalog import RuleFile
    from polysigma.fidelity import Loss
    from polysigma.guide import Guide, Package
    from sigma.backends.polysigma.compiler import Compiled

LANGUAGES = {"logscale": "logscale", "kql": "kusto", "spl": "spl", "sql": "sql"}
"""The Pygments lexer of each target; one that is not installed leaves a query without colours."""
LANGUAGE_NAMES = {
    "logscale": "CrowdStrike Query Language",
    "kql": "Kusto Query Language",
    "spl": "Splunk's SPL",
    "sql": "SQL",
}


_TECHNIQUE = re.compile(r"T[0-9]{4}(?:\.[0-9]{3})?")


@dataclass(frozen=True, slots=True)
class OnPlatform:
    """A detection, or a hunt, on one platform: its query, or the reason why there is none."""

    rule: str
    path: Path
    platform: str
    title: str
    target: str
    compiled: Compiled | None
    refusal: Diagnostic | None

    @property
    def label(self) -> str:
        """Short enough that the tabs of all platforms stand beside each other."""
        return label(self.platform)

    @property
    def fidelity(self) -> FidelityLevel:
        return self.compiled.fidelity if self.compiled else FidelityLevel.REFUSED

    @property
    def losses(self) -> tuple[Loss, ...]:
        return self.compiled.losses if self.compiled else ()

    @property
    def command(self) -> str:
        """The line that prints the query, in a checkout or beside a copy of the rules."""
        accept = " -O accept=blind" if self.fidelity is FidelityLevel.BLIND else ""
        return f"sigma convert -t {self.target} -p {self.platform}{accept} {quote(shown_path(self.path))}"

    @property
    def suffix(self) -> str:
        return SUFFIXES[self.target]

    @property
    def language(self) -> str:
        return LANGUAGES[self.target]


@dataclass(frozen=True, slots=True)
class Detection:
    """A detection as its pages show it. `package` is None where it has no guide."""

    name: str
    file: RuleFile
    rule: Mapping[str, Any]
    """The Sigma document of the detection itself."""
    metadata: Metadata | None
    on: tuple[OnPlatform, ...]
    package: Package | None
    hunts: Mapping[str, tuple[OnPlatform, ...]]
    """By the hunt's file, as the guide names it."""

    @property
    def guide(self) -> Guide | None:
        return self.package.guide if self.package else None

    @property
    def title(self) -> str:
        return str(self.rule.get("title", self.name))

    @property
    def level(self) -> str:
        return str(self.rule.get("level", "not stated"))

    @property
    def folder(self) -> str:
        return f"detections/{slug(self.name)}"

    @property
    def techniques(self) -> tuple[str, ...]:
        """The techniques of the rule's tags, as `T1071.001`: each becomes a part of an address."""
        tags = self.rule.get("tags") or ()
        found = [str(tag).removeprefix("attack.").upper() for tag in tags if str(tag).startswith("attack.t")]
        return tuple(name for name in found if _TECHNIQUE.fullmatch(name))

    @property
    def data_sources(self) -> tuple[str, ...]:
        """The log sources of the events that it looks at, as `network_connection` or `windows security`."""
        named = [value["logsource"] for _, value in self.file.maps if isinstance(value.get("logsource"), dict)]
        own = self.rule.get("logsource")
        return tuple(sorted({_source(one) for one in ([own] if isinstance(own, dict) else named)}))


def named_rules(value: Mapping[Any, Any]) -> Iterator[str]:
    """The rules that a correlation or a filter names."""
    for key in ("correlation", "filter"):
        part = value.get(key)
        rules = part.get("rules") if isinstance(part, dict) else None
        yield from map(str, rules if isinstance(rules, list) else [rules] if rules else ())


def parts_of_others(files: Iterable[RuleFile]) -> set[str]:
    """The rules that are only parts of a correlation, by what it calls them: these are no detections.

    Where a platform refuses such a rule, its conversion is told of all the same.
    """
    found = set()
    for file in files:
        for _, value in file.maps:
            correlation = value.get("correlation")
            if isinstance(correlation, dict) and not correlation.get("generate"):
                found |= set(named_rules({"correlation": correlation}))
    return found


def _source(logsource: Mapping[str, Any]) -> str:
    """A category says what is recorded; where there is none, the product and its service do."""
    parts = [logsource.get("category")] if logsource.get("category") else []
    parts = parts or [logsource.get("product"), logsource.get("service")]
    return " ".join(str(part) for part in parts if part)


def label(platform: str) -> str:
    """A platform's id as a word for people."""
    return platform.replace("_", " ")


def slug(name: str) -> str:
    """A name as a part of an address."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in name)[:120]


def shown_path(path: Path) -> str:
    """A rule's file as a command line names it: from the folder that holds the rules."""
    for root in (rules_root().parent.resolve(), path.resolve().parent.parent.parent):
        if path.resolve().is_relative_to(root):
            return path.resolve().relative_to(root).as_posix()
    return path.as_posix()


def read(files: list[RuleFile]) -> list[Detection]:
    """The detections of some files, by name.

    Raises PolysigmaError with every finding where a rule or a guide cannot be read: half a page is no runbook.
    """
    found, findings = packages(files)
    parts = parts_of_others(files)
    done: dict[str, list[Conversion]] = {}
    for result in convert(files, pairs((), None), options={"accept": "blind"}):
        if isinstance(result, Diagnostic):
            findings.append(result)
        elif result.rule not in parts:
            done.setdefault(result.rule, []).append(result)
    if findings:
        raise PolysigmaError(*findings)
    guides = {package.guide.detection: package for package in found}
    by_path = {file.path: file for file in files}
    return [_detection(name, results, by_path, guides.get(name)) for name, results in sorted(done.items())]


def _detection(
    name: str, results: list[Conversion], files: Mapping[Path, RuleFile], package: Package | None
) -> Detection:
    file = files[results[0].path]
    rule = next(
        value for _, value in file.maps if name in {value.get("name"), str(value.get("id")), value.get("title")}
    )
    return Detection(
        name=name,
        file=file,
        rule=rule,
        metadata=_metadata(rule),
        on=tuple(map(_on, results)),
        package=package,
        hunts=_hunts(package) if package else {},
    )


def _metadata(rule: Mapping[str, Any]) -> Metadata | None:
    if "polysigma" not in rule:
        return None
    try:
        return read_metadata(rule["polysigma"])
    except PlanError:
        return None  # the conversion has said what is wrong with it


def _on(result: Conversion) -> OnPlatform:
    from sigma.pipelines.polysigma import platform

    title = platform(result.platform).title
    title = title[:1].upper() + title[1:]  # claims are titled for the middle of a sentence
    compiled = result.compiled[0] if result.compiled else None
    return OnPlatform(result.rule, result.path, result.platform, title, result.target, compiled, result.finding)


def _hunts(package: Package) -> dict[str, tuple[OnPlatform, ...]]:
    found: dict[str, tuple[OnPlatform, ...]] = {}
    for hunt in package.guide.hunts:
        if hunt.file is None:
            continue
        files, findings = read_rules([str(package.folder / hunt.file)])
        if findings:
            raise PolysigmaError(*findings)
        results = convert(files, pairs((), None), options={"accept": "blind"})
        found[hunt.file] = tuple(_on(result) for result in results if isinstance(result, Conversion))
    return found
