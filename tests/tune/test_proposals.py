"""What is proposed to be excluded: narrow selections, by what alerts have in common."""

from __future__ import annotations

import pytest

from polysigma.tune.proposals import candidates, collected

KEYS = ["Computer", "DestinationIp", "DestinationPort"]
FIREFOX = r"C:\Program Files\Mozilla Firefox\firefox.exe"


def hit(computer="ws-01", address="203.0.113.9", port=443, *programs):
    return {"Computer": computer, "DestinationIp": address, "DestinationPort": port, "Programs": list(programs)}


def wheres(*hits):
    return [one.where for one in candidates(hits, KEYS, {"Programs": "Image"}, 20)]


def test_a_program_is_proposed_with_where_it_goes():
    found = wheres(hit("ws-01", "203.0.113.9", 443, FIREFOX))
    assert {"Image": FIREFOX, "DestinationIp": "203.0.113.9"} in found
    assert {"Image": FIREFOX, "DestinationPort": 443} in found
    assert {"Computer": "ws-01", "Image": FIREFOX} in found
    assert not any(where.keys() <= {"DestinationIp", "DestinationPort"} for where in found), "a program is known"


def test_a_network_is_proposed_where_alerts_go_to_several_of_its_addresses():
    one, two = hit("ws-01", "203.0.113.9", 443, FIREFOX), hit("ws-01", "203.0.113.10", 443, FIREFOX)
    assert {"Image": FIREFOX, "DestinationIp|cidr": "203.0.113.0/24"} in wheres(one, two)
    assert not any("DestinationIp|cidr" in where for where in wheres(one))
    six = [hit("ws-01", f"2001:db8:1::{number}", 443, FIREFOX) for number in (1, 2)]
    assert {"Image": FIREFOX, "DestinationIp|cidr": "2001:db8:1::/48"} in wheres(*six)


@pytest.mark.parametrize(
    "program",
    [
        r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe",
        "python3",
        r"C:\Users\Public\updater.exe",
        r"C:\Users\ann\AppData\Local\x.exe",
        "/tmp/x",
    ],
)
def test_a_program_that_may_be_anybodys_is_proposed_only_with_an_address(program):
    found = wheres(hit("ws-01", "203.0.113.9", 443, program))
    assert found
    assert all("DestinationIp" in where for where in found)


def test_who_the_user_is_does_not_matter_to_a_program_of_a_profile():
    (found,) = wheres(hit("ws-01", "203.0.113.9", 443, r"C:\Users\ann\AppData\Local\Teams\Teams.exe"))
    assert found["Image|endswith"] == r"\AppData\Local\Teams\Teams.exe"


def test_a_bare_name_is_the_end_of_a_path():
    assert {"Image|endswith": "\\firefox.exe", "DestinationPort": 443} in wheres(
        hit("a", "203.0.113.9", 443, "firefox.exe")
    )
    assert {"Image|endswith": "/cupsd", "DestinationPort": 631} in wheres(hit("a", "203.0.113.9", 631, "cupsd"))


@pytest.mark.parametrize("programs", [(), (FIREFOX, "C:\\other.exe")])
def test_without_one_program_an_address_is_proposed_with_its_port(programs):
    assert wheres(hit("ws-01", "203.0.113.9", 443, *programs)) == [
        {"DestinationIp": "203.0.113.9", "DestinationPort": 443}
    ]


def test_what_would_remove_most_comes_first_and_not_more_than_asked_for():
    hits = [hit(f"ws-{number}", "203.0.113.9", 443) for number in range(3)] + [hit("ws-9", "203.0.113.10", 443)]
    found = candidates(hits, KEYS, {}, 1)
    assert [(one.where["DestinationIp"], one.about) for one in found] == [("203.0.113.9", 3)]


def test_a_list_of_a_list_holds_the_same_field():
    measures = [("N", "count()"), ("A", "collect(Image, 5)"), ("B", "collect(A, 10)"), ("C", "collect(Other, 3)")]
    assert collected(measures, {"Image": 1}) == {"A": "Image", "B": "Image"}
