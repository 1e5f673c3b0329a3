"""Atomic tests in PowerShell: no machine here runs them, so a grammar reads them and what they call is looked up."""

from __future__ import annotations

import re

import pytest

from polysigma.catalog import rules_root
from polysigma.guide import AtomicFile
from polysigma.source import read_file

tree_sitter = pytest.importorskip("tree_sitter", reason="the grammar is of the dev extra")
grammar = pytest.importorskip("tree_sitter_powershell", reason="the grammar is of the dev extra")

PARSER = tree_sitter.Parser(tree_sitter.Language(grammar.language()))
TESTS = [
    (f"{path.parents[2].name}-{path.stem}", test)
    for path in sorted(rules_root().glob("*/atomics/*/*.yaml"))
    for test in AtomicFile.model_validate(read_file(path)[0].value).atomic_tests
    if test.executor.name == "powershell"
]
each_test = pytest.mark.parametrize("test", [test for _, test in TESTS], ids=[name for name, _ in TESTS])

FUNCTIONS = {
    "Clear-DnsClientCache": set(),
    "Get-NetIPAddress": {"-AddressFamily"},
    "New-NetFirewallRule": {"-Name", "-DisplayName", "-Direction", "-Protocol", "-LocalPort", "-Action"},
    "Remove-NetFirewallRule": {"-Name", "-ErrorAction"},
}
"""Functions over CIM (https://learn.microsoft.com/powershell/module/netsecurity/, nettcpip/ and dnsclient/)."""
CMDLETS = {
    "ForEach-Object": set(),
    "Get-Content": set(),
    "Get-Date": {"-Year", "-Month", "-Day"},
    "New-Object": set(),
    "Out-Null": set(),
    "Remove-Item": {"-Path", "-ErrorAction"},
    # https://learn.microsoft.com/powershell/module/dnsclient/resolve-dnsname
    "Resolve-DnsName": {"-Name", "-Type", "-DnsOnly", "-QuickTimeout", "-ErrorAction"},
    "Select-Object": {"-First"},
    "Set-Content": {"-Path", "-Value"},
    "Start-Sleep": {"-Seconds", "-Milliseconds"},
    "Stop-Process": {"-Id", "-Force", "-ErrorAction"},
    "Test-Path": set(),
    "Where-Object": {"-NotMatch"},
    "Write-Warning": set(),
}
"""Compiled, and in Windows PowerShell 5.1 as in 7 (https://learn.microsoft.com/powershell/module/)."""
PROGRAMS = {"cmd.exe", "powershell.exe", "schtasks.exe"}
"""Their arguments are their own."""
GUARD = re.compile(r"\$address -match '([^']+)'")


def called(text):
    """Every command of a script, with its parameters and their values as one text."""
    found = []
    waiting = [PARSER.parse(text.encode()).root_node]
    while waiting:
        node = waiting.pop()
        waiting += node.children
        if node.type == "command" and (name := node.child_by_field_name("command_name")) is not None:
            parts = [
                part for elements in node.children if elements.type == "command_elements" for part in elements.children
            ]
            given = {part.text.decode() for part in parts if part.type == "command_parameter"}
            if not name.text.decode()[0].isdigit():  # the grammar takes the range 1..9 for a command
                found.append((name.text.decode(), given, node.text.decode()))
    return found


def scripts(test):
    return test.command(), test.command(cleanup=True)


@each_test
def test_powershell_can_read_the_commands(test):
    for text in scripts(test):
        assert "#{" not in text
        assert not PARSER.parse(text.encode()).root_node.has_error


@pytest.mark.parametrize("broken", ["foreach ($one in 1..3 { $one }", "if ($one -gt) { 1 }", "New-Object A (1, 2"])
def test_what_powershell_cannot_read_is_noticed(broken):
    assert PARSER.parse(broken.encode()).root_node.has_error


@each_test
def test_only_commands_and_parameters_that_are_documented_are_used(test):
    known = FUNCTIONS | CMDLETS
    for text in scripts(test):
        for name, given, _ in called(text):
            assert name in known or name in PROGRAMS
            assert name in PROGRAMS or given <= known[name]


def test_a_misspelt_parameter_would_be_noticed():
    (one,) = called("Remove-Item -Path a.txt -ErrorActoin Ignore")
    assert one[:2] == ("Remove-Item", {"-Path", "-ErrorActoin"})


@each_test
def test_no_function_is_told_to_ignore_errors(test):
    """Windows PowerShell 5.1 fails on it (https://github.com/PowerShell/PowerShell/issues/1759)."""
    for text in scripts(test):
        assert not [whole for name, _, whole in called(text) if name in FUNCTIONS and "Ignore" in whole]


@pytest.mark.parametrize(
    "test", [test for _, test in TESTS if "address" in test.input_arguments], ids=lambda test: test.name
)
def test_it_stops_at_an_address_that_the_detection_leaves_out(test):
    (guard,) = GUARD.findall(test.command())
    for address in ("127.0.0.1", "10.1.2.3", "172.20.0.1", "192.168.7.7", "169.254.3.4"):
        assert re.match(guard, address)
    for address in ("203.0.113.10", "172.15.0.1", "11.0.0.1", "192.167.0.1"):
        assert not re.match(guard, address)
    assert test.command().index("throw") < min(
        test.command().find(word) for word in ("ConnectAsync", "DownloadString") if word in test.command()
    )


@each_test
def test_what_it_leaves_behind_is_undone(test):
    command, cleanup = scripts(test)
    made = {"Set-Content": "Remove-Item", "New-NetFirewallRule": "Remove-NetFirewallRule"}
    undone = {name for name, _, _ in called(cleanup)}
    assert {made[name] for name, _, _ in called(command) if name in made} <= undone
    assert ("schtasks.exe /create" in command) == ("schtasks.exe /delete" in cleanup)
