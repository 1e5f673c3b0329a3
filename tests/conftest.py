"""What tests of several parts need: the command line in this process, and a small detection."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import pytest

from polysigma.cli import main


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """With `--dist loadgroup` the tests of a file run in one process, which makes what they share once.

    What says that it belongs to another group shares nothing with its file.
    """
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.path.name))


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """All that was said, wherever."""
        return self.out + self.err


@pytest.fixture
def polysigma(monkeypatch, capsys):
    """Runs `polysigma` with arguments. An exception that gets out of it would be a traceback for the user."""

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["polysigma", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        code = end.value.code
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return Outcome(code if isinstance(code, int) else int(code is not None), said.out, said.err)

    return run


RULE = """\
title: Connection to a Chat Server
id: 11111111-1111-4111-8111-111111111111
name: chat_connection
logsource:
    category: network_connection
detection:
    selection:
        Initiated: 'true'
        DestinationPort: [6666, 6667]
    condition: selection
---
title: Many Connections to a Chat Server
id: 22222222-2222-4222-8222-222222222222
name: many_chat_connections
correlation:
    type: event_count
    rules: [chat_connection]
    group-by: [Computer, DestinationIp]
    timespan: 6h
    condition:
        gte: 3
polysigma:
    version: 1
    schedule:
        every: 1h
    parameters:
        least:
            value: 5
            about: Connections from a host to one address within six hours
            raise: Fewer alerts; slower bots are missed
            lower: More alerts; people begin to show
    steps:
        - group:
              by: [Computer, DestinationIp]
              measures:
                  Connections: count()
                  Processes: collect(Image, 5)
        - where: Connections >= :least
        - sort: [Connections desc, Computer, DestinationIp]
    alert:
        title: Chat from {Computer}
        entities:
            host: Computer
        quiet: 24h
"""
SCENARIOS = """\
- name: five_connections
  hosts: [ws-01]
  span: 2h
  traffic:
    - {kind: exact, to: 203.0.113.10, port: 6667, hourly: [5]}
  hit:
    - {Computer: ws-01, DestinationIp: 203.0.113.10, Connections: 5}
- name: four_connections
  hosts: [ws-01]
  span: 2h
  traffic:
    - {kind: exact, to: 203.0.113.20, port: 6667, hourly: [4]}
  miss:
    - {Computer: ws-01, DestinationIp: 203.0.113.20}
- name: nine_connections
  hosts: [ws-01]
  span: 2h
  traffic:
    - {kind: exact, to: 203.0.113.30, port: 6666, hourly: [9]}
  hit:
    - {Computer: ws-01, DestinationIp: 203.0.113.30, Connections: 9}
"""


@pytest.fixture
def detection(tmp_path):
    """A small detection with scenarios, and the path of its folder."""
    folder = tmp_path / "many_chat_connections"
    folder.mkdir()
    (folder / "rule.yml").write_text(RULE, encoding="utf-8")
    (folder / "scenarios.yaml").write_text(SCENARIOS, encoding="utf-8")
    return str(folder)


EXCLUSION = """\
- detection: botnet_node_beaconing
  parameters:
      min_connections: 40
  exclude:
      - where:
            DestinationIp|cidr: 203.0.113.0/24
            Image|endswith: '\\backup.exe'
        reason: backup vendor
        owner: soc@example.com
        expires: 2999-06-30
"""


@pytest.fixture
def write(tmp_path):
    """Writes a tuning file and gives its path."""

    def written(text: str = EXCLUSION) -> str:
        path = tmp_path / "tuning.yaml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return written
