"""What a tuning file does to queries and to hits."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from polysigma.convert import platforms

BEACON = ["botnet_node_beaconing"]


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    """A bot, and a backup program, that each call another port of one network every three minutes for six hours."""
    path = tmp_path_factory.mktemp("data") / "sysmon.jsonl"
    rows = []
    for minute in range(0, 360, 3):
        time = datetime(2026, 3, 2, 8, tzinfo=UTC) + timedelta(minutes=minute)
        for image, port in (("C:\\Users\\a\\bot.exe", 6667), ("C:\\Backup\\backup.exe", 443)):
            rows.append(
                {
                    "Channel": "Microsoft-Windows-Sysmon/Operational",
                    "EventID": 3,
                    "Computer": "ws-01",
                    "UtcTime": f"{time:%Y-%m-%d %H:%M:%S}.000",
                    "Image": image,
                    "Initiated": "true",
                    "DestinationIp": "203.0.113.9",
                    "DestinationPort": str(port),
                }
            )
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("platform", sorted({*platforms()} - {"splunk_cim"}))
def test_values_and_exclusions_are_in_the_query_of_every_platform_and_at_its_head(polysigma, write, platform):
    shown = polysigma("convert", *BEACON, "-p", platform, "--tuning", write())
    assert shown.code == 0, shown.err
    head, _, body = shown.out.partition("approximate:")
    assert "set: min_connections = 40 (the rule has 20)" in head
    assert "left out: backup vendor (soc@example.com, until 2999-06-30)" in head
    assert "203.0.113.0/24" in body or "203.0.113." in body
    assert "backup" in body
    assert "40" in body


def test_an_exclusion_by_a_field_that_a_platform_lacks_is_refused_there(polysigma, write):
    shown = polysigma("convert", *BEACON, "-p", "splunk_cim", "--tuning", write())
    assert shown.code == 1
    assert "cannot answer the value '*\\backup.exe' of Image" in shown.err


def test_what_the_command_line_sets_comes_before_the_file(polysigma, write):
    for given in ("min_connections=50", "botnet_node_beaconing.min_connections=50"):
        shown = polysigma("convert", *BEACON, "-p", "falcon", "--tuning", write(), "-O", f"set={given}")
        assert "min_connections = 50 (the rule has 20)" in shown.out


def test_a_replay_with_the_file_leaves_out_what_it_says_and_no_more(polysigma, write, events):
    def ports(*more: str) -> list[int]:
        shown = polysigma("replay", *BEACON, events, "--format", "json", *more)
        assert shown.code == 0, shown.err
        return sorted({hit["DestinationPort"] for hit in json.loads(shown.out)})

    assert ports() == [443, 6667]
    assert ports("--tuning", write()) == [6667]
    assert ports("--tuning", write("- detection: botnet_node_beaconing\n  parameters: {min_connections: 121}\n")) == []


@pytest.mark.parametrize("verb", [["convert", *BEACON], ["replay", *BEACON, "EVENTS"]])
def test_a_wrong_file_ends_with_its_place_and_exit_code_2(polysigma, write, events, verb):
    path = write("- detection: botnet_node_beaconing\n  parameters: {min_conections: 40}\n")
    shown = polysigma(*(str(events) if part == "EVENTS" else part for part in verb), "--tuning", path)
    assert shown.code == 2
    assert f"{path}:2:16: error unknown-parameter" in shown.err
    assert "min_connections" in shown.err


def test_an_exclusion_that_is_too_wide_is_said(polysigma, write):
    path = write(
        "- detection: botnet_node_beaconing\n  exclude:\n  - where: {DestinationIp|cidr: 203.0.0.0/8}\n"
        "    reason: our cloud\n    owner: soc\n    expires: 2999-01-01\n"
    )
    shown = polysigma("convert", *BEACON, "-p", "falcon", "--tuning", path)
    assert shown.code == 0
    assert f"{path}:3:13: warning wide-exclusion 203.0.0.0/8 is wider than a /16" in shown.err
