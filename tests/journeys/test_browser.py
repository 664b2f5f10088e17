"""The page in a real browser: on a desk and on a phone, no sideways scroll and no request."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest

from drive_eval.data.synthetic import synthetic_study
from drive_eval.evaluation import run, write_report
from drive_eval.plan import Plan

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PLAN = {
    "evaluation": {"title": "A site in a browser"},
    "data": {"folder": "data"},
    "design": {"kind": "comparison_group", "unit": "person"},
    "outcomes": [{"kind": "behaviour", "reporter": "idva"}, {"kind": "perceived_change"}],
}
WRAPPER = """<!DOCTYPE html><body><pre id="out">nothing</pre><script>
const found = {};
const widths = [1280, 390];
let left = widths.length;
for (const width of widths) {
  const frame = document.createElement("iframe");
  frame.style.width = width + "px";
  frame.style.height = "2000px";
  frame.onload = () => {
    const page = frame.contentDocument;
    found[width] = {
      scroll: page.documentElement.scrollWidth,
      images: [...page.images].map(i => [i.naturalWidth, i.clientWidth]),
      requests: frame.contentWindow.performance.getEntriesByType("resource").map(r => r.name),
      text: page.body.innerText.length,
    };
    if (--left === 0) document.getElementById("out").textContent = JSON.stringify(found);
  };
  frame.src = "report.html";
  document.body.append(frame);
}
</script></body>"""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine; .ci/run installs it")
def test_the_page_fits_wide_and_on_a_phone_and_asks_for_nothing(tmp_path):
    evaluation = run(Plan.model_validate(PLAN), synthetic_study("site", seed=1))
    report = write_report(evaluation, tmp_path / "outputs")
    wrapper = report.with_name("wrapper.html")
    wrapper.write_text(WRAPPER, encoding="utf-8")
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--allow-file-access-from-files",
        f"--user-data-dir={tmp_path / 'profile'}",
        "--virtual-time-budget=10000",
        "--dump-dom",
    ]
    done = subprocess.run(
        [CHROMIUM, *options, wrapper.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    inside = re.search(r'<pre id="out">(.*?)</pre>', done.stdout, flags=re.S)
    assert inside, done.stderr[-2000:]
    found = json.loads(inside.group(1).replace("&quot;", '"'))
    for width in ("1280", "390"):
        page = found[width]
        assert page["scroll"] <= int(width), (width, page["scroll"])
        assert page["text"] > 3000
        assert page["images"]
        assert all(natural > 0 and shown > 300 for natural, shown in page["images"])
        assert [name for name in page["requests"] if not name.startswith("data:")] == []
