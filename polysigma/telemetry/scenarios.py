"""`scenarios.yaml`: networks, what happens on them, and what a detection must and must not find there."""

from __future__ import annotations

from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, RootModel, StringConstraints, WithJsonSchema

from polysigma.diagnostics import Diagnostic, PolysigmaError
from polysigma.source import Document, read_file
from polysigma.telemetry.events import Vendor  # noqa: TC001 - pydantic reads it
from polysigma.telemetry.hosts import HostDirectory
from polysigma.telemetry.oddities import AnyOddity  # noqa: TC001 - pydantic reads them
from polysigma.telemetry.setup import Setup
from polysigma.telemetry.traffic import AnyTraffic  # noqa: TC001
from polysigma.telemetry.values import Address, Period, parse_address, refusal
from polysigma.validation import validate

if TYPE_CHECKING:
    from pathlib import Path

    from polysigma.telemetry.traffic.base import Scoped

SCENARIOS = "scenarios.yaml"
"""The file of a detection's scenarios, beside its rule."""
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
"""Where a scenario starts that does not say: a Monday, midnight."""

_ADDRESS_FIELDS = ("SourceIp", "DestinationIp", "src_ip", "dst_ip")


def _host_names(value: Any) -> Any:
    """A count, a map of prefix to count, or a list of names: always a list of names."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = {"ws": value}
    if isinstance(value, dict):
        names = []
        for prefix, count in value.items():
            if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= 100_000:
                raise refusal(f"{prefix}: {count!r} is not a number of hosts: write 1 to 100000, or a list of names")
            names += [f"{prefix}-{number:02d}" for number in range(1, count + 1)]
        return names
    return value


def _instant(value: Any) -> Any:
    """YAML's dates are midnight UTC, and a time without a zone is UTC."""
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, datetime) and value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    return value


def _expectation(value: Any) -> Any:
    """Addresses in their canonical spelling."""
    if isinstance(value, dict):
        return {key: parse_address(item) if key in _ADDRESS_FIELDS else item for key, item in value.items()}
    return value


HostName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=255)]
HostList = Annotated[
    list[HostName],
    BeforeValidator(_host_names),
    Field(min_length=1),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {"type": "object", "additionalProperties": {"type": "integer", "minimum": 1}, "minProperties": 1},
                {"type": "array", "items": {"type": "string"}, "minItems": 1},
            ]
        }
    ),
]
Expectation = Annotated[
    dict[Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], bool | int | float | str],
    BeforeValidator(_expectation),
    Field(min_length=1),
]
"""Some fields of a hit, by canonical name."""


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class Otherwise(BaseModel):
    """What one platform finds otherwise in a scenario, because of a loss that it declares for the rule."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    because: Annotated[
        list[Annotated[str, StringConstraints(min_length=10)]],
        BeforeValidator(_listed),
        Field(min_length=1),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "string", "minLength": 10},
                    {"type": "array", "items": {"type": "string", "minLength": 10}, "minItems": 1},
                ]
            }
        ),
    ]
    """The declared loss, or losses, by some of the words of each: "only the first send of a flow is recorded"."""
    hit: list[Expectation] | None = None
    """In the place of the scenario's own; its own where this is left out."""
    miss: list[Expectation] | None = None
    """As `hit`."""
    other_hits: bool | None = None


class Firewall(BaseModel):
    """A firewall that every connection passes."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: HostName
    blocks: list[Address] = []
    """Addresses that nobody can connect to: what it reports of an attempt is that it was blocked."""
    vendor: Vendor = "fortinet"
    reports: Literal["sessions", "starts_and_ends", "ends"] = "sessions"
    """One report a session; or one at its start and one at its end; or the latter alone."""


class Scenario(BaseModel):
    """One network in one span of time."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    about: str | None = None
    """What is special about it, for the reader."""
    seed: int = 1
    """The same seed gives the same events, byte for byte."""
    start: Annotated[datetime, BeforeValidator(_instant)] = MONDAY
    span: Period = 86400.0
    hosts: HostList
    """Names; or a number (`10`: ws-01 to ws-10); or numbers by prefix (`{ws: 36, srv: 4}`)."""
    traffic: list[AnyTraffic] = Field(min_length=1)
    oddities: list[AnyOddity] = []
    firewall: Firewall | None = None
    """Where it is given, the hosts have no sensor: the firewall's sessions are all that is recorded of them."""
    setup: Setup = Setup()
    """What is set up otherwise than usual."""
    hit: list[Expectation] = []
    """For each, some window's hit has all of these values. Text is compared without regard to case."""
    miss: list[Expectation] = []
    """For none of these does any window's hit have all of the values."""
    other_hits: bool = False
    """Whether hits that no `hit` describes are allowed: a busy network has its false positives."""
    platforms: dict[Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")], Otherwise] = {}
    """The platforms that find something else here, and why."""

    @property
    def begin(self) -> float:
        """The start in epoch seconds."""
        return self.start.timestamp()

    @property
    def end(self) -> float:
        return self.begin + self.span

    @property
    def directory(self) -> HostDirectory:
        """The hosts, by name and by Falcon agent id."""
        return HostDirectory(self.hosts)


class ScenarioFile(RootModel[Annotated[list[Scenario], Field(min_length=1)]]):
    """The scenarios of a detection."""


def load_scenarios(path: str | Path) -> list[Scenario]:
    """The scenarios in a file.

    Raises PolysigmaError, with the place of every fault, for what is not one YAML document with a list of scenarios,
    for two of one name, and for a host that the scenario does not have.
    """
    documents = read_file(path)
    if len(documents) != 1:
        raise PolysigmaError(
            Diagnostic("scenario-file", "must hold one YAML document: a list of scenarios", file=str(path))
        )
    document = documents[0]
    scenarios = validate(ScenarioFile, document, "scenario").root
    findings = list(_cross_references(scenarios, document))
    if findings:
        raise PolysigmaError(*findings)
    return scenarios


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a scenario file, for editors."""
    return ScenarioFile.model_json_schema(by_alias=True)


def chosen(scope: Scoped, names: list[str], pick: Any) -> list[str]:
    """The host names that something applies to. `pick(names, n)` picks n of them at random."""
    if scope.hosts == "all":
        return names
    if isinstance(scope.hosts, int):
        return sorted(pick(names, min(scope.hosts, len(names))))
    patterns = [pattern.lower() for pattern in scope.hosts]
    return [name for name in names if any(fnmatchcase(name.lower(), pattern) for pattern in patterns)]


def _cross_references(scenarios: list[Scenario], document: Document) -> list[Diagnostic]:
    findings = []

    def add(message: str, hint: str | None, *path: str | int) -> None:
        findings.append(Diagnostic("scenario", message, hint, document.file, document.at(*path)))

    seen: set[str] = set()
    for index, scenario in enumerate(scenarios):
        if scenario.name in seen:
            add(f"two scenarios are called {scenario.name}", "give each a name of its own", index, "name")
        seen.add(scenario.name)
        folded = {name.lower() for name in scenario.hosts}
        reporting = {scenario.firewall.name.lower()} if scenario.firewall else set()
        hosts = f"the hosts are {', '.join(scenario.hosts[:6])}{', ...' if len(scenario.hosts) > 6 else ''}"
        if len(folded) < len(scenario.hosts):
            add("two hosts have one name (case does not tell them apart)", None, index, "hosts")
        for part in ("traffic", "oddities"):
            for number, item in enumerate(getattr(scenario, part)):
                for place, pattern in enumerate(item.hosts if isinstance(item.hosts, list) else ()):
                    if not any(fnmatchcase(name, pattern.lower()) for name in folded):
                        add(f"no host is called {pattern}", hosts, index, part, number, "hosts", place)
                if item.until is not None and item.until <= item.from_:
                    add("`until` must come after `from`", None, index, part, number, "until")
                if item.from_ >= scenario.span:
                    add("`from` lies after the end of the scenario", None, index, part, number, "from")
        expectations: list[tuple[tuple[str, ...], list[Expectation]]] = [
            (("hit",), scenario.hit),
            (("miss",), scenario.miss),
        ]
        for name, other in scenario.platforms.items():
            expectations += [(("platforms", name, part), getattr(other, part) or []) for part in ("hit", "miss")]
        for path, expected in expectations:
            for number, one in enumerate(expected):
                computer = one.get("Computer")
                if computer is not None and str(computer).lower() not in {*folded, *reporting}:
                    add(f"no host is called {computer}", hosts, index, *path, number, "Computer")
        if not scenario.hit and not scenario.miss:
            add(f"{scenario.name} expects nothing", "name a tuple under `hit` or `miss`", index)
    return findings
