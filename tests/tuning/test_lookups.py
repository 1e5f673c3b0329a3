"""Exclusions by lookup (`via: lookup`): what the file may hold, and that they leave out what inline ones do."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from polysigma.catalog import read_rules
from polysigma.convert import platforms
from polysigma.diagnostics import PolysigmaError
from polysigma.engines.cql import run_cql
from polysigma.engines.runners import Data, runner
from polysigma.engines.spl import run_spl
from polysigma.plan.lookups import rows_of
from polysigma.prove import perform
from polysigma.prove.prepare import prepare
from polysigma.tune.emit import emit
from polysigma.tuning import apply, read_tuning

BEACON = "botnet_node_beaconing"
MORE = """
        reason: update servers of the vendor
        owner: soc@example.com
        expires: 2999-06-30
"""
BY_LOOKUP = f"      - via: lookup\n        file: servers.csv\n        field: DestinationIp{MORE}"
NAME = "polysigma_servers_DestinationIp"
INLINE = f"      - where: {{DestinationIp: [203.0.113.30, 198.51.100.7]}}{MORE}"
PLATFORMS = sorted(platforms())


@pytest.fixture
def site(tmp_path):
    """Writes a tuning file, and the CSV files beside it; gives back the path of the first."""

    def written(exclusions: str, detection: str = BEACON, **files: str) -> str:
        for stem, text in ({"servers": "DestinationIp\n203.0.113.30\n198.51.100.7\n"} | files).items():
            (tmp_path / f"{stem}.csv").write_text(text, encoding="utf-8")
        path = tmp_path / "tuning.yaml"
        path.write_text(f"- detection: {detection}\n  exclude:\n{exclusions}", encoding="utf-8")
        return str(path)

    return written


def outcomes(detection, tuning, platform):
    """What a tuned detection finds in its scenarios on a platform, by scenario."""
    files, _ = read_rules([detection])
    options = {}
    if tuning:
        tuned = apply(files, read_tuning(tuning))
        files, options = tuned.files, tuned.options()
    (done,), findings = prepare(list(files), [(platform, platforms()[platform][0])], settings=options)
    assert not findings
    (bench,) = done.benches
    assert not bench.verdict.general, bench.verdict.general
    return {trial.scenario.name: perform(trial) for trial in bench.trials}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_lookup_leaves_out_what_the_same_values_do_in_the_query(site, detection, platform):
    plain = outcomes(detection, None, platform)
    inline = outcomes(detection, site(INLINE, "many_chat_connections"), platform)
    by_lookup = outcomes(detection, site(BY_LOOKUP, "many_chat_connections"), platform)
    for name, found in by_lookup.items():
        assert found.error is None
        assert found.mismatch is None
        assert found.hits == inline[name].hits
    assert [len(one.hits) for one in plain.values()] != [len(one.hits) for one in by_lookup.values()]


HOSTS = f"      - via: lookup\n        file: hosts.csv\n        field: Computer{MORE}"


@pytest.mark.parametrize("platform", ["falcon", "sysmon_json", "sentinel", "splunk_sysmon"])
def test_values_are_compared_without_regard_to_case(site, detection, platform):
    tuning = site(HOSTS, "many_chat_connections", hosts="Computer\nWS-01\nWs-01.Corp.Example\nÄpfel\n")
    found = outcomes(detection, tuning, platform)
    assert [one.hits for one in found.values()] == [[], [], []]
    assert all(one.error is None and one.mismatch is None for one in found.values())


BOTH = f"{BY_LOOKUP}        where: {{Image|endswith: '\\chat.exe'}}\n"


@pytest.mark.parametrize("platform", ["falcon", "sysmon_json", "sentinel", "splunk_sysmon"])
def test_what_stands_in_where_must_hold_besides(site, detection, platform):
    plain = outcomes(detection, None, platform)
    both = outcomes(detection, site(BOTH, "many_chat_connections"), platform)
    assert [one.hits for one in both.values()] == [one.hits for one in plain.values()], "no program of this name calls"
    assert all(one.error is None and one.mismatch is None for one in both.values())


@pytest.mark.parametrize("platform", sorted({*PLATFORMS} - {"defender"}))
def test_a_query_names_the_lookup_and_says_that_it_needs_it(polysigma, site, platform):
    shown = polysigma("convert", BEACON, "-p", platform, "--tuning", site(BY_LOOKUP))
    assert shown.code == 0, shown.err
    head, _, body = shown.out.partition("approximate:")
    assert f"needs: the lookup {NAME} with 2 values" in head
    assert NAME in body
    assert "203.0.113.30" not in body


def test_on_defender_which_has_no_lookups_the_values_stand_in_the_query(polysigma, site):
    shown = polysigma("convert", BEACON, "-p", "defender", "--tuning", site(BY_LOOKUP))
    assert NAME not in shown.out
    assert '!in ("203.0.113.30", "198.51.100.7")' in shown.out


@pytest.mark.parametrize(
    ("platform", "text"),
    [
        ("falcon", f'!match(file="{NAME}.csv", field=RemoteAddress, column=value, ignoreCase=true)'),
        ("sentinel", f'!in~ ((_GetWatchlist("{NAME}") | project SearchKey))'),
        ("splunk_cim", f"| lookup {NAME}.csv value AS DestinationAddress OUTPUT value AS {NAME}_DestinationAddress"),
    ],
)
def test_each_language_asks_in_its_own_words(polysigma, site, platform, text):
    assert text in polysigma("convert", BEACON, "-p", platform, "--tuning", site(BY_LOOKUP)).out


def test_many_more_values_than_a_query_could_hold(polysigma, site):
    values = "".join(f"198.51.{number // 250}.{number % 250}\n" for number in range(20_000))
    tuning = site(BY_LOOKUP, servers=f"DestinationIp\n{values}")
    shown = polysigma("convert", BEACON, "-p", "falcon", "--tuning", tuning)
    assert "with 20000 values" in shown.out
    assert len(shown.out) < 5000


def test_more_values_than_a_network_that_may_be_excluded_has_addresses_are_refused(polysigma, site):
    values = "".join(f"198.{18 + number // 65536}.{number // 256 % 256}.{number % 256}\n" for number in range(65_537))
    shown = polysigma(
        "convert", BEACON, "-p", "falcon", "--tuning", site(BY_LOOKUP, servers=f"DestinationIp\n{values}")
    )
    assert shown.code == 2
    assert "servers.csv:65538:1: error lookup more than 65,536 values" in shown.err


# What is uploaded.


def test_what_is_written_to_be_uploaded_is_what_the_queries_ask_for(polysigma, site, tmp_path):
    tuning = site(BY_LOOKUP + HOSTS, hosts='Computer,why\n"WS-01","audit, ""yearly"""\nws-01,again\n')
    shown = polysigma("tune", "--tuning", tuning, "--emit", tmp_path / "tuned")
    assert shown.code == 0, shown.err
    assert f"upload {tmp_path}/tuned/lookups/{NAME}.csv before the queries run:" in shown.out
    assert (tmp_path / "tuned/lookups/polysigma_hosts_Computer.csv").read_text() == '"value"\n"ws-01"\n'
    with (tmp_path / f"tuned/lookups/{NAME}.csv").open(encoding="utf-8") as file:
        assert [row["value"] for row in csv.DictReader(file)] == ["203.0.113.30", "198.51.100.7"]


def test_sigma_convert_gives_the_same_text_with_the_filters_that_are_written(polysigma, site, tmp_path):
    from click.testing import CliRunner
    from sigma.cli.convert import convert as sigma_convert

    from polysigma.catalog import rules_root

    tuning = site(BY_LOOKUP)
    emit(read_tuning(tuning), tmp_path / "tuned")
    filters = tmp_path / "tuned" / BEACON / "filters.yml"
    (made,) = yaml.safe_load_all(filters.read_text(encoding="utf-8"))
    assert made["filter"]["excluded_1"] == {"DestinationIp|expand": f"%{NAME}%"}
    for platform, target in (("falcon", "logscale"), ("defender", "kql")):
        arguments = ["-t", target, "-p", platform, "--filter", str(filters), str(rules_root() / BEACON)]
        theirs = CliRunner().invoke(sigma_convert, arguments)
        ours = polysigma("convert", BEACON, "-p", platform, "-t", target, "--tuning", tuning)
        assert theirs.stdout.strip() == ours.out.strip()


def test_a_lookup_that_is_in_the_tuning_no_more_is_taken_away(site, tmp_path):
    emit(read_tuning(site(BY_LOOKUP)), tmp_path / "tuned")
    (tmp_path / "tuned/lookups/ours.csv").write_text("of the site's own")
    emit(read_tuning(site(INLINE)), tmp_path / "tuned")
    assert [path.name for path in (tmp_path / "tuned/lookups").iterdir()] == ["ours.csv"]


@pytest.mark.parametrize(
    ("target", "schema", "text"),
    [
        (
            "sql",
            "sysmon",
            'WITH m AS (SELECT * FROM events WHERE "Image" IN (SELECT "value" FROM polysigma_x)) SELECT * FROM m',
        ),
        ("kql", "sentinel", 'DeviceEvents | where FileName in~ ((_GetWatchlist("polysigma_x") | project SearchKey))'),
        ("logscale", "falcon", '#a=b | match(file="polysigma_x.csv", field=Image, column=value)'),
        ("spl", "splunk_sysmon", "search a=b | lookup polysigma_x.csv value AS Image OUTPUT value AS Found"),
    ],
)
def test_no_engine_runs_a_query_without_the_lookup_that_it_asks_for(target, schema, text):
    with pytest.raises(PolysigmaError, match="polysigma_x"):
        list(runner(target).store(Data(schema, [], []), text).run(text, [None]))


def test_match_keeps_events_whose_value_is_in_the_file_and_its_negation_the_others():
    from polysigma.engines.cql import compile_cql

    rows = [{"N": 1, "Image": "A.exe"}, {"N": 2, "Image": "b.exe"}, {"N": 3}]

    def found(text):
        return [row["N"] for row in compile_cql(text, lookups={"x": ["a.exe"]}).run(rows).rows]

    assert found('match(file="x.csv", field=Image, column=value, ignoreCase=true)') == [1]
    assert found('match(file="x.csv", field=Image, column=value)') == []
    assert found('!match(file="x.csv", field=Image, column=value, ignoreCase=true)') == [2, 3]
    with pytest.raises(PolysigmaError, match=r"there is no file y\.csv"):
        run_cql('match(file="y.csv", field=Image, column=value)', rows)


def test_the_command_lookup_gives_a_field_where_it_has_a_match_only():
    rows = [
        {"a": "b", "Image": "a.exe", "Found": "before"},
        {"a": "b", "Image": "A.exe", "Found": "before"},
        {"a": "b"},
    ]
    text = "search a=b | lookup x.csv value AS Image OUTPUT value AS Found"
    assert [row.get("Found") for row in run_spl(text, rows, lookups={"x": ["a.exe"]})] == ["a.exe", None, None]


@given(st.lists(st.ip_addresses().map(str), min_size=1, max_size=5))
def test_an_address_is_uploaded_in_every_spelling_that_a_query_asks_for(addresses):
    import ipaddress

    rows = rows_of(addresses)
    assert len(rows) == len(set(rows))
    assert {ipaddress.ip_address(row) for row in rows} == {ipaddress.ip_address(one) for one in addresses}
    assert {ipaddress.ip_address(one).exploded for one in addresses} <= set(rows)


# What a file may not hold, and where it is said.


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "servers.csv:1:1: error lookup there is no column 'DestinationIp'"),
        ("DestinationIP\n203.0.113.1\n", "did you mean DestinationIP?"),
        ("DestinationIp\n", "DestinationIp has no values"),
        (
            "DestinationIp\n203.0.113.1\n203.0.113.0/24\n",
            "servers.csv:3:1: error lookup '203.0.113.0/24' is no address",
        ),
        ("DestinationIp,why\n,empty\n", "servers.csv:2:1: error lookup DestinationIp is empty in this line"),
        ("why,DestinationIp\nno value\n", "servers.csv:2:1: error lookup DestinationIp is empty in this line"),
        ("DestinationIp\n203.0.113.*\n", "has a wildcard"),
        ('DestinationIp\n"203.0.113.1\n', "is no CSV"),
        ("DestinationIp\n203.0.113.1\x07\n", "a character that cannot be seen"),
    ],
)
def test_what_is_wrong_in_the_file_is_said_with_its_line(polysigma, site, text, said):
    shown = polysigma("convert", BEACON, "-p", "falcon", "--tuning", site(BY_LOOKUP, servers=text))
    assert shown.code == 2
    assert said in shown.err


@pytest.mark.parametrize(
    ("exclusion", "said"),
    [
        (f"      - via: lookup\n        field: DestinationIp{MORE}", "needs `file`"),
        (f"      - via: lookup\n        file: servers.csv{MORE}", "and `field`"),
        (f"      - via: table\n        file: servers.csv\n        field: DestinationIp{MORE}", "via"),
        (f"      - file: servers.csv\n        field: DestinationIp{MORE}", "need `via: lookup`"),
        (BY_LOOKUP.replace("servers.csv", "gone.csv"), "gone.csv cannot be read"),
        (BY_LOOKUP.replace("servers.csv", "servers.txt"), "gives no name that every platform takes"),
        (BY_LOOKUP.replace("servers.csv", "our servers.csv"), "gives no name that every platform takes"),
        (BY_LOOKUP.replace("DestinationIp", "Destination"), "there is no column 'Destination'"),
        (BY_LOOKUP.replace("2999", "2020"), "expired on 2020-06-30"),
    ],
)
def test_what_is_wrong_with_the_exclusion_is_said_with_its_place(polysigma, site, exclusion, said):
    shown = polysigma("convert", BEACON, "-p", "falcon", "--tuning", site(exclusion))
    assert shown.code == 2
    assert said in shown.err
    assert "tuning.yaml:" in shown.err or ".csv:1" in shown.err


def test_a_field_that_the_log_source_lacks_is_refused_at_its_place(polysigma, site):
    tuning = site(BY_LOOKUP.replace("DestinationIp", "QueryName"), servers="QueryName\nexample.com\n")
    shown = polysigma("convert", BEACON, "-p", "falcon", "--tuning", tuning)
    assert shown.code == 2
    assert "tuning.yaml:5:16: error unknown-field" in shown.err


@pytest.mark.parametrize(
    ("field", "platform", "said"),
    [
        ("DestinationPort", "falcon", "a lookup holds texts, and this is a integer"),
        ("Image", "falcon", "its placeholder %polysigma_servers_Image% has no value here that could be translated"),
        ("Image", "splunk_cim", "cannot answer the value"),
    ],
)
def test_a_platform_that_records_another_form_refuses_the_field(polysigma, site, field, platform, said):
    tuning = site(BY_LOOKUP.replace("DestinationIp", field), servers=f"{field}\nabc\n")
    shown = polysigma("convert", BEACON, "-p", platform, "--tuning", tuning)
    assert shown.code == 1
    assert said in shown.err


def test_ipv6_addresses_are_refused_where_they_have_several_spellings(polysigma, site):
    tuning = site(BY_LOOKUP, servers="DestinationIp\n2001:db8::1\n")
    assert "IPv6" in polysigma("convert", BEACON, "-p", "falcon", "--tuning", tuning).err
    assert polysigma("convert", BEACON, "-p", "sysmon_json", "--tuning", tuning).code == 0


# What else reads the tuning.


def test_a_lookup_that_hides_an_expected_hit_is_a_finding(polysigma, site, detection):
    shown = polysigma("check", detection, "--tuning", site(BY_LOOKUP, "many_chat_connections"))
    assert shown.code == 1
    assert "tuning.yaml:4:15: error hidden-hit hides hits that scenarios of many_chat_connections expect" in shown.said


def test_replay_leaves_out_what_is_in_the_lookup(polysigma, site, tmp_path):
    rows = [
        {
            "Channel": "Microsoft-Windows-Sysmon/Operational",
            "EventID": 3,
            "Computer": "ws-01",
            "UtcTime": f"2026-03-02 {8 + number // 60:02}:{number % 60:02}:00.000",
            "Image": "C:\\bot.exe",
            "Initiated": "true",
            "DestinationIp": address,
            "DestinationPort": "6667",
        }
        for number in range(0, 360, 3)
        for address in ("203.0.113.30", "203.0.113.31")
    ]
    data = tmp_path / "sysmon.jsonl"
    data.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    plain = polysigma("replay", BEACON, data).out
    tuned = polysigma("replay", BEACON, data, "--tuning", site(BY_LOOKUP)).out
    assert "203.0.113.30" in plain
    assert "203.0.113.30" not in tuned
    assert "203.0.113.31" in tuned
    assert Path(data).exists()
