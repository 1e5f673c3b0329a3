"""What the package knows of ATT&CK, offline."""

from __future__ import annotations

import pytest

from polysigma import attack


def test_the_version_is_pinned():
    assert attack.version() == "19"


def test_the_subject_of_the_package_is_the_adversary_s_own_side():
    botnet = attack.technique("T1584.005")
    assert botnet.full_name == "Compromise Infrastructure: Botnet"
    assert botnet.tactics == ("resource-development",)
    assert botnet.adversary_side
    assert botnet.url == "https://attack.mitre.org/techniques/T1584/005/"
    assert attack.tactics()["resource-development"].id == "TA0042"


@pytest.mark.parametrize(
    ("identifier", "name", "tactic"),
    [
        ("T1071.001", "Application Layer Protocol: Web Protocols", "command-and-control"),
        ("T1571", "Non-Standard Port", "command-and-control"),
        ("T1090.002", "Proxy: External Proxy", "command-and-control"),
        ("T1498.001", "Network Denial of Service: Direct Network Flood", "impact"),
        ("T1568.002", "Dynamic Resolution: Domain Generation Algorithms", "command-and-control"),
        ("T1046", "Network Service Discovery", "discovery"),
    ],
)
def test_what_a_sensor_sees_of_it_is_known(identifier, name, tactic):
    found = attack.technique(identifier)
    assert (found.full_name, found.tactics) == (name, (tactic,))
    assert not found.adversary_side


def test_defense_evasion_is_told_by_version():
    found = attack.technique("T1006")
    assert found.tactics == ("stealth",)
    assert found.tactics_in(18) == ("defense-evasion",)
    assert found.tactics_in(19) == ("stealth",)


def test_what_is_none_any_more_says_how():
    assert attack.technique("T1562.001") is None
    assert attack.retired("T1562.001").version == "19"
    assert attack.retired("T1574.002").how == "revoked"
    assert attack.retired("T9999") is None
    assert attack.near("T1584.05") == "T1584.005"


def test_every_technique_is_under_known_tactics():
    for identifier in attack._facts()["techniques"]:
        assert set(attack.technique(identifier).tactics) <= attack.tactics().keys()
