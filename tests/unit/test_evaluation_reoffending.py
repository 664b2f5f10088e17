"""Times to an event and re-offending in a plan: ten people on paper, and designs of many."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from drive_eval.data.study import Study, load_study
from drive_eval.errors import DesignError
from drive_eval.evaluation import check, run
from drive_eval.evaluation.designs import make_designs
from drive_eval.evaluation.reoffending import evaluate_reoffending, evaluate_time_to_event
from drive_eval.evaluation.times import Question, first_event_result, repeats_result
from drive_eval.measures.case_table import cohort_units, time_to_event_rows
from drive_eval.models import survival
from drive_eval.plan import Plan, ReoffendingOutcome
from drive_eval.results import Evaluation, ResultSet

ARREST = {
    "kind": "time_to_event",
    "name": "arrest",
    "stop": "weeks",
    "event": "arrested",
    "time_unit": "weeks",
    "horizon": 52,
    "times": [13, 26],
}
POLICE = {"kind": "reoffending", "name": "police", "horizon": 100, "times": [40]}
COLUMNS = {
    "weeks": "number",
    "arrested": "boolean",
    "fell": "boolean",
    "married": "boolean",
}


def plan_of(*outcomes, folder="extract", kind="comparison_group", unit="person", **more) -> Plan:
    return Plan.model_validate(
        {
            "evaluation": {"title": "Followed by hand"},
            "data": {"folder": str(folder), "columns": {"cases": COLUMNS}},
            "design": {"kind": kind, "unit": unit},
            "outcomes": list(outcomes),
            **more,
        }
    )


def study_of(folder, **tables) -> Study:
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    data = {"folder": str(folder)}
    return load_study(plan_of(POLICE, data=data))


def without(study: Study, name: str) -> Study:
    kept = {key: table for key, table in study.tables.items() if key != name}
    return dataclasses.replace(study, tables=kept)


def with_table(study: Study, name: str, table: pd.DataFrame) -> Study:
    return dataclasses.replace(study, tables={**study.tables, name: table})


def day(number) -> str:
    return str((pd.Timestamp("2020-01-01") + pd.Timedelta(days=number)).date())


# Ten people on paper (days after their index date):
#   programme: A event 30; B locked up after 20 to 50, event 60; C nothing; D dies on 40;
#     E locked up after 80.
#   comparison: F events 10 and 25; G two crimes on 30; H moves on 70; I nothing; J locked up
#     all the time, and so never followed.
PEOPLE = "ABCDEFGHIJ"


@pytest.fixture(scope="module")
def paper(tmp_path_factory) -> Study:
    cases = pd.DataFrame(
        {
            "case_id": list(PEOPLE),
            "perpetrator_id": [f"P{name}" for name in PEOPLE],
            "arm": ["programme"] * 5 + ["comparison"] * 5,
            "index_date": day(0),
            "data_end_date": day(300),
            "death_date": [day(40) if name == "D" else None for name in PEOPLE],
            "moved_date": [day(70) if name == "H" else None for name in PEOPLE],
        }
    )
    dated = [("A", -40), ("A", -10), ("A", 0), ("A", 30), ("B", 60), ("B", 25), ("F", 10)]
    dated += [("F", 25), ("G", 30), ("G", 30), ("I", 200)]
    events = pd.DataFrame(
        {
            "event_id": [f"E{i:02d}" for i in range(len(dated))],
            "perpetrator_id": [f"P{name}" for name, _ in dated],
            "date": [day(number) for _, number in dated],
            "source": "police",
        }
    )
    custody = pd.DataFrame(
        {
            "perpetrator_id": ["PB", "PE", "PJ"],
            "start_date": [day(20), day(80), day(-10)],
            "end_date": [day(50), None, day(250)],
        }
    )
    folder = tmp_path_factory.mktemp("paper")
    return study_of(folder, cases=cases, events=events, custody=custody)


@pytest.fixture(scope="module")
def result(paper):
    return run(plan_of(POLICE), paper).results["police"]


class TestOnPaper:
    def test_a_gap_takes_who_is_locked_up_out_of_the_risk_set(self, result):
        # 30: A of A, C, D, E. 60: B of B, C, E. And 10: F of four; 30: G of G, H, I.
        for arm, at_40 in (("programme", 3 / 4), ("comparison", 1 / 2)):
            free = {e.time: e.estimate for e in of(result, "event_free", group=arm)}
            assert free == {40: pytest.approx(at_40), 100: pytest.approx(1 / 2)}
        assert result.one(measure="event_free_difference", time=40).estimate == pytest.approx(0.25)

    def test_custody_as_an_event_of_its_own_is_in_everybodys_share(self, result):
        # 20 B custody, 30 A event, 40 D death, 80 E custody, each a fifth of the programme.
        shares = {
            e.term: e.estimate
            for e in of(result, "cumulative_incidence", group="programme", time=100)
        }
        assert "on the index date is followed from release on," in " ".join(result.assumptions)
        assert shares == {
            "reoffence": pytest.approx(0.2),
            "custody": pytest.approx(0.4),
            "death": pytest.approx(0.2),
        }

    def test_every_event_counts(self, result):
        counts = [e.estimate for e in of(result, "mean_cumulative_count", time=100)]
        # Whoever had an event is still at risk of the next: B on 60 is one of A, B, C, E.
        assert counts == [pytest.approx(2 / 4), pytest.approx(3 / 4)]
        ratio = result.one(measure="mean_cumulative_count_ratio", time=100)
        assert ratio.estimate == pytest.approx(2 / 3)
        assert result.one(measure="hazard_ratio", term="repeated").n_events_reference == 3

    def test_why_following_ended(self, result):
        table = result.table("followed:police")
        words = ("event", "custody", "death", "moved", "end", "not followed", "all")
        assert [table["programme", word] for word in words] == [2, 1, 1, 0, 1, 0, 5]
        assert [table["comparison", word] for word in words] == [2, 0, 0, 1, 1, 1, 5]

    def test_how_many_events_there_were(self, result):
        table = result.table("repeats:police")
        words = ("0", "1", "2", "3 to 5", "6 or more", "all")
        assert [table["programme", word] for word in words] == [3, 2, 0, 0, 0, 5]
        # The two crimes of one day are one; J is not followed.
        assert [table["comparison", word] for word in words] == [2, 1, 1, 0, 0, 4]

    def test_months_leave_the_index_incident_the_washout_and_custody_out(self, result):
        events, people = result.table("monthly:police"), result.table("monthly_people:police")
        at = {m: events["programme", m] for m in ("-2", "-1", "1", "2", "3")}
        assert at == {"-2": 1, "-1": 0, "1": 1, "2": 1, "3": 0}
        # Here crimes count, of one day as well.
        assert (events["comparison", "1"], people["comparison", "1"]) == (4, 2)
        rate = result.curve("monthly_rate", group="programme")
        month = rate.times.index(1.0)
        assert rate.estimate[month] == pytest.approx(100 * 365.25 / (5 * 30 - 10))
        assert (rate.events[month], rate.at_risk[month]) == (1, 5)
        assert "28 days before" in rate.note

    def test_one_event_has_the_exact_limits_of_poisson(self, result):
        rate = result.curve("monthly_rate", group="programme")
        month = rate.times.index(1.0)
        years = 140 / 365.25
        low, high = stats.chi2.ppf(0.025, 2) / 2, stats.chi2.ppf(0.975, 4) / 2
        assert rate.conf_low[month] == pytest.approx(100 * low / years)
        assert rate.conf_high[month] == pytest.approx(100 * high / years)
        none = rate.times.index(3.0)
        assert (rate.estimate[none], rate.conf_low[none]) == (0, 0)
        assert rate.conf_high[none] > 0

    def test_events_of_one_person_widen_the_limits(self, paper):
        more = paper.table("events").query("perpetrator_id == 'PF'").head(1)
        more = pd.concat([more] * 6).assign(event_id=[f"M{i}" for i in range(6)])
        events = pd.concat([paper.table("events"), more], ignore_index=True)
        rates = run(plan_of(POLICE), with_table(paper, "events", events)).results["police"]
        rate = rates.curve("monthly_rate", group="comparison")
        month = rate.times.index(1.0)
        assert rate.events[month] == 10
        # F has 8, G 2, and H and I none, of 2.5 each: squares of 43 for a variance of 10.
        few, worth = 10 / 4.3, 4.3
        high = stats.chi2.ppf(0.975, 2 * few + 2) / 2
        assert rate.conf_high[month] == pytest.approx(rate.estimate[month] * worth * high / 10)
        low = stats.chi2.ppf(0.025, 2 * few) / 2
        assert rate.conf_low[month] == pytest.approx(rate.estimate[month] * worth * low / 10)

    def test_assumptions_say_what_custody_is(self, result):
        words = " ".join(result.assumptions)
        assert "Custody as a gap: days in custody are cut out" in words
        assert "Custody as a competing event: the first custody ends the following" in words

    def test_a_hazard_ratio_never_stands_alone(self, result):
        measures = [e.measure for e in result.estimates]
        assert measures.index("restricted_mean_difference") < measures.index("hazard_ratio")
        assert result.one(measure="hazard_ratio", term="").contrast == "programme v comparison"
        fall = result.one(measure="percent_reduction", term="hazard")
        ratio = result.one(measure="hazard_ratio", term="")
        assert fall.estimate == pytest.approx(100 * (1 - ratio.estimate))

    def test_people_with_several_rows_are_people(self, result):
        ratio = result.one(measure="hazard_ratio", term="")
        assert (ratio.n, ratio.n_reference) == (5, 4)

    def test_curves_are_those_of_the_contract(self, result):
        found = {(c.name, c.group, c.term) for c in result.curves}
        arms = ("programme", "comparison")
        causes = ("reoffence", "custody", "death")
        assert found == {
            *(("event_free", arm, "") for arm in arms),
            *(("cumulative_incidence", arm, cause) for arm in arms for cause in causes),
            *(("mean_cumulative_count", arm, "") for arm in arms),
            *(("monthly_rate", arm, "") for arm in arms),
        }
        assert {c.outcome for c in result.curves} == {"police"}

    def test_every_check_knows_its_outcome_and_stands_once(self, result):
        assert {c.outcome for c in result.checks} == {"police"}
        assert len(set(result.checks)) == len(result.checks)
        assert result.check("no_rows").statistic == 1

    def test_results_are_read_back(self, paper):
        evaluation = run(plan_of(POLICE), paper)
        assert Evaluation.from_json(evaluation.to_json()) == evaluation


def of(result, measure, **labels):
    return [
        e
        for e in result.estimates
        if e.measure == measure and all(getattr(e, k) == v for k, v in labels.items())
    ]


class TestOptions:
    def test_competing_custody_ends_the_event_free_curve_as_well(self, paper):
        plan = plan_of({**POLICE, "custody_as": "competing"})
        found = run(plan, paper).results["police"]
        table = found.table("followed:police")
        assert (table["programme", "event"], table["programme", "custody"]) == (1, 2)
        assert "speak of people who are not locked up" in " ".join(found.assumptions)

    def test_ignored_custody_counts_days_inside(self, paper):
        plan = plan_of({**POLICE, "custody_as": "ignored"})
        found = run(plan, paper).results["police"]
        table = found.table("followed:police")
        # B's event on day 25, in custody, is now his first, and J is followed.
        assert table["comparison", "not followed"] == 0
        free = found.one(measure="event_free", group="programme", time=40.0)
        assert free.estimate == pytest.approx(4 / 5 * 3 / 4)
        assert "looks better than it is" in " ".join(found.assumptions)
        rate = found.curve("monthly_rate", group="programme")
        assert rate.estimate[rate.times.index(1.0)] == pytest.approx(200 * 365.25 / 150)

    def test_without_custody_there_is_no_incidence_and_it_is_said(self, paper):
        found = run(plan_of(POLICE), without(paper, "custody")).results["police"]
        assert not of(found, "cumulative_incidence")
        assert "No custody table was given" in found.check("custody").text
        assert "Custody as" not in " ".join(found.assumptions)
        # Nothing says that time in custody was cut out, or that nobody was in it.
        assert not {"custody_as", "in_custody_at_index"} & {c.name for c in found.checks}
        assert "custody" not in found.curve("monthly_rate", group="programme").note

    def test_no_months_before(self, paper):
        plan = plan_of({**POLICE, "months_before": 0, "months_after": 2})
        found = run(plan, paper).results["police"]
        rate = found.curve("monthly_rate", group="programme")
        assert rate.times == (1.0, 2.0)
        assert "index date" not in rate.note

    def test_a_month_that_the_washout_takes_has_no_rate(self, paper):
        plan = plan_of({**POLICE, "washout": 40})
        rate = run(plan, paper).results["police"].curve("monthly_rate", group="programme")
        at = rate.times.index(-1.0)
        assert (rate.estimate[at], rate.conf_high[at], rate.events[at]) == (None, None, 0)

    def test_nobody_with_an_event_leaves_empty_rows_and_the_reason(self, paper):
        plan = plan_of({**POLICE, "horizon": 5, "times": []})
        found = run(plan, paper).results["police"]
        assert found.one(measure="event_free", group="programme", time=5.0).estimate == 1
        ratio = found.one(measure="hazard_ratio", term="")
        assert (ratio.estimate, ratio.conf_low) == (None, None)
        texts = [c.text for c in found.checks if c.name == "undefined"]
        assert any("no row has the event" in text for text in texts)

    def test_enrolments_of_one_person_are_clustered(self, paper):
        cases = paper.table("cases")
        cases.loc[cases["case_id"] == "I", "perpetrator_id"] = "PF"
        study = with_table(paper, "cases", cases)
        plan = plan_of({**POLICE, "horizon": 60, "attribution": "each"}, unit="enrolment")
        found = run(plan, study).results["police"]
        assert "perpetrator_id" in found.one(measure="hazard_ratio", term="").method
        assert found.check("attribution").statistic == 2

    @pytest.mark.parametrize(("rule", "months"), [("first", (4, 1)), ("last", (5, 0))])
    def test_a_day_of_two_enrolments_is_in_one_month_of_one_of_them(self, paper, rule, months):
        # I enrols again on day 35: his event of day 50 is in month 2 of one or 1 of the other.
        cases, events = paper.table("cases"), paper.table("events")
        again = cases[cases["case_id"] == "I"].assign(case_id="K", index_date=pd.Timestamp(day(35)))
        study = with_table(paper, "cases", pd.concat([cases, again], ignore_index=True))
        events.loc[events["perpetrator_id"] == "PI", "date"] = pd.Timestamp(day(50))
        study = with_table(study, "events", events)
        plan = plan_of(
            {**POLICE, "horizon": 60, "attribution": rule, "months_before": 0}, unit="enrolment"
        )
        found = run(plan, study).results["police"]
        counted, people = found.table("monthly:police"), found.table("monthly_people:police")
        assert tuple(counted["comparison", month] for month in ("1", "2")) == months
        # F and G have two events each in month 1.
        assert tuple(people["comparison", month] for month in ("1", "2")) == (
            months[0] - 2,
            months[1],
        )

    def test_arms_with_different_clocks_are_named(self, paper):
        starts = [day(0)] * 5 + [day(60)] * 5
        cases = paper.table("cases").assign(start_date=pd.to_datetime(starts))
        study = with_table(paper, "cases", cases)
        clocks = run(plan_of(POLICE), study).results["police"].check("clocks")
        assert clocks.passed is False
        assert "immortal time" in clocks.text


class TestOneArm:
    def test_before_after_has_its_arm_and_no_contrast(self, paper):
        units = cohort_units(paper.tables["cases"].head(5), unit="person")
        plan = plan_of(POLICE, kind="before_after")
        tables = paper.tables
        found = evaluate_reoffending(
            plan, plan.outcomes[0], units, tables["events"], tables["custody"], {}
        )
        assert {e.group for e in found.estimates} == {"programme"}
        assert {c.group for c in found.curves} == {"programme"}

    def test_an_arm_that_nobody_follows_leaves_empty_rows(self, paper):
        rows = drawn(40).assign(weeks=lambda t: t["weeks"].where(t["arm"] == "programme"))
        units = cohort_units(rows, unit="person")
        plan = plan_of(ARREST)
        found = evaluate_time_to_event(plan, plan.outcomes[0], units, {})
        assert found.one(measure="event_free", group="comparison", time=52.0).estimate is None
        assert found.one(measure="event_free", group="programme", time=52.0).estimate > 0
        assert found.one(measure="hazard_ratio").estimate is None
        check = next(c for c in found.checks if c.name == "undefined")
        assert check.text == "Nobody in the comparison group is followed for this outcome."


# Designs of many


def drawn(n=300, *, seed=3) -> pd.DataFrame:
    """Draw cases that are followed for 60 weeks at most, some of them not to the end."""
    rng = np.random.default_rng(seed)
    t = np.arange(n) % 2 == 0
    age = rng.integers(18, 60, n) + 3 * t
    wait = np.ceil(rng.exponential(np.where(t, 60, 40) + age))
    end = np.where(rng.random(n) < 0.2, rng.integers(20, 60, n), 60)
    weeks = np.minimum(wait, end)
    return pd.DataFrame(
        {
            "case_id": [f"C{i:04d}" for i in range(n)],
            "perpetrator_id": [f"P{i:04d}" for i in range(n)],
            "arm": np.where(t, "programme", "comparison"),
            "index_date": pd.Timestamp("2020-01-01"),
            "age": age,
            "married": rng.random(n) < 0.4,
            "weeks": weeks,
            "arrested": wait <= end,
            "fell": wait <= 20,
        }
    )


BLOCKS = [
    {"name": "pairs", "method": "nearest", "covariates": ["age", "married"]},
    {"name": "weights", "method": "propensity_weights", "covariates": ["age", "married"]},
    {"name": "classes", "method": "subclass", "covariates": ["age"], "subclasses": 3},
    {"name": "again", "method": "nearest", "covariates": ["age"], "replace": True},
]
TERMS = ["crude", *(block["name"] for block in BLOCKS)]


def study_in_memory(cases: pd.DataFrame) -> Study:
    return Study(tables={"cases": cases}, source="memory", hashes={})


@pytest.fixture(scope="module")
def many():
    plan = plan_of(ARREST, kind="matched", balancing=BLOCKS)
    units = cohort_units(drawn(), unit="person")
    designs = make_designs(plan, units)
    found = evaluate_time_to_event(plan, plan.outcomes[0], units, {}, designs)
    return plan, units, designs, found


class TestDesigns:
    def test_each_has_shares_means_hazards_and_curves(self, many):
        *_, found = many
        for measure in ("event_free_difference", "restricted_mean_ratio", "hazard_ratio"):
            terms = [e.term for e in of(found, measure) if e.time in (None, 52.0)]
            assert [term for term in terms if "(" not in term] == TERMS
        falls = [e.term for e in of(found, "percent_reduction")]
        assert "crude (hazard)" in falls
        assert "classes (adjusted) (hazard)" in falls
        assert {c.term for c in found.curves} == set(TERMS)

    def test_what_differs_within_classes_is_said_to_stay_in_the_shares(self, many):
        plan, units, _, found = many
        said = "what still differs within classes stays in them"
        assert said in " ".join(found.assumptions)
        pairs = plan.model_copy(update={"balancing": plan.balancing[:1]})
        alone = evaluate_time_to_event(
            pairs, plan.outcomes[0], units, {}, make_designs(pairs, units)
        )
        assert said not in " ".join(alone.assumptions)

    def test_pairs_are_those_of_the_model_itself(self, many):
        _, units, designs, found = many
        rows = time_to_event_rows(units, stop="weeks", event="arrested", horizon=52)
        joined = (
            designs["pairs"]
            .table[["weight", "matched_set"]]
            .join(rows[["group", "stop", "event"]].astype({"event": bool}))
        )
        model = dataclasses.replace(designs["pairs"], table=joined)
        own = survival.cox(model, stop="stop", event="event").one(measure="hazard_ratio")
        ratio = found.one(measure="hazard_ratio", term="pairs")
        assert ratio.estimate == pytest.approx(own.estimate)
        assert ratio.std_error == pytest.approx(own.std_error)

    def test_weights_are_known_to_be_estimated(self, many):
        _, units, designs, found = many
        rows = time_to_event_rows(units, stop="weeks", event="arrested", horizon=52)
        design = designs["weights"]
        model = dataclasses.replace(
            design,
            table=design.table[["weight"]].join(
                rows[["group", "stop", "event"]].astype({"event": bool})
            ),
        )
        own = survival.restricted_mean(model, stop="stop", event="event", horizon=52)
        for measure in ("restricted_mean_difference", "time_lost_ratio"):
            mine, theirs = found.one(measure=measure, term="weights"), own.one(measure=measure)
            assert mine.estimate == pytest.approx(theirs.estimate)
            assert mine.std_error == pytest.approx(theirs.std_error)
            assert "stacked" in mine.method

    def test_rows_cut_in_two_tell_the_same_in_every_design(self, many):
        # As custody cuts them: a unit's weight, its set and what it added to the weights stay one.
        plan, units, designs, _ = many
        rows = time_to_event_rows(units, stop="weeks", event="arrested", horizon=52)
        whole = rows.astype({"event": bool})
        early = whole[whole["stop"] > 10]
        cut = pd.concat(
            [
                early.assign(stop=10.0, event=False),
                early.assign(start=10.0),
                whole[whole["stop"] <= 10],
            ]
        ).sort_values(["unit_id", "start"])
        asked = Question(
            plan=plan,
            units=units,
            designs=designs,
            name="arrest",
            reporter="",
            times=(26.0, 52.0),
            time_unit="weeks",
            claim="associational",
        )
        columns = ["unit_id", "perpetrator_id", "group", "start", "stop", "event"]
        one = first_event_result(asked, whole[columns])
        two = first_event_result(asked, cut[columns])
        assert len(one.estimates) == len(two.estimates)
        for a, b in zip(one.estimates, two.estimates, strict=True):
            key = (a.measure, a.term, a.group, a.time)
            assert b.estimate == pytest.approx(a.estimate, rel=1e-9), key
            assert (b.n, b.n_reference) == (a.n, a.n_reference), key
            if a.std_error is not None:
                assert b.std_error == pytest.approx(a.std_error, rel=1e-6), key

    def test_repeats_are_weighted_and_clustered(self, many):
        plan, units, designs, _ = many
        rows = time_to_event_rows(units, stop="weeks", event="arrested", horizon=52)
        columns = ["unit_id", "perpetrator_id", "group", "start", "stop", "event"]
        asked = Question(
            plan=plan,
            units=units,
            designs=designs,
            name="arrest",
            reporter="",
            times=(52.0,),
            time_unit="weeks",
            claim="associational",
        )
        found = repeats_result(asked, rows.astype({"event": bool})[columns])
        terms = [e.term for e in of(found, "hazard_ratio")]
        assert terms == [f"{term} (repeated)" for term in TERMS]
        assert "matched_set" in found.one(measure="hazard_ratio", term="pairs (repeated)").method
        # Nobody has two events here, so hazards of the first and of every event are the same.
        for term in TERMS:
            first = first_event_result(asked, rows.astype({"event": bool})[columns])
            ratio = first.one(measure="hazard_ratio", term=term).estimate
            again = found.one(measure="hazard_ratio", term=f"{term} (repeated)").estimate
            assert again == pytest.approx(ratio)

    def test_without_censoring_shares_are_one_minus_risks(self):
        # Some have no outcome: they stay in the estimation of weights, as for a yes/no outcome.
        cases = drawn().assign(fell=lambda t: t["weeks"].le(20).astype("boolean"))
        cases.loc[cases.index % 17 == 0, ["weeks", "fell"]] = [np.nan, pd.NA]
        cases = cases.assign(weeks=cases["weeks"].where(cases["weeks"].isna(), 20 + cases["weeks"]))
        cases.loc[cases["fell"].fillna(value=False), "weeks"] -= 20
        cases["arrested"] = cases["fell"].astype("boolean")
        fell = {"kind": "binary", "name": "fell", "column": "fell"}
        until = {**ARREST, "horizon": 20, "times": []}
        plan = plan_of(fell, until, kind="weighted", balancing=[BLOCKS[1]])
        evaluation = run(plan, study_in_memory(cases))
        risk = evaluation.results["fell"].one(measure="risk_difference", term="weights")
        free = evaluation.results["arrest"].one(measure="event_free_difference", term="weights")
        assert free.estimate == pytest.approx(-risk.estimate)
        assert free.std_error == pytest.approx(risk.std_error)
        assert evaluation.results["arrest"].check("not_followed").statistic == 18

    def test_enrolments_in_pairs_are_tied_by_their_person(self):
        cases = drawn(120)
        cases["perpetrator_id"] = [f"P{i // 2:04d}" for i in range(120)]
        plan = plan_of(ARREST, kind="matched", unit="enrolment", balancing=[BLOCKS[0]])
        found = run(plan, study_in_memory(cases)).results["arrest"]
        clusters = [c.statistic for c in found.checks if c.name == "clusters"]
        kept = found.one(measure="hazard_ratio", term="pairs").n
        assert clusters
        assert max(clusters) < kept


class TestAdjusted:
    def test_only_the_programmes_ratio_is_kept(self):
        plan = plan_of(ARREST, comparison={"covariates": ["age", "married"]})
        found = run(plan, study_in_memory(drawn())).results["arrest"]
        assert [e.term for e in of(found, "hazard_ratio")] == ["", "adjusted"]
        falls = [e.term for e in of(found, "percent_reduction")]
        assert falls == ["hazard", "adjusted (hazard)"]
        table = time_to_event_rows(
            cohort_units(drawn(), unit="person"), stop="weeks", event="arrested", horizon=52
        ).astype({"event": bool})
        own = survival.cox(
            table, stop="stop", event="event", treated="group", covariates=["age", "married"]
        ).one(measure="hazard_ratio", term="group")
        assert found.one(measure="hazard_ratio", term="adjusted").estimate == own.estimate
        words = {c.name for c in found.checks}
        assert {"proportional_hazards", "proportional_hazards: adjusted"} <= words
        assert not any("age" in name or "married" in name for name in words)
        assert found.check("covariate_cells").group == "married"

    def test_the_claim_follows_the_design(self):
        cases = drawn().assign(allocated_arm=lambda t: t["arm"])
        cases["weeks"] = cases["weeks"].where(cases["arrested"], 52)  # nobody is lost
        found = run(plan_of(ARREST, kind="randomised"), study_in_memory(cases)).results["arrest"]
        assert found.one(measure="restricted_mean_difference").claim == "causal"
        assert found.one(measure="restricted_mean", group="programme").claim == "descriptive"
        # Those still free of the event are no longer those who were allocated.
        assert found.one(measure="hazard_ratio", term="").claim == "associational"
        assert "Hazard ratios are associational" in found.check("claim").text
        found = run(plan_of(ARREST), study_in_memory(cases)).results["arrest"]
        assert found.one(measure="restricted_mean_difference").claim == "associational"


# What a causal sentence rests on


def ten_a_side(folder, *, custody_as="gap", custody=(), events=(), **dates) -> ResultSet:
    """Allocate P00 to P09 and Q00 to Q09 by chance; dates and spells are days after the index."""
    people = [f"{arm}{i:02d}" for arm in "PQ" for i in range(10)]
    cases = pd.DataFrame({"case_id": people, "perpetrator_id": people, "index_date": day(0)})
    cases["arm"] = ["programme"] * 10 + ["comparison"] * 10
    cases["allocated_arm"] = cases["arm"]
    for column in ("data_end_date", "death_date", "moved_date"):
        told, other = dates.get(column, {}), 300 if column == "data_end_date" else None
        number = [told.get(name, other) for name in people]
        cases[column] = [None if n is None else day(n) for n in number]
    happened = [("P09", 30), ("Q08", 20), ("Q09", 30), *events]
    table = pd.DataFrame(
        {
            "event_id": [f"E{i}" for i in range(len(happened))],
            "perpetrator_id": [who for who, _ in happened],
            "date": [day(number) for _, number in happened],
            "source": "police",
        }
    )
    spells = [("Q09", 60, 70), *custody]
    inside = pd.DataFrame(
        {
            "perpetrator_id": [who for who, *_ in spells],
            "start_date": [day(start) for _, start, _ in spells],
            "end_date": [day(end) for *_, end in spells],
        }
    )
    study = study_of(folder, cases=cases, events=table, custody=inside)
    plan = plan_of({**POLICE, "custody_as": custody_as}, folder=folder, kind="randomised")
    return run(plan, study).results["police"]


TWO = ("P00", "P01")


class TestTheClaimCountsWhoHasNoOutcome:
    """With ten an arm and a limit of 10 %, one may be missing, and two may not."""

    @pytest.mark.parametrize(
        ("people", "words"),
        [
            ({"custody": [(name, -5, 400) for name in TWO]}, "2 never followed, 0 followed only"),
            ({"custody": [(name, -5, 9) for name in TWO]}, "2 followed only from a later day"),
            ({"custody": [(name, 0, 9) for name in TWO]}, "2 followed only from a later day"),
            ({"moved_date": dict.fromkeys(TWO, 99)}, "2 lost before the end (2 of 10 in all)"),
            (
                {"custody": [("P00", -5, 9)], "moved_date": {"P00": 99, "P01": 50}},
                "1 followed only from a later day, 2 lost before the end (2 of 10 in all)",
            ),
        ],
        ids=["never", "late", "locked up that day", "moved", "both, once each"],
    )
    def test_two_of_a_kind_are_too_many(self, tmp_path, people, words):
        found = ten_a_side(tmp_path, **people)
        claim = found.check("claim")
        assert (claim.passed, claim.statistic) == (False, pytest.approx(0.2))
        assert words in claim.text
        assert "comparison 0 never followed" in claim.text
        assert {e.claim for e in of(found, "cumulative_incidence_difference")} == {"associational"}
        there = [c for c in found.checks if c.name == "without_outcome"]
        assert {c.group: c.statistic for c in there} == {"programme": 2, "comparison": 0}

    @pytest.mark.parametrize(
        "people",
        [
            {},
            {"custody": [("P00", -5, 9)]},
            {"events": [(name, 40) for name in TWO], "moved_date": dict.fromkeys(TWO, 99)},
            {"custody": [(name, 40, 400) for name in TWO]},
            {"death_date": dict.fromkeys(TWO, 99)},
            {"data_end_date": dict.fromkeys(TWO, 99)},
            {"moved_date": dict.fromkeys(TWO, 100)},
        ],
        ids=["nobody", "one", "event", "custody", "death", "end of data", "moved at the end"],
    )
    def test_these_are_not_missing(self, tmp_path, people):
        found = ten_a_side(tmp_path, **people)
        assert found.check("claim").passed
        assert {e.claim for e in of(found, "cumulative_incidence_difference")} == {"causal"}

    def test_ignoring_custody_does_not_make_the_late_known(self, tmp_path):
        late = [(name, -5, 9) for name in TWO]
        assert not ten_a_side(tmp_path, custody_as="ignored", custody=late).check("claim").passed

    def test_who_is_lost_of_two_columns_has_no_reason(self):
        cases = drawn().assign(allocated_arm=lambda t: t["arm"])
        found = run(plan_of(ARREST, kind="randomised"), study_in_memory(cases)).results["arrest"]
        lost = int(((cases["weeks"] < 52) & ~cases["arrested"]).sum())
        assert found.check("follow_up").statistic == lost
        there = [c.statistic for c in found.checks if c.name == "without_outcome"]
        assert sum(there) == lost
        assert "or for none that is recorded" in found.check("claim").text

    def test_custody_comes_before_moving_away_on_one_day(self, tmp_path):
        found = ten_a_side(tmp_path, custody=[("P00", 50, 60)], moved_date={"P00": 50})
        first = {
            e.term: e.estimate
            for e in of(found, "cumulative_incidence", group="programme", time=100)
        }
        assert first == {"reoffence": pytest.approx(0.1), "custody": pytest.approx(0.1)}
        assert "custody before death, and death before moving away" in " ".join(found.assumptions)


# What cannot be followed


def refused(plan, study) -> str:
    with pytest.raises(DesignError) as by_check:
        check(plan, study)
    with pytest.raises(DesignError) as by_run:
        run(plan, study)
    assert str(by_check.value) == str(by_run.value)
    return str(by_check.value)


class TestRefusals:
    @pytest.mark.parametrize(
        ("outcome", "change", "said"),
        [
            ({"stop": "week"}, {}, 'no column "week" in cases. Nearest: "weeks".'),
            ({"event": "arest"}, {}, 'no column "arest" in cases. Nearest: "arrested".'),
            ({"stop": "married"}, {}, 'the column "married" of cases does not hold numbers.'),
            ({"event": "age"}, {}, 'the column "age" of cases holds other values than true'),
            ({}, {"weeks": 0}, "300 of 300 cases have 0 or less in the column"),
            ({}, {"weeks": -2.0}, "300 of 300 cases have 0 or less in the column"),
            (
                {"horizon": 80},
                {},
                'the outcome "arrest" is to be followed for 80 weeks, but nobody of the comparison '
                "group is followed for more than 60. Shorten its horizon",
            ),
            ({}, {"weeks": np.nan}, 'the outcome "arrest" has nothing to follow: no person has'),
        ],
    )
    def test_times_from_columns(self, outcome, change, said):
        study = study_in_memory(drawn().assign(**change))
        assert said in refused(plan_of({**ARREST, **outcome}), study)

    def test_a_horizon_after_everybodys_event_is_no_fault(self):
        study = study_in_memory(drawn().assign(weeks=20, arrested=True))
        assert check(plan_of(ARREST), study) == {"arrest": 300}

    def test_columns_of_our_own_are_no_covariates(self):
        study = study_in_memory(drawn().assign(event=1))
        plan = plan_of(ARREST, comparison={"covariates": ["event"]})
        assert 'covariate "event" is what the evaluation calls a column' in refused(plan, study)

    def test_events_are_needed(self, paper):
        assert "needs the table events" in refused(plan_of(POLICE), without(paper, "events"))

    def test_a_source_that_recorded_nothing(self, paper):
        said = refused(plan_of({**POLICE, "source": ["marac"]}), paper)
        assert 'the outcome "police" has nothing to count: 0 of 11 events are kept' in said
        assert "Look at its source" in said

    def test_a_column_that_is_asked_of_events_is_needed(self, paper):
        plan = plan_of({**POLICE, "stage": "charged", "abuse_types": ["physical"]})
        events = paper.table("events").drop(
            columns=["outcome_stage", "abuse_type"], errors="ignore"
        )
        said = refused(plan, with_table(paper, "events", events)).splitlines()
        assert said == [
            'the outcome "police" chooses events by stage = "charged", but events has no column '
            "outcome_stage. Add it, or take this line out of the plan.",
            'the outcome "police" chooses events by abuse_types, but events has no column '
            "abuse_type. Add it, or take this line out of the plan.",
        ]

    def test_an_end_of_the_data_is_needed(self, paper):
        cases = paper.table("cases").drop(columns="data_end_date")
        study = with_table(paper, "cases", cases)
        assert refused(plan_of(POLICE), study).startswith(
            'the outcome "police" needs the column data_end_date of cases: the last day'
        )

    def test_an_end_of_the_data_in_every_row_is_needed(self, paper):
        cases = paper.table("cases")
        cases.loc[[0, 3], "data_end_date"] = pd.NaT
        said = refused(plan_of(POLICE), with_table(paper, "cases", cases))
        assert "data_end_date, which is blank in 2 of 10 rows of cases" in said

    def test_a_refusal_of_the_measures_names_the_outcome(self, paper):
        cases = paper.table("cases")
        cases.loc[cases["case_id"] == "I", "perpetrator_id"] = "PF"
        study = with_table(paper, "cases", cases)
        said = refused(plan_of(POLICE, unit="enrolment"), study)
        assert said.startswith('the outcome "police": 2 units share days')
        assert refused(plan_of({**ARREST, "stop": "week"}), study_in_memory(drawn())).startswith(
            'the outcome "arrest": no column "week"'
        )

    def test_a_horizon_beyond_the_data(self, paper):
        plan = plan_of({**POLICE, "horizon": 400})
        assert "is to be followed for 400 days, but nobody of the" in refused(plan, paper)

    def test_a_washout_of_all_months_before(self, paper):
        plan = plan_of({**POLICE, "washout": 80, "months_before": 2})
        assert "the washout of 80 days leaves nothing" in refused(plan, paper)

    def test_units_that_share_days_need_a_rule(self, paper):
        cases = paper.table("cases")
        cases.loc[cases["case_id"] == "I", "perpetrator_id"] = "PF"
        study = with_table(paper, "cases", cases)
        assert "attribution" in refused(plan_of(POLICE, unit="enrolment"), study)

    def test_check_counts_who_is_followed(self, paper):
        assert check(plan_of(POLICE), paper) == {"police": 9}
        assert check(plan_of(ARREST), study_in_memory(drawn())) == {"arrest": 300}


def test_the_outcome_classes_are_those_of_the_plan():
    assert isinstance(plan_of(POLICE).outcomes[0], ReoffendingOutcome)
