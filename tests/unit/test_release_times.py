"""What is released of times to an event and of re-offending, and what is not."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from drive_eval.data.study import load_study
from drive_eval.disclosure import POLICIES
from drive_eval.evaluation import run
from drive_eval.evaluation.release import hidden_reasons, release_evaluation
from drive_eval.evaluation.released_checks import FOR_THE_GATE, warnings_of
from drive_eval.evaluation.released_curves import (
    Stairs,
    beside,
    fewest_events,
    grid_of,
    read,
    unit_of,
)
from drive_eval.evaluation.released_months import MONTH, rates_by_month
from drive_eval.evaluation.released_repeats import released_tables
from drive_eval.evaluation.sizes import people_needed
from drive_eval.evaluation.times import how_much_is_one
from drive_eval.plan import Plan
from drive_eval.results import Check, CountTable, Curve, Evaluation, ResultSet

HIDING = ["opensafely", "ons_acro"]
OPENSAFELY, ONS = (POLICIES[name] for name in HIDING)
OUTCOME = {"kind": "time_to_event", "name": "arrest", "stop": "weeks", "event": "arrested",
           "time_unit": "weeks", "horizon": 52, "times": [13, 26, 39]}  # fmt: skip
COLUMNS = {"weeks": "integer", "arrested": "boolean", "married": "boolean"}
PAIRS = {"name": "pairs", "method": "nearest", "covariates": ["age", "married"]}
ARMS = ("programme", "comparison")


def cases_of(programme: int, comparison: int, *, seed: int = 1, each: int = 1) -> pd.DataFrame:
    """Return cases, `each` of a person; men of the programme are arrested later."""
    rng = np.random.default_rng(seed)
    n = programme + comparison
    treated = np.arange(n) < programme
    time = np.ceil(rng.exponential(np.where(treated, 90, 60))).astype(int)
    lost = np.where(rng.random(n) < 0.1, rng.integers(5, 52, n), 52)
    return pd.DataFrame(
        {
            "case_id": [f"C{i:05d}" for i in range(n)],
            "perpetrator_id": [f"P{i // each:05d}" for i in range(n)],
            "arm": np.where(treated, "programme", "comparison"),
            "index_date": [f"2024-0{3 + i % each}-01" for i in range(n)],
            "age": rng.integers(18, 60, n) + 2 * treated,
            "married": rng.random(n) < 0.4 + 0.1 * treated,
            "weeks": np.minimum(time, lost),
            "arrested": time <= lost,
        }
    )


def plan_of(folder, **sections) -> Plan:
    return Plan.model_validate(
        {
            "evaluation": {"title": "Who may be seen"},
            "data": {"folder": str(folder), "columns": {"cases": COLUMNS},
                     "public_source": "a table"},
            "design": {"kind": "comparison_group", "unit": "person"},
            "outcomes": [OUTCOME],
            **sections,
        }
    )  # fmt: skip


def evaluated(folder, cases: pd.DataFrame, **sections) -> Evaluation:
    folder.mkdir(parents=True, exist_ok=True)
    cases.to_csv(folder / "cases.csv", index=False)
    plan = plan_of(folder, **sections)
    return run(plan, load_study(plan))


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Evaluation:
    return evaluated(tmp_path_factory.mktemp("large"), cases_of(300, 400))


def numbers(result: ResultSet, measure: str) -> list[float | None]:
    return [e.estimate for e in result.estimates if e.measure == measure]


# What stays, and what follows


@pytest.mark.parametrize("policy", ["internal", "public_data"])
def test_exact_policies_change_nothing(large, policy):
    released = release_evaluation(large, policy).results["arrest"]
    exact = large.results["arrest"]
    assert released.estimates == exact.estimates
    assert released.curves == exact.curves
    assert [[c.count for c in t.cells] for t in released.tables] == [
        [c.count for c in t.cells] for t in exact.tables
    ]


@pytest.mark.parametrize("policy", HIDING)
def test_every_row_is_there_and_close_to_the_exact_one(large, policy):
    released = release_evaluation(large, policy).results["arrest"]
    for e, exact in zip(released.estimates, large.results["arrest"].estimates, strict=True):
        assert (e.measure, e.term, e.group, e.time) == (
            exact.measure, exact.term, exact.group, exact.time,
        )  # fmt: skip
        assert e.std_error is None
        if e.measure == "event_free":
            assert e.estimate == pytest.approx(exact.estimate, abs=0.03)
            assert e.conf_high - e.conf_low == pytest.approx(
                exact.conf_high - exact.conf_low, rel=0.15
            )
        if e.measure == "restricted_mean_difference":
            assert e.estimate == pytest.approx(exact.estimate, abs=1.2)
        if e.measure == "hazard_ratio":
            assert e.estimate == float(f"{exact.estimate:.2g}")
            reduced = released.one(measure="percent_reduction")
            assert reduced.estimate == pytest.approx(100 * (1 - e.estimate))


@pytest.mark.parametrize("policy", HIDING)
def test_estimates_are_those_of_the_released_curves(large, policy):
    released = release_evaluation(large, policy).results["arrest"]
    curves = {c.group: c for c in released.curves}
    for arm in ARMS:
        curve = curves[arm]
        for e in released.estimates:
            if e.measure == "event_free" and e.group == arm:
                assert e.estimate == curve.estimate[curve.times.index(e.time)]
        mean = released.one(measure="restricted_mean", group=arm)
        lost = released.one(measure="time_lost", group=arm)
        assert mean.estimate == pytest.approx(np.trapezoid(curve.estimate, curve.times))
        assert mean.estimate + lost.estimate == pytest.approx(52)
    ratio = released.one(measure="time_lost_ratio").estimate
    lost = [released.one(measure="time_lost", group=arm).estimate for arm in ARMS]
    assert ratio == pytest.approx(lost[0] / lost[1])


@pytest.mark.parametrize("policy", HIDING)
def test_a_curve_says_how_far_the_exact_one_may_be(large, policy):
    released = release_evaluation(large, policy).results["arrest"]
    for curve in released.curves:
        exact = large.results["arrest"].curve("event_free", group=curve.group)
        said = float(curve.note.rpartition("within ")[2].partition(" ")[0]) / 100
        far = 0.0
        for t, value in zip(exact.times, exact.estimate, strict=True):
            here = max(i for i, time in enumerate(curve.times) if time <= t)
            far = max(far, abs(curve.estimate[here] - value))
        assert 0 < far <= said


def test_json_reads_back(large):
    released = release_evaluation(large, "opensafely")
    assert Evaluation.from_json(released.to_json()).results["arrest"] == released.results["arrest"]


def test_the_sentence_and_the_record_speak_of_curves(large, tmp_path):
    released = release_evaluation(large, "opensafely")
    said = next(c for c in released.checks if c.name == "disclosure").text
    assert "Curves over time have few steps" in said
    small = evaluated(tmp_path / "small", cases_of(40, 300))
    reasons = hidden_reasons(small, release_evaluation(small, "opensafely"))
    assert {
        "outcome": "arrest",
        "table": "event_free",
        "key": "programme",
        "reason": "curve of few people or events, or of a design",
    } in reasons


# What is not released


@pytest.mark.parametrize("policy", HIDING)
def test_an_arm_of_few_people_has_no_curve_and_no_contrast(tmp_path, policy):
    small = evaluated(tmp_path / "small", cases_of(40, 300))
    result = release_evaluation(small, policy).results["arrest"]
    assert [c.group for c in result.curves] == ["comparison"]
    for e in result.estimates:
        if e.group == "programme" or (not e.group and e.measure.endswith(("difference", "ratio"))):
            assert e.measure == "hazard_ratio" or e.estimate is None
    check = next(c for c in result.checks if c.name == "suppressed")
    assert check.group == "programme"
    assert "few people" in check.text


def test_hardly_any_event_gives_nothing(tmp_path):
    cases = cases_of(200, 200)
    rare = cases["arrested"] & (cases.groupby("arm").cumcount() < 8)
    found = evaluated(tmp_path / "rare", cases.assign(arrested=rare))
    assert found.results["arrest"].table("followed:arrest")["programme", "event"] < 8
    result = release_evaluation(found, "opensafely").results["arrest"]
    assert result.curves == ()
    assert all(e.estimate is None for e in result.estimates)
    assert "below_floor" in {c.name for c in result.checks}


def test_clustered_units_have_coarse_design_effects(tmp_path):
    sections = {"design": {"kind": "comparison_group", "unit": "enrolment"}}
    found = evaluated(tmp_path / "two", cases_of(300, 400, each=2), **sections)
    result = release_evaluation(found, "opensafely").results["arrest"]
    mean = result.one(measure="restricted_mean", group="programme")
    assert mean.conf_low < mean.estimate < mean.conf_high
    for e in result.estimates:
        size = e.method.partition("design effect ")[2]
        assert not size or 4 * float(size) == int(4 * float(size))
    rows = dataclasses.replace(
        found.results["arrest"],
        estimates=tuple(
            dataclasses.replace(e, conf_low=None, conf_high=None)
            for e in found.results["arrest"].estimates
        ),
    )
    bare = dataclasses.replace(found, results={"arrest": rows})
    result = release_evaluation(bare, "opensafely").results["arrest"]
    mean = result.one(measure="restricted_mean", group="programme")
    assert mean.estimate is not None
    assert mean.conf_low is None
    assert "clustering" in result.check("no_interval").text


def test_adjusted_hazard_ratios_need_enough_people_in_every_category(tmp_path):
    cases = cases_of(300, 400)
    sections = {"comparison": {"covariates": ["married"]}}
    found = evaluated(tmp_path / "all", cases, **sections)
    result = release_evaluation(found, "opensafely").results["arrest"]
    adjusted = result.one(measure="hazard_ratio", term="adjusted")
    assert adjusted.estimate == float(f"{adjusted.estimate:.2g}")
    rare = cases.assign(married=np.arange(len(cases)) % 100 == 0)
    found = evaluated(tmp_path / "rare", rare, **sections)
    result = release_evaluation(found, "opensafely").results["arrest"]
    assert result.one(measure="hazard_ratio", term="adjusted").estimate is None
    assert result.one(measure="hazard_ratio", term="").estimate is not None
    assert '"married"' in result.check("below_floor").text


@pytest.mark.parametrize("policy", HIDING)
def test_of_designs_only_contrasts_to_two_digits(tmp_path, policy):
    sections = {"design": {"kind": "matched", "unit": "person"}, "balancing": [PAIRS]}
    found = evaluated(tmp_path / "pairs", cases_of(200, 500), **sections)
    result = release_evaluation(found, policy).results["arrest"]
    assert {c.term for c in result.curves} == {"crude"}
    own = {(e.measure, e.group): e for e in result.estimates if e.term.startswith("pairs")}
    assert own["event_free", "programme"].estimate is None
    assert own["restricted_mean_ratio", ""].estimate is None
    for measure in ("hazard_ratio", "restricted_mean_difference"):
        e = own[measure, ""]
        assert e.estimate == float(f"{e.estimate:.2g}")
        assert (e.n, e.n_events) == (None, None)
    assert "two digits" in result.check("two_digits").text


def test_a_design_that_dropped_a_few_says_nothing(tmp_path):
    sections = {"design": {"kind": "matched", "unit": "person"}, "balancing": [PAIRS]}
    cases = cases_of(200, 500)
    cases.loc[:2, "age"] = 99  # nobody is like them
    found = evaluated(tmp_path / "few", cases, **sections)
    assert found.results["balance:pairs"].tables[0]["programme", "unmatched"] in range(1, 8)
    result = release_evaluation(found, "opensafely").results["arrest"]
    assert all(e.estimate is None for e in result.estimates if e.term.startswith("pairs"))
    checks = [c for c in result.checks if c.name == "suppressed"]
    assert "dropped a few cases" in checks[-1].text


def test_a_claim_rests_on_released_counts(tmp_path):
    design = {"kind": "randomised", "allocation": "By chance.", "unit": "person"}
    cases = cases_of(300, 400).assign(allocated_arm=lambda rows: rows["arm"])
    cases["weeks"] = cases["weeks"].astype("Int64")
    found = evaluated(tmp_path / "all", cases, design=design)
    result = release_evaluation(found, "opensafely").results["arrest"]
    assert result.one(measure="restricted_mean_difference").claim == "causal"
    # Of 300 leave 29 early: within a tenth, but not whatever 30, rounded, may stand for.
    few = cases.assign(weeks=cases["weeks"].where(cases["arrested"], 52))
    free = few.index[~few["arrested"]]
    few.loc[few.loc[free].groupby("arm").head(29).index, "weeks"] = 40
    found = evaluated(tmp_path / "few", few, design=design)
    assert found.results["arrest"].check("claim").passed
    result = release_evaluation(found, "opensafely").results["arrest"]
    assert result.one(measure="restricted_mean_difference").claim == "associational"
    assert not any(c.name == "without_outcome" for c in result.checks)
    cases.loc[:59, "weeks"] = pd.NA
    cases["arrested"] = cases["arrested"].astype("boolean")
    cases.loc[:59, "arrested"] = pd.NA
    found = evaluated(tmp_path / "lost", cases, design=design)
    result = release_evaluation(found, "opensafely").results["arrest"]
    assert result.one(measure="restricted_mean_difference").claim == "associational"
    (size,) = people_needed(Plan.model_validate(dict(found.plan)), result.estimates)
    assert result.check("people_needed") == dataclasses.replace(size, outcome="arrest")
    claim = result.check("claim")
    assert (claim.passed, claim.statistic) == (False, None)
    assert not any(c.isdigit() for c in claim.text)


# Tables


def repeats_of(event: int, custody: int, numbers_of: tuple[int, int, int, int], end: int = 120):
    first = {("programme", w): n for w, n in zip(
        ("event", "custody", "death", "moved", "end", "not followed"),
        (event, custody, 0, 12, end, 0), strict=True)}  # fmt: skip
    free = sum(first.values()) - event
    words = ("0", "1", "2", "3 to 5", "6 or more")
    second = {("programme", w): n for w, n in zip(words, (free, *numbers_of), strict=True)}
    return ResultSet(
        tables=tuple(
            CountTable.from_counts(
                name=f"{name}:x", title="", unit="person", dimensions=("group", "what"),
                counts=counts, totals={("programme", "all"): list(counts)},
            )
            for name, counts in (("followed", first), ("repeats", second))
        )
    )  # fmt: skip


@pytest.mark.parametrize("rules", [OPENSAFELY, ONS], ids=HIDING)
def test_both_tables_of_one_arm_hide_what_the_other_would_tell(rules):
    # Who had an event stands in both: a small number of them may not come back from either.
    followed, repeats = released_tables(repeats_of(5, 20, (3, 1, 1, 0)), "x", rules)
    assert followed["programme", "event"] is None
    assert all(repeats["programme", word] is None for word in ("1", "2", "3 to 5"))
    # Nobody is unfollowed here, so these two would leave it: they are rounded, or one is hidden.
    without, whole = repeats["programme", "0"], followed["programme", "all"]
    assert rules.round_to > 1 or without is None or whole is None


def test_tables_that_do_not_agree_are_not_both_released():
    exact = repeats_of(40, 20, (30, 10, 3, 0))
    followed, repeats = released_tables(exact, "x", OPENSAFELY)
    assert followed["programme", "event"] == 40
    assert repeats.policy == "withheld"
    assert all(cell.count is None for cell in repeats.cells)


@pytest.mark.parametrize(
    ("events", "people", "shown"),
    [
        pytest.param(24, 20, 25, id="many people"),
        pytest.param(24, 9, None, id="few people"),
        pytest.param(41, 20, None, id="one may have most of them"),
        pytest.param(0, 0, 0, id="nobody"),
    ],
)
def test_a_month_needs_enough_people_and_nobody_with_most_events(events, people, shown):
    tables = tuple(
        CountTable.from_counts(
            name=f"{name}:x", title="", unit=name, dimensions=("group", "month"),
            counts={("programme", "-1"): count},
        )
        for name, count in (("monthly", events), ("monthly_people", people))
    )  # fmt: skip
    exact = ResultSet(tables=(*repeats_of(40, 20, (30, 10, 0, 0)).tables, *tables))
    *_, months, persons = released_tables(exact, "x", OPENSAFELY)
    assert months["programme", "-1"] == shown
    assert persons["programme", "-1"] is None
    assert persons.policy == "withheld"
    *_, months, _persons = released_tables(exact, "x", ONS)
    assert months["programme", "-1"] == (20 if shown else None)  # zero is hidden there


@pytest.mark.parametrize("rules", [OPENSAFELY, ONS], ids=HIDING)
@pytest.mark.parametrize("end", [9, 30])
def test_a_small_arm_has_no_months_not_even_those_of_nobody(rules, end):
    first = repeats_of(0 if end == 9 else 20, 0, (0 if end == 9 else 20, 0, 0, 0), end - 9)
    tables = tuple(
        CountTable.from_counts(
            name=f"{name}:x", title="", unit=name, dimensions=("group", "month"),
            counts={("programme", "-2"): 0, ("programme", "-1"): 20},
        )
        for name in ("monthly", "monthly_people")
    )  # fmt: skip
    rate = Curve(
        name="monthly_rate", measure="monthly_rate", title="", group="programme", outcome="x",
        time_unit="months", times=(-2.0, -1.0), estimate=(0.0, 900.0), conf_low=(0.0, 500.0),
        conf_high=(90.0, 1200.0), at_risk=(21.0, 21.0), events=(0.0, 20.0), censored=(None, None),
    )  # fmt: skip
    exact = ResultSet(tables=(*first.tables, *tables), curves=(rate,))
    released = released_tables(exact, "x", rules)
    assert [cell.count for cell in released[2].cells] == [None, None]
    n = 12 + end - 9
    assert rates_by_month(exact, released, {"programme": (n, n)}, rules) == []


# Warnings of bias


def warned(rules, *checks: Check, size: int = 100) -> list[Check]:
    counts = {
        (arm, word): n for arm in ARMS for word, n in (("event", size // 2), ("end", size // 2))
    }
    table = CountTable.from_counts(
        name="followed:x", title="", unit="person", dimensions=("group", "ended_by"),
        counts=counts, totals={(arm, "all"): [(arm, "event"), (arm, "end")] for arm in ARMS},
    )  # fmt: skip
    exact = ResultSet(tables=(table,), checks=checks)
    found = warnings_of(exact, released_tables(exact, "x", rules), rules)
    for check in found:
        assert (check.statistic, check.threshold, check.df, check.p_value) == (None,) * 4
    return found


def changed(count: int) -> Check:
    text = f"{count} of 200 units have days before and after a change."
    return Check(name="recording_change", group="principal_crime", passed=False, statistic=count,
                 text=text)  # fmt: skip


@pytest.mark.parametrize(
    ("count", "part"),
    [(1, "A small part"), (20, "A small part"), (21, "Some"), (100, "Some"), (101, "Most"),
     (200, "Most")],
)  # fmt: skip
def test_a_change_in_recording_is_warned_of_without_a_count(count, part):
    (check,) = warned(OPENSAFELY, changed(count))
    assert check.passed is False
    assert check.text.startswith(
        f"{part} of the time compared lies on both sides of a change in how crime was recorded "
        "(2023-06-01: Only the principal crime"
    )
    assert str(count) not in check.text.replace("2023-06-01", "")


def test_where_zero_is_hidden_a_few_are_not_told_from_nobody():
    assert warned(ONS, changed(9)) == []
    (check,) = warned(ONS, changed(10))
    assert check.text.startswith("Part of the time compared lies on both sides")


def test_a_gap_and_an_unknown_change():
    gap = dataclasses.replace(changed(50), group="gap_devon_cornwall")
    assert "lies in a gap of police recording (2023-01-01" in warned(OPENSAFELY, gap)[0].text
    assert warned(OPENSAFELY, dataclasses.replace(gap, group="unheard of")) == []


def test_short_following_and_history_are_said_in_words():
    short = Check(name="follow_up", passed=False, statistic=61, text="61 of 200")
    late = Check(name="history", passed=False, statistic=3, text="For 3 of 200")
    one, two = warned(OPENSAFELY, short, late)
    assert one.text.startswith("Some of the people compared are followed for less than the whole")
    assert two.text.startswith("For a small part of the people compared the extract begins later")
    assert [c.name for c in warned(ONS, short, late)] == ["follow_up"]
    # Where zero is hidden it is not said either whether anybody's data end early.
    moved = dataclasses.replace(short, passed=True)
    assert warned(OPENSAFELY, moved) == []
    assert len(warned(ONS, moved)) == 1


def test_clocks_differ_without_medians_and_small_arms_do_not_tell():
    apart = Check(name="clocks", passed=False, statistic=0.4, threshold=0.1, text="median 3 days")
    (check,) = warned(OPENSAFELY, apart)
    assert check.passed is False
    assert "different clocks" in check.text
    assert not any(c.isdigit() for c in check.text)
    same = dataclasses.replace(apart, passed=True)
    assert warned(OPENSAFELY, same) == []
    small = [warned(OPENSAFELY, one, size=40) for one in (apart, same)]
    assert small[0] == small[1]
    assert (small[0][0].passed, "this small" in small[0][0].text) == (None, True)


def test_records_and_the_index_incident():
    wrong = [
        Check(name=name, passed=False, statistic=3, text="3 of 9")
        for name in ("after_end", "custody_open", "events_in_custody", "attribution")
    ]
    found = warned(OPENSAFELY, *wrong)
    assert [c.name for c in found] == ["after_end", "custody_open", "events_in_custody"]
    assert not any(c.isdigit() for check in found for c in check.text)
    assert warned(ONS, *wrong) == []
    left_out = Check(name="index_incident", passed=True, statistic=57, text="57")
    (check,) = warned(ONS, left_out)
    assert (check.passed, "Left out" in check.text) == (True, True)
    (check,) = warned(ONS, dataclasses.replace(left_out, passed=False))
    assert (check.passed, "no programme at all" in check.text) == (False, True)


# How much of an arm one person is


def test_how_much_of_an_arm_is_one_person():
    rows = pd.DataFrame(
        {
            "group": ["programme"] * 4 + ["comparison"],
            "perpetrator_id": ["a", "a", "a", "b", "c"],
            "unit_id": ["a1", "a1", "a2", "b1", "c1"],
            "event": [1, 1, 1, 0, 0],
        }
    )
    units = rows[["unit_id", "perpetrator_id"]].drop_duplicates()
    found = {(c.name, c.group): c.statistic for c in how_much_is_one(rows, units)}
    assert found == {
        ("largest_cluster", "programme"): 2,
        ("most_events", "programme"): 3,
        ("largest_cluster", "comparison"): 1,
        ("most_events", "comparison"): 0,
    }


@pytest.mark.parametrize("policy", ["internal", "public_data", *HIDING])
def test_what_only_the_gate_looks_at_never_leaves_it(large, policy):
    assert {c.name for c in large.results["arrest"].checks} >= {"largest_cluster", "most_events"}
    released = release_evaluation(large, policy).results["arrest"]
    assert not {c.name for c in released.checks} & set(FOR_THE_GATE)


def test_steps_are_of_as_many_events_as_one_person_makes_necessary(tmp_path):
    sections = {"design": {"kind": "comparison_group", "unit": "enrolment"}}
    found = evaluated(tmp_path / "three", cases_of(300, 400, each=3), **sections)
    exact = found.results["arrest"]
    largest = {c.group: c.statistic for c in exact.checks if c.name == "largest_cluster"}
    assert largest == dict.fromkeys(ARMS, 3)
    result = release_evaluation(found, "opensafely").results["arrest"]
    for curve in result.curves:
        steps = [n for n in curve.events[1:] if n is not None]
        assert min(steps) >= 3 * fewest_events(OPENSAFELY)
    bare = tuple(c for c in exact.checks if c.name != "largest_cluster")
    more = tuple(Check(name="largest_cluster", group=arm, statistic=200.0, text="") for arm in ARMS)
    one = dataclasses.replace(exact, checks=(*bare, *more))
    result = release_evaluation(dataclasses.replace(found, results={"arrest": one}), "opensafely")
    assert result.results["arrest"].curves == ()


# Hazard ratios


@pytest.mark.parametrize("policy", HIDING)
def test_the_interval_of_a_hazard_ratio_follows_from_what_is_shown(large, policy):
    result = release_evaluation(large, policy).results["arrest"]
    e = result.one(measure="hazard_ratio")
    exact = large.results["arrest"].one(measure="hazard_ratio")
    size = float(e.method.rpartition("design effect ")[2])
    error = math.sqrt(size * (1 / e.n_events + 1 / e.n_events_reference))
    assert e.conf_low == float(f"{e.estimate * math.exp(-1.959964 * error):.2g}")
    assert e.conf_high == float(f"{e.estimate * math.exp(1.959964 * error):.2g}")
    width, wanted = (math.log(x.conf_high / x.conf_low) for x in (e, exact))
    assert 0.97 * wanted <= width <= 1.25 * wanted
    reduced = result.one(measure="percent_reduction")
    assert reduced.conf_low == pytest.approx(100 * (1 - e.conf_high))
    assert reduced.p_value == e.p_value


@pytest.mark.parametrize("policy", HIDING)
def test_an_arm_without_a_curve_has_no_hazard_ratio(tmp_path, policy):
    small = evaluated(tmp_path / "small", cases_of(40, 300))
    result = release_evaluation(small, policy).results["arrest"]
    assert result.one(measure="hazard_ratio").estimate is None
    assert not any(c.name.startswith("proportional_hazards") for c in result.checks)


def test_whether_hazards_are_proportional_is_a_word(large):
    check = release_evaluation(large, "ons_acro").results["arrest"].check("proportional_hazards")
    assert (check.passed, check.p_value, check.statistic) == (True, None, None)
    assert "no sign that it changes" in check.text


# The arithmetic of steps


def test_steps_are_kaplan_meier_and_greenwood_of_their_numbers():
    steps = Stairs(times=(10.0, 20.0), events=(10, 10), exposed=(100, 80), product=True, base=5)
    assert steps.heights.tolist() == pytest.approx([1, 0.9, 0.9 * 0.875])
    greenwood = 10 / (100 * 90) + 10 / (80 * 70)
    assert steps.variances[-1] == pytest.approx((0.9 * 0.875) ** 2 * greenwood)
    assert steps.at(20.0)[0] == pytest.approx(0.7875)
    assert steps.at(5.0) is None  # two steps say too little of what is between their ends
    assert steps.at(21.0) is None
    area, variance = steps.area(20.0)
    assert area == pytest.approx(9.5 + 8.4375)
    assert math.sqrt(variance) == pytest.approx(0.43, abs=0.05)
    assert steps.happened(20.0) == 20
    assert [steps.followed(t) for t in (0, 10, 20)] == [100, 80, 70]


def test_counts_add_up_in_steps():
    steps = Stairs(
        times=(10.0, 20.0), events=(20, 40), exposed=(100, 80), product=False, base=5, size=2.0
    )
    assert steps.heights.tolist() == pytest.approx([0, 0.2, 0.7])
    assert steps.variances[-1] == pytest.approx(2 * (20 / 100**2 + 40 / 80**2))
    low, high = steps.interval(0.7, steps.variances[-1], 1.96)
    assert low * high == pytest.approx(0.7**2)


def test_units_and_floors_of_a_step():
    assert [unit_of(rules) for rules in (OPENSAFELY, ONS)] == [5, 10]
    assert [fewest_events(rules) for rules in (OPENSAFELY, ONS)] == [10, 15]
    assert grid_of("months", [2.5, 4]) == [1.0, 2.0, 2.5, 3.0, 4.0]


def test_a_number_beside_another_is_not_told_from_it_by_a_few():
    assert [beside(n, 50, 50, OPENSAFELY) for n in (43, 42, 57, 58)] == [50, 40, 50, 60]


def test_a_weighted_curve_is_not_read():
    one = {"title": "", "times": (0.0, 1.0), "estimate": (1.0, 0.9), "conf_low": (1.0, 0.8),
           "conf_high": (1.0, 0.95), "at_risk": (10.5, 10.5), "censored": (0, 0),
           "time_unit": "days", "name": "event_free", "measure": "event_free"}  # fmt: skip
    assert read(Curve(events=(0.0, 1.05), **one)) is None
    assert read(Curve(events=(0.0, None), **one)) is None
    assert read(Curve(events=(0.0, 1.0), **one)).value(2.0) == 0.9


def test_a_short_month_without_events_has_its_own_upper_limit():
    # Two days before the washout of a month, 200 people: 3.69 / (200 × 2 / 365.25) years × 100.
    years = 200 * 2 / 365.25
    limit = 100 * special.gammaincinv(1.0, 0.975) / years
    rate = Curve(
        name="monthly_rate", measure="monthly_rate", title="", group="programme", outcome="x",
        time_unit="months", times=(-1.0,), estimate=(0.0,), conf_low=(0.0,),
        conf_high=(float(limit),), at_risk=(200.0,), events=(0.0,), censored=(None,),
    )  # fmt: skip
    table = CountTable.from_counts(
        name="monthly:x", title="", unit="events", dimensions=("group", "month"),
        counts={("programme", "-1"): 0},
    )  # fmt: skip
    found = rates_by_month(
        ResultSet(curves=(rate,)), (table,), {"programme": (200, 200)}, OPENSAFELY
    )
    assert found[0].conf_high[0] == pytest.approx(limit, rel=0.35)
    assert found[0].conf_high[0] > 200


@pytest.mark.parametrize(
    ("times", "events", "worth"),
    [
        # Of a step of three months a third; of a month on both sides of a step's end each part.
        ((3 * MONTH, 6 * MONTH, 12 * MONTH), (30.0, 30.0, 60.0), 10.0),
        ((MONTH / 2, MONTH * 3 / 4, 12 * MONTH), (8.0, 6.0, 45.0), 15.0),
        ((MONTH / 2, MONTH * 3 / 2, 12 * MONTH), (10.0, 40.0, 60.0), 30.0),
    ],
    ids=["long step", "short steps", "two sides"],
)
@pytest.mark.parametrize("size", [1.0, 2.5])
def test_a_month_is_as_sure_as_the_events_of_its_own_days(times, events, worth, size):
    steps = Stairs(
        times=times, events=events, exposed=(100.0,) * 3, product=False, base=5, size=size
    )
    curve = Curve(
        name="monthly_rate", measure="monthly_rate", title="", group="programme", outcome="x",
        time_unit="months", times=(1.0,), estimate=(0.0,), conf_low=(0.0,),
        conf_high=(1.0,), at_risk=(100.0,), events=(0.0,), censored=(None,), unit="person",
    )  # fmt: skip
    table = CountTable.from_counts(
        name="monthly:x", title="", unit="events", dimensions=("group", "month"),
        counts={("programme", "1"): 0},
    )  # fmt: skip
    (found,) = rates_by_month(
        ResultSet(curves=(curve,)), (table,), {"programme": (100, 100)}, OPENSAFELY,
        {"programme": steps},
    )  # fmt: skip
    rate = 100 * 365.25 / MONTH * worth / 100
    assert found.estimate[0] == pytest.approx(rate)
    # Exact limits of Poisson for so many events, each worth 1/size.
    low, high = stats.chi2.ppf(0.025, 2 * worth / size), stats.chi2.ppf(0.975, 2 * worth / size + 2)
    assert found.conf_low[0] == pytest.approx(rate * size * low / 2 / worth)
    assert found.conf_high[0] == pytest.approx(rate * size * high / 2 / worth)
