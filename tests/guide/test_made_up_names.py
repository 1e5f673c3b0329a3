"""Made-up domains are told from ordinary ones by spelling, as the guide says; the hunt asks whether they exist."""

from __future__ import annotations

import json
import random
import string
from datetime import UTC, datetime, timedelta

import pytest

from polysigma.catalog import rules_root
from polysigma.convert import compile_rule
from polysigma.engines.reference.expressions import FUNCTIONS
from polysigma.engines.sql_text import TABLE
from polysigma.replay import load_events, opened, replay
from polysigma.source import read_file

FOLDER = rules_root() / "dns_query_burst_dga"
HUNT = FOLDER / "hunts" / "names_that_do_not_exist.yaml"
DEFAULTS = {
    name: parameter["value"]
    for name, parameter in read_file(FOLDER / "rule.yml")[1].value["polysigma"]["parameters"].items()
}
POPULAR = """
    adobe.com akamaihd.net amazonaws.com apache.org apple.com azureedge.net bbc.co.uk bing.com bitbucket.org
    booking.com cloudflare.com cloudfront.net debian.org digicert.com docker.com doubleclick.net dropbox.com
    duckduckgo.com ebay.com facebook.com fastly.net fbcdn.net firefox.com github.com githubusercontent.com
    gitlab.com gnu.org google-analytics.com googleapis.com googlesyndication.com googleusercontent.com
    gravatar.com gstatic.com heise.de icloud.com ietf.org instagram.com jquery.com kernel.org letsencrypt.org
    licdn.com linkedin.com live.com lemonde.fr microsoft.com mozilla.org msftconnecttest.com mzstatic.com
    netflix.com nytimes.com office365.com openstreetmap.org oracle.com outlook.com paypal.com pinterest.com
    postgresql.org python.org pypi.org readthedocs.io reddit.com redhat.com sharepoint.com skype.com slack.com
    spiegel.de spotify.com stackoverflow.com steampowered.com tumblr.com twimg.com twitter.com ubuntu.com
    verisign.com vimeo.com whatsapp.net wikimedia.org wikipedia.org windows.com windowsupdate.com
    wordpress.org yahoo.com youtube.com ytimg.com zoom.us
"""


def made_up(domain):
    vowels, digits = FUNCTIONS["vowel_ratio"](domain), FUNCTIONS["digit_ratio"](domain)
    return len(domain) >= DEFAULTS["min_length"] and (
        vowels < DEFAULTS["max_vowels"] or digits >= DEFAULTS["min_digits"]
    )


@pytest.mark.parametrize(
    ("letters", "share"),
    [(string.ascii_lowercase, 0.59), (string.ascii_lowercase + string.digits, 0.83), ("0123456789abcdef", 0.99)],
    ids=["letters", "letters and digits", "hexadecimal"],
)
def test_so_many_random_names_of_twelve_look_made_up(letters, share):
    dice = random.Random(1)
    names = ["".join(dice.choice(letters) for _ in range(12)) + ".com" for _ in range(4000)]
    assert sum(map(made_up, names)) / len(names) == pytest.approx(share, abs=0.03)


def test_few_popular_domains_do():
    domains = set(POPULAR.split())
    assert len(domains) > 80
    found = [domain for domain in domains if made_up(domain)]
    assert len(found) / len(domains) < 0.1, found


@pytest.mark.parametrize(
    ("count", "status", "hit"), [(20, "9003", True), (19, "9003", False), (20, "0", False)], ids=str
)
def test_the_hunt_finds_hosts_with_twenty_domains_that_do_not_exist(tmp_path, count, status, hit):
    path = tmp_path / "rows.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            moment = datetime(2026, 3, 2, 9, tzinfo=UTC) + timedelta(minutes=number)
            row = {
                "EventID": 22,
                "Computer": "ws-01",
                "UtcTime": moment.replace(tzinfo=None).isoformat(" ", "milliseconds"),
                "QueryName": f"plain{'abcdefghijklmnopqrst'[number]}words.com",
                "QueryStatus": status,
            }
            file.write(json.dumps(row) + "\n")
    with opened([path]) as inputs:
        compiled = compile_rule(str(HUNT), inputs.family.platform, "sql", table=TABLE)
        with load_events(compiled.query, inputs) as events:
            found = list(replay(compiled.plan, compiled.query, events, whole=True).hits)
    assert [(one["Computer"], one["Domains"]) for one in found] == ([("ws-01", count)] if hit else [])
