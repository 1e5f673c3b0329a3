"""What a reader gets: pages as Markdown makes them, and the whole site as MkDocs builds it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from polysigma.site import pages

pytest.importorskip("mkdocs", reason="needs MkDocs (pip install 'polysigma[docs]')")
pytest.importorskip("material", reason="needs Material for MkDocs (pip install 'polysigma[docs]')")

ROOT = Path(__file__).resolve().parents[2]
LOADS = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "object": "data",
    "embed": "src",
    "video": "src",
}


@pytest.fixture(scope="module")
def rendered():
    """Markdown to HTML, by the extensions that mkdocs.yml names."""
    import markdown

    named = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["markdown_extensions"]
    options = {name: value for one in named if isinstance(one, dict) for name, value in one.items()}
    names = [name for one in named for name in (one if isinstance(one, dict) else [one])]

    def html(page):
        converter = markdown.Markdown(extensions=[*names, "meta"], extension_configs=options)
        return converter.convert(page.partition("\n---\n")[2])

    return html


def dangers(page):
    """What in a page could run, load or lead where the site did not mean to."""
    for tag, attributes in page.elements:
        yield from (f"{tag} {name}" for name in attributes if name.startswith("on"))
        for name in ("href", "src", "data", "action", "formaction"):
            address = (attributes.get(name) or "").strip().lower()
            if address.startswith(("javascript:", "vbscript:", "data:text/html")):
                yield f"{tag} {address}"
        if tag in LOADS and "evil.example" in (attributes.get(LOADS[tag]) or ""):
            yield f"{tag} {attributes}"
    yield from (script for script in page.scripts if "alert(" in script)


@pytest.fixture(scope="module")
def hostile_site(hostile_rules):
    return pages([str(hostile_rules)])


@pytest.mark.parametrize(
    "path", ["index", "botnet_node_beaconing/index", "botnet_node_beaconing/falcon", "hostile_without_guide/asim"]
)
def test_a_hostile_rule_becomes_inert_pages(hostile_site, rendered, parsed, path):
    page = parsed(rendered(hostile_site[f"detections/{path}.md"]))
    assert list(dangers(page)) == []
    assert not {"script", "img", "svg", "iframe", "object"} & {tag for tag, _ in page.elements}
    assert "<script>alert(1)</script>" in page.text


def test_a_hostile_query_stays_in_its_block(hostile_rules, hostile_site, rendered, parsed):
    query = hostile_site["detections/botnet_node_beaconing/botnet_node_beaconing.falcon.logscale"]
    page = parsed(rendered(hostile_site["detections/botnet_node_beaconing/falcon.md"]))
    assert query.rstrip("\n") in page.text
    guide = yaml.safe_load((hostile_rules / "botnet_node_beaconing/guide.yaml").read_text(encoding="utf-8"))
    assert guide["platforms"]["falcon"]["coverage"]["query"].rstrip("\n") in page.text


def test_a_query_is_on_the_page_as_it_was_printed(site, rendered, parsed):
    """To the character: after Markdown, Pygments and the parsing of HTML."""
    page = parsed(rendered(site["detections/botnet_node_beaconing/index.md"]))
    for path, text in site.items():
        if path.startswith("detections/botnet_node_beaconing/botnet_node_beaconing.") and not path.endswith(".yml"):
            assert text.rstrip("\n") in page.text, path


def built(folder, **environment):
    result = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture(scope="module")
def built_site(tmp_path_factory):
    return built(tmp_path_factory.mktemp("site"))


@pytest.mark.slow
def test_the_site_builds_with_every_link_and_anchor_checked(built_site):
    assert (built_site / "detections/botnet_node_beaconing/falcon/index.html").is_file()
    assert (built_site / "detections.json").is_file()


@pytest.mark.slow
def test_every_generated_file_is_published_as_it_was_made(built_site, site):
    for path, text in site.items():
        if not path.endswith(".md"):
            assert (built_site / path).read_text(encoding="utf-8") == text, path


@pytest.mark.slow
def test_a_query_is_in_the_built_page_as_it_was_printed(built_site, site, parsed):
    for path, text in site.items():
        if path.endswith((".logscale", ".kql", ".spl", ".sql")):
            page = parsed((built_site / path).parent.joinpath("index.html").read_text(encoding="utf-8"))
            assert text.rstrip("\n") in page.text, path


@pytest.mark.slow
def test_no_page_loads_anything_from_another_host(built_site, parsed):
    for path in built_site.rglob("*.html"):
        for tag, attributes in parsed(path.read_text(encoding="utf-8")).elements:
            address = attributes.get("href" if tag == "link" else LOADS.get(tag, "")) or ""
            assert not address.startswith(("http:", "https:", "//")), (path, tag, address)
    for path in built_site.rglob("*.css"):
        found = re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^)\"']*", path.read_text(encoding="utf-8"))
        assert found == [], path


@pytest.mark.slow
def test_a_hostile_site_is_inert_in_its_theme_too(hostile_rules, tmp_path, parsed):
    """The theme prints titles and descriptions where Markdown has no say."""
    folder = built(tmp_path, POLYSIGMA_SITE_RULES=str(hostile_rules))
    for path in folder.glob("detections/**/*.html"):
        assert list(dangers(parsed(path.read_text(encoding="utf-8")))) == [], path
