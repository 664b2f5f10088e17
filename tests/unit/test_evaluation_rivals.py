"""Rival explanations, reporters and the ledger in an evaluation."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest

from drive_eval.data.study import Study, load_study
from drive_eval.errors import DesignError
from drive_eval.evaluation import check, run
from drive_eval.models import sensitivity
from drive_eval.plan import Plan
from drive_eval.results import Evaluation

PHYSICAL = "physical:idva:intake-exit"
IDVA = {"kind": "behaviour", "reporter": "idva", "abuse_types": ["physical"]}
MANAGER = {**IDVA, "reporter": "case_manager", "primary": False}
HIT = {"kind": "binary", "name": "hit", "column": "hit", "primary": False}
COLUMNS = {"hit": "boolean", "tier": "integer"}
PAIRS = {"name": "pairs", "method": "nearest", "covariates": ["tier"]}


def plan_of(*outcomes, folder="extract", kind="comparison_group", unit="person", **more) -> Plan:
    return Plan.model_validate(
        {
            "evaluation": {"title": "Rivals"},
            "data": {"folder": str(folder), "columns": {"cases": COLUMNS}},
            "design": {"kind": kind, "unit": unit},
            "outcomes": list(outcomes),
            **more,
        }
    )


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    """120 people an arm: 80 used it before; 20 (programme) and 50 after; exits missing of some."""
    rng = np.random.default_rng(3)
    n = 240
    arm = np.repeat(["programme", "comparison"], n // 2)
    place = np.tile(np.arange(n // 2), 2)
    before = place < 80
    after = np.where(arm == "programme", place % 4 == 0, place % 8 < 5) & before
    known = place % 10 != 9
    cases = pd.DataFrame(
        {
            "case_id": [f"C{i:03d}" for i in range(n)],
            "perpetrator_id": [f"P{i:03d}" for i in range(n)],
            "arm": arm,
            "index_date": "2024-01-01",
            "site": np.array(["north", "south", "west"])[place % 3],
            "age": rng.integers(20, 60, n),
            "tier": rng.integers(0, 4, n),
            "hit": [None if i % 12 == 0 else bool(x) for i, x in enumerate(after)],
        }
    )
    ratings = []
    for i in range(n):
        ratings.append((i, "intake", "idva", before[i]))
        if known[i]:
            ratings.append((i, "exit", "idva", after[i]))
        if arm[i] == "programme":
            # The case manager misses every fifth user at intake, and every second at exit.
            ratings.append((i, "intake", "case_manager", before[i] and place[i] % 5 > 0))
            ratings.append((i, "exit", "case_manager", after[i] and place[i] % 8 == 0))
    table = pd.DataFrame(
        [
            (f"C{i:03d}", when, who, "physical", "high" if used else "none")
            for i, when, who, used in ratings
        ],
        columns=["case_id", "time_point", "reporter", "abuse_type", "severity"],
    )
    folder = tmp_path_factory.mktemp("rivals")
    cases.to_csv(folder / "cases.csv", index=False)
    table.to_csv(folder / "assessments.csv", index=False)
    return load_study(plan_of(IDVA, folder=folder))


RULES = {
    "missing_covariates": ["age"],
    "subgroups": ["site"],
    "delta": [1, 2, 4],
    "imputations": 5,
}


@pytest.fixture(scope="module")
def evaluation(study) -> Evaluation:
    return run(plan_of(IDVA, MANAGER, HIT, sensitivity=RULES), study)


@pytest.fixture(scope="module")
def rivals(evaluation):
    return evaluation.results[f"rivals:{PHYSICAL}"]


def sentence(result, what, group=""):
    found = [c for c in result.checks if c.name == f"rival:{what}" and c.group == group]
    assert len(found) == 1, (what, group)
    return found[0]


class TestWithinAnArm:
    def test_bounds_hold_the_fall_as_measured(self, evaluation, rivals):
        ends = {
            name: rivals.one(
                measure="percent_reduction", group="programme", term=f"{name} (users)"
            ).estimate
            for name in ("worst case", "as observed", "best case")
        }
        main = evaluation.results[PHYSICAL].one(measure="percent_reduction", group="programme")
        assert ends["as observed"] == main.estimate
        assert ends["worst case"] < main.estimate < ends["best case"]
        # 12 of 120 have no exit; of 80 users before, 18 are known to go on.
        known = main.n_events
        assert ends["worst case"] == pytest.approx(100 * (1 - (known + 12) / 80))
        text = sentence(rivals, "missing", "programme").text
        assert "all of the 12 of 120 not rated a second time" in text

    def test_every_delta_is_tried_and_more_abuse_means_less_of_a_fall(self, rivals):
        falls = [
            rivals.one(
                measure="percent_reduction",
                group="comparison",
                term=f"imputed, odds × {odds} (users)",
            ).estimate
            for odds in (1, 2, 4)
        ]
        assert falls == sorted(falls, reverse=True)
        assert "4 times these odds" in sentence(rivals, "imputed", "comparison").text

    def test_weights_tipping_and_over_optimism(self, rivals):
        labels = {"group": "programme"}
        assert rivals.one(measure="percent_reduction", term="weighted (users)", **labels).conf_low
        assert rivals.one(measure="tipping_point", term="point", **labels).n == 12
        point = rivals.one(measure="over_optimism", term="point", **labels).estimate
        fall = rivals.one(measure="percent_reduction", term="as observed (users)", **labels)
        assert point == pytest.approx(fall.estimate)
        for what in ("weighted", "tipping", "misreporting", "one_site", "power", "verdict"):
            assert sentence(rivals, what, "programme").text.endswith(".")

    def test_a_fall_corrected_for_over_optimism_is_the_models(self, rivals):
        fall = rivals.one(
            measure="percent_reduction", group="programme", term="20 % over-optimistic (users)"
        )
        pairs = pd.DataFrame(
            {
                "before": [True] * fall.n_events_reference
                + [False] * (fall.n_reference - fall.n_events_reference),
                "after": [True] * fall.n_events + [False] * (fall.n - fall.n_events),
            }
        )
        wanted = sensitivity.misreporting(
            pairs, before="before", after="after", sensitivity_after=0.8
        ).one(measure="percent_reduction")
        assert fall.estimate == pytest.approx(wanted.estimate)
        assert fall.conf_low == pytest.approx(wanted.conf_low, abs=1e-6)

    def test_a_site_left_out(self, rivals):
        left = {
            e.subgroup
            for e in rivals.estimates
            if e.group == "programme" and e.subgroup.startswith("without")
        }
        assert left == {"without north", "without south", "without west"}

    def test_the_verdict_is_in_people_of_a_hundred(self, rivals):
        verdict = sentence(rivals, "verdict", "programme")
        assert verdict.threshold == 5
        assert re.match(
            r"Clear reduction: between \d+ and \d+ fewer in every 100, all of it", verdict.text
        )


class TestBetweenArms:
    def test_the_comparison_arm_says_what_was_to_be_expected(self, evaluation, rivals):
        main = evaluation.results[PHYSICAL]
        falls = {
            arm: main.one(measure="percent_reduction", group=arm, term="users").estimate
            for arm in ("programme", "comparison")
        }
        assert rivals.one(measure="observed_fall").estimate == pytest.approx(falls["programme"])
        assert rivals.one(measure="expected_fall").estimate == pytest.approx(falls["comparison"])
        assert rivals.one(measure="fall_beyond").group == ""
        assert "larger than was to be expected" in sentence(rivals, "regression_to_the_mean").text

    def test_bounds_of_the_difference(self, rivals):
        ends = [
            rivals.one(measure="risk_difference", term=term, group="").estimate
            for term in ("best case", "Lee lower", "as observed", "Lee upper", "worst case")
        ]
        # As many were measured in either arm, so Lee's bounds meet.
        assert ends[1:4] == [pytest.approx(ends[2])] * 3
        assert ends[0] < ends[2] < ends[4]

    def test_kinds_of_people_are_named_by_their_column(self, rivals):
        gap = rivals.one(measure="difference_of_differences", term="site: south v site: north")
        assert gap.conf_low < gap.estimate < gap.conf_high
        assert "programme minus comparison by site" in sentence(rivals, "subgroup").text
        assert rivals.one(measure="risk_difference", subgroup="site: west").p_value is None

    def test_no_estimate_stands_twice(self, evaluation):
        for name, result in evaluation.results.items():
            keys = [
                (e.measure, e.term, e.group, e.subgroup, e.time, e.reporter, e.contrast)
                for e in result.estimates
            ]
            assert len(set(keys)) == len(keys), name

    def test_every_sentence_is_one(self, evaluation):
        for name, result in evaluation.results.items():
            said = [c for c in result.checks if c.name.startswith("rival:")]
            keys = [(c.name, c.group) for c in said]
            assert len(set(keys)) == len(keys), name
            assert all(c.text for c in said)

    def test_a_binary_outcome_is_imputed_in_both_arms_and_in_one(self, evaluation):
        rivals = evaluation.results["rivals:hit"]
        both = rivals.one(measure="risk_difference", term="imputed, odds × 2")
        one = rivals.one(measure="risk_difference", term="imputed, odds × 2 in the programme")
        assert one.estimate > both.estimate  # more of the programme alone is worse for it
        assert "of people alike who were measured" in sentence(rivals, "imputed").text
        assert sentence(rivals, "verdict").threshold == 5

    def test_a_negative_outcome_has_none(self, study):
        negative = {**HIT, "negative": True}
        found = run(plan_of(IDVA, negative, sensitivity=RULES), study).results
        assert "rivals:hit" not in found


class TestOtherDesigns:
    def test_one_arm_has_nothing_to_go_by(self, study):
        cases = study.table("cases")
        alone = cases[cases["arm"] == "programme"].reset_index(drop=True)
        one = dataclasses.replace(study, tables={**study.tables, "cases": alone})
        rivals = run(plan_of(IDVA, kind="before_after"), one).results[f"rivals:{PHYSICAL}"]
        assert {e.group for e in rivals.estimates} == {"programme"}
        assert "neither a comparison group" in sentence(rivals, "regression_to_the_mean").text

    def test_a_matched_comparison_keeps_its_own_verdict(self, study):
        plan = plan_of(IDVA, kind="matched", balancing=[PAIRS])
        found = run(plan, study).results
        rivals = found[f"rivals:{PHYSICAL}"]
        gap = found[PHYSICAL].one(measure="risk_difference", term="pairs")
        assert sentence(rivals, "verdict").statistic == pytest.approx(100 * gap.estimate)
        assert "Not worked out within a matched" in sentence(rivals, "missing").text

    def test_clusters_take_the_intervals_of_models_that_know_of_none(self, study):
        plan = plan_of(IDVA, unit="enrolment", sensitivity=RULES)
        rivals = run(plan, study).results[f"rivals:{PHYSICAL}"]
        labels = {"measure": "percent_reduction", "group": "programme"}
        imputed = rivals.one(term="imputed, odds × 2 (users)", **labels)
        assert (imputed.conf_low, imputed.p_value) == (None, None)
        assert imputed.estimate is not None
        assert rivals.one(term="weighted (users)", **labels).conf_low is not None
        said = [c.text for c in rivals.checks if c.name == "tipping: clusters"]
        assert said
        assert "knows of no clusters" in said[0]

    def test_the_same_seed_gives_the_same_numbers_whatever_stands_beside(self, study, rivals):
        alone = run(plan_of(IDVA, sensitivity=RULES), study).results[f"rivals:{PHYSICAL}"]
        assert alone.to_frame().equals(rivals.to_frame())
        other = run(plan_of(IDVA, sensitivity={**RULES, "seed": 2}), study)
        assert not other.results[f"rivals:{PHYSICAL}"].to_frame().equals(rivals.to_frame())

    def test_without_imputations(self, study):
        plan = plan_of(IDVA, sensitivity={"imputations": 0, "leave_one_out": ""})
        rivals = run(plan, study).results[f"rivals:{PHYSICAL}"]
        names = {c.name for c in rivals.checks}
        assert "rival:imputed" not in names
        assert "rival:one_site" not in names


class TestReporters:
    def test_agreement_and_whose_word_is_taken(self, evaluation):
        found = evaluation.results["reporters:physical:intake-exit"]
        table = found.table("discordance:intake")
        # The programme's 80 users at intake; every fifth missed by the case manager.
        assert (table["both"], table["idva_only"], table["case_manager_only"]) == (64, 16, 0)
        assert table["neither"] == 40
        ratio = found.one(measure="risk_ratio", subgroup="intake")
        assert ratio.estimate == pytest.approx(80 / 64)
        assert found.one(measure="kappa", subgroup="exit").estimate < 1
        falls = {
            e.reporter: e.estimate for e in found.estimates if e.measure == "percent_reduction"
        }
        assert set(falls) == {"idva", "case_manager", "either", "both"}
        # All that the case manager saw the IDVA saw, so either is the IDVA and both the other.
        assert falls["either"] == falls["idva"]
        assert falls["both"] == falls["case_manager"]
        assert {e.group for e in found.estimates} == {"", "programme"}

    def test_one_reporter_has_nobody_to_agree_with(self, study):
        found = run(plan_of(IDVA), study).results
        assert not any(name.startswith("reporters:") for name in found)


class TestLedger:
    def test_holm_among_primary_tests_and_the_rest_apart(self, evaluation):
        ledger = evaluation.results["ledger"]
        tests = [c for c in ledger.checks if c.name == "test"]
        primary = [c for c in tests if c.passed]
        assert [c.outcome for c in primary] == [PHYSICAL]
        assert "Holm among 1 primary test" in primary[0].text
        assert primary[0].text.startswith("difference in differences")
        others = [c for c in tests if not c.passed]
        assert all(f"Benjamini–Hochberg among {len(others)} other" in c.text for c in others)
        assert all(c.statistic >= c.p_value for c in tests if c.p_value is not None)
        assert ledger.check("tests").statistic == len(tests)
        # Whether kinds differ is a question of its own; imputations ask the same one again.
        assert sum(c.outcome.startswith("rivals:") for c in tests) == 2

    def test_measures_of_one_effect_are_one_test(self, evaluation):
        tests = evaluation.results["ledger"].checks
        own = [c for c in tests if c.outcome == "hit"]
        assert [c.text.partition(",")[0] for c in own] == ["risk difference"]

    def test_a_run_is_read_back_with_all_of_it(self, evaluation):
        again = Evaluation.from_json(evaluation.to_json())
        assert again.results["ledger"].checks == evaluation.results["ledger"].checks
        assert again.provenance.seed == 1


class TestFaults:
    @pytest.mark.parametrize(
        ("section", "said"),
        [
            ({"leave_one_out": "sites"}, r'leave_one_out: "sites" is no column.*"site"'),
            ({"subgroups": ["sit"]}, r'subgroups: "sit" is no column.*"site"'),
            ({"missing_covariates": ["ages"]}, r'missing_covariates: "ages" is no.*"age"'),
            ({"missing_covariates": ["hit"]}, r'"hit" is blank in 20 of 240 rows'),
            ({"subgroups": ["event"]}, r'"event" is no column'),
        ],
    )
    def test_columns_are_named_with_the_nearest(self, study, section, said):
        with pytest.raises(DesignError, match=said):
            check(plan_of(IDVA, sensitivity=section), study)

    def test_a_column_with_one_value(self, study):
        flat = study.table("cases").assign(area="one")
        one = dataclasses.replace(study, tables={**study.tables, "cases": flat})
        plan = plan_of(IDVA, sensitivity={"subgroups": ["area"]})
        with pytest.raises(DesignError, match='"area" has 1 different values; 2 to 100'):
            check(plan, one)

    def test_a_column_of_the_evaluations_own(self, study):
        own = study.table("cases").assign(event=True)
        one = dataclasses.replace(study, tables={**study.tables, "cases": own})
        plan = plan_of(IDVA, sensitivity={"subgroups": ["event"]})
        with pytest.raises(DesignError, match='"event" is what the evaluation calls'):
            check(plan, one)

    def test_no_site_is_no_fault(self, study):
        bare = study.table("cases").drop(columns="site")
        one = dataclasses.replace(study, tables={**study.tables, "cases": bare})
        assert check(plan_of(IDVA), one)
