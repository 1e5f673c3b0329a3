"""Tuning files, written to a folder of their own, and the command line."""

from __future__ import annotations

import pytest

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
