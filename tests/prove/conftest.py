"""A small rule with its scenarios, in a folder of its own, that a test bends to its purpose."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import pytest
import yaml

from polysigma.catalog import read_rules
from polysigma.convert import pairs
from polysigma.prove import prove

if TYPE_CHECKING:
    from pathlib import Path

RULE = {
    "base": {
        "title": "Connection to a Public Address",
        "id": "6f5c9b1e-8f0a-4c63-9a0c-0d6d5b1f0001",
        "name": "connection_under_proof",
        "status": "test",
        "logsource": {"category": "network_connection"},
        "detection": {
            "outbound": {"Initiated": "true", "DestinationIp": "*"},
            "private": {"DestinationIp|cidr": ["10.0.0.0/8", "127.0.0.0/8"]},
            "condition": "outbound and not private",
        },
        "level": "informational",
    },
    "correlation": {
        "title": "Many Connections",
        "id": "6f5c9b1e-8f0a-4c63-9a0c-0d6d5b1f0002",
        "name": "many_connections",
        "status": "test",
        "correlation": {
            "type": "event_count",
            "rules": ["connection_under_proof"],
            "group-by": ["Computer", "DestinationIp"],
            "timespan": "2h",
            "condition": {"gte": 3},
        },
        "level": "low",
        "polysigma": {
            "version": 1,
            "schedule": {"every": "1h"},
            "steps": [
                {"bucket": {"Hour": "1h"}},
                {
                    "group": {
                        "by": ["Computer", "DestinationIp", "Hour"],
                        "measures": {"Hourly": "count()"},
                    }
                },
                {
                    "group": {
                        "by": ["Computer", "DestinationIp"],
                        "measures": {"Connections": "sum(Hourly)", "Hours": "count()"},
                    }
                },
                {"where": "Connections >= 3"},
            ],
        },
    },
}
SCENARIOS = [
    {
        "name": "three",
        "hosts": ["ws-01"],
        "traffic": [{"kind": "exact", "to": "203.0.113.10", "port": 6667, "hourly": [2, 1]}],
        "hit": [{"Computer": "ws-01", "DestinationIp": "203.0.113.10", "Connections": 3, "Hours": 2}],
    },
    {
        "name": "two",
        "hosts": ["ws-01"],
        "traffic": [{"kind": "exact", "to": "203.0.113.10", "port": 6667, "hourly": [1, 1]}],
        "miss": [{"Computer": "ws-01"}],
    },
]
PLATFORMS = ("sysmon_json", "falcon", "fdr")


class Workshop:
    """A rule and its scenarios as data; `folder` writes them, `prove` proves them on the platforms that are quick."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rule = copy.deepcopy(RULE)
        self.scenarios = copy.deepcopy(SCENARIOS)

    @property
    def scenario(self):
        """The first scenario: three connections, which must hit."""
        return self.scenarios[0]

    def folder(self) -> Path:
        (self.path / "rule.yml").write_text(yaml.safe_dump_all(self.rule.values(), sort_keys=False))
        (self.path / "scenarios.yaml").write_text(yaml.safe_dump(self.scenarios, sort_keys=False))
        return self.path

    def prove(self, *platforms: str, **options):
        files, findings = read_rules([str(self.folder())])
        assert not findings
        return prove(files, pairs(platforms or PLATFORMS, None), **options)

    def verdict(self, platform: str = "sysmon_json", **options):
        (verdict,) = self.prove(platform, **options).verdicts
        return verdict


@pytest.fixture
def workshop(tmp_path):
    return Workshop(tmp_path)
