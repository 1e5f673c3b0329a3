"""What a reader's browser makes of the site: accessible on every kind of page, usable by keyboard, inert, on its own.

Needs Playwright, axe-core and a Chromium that is installed; where one is missing, all of it is skipped, and says why.
"""

from __future__ import annotations

import functools
import http.server
import json
import os
import shutil
import threading

import pytest

from polysigma.catalog import packaged_names

from .conftest import ROOT

pytest.importorskip("mkdocs", reason="needs MkDocs (pip install 'polysigma[docs]')")
playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright (pip install 'polysigma[browser]')")
axe = pytest.importorskip(
    "axe_playwright_python.sync_playwright", reason="needs axe-core (pip install 'polysigma[browser]')"
)
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (apt-get install chromium), or its path as CHROMIUM"),
]

RUNBOOK = "detections/botnet_node_beaconing/falcon/"
OVERVIEW = "detections/botnet_node_beaconing/"
KINDS = [
    "",
    "detections/",
    "detections/?q=beacon&platform=falcon",
    OVERVIEW,
    RUNBOOK,
    f"{OVERVIEW}tests/",
    f"{OVERVIEW}tuning/",
    f"{OVERVIEW}proof/",
    "attack/",
    "attack/T1071/",
    "platforms/",
    "platforms/falcon/",
    "detections/edge_device_admin_exposure/",
    "detections/unmanaged_device_beacon/tuning/",
    "guide/",
    *(f"guide/{path.stem}/" for path in sorted((ROOT / "docs/guide").glob("*.md")) if path.stem != "index"),
    "design/",
    "reference/",
    "reference/lint-codes/",
    "reference/lint-corpus/",
    "reference/refusals/",
    "reference/assumptions/",
    "reference/steps/",
    "reference/coverage/",
    "reference/detections-json/",
    "404.html",
]


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def served(folder):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture(scope="module")
def browser():
    arguments = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def address(built_site):
    server = served(built_site)
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def opened(browser, address):
    """Opens a page of the site; every request of it is noted, and every error."""
    contexts = []

    def opens(path, **options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        contexts.append(context)
        page = context.new_page()
        page.asked, page.errors = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.goto(address + path, wait_until="load")
        return page

    yield opens
    for context in contexts:
        context.close()


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_any_kind_of_page(opened, address, width, scheme):
    page = opened("", viewport={"width": width, "height": 740}, color_scheme=scheme)
    found = {}
    for path in KINDS:
        page.goto(address + path, wait_until="load")
        result = axe.Axe().run(page).response
        wrong = [(one["id"], [node["html"][:150] for node in one["nodes"][:3]]) for one in result["violations"]]
        if wrong:
            found[path] = wrong
    assert not found, "\n".join(f"{path}: {wrong}" for path, wrong in found.items())
    assert page.errors == []


@pytest.mark.parametrize("width", [360, 1280])
def test_no_page_is_wider_than_the_screen(opened, address, width):
    page = opened("", viewport={"width": width, "height": 740})
    wide = []
    for path in KINDS:
        page.goto(address + path, wait_until="load")
        if page.evaluate("document.documentElement.scrollWidth") > width:
            wide.append(path)
    assert wide == []


@pytest.mark.parametrize(("width", "height"), [(360, 640), (1280, 720)])
def test_the_verdict_and_the_first_look_need_no_scrolling(opened, address, built_site, width, height):
    """On every page that an alert leads to, on a small phone, too."""
    page = opened("", viewport={"width": width, "height": height})
    below = {}
    for name in packaged_names():
        for file in sorted((built_site / "detections" / name).glob("**/index.html")):
            if "class=verdict" not in file.read_text(encoding="utf-8"):
                continue
            page.goto(address + file.relative_to(built_site).as_posix(), wait_until="load")
            lowest = page.evaluate("document.querySelector('.verdict').getBoundingClientRect().bottom")
            if lowest > height:
                below[file.parent.relative_to(built_site).as_posix()] = lowest
    assert below == {}


def test_a_page_asks_nobody_else_and_transfers_little(opened, address):
    for path in KINDS:
        page = opened(path)
        assert [url for url in page.asked if not url.startswith(address)] == [], path
        weighed = "performance.getEntries().reduce((sum, one) => sum + (one.decodedBodySize || 0), 0)"
        assert 1_000 < page.evaluate(weighed) <= 400_000, path


def test_tabs_are_chosen_by_keyboard_on_every_page_at_once(opened, address):
    page = opened(OVERVIEW)
    page.get_by_role("tab", name="falcon", exact=True).focus()
    page.keyboard.press("End")
    assert page.evaluate("document.activeElement.textContent") == "asim"
    assert page.get_by_role("tabpanel").count() == 1
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.textContent") == "falcon"
    page.keyboard.press("ArrowLeft")
    page.goto(address + "detections/regular_beacon_to_rare_destination/", wait_until="load")
    chosen = page.get_by_role("tab", selected=True)
    assert chosen.text_content() == "asim"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the content"


def test_a_query_that_stands_on_another_page_is_brought_and_copied(opened, built_site):
    page = opened(OVERVIEW, permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("tab", name="sysmon json").click()
    panel = page.get_by_role("tabpanel")
    button = panel.get_by_role("button", name="Copy sql").first
    button.wait_for()
    button.focus()
    page.keyboard.press("Enter")
    page.get_by_text("Copied").first.wait_for()
    query = (built_site / OVERVIEW / "botnet_node_beaconing.sysmon_json.sql").read_text(encoding="utf-8")
    assert page.evaluate("navigator.clipboard.readText()") == query.rstrip("\n")


def test_search_and_filters_work_by_keyboard(opened, built_site):
    every = json.loads((built_site / "detections.json").read_text(encoding="utf-8"))["detections"]
    blind = {one["title"] for one in every if one["platforms"]["defender"]["fidelity"] == "blind"}
    assert blind
    page = opened("")
    page.get_by_role("searchbox").focus()
    page.keyboard.type("regular beacon")
    page.keyboard.press("Enter")
    page.wait_for_url("**/detections/?q=regular+beacon")
    page.locator(".found a", has_text="Regular Beacon to a Rare Destination").wait_for()
    page.get_by_role("button", name="Clear").press("Enter")
    page.get_by_text(f"{len(every)} detections, by title").wait_for()
    page.get_by_label("Fidelity").focus()
    page.keyboard.type("blind")
    page.get_by_label("Platform").focus()
    page.keyboard.type("Microsoft Defender")
    page.get_by_role("status").filter(has_text=f"{len(blind)} detection").wait_for()
    assert set(page.locator(".found a").all_text_contents()) == blind
    assert "fidelity=blind" in page.url
    page.get_by_label("Words").fill("no such thing anywhere")
    page.get_by_role("status").filter(has_text="0 detections").wait_for()


def test_every_technique_of_the_picture_leads_to_its_page(opened):
    page = opened("attack/")
    link = page.locator("svg.matrix a").first
    link.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/attack/T*/")
    assert page.locator("h1").text_content().startswith("T")


def test_the_colours_that_were_chosen_stay(opened, address):
    page = opened(RUNBOOK, color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    button = page.get_by_role("button", name="Colours")
    button.press("Enter")
    button.press("Enter")
    dark = page.evaluate(ground)
    assert dark != light
    page.goto(address + OVERVIEW, wait_until="load")
    assert page.evaluate(ground) == dark


def test_all_of_a_page_is_readable_without_script(opened):
    page = opened(OVERVIEW, java_script_enabled=False)
    for name in ("falcon", "asim", "sysmon json"):
        assert page.get_by_role("heading", name=name, exact=True).is_visible()
    assert page.get_by_text("sigma convert -t sql -p sysmon_json").is_visible()
    page = opened("detections/", java_script_enabled=False)
    assert page.get_by_role("link", name="Botnet Node Beaconing to a Public Address").is_visible()


def test_without_script_the_page_says_where_a_long_query_stands_whole(opened, built_site):
    page = opened(OVERVIEW, java_script_enabled=False)
    panel = page.locator("#on-sysmon_json")
    panel.get_by_role("link", name="stands whole on the page of the platform").first.click()
    query = (built_site / OVERVIEW / "botnet_node_beaconing.sysmon_json.sql").read_text(encoding="utf-8")
    assert page.locator("#the-query").text_content() == query.rstrip("\n")


def test_a_copy_on_a_disk_can_be_read_and_searched(browser, built_site):
    context = browser.new_context()
    page = context.new_page()
    told = []
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.goto((built_site / "index.html").as_uri(), wait_until="load")
    page.get_by_role("searchbox").fill("irc connection")
    page.keyboard.press("Enter")
    page.locator(".found a").first.click()
    page.get_by_role("heading", name="IRC Connection from a Workstation").wait_for()
    page.get_by_role("link", name="The runbook for").first.click()
    page.get_by_role("heading", name="IRC Connection from a Workstation on").wait_for()
    context.close()
    assert told == []


LUMINANCE = """(names) => names.map((name) => {
  const [r, g, b] = getComputedStyle(document.querySelector(name)).color.match(/[0-9]+/g).map(Number);
  return 0.299 * r + 0.587 * g + 0.114 * b; })"""


def test_a_printed_page_shows_every_tab_and_no_navigation(opened):
    page = opened(OVERVIEW, color_scheme="dark")
    page.get_by_role("button", name="Colours").press("Enter")
    page.get_by_role("button", name="Colours").press("Enter")
    page.emulate_media(media="print")
    assert page.get_by_role("heading", name="asim", exact=True).is_visible()
    assert max(page.evaluate(LUMINANCE, ["body", "pre", "pre u", "main a", ".verdict dd", "h2"])) < 80
    assert page.get_by_text("sigma convert -t kql -p asim").first.is_visible()
    assert not page.get_by_role("navigation", name="Site").is_visible()
    assert not page.get_by_role("tablist").is_visible()


def test_a_hostile_page_does_nothing(browser, built_hostile_site):
    """No script of it runs, nothing is asked of another host, no dialog opens; not with clicks on all of its links."""
    server = served(built_hostile_site)
    home = f"http://127.0.0.1:{server.server_port}/"
    context = browser.new_context()
    page = context.new_page()
    wrong = []
    page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: request.url.startswith(home) or wrong.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    for path in sorted(built_hostile_site.glob("detections/**/index.html")):
        page.goto(home + path.relative_to(built_hostile_site).as_posix(), wait_until="load")
        for tab in page.get_by_role("tab").all():
            tab.click()
        page.evaluate("document.querySelectorAll('main *').forEach(one => one.dispatchEvent(new Event('mouseover')))")
        addresses = page.evaluate("[...document.querySelectorAll('main a')].map(one => one.href)")
        assert [one for one in addresses if one.lower().startswith(("javascript:", "data:"))] == []
        assert page.evaluate("document.querySelectorAll('main img, main iframe, main object, main style').length") == 0
    page.goto(f"{home}detections/?q=script", wait_until="load")
    page.get_by_text("detections").first.wait_for()
    context.close()
    server.shutdown()
    server.server_close()
    assert wrong == []
