"""Rules about Windows event logs: which events are searched, by which names, and where."""

from __future__ import annotations

import pytest
import yaml
from sigma.collection import SigmaCollection
from sigma.exceptions import SigmaError

from polysigma.engines.spl.engine import run_spl
from sigma.backends.polysigma import SplBackend
from sigma.pipelines.polysigma import pipelines

RULE = """
title: Event
status: test
logsource: {product: windows}
detection: {condition: selection}
level: low
"""


def converted(logsource, selection, name="splunk_sysmon", **options):
    rule = yaml.safe_load(RULE)
    rule["logsource"] |= logsource
    rule["detection"]["selection"] = selection
    (query,) = SplBackend(pipelines[name](), **options).convert(SigmaCollection.from_dicts([rule]))
    return "\n".join(line for line in query.splitlines() if not line.startswith("```")).strip()


@pytest.mark.parametrize(
    ("logsource", "first"),
    [
        ({"service": "security"}, '`wineventlog_security` Channel="Security"'),
        ({"service": "system"}, '`wineventlog_system` Channel="System"'),
        ({"category": "pipe_created"}, '`sysmon` EventCode IN (17, 18) Channel="Microsoft-Windows-Sysmon/Operational"'),
        ({"category": "process_access"}, '`sysmon` EventCode=10 Channel="Microsoft-Windows-Sysmon/Operational"'),
        ({"category": "wmi_event"}, "`sysmon` EventCode IN (19, 20, 21)"),
        (
            {"category": "ps_script"},
            (
                '`powershell` EventCode=4104 Channel IN ("Microsoft-Windows-PowerShell/Operational", '
                '"PowerShellCore/Operational")'
            ),
        ),
        (
            {"service": "windefend"},
            'source="XmlWinEventLog:Microsoft-Windows-Windows Defender/Operational"',
        ),
    ],
)
def test_a_log_source_is_searched_by_its_macro_or_source_its_channel_and_its_events(logsource, first):
    assert converted(logsource, {"Computer": "ws-01"}).replace("\n    ", " ").startswith(first)


def test_one_macro_of_a_site_replaces_them_all():
    for logsource in ({"service": "security"}, {"service": "windefend"}, {"category": "pipe_created"}):
        assert converted(logsource, {"EventID": 1}, index_macro="windows_logs").startswith("`windows_logs` ")


def test_without_a_macro_the_source_is_said():
    query = converted({"category": "ps_script"}, {"ScriptBlockText": "a"}, index_macro="")
    assert query.startswith(
        'source IN ("XmlWinEventLog:Microsoft-Windows-PowerShell/Operational", '
        '"XmlWinEventLog:PowerShellCore/Operational")'
    )


def test_a_logon_is_found_by_number_type_and_address():
    query = converted({"service": "security"}, {"EventID": 4624, "LogonType": 3, "IpAddress|cidr": "203.0.113.0/24"})
    event = {
        "source": "XmlWinEventLog:Security",
        "Channel": "Security",
        "EventCode": "4624",
        "LogonType": "3",
        "_time": 1,
    }
    rows = [
        {**event, "IpAddress": "203.0.113.7"},
        {**event, "IpAddress": "::ffff:203.0.113.8"},
        {**event, "IpAddress": "-"},
        {**event, "IpAddress": "203.0.114.7"},
        {**event, "IpAddress": "203.0.113.7", "LogonType": "10"},
        {**event, "IpAddress": "203.0.113.7", "EventCode": "4625"},
        {**event, "IpAddress": "203.0.113.7", "source": "XmlWinEventLog:System", "Channel": "System"},
    ]
    assert [row["IpAddress"] for row in run_spl(query, rows)] == ["203.0.113.7", "::ffff:203.0.113.8"]


def test_data_without_names_is_refused_with_the_reason():
    with pytest.raises(SigmaError, match="name none of their data"):
        converted({"service": "application"}, {"Data|contains": "a"})


def test_a_field_that_is_not_in_the_taxonomy_is_refused_by_name():
    with pytest.raises(SigmaError, match="TargetUserName"):
        converted({"service": "security"}, {"TargetUserNam": "a"})
