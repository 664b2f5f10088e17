"""The first screen in a real browser: every type of abuse on it, at a desk and on a phone."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from pathlib import Path

import pytest

import drive_eval as de
from drive_eval.data.synthetic import synthetic_study
from drive_eval.evaluation import run, write_report
from drive_eval.plan import Plan

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PLAN = {
    "evaluation": {"title": "Did abuse fall at this site, and by more than elsewhere?"},
    "data": {"folder": "data"},
    "design": {"kind": "comparison_group", "unit": "person"},
    "outcomes": [{"kind": "behaviour", "reporter": "idva"}, {"kind": "perceived_change"}],
    "report": {"support": "If you are worried about someone's safety, call 0808 2000 247."},
}
#: Where each row of the first table ends, its cells, and how many lines of text it takes.
ROWS = """() => [...document.querySelectorAll("#summary tbody tr")].map(row => ({
  end: row.getBoundingClientRect().bottom,
  cells: [...row.cells].map(cell => cell.innerText.trim()),
  lines: row.getBoundingClientRect().height / parseFloat(getComputedStyle(row).lineHeight),
}))"""


@pytest.fixture(scope="module")
def browser():
    missing = CHROMIUM is None or importlib.util.find_spec("playwright") is None
    if missing and os.environ.get("DRIVE_EVAL_CI") != "1":
        pytest.skip("no Chromium, or no playwright, on this machine; .ci/run installs them")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        options = ["--no-sandbox", "--disable-gpu", "--disable-quic"]
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=options)
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


# A row that says what those not rated again could undo may be a line longer on a phone.
@pytest.mark.parametrize(
    ("width", "height", "lines", "with_undone"), [(1280, 800, 3, 3), (390, 2 * 844, 6, 7)]
)
def test_all_four_types_are_on_the_first_screen(
    browser, release, width, height, lines, with_undone
):
    page = browser.new_page(viewport={"width": width, "height": 844})
    page.goto((release / "report.html").as_uri())
    rows = page.evaluate(ROWS)
    message = page.locator(".message").bounding_box()
    sideways = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    page.close()
    assert len(rows) == 4
    assert rows[-1]["end"] <= height
    assert 0 < message["y"] + message["height"] < rows[0]["end"]
    assert sideways <= 0
    longer = 0
    for row in rows:
        _kind, programme, comparison, sure = row["cells"]
        for shares in (programme, comparison):
            assert re.search(r"(\d+|\[c\]) → (\d+|\[c\])", shares)
        assert len(sure) > 20
        undone = re.search(r" Those not rated again could undo the (fall|difference)\.$", sure)
        assert row["lines"] <= (with_undone if undone else lines)
        longer += bool(undone)
    assert longer == 1
