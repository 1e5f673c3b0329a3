"""Rules about Windows event logs on Microsoft's platforms: which rows of which table they find, and what is refused."""

from __future__ import annotations

import json

import pytest
import yaml
from sigma.exceptions import SigmaError

from polysigma.engines.kql.validate import unavailable, validate

RULE = """
title: Event
status: test
logsource: {product: windows}
detection: {condition: selection}
level: low
"""


def rule(logsource, selection, **more):
    document = yaml.safe_load(RULE)
    document["logsource"] |= logsource
    document["detection"] |= {"selection": selection, **more}
    return yaml.safe_dump(document)


def found(compiled, platform, logsource, selection, rows, **more):
    """What the query finds of some rows, by their names; it is valid, and the plan finds the same."""
    made = compiled(rule(logsource, selection, **more), platform)
    if unavailable() is None:
        assert [str(one) for one in validate(made.query, made.schema)] == []
    names = [row["Computer" if "Computer" in row else "DeviceName"] for row in made.executed(rows)]
    expected = [row["Computer" if "Computer" in row else "DeviceName"] for row in made.expected(rows)]
    assert sorted(names) == sorted(expected)
    return sorted(names)


def xml(**data):
    return (
        "<EventData>" + "".join(f'<Data Name="{name}">{value}</Data>' for name, value in data.items()) + "</EventData>"
    )


def security(name, number, data="", **columns):
    return {
        "$table": "SecurityEvent",
        "TimeGenerated": "2026-03-02T00:00:00Z",
        "Channel": "Security",
        "Computer": name,
        "EventID": number,
        "EventData": data,
        **columns,
    }


def event(name, log, number, **data):
    return {
        "$table": "Event",
        "TimeGenerated": "2026-03-02T00:00:00Z",
        "EventLog": log,
        "Computer": name,
        "EventID": number,
        "EventData": xml(**data),
    }


def test_data_of_the_security_log_is_read_from_its_column_or_from_the_xml(compiled):
    rows = [
        security("column", 4769, ServiceName="krbtgt"),
        security("xml", 4769, xml(TargetUserName="a", ServiceName="KRBTGT", Status="0x0")),
        security("another name", 4769, xml(TargetUserName="krbtgt", ServiceName="other")),
        security("another event", 4768, xml(ServiceName="krbtgt")),
        security("nothing", 4769),
        security("another log", 4769, xml(ServiceName="krbtgt"), Channel="System"),
    ]
    selection = {"EventID": 4769, "ServiceName": "krbtgt"}
    assert found(compiled, "sentinel", {"service": "security"}, selection, rows) == ["column", "xml"]


def test_entities_of_the_xml_are_resolved_once(compiled):
    rows = [
        event(
            "ampersand", "Microsoft-Windows-PowerShell/Operational", 4104, ScriptBlockText="if ($a -and 1) { &amp; x }"
        ),
        event("less", "PowerShellCore/Operational", 4104, ScriptBlockText="&lt;script&gt;"),
        event("twice", "Microsoft-Windows-PowerShell/Operational", 4104, ScriptBlockText="&amp;lt;script"),
        event("another event", "Microsoft-Windows-PowerShell/Operational", 4103, ScriptBlockText="&lt;script&gt;"),
        event("another log", "System", 4104, ScriptBlockText="&lt;script&gt;"),
    ]
    for text, names in (("& x", ["ampersand"]), ("<script>", ["less"]), ("&lt;", ["twice"]), ("&amp;", [])):
        selection = {"ScriptBlockText|contains": text}
        assert found(compiled, "sentinel", {"category": "ps_script"}, selection, rows) == names


def test_numbers_and_addresses_of_the_xml_are_compared_as_such(compiled):
    rows = [
        security("port", 5156, xml(DestPort="445", SourceAddress="10.1.2.3", DestAddress="::ffff:10.9.9.9")),
        security("another port", 5156, xml(DestPort="4455", SourceAddress="10.1.2.3", DestAddress="10.9.9.9")),
        security("another network", 5156, xml(DestPort="445", SourceAddress="10.1.2.3", DestAddress="10.8.9.9")),
    ]
    selection = {"EventID": 5156, "DestPort": 445, "DestAddress|cidr": "10.9.0.0/16"}
    assert found(compiled, "sentinel", {"service": "security"}, selection, rows) == ["port"]


def logon(name, action, **columns):
    return {
        "$table": "DeviceLogonEvents",
        "Timestamp": "2026-03-02T00:00:00Z",
        "DeviceId": name,
        "DeviceName": name,
        "ReportId": 1,
        "ActionType": action,
        "LogonType": "Network",
        **columns,
    }


def test_logons_of_the_security_log_are_events_of_defenders_own(compiled):
    rows = [
        logon("public", "LogonSuccess", RemoteIP="203.0.113.7"),
        logon("failed", "LogonFailed", RemoteIP="203.0.113.7"),
        logon("private", "LogonSuccess", RemoteIP="10.0.0.7"),
        logon("no address", "LogonSuccess"),
        logon("dash", "LogonSuccess", RemoteIP="-"),
        logon("remote desktop", "LogonSuccess", RemoteIP="203.0.113.7", LogonType="RemoteInteractive"),
    ]
    source, selection = {"service": "security"}, {"EventID": 4624, "LogonType": 3}
    more = {"inside": [{"IpAddress|cidr": "10.0.0.0/8"}, {"IpAddress": "-"}], "condition": "selection and not inside"}
    assert found(compiled, "defender", source, selection, rows, **more) == ["public"]
    assert found(compiled, "defender", source, {"EventID": [4624, 4625]}, rows) == sorted(
        row["DeviceName"] for row in rows
    )


def test_an_event_of_the_security_log_that_is_no_logon_is_refused(compiled):
    with pytest.raises(SigmaError, match="'4663' of EventID"):
        compiled(rule({"service": "security"}, {"EventID": [4624, 4663]}), "defender")


def test_a_pipe_is_named_without_its_device(compiled):
    def pipe(name, path):
        fields = json.dumps({"FileOperation": "File created", "PipeName": path})
        return {
            "$table": "DeviceEvents",
            "Timestamp": "2026-03-02T00:00:00Z",
            "DeviceId": name,
            "DeviceName": name,
            "ReportId": 1,
            "ActionType": "NamedPipeEvent",
            "AdditionalFields": fields,
        }

    rows = [
        pipe("device", r"\Device\NamedPipe\postex_1"),
        pipe("bare", r"\postex_2"),
        pipe("case", r"\DEVICE\namedpipe\POSTEX_3"),
        pipe("inside", r"\Device\NamedPipe\my\postex_4"),
    ]
    names = found(compiled, "defender", {"category": "pipe_created"}, {"PipeName|startswith": r"\postex_"}, rows)
    assert names == ["bare", "case", "device"]


def test_logons_of_windows_are_told_from_others_in_asim(compiled):
    def authentication(name, **columns):
        return {
            "$table": "_Im_Authentication",
            "TimeGenerated": "2026-03-02T00:00:00Z",
            "EventProduct": "Security Events",
            "EventVendor": "Microsoft",
            "EventOriginalType": "4625",
            "EventSubType": "RemoteInteractive",
            "TargetHostname": name,
            "SrcIpAddr": "203.0.113.7",
            **columns,
        }

    rows = [
        authentication("windows"),
        authentication("okta", EventProduct="Okta", EventVendor="Okta"),
        authentication("success", EventOriginalType="4624"),
        authentication("network", EventSubType="Network"),
    ]
    made = compiled(rule({"service": "security"}, {"EventID": 4625, "LogonType": 10}), "asim")
    assert [row["TargetHostname"] for row in made.executed(rows)] == ["windows"]
    assert [row["TargetHostname"] for row in made.expected(rows)] == ["windows"]


@pytest.mark.parametrize(
    ("platform", "logsource", "reason"),
    [
        ("defender", {"category": "ps_script"}, "the script is not"),
        ("defender", {"service": "system"}, "does not forward Windows event logs"),
        ("asim", {"category": "pipe_created"}, "no schema for named pipes"),
        ("asim", {"service": "system"}, "hold no Windows event log"),
        ("sentinel", {"service": "application"}, "give their data no names"),
    ],
)
def test_what_is_not_there_is_refused_with_the_reason(compiled, platform, logsource, reason):
    with pytest.raises(SigmaError, match=reason):
        compiled(rule(logsource, {"Computer": "a"}), platform)
