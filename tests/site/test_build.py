"""What a reader gets: pages as Markdown makes them, and the whole site as MkDocs builds it."""

from __future__ import annotations

import io
import json
import re
import zipfile

import pytest
import yaml

from polysigma.site import pages
from polysigma.site.markup import LIMIT
from polysigma.site.searching import index_file

from .conftest import QUOTES

pytest.importorskip("mkdocs", reason="needs MkDocs (pip install 'polysigma[docs]')")

LOADS = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "object": "data",
    "embed": "src",
    "video": "src",
}


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


def test_a_hostile_rule_becomes_inert_pages(hostile_site, parsed):
    for path, made in hostile_site.pages.items():
        if path.startswith("detections/"):
            page = parsed(made.body)
            assert list(dangers(page)) == [], path
            assert not {"img", "iframe", "object", "meta", "base", "form", "style"} & {tag for tag, _ in page.elements}
    shown = parsed(hostile_site.pages["detections/botnet_node_beaconing/index.html"].body).text
    assert "<script>alert(1)</script>" in shown


def test_a_hostile_name_is_no_part_of_an_address(hostile_site):
    for path in (*hostile_site.pages, *hostile_site.files):
        assert re.fullmatch(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*", path), path
        assert ".." not in path.split("/")
    assert {path for path in hostile_site.pages if path.startswith("attack/T")} >= {"attack/T1071/index.html"}
    assert "attack/T1059/index.html" not in hostile_site.pages


def test_files_for_programs_hold_hostile_text_as_text(hostile_site):
    listed = json.loads(hostile_site.files["detections.json"])["detections"]
    assert any(one["title"] == QUOTES for one in listed)
    layer = json.loads(hostile_site.files["navigator.json"])
    assert all(re.fullmatch(r"T\d{4}(\.\d{3})?", one["techniqueID"]) for one in layer["techniques"])
    script = index_file(hostile_site.entries, hostile_site.pages, [])
    assert re.fullmatch(r'const packedIndex = "[A-Za-z0-9+/=]*";\n', script)


def test_templates_are_not_evaluated_and_pictures_hold_text_only(hostile_site, parsed):
    page = parsed(hostile_site.pages["detections/botnet_node_beaconing/index.html"].body)
    assert "{{ 7 * 7 }}" in page.text
    picture = parsed(hostile_site.pages["detections/botnet_node_beaconing/proof/index.html"].body)
    inside = {tag for tag, _ in picture.elements}
    assert "svg" in inside
    assert not {"script", "style", "img", "foreignobject", "image", "use"} & inside


def test_a_hostile_query_stays_in_its_block(hostile_rules, hostile_site, parsed):
    packed = hostile_site.files["detections/hostile_without_guide/hostile_without_guide.queries.zip"]
    query = zipfile.ZipFile(io.BytesIO(packed)).read("hostile_without_guide.falcon.logscale").decode()
    page = parsed(hostile_site.pages["detections/hostile_without_guide/falcon/index.html"].body)
    assert query.rstrip("\n") in page.text
    page = parsed(hostile_site.pages["detections/botnet_node_beaconing/falcon/index.html"].body)
    guide = yaml.safe_load((hostile_rules / "botnet_node_beaconing/guide.yaml").read_text(encoding="utf-8"))
    assert guide["platforms"]["falcon"]["coverage"]["query"].rstrip("\n") in page.text


@pytest.mark.slow
def test_the_site_builds_with_every_link_and_anchor_checked(built_site):
    assert (built_site / "detections/botnet_node_beaconing/falcon/index.html").is_file()
    assert (built_site / "detections.json").is_file()


@pytest.mark.slow
def test_no_page_is_longer_than_it_may_be(built_site):
    long = {str(path): path.stat().st_size for path in built_site.rglob("*.html") if path.stat().st_size > LIMIT}
    assert long == {}


@pytest.mark.slow
def test_every_generated_file_is_published_as_it_was_made(built_site, site):
    for path, text in site.files.items():
        assert (built_site / path).read_bytes() == (text if isinstance(text, bytes) else text.encode()), path


@pytest.mark.slow
def test_a_query_is_in_the_built_page_as_it_was_printed(built_site, site, parsed):
    for path, text in site.files.items():
        if path.endswith((".logscale", ".kql", ".spl", ".sql")):
            platform = path.split(".")[-2]
            own = (built_site / path).parent / platform
            where = own / "query" if (own / "query").is_dir() else own
            page = parsed((where / "index.html").read_text(encoding="utf-8"))
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
def test_a_hostile_site_is_inert_in_its_theme_too(built_hostile_site, parsed):
    """The theme prints titles and descriptions where Markdown has no say."""
    for path in built_hostile_site.glob("detections/**/*.html"):
        assert list(dangers(parsed(path.read_text(encoding="utf-8")))) == [], path
