"""What a pipeline makes of a rule: columns, values, conditions; and what it refuses, by name, code and reason."""

from __future__ import annotations

from typing import Any

import pytest
from sigma.conditions import ConditionAND, ConditionFieldEqualsValueExpression, ConditionNOT, ConditionOR
from sigma.exceptions import SigmaError
from sigma.rule import SigmaRule
from sigma.types import SigmaFieldReference, SigmaNull, SigmaNumber

from polysigma.fidelity import FidelityLevel
from polysigma.platform import BACKEND_VARIABLE, PIPELINE_VARIABLE, SCOPE_STATE, Platform, Scope
from sigma.pipelines.polysigma import pipelines
from sigma.pipelines.polysigma.paths import DevicePath
from sigma.pipelines.polysigma.refusals import PlatformRefusalError


def rule(category: str, condition: str = "selection", product: str | None = "windows", **detections: Any) -> SigmaRule:
    logsource = {"category": category, **({"product": product} if product else {})}
    return SigmaRule.from_dict(
        {"title": "A rule", "logsource": logsource, "detection": {**detections, "condition": condition}}
    )


def shown(node: Any) -> str:
    """A condition tree as one readable line."""
    match node:
        case ConditionAND():
            return f"({' and '.join(shown(part) for part in node.args)})"
        case ConditionOR():
            return f"({' or '.join(shown(part) for part in node.args)})"
        case ConditionNOT():
            return f"not {shown(node.args[0])}"
        case ConditionFieldEqualsValueExpression(field=field, value=SigmaNull()):
            return f"{field} is null"
        case ConditionFieldEqualsValueExpression(field=field, value=DevicePath() as value):
            return f"{field}={value.pattern}"
        case ConditionFieldEqualsValueExpression(field=field, value=SigmaFieldReference(field=other)):
            return f"{field}=column {other}"
        case ConditionFieldEqualsValueExpression(field=field, value=SigmaNumber(number=number)):
            return f"{field}={number!r}"
        case ConditionFieldEqualsValueExpression(field=field, value=value):
            return f"{field}={getattr(value, 'cidr', value)}"
        case _:
            return repr(node)


def applied(name: str, given: SigmaRule, *, ours: bool = True) -> tuple[str, Scope]:
    """The condition that a pipeline makes of a rule, by default for a backend of ours, and its scope."""
    pipeline = pipelines[name]()
    if ours:
        pipeline.vars[BACKEND_VARIABLE] = True
    pipeline.apply(given)
    return shown(given.detection.parsed_condition[0].parsed), pipeline.state[SCOPE_STATE]


def made(name: str, category: str, detection: dict[str, Any], product: str | None = "windows") -> str:
    return applied(name, rule(category, product=product, selection=detection))[0]


def refused(
    name: str, category: str, detection: dict[str, Any], product: str | None = "windows", *, ours: bool = True
) -> str:
    with pytest.raises(PlatformRefusalError) as caught:
        applied(name, rule(category, product=product, selection=detection), ours=ours)
    assert isinstance(caught.value, SigmaError)
    assert isinstance(caught.value.args[0], str)
    assert f"({caught.value.code})" in str(caught.value)
    assert '"A rule"' in str(caught.value)
    return str(caught.value)


def test_the_claims_travel_in_the_pipeline_as_one_typed_object():
    assert all(isinstance(make().vars[PIPELINE_VARIABLE], Platform) for make in pipelines.values())


# Log sources


@pytest.mark.parametrize("name", pipelines)
def test_a_log_source_without_a_claim_is_refused(name):
    with pytest.raises(PlatformRefusalError, match=r"quantum.*\(unclaimed-logsource\).*search everything"):
        made(name, "quantum", {"spin": "up"}, product=None)


def test_a_log_source_that_is_known_not_to_be_recorded_says_why():
    message = refused("falcon", "process_access", {"TargetImage": "\\x"})
    assert "category=process_access product=windows (not-recorded): access to another process appears in" in message


def test_another_product_of_a_claimed_category_is_refused():
    assert "product=zeek" in refused("falcon", "network_connection", {"DestinationPort": 443}, product="zeek")


@pytest.mark.parametrize(("product", "platform"), [("windows", "Win"), ("linux", "Lin"), ("macos", "Mac")])
def test_the_product_of_the_log_source_narrows_the_event_filter(product, platform):
    _, scope = applied("falcon", rule("process_creation", product=product, selection={"CommandLine": "x"}))
    assert scope.event["event_platform"] == (platform,)


def test_a_rule_without_a_product_asks_for_every_platform():
    _, scope = applied("falcon", rule("process_creation", product=None, selection={"CommandLine": "x"}))
    assert scope.event == {"#event_simpleName": ("ProcessRollup2", "SyntheticProcessRollup2")}


# Choices: a value that other columns tell


OUT = "(#event_simpleName=NetworkConnectIP4 or #event_simpleName=NetworkConnectIP6)"
IN = "(#event_simpleName=NetworkReceiveAcceptIP4 or #event_simpleName=NetworkReceiveAcceptIP6)"


@pytest.mark.parametrize("value", ["true", "True", True])
def test_initiated_becomes_the_event_types_that_mean_it(value):
    assert made("falcon", "network_connection", {"Initiated": value}) == OUT


def test_fdr_has_the_same_without_the_tag_mark():
    assert made("fdr", "network_connection", {"Initiated": "true"}) == OUT.replace("#", "")


def test_initiated_is_never_dropped_under_not_or_or():
    detections = {"a": {"Initiated": "true"}, "b": {"DestinationPort": 1}}
    assert applied("falcon", rule("network_connection", "not a", **detections))[0] == f"not {OUT}"
    assert applied("falcon", rule("network_connection", "a or b", **detections))[0] == f"({OUT} or DestinationPort=1)"


def test_both_values_of_initiated_are_either_event_type():
    assert made("falcon", "network_connection", {"Initiated": ["true", "false"]}) == f"({OUT} or {IN})"


def test_a_negated_item_of_choices_is_negated_leaf_by_leaf():
    assert made("falcon", "network_connection", {"Initiated|neq": "true"}) == f"not {OUT}"
    assert made("falcon", "network_connection", {"Initiated|neq": ["true", "false"]}) == f"(not {OUT} and not {IN})"


def test_initiated_exists_in_every_event():
    assert made("falcon", "network_connection", {"Initiated|exists": True}) == f"{OUT[:-1]} or {IN[1:]}"


@pytest.mark.parametrize("value", ["maybe", None, 1])
def test_a_value_that_no_column_tells_is_refused(value):
    assert "one of true, false" in refused("falcon", "network_connection", {"Initiated": value})


# Direction


def test_the_destination_of_an_outbound_connection_is_the_remote_end():
    condition, scope = applied(
        "falcon",
        rule("network_connection", selection={"Initiated": "true", "DestinationIp|cidr": "10.0.0.0/8"}),
    )
    assert condition == f"({OUT} and RemoteAddress=10.0.0.0/8)"
    assert scope.event["#event_simpleName"] == ("NetworkConnectIP4", "NetworkConnectIP6")


def test_the_destination_of_an_accepted_connection_is_this_host():
    detection = {"Initiated": "false", "DestinationIp": "192.0.2.1", "DestinationPort": 22, "SourcePort": 50000}
    assert made("falcon", "network_connection", detection) == (
        f"({IN} and LocalAddress=192.0.2.1 and LocalPort=22 and RemotePort=50000)"
    )


def test_where_the_direction_is_open_the_event_decides_which_end_is_which():
    condition, scope = applied(
        "falcon", rule("network_connection", selection={"DestinationIp": "192.0.2.1", "DestinationPort": 22})
    )
    assert condition == "(DestinationAddress=192.0.2.1 and DestinationPort=22)"
    assert len(scope.event["#event_simpleName"]) == 4


def test_a_direction_that_only_a_filter_names_is_open():
    given = rule(
        "network_connection",
        "selection and not filter",
        selection={"DestinationPort": 22},
        filter={"Initiated": "true"},
    )
    assert applied("falcon", given)[0] == f"(DestinationPort=22 and not {OUT})"


def test_every_condition_of_a_rule_must_require_the_direction():
    given = SigmaRule.from_dict(
        {
            "title": "A rule",
            "logsource": {"category": "network_connection"},
            "detection": {
                "out": {"Initiated": "true"},
                "port": {"DestinationPort": 22},
                "condition": ["out and port", "port"],
            },
        }
    )
    assert applied("falcon", given)[0] == f"({OUT} and DestinationPort=22)"


# Values


def test_a_protocol_is_its_number_on_falcon_and_its_name_in_sysmon():
    assert made("falcon", "network_connection", {"Protocol": ["tcp", "UDP"]}) == "(Protocol=6 or Protocol=17)"
    assert made("sysmon_json", "network_connection", {"Protocol": "tcp"}) == "Protocol=tcp"
    assert "one of tcp, udp, icmp" in refused("falcon", "network_connection", {"Protocol": "sctp"})


def test_the_two_spellings_of_an_integrity_level_are_one_number():
    detection = {"IntegrityLevel": ["High", "S-1-16-12288", "System"]}
    assert made("falcon", "process_creation", detection) == "(IntegrityLevel=12288 or IntegrityLevel=16384)"
    assert "(not-comparable)" in refused("falcon", "process_creation", {"IntegrityLevel|startswith": "S-1-16"})
    assert (
        made("falcon", "process_creation", {"IntegrityLevel|exists": True}) == "IntegrityLevel=SigmaExists(exists=True)"
    )


def test_a_logon_id_is_decimal_on_falcon():
    assert made("falcon", "process_creation", {"LogonId": ["0x3e7", 0]}) == (
        "(AuthenticationId=999 or AuthenticationId=0)"
    )
    assert "(not-comparable)" in refused("falcon", "process_creation", {"LogonId": "null"})
    assert "(not-recorded)" in refused("falcon", "process_creation", {"LogonId": 0}, product="linux", ours=False)


def test_an_identifier_of_the_platform_equals_no_value_of_a_rule():
    assert "(not-comparable)" in refused("falcon", "process_creation", {"ProcessGuid": "{c1b49677-43f4}"})
    assert made("falcon", "process_creation", {"ProcessGuid": None}) == "TargetProcessId is null"


# Hashes


MD5, SHA1, SHA256 = "d41d8cd98f00b204e9800998ecf8427e", "da39a3ee5e6b4b0d3255bfef95601890afd80709", "ab" * 32


def test_hashes_go_to_the_column_of_their_algorithm():
    detection = {"Hashes|contains": [f"MD5={MD5}", f"sha1={SHA1}", f"SHA256={SHA256}"]}
    condition, scope = applied("falcon", rule("process_creation", selection=detection))
    assert condition == f"(MD5HashData={MD5} or SHA1HashData={SHA1} or SHA256HashData={SHA256})"
    assert {"Hashes", "md5", "sha1", "sha256"} == scope.used
    assert any("zeros" in loss.reason for loss in scope.losses(counts=False))


def test_hashes_that_must_all_hold_stay_so():
    detection = {"Hashes|contains|all": [f"MD5={MD5}", f"SHA256={SHA256}"]}
    assert made("falcon", "process_creation", detection) == f"(MD5HashData={MD5} and SHA256HashData={SHA256})"


def test_a_hash_that_is_not_recorded_is_refused_even_beside_others():
    detection = {"Hashes|contains": [f"MD5={MD5}", f"IMPHASH={MD5}"]}
    assert "imphash (not-recorded)" in refused("falcon", "process_creation", detection, ours=False)


@pytest.mark.parametrize("value", [f"MD5={MD5[:-2]}", MD5, "SHA256=", "MD5=xyz", f"MD5={MD5},SHA256={SHA256}"])
def test_part_of_a_hash_or_one_without_its_algorithm_is_refused(value):
    assert "full length" in refused("falcon", "process_creation", {"Hashes|contains": value})


def test_a_hash_by_its_own_name_is_found_inside_sysmon_s_list():
    assert made("sysmon_json", "process_creation", {"md5": MD5}) == f"Hashes=*MD5={MD5}*"
    assert made("sysmon_json", "process_creation", {"Hashes|contains": f"MD5={MD5}"}) == f"Hashes=*MD5={MD5}*"
    assert "full length" in refused("sysmon_json", "process_creation", {"sha256|startswith": "abab"})


# Paths


def test_a_path_with_a_drive_is_a_path_on_any_volume_and_says_so():
    condition, scope = applied(
        "falcon", rule("process_creation", selection={"Image|startswith": "C:\\Windows\\Temp\\"})
    )
    assert condition == "ImageFileName=\\Device\\HarddiskVolume%digits%\\Windows\\Temp\\*"
    assert [loss.level for loss in scope.losses(counts=False)] == [FidelityLevel.APPROXIMATE]


def test_a_path_without_a_drive_stays_as_it_is_and_loses_nothing():
    condition, scope = applied(
        "falcon", rule("process_creation", selection={"Image|endswith": ["\\cmd.exe", "\\a\\b.exe"]})
    )
    assert condition == "(ImageFileName=*\\cmd.exe or ImageFileName=*\\a\\b.exe)"
    assert scope.losses(counts=False) == ()


def test_paths_of_linux_and_macos_have_no_device():
    for product in ("linux", "macos"):
        assert made("falcon", "process_creation", {"Image|contains": "vol"}, product) == "ImageFileName=*vol*"


def test_a_regular_expression_on_a_path_is_refused():
    assert "(not-comparable)" in refused("falcon", "process_creation", {"Image|re": "[a-z]:\\\\"})
    assert "(path-not-recorded)" in refused("falcon", "process_creation", {"ParentImage|re": "cmd"}, ours=False)


def test_a_parent_is_known_by_its_file_name():
    detection = {"ParentImage|endswith": ["\\explorer.exe", "word.exe"]}
    assert made("falcon", "process_creation", detection) == (
        "(ParentBaseFileName=explorer.exe or ParentBaseFileName=*word.exe)"
    )


@pytest.mark.parametrize("condition", ["selection", "not selection", "1 of selection*"])
def test_a_folder_of_the_parent_is_refused_also_under_not(condition):
    given = rule("process_creation", condition, selection={"ParentImage|contains": "\\Temp\\"})
    with pytest.raises(PlatformRefusalError, match="path-not-recorded") as caught:
        applied("falcon", given, ours=False)
    assert caught.value.field == "ParentImage"


def test_a_network_path_is_refused_as_unverified():
    assert "(unverified)" in refused("falcon", "process_creation", {"Image|startswith": "\\\\\\\\server\\share\\"})


# Fields


def test_a_missing_value_is_a_missing_column():
    assert made("falcon", "process_creation", {"ParentImage": None}) == "ParentBaseFileName is null"


def test_an_unverified_field_is_refused_with_what_would_be_right():
    message = refused("falcon", "process_creation", {"OriginalFileName": "Cmd.Exe"}, ours=False)
    assert "falcon cannot answer the field OriginalFileName (unverified)" in message
    assert "use instead: Image" in message


def test_a_refusal_is_one_line_whatever_the_title_holds():
    given = rule("process_creation", selection={"ParentCommandLine": "x"})
    given.title = "A\ntitle\rof // several */ lines"
    with pytest.raises(PlatformRefusalError) as caught:
        applied("falcon", given, ours=False)
    assert len(str(caught.value).splitlines()) == 1


def test_a_misspelled_field_is_refused_with_the_nearest_one():
    assert "use instead: CommandLine" in refused("falcon", "process_creation", {"Commandline": "x"})


def test_a_column_of_the_platform_itself_may_be_named():
    assert made("falcon", "process_creation", {"aid": "1", "ImageSubsystem": "3"}) == "(aid=1 and ImageSubsystem=3)"


def test_keywords_are_left_to_the_backend():
    given = rule("process_creation", "keywords", keywords=["mimikatz"])
    assert "mimikatz" in applied("falcon", given)[0]


def test_two_fields_are_compared_where_they_are_written_alike():
    assert made("sysmon_json", "process_creation", {"User|fieldref": "ParentUser"}) == "User=column ParentUser"
    assert "another form" in refused("falcon", "process_creation", {"Image|fieldref": "ParentImage"})
    assert "(not-recorded)" in refused("falcon", "process_creation", {"CommandLine|fieldref": "ParentCommandLine"})


def test_expanded_values_are_translated_one_by_one():
    condition = made("falcon", "process_creation", {"CommandLine|windash|contains": " -a"})
    assert condition.startswith("CommandLine=SigmaExpansion(")


def test_the_fields_of_a_rule_are_named_where_they_have_a_column():
    given = rule("process_creation", selection={"CommandLine": "x"})
    given.fields = ["Image", "ParentCommandLine", "Hashes"]
    applied("falcon", given)
    assert given.fields == ["ImageFileName", "ParentCommandLine", "Hashes"]


def test_one_pipeline_serves_many_rules():
    pipeline = pipelines["falcon"]()
    pipeline.vars[BACKEND_VARIABLE] = True
    seen = []
    for direction in ("true", "false", "true"):
        given = rule("network_connection", selection={"Initiated": direction, "DestinationPort": 1})
        pipeline.apply(given)
        seen.append((pipeline.state[SCOPE_STATE].event["#event_simpleName"][0], pipeline.state[SCOPE_STATE].used))
    assert [event for event, _ in seen] == ["NetworkConnectIP4", "NetworkReceiveAcceptIP4", "NetworkConnectIP4"]
    assert {used for _, used in seen} == {frozenset({"Initiated", "DestinationPort"})}


def test_pipelines_share_their_claims_and_nothing_else():
    first, second = pipelines["falcon"](), pipelines["falcon"]()
    assert first.vars[PIPELINE_VARIABLE] is second.vars[PIPELINE_VARIABLE]
    assert first.items[0] is not second.items[0]
