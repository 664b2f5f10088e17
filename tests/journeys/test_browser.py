"""Both pages in a real browser, on a desk and on a phone: whole, still, readable, in print too."""

from __future__ import annotations

import importlib.util
import itertools
import os
import re
import shutil
from importlib import resources
from pathlib import Path

import pytest

import drive_eval as de
from drive_eval.data.synthetic import synthetic_study
from drive_eval.evaluation import run, write_report
from drive_eval.plan import Plan

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PACKAGES = [
    name
    for name in ("playwright", "axe_playwright_python")
    if importlib.util.find_spec(name) is None
]
REASON = "no Chromium, or no playwright and axe, on this machine; .ci/run installs them"
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PLAN = {
    "evaluation": {"title": "A site in a browser"},
    "data": {"folder": "data"},
    "design": {"kind": "comparison_group", "unit": "person"},
    "outcomes": [{"kind": "behaviour", "reporter": "idva"}, {"kind": "perceived_change"}],
    "report": {"support": "If you are worried, call someone."},
}
#: What axe holds a page against: WCAG 2.2 at AA with all before it, and its own good practice.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
#: Facts about a page, read off as the browser has laid it out.
FACTS = """() => {
  const all = (what, from = document) => [...from.querySelectorAll(what)];
  const name = part => part.id || part.className || part.tagName;
  return {
    sideways: document.documentElement.scrollWidth - window.innerWidth,
    cut: all("main *").filter(part => {
      const box = part.getBoundingClientRect();
      const scrolls = part.closest(".scroll, .picture");
      return box.width > 1 && box.right > window.innerWidth + 1 && !scrolls;
    }).map(name),
    language: document.documentElement.lang,
    title: document.title,
    text: document.body.innerText.length,
    headings: all("h1, h2, h3, h4, h5, h6").map(part => Number(part.tagName[1])),
    landmarks: all("main").length,
    images: all("img").map(part => ({alt: part.alt, wide: part.naturalWidth,
      shown: part.clientWidth, source: part.src.slice(0, 22)})),
    tables: all("table").map(table => ({
      caption: (table.caption || {innerText: ""}).innerText,
      heads: all("thead th", table).map(head => [head.scope, head.textContent]),
      rows: all("tbody tr", table).map(row =>
        [row.cells.length, row.cells[0].tagName, row.cells[0].scope]),
    })),
    outward: all("[src], link[href], [srcset], script, iframe, object, form").filter(part =>
      !(part.getAttribute("src") || "").startsWith("data:")).map(name),
    support: all(".support").length ? document.body.innerText.trim() : "",
  };
}"""


@pytest.fixture(scope="module")
def browser():
    if (CHROMIUM is None or PACKAGES) and os.environ.get("DRIVE_EVAL_CI") != "1":
        pytest.skip(REASON)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module", params=["site", "drive_pilot"])
def release(request, browser, tmp_path_factory):
    if request.param == "site":
        plan, study = Plan.model_validate(PLAN), synthetic_study("site", seed=1)
    else:
        plan = de.load_plan(ROOT / "analyses" / "drive_pilot")
        study = de.load_study(plan)
    folder = tmp_path_factory.mktemp(request.param) / "outputs"
    return write_report(run(plan, study), folder).parent


@pytest.fixture
def open_page(browser, release):
    """Open a page of the release; what it says, asks for or fails at is noted."""
    contexts = []

    def opened(name, *, width=1280, folded=True):
        context = browser.new_context(viewport={"width": width, "height": 900}, offline=True)
        contexts.append(context)
        page = context.new_page()
        page.noted = []
        page.asked = []
        page.on("console", lambda message: page.noted.append(message.text))
        page.on("pageerror", lambda error: page.noted.append(str(error)))
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto((release / name).as_uri())
        if not folded:
            page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.mark.parametrize("width", [1280, 390, 320])
@pytest.mark.parametrize("name", ["report.html", "summary.html"])
def test_a_page_fits_is_whole_and_asks_for_nothing(open_page, name, width):
    page = open_page(name, width=width, folded=False)
    found = page.evaluate(FACTS)
    assert found["sideways"] <= 0
    assert found["cut"] == []
    assert found["language"] == "en-GB"
    assert len(found["title"]) > 10
    assert found["text"] > 3000
    assert found["landmarks"] == 1
    assert page.noted == []
    assert found["outward"] == []
    assert {url.partition(":")[0] for url in page.asked[1:]} <= {"data"}
    assert page.asked[0].endswith(name)

    levels = found["headings"]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below - above <= 1 for above, below in itertools.pairwise(levels))

    # On two pages the table of shares stands for the picture, whose marks would say the same.
    assert bool(found["images"]) == (name == "report.html")
    for image in found["images"]:
        assert len(image["alt"]) > 40
        assert image["source"].startswith("data:image/png;base64")
        assert image["wide"] > 600
        assert image["shown"] > 250

    assert found["tables"]
    for table in found["tables"]:
        assert table["caption"].strip()
        assert {scope for scope, _ in table["heads"]} == {"col"}
        assert all(words.strip() for _, words in table["heads"])
        expected = [len(table["heads"]), "TH", "row"]
        assert table["rows"]
        assert all(row == expected for row in table["rows"]), table["caption"]


@pytest.mark.parametrize("name", ["report.html", "summary.html"])
def test_help_is_the_first_and_the_last_thing_but_one_on_a_page(open_page, release, name):
    page = open_page(name)
    lines = page.evaluate("[...document.querySelectorAll('main p')].map(p => p.innerText.trim())")
    plan = de.load_results(release / "results.json").plan
    support = plan["report"]["support"]
    assert support
    assert lines.index(support) <= 1  # beneath nothing but the programme's name
    assert lines[-2] == support  # above nothing but how the page was made


@pytest.mark.parametrize(("name", "width"), [
    ("report.html", 1280), ("report.html", 390), ("summary.html", 1280), ("summary.html", 390),
])  # fmt: skip
def test_axe_finds_no_fault(open_page, name, width):
    page = open_page(name, width=width, folded=False)
    page.evaluate(resources.files("axe_playwright_python").joinpath("axe.min.js").read_text())
    # Colours are the same at any width, and take longest to look at.
    options = {
        "resultTypes": ["violations"],
        "runOnly": {"type": "tag", "values": RULES},
        "rules": {"color-contrast": {"enabled": width == 1280}},
    }
    found = page.evaluate("options => axe.run(document, options)", options)
    assert len(found["passes"]) > 35
    assert [
        (fault["id"], fault["help"], [node["html"][:200] for node in fault["nodes"][:3]])
        for fault in found["violations"]
    ] == []


def test_words_may_be_spaced_and_enlarged(open_page):
    # WCAG 1.4.12 and 1.4.4: a reader's own spacing, and letters of twice the size.
    page = open_page("report.html", width=640, folded=False)
    spaced = "line-height: 1.5 !important; letter-spacing: .12em; word-spacing: .16em"
    page.add_style_tag(content=f"html {{ font-size: 200% }} * {{ {spaced} }}")
    found = page.evaluate(FACTS)
    assert found["sideways"] <= 0
    assert found["cut"] == []


def test_everything_can_be_reached_with_the_keyboard(open_page):
    page = open_page("summary.html")
    assert page.evaluate("document.querySelectorAll('[tabindex]').length") == 0
    page = open_page("report.html")
    # Whatever scrolls by itself takes the focus, which is then seen; folded tables open by key.
    page.keyboard.press("Tab")
    seen = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(seen) != "none"
    page.locator("summary").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("details").first.evaluate("part => part.open")
    scrolls = """() => [...document.querySelectorAll('*')].filter(part =>
      ['auto', 'scroll'].includes(getComputedStyle(part).overflowX) &&
      !(part.tabIndex === 0 && part.getAttribute('aria-label'))).map(part => part.className)"""
    assert page.evaluate(scrolls) == []


@pytest.mark.parametrize("name", ["report.html", "summary.html"])
def test_a_page_prints_with_its_tables_open_and_the_annex_named(open_page, name):
    page = open_page(name)
    page.emulate_media(media="print")
    heights = """annex => [...document.querySelectorAll('table')]
      .filter(table => Boolean(table.closest('details.annex')) === annex)
      .map(table => table.offsetHeight)"""
    assert min(page.evaluate(heights, False)) > 20
    # On paper the annex has its caption and where its lines are, and no line.
    assert max([0, *page.evaluate(heights, True)]) == 0
    lines = page.evaluate(
        "[...document.querySelectorAll('details.annex > summary')].map(line => line.innerText)"
    )
    assert bool(lines) == (name == "report.html")
    assert all(re.search(r"lines?: tables.xlsx, sheet Table_\d+", line) for line in lines)
    printed = page.pdf(format="A4", prefer_css_page_size=True, tagged=True)
    pictures = page.evaluate("document.images.length")
    assert len(re.findall(rb"/Subtype\s*/Image", printed)) >= pictures
    pages = len(re.findall(rb"/Type\s*/Page\b", printed))
    assert pages == 2 if name == "summary.html" else 6 <= pages <= 30, pages
    assert b"/Lang (en-GB)" in printed
