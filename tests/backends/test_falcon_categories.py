"""Every category that Falcon records, on events as it records them: what a rule matches, what it does not."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sigma.collection import SigmaCollection
from sigma.exceptions import SigmaError

from polysigma.engines.cql import run_cql
from polysigma.engines.reference.expressions import evaluator
from polysigma.plan.expressions import Call, Column
from sigma.backends.polysigma import LogScaleBackend, SqlBackend
from sigma.pipelines.polysigma import pipelines

VALUE, KEY = "RegGenericValueUpdate", "AsepKeyUpdate"
MACHINE, RUN = "\\REGISTRY\\MACHINE\\", "Software\\Microsoft\\Windows\\CurrentVersion\\Run"


def query(category: str, product: str = "windows", condition: str = "selection", **detections: Any) -> str:
    rule = {
        "title": "A rule",
        "logsource": {"category": category, "product": product},
        "detection": {**detections, "condition": condition},
    }
    (text,) = LogScaleBackend(pipelines["falcon"]()).convert(SigmaCollection.from_dicts([rule]))
    return text


def matched(text: str, event: str, platform: str = "Win", **fields: str) -> bool:
    row = {"#event_simpleName": event, "event_platform": platform, "@timestamp": 1_700_000_000_000, **fields}
    return bool(run_cql(text, [row]).rows)


def refusal(category: str, product: str = "windows", **selection: Any) -> str:
    with pytest.raises(SigmaError) as caught:
        query(category, product, selection=selection)
    return f"{caught.value.code}: {caught.value}"


# Files


def test_a_written_file_is_known_by_its_path_on_any_volume():
    text = query("file_event", selection={"TargetFilename": "C:\\Users\\Public\\\\*.exe"})
    for volume in ("1", "3", "27"):
        path = f"\\Device\\HarddiskVolume{volume}\\Users\\Public\\a\\b.exe"
        assert matched(text, "PeFileWritten", TargetFileName=path)
    assert not matched(text, "PeFileWritten", TargetFileName="\\Device\\HarddiskVolume3\\Users\\Ann\\b.exe")
    assert not matched(text, "PeFileWritten", TargetFileName="\\Device\\HarddiskVolumeX\\Users\\Public\\b.exe")
    assert not matched(text, "ProcessRollup2", TargetFileName="\\Device\\HarddiskVolume3\\Users\\Public\\b.exe")
    assert "met on any drive" in text


@pytest.mark.parametrize("event", ["NewScriptWritten", "ZipFileWritten", "ELFFileWritten", "GenericFileWritten"])
def test_a_file_is_found_in_every_kind_of_event_that_tells_of_a_write(event):
    text = query("file_event", selection={"TargetFilename|endswith": ".x"})
    assert matched(text, event, TargetFileName="\\Device\\HarddiskVolume3\\a.x")


def test_paths_of_linux_and_macos_stay_as_they_are():
    for product, platform in (("linux", "Lin"), ("macos", "Mac")):
        text = query("file_event", product, selection={"TargetFilename|startswith": "/etc/"})
        assert matched(text, "GenericFileWritten", platform, TargetFileName="/etc/cron.d/x")
        assert not matched(text, "GenericFileWritten", "Win", TargetFileName="/etc/cron.d/x")


def test_who_wrote_a_file_is_said_to_be_known_for_some_events_only():
    text = query(
        "file_event", condition="selection and not known", selection={"TargetFilename|endswith": ".ps1"},
        known={"Image|endswith": "\\setup.exe"},
    )  # fmt: skip
    path, image = "\\Device\\HarddiskVolume3\\a.ps1", "\\Device\\HarddiskVolume3\\setup.exe"
    assert matched(text, "NewScriptWritten", TargetFileName=path)
    assert not matched(text, "NewScriptWritten", TargetFileName=path, ContextImageFileName=image)
    assert "are known to record the process" in text


def test_renamed_and_deleted_files_are_found_by_their_names():
    text = query("file_rename", selection={"SourceFilename|endswith": ".exe", "TargetFilename|endswith": ".txt"})
    names = {"SourceFileName": "\\Device\\HarddiskVolume1\\a.exe", "TargetFileName": "\\Device\\HarddiskVolume1\\a.txt"}
    assert matched(text, "FileRenameInfo", **names)
    assert matched(query("file_delete", selection={"TargetFilename|endswith": ".txt"}), "FileDeleteInfo", **names)


# The registry


@pytest.mark.parametrize(
    ("pattern", "key", "name"),
    [
        ({"|contains": "\\CurrentVersion\\Run\\"}, MACHINE + RUN, "Updater"),
        ({"|endswith": "\\Run\\Updater"}, MACHINE + RUN, "Updater"),
        ({"": f"HKLM\\{RUN}\\Updater"}, (MACHINE + RUN).lower(), "UPDATER"),
        ({"|startswith": "HKU\\S-1-5-18\\"}, f"\\REGISTRY\\USER\\S-1-5-18\\{RUN}", "x"),
        ({"|endswith": "\\Run\\(Default)"}, MACHINE + RUN, ""),
        ({"|contains": "\\System\\CurrentControlSet\\Services\\"}, f"{MACHINE}SYSTEM\\ControlSet001\\Services\\x", "y"),
        ({"|startswith": "HKCR\\CLSID\\"}, f"{MACHINE}SOFTWARE\\Classes\\CLSID\\{{1}}", "x"),
        ({"|startswith": "\\REGISTRY\\A\\"}, "\\REGISTRY\\A\\{1}\\Root", "x"),
        ({"|re": "Run\\\\U[a-z]+$"}, MACHINE + RUN, "Updater"),
    ],
)  # fmt: skip
def test_a_registry_value_is_known_by_the_path_that_sysmon_writes(pattern, key, name):
    (modifier, value), *_ = pattern.items()
    for category in ("registry_set", "registry_event"):
        text = query(category, selection={f"TargetObject{modifier}": value})
        assert matched(text, VALUE, RegObjectName=key, RegValueName=name)
        assert not matched(text, VALUE, RegObjectName=f"{MACHINE}Other", RegValueName="z")
        assert not matched(text, VALUE)


def test_a_backslash_in_a_values_name_is_part_of_the_path():
    text = query("registry_set", selection={"TargetObject|endswith": "\\SharedDLLs\\C:\\Windows\\x.dll"})
    assert matched(text, VALUE, RegObjectName=f"{MACHINE}SharedDLLs", RegValueName="C:\\Windows\\x.dll")


def test_a_key_has_no_value_in_its_path():
    text = query("registry_add", selection={"EventType": "CreateKey", "TargetObject|endswith": "\\Run"})
    assert matched(text, KEY, RegObjectName=MACHINE + RUN)
    both = query("registry_event", selection={"TargetObject|endswith": "\\Run"})
    assert matched(both, KEY, RegObjectName=MACHINE + RUN)
    assert not matched(both, VALUE, RegObjectName=MACHINE + RUN)


def test_text_is_found_in_a_registry_value_and_a_number_is_not_recorded():
    text = query("registry_set", selection={"Details|contains": ["powershell", "DWORD (0x00000001)"]})
    assert matched(text, VALUE, RegObjectName=MACHINE + RUN, RegStringValue="PowerShell.exe -enc")
    assert "Details has values that are taken as held by no event (the number" in text
    assert refusal("registry_set", Details="DWORD (0x00000001)").startswith("not-recorded: ")


def test_an_event_type_that_no_event_tells_is_refused():
    assert refusal("registry_event", EventType="RenameKey").startswith("not-comparable: ")
    assert "RegOperationType" in refusal("registry_delete", TargetObject="x")


KEYS = st.lists(
    st.sampled_from(["REGISTRY", "registry", "MACHINE", "Machine", "USER", "A", "SYSTEM", "ControlSet001", "é", ""]),
    max_size=6,
).map(lambda parts: "\\" + "\\".join(parts))


@settings(max_examples=150, deadline=None)
@given(KEYS, st.sampled_from([None, "", "x", "a\\b", "(Default)"]))
def test_every_language_makes_the_same_path_of_a_key_and_a_value(key, name):
    row = {"RegObjectName": key, "RegValueName": name or None}
    path = evaluator(Call("registry_value", (Column("RegObjectName"), Column("RegValueName"))))(row)
    assert isinstance(path, str)
    text = query("registry_set", selection={"TargetObject|cased": path.replace("\\", "\\\\")})
    assert matched(text, VALUE, RegObjectName=key, **({} if name is None else {"RegValueName": name}))


def test_sql_makes_the_same_path_of_a_key_and_a_value():
    keys = [MACHINE + RUN, f"{MACHINE}SYSTEM\\ControlSet002\\x", "\\registry\\user\\S-1", "\\REGISTRY\\MACHINES", "x"]
    rows = [{"event_simpleName": VALUE, "event_platform": "Win", "RegObjectName": k, "RegValueName": n, "aid": "1"}
            for k in keys for n in ("", "v")]  # fmt: skip
    path = evaluator(Call("registry_value", (Column("RegObjectName"), Column("RegValueName"))))
    with duckdb.connect() as database:
        database.execute("CREATE TABLE fdr (event_simpleName TEXT, event_platform TEXT, RegObjectName TEXT, "
                         "RegValueName TEXT, aid TEXT)")  # fmt: skip
        for row in rows:
            database.execute("DELETE FROM fdr")
            database.execute("INSERT INTO fdr VALUES (?, ?, ?, ?, ?)", list(row.values()))
            rule = {
                "title": "A rule",
                "logsource": {"category": "registry_set", "product": "windows"},
                "detection": {
                    "selection": {"TargetObject|cased": path(row).replace("\\", "\\\\")},
                    "condition": "selection",
                },
            }
            (text,) = SqlBackend(pipelines["fdr"]()).convert(SigmaCollection.from_dicts([rule]))
            assert len(database.execute(text).fetchall()) == 1, row


# Modules, drivers, scripts


def test_a_module_and_the_process_that_loads_it_are_known_by_their_paths():
    text = query(
        "image_load", condition="selection and not filter", selection={"ImageLoaded|endswith": "\\amsi.dll"},
        filter={"Image|startswith": "C:\\Windows\\"},
    )  # fmt: skip
    module, process = "\\Device\\HarddiskVolume12\\t\\amsi.dll", "\\Device\\HarddiskVolume2\\Windows\\explorer.exe"
    assert matched(
        text, "ClassifiedModuleLoad", ImageFileName=module, TargetImageFileName="\\Device\\HarddiskVolume2\\x"
    )
    assert not matched(text, "ClassifiedModuleLoad", ImageFileName=module, TargetImageFileName=process)


def test_a_driver_is_known_by_its_path_or_its_hash():
    text = query(
        "driver_load", selection=[{"ImageLoaded|endswith": "\\bad.sys"}, {"Hashes|contains": "MD5=" + 32 * "A"}]
    )
    assert matched(text, "DriverLoad", ImageFileName="\\Device\\HarddiskVolume2\\bad.sys")
    assert matched(text, "DriverLoad", ImageFileName="\\Device\\HarddiskVolume2\\x.sys", MD5HashData=32 * "a")
    assert refusal("driver_load", Hashes="SHA1=" + 40 * "A").startswith("not-recorded: ")


def test_a_script_is_known_by_its_content():
    text = query("ps_script", selection={"ScriptBlockText|contains|all": ["Invoke-", "Mimikatz"]})
    assert matched(text, "ScriptControlScanTelemetry", ScriptContent="x\nInvoke-Mimikatz -Dump")
    assert "PowerShell's script block log" in text


def test_a_program_without_a_path_is_said_not_to_be_told_from_one_of_that_name():
    text = query("network_connection", selection={"Image": "System", "DestinationPort": 443})
    assert matched(text, "NetworkConnectIP4", ContextBaseFileName="System", RemotePort="443")
    assert "cannot be told from one of that name" in text
    assert "cannot be told" not in query("network_connection", selection={"Image|endswith": "\\System"})


# Logons and tasks


def logged(service: str, platform: str = "falcon", condition: str = "selection", **detections: Any) -> str:
    rule = {
        "title": "A rule",
        "logsource": {"product": "windows", "service": service},
        "detection": {**detections, "condition": condition},
    }
    (text,) = LogScaleBackend(pipelines[platform]()).convert(SigmaCollection.from_dicts([rule]))
    return text


def test_a_logon_is_known_by_its_type_its_user_and_where_it_came_from():
    text = logged(
        "security",
        condition="selection and not local",
        selection={"EventID": 4624, "LogonType": 10, "TargetUserName|startswith": "adm"},
        local=[{"IpAddress|cidr": ["10.0.0.0/8", "::1/128"]}, {"IpAddress": "-"}],
    )
    logon = {"LogonType": "10", "UserName": "Admin", "RemoteAddressIP4": "198.51.100.7"}
    assert matched(text, "UserLogon", **logon)
    assert not matched(text, "UserLogonFailed2", **logon)
    for other in ({"LogonType": "2"}, {"UserName": "bob"}, {"RemoteAddressIP4": "10.1.1.1"}, {"RemoteAddressIP4": ""}):
        assert not matched(text, "UserLogon", **{**logon, **other})


def test_a_failed_logon_is_an_event_of_its_own():
    text = logged("security", selection={"EventID": [4625, 4776], "WorkstationName": "RULER"})
    assert matched(text, "UserLogonFailed2", ClientComputerName="ruler")
    assert not matched(text, "UserLogon", ClientComputerName="ruler")
    assert "EventID has values that are taken as held by no event" in text


@pytest.mark.parametrize("platform", ["falcon", "fdr"])
def test_a_registered_task_is_known_by_its_name_and_its_definition(platform):
    event = "#event_simpleName" if platform == "falcon" else "event_simpleName"
    row = {event: "ScheduledTaskRegistered", "event_platform": "Win", "TaskName": "\\x", "TaskXml": "<Task>regsvr32"}
    security = logged("security", platform, selection={"EventID": 4698, "TaskContent|contains": "REGSVR32"})
    scheduler = logged("taskscheduler", platform, selection={"EventID": 106, "TaskName": "\\x"})
    for text in (security, scheduler):
        assert run_cql(text, [row]).rows
        assert not run_cql(text, [{**row, "TaskName": "y", "TaskXml": "y"}]).rows
        assert not run_cql(text, [{**row, event: "UserLogon"}]).rows


@pytest.mark.parametrize(
    ("service", "selection"),
    [
        ("security", {"EventID": 4720, "TargetUserName": "x"}),
        ("security", {"EventID": [4698, 4702], "TargetUserName": "x"}),
        ("security", {"EventID": 4624, "LogonProcessName": "seclogo"}),
        ("security", {"EventID": 4698, "IpAddress": "192.0.2.1"}),
        ("taskscheduler", {"EventID": 129, "Path": "x"}),
    ],
)
def test_what_only_a_windows_log_has_is_refused_as_not_recorded(service, selection):
    with pytest.raises(SigmaError) as caught:
        logged(service, selection=selection)
    assert caught.value.code == "not-recorded"


def test_a_pattern_of_an_event_that_is_told_by_other_columns_is_refused():
    with pytest.raises(SigmaError, match="EventID"):
        logged("security", selection={"EventID|startswith": "46"})


@pytest.mark.parametrize(
    ("code", "logsource"),
    [
        ("unverified", {"category": "create_remote_thread", "product": "windows"}),
        ("unverified", {"category": "pipe_created", "product": "windows"}),
        ("not-recorded", {"product": "windows", "service": "system"}),
        ("not-recorded", {"product": "linux", "service": "auditd"}),
        ("not-recorded", {"product": "aws", "service": "cloudtrail"}),
        ("not-recorded", {"category": "webserver"}),
        ("unclaimed-logsource", {"category": "quantum"}),
    ],
)
@pytest.mark.parametrize("platform", ["falcon", "fdr"])
def test_a_log_source_that_the_sensor_does_not_see_is_refused_by_a_code(platform, code, logsource):
    rule = {"title": "A rule", "logsource": logsource, "detection": {"a": {"b": "c"}, "condition": "a"}}
    with pytest.raises(SigmaError) as caught:
        LogScaleBackend(pipelines[platform]()).convert(SigmaCollection.from_dicts([rule]))
    assert caught.value.code == code
