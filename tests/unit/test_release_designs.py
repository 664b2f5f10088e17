"""What is released of matched and weighted comparisons, and what is not."""

from __future__ import annotations

import csv
import dataclasses
import html
import json
import math
import re

import numpy as np
import pandas as pd
import pytest

from drive_eval.data.study import Study, load_study
from drive_eval.data.synthetic import synthetic_study
from drive_eval.disclosure import POLICIES
from drive_eval.evaluation import run, write_report
from drive_eval.evaluation.controlled import SMALL_GROUP
from drive_eval.evaluation.designs import CONTRAST, make_designs
from drive_eval.evaluation.release import hidden_reasons, release_evaluation
from drive_eval.evaluation.released_arms import kept_of, released_arm
from drive_eval.measures.case_table import cohort_units
from drive_eval.plan import Plan
from drive_eval.results import Evaluation

HIDING = ["opensafely", "ons_acro"]
COLUMNS = {"tier": "integer", "region": "category", "married": "boolean", "hit": "boolean",
           "traffic": "boolean", "rare": "boolean"}  # fmt: skip
COVARIATES = ["age", "prior_incidents_12m", "married"]
PAIRS = {"name": "pairs", "method": "nearest", "covariates": COVARIATES}
BLOCKS = [
    PAIRS,
    {"name": "two", "method": "nearest", "covariates": COVARIATES, "ratio": 2},
    {"name": "again", "method": "nearest", "covariates": ["age"], "replace": True},
    {"name": "classes", "method": "subclass", "covariates": COVARIATES, "subclasses": 3},
    {"name": "coarse", "method": "cem", "covariates": ["married", "region"]},
    {"name": "att", "method": "propensity_weights", "covariates": COVARIATES},
    {"name": "trimmed", "method": "propensity_weights", "covariates": COVARIATES,
     "trim": [0.1, 0.6]},
    {"name": "entropy", "method": "entropy_balance", "covariates": COVARIATES},
    {"name": "ate", "method": "propensity_weights", "covariates": COVARIATES, "estimand": "ate"},
]  # fmt: skip
OUTCOMES = [
    {"kind": "binary", "name": "hit", "column": "hit"},
    {"kind": "binary", "name": "traffic", "column": "traffic", "negative": True},
]


def cases_of(programme, comparison, *, seed=1) -> pd.DataFrame:
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
            "tier": rng.choice([0, 1, 2], n, p=[0.5, 0.35, 0.15]),
            "region": rng.choice(["north", "south", "west"], n, p=[0.4, 0.4, 0.2]),
            "married": rng.random(n) < 0.4 + 0.1 * t,
            "rare": rng.random(n) < 0.03,
            "hit": rng.random(n) < 0.5 - 0.1 * t,
            "traffic": rng.random(n) < 0.4,
        }
    )


def plan_of(*blocks, outcomes=OUTCOMES, **sections) -> Plan:
    matched = blocks[0]["method"] in ("nearest", "subclass", "cem")
    return Plan.model_validate(
        {
            "evaluation": {"title": "Who may be seen"},
            "data": {"folder": "extract", "columns": {"cases": COLUMNS}},
            "design": {"kind": "matched" if matched else "weighted", "unit": "person"},
            "balancing": list(blocks),
            "outcomes": list(outcomes),
            **sections,
        }
    )


def study_of(cases: pd.DataFrame, folder) -> Study:
    folder.mkdir(parents=True, exist_ok=True)
    cases.to_csv(folder / "cases.csv", index=False)
    data = {"folder": str(folder), "columns": {"cases": COLUMNS}}
    return load_study(plan_of(PAIRS, data=data))


@pytest.fixture(scope="module")
def sites(tmp_path_factory) -> dict[int, tuple[Study, Evaluation]]:
    """Three sizes of the programme arm, with every method in one plan."""
    made = {}
    for size in (30, 60, 200):
        study = study_of(cases_of(size, 4 * size), tmp_path_factory.mktemp("site"))
        made[size] = (study, run(plan_of(*BLOCKS), study))
    return made


@pytest.fixture(scope="module", params=HIDING)
def released(request, sites) -> dict[int, Evaluation]:
    return {size: release_evaluation(found, request.param) for size, (_, found) in sites.items()}


def every_design(evaluation: Evaluation):
    for block in evaluation.plan["balancing"]:
        yield block["name"], evaluation.results[f"balance:{block['name']}"]


# What is there


def test_the_crude_and_every_design_keep_their_rows(released):
    for evaluation in released.values():
        for name in ("hit", "traffic"):
            result = evaluation.results[name]
            for term in ("crude", *[b["name"] for b in BLOCKS]):
                for measure in CONTRAST:
                    full = f"{term} (users)" if measure == "percent_reduction" else term
                    e = result.one(measure=measure, term=full)
                    assert e.std_error is None or term == "crude"
                    if e.estimate is None:
                        assert (e.conf_low, e.conf_high, e.p_value, e.n, e.n_events) == (None,) * 5


def test_the_larger_site_shows_the_effects_and_the_smallest_says_why_not(sites):
    done = release_evaluation(sites[200][1], "opensafely").results["hit"]
    for name in ("pairs", "two", "again", "att", "entropy", "ate"):
        gap = done.one(measure="risk_difference", term=name)
        exact = sites[200][1].results["hit"].one(measure="risk_difference", term=name)
        # Rounding to 5 of 200 moves each risk by at most 2.5 of them.
        assert abs(gap.estimate - exact.estimate) < 0.05
        assert gap.conf_low < exact.estimate < gap.conf_high
    small = release_evaluation(sites[30][1], "opensafely").results["hit"]
    said = [c for c in small.checks if c.name == "suppressed"]
    assert said
    assert all("not released, because" in c.text for c in said)


@pytest.mark.parametrize("term", ["pairs", "att", "entropy", "ate"])
def test_an_interval_is_not_narrower_than_the_exact_one_by_more_than_rounding(sites, term):
    exact = sites[200][1].results["hit"].one(measure="risk_difference", term=term)
    done = release_evaluation(sites[200][1], "opensafely").results["hit"]
    gap = done.one(measure="risk_difference", term=term)
    ratio = (gap.conf_high - gap.conf_low) / (exact.conf_high - exact.conf_low)
    assert 0.9 < ratio < 1.25


def test_the_interval_and_test_of_a_ratio_agree_with_its_point(sites):
    done = release_evaluation(sites[200][1], "opensafely").results["hit"]
    for term in ("pairs", "att"):
        ratio = done.one(measure="risk_ratio", term=term)
        fall = done.one(measure="percent_reduction", term=f"{term} (users)")
        one, two = (
            done.one(measure=m, term=term).estimate for m in ("risk_treated", "risk_comparison")
        )
        gap = done.one(measure="risk_difference", term=term)
        assert gap.estimate == pytest.approx(one - two)
        assert ratio.estimate == pytest.approx(one / two)
        assert fall.estimate == pytest.approx(100 * (1 - ratio.estimate))
        assert fall.conf_low == pytest.approx(100 * (1 - ratio.conf_high))
        inside = ratio.conf_low <= 1 <= ratio.conf_high
        assert inside == (ratio.p_value > 0.05)


def test_e_values_are_a_function_of_the_released_ratio(sites):
    done = release_evaluation(sites[200][1], "opensafely").results["hit"]
    ratio = done.one(measure="risk_ratio", term="pairs").estimate
    inverse = 1 / ratio if ratio < 1 else ratio
    wanted = inverse + math.sqrt(inverse * (inverse - 1))
    assert done.one(measure="e_value").estimate == pytest.approx(wanted)


def test_a_negative_outcome_is_judged_by_the_released_difference(sites):
    done = release_evaluation(sites[200][1], "opensafely").results["traffic"]
    gap = done.one(measure="risk_difference", term="pairs")
    assert done.check("negative_outcome").statistic == gap.estimate
    assert not [e for e in done.estimates if e.measure.startswith("e_value")]


def test_bounds_of_pairs_stay_inside(released):
    for evaluation in released.values():
        measures = {e.measure for e in evaluation.results["hit"].estimates}
        assert not measures & {"p_upper", "p_lower", "gamma_at_alpha"}


# What must not be there


def numbers_in(text: str) -> set[str]:
    """Return the numbers of a text that stand alone, without commas in thousands."""
    found = re.findall(r"(?<![\w.#])\d[\d,]*(?:\.\d+)?(?![\w#])", text)
    return {number.replace(",", "") for number in found}


def strings_of(value):
    if isinstance(value, dict):
        for inner in value.values():
            yield from strings_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings_of(inner)
    elif isinstance(value, str):
        yield value


def counts_of(evaluation: Evaluation) -> set[int]:
    tables = [*evaluation.tables, *(t for r in evaluation.results.values() for t in r.tables)]
    counts = {c.count for t in tables for c in t.cells if c.count is not None}
    for result in evaluation.results.values():
        for e in result.estimates:
            counts |= {e.n, e.n_events, e.n_reference, e.n_events_reference} - {None}
        for c in result.checks:
            # What a check counted, and the degrees of freedom that follow from sets.
            counts |= {int(n) for n in numbers_in(c.text) if n.isdigit()}
            if c.statistic is not None and float(c.statistic).is_integer():
                counts.add(int(c.statistic))
    return counts


@pytest.mark.parametrize("policy", HIDING)
@pytest.mark.parametrize("size", [30, 60, 200])
def test_no_text_or_file_holds_an_exact_count(sites, size, policy, tmp_path):
    exact = sites[size][1]
    done = release_evaluation(exact, policy)
    planned = {n for text in strings_of(done.plan) for n in numbers_in(text)}
    planned |= {f"{n:g}" for b in BLOCKS for n in b.get("trim", ())} | {"0", "1", "2", "3", "5"}
    planned.add(str(SMALL_GROUP))  # stands in the statement on disclosure
    secret = {str(n) for n in counts_of(exact) - counts_of(done) if n > 12} - planned
    assert secret
    for result in [*done.results.values(), done]:
        for check in result.checks:
            text = re.sub(r"\d+ of \d+ counts are not shown", "", check.text)
            assert not numbers_in(text) & secret, check
        for e in getattr(result, "estimates", ()):
            assert not numbers_in(e.method) & secret, e.method
            assert " df" not in e.method
    write_report(exact, tmp_path / "out", policy)
    page = (tmp_path / "out" / "release" / "report.html").read_text(encoding="utf-8")
    page = re.sub(r"(?s)<(style|script|svg).*?</\1>|data:[^\"']*", " ", page)
    words = html.unescape(re.sub(r"<[^>]+>", " # ", page))
    words = re.sub(r"[0-9a-f]{40,}|\d{4}-\d\d-\d\d|\d+\.\d+\.\d+", " ", words)
    shown = {str(n) for n in counts_of(done)}
    # Tables and their lines are numbered; that counts nobody.
    words = re.sub(r"Table[ _]\d+|\(\d+ lines?:|\d+ of \d+ counts are not shown", " ", words)
    assert not numbers_in(words) & (secret - shown - percents(done))
    for chart in (tmp_path / "out" / "release" / "charts").glob("*.csv"):
        with chart.open(encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                for name, cell in row.items():
                    counted = name in ("n", "count", "events") and cell not in ("", None)
                    assert not counted or str(int(float(cell))) not in secret, (chart.name, row)


def percents(evaluation: Evaluation) -> set[str]:
    """Return what a page may print of released shares, ages and the like."""
    found = set()
    for result in evaluation.results.values():
        for e in result.estimates:
            for value in (e.estimate, e.conf_low, e.conf_high):
                if value is not None and math.isfinite(value):
                    for factor in (1, 100, -100):
                        found |= {f"{abs(factor * value):.{d}f}" for d in (0, 1, 2)}
                        found.add(f"{abs(factor * value):.2g}")
    return found


@pytest.mark.parametrize("policy", HIDING)
def test_no_released_count_is_small(sites, policy):
    limit = POLICIES[policy].suppress_up_to
    for _, exact in sites.values():
        done = release_evaluation(exact, policy)
        for _, result in every_design(done):
            for table in result.tables:
                for cell in table.cells:
                    ok = cell.count is None or cell.count > limit or cell.count == 0
                    assert ok, (table.name, cell.key)
            for e in result.estimates:
                assert e.n is None
                if e.measure == "ess" and e.estimate is not None:
                    assert e.estimate > limit
        for result in done.results.values():
            for e in result.estimates:
                for count in (e.n, e.n_events, e.n_reference, e.n_events_reference):
                    assert count is None or count > limit


def test_what_was_counted_is_cut_from_the_description(released):
    for evaluation in released.values():
        for name, result in every_design(evaluation):
            said = " ".join(c.text for c in result.checks if c.name == "design")
            assert "a width of" not in said
            assert "strata hold" not in said
            assert not re.search(r"\d+ programme and \d+ comparison", said)
            if name == "pairs":
                assert "within a caliper of 0.2 standard deviations" in said
            if name == "trimmed":
                assert "below 0.1 or above 0.6 were left out, and the score was" in said
            if name == "coarse":
                assert "Strata with cases of one arm only were left out" in said
        names = {c.name for _, r in every_design(evaluation) for c in r.checks}
        said = {"design", "estimand", "unmatched", "overlap", "parameters", "worst_smd", "ties"}
        assert names == {*said, "effective_size"}


def test_a_covariate_with_a_rare_category_is_hidden_with_its_score(tmp_path):
    block = {**PAIRS, "covariates": ["age", "rare"]}
    exact = run(plan_of(block), study_of(cases_of(100, 400), tmp_path))
    done = release_evaluation(exact, "opensafely").results["balance:pairs"]
    for e in done.estimates:
        if e.term in ("rare", "propensity score"):
            assert e.estimate is None
    assert done.one(measure="mean", term="age", group="programme", subgroup="before").estimate
    assert "not shown" in done.check("worst_smd").text


def test_an_imbalance_that_is_hidden_is_told(tmp_path):
    cases = cases_of(100, 400)
    cases["rare"] = [i < 7 or 100 <= i < 103 for i in range(500)]
    block = {"name": "att", "method": "propensity_weights", "covariates": ["age"], "trim": []}
    other = {**PAIRS, "covariates": ["age", "rare"], "max_smd": 0.01, "caliper_sd": 0}
    exact = run(plan_of(other, block), study_of(cases, tmp_path))
    found = exact.results["balance:pairs"].one(measure="smd", term="rare", subgroup="after")
    if abs(found.estimate) > 0.01:
        worst = release_evaluation(exact, "opensafely").results["balance:pairs"].check("worst_smd")
        assert worst.passed is False
        assert "too few cases to be shown differs by more than 0.01" in worst.text


@pytest.mark.parametrize("codes", [[0, 1], [1, 2], [0, 1, 2]])
def test_codes_are_looked_at_as_categories(tmp_path, codes):
    cases = cases_of(100, 400)
    # The last code is rare in the programme, whatever number stands for it.
    tier = [codes[i % (len(codes) - 1)] for i in range(500)]
    tier[:3] = [codes[-1]] * 3
    tier[100:140] = [codes[-1]] * 40
    block = {**PAIRS, "covariates": ["age", "tier"]}
    exact = run(plan_of(block), study_of(cases.assign(tier=tier), tmp_path))
    done = release_evaluation(exact, "opensafely").results["balance:pairs"]
    assert all(e.estimate is None for e in done.estimates if e.term == "tier")


def test_a_count_that_is_nearly_always_the_same_is_hidden(tmp_path):
    cases = cases_of(100, 400)
    incidents = np.zeros(500, dtype=int)
    incidents[:5] = [1, 2, 3, 4, 9]
    incidents[100:200] = np.arange(100) % 9
    block = {**PAIRS, "covariates": ["age", "prior_incidents_12m"]}
    study = study_of(cases.assign(prior_incidents_12m=incidents), tmp_path)
    done = release_evaluation(run(plan_of(block), study), "opensafely").results["balance:pairs"]
    assert all(e.estimate is None for e in done.estimates if e.term == "prior_incidents_12m")


# What a subtraction gives


@pytest.mark.parametrize("policy", HIDING)
def test_nothing_but_how_many_tells_few_dropped_cases_from_nobody(policy):
    rules = POLICIES[policy]
    whole = (60, 141)
    seen = set()
    for yes in range(4):
        for no in range(1, 4):
            kept = (whole[0] - yes, whole[1] - no)
            arm = released_arm(
                risk=kept[0] / sum(kept), kept=kept, every=whole, shown=whole, rules=rules
            )
            seen.add((arm.events, arm.n, kept_of(sum(kept), yes + no, rules)))
    assert len(seen) == 1


@pytest.mark.parametrize("policy", HIDING)
def test_the_outcome_of_a_dropped_case_changes_nothing_that_is_released_of_pairs(sites, policy):
    study, whole = sites[200]
    plan = plan_of(PAIRS, outcomes=OUTCOMES[:1])
    before = release_evaluation(run(plan, study), policy)
    matched = whole.results["balance:pairs"].tables[0]["programme", "matched"]
    cases = study.tables["cases"]
    units = cohort_units(cases, unit="person")
    kept = set(units.loc[make_designs(plan, units)["pairs"].table.index, "case_id"])
    programme = cases.loc[cases["arm"] == "programme", "case_id"]
    dropped = [case for case in programme if case not in kept]
    assert len(dropped) == 200 - matched <= 7
    alike = 0
    for case in dropped:
        flipped = cases["hit"].mask(cases["case_id"] == case, ~cases["hit"])
        tables = {**study.tables, "cases": cases.assign(hit=flipped)}
        after = release_evaluation(run(plan, Study(tables=tables, source="by hand")), policy)
        if after.results["hit"].tables == before.results["hit"].tables:
            alike += 1
            assert after.results == before.results
    assert alike


@pytest.mark.parametrize("policy", HIDING)
def test_pairs_do_not_tell_by_the_other_arm_how_few_were_dropped(sites, policy):
    done = release_evaluation(sites[200][1], policy)
    exact = sites[200][1].results["balance:pairs"].tables[0]
    limit = POLICIES[policy].suppress_up_to
    flow = done.results["balance:pairs"].tables[0]
    assert 0 < exact["programme", "unmatched"] <= limit, "the site should drop a few"
    assert flow["programme", "unmatched"] is None
    assert flow["programme", "matched"] == flow["programme", "all"] == flow["comparison", "matched"]
    balance = done.results["balance:pairs"]
    for group in ("programme", "comparison"):
        worth = balance.one(measure="ess", group=group, subgroup="after").estimate
        assert worth == flow["programme", "all"]
    effect = done.results["hit"].one(measure="risk_difference", term="pairs")
    if effect.estimate is not None:
        assert effect.n == effect.n_reference


def test_shares_follow_from_released_counts(sites):
    done = release_evaluation(sites[200][1], "opensafely")
    flow = done.results["balance:att"].tables[0]
    for e in done.results["balance:att"].estimates:
        if (e.measure, e.term, e.subgroup) == ("mean", "married", "before"):
            count = e.estimate * flow[e.group, "all"]
            assert count == pytest.approx(5 * round(count / 5))


def test_differences_are_rounded_up_so_that_balance_is_never_flattered(released, sites):
    for size, evaluation in released.items():
        exact = sites[size][1]
        for name, result in every_design(evaluation):
            whole = exact.results[f"balance:{name}"].estimates
            for before, after in zip(whole, result.estimates, strict=True):
                if before.measure == "smd" and after.estimate is not None:
                    assert abs(after.estimate) >= abs(before.estimate) - 1e-6
                    assert abs(after.estimate) <= abs(before.estimate) + 0.1
            if not exact.results[f"balance:{name}"].check("worst_smd").passed:
                assert result.check("worst_smd").passed is False


def test_beside_exact_counts_a_small_design_shows_no_difference_after(sites):
    done = release_evaluation(sites[30][1], "ons_acro").results["balance:pairs"]
    after = [e for e in done.estimates if (e.measure, e.subgroup) == ("smd", "after")]
    assert after
    assert all(e.estimate is None for e in after)
    said = " ".join(c.text for c in done.checks if c.name == "design")
    assert "would tell who was dropped" in said


# Words, records and round trips


def test_the_release_says_what_was_done_to_designs(sites):
    for policy in HIDING:
        done = release_evaluation(sites[200][1], policy)
        assert "a design effect rounded up" in done.checks[-1].text
        assert "adjusted for covariates are as fitted" not in done.checks[-1].text


def test_every_hidden_count_has_its_reason(sites):
    exact = sites[60][1]
    done = release_evaluation(exact, "opensafely")
    reasons = hidden_reasons(exact, done)
    hidden = sum(
        cell.shown and cell.count is None
        for result in done.results.values()
        for table in result.tables
        for cell in table.cells
    )
    hidden += sum(c.shown and c.count is None for t in done.tables for c in t.cells)
    assert len(reasons) == hidden


def test_released_results_come_back_as_they_were(released):
    for evaluation in released.values():
        assert Evaluation.from_json(evaluation.to_json()) == evaluation
        json.loads(evaluation.to_json(), parse_constant=pytest.fail)


@pytest.mark.parametrize("policy", HIDING)
def test_who_was_matched_with_whom_does_not_change_what_counts_allow(policy, tmp_path):
    # Ids say nothing: the same people under other names are released alike.
    cases = cases_of(60, 240)
    other = cases.assign(
        case_id=[f"D{i:05d}" for i in range(300)], perpetrator_id=[f"R{i:05d}" for i in range(300)]
    )
    plan = plan_of(PAIRS, BLOCKS[5])
    done = [
        release_evaluation(run(plan, study_of(c, tmp_path / str(n))), policy)
        for n, c in enumerate((cases, other))
    ]
    assert done[0].results == done[1].results


@pytest.mark.filterwarnings("ignore::drive_eval.errors.DesignWarning")
@pytest.mark.parametrize("unit", ["person", "enrolment"])
@pytest.mark.parametrize("policy", [*HIDING, "internal"])
def test_behaviours_and_judgements_of_a_matched_plan_pass_the_gate(policy, unit):
    study = synthetic_study("site", seed=1)
    block = {**PAIRS, "covariates": ["age", "prior_incidents_12m"]}
    behaviour = {"kind": "behaviour", "reporter": "idva", "abuse_types": ["physical", "sexual"]}
    manager = {**behaviour, "reporter": "case_manager"}
    plan = plan_of(block, outcomes=[behaviour, manager, {"kind": "perceived_change"}],
                   design={"kind": "matched", "unit": unit})  # fmt: skip
    exact = run(plan, study)
    done = release_evaluation(exact, policy)
    for name in ("physical:idva:intake-exit", "perceived_change:idva:exit"):
        rows = [e for e in done.results[name].estimates if e.term == "pairs"]
        assert {e.measure for e in rows} >= set(CONTRAST) - {"percent_reduction"}
        for e in rows:
            assert policy == "internal" or e.std_error is None
    assert hidden_reasons(exact, done) is not None


def test_a_design_that_could_not_be_made_says_so_in_words_of_its_own(tmp_path):
    cases = cases_of(60, 240)
    cases["hit"] = cases["hit"].astype(object).where(cases["arm"] == "programme", None)
    exact = run(plan_of(PAIRS, BLOCKS[5]), study_of(cases, tmp_path))
    done = release_evaluation(exact, "opensafely").results["hit"]
    said = [c for c in done.checks if c.name == "refused"]
    assert [c.group for c in said] == ["", "att"]
    assert all(c.text.endswith("could not be made with these data.") for c in said)
    assert all(e.estimate is None for e in done.estimates)


def test_nothing_is_changed_where_nothing_is_hidden(sites):
    exact = sites[60][1]
    done = release_evaluation(exact, "internal")
    for name, result in done.results.items():
        assert result.estimates == exact.results[name].estimates
    assert (
        dataclasses.replace(done.results["hit"].tables[0], policy="")
        == exact.results["hit"].tables[0]
    )
