"""A site's tuning for those who convert with `sigma convert`: standard Sigma filters, and options for our backends."""

from __future__ import annotations

import csv
import io
import json
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

from polysigma.catalog import packaged_names, read_rules
from polysigma.diagnostics import PolysigmaError
from polysigma.files import writing
from polysigma.plan.lookups import COLUMN, PREFIX, rows_of
from polysigma.tuning import apply

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from polysigma.diagnostics import Diagnostic
    from polysigma.plan.metadata import ParameterValue
    from polysigma.tuning import Tuning

FILTERS, OPTIONS, LOOKUPS = "filters.yml", "options", "lookups"


@dataclass(frozen=True, slots=True)
class Emitted:
    """What was written for one detection; a file that there is nothing for is not there."""

    detection: str
    filters: Path | None
    options: Path | None
    lookups: tuple[Path, ...] = ()
    """What has to be uploaded for its queries; several detections may ask for the same."""


def emit(tuning: Tuning, folder: Path, references: Iterable[str] = ()) -> tuple[list[Emitted], list[Diagnostic]]:
    """Writes a folder for each detection that the tuning changes: `filters.yml` and `options`; and beside them a folder
    with the lookups that have to be uploaded, as CSV files of one column.

    `filters.yml` is for `sigma convert --filter`; `options` holds arguments as a shell takes them, one a line:
    `xargs sigma convert ... < options`. `references` are the rules, the packaged ones where there are none. Gives back
    what was written and what there is to say of the tuning. Raises PolysigmaError where the tuning does not fit the
    rules, where a value cannot be said as an option, and where a file cannot be written.
    """
    files, findings = read_rules(references or packaged_names())
    if findings:
        raise PolysigmaError(*findings)
    tuned = apply(files, tuning)
    names = dict.fromkeys([*tuned.settings, *(one["polysigma"]["detection"] for one in tuned.filters)])
    done = []
    for name in names:
        own = [one for one in tuned.filters if one["polysigma"]["detection"] == name]
        arguments = [
            shlex.join(["-O", f"set={name}.{parameter}={_text(tuning, name, parameter, value)}"])
            for parameter, value in tuned.settings.get(name, {}).items()
        ]
        filters = "---\n".join(yaml.safe_dump(one, sort_keys=False, allow_unicode=True, width=120) for one in own)
        named = dict.fromkeys(lookup for one in own for lookup in one["polysigma"].get("lookups", ()))
        done.append(
            Emitted(
                name,
                _written(folder / name / FILTERS, filters),
                _written(folder / name / OPTIONS, "".join(f"{one}\n" for one in arguments)),
                tuple(folder / LOOKUPS / f"{lookup}.csv" for lookup in named),
            )
        )
    for stale in (folder / LOOKUPS).glob(f"{PREFIX}*.csv"):
        _written(stale, "")
    for lookup in (path for one in done for path in one.lookups):
        _written(lookup, _csv(tuning.lookups[lookup.stem]))
    return done, tuned.findings


def _csv(values: Iterable[str]) -> str:
    """A lookup as it is uploaded, every value in quotes."""
    held = io.StringIO()
    writer = csv.writer(held, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows([[COLUMN], *([value] for value in rows_of(values))])
    return held.getvalue()


def _text(tuning: Tuning, detection: str, parameter: str, value: ParameterValue) -> str:
    """A value as the option `set` reads it. Raises PolysigmaError for one that it would read as another."""
    if isinstance(value, list):
        items = [str(item) for item in value]
        plain = not any("," in item or item != item.strip() or item[:1] == "[" or not item for item in items)
        return ",".join(items) if plain else json.dumps(value, ensure_ascii=False)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if text != text.strip():
        number = next(number for number, entry in tuning.of(detection) if parameter in entry.parameters)
        message = f"{parameter}: {value!r} cannot be given to sigma convert, whose options have no spaces at their ends"
        hint = "use polysigma convert --tuning"
        raise tuning.document.error("not-an-option", message, number, "parameters", parameter, hint=hint)
    return text


def _written(path: Path, text: str) -> Path | None:
    """The file, written; what an earlier run left for which there is nothing now is taken away."""
    with writing(path):
        if not text:
            path.unlink(missing_ok=True)
            return None
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return path
