"""Rates before and after in an evaluation: nine people whose events one can count on paper."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest

from drive_eval.data.study import Study, load_study
from drive_eval.errors import DesignError
from drive_eval.evaluation import check, run
from drive_eval.plan import Plan

YEAR = 365.25
# Events by day from the index date. Programme A to D, comparison F to I; D is in custody from day
# 0 for all of the year after; A's event on day −10 lies in the washout, on 0 is the index incident.
DAYS = {
    "A": (-300, -200, -10, 0, 50),
    "B": (-100, -40, 300),
    "C": (-60,),
    "D": (-90, -80, 30),
    "F": (-50, 20, 40),
    "G": (-200, 100),
    "H": (),
    "I": (-30, -29, 200),
}
CLASSES = {True: "threats", False: "assault"}  # by whether a day is a twentieth


def day(number) -> str:
    return str((pd.Timestamp("2020-06-01") + pd.Timedelta(days=number)).date())


def plan_of(folder="extract", *, kind="comparison_group", path=None, **outcome) -> Plan:
    body = {"kind": "reoffending", "name": "police", "horizon": 365, "washout": 28, **outcome}
    plan = Plan.model_validate(
        {
            "evaluation": {"title": "Counted by hand"},
            "data": {"folder": str(folder)},
            "design": {"kind": kind, "unit": "person"},
            "outcomes": [body],
            "sensitivity": {"imputations": 0},
        }
    )
    return plan if path is None else plan.model_copy(update={"path": path})


@pytest.fixture(scope="module")
def paper(tmp_path_factory) -> Study:
    folder = tmp_path_factory.mktemp("rates")
    cases = pd.DataFrame(
        {
            "case_id": list(DAYS),
            "perpetrator_id": [f"P{name}" for name in DAYS],
            "arm": ["programme"] * 4 + ["comparison"] * 4,
            "index_date": day(0),
            "data_end_date": day(500),
        }
    )
    dated = [(name, number) for name, days in DAYS.items() for number in days]
    events = pd.DataFrame(
        {
            "event_id": [f"E{i:02d}" for i in range(len(dated))],
            "perpetrator_id": [f"P{name}" for name, _ in dated],
            "date": [day(number) for _, number in dated],
            "source": "police",
            "offence_class": [CLASSES[number % 20 == 0] for _, number in dated],
        }
    )
    custody = pd.DataFrame(
        {"perpetrator_id": ["PD"], "start_date": [day(0)], "end_date": [day(400)]}
    )
    for name, table in {"cases": cases, "events": events, "custody": custody}.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    return load_study(plan_of(folder))


@pytest.fixture(scope="module")
def result(paper):
    return run(plan_of(), paper).results["police"]


class TestOnPaper:
    def test_events_and_people_in_each_window(self, result):
        table = result.table("incidents:police")
        counted = {cell.key: cell.count for cell in table.cells}
        assert counted == {
            ("programme", "before", "events"): 7,  # A 2, B 2, C 1, D 2
            ("programme", "before", "people with an event"): 4,
            ("programme", "before", "people"): 4,
            ("programme", "after", "events"): 2,  # D's is in custody
            ("programme", "after", "people with an event"): 2,
            ("programme", "after", "people"): 3,
            ("comparison", "before", "events"): 4,
            ("comparison", "before", "people with an event"): 3,
            ("comparison", "before", "people"): 4,
            ("comparison", "after", "events"): 4,
            ("comparison", "after", "people with an event"): 3,
            ("comparison", "after", "people"): 4,
        }

    def test_rates_are_of_time_free_without_the_washout(self, result):
        years = (365 - 28) / YEAR
        rate = {(e.group, e.term): e.estimate for e in result.estimates if e.measure == "rate"}
        assert rate == {
            ("programme", "before"): pytest.approx(100 * 7 / (4 * years)),
            ("comparison", "before"): pytest.approx(100 * 4 / (4 * years)),
            ("programme", "after"): pytest.approx(100 * 2 / (3 * 365 / YEAR)),
            ("comparison", "after"): pytest.approx(100 * 4 / (4 * 365 / YEAR)),
        }

    def test_the_ratio_of_ratios_is_that_of_the_four_rates(self, result):
        rate = {(e.group, e.term): e.estimate for e in result.estimates if e.measure == "rate"}
        of = {arm: rate[arm, "after"] / rate[arm, "before"] for arm in ("programme", "comparison")}
        ratio = result.one(measure="ratio_of_ratios")
        assert ratio.estimate == pytest.approx(of["programme"] / of["comparison"])
        assert (ratio.term, ratio.claim) == ("rate", "associational")
        assert ratio.contrast == "programme v comparison, after v before"
        less = result.one(measure="percent_reduction", term="rate", group="")
        assert less.estimate == pytest.approx(100 * (1 - ratio.estimate))
        after = result.one(measure="rate_ratio", term="after")
        assert after.estimate == pytest.approx(
            rate["programme", "after"] / rate["comparison", "after"]
        )
        assert after.contrast == "programme v comparison, after"

    def test_a_change_within_an_arm_is_descriptive(self, result):
        change = result.one(measure="rate_ratio", term="rate", group="comparison")
        assert (change.claim, change.contrast) == ("descriptive", "after v before")
        assert result.check("rates: leave_one_out, change".replace("change", "arms")).statistic

    def test_what_the_windows_left_out_is_said(self, result):
        left_out = result.check("rates: index_incident").text
        assert "1 events on the index date" in left_out
        assert "1 in the 28 days before it" in left_out
        inside = result.check("rates: events_in_custody")
        assert inside.statistic == 1
        times = [c for c in result.checks if c.name == "rates: person_years, after"]
        assert [c.group for c in times] == ["programme", "comparison"]
        assert times[0].statistic == pytest.approx(3 * 365 / YEAR)

    def test_exact_rates_are_paired_on_the_person(self, paper):
        result = run(plan_of(rates="exact"), paper).results["police"]
        change = result.one(measure="rate_ratio", term="rate", group="programme")
        assert "exact" in change.method
        rate = result.one(measure="rate", term="before", group="programme")
        assert rate.method == "per 100 person-years, exact Poisson"

    def test_one_arm_alone_has_no_contrast(self, paper):
        cases = paper.table("cases")
        alone = cases[cases["arm"] == "programme"].reset_index(drop=True)
        study = dataclasses.replace(paper, tables={**paper.tables, "cases": alone})
        result = run(plan_of(kind="before_after"), study).results["police"]
        assert not any(e.measure == "ratio_of_ratios" for e in result.estimates)
        assert result.one(measure="rate_ratio", term="rate").group == "programme"

    def test_without_a_time_before_there_are_no_rates(self, paper):
        result = run(plan_of(days_before=0), paper).results["police"]
        assert not any(e.measure.startswith("rate") for e in result.estimates)


class TestHarm:
    WEIGHTS = "offence_class,harm_days\nassault,100\nthreats,1\n"

    def plan(self, folder, text=WEIGHTS) -> Plan:
        (folder / "weights.csv").write_text(text, encoding="utf-8")
        return plan_of(harm_weights="weights.csv", path=folder / "evaluation.toml")

    def test_harm_adds_up_outside_custody(self, paper, tmp_path):
        result = run(self.plan(tmp_path), paper).results["police"]
        before = result.one(measure="rate", term="harm before", group="comparison")
        # F −50 assault, G −200 threats, I −30 and −29 assault.
        assert before.estimate == pytest.approx(100 * 301 / (4 * (365 - 28) / YEAR))
        after = result.one(measure="rate", term="harm after", group="programme")
        # A 50 assault, B 300 threats; D's on day 30 is in custody.
        assert after.estimate == pytest.approx(100 * 101 / (3 * 365 / YEAR))
        assert result.one(measure="ratio_of_ratios", term="harm").estimate is not None
        assert result.one(measure="rate_ratio", term="harm after").group == ""
        assert "Every class of offence has a weight" in result.check("harm: weights").text

    def test_a_file_that_is_not_there_is_named_with_the_nearest(self, paper, tmp_path):
        plan = self.plan(tmp_path)
        (tmp_path / "weights.csv").rename(tmp_path / "weight.csv")
        with pytest.raises(DesignError, match=r"no such file beside the plan.*weight\.csv"):
            check(plan, paper)

    def test_a_file_without_its_columns(self, paper, tmp_path):
        plan = self.plan(tmp_path, "offence_class,harm\nassault,100\n")
        with pytest.raises(DesignError, match='has no column "harm_days"'):
            check(plan, paper)

    def test_a_file_that_is_no_table(self, paper, tmp_path):
        plan = self.plan(tmp_path)
        (tmp_path / "weights.csv").write_bytes(b"\xff\xfe\x00\xd8")
        with pytest.raises(DesignError, match="no CSV file in UTF-8"):
            check(plan, paper)

    def test_a_class_without_a_weight(self, paper, tmp_path):
        plan = self.plan(tmp_path, "offence_class,harm_days\nassault,100\n")
        with pytest.raises(DesignError, match="have no weight: threats"):
            check(plan, paper)
