"""Outcomes over time in the report: words in their order, curves as released, nothing hidden."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from drive_eval.data.synthetic import synthetic_study
from drive_eval.evaluation import run
from drive_eval.evaluation.release import release_evaluation
from drive_eval.plan import Plan
from drive_eval.report import (
    document,
    drawing,
    following,
    hazards,
    headlines,
    months,
    sentences,
    tables,
    times,
    times_tables,
)
from drive_eval.report.followed import arm_curves, followed_outcome
from drive_eval.results import (
    NOT_SHOWN,
    Cell,
    Check,
    CountTable,
    Curve,
    Estimate,
    Evaluation,
    ResultSet,
)

LABELS = {"programme": "Programme", "comparison": "Comparison"}
LONG = {
    "programme": "Intensive case management with disruption and support",
    "comparison": "Usual care with an IDVA for the victim-survivor only",
}
ARREST = {
    "kind": "time_to_event",
    "name": "arrest",
    "label": "First re-arrest",
    "stop": "weeks",
    "event": "arrested",
    "time_unit": "weeks",
    "horizon": 52,
    "times": [13, 26],
}
POLICE = {
    "kind": "reoffending",
    "name": "police",
    "label": "Recorded assault",
    "horizon": 365,
    "times": [91, 182],
}
CHARTS = (
    following.event_free_chart,
    following.cumulative_incidence_chart,
    following.mean_count_chart,
    months.monthly_chart,
)


def estimate(measure, values, *, name="arrest", hidden=False, **fields):
    point, low, high = (None, None, None) if hidden else values
    return Estimate(
        outcome=name,
        measure=measure,
        estimate=point,
        conf_low=low,
        conf_high=high,
        method=NOT_SHOWN if hidden else "",
        **fields,
    )


def curve(group, values, *, name="arrest", measure="event_free", unit="weeks", **fields):
    """Return a curve from (time, value, low, high, at risk)."""
    at, value, low, high, left = zip(*values, strict=True)
    none = (None,) * len(at)
    return Curve(
        name=measure,
        title="",
        measure=measure,
        outcome=name,
        group=group,
        times=at,
        estimate=value,
        conf_low=low,
        conf_high=high,
        at_risk=left,
        events=none,
        censored=none,
        time_unit=unit,
        **fields,
    )


FREE = {
    "programme": [
        (0.0, 1.0, 1.0, 1.0, 216),
        (13.0, 0.96, 0.92, 0.98, 207),
        (26.0, 0.9, 0.85, 0.93, 194),
        (52.0, 0.78, 0.72, 0.83, 168),
    ],
    "comparison": [
        (0.0, 1.0, 1.0, 1.0, 216),
        (13.0, 0.95, 0.91, 0.97, 206),
        (26.0, 0.85, 0.8, 0.89, 187),
        (52.0, 0.69, 0.63, 0.75, 154),
    ],
}
#: Difference of shares, difference of the average time, hazard ratio.
CLEAR = ((0.09, 0.01, 0.17), (2.0, 0.4, 4.4), (0.69, 0.48, 0.9))
OPEN = ((0.08, -0.003, 0.17), (2.0, -0.3, 4.4), (0.69, 0.48, 1.003))


def first_event(found=CLEAR, *, hide=(), claim="associational", term="", arms=tuple(FREE)):
    """Return estimates at the horizon; ``hide`` names measures and arms that are not shown."""
    gap, mean, ratio = found
    at = {"time": 52.0, "time_unit": "weeks", "term": term}
    rows = []
    for arm in arms:
        _time, *values, _left = FREE[arm][-1]
        average = {"programme": (46.9, 45.0, 48.0), "comparison": (44.8, 43.0, 46.0)}[arm]
        gone = arm in hide
        rows += [
            estimate("event_free", values, hidden=gone, group=arm, **at),
            estimate("restricted_mean", average, hidden=gone, group=arm, **at),
        ]
    if len(arms) > 1:
        for measure, values in (
            ("event_free_difference", gap),
            ("restricted_mean_difference", mean),
            ("restricted_mean_ratio", (1.05, 1.0, 1.1)),
        ):
            rows.append(estimate(measure, values, hidden=measure in hide, claim=claim, **at))
        hazard = "hazard_ratio" in hide
        rows.append(estimate("hazard_ratio", ratio, hidden=hazard, claim=claim, term=term))
    return rows


def evaluation_of(outcome, rows, *, curves=(), checks=(), tables=(), policy="public_data", **more):
    plan = Plan.model_validate(
        {
            "evaluation": {"title": "Followed"},
            "data": {"folder": "data", "source": "A made-up register"},
            "design": {"kind": "comparison_group", "unit": "person"},
            "outcomes": [outcome],
            **more,
        }
    ).model_dump(mode="json")
    result = ResultSet(
        estimates=tuple(rows), curves=tuple(curves), checks=tuple(checks), tables=tuple(tables)
    )
    groups = dict.fromkeys(e.group for e in rows if e.group)
    flow = CountTable.from_counts(
        name="flow",
        title="Flow",
        unit="people",
        dimensions=("group", "stage"),
        counts={(group, "in the cohort"): 216 for group in groups},
    )
    return Evaluation(
        plan=plan, plan_hash="0", results={outcome["name"]: result}, tables=(flow,), policy=policy
    )


def both_curves(**fields):
    return [curve(arm, values, **fields) for arm, values in FREE.items()]


@pytest.fixture(scope="module")
def pilot():
    study = synthetic_study("drive_pilot", seed=1)
    body = {
        "evaluation": {"title": "Police records"},
        "data": {"folder": "data"},
        "design": {"kind": "randomised", "unit": "person"},
        "outcomes": [{**POLICE, "source": ["police"], "domestic_abuse": True}],
    }
    return run(Plan.model_validate(body), study)


@pytest.fixture(scope="module")
def released(pilot):
    return release_evaluation(pilot, "opensafely")


@pytest.fixture(scope="module")
def bundle(released, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle")
    document.write_bundle(released, folder)
    return folder


def words_of(page: str) -> str:
    bare = re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL)
    return " ".join(bare.split())


def outside(chart) -> set[int]:
    """Return the labels of ticks beyond the ends of an axis, which are not drawn."""
    found = set()
    for axes in chart.figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in axis.get_major_ticks():
                if not low <= tick.get_loc() <= high:
                    found |= {id(tick.label1), id(tick.label2)}
    return found


def texts(chart) -> list[str]:
    return [t.get_text() for axes in chart.figure.axes for t in axes.texts]


# Words


def test_the_share_comes_first_then_the_average_time_then_the_ratio():
    said = times.sentences_over_time(evaluation_of(ARREST, first_event()), "arrest", LABELS)
    assert said == [
        "After 52 weeks, 78 in every 100 in the programme group were still free of re-arrest and "
        "69 in every 100 in the comparison group. That is 9 more in every 100 (range 1 to 17) "
        "still free of it in the programme group. It may also come from differences between the "
        "groups that nobody measured.",
        "On average, people in the programme group were free of it for 46.9 of 52 weeks, those in "
        "the comparison group for 44.8: 2.1 weeks longer in the programme group (range 0.4 to 4.4 "
        "weeks).",
        "At any moment, the rate of first re-arrest among those still free of it was 31% lower in "
        "the programme group (range 10% to 52% lower; hazard ratio 0.69, range 0.48 to 0.90).",
        "The ratio says nothing of how long, or of how many: read it with the above.",
    ]


def test_what_the_interval_leaves_open_is_said_so_for_each_of_the_three():
    share, average, ratio, _note = times.sentences_over_time(
        evaluation_of(ARREST, first_event(OPEN)), "arrest", LABELS
    )
    assert "anything from under 1 fewer to 17 more in every 100 in the programme group" in share
    assert "neither that there is a difference nor that there is none" in share
    assert "anything from 0.3 weeks shorter to 4.4 weeks longer" in average
    assert "(best estimate: 2.0 weeks longer)" in average
    assert "31% lower" in ratio
    assert "it may be anything from 52% lower to under 1% higher" in ratio


def test_how_many_would_tell_is_said_where_nothing_can_be_told():
    size = Check(name="people_needed", statistic=1300.0, threshold=5.0, text="About so many.")
    words = " About 1,300 people per group would be needed to tell a difference of 5 in every 100."
    for found in (OPEN, CLEAR):
        result = evaluation_of(ARREST, first_event(found), checks=[size])
        share = times.free_sentences(result, "arrest", LABELS)[0]
        assert share.endswith(f"nor that there is none.{words}") == (found is OPEN)
        assert (words in share) == (found is OPEN)


def test_a_worse_outcome_is_called_worse_as_plainly():
    worse = ((-0.09, -0.17, -0.01), (-2.0, -4.4, -0.4), (1.5, 1.1, 2.0))
    share, average, ratio, _note = times.sentences_over_time(
        evaluation_of(ARREST, first_event(worse)), "arrest", LABELS
    )
    assert "9 fewer in every 100 (range 1 to 17) still free of it" in share
    assert "2.0 weeks shorter in the programme group (range 0.4 to 4.4 weeks)" in average
    assert "50% higher in the programme group (range 10% to 100% higher" in ratio


@pytest.mark.parametrize("hidden", ["event_free_difference", "restricted_mean_difference"])
def test_a_hazard_ratio_never_stands_alone(hidden):
    result = evaluation_of(ARREST, first_event(hide=(hidden,)))
    assert hazards.hazard_sentences(result, "arrest", LABELS) == []
    assert "azard" not in " ".join(times.sentences_over_time(result, "arrest", LABELS))


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("proportional_hazards", True),
        ("proportional_hazards: adjusted", True),
        ("proportional_hazards: repeated", False),
        ("proportional_hazards of all: adjusted", False),
    ],
)
def test_a_ratio_that_changes_with_time_is_not_to_be_used_alone(name, changes):
    failed = Check(name=name, passed=False, text="It changes.")
    result = evaluation_of(ARREST, first_event(), checks=[failed])
    said = hazards.hazard_sentences(result, "arrest", LABELS)
    assert ("changes with time" in said[-1]) == changes
    assert ("not to be used alone" in said[-1]) == changes


def test_covariates_that_were_taken_into_account_are_named():
    adjusted = estimate("hazard_ratio", (0.6, 0.4, 0.9), term="adjusted")
    result = evaluation_of(
        ARREST,
        [*first_event(), adjusted],
        comparison={"covariates": ["age", "prior_arrests"]},
    )
    said = hazards.hazard_sentences(result, "arrest", LABELS)[1]
    assert said.startswith(
        "With what was known on the index date (age, prior arrests) taken into account, it was 40% "
        "lower"
    )


def test_a_difference_is_that_of_the_numbers_shown():
    share = times.free_sentences(
        evaluation_of(ARREST, first_event(((0.083, 0.01, 0.17), *CLEAR[1:]))), "arrest", LABELS
    )[0]
    assert "78 in every 100" in share
    assert "69 in every 100" in share
    assert (
        "That is 9 more in every 100 (range 1 to 17) still free of it in the programme group. It "
        in share
    )


def test_numbers_that_look_the_same_are_told_apart_and_why():
    rows = [
        estimate("event_free", (0.704, 0.70, 0.71), group="programme", time=52.0),
        estimate("event_free", (0.6965, 0.69, 0.70), group="comparison", time=52.0),
        estimate("event_free_difference", (0.0075, 0.006, 0.009), time=52.0),
    ]
    share = times.free_sentences(evaluation_of(ARREST, rows), "arrest", LABELS)[0]
    assert "70 in every 100 in the programme group" in share
    assert "70 in every 100 in the comparison group" in share
    assert "That is 1 more in every 100 (range 1 to 1)" in share
    assert "in the programme group, worked out before rounding." in share


@pytest.mark.parametrize(
    ("p_value", "said"), [(0.03, "Counting all 2 primary questions"), (0.02, "")]
)
def test_what_may_be_chance_among_all_primary_questions_is_said(p_value, said):
    test = Check(name="test", outcome="arrest", passed=True, p_value=p_value, statistic=2 * p_value)
    ledger = ResultSet(checks=(test, dataclasses.replace(test, outcome="other")))
    result = evaluation_of(ARREST, first_event(claim="causal"))
    result = dataclasses.replace(result, results={**result.results, "ledger": ledger})
    share = times.free_sentences(result, "arrest", LABELS)[0]
    assert sentences.claim_sentence("causal") in share
    assert share.endswith(f"{said}, this could still be chance.") == bool(said)
    assert ("could still be chance" in share) == bool(said)


def test_at_liberty_by_chance_is_told_apart_from_differences_that_nobody_measured():
    held = Check(name="claim", passed=True, text="The contrast of the arms is causal.")
    design = {"kind": "randomised", "unit": "person"}
    by_chance = evaluation_of(ARREST, first_event(), checks=[held], design=design)
    said = times.free_sentences(by_chance, "arrest", LABELS)[0]
    assert said.endswith(
        "People were allocated by chance, but only days at liberty are compared, and who has them "
        "may differ between the groups, so this is not a fair test."
    )
    lost = dataclasses.replace(held, passed=False, text="Too many outcomes are missing.")
    too_many = evaluation_of(ARREST, first_event(), checks=[lost], design=design)
    said = times.free_sentences(too_many, "arrest", LABELS)[0]
    assert said.endswith("too many results are missing, so this is not a fair test.")


def test_what_came_first_may_be_put_down_to_the_allocation(released):
    text = " ".join(times.cause_sentences(released, "police", LABELS))
    assert "Counted so, recorded assault first:" in text
    assert sentences.claim_sentence("causal") in text
    free = " ".join(times.free_sentences(released, "police", LABELS))
    assert "only days at liberty are compared" in free


def test_many_without_following_are_told_of_before_anything_is_trusted():
    counts = {("programme", "end"): 125, ("programme", "not followed"): 25}
    counts |= {("comparison", "end"): 148, ("comparison", "not followed"): 2}
    table = CountTable.from_counts(
        name="followed:arrest",
        title="",
        unit="person",
        dimensions=("group", "ended_by"),
        counts=counts,
        totals={(arm, "all"): [(arm, "end"), (arm, "not followed")] for arm in FREE},
    )
    said = times.short_sentences(
        evaluation_of(ARREST, first_event(), tables=[table]), "arrest", LABELS
    )
    assert said[-1] == (
        "Not followed at all, and in none of these figures: 25 of 150 in the programme group and 2 "
        "of 150 in the comparison group."
    )
    few = dict(counts) | {("programme", "end"): 148, ("programme", "not followed"): 2}
    table = CountTable.from_counts(
        name="followed:arrest",
        title="",
        unit="person",
        dimensions=("group", "ended_by"),
        counts=few,
        totals={(arm, "all"): [(arm, "end"), (arm, "not followed")] for arm in FREE},
    )
    said = times.short_sentences(
        evaluation_of(ARREST, first_event(), tables=[table]), "arrest", LABELS
    )
    assert "Not followed" not in " ".join(said)


def test_an_arrest_for_anything_makes_nobody_a_perpetrator():
    record = evaluation_of({**ARREST, "reporter": "police"}, first_event())
    assert sentences.people_words(record) == "people"
    abuse = evaluation_of({**POLICE, "domestic_abuse": True}, [])
    assert sentences.people_words(abuse) == "perpetrators"


def test_whose_records_count_stands_before_the_first_number():
    police = evaluation_of({**POLICE, "source": ["police", "marac"]}, [])
    assert ("Who reported", "MARAC; Police") in tables.front_box(police)


@pytest.mark.parametrize("found", [CLEAR, OPEN])
def test_words_of_cause_need_a_causal_claim(found):
    plain = times.sentences_over_time(evaluation_of(ARREST, first_event(found)), "arrest", LABELS)
    for word in sentences.FORBIDDEN_UNLESS_CAUSAL:
        assert word not in " ".join(plain)
    causal = evaluation_of(ARREST, first_event(found, claim="causal"))
    said = " ".join(times.sentences_over_time(causal, "arrest", LABELS))
    assert (sentences.claim_sentence("causal") in said) == (found is CLEAR)


def test_a_hidden_arm_is_named_and_nothing_of_it_told():
    check = Check(name="suppressed", group="comparison", text="Nothing is shown: too few people.")
    gone = ("comparison", "event_free_difference", "restricted_mean_difference")
    result = evaluation_of(ARREST, first_event(hide=gone), checks=[check])
    said = " ".join(times.sentences_over_time(result, "arrest", LABELS))
    assert "Of the comparison group nothing can be shown: too few people." in said
    assert "69" not in said
    assert headlines.free_headline(result, "arrest", LABELS) == (
        "First re-arrest: the groups cannot be set against each other"
    )


def test_where_nothing_may_be_shown_one_sentence_says_so():
    gone = (*FREE, "event_free_difference", "restricted_mean_difference", "hazard_ratio")
    result = evaluation_of(ARREST, first_event(hide=gone))
    assert times.sentences_over_time(result, "arrest", LABELS) == [
        "How many were still free of re-arrest cannot be shown: too few people to publish without "
        "risking someone being recognised."
    ]
    assert headlines.free_headline(result, "arrest", LABELS) == (
        f"First re-arrest: {drawing.TOO_FEW}"
    )


def test_a_hidden_difference_is_told_apart_from_one_without_interval():
    hidden = evaluation_of(ARREST, first_event(hide=("event_free_difference",)))
    assert (
        "cannot be set against each other here" in times.free_sentences(hidden, "arrest", LABELS)[0]
    )
    bare = evaluation_of(ARREST, first_event(((0.09, None, None), *CLEAR[1:])))
    assert "No range can be given" in times.free_sentences(bare, "arrest", LABELS)[0]
    assert headlines.free_headline(bare, "arrest", LABELS) == (
        "First re-arrest: no range for the difference"
    )


def test_one_group_alone_has_its_range_and_no_comparison():
    result = evaluation_of(
        ARREST, first_event(arms=("programme",)), design={"kind": "before_after", "unit": "person"}
    )
    share, average = times.sentences_over_time(result, "arrest", LABELS)
    assert "still free of re-arrest (range 72 to 83). There is no comparison group" in share
    assert average.endswith("free of it for 46.9 of 52 weeks.")


def test_the_main_design_speaks_and_the_crude_comparison_is_called_unfair():
    blocks = [
        {"name": name, "method": method, "covariates": ["age"]}
        for name, method in (("pairs", "nearest"), ("weights", "propensity_weights"))
    ]
    rows = [
        *first_event(OPEN, term="crude"),
        *first_event(term="pairs"),
        *first_event(OPEN, term="weights"),
    ]
    result = evaluation_of(
        ARREST, rows, design={"kind": "matched", "unit": "person"}, balancing=blocks
    )
    said = times.sentences_over_time(result, "arrest", LABELS)
    assert said[0].startswith("After 52 weeks, with the groups matched, 78 in every 100")
    assert "That is 9 more" in said[0]
    assert "With no adjustment it would have been anything from" in said[2]
    assert "not a fair comparison" in said[2]
    assert said[3].startswith("Other designs of the plan")
    table = times_tables.designs_over_time_table(result, "arrest", LABELS)
    assert [row[0] for row in table.rows] == [
        "No adjustment (not a fair comparison)",
        "1:1 nearest matching within a caliper (main design)",
        "Propensity weights (ATT)",
    ]
    assert table.rows[1][3] == "9.0 (1.0 to 17.0)"


def test_a_design_without_the_shares_of_its_arms_speaks_by_its_difference():
    # As the gate releases designs: differences and ratios, curves of the groups as they came.
    block = {"name": "pairs", "method": "nearest", "covariates": ["age"]}
    rows = [*first_event(OPEN, term="crude"), *first_event(hide=tuple(FREE), term="pairs")]
    result = evaluation_of(
        ARREST,
        rows,
        curves=both_curves(term="crude"),
        design={"kind": "matched", "unit": "person"},
        balancing=[block],
    )
    said = times.sentences_over_time(result, "arrest", LABELS)
    assert said[0].startswith(
        "After 52 weeks, with the groups matched, there were 9 more in every 100 (range 1 to 17) "
        "still free of re-arrest in the programme group."
    )
    assert "too few" not in " ".join(said)
    assert said[1] == (
        "On average, of 52 weeks, people were free of it for 2.0 weeks longer in the programme "
        "group (range 0.4 to 4.4 weeks)."
    )
    chart = following.event_free_chart(result, "arrest", LABELS)
    assert chart.headline == "More in the programme group stayed free of re-arrest"
    assert "of each group, with no adjustment" in chart.subtitle
    assert "after 52 weeks and matching: 9.0 of 100" in chart.subtitle
    assert "with no adjustment: not a fair comparison" in chart.caption
    open_ = [*first_event(OPEN, hide=tuple(FREE), term="pairs")]
    unclear = dataclasses.replace(result, results={"arrest": ResultSet(estimates=tuple(open_))})
    assert headlines.free_headline(unclear, "arrest", LABELS) == (
        "No clear difference in who stayed free of re-arrest"
    )
    share, average, *_rest = times.sentences_over_time(unclear, "arrest", LABELS)
    assert "there may be anything from under 1 fewer to 17 more" in share
    assert "a time that may be anything from 0.3 weeks shorter to 4.4 weeks longer" in average


@pytest.mark.parametrize("crude", [True, False])
def test_a_count_with_no_adjustment_is_called_unfair_and_kept_off_the_first_page(crude):
    block = {"name": "pairs", "method": "nearest", "covariates": ["age"]}
    at = {"time": 365.0, "time_unit": "days", "name": "police"}
    rows = []
    for term, hidden in (("crude", False), ("pairs", crude)):
        own = {"hidden": hidden, "term": term, **at}
        rows += [
            estimate("mean_cumulative_count", (0.4, 0.3, 0.5), group="programme", **own),
            estimate("mean_cumulative_count", (0.7, 0.6, 0.8), group="comparison", **own),
            estimate("mean_cumulative_count_difference", (-0.3, -0.4, -0.2), **own),
        ]
    gap = estimate("event_free_difference", (0.1, 0.05, 0.15), term="pairs", **at)
    result = evaluation_of(
        POLICE,
        [*rows, gap],
        design={"kind": "matched", "unit": "person"},
        balancing=[block],
    )
    said = times.repeat_sentences(result, "police", LABELS)[0]
    assert ("not a fair comparison" in said) == crude
    first_page = " ".join(times.short_sentences(result, "police", LABELS))
    assert ("Every event" in first_page) != crude
    table = times_tables.mean_counts_table(result, "police", LABELS)
    assert len(table.rows) == (3 if crude else 6)
    headline = headlines.counted_headline(result, "police", LABELS)
    assert "fewer events in the programme group" in headline
    assert headline.endswith(", with no adjustment") == crude


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        (0.5, "50% lower"),
        (0.996, "under 1% lower"),
        (0.004, "over 99% lower"),
        (1.0, "the same"),
        (1.25, "25% higher"),
        (4.2, "4.2 times as high"),
        (math.inf, "higher without limit"),
    ],
)
def test_a_ratio_in_words(ratio, said):
    assert hazards.percent_of(ratio) == said


FIRST = "cumulative_incidence"


def causes(custody=(0.05, 0.01, 0.09), *, death=False):
    at = {"time": 365.0, "time_unit": "days", "name": "police"}
    rows = []
    for arm, first, locked in (("programme", 0.26, 0.17), ("comparison", 0.38, 0.12)):
        for term, value in (("reoffence", first), ("custody", locked)):
            limits = (value, value - 0.03, value + 0.03)
            rows.append(estimate("cumulative_incidence", limits, group=arm, term=term, **at))
    for term, gap in (("reoffence", (-0.12, -0.16, -0.08)), ("custody", custody)):
        rows.append(estimate("cumulative_incidence_difference", gap, term=term, **at))
    if death:
        rows.append(
            estimate(
                "cumulative_incidence", None, hidden=True, group="programme", term="death", **at
            )
        )
    return rows


def test_what_came_first_and_a_warning_where_more_were_locked_up():
    said = times.cause_sentences(evaluation_of(POLICE, causes()), "police", LABELS)
    assert said[0] == (
        "Within 365 days, of every 100 in the programme group, for 26 recorded assault came first "
        "and for 17 custody came first; of every 100 in the comparison group, for 38 recorded "
        "assault came first and for 12 custody came first."
    )
    assert said[1].endswith("12 fewer in every 100 (range 8 to 16) in the programme group.")
    assert "more people were taken into custody first: 5 more in every 100" in said[2]
    assert said[3] == "Part of a difference in recorded assault may come from who was locked up."


@pytest.mark.parametrize(
    ("gap", "words"),
    [
        (
            (0.024, -0.003, 0.05),
            "Taken into custody first: anything from under 1 fewer to 5 more in every 100 in the "
            "programme group (best estimate: 2 more). "
            "This shows neither that there is a difference nor that there is none.",
        ),
        (
            (-0.05, -0.09, -0.01),
            "In the programme group fewer people were taken into custody first: 5 fewer in every "
            "100 (range 1 to 9).",
        ),
        (None, "Whether more or fewer were taken into custody first in the programme group cannot"),
    ],
)
def test_custody_is_told_beside_the_event_whatever_it_leaves_open(gap, words):
    rows = [e for e in causes() if (e.measure, e.term) != (f"{FIRST}_difference", "custody")]
    at = {"time": 365.0, "time_unit": "days", "name": "police", "term": "custody"}
    rows.append(estimate(f"{FIRST}_difference", gap, hidden=gap is None, **at))
    said = times.cause_sentences(evaluation_of(POLICE, rows), "police", LABELS)
    assert said[2].startswith(words)
    assert said[3] == "Part of a difference in recorded assault may come from who was locked up."


def test_deaths_that_may_not_be_shown_are_said_not_to_be():
    rows = causes(death=True)
    said = times.cause_sentences(evaluation_of(POLICE, rows), "police", LABELS)
    assert said[3] == "Whether more or fewer died first in the programme group cannot be shown."
    assert said[4].endswith("may come from who was locked up, or had died.")
    at = {"time": 365.0, "time_unit": "days", "name": "police", "term": "death"}
    rows.append(estimate(f"{FIRST}_difference", (0.007, 0.002, 0.012), **at))
    said = times.cause_sentences(evaluation_of(POLICE, rows), "police", LABELS)
    assert said[3] == (
        "In the programme group more people died first: 1 more in every 100 (range 0.2 to 1)."
    )


@pytest.mark.parametrize(
    ("gap", "words"),
    [
        ((-0.29, -0.36, -0.22), "That is 29 fewer for every 100 people in the programme group "
                                "(range 22 to 36)."),
        ((0.1, 0.02, 0.2), "That is 10 more for every 100 people in the programme group "
                           "(range 2 to 20)"),
        ((-0.05, -0.2, 0.1), "anything from 20 fewer to 10 more for every 100 people"),
    ],
)  # fmt: skip
def test_all_events_are_counted_in_people_and_not_of_people(gap, words):
    at = {"time": 365.0, "time_unit": "days", "name": "police"}
    rows = [
        estimate("mean_cumulative_count", (0.41, 0.37, 0.45), group="programme", **at),
        estimate("mean_cumulative_count", (0.7, 0.64, 0.76), group="comparison", **at),
        estimate("mean_cumulative_count_difference", gap, **at),
        estimate("hazard_ratio", (0.58, 0.51, 0.67), name="police", term="repeated"),
    ]
    said = times.repeat_sentences(evaluation_of(POLICE, rows), "police", LABELS)
    assert said[0].startswith(
        "Every event counted, not only the first, there were within 365 days 41 for every 100 "
        "people in the programme group and 70 for every 100 people in the comparison group."
    )
    assert words in said[0]
    assert said[1].startswith("At any moment, the rate of all events was 42% lower")
    assert "changes with time" not in said[1]
    failed = Check(name="proportional_hazards: repeated", passed=False, text="It changes.")
    changing = evaluation_of(POLICE, rows, checks=[failed])
    assert "changes with time" in times.repeat_sentences(changing, "police", LABELS)[1]


@pytest.mark.parametrize(
    ("custody_as", "words"),
    [
        ("gap", "nobody counts as free of recorded assault while locked up"),
        ("competing", "until they are first taken into custody"),
        ("ignored", "looks better than it is"),
    ],
)
def test_what_custody_counts_as_is_said(custody_as, words):
    result = evaluation_of({**POLICE, "custody_as": custody_as}, causes())
    assert words in times.custody_sentence(followed_outcome(result, "police"))


@pytest.mark.parametrize(
    ("custody_as", "table", "said"),
    [("gap", True, True), ("gap", False, False), ("ignored", True, False)],
)
def test_people_are_at_liberty_only_where_custody_is_known_and_cut_out(custody_as, table, said):
    rates = [(float(m), 40.0, 20.0, 70.0, 60) for m in (-3, -2, -1, 1, 2, 3)]
    here = {"name": "police", "unit": "days"}
    curves = [
        *both_curves(measure="mean_cumulative_count", **here),
        *both_curves(measure="event_free", **here),
        curve("programme", rates, name="police", measure="monthly_rate", unit="months"),
    ]
    rows = [
        estimate("mean_cumulative_count", (0.4, 0.3, 0.5), name="police", group=arm, time=365.0)
        for arm in FREE
    ]
    none = Check(name="custody", text="There is no table of custody.")
    result = evaluation_of(
        {**POLICE, "custody_as": custody_as}, rows, curves=curves, checks=() if table else (none,)
    )
    monthly = months.monthly_chart(result, "police", LABELS)
    assert ("at liberty" in monthly.subtitle) is said
    caption = following.mean_count_chart(result, "police", LABELS).caption
    assert ("at liberty" in caption) is said
    assert ("in custody" in caption) is said


def test_a_study_without_custody_says_so():
    check = Check(name="custody", text="There is no table of custody.")
    result = evaluation_of(POLICE, causes(), checks=[check])
    said = times.custody_sentence(followed_outcome(result, "police"))
    assert said == "There is no table of custody."
    timed = evaluation_of(ARREST, first_event())
    assert times.custody_sentence(followed_outcome(timed, "arrest")) == ""


def test_changes_of_recording_clocks_and_short_following_come_first():
    checks = [
        Check(name="recording_change", passed=False, group="a_change", text="From June 2023."),
        Check(name="follow_up", passed=False, text="Some are followed for less."),
        Check(name="clocks", passed=True, text="Alike."),
    ]
    care = times.with_care(evaluation_of(POLICE, causes(), checks=checks), "police")
    assert [text for _lead, text in care] == ["From June 2023.", "Some are followed for less."]


# Tables


def test_counts_have_one_column_an_arm_and_hidden_ones_their_sign():
    words = ("event", "custody", "not followed")
    counts = {(arm, word): 10 for arm in ("comparison", "programme") for word in words}
    table = CountTable.from_counts(
        name="followed:police",
        title="How following ended",
        unit="person",
        dimensions=("group", "ended_by"),
        counts=counts,
    )
    hidden = tuple(
        Cell(key=c.key, count=None, status="suppressed") if c.key[1] == "custody" else c
        for c in table.cells
    )
    result = evaluation_of(POLICE, causes(), tables=[dataclasses.replace(table, cells=hidden)])
    found = followed_outcome(result, "police")
    shown = times_tables.counts_by_arm(found, result.results["police"].tables[0], LABELS)
    assert shown.header == ("How it ended", "Programme", "Comparison")
    assert shown.rows == (
        ("First recorded assault", "10", "10"),
        ("In custody when following ended, without it", "[c]", "[c]"),
        ("Not followed", "10", "10"),
    )
    assert "the table of what came first counts those too. [c]: " in shown.note
    # Where the first custody ends the following, that is what this line counts.
    result = evaluation_of({**POLICE, "custody_as": "competing"}, causes(), tables=[table])
    found = followed_outcome(result, "police")
    shown = times_tables.counts_by_arm(found, table, LABELS)
    assert shown.rows[1][0] == "Taken into custody before it"
    assert shown.note == ""


def test_tables_hold_every_time_and_the_ratio_beneath_what_it_needs():
    early = [
        estimate("event_free", FREE[arm][i][1:4], group=arm, time=FREE[arm][i][0])
        for arm in FREE
        for i in (1, 2)
    ]
    result = evaluation_of(ARREST, [*early, *first_event()])
    shares, averages = times_tables.tables_over_time(result, "arrest", LABELS)
    assert [row[0] for row in shares.rows] == ["13 weeks", "26 weeks", "52 weeks"]
    assert shares.rows[0][1:] == ("96.0 (92.0 to 98.0)", "95.0 (91.0 to 97.0)", "[x]")
    assert shares.rows[2][3] == "9.0 (1.0 to 17.0)"
    assert averages.rows[0] == (
        "Average time free of it, weeks of 52 weeks",
        "46.9 (45.0 to 48.0)",
        "44.8 (43.0 to 46.0)",
        "2.0 (0.4 to 4.4)",
        "1.05 (1.00 to 1.10)",
    )
    assert averages.rows[-1] == (
        "Hazard ratio of first re-arrest",
        "",
        "",
        "",
        "0.69 (0.48 to 0.90)",
    )


# Charts


def test_the_curve_is_drawn_as_released_with_who_was_still_followed():
    result = evaluation_of(ARREST, first_event(), curves=both_curves())
    chart = following.event_free_chart(result, "arrest", LABELS)
    assert chart.name == "event-free-arrest"
    assert chart.headline == "More in the programme group stayed free of re-arrest"
    assert "Followed and still free of it" in texts(chart)
    assert "8.9" not in chart.subtitle
    assert "9.0 of 100 (95% interval 1.0 to 17.0)" in chart.subtitle
    assert "after 26 weeks 90 of 100 (85 to 93)" not in chart.alt_text  # no estimate at 26 weeks
    assert "after 52 weeks 78 of 100 (72 to 83)" in chart.alt_text
    assert chart.caption.endswith("Source: A made-up register.")
    assert list(chart.data["estimate"][:4]) == [100, 96, 90, 78]
    upper, beneath = chart.figure.axes
    assert upper.get_xlim() == beneath.get_xlim()
    for count in ("207", "194", "168", "206", "187", "154"):
        assert count in texts(chart)
    placed = {t.get_text(): t.get_position()[0] for t in beneath.texts}
    assert placed["207"] == placed["206"] == 13
    assert list(upper.get_xticks()) == [0, 13, 26, 52]


def test_an_axis_that_begins_above_nought_says_so_twice():
    high = following.event_free_chart(
        evaluation_of(ARREST, first_event(), curves=both_curves()), "arrest", LABELS
    )
    assert high.figure.axes[0].get_ylim() == (50, 100)
    assert "the axis begins at 50" in high.figure.axes[0].get_title(loc="left")
    assert "The axis begins at 50, not at 0." in high.caption
    low = [
        curve(arm, [(t, v * v * v, a**4, b**2, n) for t, v, a, b, n in values])
        for arm, values in FREE.items()
    ]
    whole = following.event_free_chart(
        evaluation_of(ARREST, first_event(), curves=low), "arrest", LABELS
    )
    assert whole.figure.axes[0].get_ylim() == (0, 100)
    assert "begins" not in whole.figure.axes[0].get_title(loc="left") + whole.caption


def test_the_arms_differ_without_colour():
    chart = following.event_free_chart(
        evaluation_of(ARREST, first_event(), curves=both_curves()), "arrest", LABELS
    )
    thick = [line for line in chart.figure.axes[0].lines if line.get_linewidth() > 2]
    assert len({line.get_linestyle() for line in thick}) == 2
    marks = {line.get_marker() for line in chart.figure.axes[0].lines} - {"None"}
    assert marks == {"o", "s"}


def test_nothing_is_drawn_where_a_value_may_not_be_shown():
    gone = [(t, *((None,) * 3), None) if t > 13 else (t, *rest) for t, *rest in FREE["programme"]]
    curves = [curve("programme", gone), both_curves()[1]]
    chart = following.event_free_chart(
        evaluation_of(ARREST, first_event(), curves=curves), "arrest", LABELS
    )
    ends = [
        max(line.get_xdata()) for line in chart.figure.axes[0].lines if line.get_linewidth() > 2
    ]
    assert sorted(ends) == [26, 52]
    assert "not shown after 26 weeks [c]" in " ".join(texts(chart))
    assert texts(chart).count("[c]") == 2
    coarse = [dataclasses.replace(c, policy="opensafely") for c in curves]
    chart = following.event_free_chart(
        evaluation_of(ARREST, first_event(), curves=coarse, policy="opensafely"), "arrest", LABELS
    )
    ends = [
        max(line.get_xdata()) for line in chart.figure.axes[0].lines if line.get_linewidth() > 2
    ]
    assert sorted(ends) == [13, 52]
    assert "straight lines join them" in chart.caption


def test_an_arm_without_a_curve_keeps_its_row():
    gone = ("comparison", "event_free_difference")
    chart = following.event_free_chart(
        evaluation_of(ARREST, first_event(hide=gone), curves=both_curves()[:1]), "arrest", LABELS
    )
    assert "Comparison\n[c] not shown" in texts(chart)
    assert texts(chart).count("[c]") == 4
    assert f"Comparison: {drawing.TOO_FEW}." in chart.alt_text
    assert f"Comparison group: {drawing.TOO_FEW}." in chart.caption
    neither = following.event_free_chart(
        evaluation_of(ARREST, first_event(hide=(*FREE, *gone))), "arrest", LABELS
    )
    assert drawing.TOO_FEW in texts(neither)
    assert neither.data.empty


def test_nobody_with_the_event_is_a_flat_line():
    flat = [(0.0, 1.0, 1.0, 1.0, 80), (52.0, 1.0, 0.96, 1.0, 80)]
    rows = [
        estimate("event_free", (1.0, 0.96, 1.0), group=arm, time=52.0, time_unit="weeks")
        for arm in FREE
    ]
    rows.append(estimate("event_free_difference", (0.0, -0.04, 0.04), time=52.0, time_unit="weeks"))
    result = evaluation_of(ARREST, rows, curves=[curve(arm, flat) for arm in FREE])
    chart = following.event_free_chart(result, "arrest", LABELS)
    assert chart.headline.startswith("No clear difference in who stayed free of ")
    assert chart.figure.axes[0].get_ylim() == (90, 100)


@pytest.mark.parametrize("labels", [LABELS, LONG], ids=["short", "long"])
@pytest.mark.parametrize("draw", CHARTS, ids=lambda draw: draw.__name__)
@pytest.mark.parametrize("which", ["pilot", "released"])
def test_no_words_cover_each_other_or_leave_the_picture(which, draw, labels, request):
    chart = draw(request.getfixturevalue(which), "police", labels)
    canvas = FigureCanvasAgg(chart.figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    unseen = outside(chart)
    seen = [t for t in chart.figure.findobj(match=Text) if id(t) not in unseen]
    boxes = [
        (t.get_text(), t.get_window_extent(renderer))
        for t in seen
        if t.get_visible() and t.get_text().strip()
    ]
    width, height = canvas.get_width_height()
    for text, box in boxes:
        assert box.x0 > -2, text
        assert box.x1 < width + 2, text
        assert box.y0 > -2, text
        assert box.y1 < height + 2, text
    for (one, a), (two, b) in itertools.combinations(boxes, 2):
        apart = a.x1 <= b.x0 + 1 or b.x1 <= a.x0 + 1 or a.y1 <= b.y0 + 2 or b.y1 <= a.y0 + 2
        assert apart, (one, two)


def test_all_panels_of_what_came_first_have_one_scale(pilot):
    chart = following.cumulative_incidence_chart(pilot, "police", LABELS)
    FigureCanvasAgg(chart.figure).draw()
    panels = [axes for axes in chart.figure.axes if axes.axison]
    assert len(panels) == 3
    inches = [axes.get_position().height / axes.get_ylim()[1] for axes in panels]
    assert max(inches) / min(inches) < 1.1
    assert "One minus the share still free of it is another figure, and larger" in chart.caption
    assert set(chart.data["cause_or_design"]) == {"reoffence", "custody", "death"}


def test_months_are_not_joined_across_the_start(pilot):
    chart = months.monthly_chart(pilot, "police", LABELS)
    (axes,) = chart.figure.axes
    marked = [line for line in axes.lines if line.get_marker() in ("o", "s")]
    # The signs beside the names of the arms stand outside the panel.
    joined = [line.get_xdata() for line in marked if line.get_transform() == axes.transData]
    assert len(joined) == 4
    for at in joined:
        assert max(at) < 0 or min(at) > 0
    assert "left out: 28 days" in texts(chart)
    assert any(patch.get_hatch() for patch in axes.patches)
    # Two days are left of the month before the start: its rate is in the table, not in the chart.
    assert -1.0 in set(chart.data["month"])
    assert min(abs(x) for at in joined for x in at if x < 0) > 1
    assert "less than half of a month" in chart.caption
    assert "Police recording changed" in chart.caption


def test_months_that_are_hidden_are_counted_and_a_side_without_any_is_named():
    rates = [(float(m), None, None, None, None) for m in (-3, -2, -1, 1, 2, 3)]
    some = [(m, 40.0, 20.0, 70.0, 60) if m in (-3, -2) else (m, *rest) for m, *rest in rates]
    curves = [
        curve("programme", some, name="police", measure="monthly_rate", unit="months"),
        curve("comparison", rates, name="police", measure="monthly_rate", unit="months"),
    ]
    result = evaluation_of(POLICE, causes(), curves=curves)
    chart = months.monthly_chart(result, "police", LABELS)
    assert drawing.TOO_FEW in texts(chart)
    assert "Months without a point are not shown, so that nobody can be recog" in chart.caption
    assert "Programme, months after: 3 not shown." in chart.alt_text
    assert "between 40 and 40" in chart.alt_text
    assert "Police recording" not in chart.caption


def test_a_chart_of_nothing_is_left_out():
    result = evaluation_of(POLICE, causes(death=True))
    for draw in CHARTS[1:]:
        assert draw(result, "police", LABELS) is None


def test_what_stands_beneath_all_curves_is_said_once(released):
    caption = following.mean_count_chart(released, "police", LABELS).caption
    assert caption.count("numbers are rounded to 5") == 1
    notes = [c.note for c in released.results["police"].curves if "events in" in c.note]
    widest = max(int(n) for note in notes for n in re.findall(r"lies within (\d+)", note))
    assert caption.count("The exact curve lies within") == 1
    assert f"The exact curve lies within {widest} events in 100 people." in caption


# The page


def test_the_section_stands_on_the_page_with_its_charts_and_tables(bundle, released):
    page = (bundle / "report.html").read_text(encoding="utf-8")
    said = words_of(page)
    assert "How soon and how often did it happen again?" in said
    summary = said[: said.index("Design")]
    assert "Recorded assault: after 365 days" in summary
    assert "hazard" not in summary.lower()
    names = ("event-free", "what-came-first", "mean-count", "monthly")
    for name in names:
        for suffix in ("png", "csv"):
            assert (bundle / "charts" / f"{name}-police.{suffix}").is_file()
    for words in (
        "Still free of recorded assault at each time of the plan",
        "What came first, each counted as an end of its own",
        "All events counted (recorded assault): how many for every 100 people",
        "How following ended (recorded assault)",
        "People by how often it happened (recorded assault)",
        "Number of events in each month (recorded assault)",
        "Free of it means that nothing was recorded",
    ):
        assert words in said, words
    assert not re.search(r"\bnan\b|\bNone\b|_[a-z]+_", said)
    assert said.index("those in the comparison group for") < said.index("hazard ratio 0")
    assert followed_outcome(released, "police").horizon == 365


def test_the_charts_tables_hold_only_released_numbers(bundle, released):
    found = followed_outcome(released, "police")
    for measure, name in (("event_free", "event-free"), ("mean_cumulative_count", "mean-count")):
        text = (bundle / "charts" / f"{name}-police.csv").read_text(encoding="utf-8")
        curves = arm_curves(found, measure)
        assert text.count("\n") == 1 + sum(len(c.times) for c in curves.values())
        for c in curves.values():
            for value in c.estimate:
                assert f",{100 * value:.10g}," in text


def test_effects_and_checks_name_the_outcome_and_its_times(bundle):
    said = words_of((bundle / "report.html").read_text(encoding="utf-8"))
    assert "Difference of those still free of it, per 100, after 365 days" in said
    assert "Lower rate at any moment, %" in said
    assert "every event, not the first alone" in said
    assert "Relative fall in users" not in said
