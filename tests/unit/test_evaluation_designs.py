"""Plans that match or weight: made before an outcome is read, then given every outcome."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import drive_eval as de
from drive_eval.data.schema import validate
from drive_eval.data.study import Study, load_study, save_tables
from drive_eval.data.synthetic import synthetic_study
from drive_eval.errors import DesignError
from drive_eval.evaluation import check, designs, run
from drive_eval.evaluation.designs import CONTRAST, make_designs
from drive_eval.measures.case_table import cohort_units
from drive_eval.models import matching
from drive_eval.plan import Plan
from drive_eval.results import Evaluation

COLUMNS = {
    "risk_tier": "integer",
    "region": "category",
    "married": "boolean",
    "hit": "boolean",
    "traffic": "boolean",
    "counted_on": "date",
}
COVARIATES = ["age", "prior_incidents_12m", "married"]
HIT = {"kind": "binary", "name": "hit", "column": "hit"}
TRAFFIC = {"kind": "binary", "name": "traffic", "column": "traffic", "negative": True}
PAIRS = {"name": "pairs", "method": "nearest", "covariates": COVARIATES}
WEIGHTS = {"name": "weights", "method": "propensity_weights", "covariates": COVARIATES}
OTHERS = [
    {"name": "overlap", "method": "propensity_weights", "covariates": ["age"], "estimand": "ato"},
    {"name": "entropy", "method": "entropy_balance", "covariates": COVARIATES},
    {"name": "classes", "method": "subclass", "covariates": COVARIATES, "subclasses": 3},
    {"name": "coarse", "method": "cem", "covariates": ["married", "region"]},
    {"name": "again", "method": "nearest", "covariates": ["age"], "replace": True, "ratio": 2},
]


def cases_of(programme=70, comparison=210, *, seed=1) -> pd.DataFrame:
    """Draw cases whose programme arm was worse beforehand."""
    rng = np.random.default_rng(seed)
    n = programme + comparison
    t = np.arange(n) < programme
    return pd.DataFrame(
        {
            "case_id": [f"C{i:05d}" for i in range(n)],
            "perpetrator_id": [f"P{i:05d}" for i in range(n)],
            "arm": np.where(t, "programme", "comparison"),
            "index_date": "2024-03-01",
            "age": rng.integers(18, 60, n) + 2 * t,
            "prior_incidents_12m": rng.poisson(1.2 + 0.6 * t),
            "risk_tier": rng.choice([0, 1, 2], n, p=[0.5, 0.3, 0.2]),
            "region": rng.choice(["north", "south", "west"], n, p=[0.4, 0.4, 0.2]),
            "married": rng.random(n) < 0.4 + 0.1 * t,
            "hit": rng.random(n) < 0.45 - 0.1 * t,
            "traffic": rng.random(n) < 0.3,
            "counted_on": "2024-02-01",
        }
    )


def study_of(cases: pd.DataFrame, folder) -> Study:
    """Write the cases and read them back as a study, as an evaluator would."""
    folder.mkdir(parents=True, exist_ok=True)
    cases.to_csv(folder / "cases.csv", index=False)
    return load_study(plan_of(folder=str(folder)))


def plan_of(*blocks, outcomes=(HIT,), folder="extract", kind="", unit="person", **sections) -> Plan:
    blocks = blocks or (PAIRS,)
    first = blocks[0]["method"]
    kind = kind or ("matched" if first in ("nearest", "subclass", "cem") else "weighted")
    return Plan.model_validate(
        {
            "evaluation": {"title": "Matched by hand"},
            "data": {"folder": folder, "columns": {"cases": COLUMNS}},
            "design": {"kind": kind, "unit": unit},
            "balancing": list(blocks),
            "outcomes": list(outcomes),
            **sections,
        }
    )


@pytest.fixture
def study(tmp_path) -> Study:
    return study_of(cases_of(), tmp_path / "extract")


def terms(result) -> list[str]:
    """Return the designs that have contrasts, in their order."""
    found = [e.term.partition(" (")[0] for e in result.estimates if e.measure in CONTRAST]
    return list(dict.fromkeys(name for name in found if name))


class TestNoOutcomeHasASay:
    def test_the_table_handed_to_matching_holds_no_outcome(self, study, monkeypatch):
        seen = []
        for name in ("nearest", "subclass", "cem", "propensity_weights", "entropy_balance"):
            real = getattr(matching, name)

            def spied(table, real=real, **arguments):
                seen.append(set(table.columns))
                return real(table, **arguments)

            monkeypatch.setattr(designs.matching, name, spied)
        run(plan_of(PAIRS, WEIGHTS, *OTHERS, outcomes=[HIT, TRAFFIC]), study)
        allowed = {*COVARIATES, "region", "perpetrator_id", "group", "person"}
        # Seven designs; and the main one again in the order of the table and in 50 others.
        assert len(seen) == 7 + 51
        assert all(columns <= allowed for columns in seen)

    def test_designs_are_the_same_byte_for_byte_whatever_the_outcomes(self, tmp_path):
        plan = plan_of(PAIRS, WEIGHTS, *OTHERS)
        cases = cases_of()
        worlds = [
            cases,
            cases.assign(hit=cases["hit"].sample(frac=1, random_state=3).to_numpy()),
            cases.assign(hit=~cases["hit"], traffic=None),
            cases.assign(hit=None, traffic=None),
        ]
        made = []
        for number, world in enumerate(worlds):
            table = study_of(world, tmp_path / str(number)).tables["cases"]
            units = cohort_units(table, unit="person")
            made.append(
                {
                    name: (
                        design.table.drop(columns=["hit", "traffic"], errors="ignore").to_json(),
                        repr(design.balance),
                        design.describe(),
                    )
                    for name, design in make_designs(plan, units).items()
                }
            )
        assert all(world == made[0] for world in made[1:])

    def test_they_are_made_before_any_outcome_is_evaluated(self, study, monkeypatch):
        order = []
        real = designs.make_designs
        monkeypatch.setattr(
            designs, "make_designs", lambda *a: (order.append("designs"), real(*a))[1]
        )
        run(plan_of(outcomes=[HIT, TRAFFIC]), study, progress=lambda *_: order.append("outcome"))
        # Two outcomes, and the rival explanations of the one that the programme may change.
        assert order == ["designs", "outcome", "outcome", "outcome"]


class TestUnits:
    def people(self, tmp_path) -> Study:
        """Every comparison person has three index dates, far apart."""
        cases = cases_of(60, 240)
        comparison = cases["arm"] == "comparison"
        number = np.arange(len(cases)) - 60
        cases.loc[comparison, "perpetrator_id"] = [f"Q{i // 3}" for i in number[comparison]]
        cases.loc[comparison, "index_date"] = [
            ("2024-03-01", "2024-09-01", "2025-03-01")[i % 3] for i in number[comparison]
        ]
        return study_of(cases, tmp_path / "people")

    @pytest.mark.parametrize("ratio", [1, 2])
    def test_a_comparison_person_with_several_index_dates_is_used_once(self, tmp_path, ratio):
        study = self.people(tmp_path)
        plan = plan_of({**PAIRS, "ratio": ratio}, unit="enrolment")
        units = cohort_units(study.tables["cases"], unit="enrolment")
        design = make_designs(plan, units)["pairs"]
        used = units.loc[design.table.index]
        used = used.loc[used["group"] == "comparison", "perpetrator_id"]
        assert used.is_unique
        assert len(used) > 50

    def test_by_person_only_the_first_index_date_is_in_the_pool(self, tmp_path):
        study = self.people(tmp_path)
        result = run(plan_of(), study).results["balance:pairs"]
        assert result.tables[0]["comparison", "all"] == 80

    def test_by_enrolment_the_whole_pool_is(self, tmp_path):
        study = self.people(tmp_path)
        found = run(plan_of(unit="enrolment"), study)
        assert found.results["balance:pairs"].tables[0]["comparison", "all"] == 240
        # One person's enrolments are not independent of each other.
        gap = found.results["hit"].one(measure="risk_difference", term="crude")
        assert "cluster" in gap.method


class TestOutcomes:
    @pytest.mark.parametrize("main", [PAIRS, WEIGHTS])
    def test_binary_outcomes_have_the_crude_and_every_designs_rows(self, study, main):
        rest = [b for b in (PAIRS, WEIGHTS, *OTHERS) if b is not main]
        result = run(plan_of(main, *rest), study).results["hit"]
        assert terms(result) == ["crude", *[b["name"] for b in (main, *rest)]]
        for term in terms(result):
            for measure in CONTRAST:
                name = f"{term} (users)" if measure == "percent_reduction" else term
                e = result.one(measure=measure, term=name)
                assert e.estimate is not None, name
                descriptive = measure in ("risk_treated", "risk_comparison")
                assert e.claim == ("descriptive" if descriptive else "associational")
        assert result.one(measure="e_value", term=main["name"]).estimate > 1
        assert "the design is" in result.check("claim").text

    def test_matched_risks_are_those_of_the_matched(self, study):
        plan = plan_of()
        units = cohort_units(study.tables["cases"], unit="person")
        kept = units.loc[make_designs(plan, units)["pairs"].table.index]
        result = run(plan, study).results["hit"]
        for measure, group in (("risk_treated", "programme"), ("risk_comparison", "comparison")):
            arm = kept.loc[kept["group"] == group, "hit"].astype(bool)
            found = result.one(measure=measure, term="pairs")
            assert found.estimate == pytest.approx(arm.mean())
            assert (found.n, found.n_events) == (len(arm), int(arm.sum()))

    @pytest.mark.parametrize("main", [PAIRS, WEIGHTS])
    def test_behaviours_and_judgements_in_a_balanced_plan(self, main):
        study = synthetic_study("site", seed=1)
        block = {**main, "covariates": ["age", "prior_incidents_12m", "dash_score"]}
        behaviour = {"kind": "behaviour", "reporter": "idva", "abuse_types": ["physical"]}
        plan = plan_of(block, outcomes=[behaviour, {"kind": "perceived_change"}])
        found = run(plan, study)
        physical = found.results["physical:idva:intake-exit"]
        after = physical.one(measure="risk_difference", term=block["name"])
        assert after.contrast == "programme v comparison, after"
        assert physical.one(measure="percent_reduction", group="programme").claim == "descriptive"
        assert not [e for e in physical.estimates if e.measure == "ratio_of_ratios"]
        assert physical.one(measure="e_value").estimate is not None
        judged = found.results["perceived_change:idva:exit"]
        assert set(terms(judged)) >= {"crude", block["name"]}
        assert judged.one(measure="e_value").estimate is not None
        gammas = [e for e in physical.estimates if e.measure == "p_upper"]
        assert bool(gammas) == (main is PAIRS)

    def test_a_behaviour_that_the_case_manager_rates_has_nothing_to_compare(self):
        study = synthetic_study("site", seed=1)
        behaviour = {"kind": "behaviour", "reporter": "case_manager", "abuse_types": ["physical"]}
        block = {**PAIRS, "covariates": ["age", "prior_incidents_12m"]}
        result = run(plan_of(block, outcomes=[behaviour]), study).results
        found = result["physical:case_manager:intake-exit"]
        for term in ("crude", "pairs"):
            assert found.one(measure="risk_difference", term=term).estimate is None
        assert "nothing to set against each other" in found.check("refused").text

    def test_a_negative_outcome_has_its_margin_and_neither_e_value_nor_bounds(self, study):
        result = run(plan_of(outcomes=[HIT, {**TRAFFIC, "margin": 0.5}]), study).results["traffic"]
        said = result.check("negative_outcome")
        assert said.passed is True
        assert "0.5" in said.text
        measures = {e.measure for e in result.estimates}
        assert not measures & {"e_value", "e_value_limit", "p_upper", "gamma_at_alpha"}

    @pytest.mark.parametrize(
        ("block", "bounds"),
        [
            (PAIRS, True),
            ({**PAIRS, "ratio": 2}, False),
            ({**PAIRS, "replace": True}, False),
            (OTHERS[2], False),
            (WEIGHTS, False),
        ],
    )
    def test_bounds_are_those_of_pairs_alone(self, study, block, bounds):
        result = run(plan_of(block), study).results["hit"]
        assert any(e.measure == "p_upper" for e in result.estimates) is bounds

    def test_the_outcome_model_may_hold_covariates_that_were_not_matched_on(self, study):
        plan = plan_of(PAIRS, comparison={"covariates": ["region"]})
        adjusted = run(plan, study).results["hit"].one(measure="risk_difference", term="pairs")
        plain = run(plan_of(), study).results["hit"].one(measure="risk_difference", term="pairs")
        assert "g-computation" in adjusted.method
        assert adjusted.estimate != plain.estimate


class TestMissing:
    def half_known(self, tmp_path, keep) -> Study:
        """Take the outcome away from one case of some of the pairs."""
        cases = cases_of()
        study = study_of(cases, tmp_path / "all")
        units = cohort_units(study.tables["cases"], unit="person")
        table = make_designs(plan_of(), units)["pairs"].table.join(units["case_id"])
        gone = table.loc[~keep(table), "case_id"]
        cases["hit"] = cases["hit"].astype(object).where(~cases["case_id"].isin(gone), None)
        return study_of(cases, tmp_path / "half")

    def test_who_has_no_outcome_is_counted_and_bounds_take_whole_pairs(self, tmp_path):
        study = self.half_known(
            tmp_path, lambda t: (t["matched_set"] % 3 > 0) | (t["group"] == "comparison")
        )
        result = run(plan_of(), study).results["hit"]
        one, two = (
            result.one(measure=m, term="pairs") for m in ("risk_treated", "risk_comparison")
        )
        assert one.n < two.n
        bound = result.one(measure="gamma_at_alpha")
        assert bound.n == one.n  # pairs with both outcomes
        lost = [c for c in result.checks if c.name == "missing_outcome"]
        assert lost
        assert all(c.statistic for c in lost)

    @pytest.mark.parametrize("main", [PAIRS, WEIGHTS])
    def test_an_arm_without_outcomes_leaves_every_row_empty_with_the_reason(self, tmp_path, main):
        cases = cases_of()
        cases["hit"] = cases["hit"].astype(object).where(cases["arm"] == "programme", None)
        plan = plan_of(main)
        result = run(plan, study_of(cases, tmp_path)).results["hit"]
        assert terms(result) == ["crude", main["name"]]
        assert all(e.estimate is None for e in result.estimates)
        said = [c.text for c in result.checks if c.name == "undefined"]
        assert said
        assert all("nobody of the comparison group has this outcome recorded" in t for t in said)

    def test_no_pair_with_both_outcomes_has_no_bounds(self, tmp_path):
        study = self.half_known(
            tmp_path, lambda t: (t["group"] == "programme") == (t["matched_set"] % 2 == 0)
        )
        result = run(plan_of(), study).results["hit"]
        assert result.one(measure="risk_difference", term="crude").estimate is not None
        assert not [e for e in result.estimates if e.measure == "p_upper"]

    def test_nobody_with_the_outcome(self, tmp_path):
        result = run(plan_of(), study_of(cases_of().assign(hit=False), tmp_path)).results["hit"]
        assert result.one(measure="risk_difference", term="pairs").estimate == 0
        assert result.one(measure="risk_ratio", term="pairs").estimate is None
        assert "none of" in result.check("rosenbaum").text

    def test_checks_of_designs_that_are_not_the_main_one_carry_its_name(self, tmp_path):
        cases = cases_of()
        cases["hit"] = cases["hit"].astype(object).where(cases["arm"] == "programme", None)
        result = run(plan_of(PAIRS, WEIGHTS), study_of(cases, tmp_path)).results["hit"]
        assert [c.group for c in result.checks if c.name == "undefined"] == ["crude", "", "weights"]


class TestRefusals:
    """`check` and `run` refuse with the same sentences, which say the fix."""

    @pytest.mark.parametrize(
        ("changes", "block", "sections", "said"),
        [
            (
                {"age": np.nan},
                PAIRS,
                {},
                '[[balancing]] "pairs": "age" of cases is blank in 280 of 280 rows (rows 2, 3, 4, '
                "5, 6, 7, 8, 9, 10, 11, …). Fill it by a stated rule, leave those cases out, or "
                "take it out of the block.",
            ),
            (
                {},
                {**PAIRS, "covariates": ["agee"]},
                {},
                '[[balancing]] "pairs": "agee" is no column of cases. Nearest: "age".',
            ),
            (
                {"weight": 1},
                {**PAIRS, "covariates": ["age", "weight"]},
                {},
                '[[balancing]] "pairs": "weight" is what the evaluation calls a column of its own. '
                "Rename the column of cases.",
            ),
            (
                {},
                {**PAIRS, "measured_on": {"age": "counted"}},
                {},
                'measured_on names "counted", which is no column of cases. Nearest: "counted_on".',
            ),
            (
                {},
                {**PAIRS, "measured_on": {"age": "region"}},
                {},
                'measured_on names "region", which does not hold dates. Declare it as "date"',
            ),
            (
                {},
                {**PAIRS, "caliper_sd": 1e-12, "covariates": ["age"], "exact": ["case_no"]},
                {},
                '[[balancing]] "pairs": none of the 70 programme cases found a match.',
            ),
            (
                {},
                {**PAIRS, "covariates": ["age", "treated"]},
                {},
                "is foretold without error for some people (separation) by: treated",
            ),
            (
                {},
                {**WEIGHTS, "trim": [0.98, 0.99]},
                {},
                '[[balancing]] "weights": trimming leaves nobody in the programme group',
            ),
        ],
    )
    def test_with_the_fix(self, tmp_path, changes, block, sections, said):
        cases = cases_of().assign(**changes)
        cases["case_no"] = range(len(cases))
        cases["treated"] = cases["arm"] == "programme"
        study = study_with_extras(cases, tmp_path, block, sections)
        plan = plan_of(block, folder=str(tmp_path), **sections)
        for door in (check, run):
            with pytest.raises(DesignError) as refusal:
                door(plan, study)
            assert said in str(refusal.value)

    @pytest.mark.parametrize("name", ["weight", "group", "outcome", "matched_set"])
    def test_a_column_of_ours_as_a_covariate_of_the_outcome_model(self, study, name):
        cases = study.tables["cases"]
        study = Study(tables={"cases": cases.assign(**{name: cases["age"]})}, source="by hand")
        plan = plan_of(comparison={"covariates": [name]})
        for door in (check, run):
            with pytest.raises(DesignError, match=f'"{name}" is what the evaluation calls a col'):
                door(plan, study)

    def test_a_covariate_dated_after_the_index_date(self, tmp_path):
        cases = cases_of()
        cases.loc[cases.index % 7 == 0, "counted_on"] = "2024-03-02"
        cases.loc[cases.index % 50 == 1, "counted_on"] = None
        block = {**PAIRS, "measured_on": {"prior_incidents_12m": "counted_on"}}
        study = study_of(cases, tmp_path)
        for door in (check, run):
            with pytest.raises(DesignError) as refusal:
                door(plan_of(block), study)
            late, blank = str(refusal.value).splitlines()
            assert late.startswith(
                '[[balancing]] "pairs": "prior_incidents_12m" of cases is dated (counted_on) after '
                "the index date in 40 of 280 rows (rows 2, 9, 16, 23, 30, 37, 44, 51, 58, 65, …). "
                "What came after the start may be an effect of the programme, so nothing is "
                "matched or weighted on it. Use the last value before the index date, or take it "
                "out of the block."
            )
            assert blank.startswith(
                '[[balancing]] "pairs": "prior_incidents_12m" of cases has no date (counted_on) in '
                "6 of 280 rows"
            )
            assert "Nothing shows that it came before the index date: fill the dates" in blank

    def test_on_the_index_date_is_not_after_it(self, tmp_path):
        cases = cases_of().assign(counted_on="2024-03-01")
        block = {**PAIRS, "measured_on": {"prior_incidents_12m": "counted_on"}}
        assert check(plan_of(block), study_of(cases, tmp_path)) == {"hit": 280}

    def test_dates_that_are_not_public(self, tmp_path):
        block = {**PAIRS, "measured_on": {"age": "counted_on"}}
        plan = plan_of(block)
        hidden = plan.data.model_copy(update={"index_date": "not_public"})
        plan = plan.model_copy(update={"data": hidden})
        with pytest.raises(DesignError, match="says that index dates are not public. Take meas"):
            check(plan, study_of(cases_of(), tmp_path))

    def test_the_command_line_says_the_same_twice(self, tmp_path):
        cases = cases_of()
        cases.loc[3, "age"] = np.nan
        study_of(cases, tmp_path / "extract")
        columns = "\n".join(f'{name} = "{kind}"' for name, kind in COLUMNS.items())
        (tmp_path / "evaluation.toml").write_text(
            '[evaluation]\ntitle = "T"\n[data]\nfolder = "extract"\n'
            f"[data.columns.cases]\n{columns}\n"
            '[design]\nkind = "matched"\nunit = "person"\n'
            '[[balancing]]\nname = "pairs"\nmethod = "nearest"\ncovariates = ["age", "married"]\n'
            '[[outcomes]]\nkind = "binary"\nname = "hit"\ncolumn = "hit"\n',
            encoding="utf-8",
        )
        said = []
        for command in ("check", "run"):
            done = subprocess.run(
                [sys.executable, "-m", "drive_eval.cli", command, str(tmp_path)],
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )
            assert done.returncode == 2
            said.append(" ".join(done.stderr.split()))
        wanted = '[[balancing]] "pairs": "age" of cases is blank in 1 of 280 rows'
        assert [text for text in said if wanted in text] == said
        assert not (tmp_path / "outputs").exists()


def study_with_extras(cases, folder, block, sections) -> Study:
    cases.to_csv(folder / "cases.csv", index=False)
    plan = plan_of(block, folder=str(folder), **sections)
    columns = {
        **COLUMNS, "case_no": "integer", "treated": "boolean", "weight": "integer"
    }  # fmt: skip
    kept = {name: kind for name, kind in columns.items() if name in cases}
    data = plan.data.model_copy(update={"columns": {"cases": kept}})
    return load_study(plan.model_copy(update={"data": data}))


class TestKindsOfColumns:
    @pytest.mark.parametrize(
        "covariates",
        [["risk_tier"], ["age", "region"], ["age", "married", "region", "risk_tier"]],
    )
    def test_codes_and_categories_and_flags(self, study, covariates):
        blocks = [
            {**b, "covariates": covariates} for b in (PAIRS, WEIGHTS, *OTHERS[1:2], *OTHERS[3:4])
        ]
        found = run(plan_of(*blocks), study)
        for block in blocks:
            shown = {e.term for e in found.results[f"balance:{block['name']}"].estimates}
            if "region" in covariates:
                assert {"region: north", "region: south", "region: west"} <= shown
            result = found.results["hit"]
            assert result.one(measure="risk_difference", term=block["name"]).estimate is not None

    @pytest.mark.parametrize("dtype", ["Int64", "Float64", "float32", "int8"])
    def test_nullable_and_small_numbers(self, study, dtype):
        plain = run(plan_of(PAIRS, WEIGHTS), study).results["hit"]
        cases = study.tables["cases"]
        cases = cases.assign(
            age=cases["age"].astype(dtype), married=cases["married"].astype("boolean")
        )
        tables = {**study.tables, "cases": cases}
        again = run(plan_of(PAIRS, WEIGHTS), Study(tables=tables, source="by hand"))
        for term in ("pairs", "weights"):
            one, two = (
                result.one(measure="risk_difference", term=term).estimate
                for result in (plain, again.results["hit"])
            )
            assert one == pytest.approx(two, rel=1e-6)

    def test_a_level_in_one_arm_only_is_named(self, tmp_path):
        cases = cases_of()
        cases.loc[cases.index < 4, "region"] = "east"
        study = study_of(cases, tmp_path)
        with pytest.raises(DesignError, match=r'"pairs".*separation.*region'):
            check(plan_of({**PAIRS, "covariates": ["age", "region"]}), study)
        # Coarsened matching needs no model: these cases have no stratum and are left out.
        block = {**OTHERS[3], "covariates": ["region"]}
        flow = run(plan_of(block), study).results["balance:coarse"].tables[0]
        assert flow["programme", "unmatched"] == 4


class TestWordsAndRoundTrips:
    def test_a_trimmed_design_does_not_claim_to_speak_of_everybody(self, study):
        block = {**WEIGHTS, "trim": [0.2, 0.4]}
        result = run(plan_of(block), study).results["balance:weights"]
        assert result.check("estimand").text == (
            "the average over programme cases (ATT), and only among those that were kept"
        )
        whole = run(plan_of(WEIGHTS), study).results["balance:weights"]
        assert whole.check("estimand").text == "the average over programme cases (ATT)"
        assert whole.tables[0]["programme", "trimmed"] == 0

    def test_a_plan_and_results_come_back_as_they_were(self, study):
        plan = plan_of(
            {**PAIRS, "exact": ["married"], "measured_on": {"age": "counted_on"}, "order": "data"},
            {**OTHERS[3], "covariates": ["age", "married"], "cutpoints": {"age": [30.0, 40.5]}},
            {**WEIGHTS, "trim": [0.05, 0.95], "max_smd": 0.2},
            outcomes=[HIT, TRAFFIC],
        )
        again = Plan.model_validate(plan.to_dict())
        assert again.balancing == plan.balancing
        assert again.sha256() == plan.sha256()
        found = run(plan, study)
        assert Evaluation.from_json(found.to_json()) == found

    def test_the_same_run_twice_is_the_same(self, study):
        plan = plan_of({**PAIRS, "order": "random", "seed": 7}, WEIGHTS)
        assert run(plan, study).to_json() == run(plan, study).to_json()

    def test_what_the_gate_looks_at_is_not_printed_where_nothing_is_hidden(self, study, tmp_path):
        found = run(plan_of(PAIRS, *OTHERS[3:4]), study)
        de.write_report(found, tmp_path / "out", "internal")
        released = de.load_results(tmp_path / "out" / "release")
        names = {c.name for r in released.results.values() for c in r.checks}
        assert not names & {"covariate_cells", "design_cells"}
        assert {"worst_smd", "unmatched", "matched_sets"} <= names


def test_twenty_thousand_cases_and_six_designs_take_seconds(tmp_path):
    """Guards against work that grows with the square of the cases; a second is usual."""
    import time

    study = study_of(cases_of(2000, 18000), tmp_path)
    plan = plan_of(PAIRS, WEIGHTS, *OTHERS[:1], *OTHERS[1:3], OTHERS[4], outcomes=[HIT, TRAFFIC])
    start = time.process_time()
    found = run(plan, study)
    assert time.process_time() - start < 30
    assert len(terms(found.results["hit"])) == 7


def test_the_tables_of_a_study_can_be_saved_and_matched_again(study, tmp_path):
    save_tables(study.tables, tmp_path / "again")
    again = load_study(plan_of(folder=str(tmp_path / "again")))
    for one, two in itertools.pairwise(
        run(plan_of(), s).results["hit"].estimates for s in (study, again)
    ):
        assert one == two


def test_a_study_made_by_hand_needs_no_extra_columns():
    cases = validate({"cases": cases_of()[["case_id", "perpetrator_id", "arm", "index_date"]]})
    with pytest.raises(DesignError, match='"age" is no column of cases'):
        check(plan_of(), Study(tables=cases, source="by hand"))
