"""The Word report in LibreOffice, and the summary on paper and on a phone in Chromium."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest

from drive_eval.data.synthetic import synthetic_study
from drive_eval.evaluation import load_results, run, write_report
from drive_eval.plan import Plan
from drive_eval.report import charts, document, summary

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SOFFICE = shutil.which("soffice")
PLAN = {
    "evaluation": {"title": "A site on paper"},
    "data": {"folder": "data"},
    "design": {"kind": "comparison_group", "unit": "person"},
    "outcomes": [{"kind": "behaviour", "reporter": "idva"}, {"kind": "perceived_change"}],
    "report": {"support": "Call someone."},
}
WRAPPER = """<!DOCTYPE html><body><pre id="out">nothing</pre><script>
const found = {}, widths = [1280, 390];
let left = widths.length;
for (const width of widths) {
  const frame = document.createElement("iframe");
  frame.style.width = width + "px";
  frame.onload = () => {
    const page = frame.contentDocument;
    found[width] = [page.documentElement.scrollWidth,
      frame.contentWindow.performance.getEntriesByType("resource").map(r => r.name.slice(0, 5))];
    if (--left === 0) document.getElementById("out").textContent = JSON.stringify(found);
  };
  frame.src = "summary.html";
  document.body.append(frame);
}
</script></body>"""


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    evaluation = run(Plan.model_validate(PLAN), synthetic_study("site", seed=1))
    return write_report(evaluation, tmp_path_factory.mktemp("paper") / "outputs").parent


def chromium(tmp_path, *options) -> subprocess.CompletedProcess[str]:
    quiet = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run")
    still = ("--disable-background-networking", "--disable-component-update", "--disable-sync")
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    return subprocess.run(
        [CHROMIUM, *quiet, *still, profile, *options],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.skipif(SOFFICE is None, reason="no LibreOffice on this machine; .ci/run installs it")
def test_the_word_report_opens_and_becomes_a_pdf_with_its_charts(release, tmp_path):
    done = subprocess.run(
        [
            SOFFICE,
            "--headless",
            f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}",
            "--convert-to",
            "pdf",
            "--outdir",
            str(tmp_path),
            str(release / "report.docx"),
        ],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert (tmp_path / "report.pdf").exists(), done.stderr[-2000:]
    pdf = (tmp_path / "report.pdf").read_bytes()
    drawn = list((release / "charts").glob("*.png"))
    assert len(drawn) >= 5
    assert len(re.findall(rb"/Subtype\s*/Image", pdf)) >= len(drawn)
    assert 8 <= len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 40


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine; .ci/run installs it")
@pytest.mark.parametrize("much", [False, True])
def test_the_summary_prints_on_two_pages_however_much_there_is_to_say(release, tmp_path, much):
    page = release / "summary.html"
    if much:
        released = load_results(release)
        sections = document._sections(released)
        sentence = (
            "Among 2,627 people this and that was found, with a range, and not for the first "
        )
        for section in sections:
            if section["id"] in ("summary", "limits", "disclosure"):
                section["points"] = [*section["points"], *[f"{sentence * 2}time."] * 9]
                section["text"] = [*section["text"], f"{sentence}time."]
        drawn = {c.name: charts.pictures(c)[1] for s in sections for c in s["charts"]}
        page = tmp_path / "summary.html"
        page.write_text(summary.summary_page(released, sections, drawn), encoding="utf-8")
    printed = tmp_path / "summary.pdf"
    done = chromium(tmp_path, "--no-pdf-header-footer", f"--print-to-pdf={printed}", page.as_uri())
    assert printed.exists(), done.stderr[-2000:]
    assert len(re.findall(rb"/Type\s*/Page\b", printed.read_bytes())) == 2


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine; .ci/run installs it")
def test_the_summary_fits_a_desk_and_a_phone_and_asks_for_nothing(release, tmp_path):
    wrapper = tmp_path / "wrapper.html"
    wrapper.write_text(WRAPPER, encoding="utf-8")
    shutil.copy(release / "summary.html", tmp_path)
    options = ("--allow-file-access-from-files", "--virtual-time-budget=10000", "--dump-dom")
    done = chromium(tmp_path, *options, wrapper.as_uri())
    inside = re.search(r'<pre id="out">(.*?)</pre>', done.stdout, flags=re.S)
    assert inside, done.stderr[-2000:]
    found = json.loads(inside.group(1).replace("&quot;", '"'))
    for width in ("1280", "390"):
        scroll, requests = found[width]
        assert scroll <= int(width)
        assert set(requests) <= {"data:"}
