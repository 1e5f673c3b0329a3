from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from polysigma.site import pages

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session", autouse=True)
def no_evidence(tmp_path_factory):
    """Nothing that somebody has measured before: pages of tests are those of the rules."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POLYSIGMA_SITE_EVIDENCE", str(tmp_path_factory.mktemp("evidence")))
        yield


@pytest.fixture(scope="session")
def site():
    """The whole site, as it is made from the package's own rules."""
    return pages()


@pytest.fixture
def blocks():
    """The blocks of code of a page, in order: language and text."""

    def found(page):
        return [
            (match["language"], html.unescape(re.sub(r"<[^>]*>", "", match["code"])))
            for match in BLOCK.finditer(page.body)
        ]

    return found


BLOCK = re.compile(r"<pre[^>]*data-language=(?P<language>\w+)><code>(?P<code>.*?)</code></pre>", re.DOTALL)


class Page(HTMLParser):
    """What is in a page of HTML: its elements with their attributes, and its text."""

    def __init__(self, html):
        super().__init__()
        self.elements = []
        self.scripts = []
        self.pieces = []
        self._script = False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._script = tag in {"script", "style"}
        if self._script:
            self.scripts.append("")

    def handle_endtag(self, tag):
        self._script = False

    def handle_data(self, data):
        if self._script:
            self.scripts[-1] += data
        else:
            self.pieces.append(data)

    @property
    def text(self):
        return "".join(self.pieces)


@pytest.fixture
def parsed():
    return Page


HOSTILE = (
    "<script>alert(1)</script> <img src=x onerror=alert(1)> [x](javascript:alert(1)) ![i](https://evil.example/x.png) "
    '<javascript:alert(1)> {: onclick="alert(1)" } " onmouseover="alert(1) &lt;script&gt;alert(2)&lt;/script&gt; '
    '</code></pre></textarea><svg onload=alert(1)> | ` ``` === "tab" {{ config }} {% raw %} [r]: javascript:alert(1) '
    "<!-- --> --!> <![CDATA[<script>alert(3)</script>]]> </title></desc></svg></style></script><style>*{display:none}"
    "</style> <base href=//evil.example/> <meta http-equiv=refresh content=0;url=//evil.example> {{ 7 * 7 }} "
    "' onfocus='alert(1)' autofocus tabindex=0 <a href=javascript:alert(1)>x</a> <form action=//evil.example><input> "
    "&#106;avascript:alert(1) <iframe srcdoc='<script>alert(4)</script>'></iframe> \u202eevil\u2066 \x00heading\x00 "
    '<math><mtext></form><form><mglyph><style></math><img src onerror=alert(5)> ${alert(6)} \\"-alert(7)-\\"'
)
"""Marks of Markdown, its extensions, HTML, SVG, scripts and templates, that would do something if read as such."""
QUOTES = """x"><svg onload=alert(1)></script>'{{7*7}}]]><!--"""
"""The same for names, which cannot be long."""


def poisoned(value, key=""):
    """A guide with a hostile end to each of its sentences, and its queries made to break out of their block."""
    if isinstance(value, dict):
        return {name: poisoned(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [poisoned(item, key) for item in value]
    if key == "query":
        shown = HOSTILE.replace("\x00", "")  # a query with that is not shown at all
        return f"{value}\n```\n\n{shown}\n\n````\n\n</code></pre>{shown}\n"
    long = isinstance(value, str) and len(value) >= 20 and " " in value
    return f"{value} {HOSTILE}" if long else value


@pytest.fixture(scope="session")
def hostile_rules(tmp_path_factory):
    """A folder of rules: one detection with its guide, every text of which is hostile."""
    import shutil

    import yaml

    from polysigma.catalog import rules_root

    root = tmp_path_factory.mktemp("hostile") / "rules"
    folder = root / "botnet_node_beaconing"
    shutil.copytree(rules_root() / "botnet_node_beaconing", folder)
    documents = list(yaml.safe_load_all((folder / "rule.yml").read_text(encoding="utf-8")))
    for document in documents:
        for key in ("title", "description", "author"):
            document[key] = f"{document[key]} {HOSTILE}" if key != "title" else HOSTILE[:100]
        document["falsepositives"] = [HOSTILE]
        document["references"] = ["javascript:alert(1)", f"https://evil.example/{HOSTILE}"]
    for parameter in documents[1]["polysigma"]["parameters"].values():
        parameter["about"] += HOSTILE
        parameter["unit"] = HOSTILE
    (folder / "rule.yml").write_text(yaml.safe_dump_all(documents, sort_keys=False), encoding="utf-8")
    scenarios = yaml.safe_load((folder / "scenarios.yaml").read_text(encoding="utf-8"))
    for scenario in scenarios:
        scenario["about"] = HOSTILE
        for traffic in scenario["traffic"]:
            if "image" in traffic:
                traffic["image"] = f"C:\\{QUOTES}"
    (folder / "scenarios.yaml").write_text(yaml.safe_dump(scenarios, sort_keys=False), encoding="utf-8")
    guide = yaml.safe_load((folder / "guide.yaml").read_text(encoding="utf-8"))
    (folder / "guide.yaml").write_text(yaml.safe_dump(poisoned(guide), sort_keys=False), encoding="utf-8")
    bare = root / "no_guide"
    bare.mkdir()
    for number, document in enumerate(documents):
        document["id"] = f"00000000-0000-4000-8000-00000000000{number}"
        document["tags"] = [f"attack.t1059{QUOTES}", "attack.t1/../../../../escaped", "attack.t1071", f"x.{QUOTES}"]
    documents[0]["name"] = "hostile_base"
    documents[1]["name"] = "hostile_without_guide"
    documents[1]["correlation"]["rules"] = ["hostile_base"]
    hostile_list = {"value": [HOSTILE, QUOTES], "about": HOSTILE, "raise": HOSTILE}
    documents[1]["polysigma"]["parameters"]["hostile_list"] = hostile_list
    documents[1]["polysigma"]["steps"].insert(0, {"where": "not Computer in :hostile_list"})
    (bare / "rule.yml").write_text(yaml.safe_dump_all(documents, sort_keys=False), encoding="utf-8")
    (root / "names").mkdir()
    plain = {
        "title": QUOTES,
        "id": "00000000-0000-4000-8000-000000000009",
        "name": f"named {QUOTES}",
        "description": HOSTILE,
        "references": ["JaVaScRiPt:alert(1)", " data:text/html,<script>alert(1)</script>", f"https://x/{QUOTES}"],
        "logsource": {"category": "process_creation", "product": "windows"},
        "detection": {"selection": {"CommandLine|contains": HOSTILE, "Image": QUOTES}, "condition": "selection"},
        "fields": [QUOTES],
        "falsepositives": [HOSTILE],
        "level": "low",
    }
    odd = plain | {"id": "00000000-0000-4000-8000-00000000000a", "name": "odd", "logsource": {"category": QUOTES}}
    for name, document in (("plain", plain), (QUOTES.replace("/", ""), odd)):
        (root / "names" / f"{name}.yml").write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return root


def built(folder, **environment):
    result = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture(scope="session")
def built_site(tmp_path_factory):
    """The site as MkDocs builds it from the package's own rules."""
    return built(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="session")
def built_hostile_site(hostile_rules, tmp_path_factory):
    """The site as MkDocs builds it from rules every text of which is hostile."""
    return built(tmp_path_factory.mktemp("hostile-site"), POLYSIGMA_SITE_RULES=str(hostile_rules))
