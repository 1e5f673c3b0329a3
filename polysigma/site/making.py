"""From rules to pages: in parts, by as many processes as the machine has, since thousands of rules are converted."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import TYPE_CHECKING

from polysigma.catalog import packaged_names, read_rules
from polysigma.diagnostics import Diagnostic, PolysigmaError
from polysigma.site.catalogue import DetectionEntry, entry
from polysigma.site.detection import detection_pages
from polysigma.site.model import named_rules, parts_of_others, read, slug

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from polysigma.catalog import RuleFile
    from polysigma.site.markup import Page

_PART = 60
"""Files that are converted together: few enough that no process ends long before the others."""


@dataclass(slots=True)
class Site:
    """What is made of some rules: pages and other files by path, and the detections for programs."""

    pages: dict[str, Page] = field(default_factory=dict)
    files: dict[str, str | bytes] = field(default_factory=dict)
    entries: list[DetectionEntry] = field(default_factory=list)
    findings: list[Diagnostic] = field(default_factory=list)

    def take(self, other: Site) -> None:
        self.pages |= other.pages
        self.files |= other.files
        self.entries += other.entries
        self.findings += other.findings


def make(references: Iterable[str] | None = None, workers: int | None = None) -> Site:
    """The pages and files of the detections behind some references, by default all packaged ones.

    Raises PolysigmaError with every finding where a rule or a guide cannot be read.
    """
    files, findings = read_rules(list(references) if references is not None else packaged_names())
    if findings:
        raise PolysigmaError(*findings)
    known = _known(files)
    parts = [([str(file.path) for file in part], known) for part in _parts(files)]
    site = Site()
    for made in _made(parts, workers or os.cpu_count() or 1):
        site.take(made)
    if site.findings:
        raise PolysigmaError(*site.findings)
    site.entries.sort(key=lambda one: one.name)
    _distinct(site.entries)
    return site


def _made(parts: list[tuple[list[str], dict[str, str]]], workers: int) -> Iterator[Site]:
    if len(parts) == 1 or workers == 1:
        yield from map(_part, parts)
        return
    # A fork would copy the threads of whatever has been loaded.
    with ProcessPoolExecutor(min(workers, len(parts)), mp_context=get_context("spawn")) as pool:
        yield from pool.map(_part, parts)


def _part(given: tuple[list[str], Mapping[str, str]]) -> Site:
    paths, known = given
    files, findings = read_rules(paths)
    try:
        detections = read(files)
    except PolysigmaError as error:
        return Site(findings=[*findings, *error.findings])
    site = Site()
    for one in detections:
        pages, texts = detection_pages(one, known)
        site.pages |= pages
        site.files |= texts
        site.entries.append(entry(one))
    return site


def _parts(files: list[RuleFile]) -> list[list[RuleFile]]:
    """The files in parts, so that rules which refer to each other stay together."""
    groups = _together(files)
    parts: list[list[RuleFile]] = [[]]
    for group in groups:
        if len(parts[-1]) >= _PART:
            parts.append([])
        parts[-1] += group
    return parts


def _together(files: list[RuleFile]) -> list[list[RuleFile]]:
    """Files in groups: a correlation or a filter with the files of the rules that it names."""
    home: dict[str, int] = {}
    for number, file in enumerate(files):
        for _, value in file.maps:
            home |= {str(value[key]): number for key in ("name", "id") if value.get(key)}
    group = list(range(len(files)))

    def top(number: int) -> int:
        while group[number] != number:
            number = group[number]
        return number

    for number, file in enumerate(files):
        for name in (name for _, value in file.maps for name in named_rules(value)):
            if name in home:
                group[top(number)] = top(home[name])
    found: dict[int, list[RuleFile]] = {}
    for number, file in enumerate(files):
        found.setdefault(top(number), []).append(file)
    return list(found.values())


def _known(files: list[RuleFile]) -> dict[str, str]:
    """The folder of each detection that has a page, by name: of every rule that is not only a part of another."""
    parts = parts_of_others(files)
    names = (str(value["name"]) for file in files for _, value in file.maps if value.get("name"))
    return {name: f"detections/{slug(name)}" for name in names if name not in parts}


def _distinct(entries: list[DetectionEntry]) -> None:
    seen: dict[str, str] = {}
    for one in entries:
        other = seen.setdefault(one.page, one.name)
        if other != one.name:
            message = f"the detections {other!r} and {one.name!r} would share a page"
            raise PolysigmaError(Diagnostic("same-name", message))
