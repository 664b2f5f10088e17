"""What may be read follows from released counts alone; nothing gives a hidden count back."""

from __future__ import annotations

import dataclasses
import itertools
import os
import warnings

import pandas as pd
import pytest

from drive_eval import disclosure
from drive_eval.data.schema import validate
from drive_eval.data.study import Study
from drive_eval.data.synthetic import generate, synthetic_study
from drive_eval.errors import DesignWarning, DisclosureError
from drive_eval.evaluation import run
from drive_eval.evaluation.controlled import control_table
from drive_eval.evaluation.release import hidden_reasons, release_evaluation
from drive_eval.plan import Plan

BODY = {
    "evaluation": {"title": "A small site"},
    "data": {"folder": "data"},
    "design": {"kind": "comparison_group", "unit": "person"},
    "outcomes": [{"kind": "behaviour", "reporter": "idva"}, {"kind": "perceived_change"}],
}
PLAN = Plan.model_validate(BODY)
NAME = "physical:idva:intake-exit"


def study_of(programme, comparison) -> Study:
    """Make a study with so many pairs (both, before only, after only, neither) in each arm."""
    patterns = [("high", "high"), ("high", "none"), ("none", "high"), ("none", "none")]
    cases, ratings = [], []
    for arm, counts in (("programme", programme), ("comparison", comparison)):
        for kind, count in zip(patterns, counts, strict=True):
            for _ in range(count):
                case = f"C{len(cases):04d}"
                cases.append((case, f"P{case}", arm, "2024-01-01"))
                ratings += [
                    (case, when, "idva", "physical", level)
                    for when, level in zip(("intake", "exit"), kind, strict=True)
                ]
    tables = {
        "cases": pd.DataFrame(cases, columns=["case_id", "perpetrator_id", "arm", "index_date"]),
        "assessments": pd.DataFrame(
            ratings, columns=["case_id", "time_point", "reporter", "abuse_type", "severity"]
        ),
    }
    return Study(tables=validate(tables), source="made by hand")


def evaluated(programme, comparison, unit="person"):
    plan = Plan.model_validate(
        {
            **BODY,
            "design": {"kind": "comparison_group", "unit": unit},
            "outcomes": [{"kind": "behaviour", "reporter": "idva", "abuse_types": ["physical"]}],
        }
    )
    return run(plan, study_of(programme, comparison))


def released(programme, comparison, policy="opensafely", unit="person"):
    return release_evaluation(evaluated(programme, comparison, unit), policy)


#: Every neighbour of an arm in the full form of the slow tests, every third one else.
FULL = os.environ.get("DRIVE_EVAL_FULL_RECOVERY") == "1"


@pytest.fixture(scope="module")
def site():
    return run(PLAN, synthetic_study("site", seed=1))


@pytest.mark.parametrize("policy", ["opensafely", "ons_acro"])
def test_no_released_count_is_small(site, policy):
    rules = disclosure.POLICIES[policy]
    done = release_evaluation(site, policy)
    tables = [*done.tables, *(t for r in done.results.values() for t in r.tables)]
    for table in tables:
        for cell in table.cells:
            if cell.count is not None:
                assert cell.count == 0 or cell.count > rules.suppress_up_to, (table.name, cell.key)
                assert cell.shown
    for result in done.results.values():
        for e in result.estimates:
            for count in (e.n, e.n_events, e.n_reference, e.n_events_reference):
                assert count is None or count == 0 or count > rules.suppress_up_to, e


@pytest.mark.parametrize("policy", ["opensafely", "ons_acro"])
def test_a_hidden_count_takes_its_effect_interval_and_test_with_it(site, policy):
    done = release_evaluation(site, policy)
    hidden = 0
    for name, result in done.results.items():
        for table in result.tables:
            if not table.name.startswith("pairs:"):
                continue
            group = table.name.removeprefix("pairs:")
            if table["users", "after"] is not None:
                continue
            hidden += 1
            for e in result.estimates:
                if e.group == group and e.measure in ("risk_ratio", "percent_reduction", "onset"):
                    assert (e.estimate, e.conf_low, e.conf_high, e.p_value, e.n) == (None,) * 5, (
                        name
                    )
            between = [e for e in result.estimates if not e.group]
            assert all(e.estimate is None and e.conf_low is None for e in between)
    assert hidden, "the small site should hide something, or this test shows nothing"


def test_effects_follow_from_released_counts_and_nothing_else():
    # Exact counts that look alike after control must give the same release, to the last digit.
    first = released((40, 160, 16, 90), (60, 40, 21, 70))
    second = released((42, 158, 17, 88), (58, 42, 19, 72))
    assert first.results[NAME].estimates == second.results[NAME].estimates
    assert first.results[NAME].checks == second.results[NAME].checks
    assert first.tables == second.tables


def test_the_exact_effect_is_not_what_is_released():
    exact = run(PLAN_PHYSICAL, study_of((42, 158, 17, 88), (58, 42, 19, 72)))
    done = release_evaluation(exact, "opensafely")
    wanted = {"measure": "percent_reduction", "group": "programme"}
    before, after = exact.results[NAME].one(**wanted), done.results[NAME].one(**wanted)
    assert before.estimate != after.estimate
    assert after.n % 5 == 0


PLAN_PHYSICAL = Plan.model_validate(
    {**BODY, "outcomes": [{"kind": "behaviour", "reporter": "idva", "abuse_types": ["physical"]}]}
)


def test_with_a_hidden_pairing_the_interval_is_the_widest_over_pairings():
    done = released((40, 160, 3, 90), (60, 40, 21, 70))
    result = done.results[NAME]
    table = result.table("pairs:programme")
    assert table["pairs", "after_only"] is None
    fall = result.one(measure="percent_reduction", group="programme")
    assert "pairing taken at its widest" in fall.method
    assert fall.p_value is None
    before, after = table["users", "before"], table["users", "after"]
    total = table["all", "measured at both"]
    from drive_eval.models import prepost

    for both in range(max(0, before + after - total), min(before, after) + 1):
        other = prepost.paired_counts(
            both=both,
            before_only=before - both,
            after_only=after - both,
            neither=total - before - after + both,
        ).one(measure="percent_reduction")
        assert fall.conf_low <= other.conf_low + 1e-9
        assert fall.conf_high >= other.conf_high - 1e-9


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::drive_eval.errors.DesignWarning")
@pytest.mark.parametrize(
    ("policy", "unit"),
    [("opensafely", "person"), ("ons_acro", "person"), ("opensafely", "enrolment")],
)
@pytest.mark.parametrize(
    "programme",
    [(2, 30, 3, 12), (0, 15, 4, 9), (5, 60, 2, 1), (20, 71, 0, 5), (0, 40, 0, 0), (9, 9, 9, 9)],
)
def test_whatever_looks_alike_is_released_alike(policy, unit, programme):
    """With the intruder's knowledge of every hidden count spanned by the attack on `control`,

    it is enough that the released evaluation is a function of the controlled tables: then the
    effects, intervals, tests, checks and words add nothing to what those tables tell.
    """
    comparison = (60, 40, 21, 70)
    rules = disclosure.POLICIES[policy]
    mine = released(programme, comparison, policy, unit)
    alike = 0
    steps = [tuple(d * (i == at) for i in range(4)) for at in range(4) for d in (-1, 1)]
    # The number of people in the arm is taken to be known, so some only change places.
    steps += [
        tuple((i == to) - (i == at) for i in range(4))
        for at, to in itertools.permutations(range(4), 2)
    ]
    for change in steps if FULL else steps[::3]:
        other = tuple(max(0, n + d) for n, d in zip(programme, change, strict=True))
        exact = evaluated(other, comparison, unit)
        table = control_table(exact.results[NAME].table("pairs:programme"), rules)
        if other != programme and table == mine.results[NAME].table("pairs:programme"):
            alike += 1
            theirs = release_evaluation(exact, policy)
            assert theirs.results[NAME] == mine.results[NAME]
    assert alike or policy == "ons_acro"


@pytest.mark.parametrize("policy", ["opensafely", "ons_acro"])
def test_no_small_count_of_the_site_can_be_worked_out(site, policy):
    rules = disclosure.POLICIES[policy]
    lowest = 0 if rules.suppress_zero else 1
    done = release_evaluation(site, policy)
    tables = [*done.tables, *(t for r in done.results.values() for t in r.tables)]
    spans = [span for table in tables for span in disclosure.audit(table)]
    assert spans
    for key, low, high in spans:
        assert high is None or high > low or not lowest <= low <= rules.suppress_up_to, key


def test_the_exact_policies_pass_the_exact_results(site):
    done = release_evaluation(site, "internal")
    assert done.results.keys() == site.results.keys()
    for name in site.results:
        assert done.results[name].estimates == site.results[name].estimates
    with pytest.raises(DisclosureError, match="public source"):
        release_evaluation(site, "public_data")
    with pytest.raises(DisclosureError, match='Nearest: "opensafely"'):
        release_evaluation(site, "opensafly")


def test_the_disclosure_statement_counts_what_is_hidden(site):
    done = release_evaluation(site, "opensafely")
    text = next(c.text for c in done.checks if c.name == "disclosure")
    reasons = hidden_reasons(site, done)
    # Groups of few people are told of together, so that no line of theirs is left to hide.
    lines = [r for r in reasons if "of few people" not in r["reason"]]
    assert f"{len(lines)} of " in text
    assert {
        "small count",
        "would give a small count back",
        "small count, nobody, or would give one back",
    } >= {r["reason"] for r in lines}


def test_clustered_effects_keep_their_width_in_the_release():
    tables = generate("drive_pilot", 3, n=900, rows_per_person=3)
    study = Study(tables=tables, source="synthetic")
    plan = Plan.model_validate(
        {**BODY, "design": {"kind": "comparison_group", "unit": "enrolment"}}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DesignWarning)
        exact = run(plan, study)
    done = release_evaluation(exact, "opensafely")
    wanted = {"measure": "risk_difference", "group": "comparison", "term": ""}
    before, after = exact.results[NAME].one(**wanted), done.results[NAME].one(**wanted)
    assert "widest" not in after.method
    assert after.conf_high - after.conf_low == pytest.approx(
        before.conf_high - before.conf_low, rel=0.1
    )
    assert "not_recomputed" in {c.name for c in done.results[NAME].checks}


def test_missing_people_are_counted_in_the_same_table_as_the_pairs(site):
    table = site.results[NAME].table("pairs:programme")
    parts = sum(table["missing", k] for k in ("only before", "only after", "never"))
    assert table["all", "referred"] == table["all", "measured at both"] + parts


def test_a_released_evaluation_is_not_released_twice(site):
    done = release_evaluation(site, "opensafely")
    with pytest.raises(DisclosureError, match="was controlled under opensafely before"):
        release_evaluation(dataclasses.replace(done, policy=""), "opensafely")


def plan_with(**sections) -> Plan:
    outcomes = [{"kind": "behaviour", "reporter": "idva", "abuse_types": ["physical"]}]
    return Plan.model_validate({**BODY, "outcomes": outcomes, **sections})


class TestAdjusted:
    """A contrast adjusted for covariates does not follow from the counts."""

    def study(self, rare):
        study = study_of((40, 60, 30, 40), (60, 40, 30, 40))
        cases = study.tables["cases"]
        sex = ["female" if i % rare == 0 else "male" for i in range(len(cases))]
        tables = {**study.tables, "cases": cases.assign(sex=sex)}
        return dataclasses.replace(study, tables=tables)

    def both(self, rare):
        exact = run(plan_with(comparison={"covariates": ["sex"]}), self.study(rare))
        return exact.results[NAME], release_evaluation(exact, "opensafely").results[NAME]

    def after(self, result):
        return next(
            e
            for e in result.estimates
            if e.measure == "risk_difference" and not e.group and e.contrast.endswith("after")
        )

    def test_it_is_released_to_two_digits(self):
        exact, done = self.both(rare=3)
        assert self.after(done).estimate == float(f"{self.after(exact).estimate:.2g}")
        assert self.after(done).std_error is None
        assert "two digits" not in done.summary()

    def coded(self, values):
        study = self.study(rare=3)
        cases = study.tables["cases"].assign(prior=values)
        study = dataclasses.replace(study, tables={**study.tables, "cases": cases})
        exact = run(plan_with(comparison={"covariates": ["prior"]}), study)
        return exact.results[NAME], release_evaluation(exact, "opensafely").results[NAME]

    def test_a_number_with_a_few_rare_values_is_one_slope(self):
        exact, done = self.coded([9 if i in (2, 200) else i % 3 for i in range(340)])
        assert exact.check("covariate_cells").statistic > 7
        assert self.after(done).estimate == float(f"{self.after(exact).estimate:.2g}")

    def test_a_number_whose_slope_is_made_by_few_people_stays_inside(self):
        exact, done = self.coded([0 if i % 13 else 1 + i // 13 % 3 for i in range(340)])
        assert exact.check("covariate_cells").statistic <= 7
        assert self.after(exact).estimate is not None
        hidden = [e for e in done.estimates if e.measure == "risk_difference" and not e.group]
        assert hidden
        assert all(e.estimate is None for e in hidden)

    def test_it_stays_inside_when_a_category_has_few_people(self):
        exact, done = self.both(rare=40)
        text = next(c.text for c in done.checks if c.name == "below_floor")
        assert 'category of "sex"' in text
        assert "Merge rare categories" in text
        assert self.after(exact).estimate is not None
        hidden = [e for e in done.estimates if e.measure == "risk_difference" and not e.group]
        assert all(e.estimate is None for e in hidden)
        assert "below_floor" in {c.name for c in done.checks}
        assert done.one(measure="ratio_of_ratios").estimate is not None


def test_a_second_threshold_on_the_same_ratings_is_withheld():
    block = {"kind": "behaviour", "reporter": "idva", "abuse_types": ["physical"]}
    plan = plan_with(outcomes=[block, {**block, "threshold": "high"}])
    exact = run(plan, study_of((40, 160, 16, 90), (60, 40, 21, 70)))
    done = release_evaluation(exact, "opensafely")
    second = done.results["physical:idva:intake-exit:high"]
    assert all(e.estimate is None for e in second.estimates)
    assert all(c.count is None for t in second.tables for c in t.cells)
    assert "the same ratings are counted from another severity" in second.checks[0].text
    assert done.results[NAME].one(measure="risk_ratio", group="programme").estimate is not None
    assert any(r["reason"] == "withheld whole" for r in hidden_reasons(exact, done))


RANDOMISED = {"kind": "randomised", "unit": "person", "max_missing_share": 0.1}


class TestClaims:
    def study(self, missing):
        study = study_of((40, 60, 30, 40), (60, 40, 30, 40))
        cases, ratings = study.tables["cases"], study.tables["assessments"]
        lost = cases["case_id"].iloc[:: 340 // missing] if missing else []
        gone = ratings["case_id"].isin(lost) & (ratings["time_point"] == "exit")
        tables = {
            "cases": cases.assign(allocated_arm=cases["arm"]),
            "assessments": ratings[~gone],
        }
        return dataclasses.replace(study, tables=tables)

    def claim(self, study, **sections):
        exact = run(plan_with(**{"design": RANDOMISED, **sections}), study)
        done = release_evaluation(exact, "opensafely")
        return tuple(r.results[NAME].one(measure="ratio_of_ratios").claim for r in (exact, done))

    def test_release_never_raises_a_claim(self):
        order = ["associational", "causal"]
        for missing in (0, 10, 17, 30, 35, 40, 60):
            exact, done = self.claim(self.study(missing))
            assert order.index(done) <= order.index(exact), missing
        assert self.claim(self.study(0)) == ("causal", "causal")

    def test_leaving_cases_out_is_not_completeness(self):
        study = self.study(0)
        excluded = dataclasses.replace(
            study, excluded=80, excluded_by_arm={"programme": 40, "comparison": 40}
        )
        assert self.claim(excluded, cohort={"exclude": ["X"]}) == ("associational",) * 2

    @pytest.mark.filterwarnings("ignore::drive_eval.errors.DesignWarning")
    def test_enrolments_came_after_allocation(self):
        design = {**RANDOMISED, "unit": "enrolment"}
        assert self.claim(self.study(0), design=design) == ("associational",) * 2


def test_windows_that_differ_refuse_both_contrasts():
    study = study_of((40, 60, 30, 40), (60, 40, 30, 40))
    ratings, cases = study.tables["assessments"], study.tables["cases"]
    arm = ratings["case_id"].map(cases.set_index("case_id")["arm"])
    weeks = arm.map({"programme": 26, "comparison": 104}).where(ratings["time_point"] == "exit", 0)
    dated = ratings.assign(
        date=pd.Timestamp("2024-01-01") + pd.to_timedelta(weeks.astype(int) * 7, unit="D")
    )
    study = dataclasses.replace(study, tables={**study.tables, "assessments": dated})
    exact = run(plan_with(), study)
    for result in (exact.results[NAME], release_evaluation(exact, "opensafely").results[NAME]):
        between = [e for e in result.estimates if not e.group]
        assert between
        assert all(e.estimate is None and e.claim == "associational" for e in between)
    text = release_evaluation(exact, "opensafely").results[NAME].check("suppressed_contrast").text
    assert "the time between their two measures differs" in text


def test_nobody_at_intake_in_one_arm_leaves_the_difference_standing():
    exact = run(plan_with(), study_of((0, 0, 30, 70), (20, 30, 15, 35)))
    for result in (exact.results[NAME], release_evaluation(exact, "opensafely").results[NAME]):
        gap = result.one(measure="difference_in_differences")
        assert gap.estimate == pytest.approx(0.45, abs=0.02)
        assert result.one(measure="ratio_of_ratios").estimate is None


def test_a_category_coded_as_yes_and_no_is_looked_at_too():
    study = study_of((40, 60, 10, 90), (60, 40, 20, 90))
    cases = study.tables["cases"]
    disabled = pd.array([i < 2 for i in range(len(cases))], dtype="boolean")
    tables = {**study.tables, "cases": cases.assign(disabled=disabled)}
    study = dataclasses.replace(study, tables=tables)
    exact = run(plan_with(comparison={"covariates": ["disabled"]}), study)
    done = release_evaluation(exact, "opensafely").results[NAME]
    assert exact.results[NAME].check("covariate_cells").statistic <= 1
    assert done.one(measure="odds_ratio").estimate is None


def test_an_arm_that_was_never_measured_twice_is_not_called_too_small():
    study = study_of((40, 60, 10, 90), (60, 40, 20, 90))
    cases, ratings = study.tables["cases"], study.tables["assessments"]
    other = cases.loc[cases["arm"] == "comparison", "case_id"]
    gone = ratings["case_id"].isin(other) & (ratings["time_point"] == "exit")
    study = dataclasses.replace(study, tables={**study.tables, "assessments": ratings[~gone]})
    done = release_evaluation(run(plan_with(), study), "opensafely").results[NAME]
    between = [e for e in done.estimates if not e.group]
    assert {e.measure for e in between} >= {"ratio_of_ratios", "difference_in_differences"}
    assert all(e.estimate is None for e in between)
    checks = {c.name: c.text for c in done.checks if c.group == "comparison"}
    assert checks["undefined"] == "Nobody in this group has both measures."


def test_who_was_excluded_cannot_be_guessed_from_the_hash_of_the_plan(site):
    named = Plan.model_validate({**BODY, "cohort": {"exclude": ["C00017-1"]}})
    exact = dataclasses.replace(site, plan=named.to_dict(), plan_hash=named.sha256())
    for policy in ("internal", "opensafely", "ons_acro"):
        done = release_evaluation(exact, policy)
        assert done.plan["cohort"]["exclude"] == []
        assert done.plan_hash == PLAN.sha256() != exact.plan_hash
        assert "C00017-1" not in done.to_json()


def test_nobody_of_a_small_arm_counts_as_few():
    programme, comparison = (12, 20, 0, 9), (14, 14, 9, 10)
    table = released(programme, comparison).results[NAME].table("pairs:programme")
    assert table["pairs", "after_only"] is None
    assert table["change", "worsened"] is None
    assert table["users", "before"] == 30
    larger = [2 * count for count in programme]
    table = released(larger, comparison).results[NAME].table("pairs:programme")
    assert table["pairs", "after_only"] == table["change", "worsened"] == 0
    text = next(c.text for c in released(programme, comparison).checks if c.name == "disclosure")
    assert "in an arm of fewer than 60 people, nobody counts as few" in text


def test_everybody_of_a_small_arm_is_hidden_with_nobody():
    """That all 24 stopped is that nobody of them went on."""
    table = released((0, 24, 0, 16), (14, 14, 9, 10)).results[NAME].table("pairs:programme")
    spans = {key: (low, high) for key, low, high in disclosure.audit(table)}
    assert table["users", "after"] is None
    low, high = spans["users", "after"]
    assert low == 0
    assert high > 0
