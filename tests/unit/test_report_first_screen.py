"""The first screen: one message, of whom it holds, four lines on abuse, and how sure we are."""

from __future__ import annotations

import dataclasses
import re

import pytest

from drive_eval.data.synthetic import synthetic_study
from drive_eval.evaluation import run
from drive_eval.evaluation.release import release_evaluation
from drive_eval.plan import Plan
from drive_eval.report import bounds, document, limits, plain, sentences, summary, tables
from drive_eval.results import (
    NOT_SHOWN,
    Cell,
    Check,
    CountTable,
    Estimate,
    Evaluation,
    ResultSet,
)

LABELS = {"programme": "Programme", "comparison": "Comparison"}
NAMES = [
    f"{kind}:idva:intake-exit"
    for kind in ("physical", "sexual", "harassment_stalking", "jealous_controlling")
]
BODY = {
    "evaluation": {"title": "A small site", "report_date": "2026-11-01"},
    "data": {"folder": "data"},
    "design": {"kind": "randomised", "unit": "person"},
    "outcomes": [{"kind": "behaviour", "reporter": "idva"}, {"kind": "perceived_change"}],
}
DOWN, UP, FLAT, LESS = (20, 60), (-60, -20), (-9, 9), (10, 30)


@pytest.fixture(scope="module")
def exact():
    return run(Plan.model_validate(BODY), synthetic_study("site", seed=1))


@pytest.fixture(scope="module")
def released(exact):
    return release_evaluation(exact, "opensafely")


@pytest.fixture(scope="module")
def strict(exact):
    return release_evaluation(exact, "ons_acro")


def fall(low, high, **fields):
    return Estimate(
        measure="percent_reduction",
        estimate=(low + high) / 2,
        conf_low=low,
        conf_high=high,
        **fields,
    )


def hidden(group="programme", **fields):
    return Estimate(
        measure="percent_reduction", estimate=None, group=group, method=NOT_SHOWN, **fields
    )


def people(before, after, low, high, group):
    """Return the shares of an arm and their difference, as the release has them."""
    return (
        Estimate(measure="prevalence_before", estimate=before, group=group, n=100),
        Estimate(measure="prevalence_after", estimate=after, group=group, n=100),
        Estimate(
            measure="risk_difference",
            estimate=after - before,
            conf_low=low,
            conf_high=high,
            group=group,
        ),
    )


def apart(point, low, high):
    return Estimate(
        measure="difference_in_differences", estimate=point, conf_low=low, conf_high=high
    )


def of_both(inside, other, between):
    return ResultSet(
        estimates=(
            fall(*inside, group="programme"),
            fall(*other, group="comparison"),
            *([] if between is None else [fall(*between, term="ratio")]),
        )
    )


def flow(counts, total):
    """Return a flow whose arms have as many rated twice, of as many in all."""
    cells = []
    for arm, (both, never) in counts.items():
        cells += [
            Cell(key=(arm, "measured at both"), count=both),
            Cell(key=(arm, "no intake measure"), count=never),
            Cell(key=(arm, "in the cohort"), count=total),
        ]
    return CountTable(
        name="flow", title="Flow", unit="people", dimensions=("arm", "stage"), cells=tuple(cells)
    )


def evaluation(results, rated=None, total=1000, missing=0.1):
    shown = () if rated is None else (flow(rated, total),)
    return Evaluation(
        plan={"design": {"kind": "randomised", "unit": "person", "max_missing_share": missing}},
        plan_hash="",
        results=results,
        tables=shown,
    )


def types(*results):
    return {f"type{i}:idva:intake-exit": result for i, result in enumerate(results)}


class TestMessage:
    """One message for all types, whatever the directions, and of whom it holds."""

    def said(self, *results, **more):
        found = evaluation(types(*results), **more)
        return plain.abuse_message(found, list(found.results))

    @pytest.mark.parametrize(
        ("pairs", "words"),
        [
            (
                [(DOWN, LESS, DOWN)] * 2,
                "Fewer used each type of abuse at the end, and the fall was larger than in the "
                "comparison group",
            ),
            (
                [(DOWN, UP, DOWN)] * 2,
                "Fewer used each type of abuse at the end; did better than the comparison group "
                "on all of them",
            ),
            ([(DOWN, LESS, DOWN)], "This abuse fell, and by more than in the comparison group"),
            (
                [(DOWN, LESS, DOWN), (DOWN, DOWN, UP)],
                "Fewer used each type of abuse at the end; set against the comparison group, "
                "better on one type and worse on one type",
            ),
            (
                [(UP, FLAT, UP), (DOWN, LESS, DOWN)],
                "One type of abuse fell and one type rose; set against the comparison group, "
                "better on one type and worse on one type",
            ),
            (
                [(UP, FLAT, FLAT), (DOWN, LESS, FLAT), (FLAT, FLAT, FLAT)],
                "Of three types of abuse, one fell and one rose; not clearly different from the "
                "comparison group",
            ),
            (
                [(UP, FLAT, FLAT), (FLAT, FLAT, FLAT)],
                "Of two types of abuse, none clearly fell and one rose; not clearly different "
                "from the comparison group",
            ),
            (
                [(FLAT, UP, DOWN)] * 2,
                "No clear change in any type of abuse; did better than the comparison group on "
                "all of them",
            ),
            (
                [(UP, FLAT, UP)],
                "This abuse rose; did worse than the comparison group on it",
            ),
            (
                [(DOWN, DOWN, FLAT)] * 2,
                "Fewer used each type of abuse at the end; not clearly different from the "
                "comparison group",
            ),
            (
                [(DOWN, LESS, UP), (DOWN, LESS, FLAT), (DOWN, LESS, FLAT)],
                "Fewer used each type of abuse at the end. One of the three did worse than the "
                "comparison group; for the other two we cannot tell",
            ),
            (
                [(UP, UP, None)] * 2,
                "All types of abuse rose; there is no comparison group to set it against",
            ),
        ],
    )
    def test_it_hides_no_harm_and_drops_no_good_news(self, pairs, words):
        assert self.said(*(of_both(*pair) for pair in pairs)) == words

    def test_a_hidden_type_did_not_fail_to_fall(self):
        fell = of_both(DOWN, LESS, DOWN)
        unclear = of_both(DOWN, LESS, FLAT)
        gone = ResultSet(estimates=(hidden(), hidden(group="", term="ratio")))
        assert self.said(fell, unclear, unclear, gone) == (
            "Three types of abuse fell; the fourth cannot be shown. One of the three fell by more "
            "than in the comparison group; for the other two we cannot tell"
        )
        assert self.said(fell, fell, fell, gone) == (
            "Three types of abuse fell; the fourth cannot be shown. All three fell by more than in "
            "the comparison group"
        )
        assert self.said(fell, unclear, gone, gone).startswith(
            "Two types of abuse fell; the other two cannot be shown. One of the two fell"
        )
        assert self.said(gone, gone) == "Too few people to show any change"

    def test_it_holds_for_those_rated_twice(self):
        fell = of_both(DOWN, LESS, DOWN)
        some = {"programme": (350, 600), "comparison": (250, 700)}
        assert self.said(fell, fell, rated=some) == (
            "Among the people rated twice, fewer used each type of abuse at the end, and the fall "
            "was larger than in the comparison group"
        )
        nearly = {"programme": (950, 0), "comparison": (900, 0)}
        assert self.said(fell, fell, rated=nearly).startswith("Fewer used")
        # What is not known is not taken for nearly all.
        unknown = {"programme": (None, None), "comparison": (900, 0)}
        assert self.said(fell, fell, rated=unknown).startswith("Among the people rated twice")

    @pytest.mark.parametrize(
        ("rated", "line"),
        [
            (
                {"programme": (350, 600), "comparison": (250, 700)},
                "Rated twice: 35 of 100 in the programme group, 25 of 100 in the comparison group. "
                "What happened to the others is not known.",
            ),
            (
                {"programme": (850, 0), "comparison": (700, 0)},
                "Rated twice: 85 of 100 in the programme group, 70 of 100 in the comparison group. "
                "The others may have done worse.",
            ),
            (
                {"programme": (850, 0), "comparison": (None, 0)},
                "Rated twice: 85 of 100 in the programme group; for the comparison group this "
                "cannot be shown. The others may have done worse.",
            ),
            ({"programme": (None, 0)}, "How many were rated twice cannot be shown."),
            ({"programme": (960, 0), "comparison": (930, 0)}, ""),
        ],
    )
    def test_the_line_beneath_says_how_many_that_is(self, rated, line):
        assert plain.rated_twice_line(evaluation({}, rated=rated), LABELS) == line

    def test_of_a_yes_or_no_outcome_it_gives_both_shares(self):
        shares = (
            Estimate(measure="risk_treated", estimate=0.1),
            Estimate(measure="risk_comparison", estimate=0.21),
        )
        gap = Estimate(measure="risk_difference", estimate=-0.11, conf_low=-0.2, conf_high=-0.01)
        both = ResultSet(estimates=(*shares, gap))
        assert plain.risk_message(both, "Hit again", LABELS) == (
            "Hit again: 10 of 100 in the programme group, 21 of 100 in the comparison group; the "
            "difference is clear"
        )
        wide = dataclasses.replace(gap, conf_high=0.02)
        unclear = plain.risk_message(ResultSet(estimates=(*shares, wide)), "Hit again", LABELS)
        assert unclear.endswith("; whether there is a difference we cannot tell")
        alone = plain.risk_message(ResultSet(estimates=shares[:1]), "Hit again", LABELS)
        assert alone == "Hit again: 10 of 100 in the programme group"
        gone = dataclasses.replace(shares[0], estimate=None)
        assert plain.risk_message(ResultSet(estimates=(gone,)), "Hit again", LABELS) == ""


class TestVerdict:
    @pytest.mark.parametrize(
        ("inside", "other", "between", "words"),
        [
            (DOWN, LESS, DOWN, "We are sure that it fell, and by more than in the comp"),
            (DOWN, (-60, -9), DOWN, "sure that it fell, and that it did better than the comp"),
            (DOWN, (70, 90), UP, "We are sure that it fell, but by less than in the comparison"),
            (DOWN, FLAT, UP, "We are sure that it fell, and that it did worse than the comp"),
            (UP, (-90, -70), DOWN, "We are sure that it rose, but by less than in the comparison"),
            (UP, FLAT, DOWN, "We are sure that it rose, and that it did better than the comp"),
            (UP, (-19, -9), UP, "We are sure that it rose, and by more than in the comparison"),
            (UP, FLAT, UP, "We are sure that it rose, and that it did worse than the comparison"),
            (FLAT, (-60, -9), DOWN, "it fell or rose; we are sure that it did better than the"),
            (FLAT, FLAT, FLAT, "it fell or rose; we cannot tell whether it did better than the"),
            (DOWN, DOWN, FLAT, "it fell; we cannot tell whether by more than in the comparison"),
            (DOWN, FLAT, FLAT, "it fell; we cannot tell whether it did better than the comp"),
            (DOWN, DOWN, None, "it fell; there is no comparison group to set it against"),
        ],
    )
    def test_every_pair_of_directions(self, inside, other, between, words):
        assert words in plain.plain_verdict(of_both(inside, other, between), LABELS)

    def test_what_may_not_be_shown_is_said_and_why(self):
        gone = ResultSet(estimates=(hidden(),))
        assert plain.short_verdict(gone, LABELS) == sentences.SUPPRESSED
        why = Check(name="suppressed", group="programme", text="Windows differ.")
        other = plain.plain_verdict(ResultSet(estimates=(hidden(),), checks=(why,)), LABELS)
        assert other.startswith("Not shown, for another reason")
        nobody = Estimate(measure="percent_reduction", estimate=None, group="programme")
        said = plain.plain_verdict(ResultSet(estimates=(nobody,)), LABELS)
        assert said == "No change can be given for the programme group"
        assert plain.plain_verdict(ResultSet(), LABELS) == "Not measured in the programme group"

    def test_shares_and_people_must_agree_before_a_difference_is_clear(self):
        better = of_both(DOWN, LESS, DOWN)
        unclear = dataclasses.replace(
            better, estimates=(*better.estimates, apart(-0.05, -0.12, 0.02))
        )
        assert plain.plain_between(better) == "fell"
        assert plain.plain_between(unclear) == "cannot tell"
        worse = of_both(DOWN, LESS, FLAT)
        harm = dataclasses.replace(worse, estimates=(*worse.estimates, apart(0.1, 0.02, 0.2)))
        assert plain.plain_between(harm) == "rose"

    def test_the_range_stands_beside_what_is_clear_only(self):
        better = of_both(DOWN, LESS, DOWN)
        clear = dataclasses.replace(
            better, estimates=(*better.estimates, apart(-0.1, -0.2, -0.002))
        )
        assert plain.short_verdict(clear, LABELS).endswith(
            "than in the comparison group: likely by 0.2 to 20 in every 100."
        )
        unclear = dataclasses.replace(better, estimates=(*better.estimates, apart(-0.1, -0.2, 0.1)))
        assert "likely" not in plain.short_verdict(unclear, LABELS)


class TestHowSure:
    def result(self, one, two, between, gap):
        return ResultSet(
            estimates=(
                *people(*one[0], "programme"),
                fall(*one[1], group="programme"),
                *people(*two[0], "comparison"),
                fall(*two[1], group="comparison"),
                fall(*between, term="ratio"),
                gap,
            )
        )

    def test_out_of_100_first_then_the_other_group_then_the_difference(self):
        result = self.result(
            ((0.648, 0.110, -0.6, -0.47), (77, 87)),
            ((0.621, 0.348, -0.34, -0.21), (35, 52)),
            (58, 78),
            apart(-0.266, -0.355, -0.176),
        )
        assert plain.how_sure(result, LABELS) == (
            "54 fewer in every 100 used it; in the comparison group 27 fewer. The fall in the "
            "programme group was 27 in every 100 larger (likely 18 to 36)."
        )

    def test_numbers_that_would_not_add_up_leave_the_range_alone(self):
        result = self.result(
            ((0.667, 0.222, -0.6, -0.2), (33, 83)),
            ((0.75, 0.6, -0.3, -0.05), (5, 40)),
            (5, 60),
            apart(-0.2945, -0.5, -0.02),
        )
        said = plain.how_sure(result, LABELS)
        assert said.startswith("45 fewer in every 100")
        assert "in the comparison group 15 fewer" in said
        assert said.endswith("was likely 2 to 50 in every 100 larger.")

    def test_a_rise_beside_a_fall(self):
        result = self.result(
            ((0.2, 0.4, 0.1, 0.3), UP),
            ((0.4, 0.2, -0.3, -0.1), DOWN),
            (-300, -90),
            apart(0.4, 0.2, 0.6),
        )
        assert plain.how_sure(result, LABELS) == (
            "20 more in every 100 used it; in the comparison group 20 fewer. The programme group "
            "did worse by 40 in every 100 (likely 20 to 60)."
        )

    def test_what_we_cannot_tell_has_no_point(self):
        result = self.result(
            ((0.3, 0.28, -0.1, 0.06), FLAT),
            ((0.3, 0.31, -0.08, 0.1), FLAT),
            FLAT,
            apart(-0.03, -0.15, 0.09),
        )
        assert plain.how_sure(result, LABELS) == (
            "Between 10 fewer and 6 more in every 100 used it; in the comparison group between 8 "
            "fewer and 10 more. Set against each other, the programme group did anything from 15 "
            "in every 100 better to 9 worse."
        )

    def test_one_arm_alone_and_nothing_at_all(self):
        alone = ResultSet(
            estimates=(*people(0.6, 0.0, -0.7, -0.5, "programme"), fall(90, 100, group="programme"))
        )
        assert plain.how_sure(alone, LABELS) == "60 fewer in every 100 used it."
        assert plain.how_sure(ResultSet(estimates=(hidden(),)), LABELS) == ""

    def test_people_use_abuse_and_nobody_is_a_user(self, released):
        for name in NAMES:
            result = released.results[name]
            said = [
                plain.short_verdict(result, LABELS),
                plain.how_sure(result, LABELS),
                sentences.contrast_sentence(result, LABELS),
            ]
            assert not re.search(r"\busers\b", " ".join(said))


class TestNothingShown:
    def test_where_nothing_may_be_shown_one_box_says_so(self, strict):
        section = document._sections(bounds.guarded(strict))[0]
        assert section["message"] == plain.NOTHING_SHOWN
        assert not any(section[key] for key in ("tables", "points", "text", "under", "charts"))

    def test_the_summary_has_no_empty_table_nor_chart_then(self, strict):
        shown = bounds.guarded(strict)
        found = summary.summarise(shown, document._sections(shown))
        assert found.message == plain.NOTHING_SHOWN
        assert (found.lines, found.worse, found.other, found.chart) == ((), (), (), None)
        page = summary.summary_page(shown, document._sections(shown), {})
        assert "Who got worse" not in page
        assert "too few to show" not in page

    def test_other_outcomes_that_may_be_shown_stand_without_the_table(self, released):
        nothing = {
            name: dataclasses.replace(
                released.results[name],
                estimates=tuple(
                    dataclasses.replace(
                        e, estimate=None, std_error=None, conf_low=None, conf_high=None,
                        method=NOT_SHOWN,
                    )
                    for e in released.results[name].estimates
                ),
            )
            for name in NAMES
        }  # fmt: skip
        some = dataclasses.replace(released, results={**released.results, **nothing})
        plan = Plan.model_validate(dict(some.plan))
        section = document._summary(some, plan, [NAMES], LABELS)
        assert section["message"] == plain.ABUSE_HIDDEN
        assert section["tables"] == []
        assert any("57 in every 100" in line for line in section["points"])

    def test_a_line_with_one_number_left_is_shown(self):
        assert not plain.hidden_line("Programme group: too few to show; comparison 5 of 100.")
        assert plain.hidden_line(f"Risk, programme group: {sentences.SUPPRESSED.lower()}")


class TestTable:
    def test_every_type_has_both_groups_and_how_sure(self, released):
        table = tables.headline_table(released, NAMES, LABELS)
        assert table.header == (
            "Type of abuse",
            "Programme group",
            "Comparison group",
            "How sure we are",
        )
        assert len(table.rows) == 4
        assert table.rows[0][1:3] == ("67 → 22", "75 → 38")
        assert [row[-1] for row in table.rows][1] == sentences.SUPPRESSED
        assert "independent domestic violence adviser (IDVA)" in table.caption

    def test_what_the_words_mean_is_said_once_beneath(self, released, exact):
        note = tables.headline_table(released, NAMES, LABELS).note
        assert "ranges made this way hold it 95 times in 100" in note
        assert "[c]: too few people to show. Wait for more cases, or pool sites or years." in note
        assert "rounded" not in tables.headline_table(exact, NAMES, LABELS).note

    def test_rounding_at_a_small_site_is_said_with_its_size(self, released):
        note = plain.rounding_note(released, NAMES)
        shown = [
            (e.estimate, e.n)
            for name in NAMES
            for e in released.results[name].estimates
            if e.measure in ("prevalence_before", "prevalence_after")
            and e.group
            and not e.subgroup
            and e.estimate is not None
        ]
        assert f"about {min(n for _, n in shown)} people" in note
        size = int(re.search(r"out by up to (\d+) in 100", note).group(1))
        for share, n in shown:
            for users in (round(share * n) - 2, round(share * n) + 2):
                for people_ in (n - 2, n + 2):
                    true = min(max(users / people_, 0), 1)
                    assert 100 * abs(true - share) <= size + 0.5

    def test_in_large_groups_rounding_is_not_worth_a_word(self, released):
        large = {
            name: dataclasses.replace(
                released.results[name],
                estimates=tuple(
                    dataclasses.replace(e, n=500) if e.n else e
                    for e in released.results[name].estimates
                ),
            )
            for name in NAMES
        }
        some = dataclasses.replace(released, results={**released.results, **large})
        assert plain.rounding_note(some, NAMES) == ""

    def test_a_higher_threshold_stands_in_the_caption(self):
        said = tables.before_and_after(["physical:idva:intake-exit:moderate"])
        assert said.startswith("(at moderate severity or above) before (intake)")


class TestInsideAlone:
    def said(self, *results, rated=None, causal=False):
        both = {"programme": (350, 0), "comparison": (250, 0)}
        found = evaluation(types(*results), rated=rated or both)
        return document._inside_alone(found, list(found.results))

    def test_the_groups_are_set_against_each_other_only_where_they_are(self):
        assert self.said(of_both(DOWN, LESS, FLAT)).endswith("against each other above.")
        none = self.said(of_both(DOWN, LESS, None))
        assert none.endswith("The two groups cannot be set against each other here.")
        alone = self.said(of_both(DOWN, LESS, None), rated={"programme": (350, 0)})
        assert alone.endswith("There is no comparison group.")

    def test_where_a_difference_is_an_effect_it_is_left_out(self):
        result = ResultSet(estimates=(fall(20, 60, term="ratio", claim="causal"),))
        assert self.said(result) == ""


class TestNeverRated:
    def test_bounds_say_whom_they_leave_out(self):
        some = {"programme": (465, 795), "comparison": (330, 875)}
        found = evaluation({}, rated=some, total=1315)
        assert bounds.never_rated_sentence(found, LABELS) == (
            "This leaves out 795 of 1,315 people in the programme group and 875 of 1,315 people in "
            "the comparison group who were never rated; nothing can be said about them."
        )

    def test_a_hidden_count_stays_hidden_and_nobody_is_not_said(self):
        some = {"programme": (465, None), "comparison": (330, 0)}
        assert bounds.never_rated_sentence(evaluation({}, rated=some), LABELS) == ""

    def test_it_stands_once_where_the_bounds_do(self, exact):
        sections = document._sections(bounds.guarded(exact))
        said = [
            line
            for section in sections
            if section["id"].startswith("reductions")
            for _lead, lines in section["findings"]
            for line in lines
        ]
        assert any("not rated a second time" in line for line in said)
        never = bounds.never_rated_sentence(exact, LABELS)
        assert said.count(never) == (1 if never else 0)


class TestLimits:
    def test_what_overturns_a_result_comes_first_and_names_its_outcomes(self, released, exact):
        found = limits.design_limits(released)
        both = limits.design_limits(exact)[0]
        assert "(IDVA) and perceived change, many results are missing" in both
        assert found[0] == (
            "For abuse as rated by the victim-survivor's independent domestic violence adviser "
            "(IDVA), many results are missing, so no difference is "
            "called an effect of the programme."
        )
        assert found[1].startswith("People who were not rated a second time may have done worse")
        assert found[-1].startswith("Design: randomised")

    def test_a_short_list_keeps_them_and_drops_the_design(self, released):
        own = "A limit of the plan."
        ordered = limits.gravest_first(released, [own, *limits.design_limits(released)])
        assert ordered[0].startswith("For abuse as rated")
        assert ordered[2] == own
        assert not any(line.startswith("Design:") for line in ordered)

    def test_recording_that_changed_names_its_outcome(self, released):
        check = Check(name="recording_change", passed=False, text="It changed.")
        changed = dataclasses.replace(released.results[NAMES[0]], checks=(check,))
        some = dataclasses.replace(released, results={**released.results, NAMES[0]: changed})
        assert any("recording changed while people" in x for x in limits.grave_limits(some))
        assert not any("recording changed" in x for x in limits.grave_limits(released))


class TestClaim:
    def test_chance_and_the_programme_are_named_where_both_are_left(self):
        assert "the only likely reasons" in sentences.claim_sentence("causal")

    @pytest.mark.parametrize(
        ("text", "rated", "words"),
        [
            (
                "outcomes are missing",
                True,
                "too many were not rated twice, so this is not a fair test",
            ),
            ("outcomes are missing", False, "too many results are missing, so this is not a fair"),
            ("cases were left out", False, "those compared are not all who were allocated, so"),
        ],
    )
    def test_a_design_by_chance_says_why_it_is_no_fair_test(self, text, rated, words):
        check = Check(name="claim", passed=False, text=text)
        result = ResultSet(checks=(check,))
        said = sentences.claim_sentence("associational", result, rated=rated)
        assert said.startswith("People were allocated by chance, but ")
        assert words in said

    def test_without_chance_the_reason_is_what_nobody_measured(self):
        check = Check(name="claim", passed=None, text="the design is matched")
        said = sentences.claim_sentence("associational", ResultSet(checks=(check,)))
        assert "nobody measured" in said


class TestFrontBox:
    def test_dates_are_read_as_dates_and_what_is_left_out_is_named(self, released):
        front = dict(tables.front_box(released))
        assert front["Report date"] == "1 November 2026"
        assert front["Data complete to"] == front["Review by"] == "Not stated"
        assert front["How many"] == "50 in the programme group; 50 in the comparison group"

    def test_a_design_without_comparison_has_no_row_for_it(self, released):
        plan = {**released.plan, "design": {**released.plan["design"], "kind": "before_after"}}
        front = dict(tables.front_box(dataclasses.replace(released, plan=plan)))
        assert "Comparison group received" not in front
