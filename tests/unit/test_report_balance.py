"""The page of a matched or weighted evaluation: what is drawn, said, hidden and never worked out.

The evaluations here are put together by hand, so that every sentence can be forced.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from drive_eval.plan import Plan
from drive_eval.report import (
    balance,
    designs,
    document,
    drawing,
    effects,
    limits,
    plain,
    sentences,
    tables,
)
from drive_eval.results import NOT_SHOWN, Check, CountTable, Estimate, Evaluation, ResultSet
from drive_eval.vocabulary import ESTIMANDS

LABELS = {"programme": "Programme", "comparison": "Comparison"}
LONG = {
    "programme": "Intensive one-to-one case management with disruption",
    "comparison": "Usual care: victim-survivor support without perpetrator work",
}
GROUPS = ("programme", "comparison")
#: Covariate, whether yes/no, then mean and spread of both arms before and after.
LINES = [
    ("propensity score", False, (0.58, 0.22, 0.18, 0.23), (0.54, 0.2, 0.5, 0.2)),
    ("age", False, (25.8, 7.2, 28.0, 10.8), (26.1, 7.1, 26.4, 10.9)),
    ("site: north", True, (0.84, 0.37, 0.2, 0.4), (0.75, 0.43, 0.74, 0.44)),
    ("site: south", True, (0.16, 0.37, 0.8, 0.4), (0.25, 0.43, 0.26, 0.44)),
    ("income", False, (2096.0, 4887.0, 5619.0, 6789.0), (2800.0, 5824.0, 2744.0, 4668.0)),
]
#: Difference and its limits, ratio and its limits.
LOWER = (-0.08, -0.14, -0.02, 0.6, 0.4, 0.9)
HIGHER = (0.06, 0.01, 0.11, 1.4, 1.05, 1.9)
UNCLEAR = (-0.01, -0.06, 0.04, 0.95, 0.7, 1.3)
BLOCKS = {
    "matched": {"name": "matched", "covariates": ["age", "site"], "caliper_sd": 0.2},
    "weights": {"name": "weights", "method": "propensity_weights", "covariates": ["age", "site"]},
    "entropy": {
        "name": "entropy",
        "method": "entropy_balance",
        "covariates": ["age", "site"],
        "label": "Weights with equal means",
    },
}
OUTCOME = {
    "kind": "binary",
    "name": "hit",
    "column": "hit",
    "label": "Hit again",
    "horizon": "in a year",
}
TITLE = "Hit again (in a year)"


def lines(rows=LINES, hidden=(), scale=1.0, undefined=()):
    found = []
    for term, yes_no, before, after in rows:
        for when, (m1, s1, m0, s0) in (("before", before), ("after", after)):
            off = term in hidden
            base = {"term": term, "subgroup": when, "method": NOT_SHOWN if off else ""}
            gap = (m1 - m0) / before[1]
            gap = gap * scale if when == "after" else gap
            if term in undefined:
                gap = None
            numbers = [("mean", m1, "programme"), ("mean", m0, "comparison")]
            numbers += [("std_dev", s1, "programme"), ("std_dev", s0, "comparison")]
            numbers += [("smd", gap, ""), ("variance_ratio", None if yes_no else 1.2, "")]
            found += [
                Estimate(measure=m, estimate=None if off else v, group=g, **base)
                for m, v, g in numbers
            ]
    for when, sizes in (("before", (185, 429)), ("after", (117, 99.84))):
        found += [
            Estimate(measure="ess", group=g, subgroup=when, estimate=size)
            for g, size in zip(GROUPS, sizes, strict=True)
        ]
    return found


def flow_table(name, *, out=68, weighted=False, none=False):
    kept, left = ("weighted", "trimmed") if weighted else ("matched", "unmatched")
    sizes = {"programme": (185 - out, out), "comparison": (117, 312)}
    counts = {(g, s): n for g in GROUPS for s, n in zip((kept, left), sizes[g], strict=True)}
    table = CountTable.from_counts(
        name=f"matching:{name}",
        title="Matching",
        unit="perpetrators",
        dimensions=("group", "stage"),
        counts=counts,
        totals={(g, "all"): [(g, kept), (g, left)] for g in GROUPS},
    )
    return without_counts(table) if none else table


def without_counts(table, which=lambda _key: True):
    cells = tuple(
        dataclasses.replace(c, count=None, status="suppressed") if which(c.key) else c
        for c in table.cells
    )
    return dataclasses.replace(table, cells=cells)


def score_table(name, *, weighted=False):
    counts, totals, unseen = {}, {}, []
    for number, group in enumerate(GROUPS):
        for i, score in enumerate(balance.TENTHS):
            kept, left = (i * 3 + number, 9 - i) if i else (0, 0)
            if weighted:
                counts[group, "before", score] = kept + left
                continue
            counts[group, "after", score] = kept
            counts[group, "dropped", score] = left
            unseen.append((group, "dropped", score))
            totals[group, "before", score] = [(group, "after", score), (group, "dropped", score)]
    return CountTable.from_counts(
        name=f"overlap:{name}",
        title="Score",
        unit="perpetrators",
        dimensions=("group", "when", "score"),
        counts=counts,
        totals=totals,
        hidden=unseen,
    )


def design(name, *, out=68, worst=False, overlap=True, scale=1.0, estimand=None, **more):
    weighted = name != "matched"
    estimand = estimand or ("atm" if out and not weighted else "att")
    checks = [
        Check(name="design", text="Each programme case was matched to one comparison case."),
        Check(name="design", text="The score is a logistic regression on age, site."),
        Check(name="design_counts", text="117 of 185 programme cases were matched."),
        Check(name="estimand", text=ESTIMANDS[estimand]),
        Check(
            name="unmatched",
            passed=not out,
            text=f"{out} programme cases have no match and were left out."
            if out
            else "Each programme case was kept.",
        ),
        Check(
            name="overlap",
            passed=overlap,
            text="Scores overlap." if overlap else "40 of 185 programme cases lie outside.",
        ),
        Check(
            name="worst_smd",
            passed=not worst,
            statistic=0.284 if worst else 0.042,
            threshold=0.1,
            text="1 of 4 covariates differ: age (0.284)." if worst else "None differs.",
        ),
        Check(name="parameters", passed=True, statistic=40.0, threshold=10, text="Enough."),
    ]
    scores = [] if name == "entropy" else [score_table(name, weighted=weighted)]
    return ResultSet(
        estimates=tuple(lines(scale=scale, **more)),
        checks=tuple(checks),
        tables=(flow_table(name, out=0 if weighted else out, weighted=weighted), *scores),
    )


def found(term, numbers, *, shares=(0.12, 0.2), claim="associational", n=None):
    """Return the estimates of one design; ``None`` for numbers that may not be shown."""
    base = {"outcome": "hit", "term": term, "claim": claim, "unit": "person"}
    if numbers is None:
        names = ("risk_treated", "risk_comparison", "risk_difference", "risk_ratio")
        arms = dict(zip(names, GROUPS, strict=False))
        return [
            Estimate(measure=m, group=arms.get(m, ""), estimate=None, method=NOT_SHOWN, **base)
            for m in names
        ]
    gap, gap_low, gap_high, ratio, low, high = numbers
    one, two = shares
    fall = Estimate(
        measure="risk_ratio", estimate=ratio, conf_low=low, conf_high=high, **base
    ).percent_reduction()
    return [
        Estimate(measure="risk_treated", group="programme", estimate=one, n=n, **base),
        Estimate(measure="risk_comparison", group="comparison", estimate=two, n=n, **base),
        Estimate(
            measure="risk_difference", estimate=gap, conf_low=gap_low, conf_high=gap_high, **base
        ),
        Estimate(measure="risk_ratio", estimate=ratio, conf_low=low, conf_high=high, **base),
        fall,
    ]


def effects_of(names, numbers=LOWER, crude=HIGHER, others=LOWER, sensitivity=(2.72, 1.46)):
    estimates = found("crude", crude, n=185)
    for number, name in enumerate(names):
        estimates += found(name, others if number else numbers)
    if sensitivity:
        point, limit = sensitivity
        estimates += [
            Estimate(measure="e_value", term=names[0], estimate=point),
            Estimate(measure="e_value_limit", term=names[0], estimate=limit),
        ]
    return ResultSet(
        estimates=tuple(estimates),
        checks=(
            Check(name="rosenbaum", text="A factor of 1.35 in the odds would do."),
            Check(name="negative_outcome", outcome="hit", text="An unrelated outcome is alike."),
            Check(name="e_value", text="The E-value in technical words."),
        ),
    )


def evaluation(
    names=("matched",), *, outcomes=None, results=None, report=None, designed=None, **effect
):
    body = {
        "evaluation": {"title": "A matched site"},
        "data": {"folder": "data", "source": "Records of one site."},
        "design": {"kind": "matched" if names[0] == "matched" else "weighted", "unit": "person"},
        "balancing": [BLOCKS[name] for name in names],
        "outcomes": outcomes or [OUTCOME],
        "report": report or {},
    }
    plan = Plan.model_validate(body).to_dict()
    plan["balancing"] = body["balancing"]
    made = {name: design(name, **(designed or {})) for name in names}
    flow = CountTable.from_counts(
        name="flow",
        title="Who is in the figures",
        unit="perpetrators",
        dimensions=("group", "stage"),
        counts={("programme", "allocated"): 185, ("comparison", "allocated"): 429},
        note="Counted: person.",
    )
    return Evaluation(
        plan=plan,
        plan_hash="0" * 64,
        results={
            **{f"balance:{name}": found for name, found in made.items()},
            **(results or {"hit": effects_of(names, **effect)}),
        },
        tables=(flow,),
        policy="internal",
    )


def with_balance(source, name="matched", **changes):
    key = f"balance:{name}"
    changed = dataclasses.replace(source.results[key], **changes)
    return dataclasses.replace(source, results={**source.results, key: changed})


def drawn(chart):
    canvas = FigureCanvasAgg(chart.figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def texts(chart):
    return [
        text.get_text()
        for axes in chart.figure.axes
        for text in (*axes.texts, *axes.get_yticklabels())
    ]


def page_of(source, folder):
    folder.mkdir()
    document.write_bundle(source, folder)
    return (folder / "report.html").read_text(encoding="utf-8")


def words_of(page):
    bare = re.sub(r"<style>.*?</style>|data:image/png;base64,[^\"]+", "", page, flags=re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", bare))


class TestWords:
    def test_a_design_has_its_label_or_one_made_from_its_method(self):
        one = evaluation(("matched", "weights", "entropy"))
        names = ("crude", "matched", "weights", "entropy")
        assert [designs.design_label(one, name) for name in names] == [
            "No adjustment",
            "1:1 nearest matching within a caliper",
            "Propensity weights (ATT)",
            "Weights with equal means",
        ]  # fmt: skip
        assert designs.design_label(one, "itt") == ""

    def test_the_main_design_is_marked_once(self, monkeypatch):
        one = evaluation(("matched", "weights"))
        assert designs.marked_label(one, "crude") == "No adjustment (not a fair comparison)"
        assert designs.marked_label(one, "matched").endswith("within a caliper (main design)")
        assert designs.marked_label(one, "weights") == "Propensity weights (ATT)"
        monkeypatch.setitem(BLOCKS["matched"], "label", "Pairs (main)")
        assert designs.marked_label(evaluation(), "matched") == "Pairs (main)"

    def test_two_designs_of_one_label_are_told_apart_by_name(self, monkeypatch):
        monkeypatch.setitem(BLOCKS, "again", {**BLOCKS["matched"], "name": "again_wide"})
        one = evaluation(("matched", "again"), designed={})
        assert designs.design_label(one, "again_wide") == (
            "1:1 nearest matching within a caliper (again wide)"
        )

    def test_other_designs_have_no_main_design(self):
        plain = Evaluation(plan={}, plan_hash="", results={})
        assert sentences.main_design(plain) == ""
        assert not designs.has_designs(plain, "hit")

    def test_nothing_amiss_warns_of_nothing(self):
        assert designs.warnings(evaluation(designed={"out": 0})) == []

    def test_what_is_amiss_comes_first_with_its_lead(self):
        bad = evaluation(designed={"worst": True, "overlap": False})
        assert designs.warnings(bad) == [
            (
                "The groups are still not alike after matching.",
                "1 of 4 covariates differ: age (0.284).",
            ),
            ("The groups overlap poorly.", "40 of 185 programme cases lie outside."),
            (
                "For 37 of every 100 programme cases there was no free match.",
                "68 programme cases have no match and were left out. The effect is the average "
                "over those programme cases for which a match was found (ATM), not over all of "
                "them.",
            ),
        ]

    def test_few_cases_for_the_score_are_named(self):
        one = evaluation(designed={"out": 0})
        checks = tuple(
            dataclasses.replace(c, passed=False, text="12 cases for 9 parameters.")
            if c.name == "parameters"
            else c
            for c in one.results["balance:matched"].checks
        )
        assert designs.warnings(with_balance(one, checks=checks)) == [
            (
                "There are few cases for so many characteristics.",
                "12 cases for 9 parameters.",
            )
        ]

    def test_whose_effect_is_not_said_twice(self):
        one = evaluation()
        text = f"68 were left out; the effect is {ESTIMANDS['atm']}. They differ in age."
        checks = tuple(
            dataclasses.replace(c, text=text) if c.name == "unmatched" else c
            for c in one.results["balance:matched"].checks
        )
        [(_lead, said)] = designs.warnings(with_balance(one, checks=checks))
        assert said == text

    def test_the_description_is_one_paragraph(self):
        assert designs.methods_paragraph(evaluation(), "matched") == (
            "Each programme case was matched to one comparison case. The score is a logistic "
            "regression on age, site. 117 of 185 programme cases were matched."
        )

    @pytest.mark.parametrize(
        ("names", "how"),
        [
            (("matched",), "cases of the comparison group were chosen that looked like those"),
            (("weights",), "cases were weighted so that the two groups look alike"),
        ],
    )
    def test_the_introduction_says_what_was_done_and_what_it_cannot_do(self, names, how):
        said = designs.introduction(evaluation(names), LABELS)
        assert how in said
        assert said.startswith("Nobody was allocated by chance, so the groups differed from the")
        assert said.endswith("That can be done for what was measured only.")


class TestLeftOut:
    """A few left out are a sentence, many a box and the heading of the overlap."""

    def test_many(self):
        one = evaluation(designed={"out": 34})
        assert designs.dropped(one, "matched") == (34 / 185, "programme cases")
        head = balance.overlap_chart(one, LABELS).headline
        assert head == "For 18 of every 100 programme cases there was no free match"
        assert [lead for lead, _ in designs.warnings(one)] == [f"{head}."]

    def test_few(self, tmp_path):
        one = evaluation(designed={"out": 4})
        assert designs.few_dropped(one, "matched")
        assert designs.warnings(one) == []
        head = balance.overlap_chart(one, LABELS).headline
        assert head == "For most cases there were cases like them in the other group"
        text = page_of(one, tmp_path / "out")
        assert 'class="alert"' not in text
        assert "4 programme cases have no match and were left out. The effect is the" in text

    def test_a_share_that_may_not_be_shown_is_no_good_news(self):
        one = evaluation()
        hidden = (flow_table("matched", none=True), score_table("matched"))
        one = with_balance(one, tables=hidden)
        head = balance.overlap_chart(one, LABELS).headline
        assert head == "How likely each group was to be in the programme"
        assert designs.warnings(one)[0][0] == (
            "The effect is not that of everybody in the programme."
        )

    def test_rounded_counts_that_are_equal_are_nearly_all(self):
        one = evaluation(designed={"out": 4})
        counts = {("programme", "all"): 185, ("programme", "matched"): 185}
        cells = tuple(
            dataclasses.replace(
                c,
                count=counts.get(c.key, None if c.key == ("programme", "unmatched") else c.count),
                status="rounded",
            )
            for c in one.results["balance:matched"].tables[0].cells
        )
        table = dataclasses.replace(one.results["balance:matched"].tables[0], cells=cells)
        check = Check(name="design", text="185 of 185 programme cases were matched.")
        checks = (*one.results["balance:matched"].checks, check)
        one = with_balance(one, tables=(table,), checks=checks)
        assert designs.kept_words(one, "matched", LABELS).startswith(
            "cases matched: programme nearly all of 185"
        )
        assert "Nearly all of 185 programme cases were matched." in designs.methods_paragraph(
            one, "matched"
        )


class TestPlainWords:
    def test_no_name_of_a_field_or_column(self):
        one = evaluation()
        text = (
            "Even then the one-sided P value is 0.6, not below 0.05, so there is no finding to put "
            "in doubt and gamma_at_alpha does not exist; see prior_arrests."
        )
        assert designs.plain_check(one, Check(name="rosenbaum", text=text)).endswith(
            "no finding to put in doubt; see prior arrests."
        )

    def test_a_design_without_a_score_does_not_speak_of_one(self, monkeypatch):
        cem = {
            "name": "classes",
            "method": "cem",
            "covariates": ["age"],
            "cutpoints": {"age": [30]},
        }
        monkeypatch.setitem(BLOCKS, "matched", {**cem, "name": "matched"})
        one = evaluation()
        text = "Many cases have a propensity score outside the range of the other arm."
        check = Check(name="overlap", passed=False, text=text)
        assert designs.plain_check(one, check, "matched") == (
            "Many cases have nobody like them in the other arm to be compared with."
        )

    @pytest.mark.parametrize(
        ("passed", "said"),
        [
            (True, "do not differ beyond the margin of 5 in every 100"),
            (False, "so they are probably unlike in ways that nobody measured"),
            (None, "it is too wide to tell"),
        ],
    )
    def test_a_negative_outcome_in_words(self, passed, said):
        outcome = {**OUTCOME, "negative": True, "primary": False, "margin": 0.05}
        one = evaluation(outcomes=[{**OUTCOME, "name": "main"}, outcome], numbers=UNCLEAR)
        check = Check(
            name="negative_outcome", outcome="hit", passed=passed, text="risk difference -0.00487"
        )
        text = designs.plain_check(one, check)
        assert text.startswith("Hit again is something that the programme cannot change, so")
        assert "The difference is anything from 6 fewer to 4 more in every 100." in text
        assert said in text

    def test_arms_of_the_plan_stand_in_quotation_marks(self):
        labels = {"programme": "Work programme", "comparison": "No programme"}
        said = designs.main_sentences(evaluation(), "hit", TITLE, labels)[0]
        assert (
            "12 in every 100 in the group “Work programme”, 20 in every 100 in the group “No"
            in said
        )

    def test_people_are_perpetrators_only_where_abuse_is_reported(self):
        assert sentences.people_words(evaluation()) == "people"
        police = evaluation(outcomes=[{**OUTCOME, "reporter": "police"}])
        assert sentences.people_words(police) == "perpetrators"

    def test_designs_that_point_apart(self):
        one = evaluation(("matched", "weights"), others=HIGHER)
        said = " ".join(designs.effect_sentences(one, "hit", TITLE, LABELS))
        assert "The designs do not all point the same way, so the answer may rest on how" in said


class TestOutcomeSentences:
    def test_the_main_result_out_of_100_then_crude_then_sensitivity(self):
        one = evaluation(("matched", "weights"), designed={"out": 0})
        assert designs.effect_sentences(one, "hit", TITLE, LABELS) == [
            "Hit again (in a year), after matching: 12 in every 100 in the programme group, 20 in "
            "every 100 in the comparison group. In the programme group it was lower by 8 in every "
            "100 (range 2 to 14); as a ratio of the shares, 0.60 (range 0.40 to 0.90). It may also "
            "come from differences between the groups that nobody measured.",
            "With no adjustment the answer would have been different: 6 more in every 100 (range 1 "
            "to 11). That is not a fair comparison, because the groups differed at the start.",
            "Other designs of the plan: Propensity weights (ATT): 8 fewer in every 100 (range 2 to "
            "14). They lead to the same reading as the main design.",
            "To explain the whole difference away, something that nobody measured would have to go "
            "with being in the programme and with the outcome, each by a factor of at least 2.72, "
            "beyond all that was made alike (E-value); for the range to include no difference, a "
            "factor of 1.46 would do.",
            "An unrelated outcome is alike.",
            "A factor of 1.35 in the odds would do.",
        ]

    def test_a_higher_share_is_said_as_plainly(self):
        one = evaluation(numbers=HIGHER, crude=HIGHER)
        main, crude = designs.main_sentences(one, "hit", TITLE, LABELS)
        assert "it was higher by 6 in every 100 (range 1 to 11); as a ratio" in main
        assert crude.startswith("With no adjustment it would have been 6 more in every 100")

    def test_a_range_over_nothing_shows_neither(self):
        one = evaluation(numbers=UNCLEAR, crude=UNCLEAR)
        main, crude = designs.main_sentences(one, "hit", TITLE, LABELS)
        assert main.endswith(
            "The data are compatible with anything from 6 fewer to 4 more in every 100 in the "
            "programme group. This shows neither that there is a difference nor that there is "
            "none."
        )
        assert crude.startswith("With no adjustment it would have been anything from 6 fewer to 4")
        said = designs.effect_sentences(one, "hit", TITLE, LABELS)
        assert (
            "The range includes no difference as it is, so it takes no hidden difference between "
            "the groups to explain the result away (E-value of the range: 1)."
        ) in said
        assert not any("To explain the whole" in line for line in said)

    def test_an_end_just_off_nothing_is_never_rounded_to_it(self):
        near = (-0.08, -0.15, -0.001, 0.6, 0.4, 0.99)
        [main, _crude] = designs.main_sentences(evaluation(numbers=near), "hit", TITLE, LABELS)
        assert "(range 0.1 to 15)" in main

    def test_whose_effect_it_is_stands_with_the_result_when_cases_were_dropped(self):
        whose = (
            "The effect is the average over those programme cases for which a match was found "
            "(ATM), not over all of them."
        )
        assert whose in designs.effect_sentences(evaluation(), "hit", TITLE, LABELS)
        none_out = evaluation(designed={"out": 0})
        said = designs.effect_sentences(none_out, "hit", TITLE, LABELS)
        assert not any("The effect is" in line for line in said)

    def test_designs_that_disagree_are_said_to(self):
        one = evaluation(("matched", "weights", "entropy"), others=UNCLEAR)
        said = " ".join(designs.effect_sentences(one, "hit", TITLE, LABELS))
        assert (
            "Propensity weights (ATT): anything from 6 fewer to 4 more in every 100; Weights with "
            "equal means: anything from 6 fewer to 4 more in every 100. All designs point the "
            "same way; the ranges of “Propensity weights (ATT)” and “Weights with equal means” "
            "include no difference. “Propensity weights (ATT)” and “Weights with equal means”: the "
            "effect is about other people than that of the main design."
        ) in said

    def test_a_hidden_further_design_is_said_so(self):
        one = evaluation(("matched", "weights"), others=None)
        said = " ".join(designs.effect_sentences(one, "hit", TITLE, LABELS))
        assert "Propensity weights (ATT): not shown. Not all of them can be shown." in said

    def test_a_hidden_main_result_gives_its_reason(self):
        one = evaluation(numbers=None, crude=None, sensitivity=None)
        said = designs.effect_sentences(one, "hit", TITLE, LABELS)
        assert said[0] == (
            "Hit again (in a year), after matching: too few people to publish without risking "
            "someone being recognised."
        )
        assert said[1] == ("What a comparison without any adjustment would have said is not shown.")
        assert "The E-value in technical words." in said

    def test_without_a_range_nothing_is_concluded(self):
        result = effects_of(("matched",), sensitivity=None)
        bare = tuple(
            dataclasses.replace(e, conf_low=None, conf_high=None) if e.term == "matched" else e
            for e in result.estimates
        )
        one = evaluation(results={"hit": dataclasses.replace(result, estimates=bare)})
        [main, _crude] = designs.main_sentences(one, "hit", TITLE, LABELS)
        assert main.endswith("No range can be given for the difference.")
        gap = result.one(measure="risk_difference", term="matched")
        assert designs.per_hundred(dataclasses.replace(gap, conf_low=None, conf_high=None)) == (
            "8 fewer in every 100 (no range can be given)"
        )

    def test_shares_that_are_hidden_do_not_hide_the_difference(self):
        result = effects_of(("matched",))
        bare = tuple(
            dataclasses.replace(e, estimate=None, method=NOT_SHOWN)
            if (e.term, e.measure) == ("matched", "risk_treated")
            else e
            for e in result.estimates
        )
        one = evaluation(results={"hit": dataclasses.replace(result, estimates=bare)})
        [main, _crude] = designs.main_sentences(one, "hit", TITLE, LABELS)
        assert "the share in each group is not shown. In the programme group it was lower" in main

    def test_an_e_value_says_in_brackets_of_what_it_is(self):
        result = effects_of(("matched",))
        named = tuple(
            dataclasses.replace(e, term="matched (risk_ratio)")
            if e.measure.startswith("e_value")
            else e
            for e in result.estimates
        )
        one = evaluation(results={"hit": dataclasses.replace(result, estimates=named)})
        said = " ".join(designs.effect_sentences(one, "hit", TITLE, LABELS))
        assert "each by a factor of at least 2.72" in said
        rows = tables.effects_table(one, LABELS).rows
        assert any(
            row[2] == "E-value: strength of a hidden cause that would explain it away, 1:1 nearest "
            "matching within a caliper"
            for row in rows
        )

    def test_an_e_value_without_that_of_the_range(self):
        said = designs.effect_sentences(evaluation(sensitivity=(2.72, None)), "hit", TITLE, LABELS)
        assert any(line.endswith("beyond all that was made alike (E-value).") for line in said)

    @pytest.mark.parametrize("numbers", [LOWER, HIGHER, UNCLEAR, None])
    def test_no_word_of_cause(self, numbers):
        one = evaluation(("matched", "weights"), numbers=numbers)
        said = " ".join(designs.effect_sentences(one, "hit", TITLE, LABELS))
        for word in sentences.FORBIDDEN_UNLESS_CAUSAL:
            assert not re.search(rf"\b{word}\b", said, flags=re.I), word


class TestHeadlines:
    @pytest.mark.parametrize(
        ("numbers", "crude", "said"),
        [
            (
                LOWER,
                LOWER,
                "Hit: lower in the programme group than in the matched comparison group",
            ),
            (
                LOWER,
                HIGHER,
                "Hit: lower in the programme group than in the matched comparison group",
            ),
            (
                UNCLEAR,
                LOWER,
                "Hit: no clear difference from the matched comparison group",
            ),
            (
                HIGHER,
                UNCLEAR,
                "Hit: higher in the programme group than in the matched comparison group",
            ),
            (None, LOWER, "Hit: the difference cannot be shown"),
        ],
    )
    def test_one_outcome(self, numbers, crude, said):
        one = evaluation(numbers=numbers, crude=crude)
        assert designs.effects_headline(one, ["hit"], {"hit": "Hit"}, LABELS) == said

    def test_imbalance_and_another_crude_result_stand_beneath_the_headline(self):
        one = evaluation(crude=LOWER, designed={"worst": True})
        unlike = " After matching the groups are still unlike."
        assert designs.effects_remarks(one, ["hit"]) == unlike
        chart = effects.effects_by_design_chart(one, ["hit"], {"hit": "Hit"}, LABELS)
        assert chart.subtitle.endswith(unlike)
        crude = evaluation(numbers=UNCLEAR, crude=LOWER)
        assert designs.effects_remarks(crude, ["hit"]) == " With no adjustment it looked lower."
        assert designs.effects_remarks(evaluation(crude=LOWER), ["hit"]) == ""

    @pytest.mark.parametrize(
        ("numbers", "said"),
        [
            (
                (LOWER, LOWER),
                "Afterwards both types were lower in the programme group",
            ),
            (
                (LOWER, UNCLEAR),
                "Afterwards 1 of 2 types was lower in the programme group",
            ),
            (
                (LOWER, HIGHER),
                "Afterwards 1 of 2 types lower and 1 higher",
            ),
            (
                (UNCLEAR, UNCLEAR),
                "Afterwards no type of abuse was clearly different",
            ),
            ((None, None), "No difference from the matched comparison group can be shown"),
            ((LOWER, None), "Afterwards the 1 type shown was lower in the programme group"),
        ],
    )
    def test_several_outcomes(self, numbers, said):
        results = {
            name: effects_of(("matched",), numbers=one)
            for name, one in zip(("hit", "bit"), numbers, strict=True)
        }
        one = evaluation(results=results)
        titles = {"hit": "Hit", "bit": "Bit"}
        assert designs.effects_headline(one, ["hit", "bit"], titles, LABELS) == said

    @pytest.mark.parametrize(
        ("scale", "hidden", "said"),
        [
            (0.1, (), "After matching the groups are alike on all 4 characteristics"),
            (20.0, (), "After matching the groups still differ on 4 of 4 characteristics"),
            (
                20.0,
                ("age",),
                "After matching the groups still differ on 3 of 3 characteristics shown",
            ),
            (
                0.1,
                ("age", "income", "site: north"),
                "After matching the groups are alike on the one characteristic shown",
            ),
            (
                1.0,
                ("age", "income", "site: north", "site: south"),
                "How alike the groups are after matching cannot be shown",
            ),
        ],
    )
    def test_love(self, scale, hidden, said):
        one = evaluation()
        one = with_balance(one, estimates=tuple(lines(scale=scale, hidden=hidden)))
        assert balance.love_chart(one, LABELS).headline == said

    @pytest.mark.parametrize(
        ("passed", "said"),
        [
            (True, "For most cases there were cases like them in the other group"),
            (False, "The groups overlap poorly: many had nobody like them"),
            (None, "How likely each group was to be in the programme"),
        ],
    )
    def test_overlap(self, passed, said):
        one = evaluation(designed={"out": 0})
        checks = tuple(
            dataclasses.replace(c, passed=passed) if c.name == "overlap" else c
            for c in one.results["balance:matched"].checks
        )
        chart = balance.overlap_chart(with_balance(one, checks=checks), LABELS)
        assert chart.headline.startswith(said)


class TestLove:
    def test_what_is_drawn_is_what_was_released(self):
        one = evaluation()
        chart = balance.love_chart(one, LABELS)
        for when, marker in (("before", "o"), ("after", "D")):
            shown = [
                float(line.get_xdata()[0])
                for line in chart.figure.axes[0].lines
                if line.get_marker() == marker and len(line.get_xdata())
            ]
            released = [
                abs(e.estimate)
                for e in one.results["balance:matched"].estimates
                if (e.measure, e.subgroup) == ("smd", when)
            ]
            assert sorted(shown) == sorted(released)

    def test_before_is_hollow_and_after_filled(self):
        axes = balance.love_chart(evaluation(), LABELS).figure.axes[0]
        fills = {line.get_marker(): line.get_markerfacecolor() for line in axes.lines}
        assert fills["o"] == "white"
        assert fills["D"] not in ("white", "none")

    def test_the_score_stands_on_top_then_the_largest_before(self):
        chart = balance.love_chart(evaluation(), LABELS)
        names = [tick.get_text() for tick in chart.figure.axes[0].get_yticklabels()]
        assert names[0] == "Propensity score\n(sums up the others; not counted)"
        assert names[1:] == ["Site: north", "Site: south", "Income", "Age"]
        assert list(chart.data.columns) == ["characteristic", "smd_before", "smd_after", "limit"]
        assert list(chart.data["characteristic"])[1] == "site: north"

    def test_the_csv_keeps_the_sign_and_the_picture_drops_it(self):
        chart = balance.love_chart(evaluation(), LABELS)
        assert (chart.data["smd_before"].dropna() < 0).any()
        assert chart.figure.axes[0].get_xlim()[0] == 0
        assert "without its sign" in chart.subtitle

    def test_the_limit_of_the_plan_is_drawn(self, monkeypatch):
        monkeypatch.setitem(BLOCKS["matched"], "max_smd", 0.25)
        chart = balance.love_chart(evaluation(), LABELS)
        upright = [
            line.get_xdata()[0]
            for line in chart.figure.axes[0].lines
            if len(line.get_xdata()) == 2 and line.get_xdata()[0] == line.get_xdata()[1]
        ]
        assert 0.25 in upright
        assert chart.data["limit"].eq(0.25).all()

    def test_hidden_and_undefined_lines_are_said(self):
        one = with_balance(
            evaluation(), estimates=tuple(lines(hidden=("age",), undefined=("income",)))
        )
        chart = balance.love_chart(one, LABELS)
        drawn(chart)
        assert f"[c] {drawing.TOO_FEW}" in texts(chart)
        assert "cannot be computed" in texts(chart)
        assert texts(chart).count("[c]") == 2
        assert texts(chart).count("[x]") == 2
        assert "2 of 5 cannot be shown after matching." in chart.alt_text
        assert chart.data["smd_after"].isna().sum() == 2

    def test_a_difference_without_end_is_not_drawn(self):
        estimates = [
            dataclasses.replace(e, estimate=np.inf) if e.term == "age" and e.measure == "smd" else e
            for e in lines()
        ]
        chart = balance.love_chart(with_balance(evaluation(), estimates=tuple(estimates)), LABELS)
        drawn(chart)
        assert chart.data.set_index("characteristic").loc["age"].isna()["smd_after"]

    def test_the_words_name_what_is_over_the_limit(self):
        one = with_balance(evaluation(), estimates=tuple(lines(scale=20.0)))
        said = balance.love_chart(one, LABELS).alt_text
        assert "Age: 0.31 before, 0.83 after." in said
        assert "Still beyond the limit of 0.1 after matching: Site: north 0.54" in said
        assert "Propensity score 3" not in said.split("Still beyond")[1]
        fine = with_balance(evaluation(), estimates=tuple(lines(scale=0.1)))
        assert (
            "After matching none that can be shown is beyond the limit of 0.1."
            in balance.love_chart(fine, LABELS).alt_text
        )

    def test_twenty_five_long_names_do_not_overlap(self):
        rows = [
            (
                f"characteristic_{i}_with_a_name_that_goes_on_for_quite_a_while_and_then_more",
                False,
                (1.0 + i, 2.0, 0.0, 2.0),
                (0.1, 2.0, 0.0, 2.0),
            )
            for i in range(25)
        ]
        one = with_balance(evaluation(report={}), estimates=tuple(lines(rows)))
        chart = balance.love_chart(one, LABELS)
        drawn(chart)
        renderer = chart.figure.canvas.get_renderer()
        boxes = [
            tick.get_window_extent(renderer)
            for tick in chart.figure.axes[0].get_yticklabels()
            if tick.get_text()
        ]
        assert len(boxes) == 25
        for above, below in itertools.pairwise(boxes):
            assert below.y1 <= above.y0 + 1
        assert all(box.x0 >= 0 for box in boxes)
        assert (
            "The other 19 differed less than these before matching, and none that can be shown is "
            "beyond the limit of 0.1 after it; the table of the groups has them."
        ) in chart.alt_text

    def test_nothing_looked_at_is_said(self):
        one = with_balance(evaluation(), estimates=())
        chart = balance.love_chart(one, LABELS)
        drawn(chart)
        assert chart.alt_text == "Dot chart. No characteristic was looked at."


class TestOverlap:
    def test_before_and_after_for_a_match_and_before_only_for_weights(self):
        matched = balance.overlap_chart(evaluation(), LABELS)
        weighted = balance.overlap_chart(evaluation(("weights",)), LABELS)
        assert len(matched.figure.axes) == 2
        assert len(weighted.figure.axes) == 1
        assert set(matched.data["when"]) == {"before", "after"}
        assert set(weighted.data["when"]) == {"before"}
        drawn(matched)
        drawn(weighted)

    def test_a_design_without_a_score_has_no_such_chart(self):
        assert balance.overlap_chart(evaluation(("entropy",)), LABELS) is None

    def test_the_sides_are_the_groups_and_the_numbers_their_counts(self):
        one = evaluation()
        chart = balance.overlap_chart(one, LABELS)
        counts = chart.data[(chart.data["when"] == "after") & (chart.data["count"] > 0)]
        said = [t for t in texts(chart) if re.fullmatch(r"\d+", t)]
        both = chart.data[chart.data["count"] > 0]["count"]
        assert sorted(map(int, said)) == sorted(both.astype(int))
        bars = chart.figure.axes[1].patches
        assert sum(bar.get_width() < 0 for bar in bars) == (counts["group"] == "comparison").sum()
        assert abs(sum(abs(bar.get_width()) for bar in bars) - 200) < 1e-9

    def test_what_may_not_be_shown_is_dotted(self):
        one = evaluation()
        tables_ = tuple(
            without_counts(t, lambda key: key[2] == "0.8–0.9")
            if t.name.startswith("overlap")
            else t
            for t in one.results["balance:matched"].tables
        )
        chart = balance.overlap_chart(with_balance(one, tables=tables_), LABELS)
        drawn(chart)
        assert texts(chart).count("[c]") == 4
        assert sum(bar.get_hatch() is not None for a in chart.figure.axes for bar in a.patches) == 4
        assert f"1 bar {drawing.TOO_FEW}" in chart.alt_text
        assert chart.data["count"].isna().sum() == 4
        assert "share of its group, of the counts shown." in chart.caption

    def test_everything_hidden_is_drawn_all_the_same(self):
        one = evaluation()
        tables_ = tuple(without_counts(t) for t in one.results["balance:matched"].tables)
        chart = balance.overlap_chart(with_balance(one, tables=tables_), LONG)
        drawn(chart)
        assert f"no count shown; 10 bars {drawing.TOO_FEW}" in chart.alt_text
        assert "[c] of [c]" in chart.subtitle


class TestTables:
    def test_the_flow_of_matching(self):
        table = balance.matching_table(evaluation(), "matched", LABELS)
        assert table.header == (
            "Group",
            "All cases",
            "Matched",
            "Without a match",
            "Worth, in equally weighted cases",
        )
        assert table.rows == (
            ("Programme", "185", "117", "68", "117"),
            ("Comparison", "429", "117", "312", "99.8"),
        )
        assert table.note == ""

    def test_the_flow_of_weighting(self):
        table = balance.matching_table(evaluation(("weights",)), "weights", LABELS)
        assert table.header[2:4] == ("Weighted", "Left out by trimming")
        assert table.rows[0][1:4] == ("185", "185", "0")

    def test_rounded_counts_are_said_to_be(self):
        one = evaluation()
        tables_ = tuple(
            dataclasses.replace(
                t, cells=tuple(dataclasses.replace(c, status="rounded") for c in t.cells)
            )
            for t in one.results["balance:matched"].tables
        )
        note = balance.matching_table(with_balance(one, tables=tables_), "matched", LABELS).note
        assert note == (
            "Counts are rounded one by one, so a total can differ by a few from that elsewhere."
        )

    def test_a_hidden_flow(self):
        one = with_balance(evaluation(), tables=(flow_table("matched", none=True),), estimates=())
        table = balance.matching_table(one, "matched", LABELS)
        assert table.rows[0] == ("Programme", "[c]", "[c]", "[c]", "[x]")
        assert table.note == f"{drawing.HIDDEN_NOTE} [x]: cannot be computed."

    def test_table_one_before_and_after(self):
        table = balance.table_one(evaluation(), LABELS)
        assert table.caption == "The groups before and after matching"
        assert table.header == (
            "Characteristic",
            "Programme, before",
            "Comparison, before",
            "SMD, before",
            "Programme, after",
            "Comparison, after",
            "SMD, after",
        )
        rows = {row[0]: row[1:] for row in table.rows}
        assert rows["Cases"] == ("185", "429", "", "117", "117", "")
        assert rows["Worth, in equally weighted cases"] == ("", "", "", "117", "99.8", "")
        assert rows["Age"] == (
            "25.8 (7.2)", "28.0 (10.8)", "−0.31", "26.1 (7.1)", "26.4 (10.9)", "−0.04",
        )  # fmt: skip
        assert rows["Site: north"][:3] == ("84.0%", "20.0%", "1.73")
        assert rows["Income"][:2] == ("2,096 (4,887)", "5,619 (6,789)")
        assert rows["Propensity score"][:2] == ("0.58 (0.22)", "0.18 (0.23)")
        assert "p" not in [head.lower() for head in table.header]
        assert table.unfolded

    def test_beyond_the_limit_is_marked_but_never_the_score(self):
        one = with_balance(evaluation(), estimates=tuple(lines(scale=20.0)))
        rows = {row[0]: row for row in balance.table_one(one, LABELS).rows}
        assert rows["Age"][-1] == "−0.83*"
        assert rows["Age"][3] == "−0.31"
        assert not rows["Propensity score"][-1].endswith("*")
        assert "*: beyond the limit of 0.1." in balance.table_one(one, LABELS).note

    def test_a_yes_no_column_is_told_by_its_missing_variance_ratio(self):
        rows = [
            ("married", True, (0.189, 0.39, 0.513, 0.5), (0.171, 0.38, 0.282, 0.45)),
            ("share_of_year", False, (0.2, 0.1, 0.3, 0.1), (0.2, 0.1, 0.2, 0.1)),
        ]
        one = with_balance(evaluation(), estimates=tuple(lines(rows)))
        found_ = {row[0]: row[1:] for row in balance.table_one(one, LABELS).rows}
        assert found_["Married"][:2] == ("18.9%", "51.3%")
        assert found_["Share of year"][:2] == ("0.20 (0.10)", "0.30 (0.10)")

    def test_hidden_means_have_their_mark(self):
        one = with_balance(
            evaluation(), estimates=tuple(lines(hidden=("age",), undefined=("income",)))
        )
        table = balance.table_one(one, LABELS)
        rows = {row[0]: row[1:] for row in table.rows}
        assert set(rows["Age"]) == {"[c]"}
        assert rows["Income"][2] == rows["Income"][5] == "[x]"
        assert table.note.endswith(f"{drawing.HIDDEN_NOTE} [x]: cannot be computed.")

    def test_nothing_is_never_minus_nothing(self):
        rows = [("age", False, (1.0, 2.0, 1.001, 2.0), (1.0, 2.0, 1.001, 2.0))]
        one = with_balance(evaluation(), estimates=tuple(lines(rows)))
        assert balance.table_one(one, LABELS).rows[-1][3] == "0.00"

    def test_the_designs_in_a_row(self):
        one = evaluation(("matched", "weights", "entropy"), designed={"worst": True})
        table = balance.designs_table(one, LABELS)
        assert table.rows[0] == (
            "1:1 nearest matching within a caliper (main design)",
            "117 (117)",
            "117 (99.8)",
            "0.28*",
            "The average over those programme cases for which a match was found (ATM), not over "
            "all of them",
        )
        assert table.rows[1][0] == "Propensity weights (ATT)"
        assert table.rows[1][-1] == "The average over programme cases (ATT)"
        assert len(table.rows) == 3

    def test_a_design_whose_balance_is_hidden(self):
        one = evaluation(("matched", "weights"))
        one = with_balance(one, "weights", checks=(), tables=(), estimates=())
        assert balance.designs_table(one, LABELS).rows[1][1:] == (
            "[c] ([x])",
            "[c] ([x])",
            "[c]",
            "",
        )

    def test_what_did_not_hold_for_further_designs(self):
        one = evaluation(("matched", "weights"), designed={"worst": True, "out": 0})
        assert balance.other_warnings(one) == [
            "Propensity weights (ATT): 1 of 4 covariates differ: age (0.284)."
        ]
        assert balance.other_warnings(evaluation(("matched",), designed={"worst": True})) == []

    def test_the_effects_in_a_row(self):
        one = evaluation(("matched", "weights"))
        table = effects.effects_by_design_table(one, ["hit"], {"hit": TITLE}, LABELS)
        assert table.caption == "Hit again (in a year): the result of each design"
        assert table.rows[0] == (
            "No adjustment (not a fair comparison)",
            "12.0 (n = 185)",
            "20.0 (n = 185)",
            "6.0",
            "1.0 to 11.0",
            "1.40",
            "1.05 to 1.90",
        )
        assert table.rows[1][0] == "1:1 nearest matching within a caliper (main design)"
        assert [row[0] for row in table.rows][2:] == ["Propensity weights (ATT)"]

    def test_a_hidden_effect_keeps_its_row(self):
        one = evaluation(("matched", "weights"), others=None)
        table = effects.effects_by_design_table(one, ["hit"], {"hit": TITLE}, LABELS)
        assert table.rows[2][1:] == ("[c]",) * 6

    def test_all_effects_name_their_design_and_never_the_balance(self):
        one = evaluation(("matched", "weights"))
        rows = tables.effects_table(one, LABELS).rows
        assert not any("standard" in row[2].lower() or "Smd" in row[2] for row in rows)
        crude = [row for row in rows if "no adjustment, not a fair comparison" in row[2]]
        assert len(crude) == 5
        assert any(
            row[2] == "Lower than in the other group, % of its share, Propensity weights (ATT)"
            for row in rows
        )
        main = tables.main_effects_table(one, LABELS).rows
        assert main == (
            (
                "Hit again",
                "Difference of the groups, per 100, 1:1 nearest matching within a caliper",
                "−8.0",
                "−14.0 to −2.0",
                "difference, not proof of cause",
            ),
        )

    def test_the_checks_name_their_design(self):
        rows = tables.checks_table(evaluation(("matched", "weights")), LABELS).rows
        outcomes = {row[0] for row in rows}
        assert "Design: 1:1 nearest matching within a caliper" in outcomes
        assert "design" not in {row[2] for row in rows}

    def test_balance_is_not_counted_as_an_outcome(self):
        found = limits.design_limits(evaluation(("matched", "weights")))
        assert not any("outcomes were looked at" in line for line in found)
        # What may overturn a result comes first.
        assert found[0] == "68 programme cases have no match and were left out."


class TestDigits:
    """Values that were rounded to two digits show no third."""

    def rounded(self, **more):
        rows = [
            ("age", False, (33.0, 11.0, 35.0, 12.0), (33.0, 11.0, 34.0, 9.5)),
            ("employed", True, (0.6, 0.49, 0.27, 0.44), (0.6, 0.49, 0.057, 0.23)),
            ("income", False, (2100.0, 4900.0, 5600.0, 6800.0), (2800.0, 5800.0, 2700.0, 4700.0)),
        ]
        numbers = (-0.12, -0.2, -0.039, 1.1, 0.83, 1.5)
        one = evaluation(("matched", "weights"), numbers=numbers, **more)
        one = with_balance(one, estimates=tuple(lines(rows)))
        return dataclasses.replace(one, policy="opensafely")

    def test_table_one(self):
        table = balance.table_one(self.rounded(), LABELS)
        found_ = {row[0]: row[1:] for row in table.rows}
        assert found_["Age"][:2] == ("33 (11)", "35 (12)")
        assert found_["Age"][4] == "34 (9.5)"
        assert found_["Employed"][:2] == ("60%", "27%")
        assert found_["Employed"][4] == "5.7%"
        assert found_["Income"][0] == "2,100 (4,900)"
        assert table.note.endswith(
            "Values to two digits. Standardised mean differences are rounded up."
        )

    def test_the_step_of_the_differences_is_said(self):
        one = self.rounded()
        step = Check(name="design", text="Standardised mean differences up to the next 0.02.")
        one = with_balance(one, checks=(*one.results["balance:matched"].checks, step))
        words = "Values to two digits. Standardised mean differences are rounded up to the next"
        assert f"{words} 0.02." in balance.table_one(one, LABELS).note
        assert f"{words} 0.02." in balance.designs_table(one, LABELS).note
        assert f"{words} 0.02." in balance.love_chart(one, LABELS).caption

    def test_effects_in_tables_charts_and_sentences(self):
        one = self.rounded()
        table = effects.effects_by_design_table(one, ["hit"], {"hit": TITLE}, LABELS)
        assert table.rows[1][1:] == ("12", "20", "−12", "−20 to −3.9", "1.1", "0.83 to 1.5")
        assert table.rows[0][1] == "12"  # no number of cases: it stands in one place only
        assert "Values to two digits. How many cases each design keeps" in table.note
        chart = effects.effects_by_design_chart(one, ["hit"], {"hit": TITLE}, LABELS)
        assert "−12  (−20 to −3.9)" in texts(chart)
        assert not any("n =" in text for text in texts(chart))
        assert "difference per 100 −12 (interval −20 to −3.9), ratio 1.1" in chart.alt_text
        assert tables.main_effects_table(one, LABELS).rows[0][2:4] == ("−12", "−20 to −3.9")
        said = " ".join(designs.effect_sentences(one, "hit", TITLE, LABELS))
        assert "as a ratio of the shares, 1.1 (range 0.83 to 1.5)" in said

    def test_exact_values_keep_their_decimals(self):
        assert "Values to two digits" not in balance.table_one(evaluation(), LABELS).note

    def test_an_imbalance_of_nothing_is_nothing(self):
        one = evaluation()
        check = Check(name="worst_smd", passed=True, statistic=1.46e-15, text="None.")
        rows = tables.checks_table(with_balance(one, checks=(check,)), LABELS).rows
        assert next(row[4] for row in rows if row[2] == "worst smd") == "0.00"

    def test_a_page_has_one_sign_for_less(self, tmp_path):
        said = words_of(page_of(self.rounded(), tmp_path / "out"))
        assert not re.search(r"(?<![\w-])-\d", said)


class TestEffectsChart:
    def test_what_is_drawn_is_what_was_released(self):
        one = evaluation(("matched", "weights", "entropy"))
        chart = effects.effects_by_design_chart(one, ["hit"], {"hit": TITLE}, LABELS)
        drawn(chart)
        left, right = chart.figure.axes
        for axes, column in ((left, "difference"), (right, "ratio")):
            points = {
                round(float(line.get_xdata()[0]), 6)
                for line in axes.lines
                if line.get_marker() in ("o", "D", "s")
            }
            assert points == {round(value, 6) for value in chart.data[column]}
        assert right.get_xscale() == "log"
        assert list(chart.data["part"]) == ["crude", "main", "other", "other"]
        assert chart.name == "designs-hit"

    def test_the_crude_row_is_open_and_says_that_it_is_not_fair(self):
        one = evaluation(("matched", "weights"))
        chart = effects.effects_by_design_chart(one, ["hit"], {"hit": TITLE}, LABELS)
        left = chart.figure.axes[0]
        fills = {m.get_marker(): m.get_markerfacecolor() for m in left.lines}
        assert fills["o"] == "white"
        assert any("not a fair comparison" in text for text in texts(chart))
        assert chart.alt_text.startswith(
            "Interval chart. No adjustment (not a fair comparison): difference per 100 6.0 "
            "(interval 1.0 to 11.0), ratio 1.40 (interval 1.05 to 1.90)."
        )
        assert "(main design): difference per 100 −8.0 (interval −14.0 to −2.0)" in chart.alt_text

    def test_a_hidden_design_keeps_its_row(self):
        one = evaluation(("matched", "weights"), numbers=None, crude=None, others=None)
        chart = effects.effects_by_design_chart(one, ["hit"], {"hit": TITLE}, LABELS)
        drawn(chart)
        assert texts(chart).count("not shown [c]") == 6
        assert f"ratio {drawing.TOO_FEW}" in chart.alt_text

    def test_an_undefined_ratio_and_one_without_end(self):
        result = effects_of(("matched",))
        changed = []
        for e in result.estimates:
            if e.measure == "risk_ratio" and e.term == "matched":
                e = dataclasses.replace(e, estimate=None, conf_low=None, conf_high=None)
            if e.measure == "risk_ratio" and e.term == "crude":
                e = dataclasses.replace(e, estimate=30.0, conf_low=0.01, conf_high=np.inf)
            changed.append(e)
        one = evaluation(results={"hit": dataclasses.replace(result, estimates=tuple(changed))})
        chart = effects.effects_by_design_chart(one, ["hit"], {"hit": TITLE}, LABELS)
        drawn(chart)
        assert "cannot be computed" in texts(chart)
        assert "30.00  (0.01 to no limit)" in texts(chart)
        [main, _crude] = designs.main_sentences(one, "hit", TITLE, LABELS)
        assert "as a ratio" not in main

    def test_several_outcomes_have_their_headings(self):
        results = {name: effects_of(("matched",)) for name in ("hit", "bit")}
        one = evaluation(results=results)
        titles = {"hit": "Hit", "bit": "Bit"}
        chart = effects.effects_by_design_chart(one, ["hit", "bit"], titles, LONG, chart_name="x")
        drawn(chart)
        assert chart.name == "x"
        assert {"Hit", "Bit"} <= set(texts(chart))
        table = effects.effects_by_design_table(one, ["hit", "bit"], titles, LABELS)
        assert table.header[0] == "Outcome"
        assert table.caption == "Use afterwards: the result of each design"

    @pytest.mark.parametrize("labels", [LABELS, LONG])
    def test_no_words_are_cut_off_or_overprinted(self, labels):
        one = evaluation(("matched", "weights", "entropy"))
        chart = effects.effects_by_design_chart(one, ["hit"], {"hit": TITLE}, labels)
        picture = drawn(chart)
        height, width = picture.shape[:2]
        renderer = chart.figure.canvas.get_renderer()
        for axes in chart.figure.axes:
            boxes = [
                text.get_window_extent(renderer) for text in axes.texts if text.get_text().strip()
            ]
            for box in [*boxes, axes.xaxis.label.get_window_extent(renderer)]:
                assert box.x0 >= 0
                assert box.x1 <= width
                assert box.y1 <= height
            for number, box in enumerate(boxes):
                assert not any(box.overlaps(other) for other in boxes[number + 1 :])
        lower = [axes.xaxis.label.get_window_extent(renderer) for axes in chart.figure.axes]
        assert not lower[0].overlaps(lower[1])


NAMES = [f"{kind}:idva:intake-exit" for kind in ("physical", "sexual")]


def behaviour(numbers=LOWER, crude=HIGHER):
    """Return an abuse type whose use fell in both arms, with the designs beside."""
    within = []
    for group in GROUPS:
        base = {"group": group, "unit": "person", "outcome": "physical"}
        within += [
            Estimate(measure="prevalence_before", estimate=0.6, **base),
            Estimate(measure="prevalence_after", estimate=0.3, **base),
            Estimate(
                measure="risk_difference", estimate=-0.3, conf_low=-0.4, conf_high=-0.2, **base
            ),
            Estimate(measure="percent_reduction", estimate=50, conf_low=40, conf_high=60, **base),
        ]
    result = effects_of(("matched",), numbers=numbers, crude=crude)
    return dataclasses.replace(result, estimates=(*within, *result.estimates))


class TestBehaviours:
    outcomes = ({"kind": "behaviour", "reporter": "idva", "abuse_types": ["physical", "sexual"]},)

    def of(self, *numbers):
        results = {name: behaviour(one) for name, one in zip(NAMES, numbers, strict=True)}
        return evaluation(outcomes=list(self.outcomes), results=results)

    @pytest.mark.parametrize(
        ("numbers", "said"),
        [
            (LOWER, ", and that it was lower afterwards than in the matched comparison group"),
            (HIGHER, ", but it was higher afterwards than in the matched comparison group"),
            (UNCLEAR, "; we cannot tell whether it was lower than in the matched comparison group"),
            (None, "; it cannot be set against the comparison group here"),
        ],
    )
    def test_the_line_in_the_summary(self, numbers, said):
        assert plain.plain_verdict(behaviour(numbers), LABELS, "matched", "matched") == (
            f"We are sure that it fell{said}"
        )

    def test_the_line_on_the_first_screen_has_the_range(self):
        assert plain.short_verdict(behaviour(), LABELS, "matched", "matched").endswith(
            "than in the matched comparison group: likely by 2 to 14 in every 100."
        )
        unclear = plain.short_verdict(behaviour(UNCLEAR), LABELS, "matched", "matched")
        assert "likely" not in unclear

    def test_what_holds_for_all_types_is_said_once(self):
        one = self.of(LOWER, UNCLEAR)
        assert designs.brief_sentences(one, NAMES[0], "Physical abuse used", LABELS) == [
            "Physical abuse used, after matching: 12 in every 100 in the programme group, 20 in "
            "every 100 in the comparison group. In the programme group it was lower by 8 in every "
            "100 (range 2 to 14); as a ratio of the shares, 0.60 (range 0.40 to 0.90).",
            "With no adjustment the answer would have been different: 6 more in every 100 (range 1 "
            "to 11).",
            "E-value 2.72, of the range 1.46.",
        ]
        unclear = designs.brief_sentences(one, NAMES[1], "Sexual abuse used", LABELS)
        assert not any("E-value" in line for line in unclear)
        assert designs.shared_sentences(one) == [
            "A difference between the groups after matching: it may also come from differences "
            "between the groups that nobody measured.",
            "The effect is the average over those programme cases for which a match was found "
            "(ATM), not over all of them.",
            "What there would have been with no adjustment is not a fair comparison, because the "
            "groups differed at the start.",
            "E-value: by what factor something that nobody measured would have to go with being in "
            "the programme and with the outcome, each, to explain the difference away.",
        ]

    @pytest.mark.parametrize(
        ("others", "said"),
        [
            (LOWER, "The other designs lead to the same reading as the main design."),
            (
                UNCLEAR,
                "All designs point the same way; the range of “Propensity weights (ATT)” includes "
                "no difference. “Propensity weights (ATT)”: the effect is about other people than "
                "that of the main design.",
            ),
            (None, "Not all of the other designs can be shown."),
        ],
    )
    def test_the_other_designs_in_brief(self, others, said):
        one = evaluation(("matched", "weights"), others=others)
        assert said in designs.brief_sentences(one, "hit", TITLE, LABELS)

    def test_how_sure(self):
        assert plain.how_sure(behaviour(), LABELS, "matched", "matched") == (
            "30 fewer in every 100 used it; in the comparison group 30 fewer. Afterwards 8 fewer "
            "in every 100 used it than in the matched comparison group (likely 2 to 14)."
        )
        inside = plain.how_sure(behaviour(None), LABELS, "matched")
        assert "Afterwards" not in inside
        unclear = plain.how_sure(behaviour(UNCLEAR), LABELS, "matched", "matched")
        assert "Afterwards there were between " in unclear

    @pytest.mark.parametrize(
        ("numbers", "said"),
        [
            (
                (LOWER, LOWER),
                "afterwards lower than in the matched comparison group for all of them",
            ),
            (
                (LOWER, UNCLEAR),
                "afterwards lower than in the matched comparison group for one type",
            ),
            (
                (HIGHER, UNCLEAR),
                "afterwards higher than in the matched comparison group for one type",
            ),
            (
                (LOWER, HIGHER),
                "afterwards lower than in the matched comparison group for one type and higher for "
                "one type",
            ),
            (
                (UNCLEAR, UNCLEAR),
                "afterwards not clearly different from the matched comparison group",
            ),
            ((None, None), "the groups cannot be set against each other here"),
        ],
    )
    def test_the_message_on_abuse(self, numbers, said):
        assert plain.abuse_message(self.of(*numbers), NAMES) == (
            f"Fewer used each type of abuse at the end; {said}"
        )


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    one = evaluation(("matched", "weights", "entropy"), designed={"worst": True})
    return page_of(one, tmp_path_factory.mktemp("page") / "out")


class TestPage:
    def test_the_section_stands_after_the_cohort_and_before_the_outcomes(self, page):
        order = re.findall(r'<section id="([a-z]+)"', page)
        assert order[:6] == ["summary", "victims", "flow", "groups", "comparison", "risks"]
        assert ">How the comparison was made</h2>" in page

    def test_what_is_amiss_comes_before_everything_else(self, page):
        section = page[page.index('id="comparison"') : page.index('id="risks"')]
        assert section.index('class="alert"') < section.index("Nobody was allocated by chance")
        assert section.index("still not alike") < section.index("<figure>")
        summary = page[: page.index('id="victims"')]
        assert (
            "Read with care.</strong> The groups are still not alike after matching. For 37 of "
            "every 100 programme cases there was no free match. See “How the comparison was made”."
        ) in summary

    def test_the_methods_paragraph_can_be_copied(self, page):
        paragraph = re.search(r"<blockquote><p>(.*?)</p></blockquote>", page, re.S).group(1)
        assert paragraph.startswith("Each programme case was matched to one comparison case. The")

    def test_tables_stand_open_where_they_carry_the_section(self, page):
        section = page[page.index('id="comparison"') : page.index('id="risks"')]
        assert "<details>" not in section
        for caption in (
            "From all cases to those compared",
            "The groups before and after matching",
            "The designs side by side",
        ):
            assert caption in section

    def test_summary_has_main_result_and_crude_beside_it(self, page):
        summary = words_of(page[: page.index('id="victims"')])
        assert "it was lower by 8 in every 100 (range 2 to 14)" in summary
        assert "With no adjustment the answer would have been different" in summary

    def test_no_word_of_cause(self, page):
        for word in sentences.FORBIDDEN_UNLESS_CAUSAL:
            assert not re.search(rf"\b{word}\b", words_of(page), flags=re.I), word

    def test_the_answer_comes_before_the_box_and_with_numbers_of_people(self, page):
        summary = page[: page.index('id="victims"')]
        assert summary.index("after matching: 12 in every 100") < summary.index('class="alert"')
        assert (
            "Compared after matching: 117 of 185 people in the programme group and 117 of 429 "
            "people in the comparison group."
        ) in summary

    def test_a_list_for_each_outcome_and_no_table_of_delivery_without_a_trial(self, tmp_path):
        delivery = CountTable.from_counts(
            name="outcome",
            title="Outcome by arm as allocated and as delivered",
            unit="perpetrators",
            dimensions=("allocated", "delivered", "outcome"),
            counts={(g, d, o): 5 * (g == d) for g in GROUPS for d in GROUPS for o in ("yes", "no")},
            totals={
                (g, "all", o): [(g, d, o) for d in GROUPS] for g in GROUPS for o in ("yes", "no")
            },
        )
        result = dataclasses.replace(effects_of(("matched",)), tables=(delivery,))
        text = page_of(evaluation(results={"hit": result}), tmp_path / "out")
        risks = text[text.index('id="risks"') : text.index('id="effects"')]
        assert "<h3>Hit again (in a year)</h3>\n<ul>" in risks
        assert "as delivered" not in risks
        assert "outcome by group" in risks
        assert words_of(risks).count("Programme Yes 5") == 1
        assert "Allocated" not in words_of(text)
        assert "In the cohort" in words_of(text)

    def test_tables_that_are_wide_say_so(self, page):
        for caption in ("The groups before and after matching", "All effects"):
            before = page[: re.search(rf"<caption>Table \d+\. {caption}", page).start()]
            assert before.rindex("The table is wider than this screen") > before.rindex("</table>")

    def test_nothing_of_p_values_in_table_one(self, page):
        found = re.search(r"<caption>Table \d+\. The groups before and after matching<", page)
        table = page[found.start() :]
        table = table[: table.index("</table>")]
        assert "p-value" not in table
        assert ">p<" not in table

    @pytest.mark.parametrize(
        ("names", "options"),
        [
            (("matched",), {"designed": {"out": 0}}),
            (("weights",), {}),
            (("entropy",), {"numbers": UNCLEAR}),
            (("matched", "weights"), {"numbers": None, "crude": None, "others": None}),
        ],
    )
    def test_every_kind_of_plan_makes_a_page(self, names, options, tmp_path):
        text = page_of(evaluation(names, **options), tmp_path / "out")
        assert ">How the comparison was made</h2>" in text
        files = {file.name for file in (tmp_path / "out" / "charts").iterdir()}
        assert {"love.png", "love.csv", "designs-hit.png", "designs-hit.csv"} <= files
        assert ("overlap.png" in files) == (names != ("entropy",))
        if names == ("matched",):
            assert 'class="alert"' not in text
            assert "The effect is the average over programme cases (ATT)." in text

    def test_an_outcome_that_the_programme_cannot_change_is_called_so(self, tmp_path):
        negative = {**OUTCOME, "name": "moved", "column": "moved", "label": "Moved house"}
        negative |= {"negative": True, "primary": False}
        results = {name: effects_of(("matched",)) for name in ("hit", "moved")}
        one = evaluation(outcomes=[OUTCOME, negative], results=results)
        text = page_of(one, tmp_path / "out")
        assert "Moved house: lower in the programme group" in text
        assert (
            "A check, on something that the programme cannot change. Moved house (in a year), "
            "after matching"
        ) in text
        assert "Hit again (in a year), which" not in text

    def test_everything_hidden_makes_a_page(self, tmp_path):
        one = evaluation(("matched", "weights"), numbers=None, crude=None, others=None)
        for name in ("matched", "weights"):
            result = one.results[f"balance:{name}"]
            one = with_balance(
                one,
                name,
                tables=tuple(without_counts(t) for t in result.tables),
                estimates=tuple(
                    dataclasses.replace(e, estimate=None, method=NOT_SHOWN)
                    for e in result.estimates
                ),
            )
        text = page_of(one, tmp_path / "out")
        assert "[c]" in text
        assert "How alike the groups are after matching cannot be shown" in text

    def test_behaviours_keep_their_charts_and_have_the_designs_beside(self, tmp_path):
        outcomes = [
            {"kind": "behaviour", "reporter": "idva", "abuse_types": ["physical", "sexual"]}
        ]
        pairs = CountTable.from_counts(
            name="pairs:programme",
            title="Pairs",
            unit="perpetrators",
            dimensions=("what", "value"),
            counts={
                **{
                    (when, level): 10
                    for when in ("before", "after")
                    for level in ("none", "standard", "moderate", "high")
                },
                **{("change", kind): 10 for kind in ("improved", "same", "worsened")},
                ("users", "before"): 30,
                ("users", "after"): 20,
                ("all", "measured at both"): 40,
                ("all", "referred"): 50,
                ("missing", "only before"): 5,
                ("missing", "only after"): 3,
                ("missing", "never"): 2,
                ("lost", "used before"): 4,
                ("lost", "not used before"): 1,
            },
        )
        tables_ = (pairs, dataclasses.replace(pairs, name="pairs:comparison"))
        results = {n: dataclasses.replace(behaviour(), tables=tables_) for n in NAMES}
        # No percentage of those measured twice is printed without its range over the others.
        ends = ResultSet(
            estimates=tuple(
                Estimate(
                    measure="percent_reduction", term=f"{term} (users)", group=arm, estimate=fall
                )
                for arm in ("programme", "comparison")
                for term, fall in (("worst case", 20.0), ("best case", 40.0))
            )
        )
        results |= {f"rivals:{name}": ends for name in NAMES}
        one = evaluation(outcomes=outcomes, results=results)
        cohort = CountTable.from_counts(
            name="flow",
            title="Flow",
            unit="perpetrators",
            dimensions=("group", "stage"),
            counts={(g, "allocated"): 50 for g in GROUPS},
        )
        text = page_of(dataclasses.replace(one, tables=(cohort,)), tmp_path / "out")
        files = {file.name for file in (tmp_path / "out" / "charts").iterdir()}
        assert {"reductions.png", "designs-reductions.png", "severity.png"} <= files
        assert "Use of physical abuse at exit, after matching: 12 in every 100" in text
        assert "There was no comparison group for this measure" not in text
        assert "there is no comparison group" not in text
        assert "For all of these." in text


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WRAPPER = """<!DOCTYPE html><body><pre id="out">nothing</pre><script>
const frame = document.createElement("iframe");
frame.style.width = "390px";
frame.style.height = "2000px";
frame.onload = () => {
  const page = frame.contentDocument;
  document.getElementById("out").textContent = JSON.stringify({
    scroll: page.documentElement.scrollWidth,
    narrow: [...page.querySelectorAll(".wide td")].filter(c => c.clientWidth < 40).length,
  });
};
frame.src = "report.html";
document.body.append(frame);
</script></body>"""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine; .ci/run installs it")
def test_no_sideways_scroll_on_a_phone(tmp_path):
    one = evaluation(
        ("matched", "weights", "entropy"),
        designed={"worst": True},
        report={"programme_label": LONG["programme"], "comparison_label": LONG["comparison"]},
    )
    page_of(one, tmp_path / "out")
    wrapper = tmp_path / "out" / "wrapper.html"
    wrapper.write_text(WRAPPER, encoding="utf-8")
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--allow-file-access-from-files",
        f"--user-data-dir={tmp_path / 'profile'}",
        "--virtual-time-budget=10000",
        "--dump-dom",
    ]
    done = subprocess.run(
        [CHROMIUM, *options, wrapper.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    inside = re.search(r'<pre id="out">(.*?)</pre>', done.stdout, flags=re.S)
    assert inside, done.stderr[-2000:]
    seen = json.loads(inside.group(1).replace("&quot;", '"'))
    assert seen["scroll"] <= 390
    assert seen["narrow"] == 0
