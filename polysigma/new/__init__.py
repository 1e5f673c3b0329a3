"""`polysigma new`: a detection's folder with everything in its place, and blanks where only its author can say.

A blank is written `<<What goes here>>`. `polysigma check` names each that is left, and nothing else of a detection that
has any: what is wrong beside a blank would mostly be the blank.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import yaml

from polysigma.catalog import packaged_names, rules_root
from polysigma.diagnostics import Diagnostic, PolysigmaError
from polysigma.files import writing
from polysigma.tuning.model import today

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)+")
"""How a detection is called: two words or more, so that it is not taken by another."""


@dataclass(frozen=True, slots=True)
class Category:
    """What differs by the kind of events."""

    like: str
    """A packaged detection on the same events, from which is taken what each platform needs to record them."""
    words: Mapping[str, str]


CATEGORIES = {
    "network_connection": Category(
        "botnet_node_beaconing",
        {
            "EVENTS": "connections",
            "COUNTED": "Connections are counted per host and address over 24 hours; what has fewer of them than "
            "min_connections is dropped.",
            "FIRST": "Processes, DestinationIp",
            "NUMBER": "Connections",
            "PARAMETER": "min_connections",
        },
    ),
    "dns_query": Category(
        "dns_query_burst_dga",
        {
            "EVENTS": "names that are looked up",
            "COUNTED": "Different names are counted per host over 24 hours; a host with fewer of them than min_names "
            "is dropped.",
            "FIRST": "Processes, Examples",
            "NUMBER": "Names",
            "PARAMETER": "min_names",
        },
    ),
    "process_creation": Category(
        "powershell_download_loop",
        {
            "EVENTS": "programs that are started",
            "COUNTED": "Starts are counted per host over 24 hours; a host with fewer of them than min_starts is "
            "dropped.",
            "FIRST": "Processes, Commands",
            "NUMBER": "Starts",
            "PARAMETER": "min_starts",
        },
    ),
}
"""The kinds of events on which a new detection can be."""
TAKEN = ("sources", "tables", "settings", "licences", "coverage")


def create(name: str, root: Path, platforms: Sequence[str] = (), category: str = "network_connection") -> list[Path]:
    """Makes the folder of a detection on events of a category in `root`, and gives back the files in it.

    `platforms` are those that its guide is to speak of, all that record such events where there are none.
    Raises PolysigmaError for a name that is none or is taken, for an unknown platform, and for a folder that is there.
    """
    from polysigma.convert import pairs

    if not NAME.fullmatch(name) or len(name) > 60:
        hint = "small letters, digits and _, two words or more, such as chat_port_beacon"
        raise PolysigmaError(Diagnostic("name", f"{name!r} cannot be a detection's name", hint))
    folder = root / name
    if name in packaged_names() or folder.exists():
        raise PolysigmaError(
            Diagnostic("name", f"there is a detection {name} already", "take another name", str(folder))
        )
    chosen = [platform for platform, _ in pairs(platforms, None) if platforms or _records(platform, category)]
    blanks = {
        "NAME": name,
        "TITLE": " ".join(word.capitalize() for word in name.split("_")),
        "ID": str(uuid.uuid4()),
        "BASE_ID": str(uuid.uuid4()),
        "TODAY": today().isoformat(),
        "SCHEMAS": "../",
        "PLATFORMS": "".join(_platform(one, category) for one in chosen),
        "LIKE": CATEGORIES[category].like,
        **CATEGORIES[category].words,
    }
    made = {file: _filled(_template(template.format(category=category)), blanks) for file, template in _FILES}
    with writing(folder):
        folder.mkdir(parents=True)
        for file, text in made.items():
            (folder / file).write_text(text, encoding="utf-8")
    return [folder / file for file in made]


_FILES = (
    ("rule.yml", "rule_{category}"),
    ("scenarios.yaml", "scenarios_{category}"),
    ("guide.yaml", "guide"),
)


def _records(name: str, category: str) -> bool:
    from sigma.pipelines.polysigma import platform

    return category in platform(name).categories


def _template(name: str) -> str:
    return files("polysigma.new").joinpath(f"{name}.template").read_text(encoding="utf-8")


def _filled(text: str, values: dict[str, str]) -> str:
    return re.sub(r"@([A-Z_]+)@", lambda match: values[match.group(1)], text)


def _platform(name: str, category: str) -> str:
    """What a guide says of a platform: as the packaged guide on the same events does, or blanks."""
    from sigma.pipelines.polysigma import platform

    like = rules_root() / CATEGORIES[category].like / "guide.yaml"
    guide = yaml.safe_load(like.read_text(encoding="utf-8")) if like.is_file() else {"platforms": {}}
    known = guide["platforms"].get(name)
    if known is None:
        title, events = platform(name).title, CATEGORIES[category].words["EVENTS"]
        return _filled(_template("platform"), {"PLATFORM": name, "TITLE": title, "EVENTS": events})
    kept: dict[str, Any] = {part: known[part] for part in TAKEN}
    text = yaml.dump({name: kept}, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110, indent=4)
    return "".join(f"    {line}\n" if line.strip() else "\n" for line in text.splitlines())


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks, as people write queries."""


def _represented(dumper: Any, text: str) -> Any:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text.strip() else None)


_Dumper.add_representer(str, _represented)
