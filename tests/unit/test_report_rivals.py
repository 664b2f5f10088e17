"""What else could explain it, as the report says it: exact or withheld, never bare."""

from __future__ import annotations

import dataclasses
import html
import re

import pytest

from drive_eval.data.synthetic import synthetic_study
from drive_eval.errors import ResultError
from drive_eval.evaluation import run
from drive_eval.plan import Plan
from drive_eval.report import (
    bounds,
    charts,
    document,
    explanations,
    ledger,
    limits,
    placing,
    rates,
    reporters,
    rivals,
    sentences,
    tables,
    under_assumptions,
)
from drive_eval.results import NOT_SHOWN, Cell, Check, Estimate, ResultSet

LABELS = {"programme": "Programme", "comparison": "Comparison"}
NAME = "physical:idva:intake-exit"
EVENTS = "police"
BODY = {
    "evaluation": {"title": "Rivals"},
    "data": {"folder": "data"},
    "design": {"kind": "comparison_group", "unit": "person"},
    "outcomes": [
        {"kind": "behaviour", "reporter": "idva", "abuse_types": ["physical", "sexual"]},
        {
            "kind": "behaviour",
            "reporter": "case_manager",
            "abuse_types": ["physical"],
            "primary": False,
        },
        {
            "kind": "reoffending",
            "name": EVENTS,
            "label": "Police-recorded abuse",
            "source": ["police"],
            "domestic_abuse": True,
            "horizon": 365,
            "washout": 28,
            "days_before": 365,
            "primary": False,
        },
    ],
    "sensitivity": {"imputations": 3, "delta": [1, 2]},
}


@pytest.fixture(scope="module")
def exact():
    found = run(Plan.model_validate(BODY), synthetic_study("site", seed=1))
    return dataclasses.replace(found, policy="internal")


@pytest.fixture(scope="module")
def bare(exact):
    """Return the results without any rival explanation, under a policy that hides."""
    kept = {n: r for n, r in exact.results.items() if sentences.is_outcome(n)}
    return dataclasses.replace(exact, results=kept, policy="opensafely")


def hidden(result: ResultSet) -> ResultSet:
    """Return a result of which no number may be shown."""
    empty = {"estimate": None, "std_error": None, "conf_low": None, "conf_high": None}
    return dataclasses.replace(
        result,
        estimates=tuple(
            dataclasses.replace(e, **empty, p_value=None, n=None, method=NOT_SHOWN)
            for e in result.estimates
        ),
        checks=tuple(
            dataclasses.replace(c, text="", statistic=None, p_value=None) for c in result.checks
        ),
        tables=(),
    )


@pytest.fixture(scope="module")
def empty(exact):
    """Return results of which every rival, rate and agreement is there but not shown."""
    results = {
        name: result if sentences.is_outcome(name) else hidden(result)
        for name, result in exact.results.items()
    }
    results[EVENTS] = hidden(results[EVENTS])
    return dataclasses.replace(exact, results=results, policy="opensafely")


def words_of(page: str) -> str:
    page = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)))


@pytest.fixture(scope="module")
def page(exact):
    sections = document._sections(bounds.guarded(exact))
    pictures = {c.name: "" for s in sections for c in s["charts"]}
    return words_of(document._page(exact, sections, pictures))


class TestNoBarePercentage:
    def without_bounds(self, exact):
        name = f"rivals:{NAME}"
        found = exact.results[name]
        kept = tuple(e for e in found.estimates if "case" not in e.term)
        thin = dataclasses.replace(found, estimates=kept)
        return dataclasses.replace(exact, results={**exact.results, name: thin})

    def test_a_percentage_without_its_range_is_refused(self, exact):
        with pytest.raises(ResultError, match="not printed without") as caught:
            bounds.guarded(self.without_bounds(exact))
        assert NAME in str(caught.value)
        assert "Run the evaluation again" in str(caught.value)

    def test_the_bundle_is_refused_too(self, exact, tmp_path):
        with pytest.raises(ResultError, match="not printed without"):
            document.write_bundle(self.without_bounds(exact), tmp_path)

    def test_nothing_is_refused_where_everybody_was_seen_again(self, exact):
        thin = self.without_bounds(exact)
        result = thin.results[NAME]
        # A count of nobody stands in no other line but those that add up from it.
        nobody = ("missing", "only before")
        whole = tuple(
            dataclasses.replace(
                table,
                cells=tuple(
                    Cell(key=nobody, count=0) if c.key == nobody else c
                    for c in table.cells
                    if not c.parts or c.key == nobody
                ),
            )
            for table in result.tables
        )
        seen = dataclasses.replace(result, tables=whole)
        results = {**thin.results, NAME: seen}
        assert bounds.guarded(dataclasses.replace(thin, results=results)).results[NAME] == seen

    def test_under_a_policy_that_hides_it_is_kept_back_with_its_range(self, bare):
        kept = bounds.guarded(bare)
        for name in bounds.behaviour_names(bare):
            found = kept.results[name]
            percentages = [e for e in found.estimates if e.measure == "percent_reduction"]
            assert percentages
            assert all(e.estimate is None and e.conf_low is None for e in percentages)
        table = tables.headline_table(kept, [NAME], LABELS)
        assert "%" not in " ".join(table.rows[0])
        said = [check.text for check in kept.results[NAME].checks if check.name == "suppressed"]
        assert any("rated twice never stands alone" in text for text in said)

    def test_no_percentage_of_users_is_on_the_page_then(self, bare):
        sections = document._sections(bounds.guarded(bare))
        keys = ("summary", "reductions", "reductions-2")
        said = [line for s in sections if s["id"] in keys for _, lines in s["findings"]
                for line in lines]  # fmt: skip
        assert said
        assert not [line for line in said if re.search(r"\d%", line)]

    def test_the_change_in_people_still_gives_its_verdict(self, bare):
        kept = bounds.guarded(bare)
        before = sentences.verdict_within(bare.results[NAME], "programme")
        assert sentences.verdict_within(kept.results[NAME], "programme") == before == "fell"
        table = tables.headline_table(kept, [NAME], LABELS)
        assert "We are sure that it fell" in table.rows[0][3]

    def test_the_range_stands_beside_every_percentage(self, exact):
        ends = bounds.ends_within(exact, NAME, "programme")
        fall = sentences.fall_within_arm(exact.results[NAME], "programme")
        assert ends.worst < fall.estimate < ends.best
        words = bounds.ends_text(ends)
        # The first screen has no percentage, and so no range of one.
        assert "%" not in " ".join(tables.headline_table(exact, [NAME], LABELS).rows[0])
        assert words == tables.reductions_table(exact, [NAME], LABELS).rows[0][-1]
        assert words in charts.reductions_chart(exact, [NAME], LABELS).alt_text
        rows = tables.effects_table(exact, LABELS).rows
        at = next(i for i, r in enumerate(rows) if r[2].startswith("Relative fall in users"))
        assert "if all of those rated only at the start" in rows[at + 1][2]
        assert "if none of those rated only at the start" in rows[at + 2][2]

    def test_the_range_between_the_groups_is_the_quotient_of_their_ratios(self, exact):
        found = exact.results[f"rivals:{NAME}"]

        def ratio(arm, term):
            return found.one(measure="risk_ratio", group=arm, term=term, subgroup="").estimate

        ends = bounds.ends_between(exact, NAME)
        worst = ratio("programme", "worst case") / ratio("comparison", "best case")
        assert ends.worst == pytest.approx(100 * (1 - worst))
        assert ends.best > sentences.fall_between_arms(exact.results[NAME]).estimate > ends.worst

    def test_a_group_that_wholly_stops_has_no_limit_for_the_other(self, exact):
        name = f"rivals:{NAME}"
        some = tuple(
            dataclasses.replace(e, estimate=0.0, conf_low=0.0)
            if (e.measure, e.group, e.term) == ("risk_ratio", "comparison", "best case")
            else e
            for e in exact.results[name].estimates
        )
        changed = dataclasses.replace(exact.results[name], estimates=some)
        results = {**exact.results, name: changed}
        ends = bounds.ends_between(dataclasses.replace(exact, results=results), NAME)
        assert ends.worst == float("-inf")
        assert "no limit" in bounds.ends_text(ends)


class TestRivals:
    def test_every_rival_of_the_results_has_its_line(self, exact):
        checks = [c for c in exact.results[f"rivals:{NAME}"].checks if c.name.startswith("rival:")]
        table = rivals.rival_table(exact, NAME, LABELS)
        assert len(table.rows) == len(checks)
        assert {c.name.removeprefix("rival:") for c in checks} <= set(rivals.RIVALS)
        # A sentence without a number of its own has none beside it.
        assert all(row[i] for row in table.rows for i in (0, 1, 2, 6))
        numbers = [row[3:5] for row in table.rows if row[3]]
        assert len(numbers) > len(table.rows) / 2
        assert all(text for number in numbers for text in number)

    def test_the_groups_come_first_and_the_comparison_last(self, exact):
        whom = [row[1] for row in rivals.rival_table(exact, NAME, LABELS).rows]
        assert whom == sorted(whom, key=["Between the groups", "Programme", "Comparison"].index)

    def test_of_events_there_are_people_recording_and_the_crisis(self, exact):
        rows = rivals.rival_table(exact, EVENTS, LABELS).rows
        assert {
            rivals.RIVALS[k] for k in ("recording", "one_person", "regression_to_the_mean")
        } <= {row[0] for row in rows}

    @pytest.mark.parametrize(
        ("worst", "low", "words"),
        [
            (60.0, 50.0, "A fall stays"),
            (10.0, -5.0, "A fall stays, but not clearly"),
            (-5.0, -20.0, "The fall could vanish"),
        ],
    )
    def test_what_was_found_follows_the_worst_case(self, exact, worst, low, words):
        name = f"rivals:{NAME}"
        some = tuple(
            dataclasses.replace(e, estimate=worst, conf_low=low)
            if (e.measure, e.group) == ("percent_reduction", "programme")
            and e.term.startswith("worst case")
            else e
            for e in exact.results[name].estimates
        )
        changed = dataclasses.replace(exact.results[name], estimates=some)
        changed = dataclasses.replace(exact, results={**exact.results, name: changed})
        row = next(
            row
            for row in rivals.rival_table(changed, NAME, LABELS).rows
            if row[:2] == (rivals.RIVALS["missing"], "Programme")
        )
        assert row[2] == words

    def test_where_nothing_fell_there_is_nothing_to_explain(self, exact):
        rise = Estimate(
            measure="percent_reduction", group="programme", term="users", estimate=-40.0,
            conf_low=-60.0, conf_high=-20.0,
        )  # fmt: skip
        results = {**exact.results, NAME: ResultSet(estimates=(rise,))}
        rows = rivals.rival_table(dataclasses.replace(exact, results=results), NAME, LABELS).rows
        found = {row[0]: row[2] for row in rows if row[1] == "Programme"}
        assert found[rivals.RIVALS["missing"]] == "There is no clear fall to explain"
        assert found[rivals.RIVALS["misreporting"]] == "There is no clear fall to explain"

    def test_more_recording_hides_a_fall_and_may_explain_a_rise(self, exact):
        row = next(
            row
            for row in rivals.rival_table(exact, EVENTS, LABELS).rows
            if row[:2] == (rivals.RIVALS["recording"], "Programme")
        )
        kind = rivals.fall_of(exact, EVENTS, "programme")
        assert kind in ("fell", "cannot tell", "rose")
        assert row[2].startswith("It would hide a fall" if kind == "fell" else "It could, if")

    def test_a_refusal_is_said(self, exact):
        name = f"rivals:{NAME}"
        check = Check(name="rival:imputed", group="programme", text="Not worked out: a column.")
        result = ResultSet(checks=(check,))
        changed = dataclasses.replace(exact, results={**exact.results, name: result})
        row = rivals.rival_table(changed, NAME, LABELS).rows[0]
        assert (row[2], row[-1]) == ("Not worked out", "Not worked out: a column.")
        assert explanations.explanation_lists(changed, [NAME], LABELS)[0][1] == [
            "Physical abuse: not worked out: a column."
        ]

    def test_what_is_not_shown_is_in_the_table_and_no_sentence(self, exact):
        check = Check(name="rival:tipping", group="programme", text="Not shown: too few people.")
        results = {**exact.results, f"rivals:{NAME}": ResultSet(checks=(check,))}
        changed = dataclasses.replace(exact, results=results)
        assert rivals.rival_table(changed, NAME, LABELS).rows[0][2] == "Not shown"
        hidden = bounds.ends_within(changed, NAME, "programme")
        assert hidden is None
        (question, lines), *rest = explanations.explanation_lists(changed, [NAME], LABELS)
        assert "not rated a second time" in question
        assert not rest
        assert not re.search(r"\d", lines[0])
        assert "not shown" in lines[0]

    def test_names_of_fields_are_not_shown(self, page):
        assert "not_" not in page.partition("What else could explain this?")[2][:20000]


class TestCharts:
    def test_every_assumption_is_drawn_as_it_was_found(self, exact):
        chart = under_assumptions.assumptions_chart(exact, [NAME], LABELS)
        data = chart.data.set_index("assumption")["percent_reduction"]
        found = exact.results[f"rivals:{NAME}"]
        worst = found.one(measure="percent_reduction", group="programme", term="worst case (users)")
        assert data["If all of those not rated a second time still used it"] == worst.estimate
        assert len(data) >= 8
        assert data.index[-1] == "Expected: the fall of the comparison group"
        assert all(words.lower()[:20] in chart.alt_text.lower() for words in data.index)

    def test_the_headline_holds_every_assumption_against_no_change(self, exact):
        chart = under_assumptions.assumptions_chart(exact, [NAME], LABELS)
        mine = chart.data[~chart.data["assumption"].str.startswith("Expected")]
        fell = rivals.fall_of(exact, NAME, "programme") == "fell"
        assert (chart.headline == "This abuse fell under each assumption shown") == (
            fell and bool((mine["conf_low"] > 0).all())
        )
        rows = [
            {"abuse_type": "physical", "part": "other", "percent_reduction": 5.0, "conf_low": -2.0}
        ]
        said = under_assumptions.assumptions_headline(exact, [NAME], rows)
        assert said == "Under some assumptions the fall is no longer clear"

    def test_rates_are_drawn_as_they_were_found(self, exact):
        chart = rates.rates_chart(exact, EVENTS, LABELS)
        row = chart.data[chart.data["group"] == "programme"].iloc[0]
        found = exact.results[EVENTS]
        assert (
            row["rate_before"]
            == found.one(measure="rate", group="programme", term="before").estimate
        )
        between = found.one(measure="percent_reduction", group="", term="rate")
        assert chart.data.iloc[-1]["percent_reduction"] == between.estimate

    def test_a_rise_is_called_a_rise(self):
        assert rates._fall_words(-20.0, -50.0, -5.0, None) == "rise 20%  (5 to 50)"
        assert rates._fall_words(10.0, -5.0, 20.0, None, between=True) == (
            "10% lower  (higher 5 to lower 20)"
        )

    def test_no_rise_is_not_less_than_none(self):
        change = Estimate(measure="percent_reduction", estimate=7.0, conf_low=0.0, conf_high=15.0)
        assert rates._change(change).endswith("from 0% more to 15% fewer.")

    def test_the_table_has_counts_rates_and_ratios(self, exact):
        table = rates.rates_table(exact, EVENTS, LABELS)
        counts = exact.results[EVENTS].table(f"incidents:{EVENTS}")
        events = counts["programme", "before", "events"]
        assert table.rows[0][:4][0] == "Programme, before"
        assert table.rows[0][3] == f"{events:,}"
        assert [row[0] for row in table.rows][-2:] == [
            "The two changes compared",
            "The groups afterwards",
        ]


class TestPlainLines:
    def test_each_kind_of_explanation_has_one_line_an_outcome(self, exact):
        names = [NAME, "sexual:idva:intake-exit"]
        said = explanations.explanation_lists(exact, names, LABELS)
        asked = [question for question, _ in said]
        assert len(set(asked)) == len(asked) >= 4
        assert "would have come anyway" in asked[0]
        for _, lines in said:
            assert len(lines) <= len(names)
            assert all(line.endswith(".") for line in lines)
        words = " ".join(line for _, lines in said for line in lines)
        assert "lies wholly" not in words
        assert "less comparison" not in words

    def test_the_interval_is_that_of_the_main_result(self, exact):
        text = rivals.by_itself(exact, NAME, LABELS)
        best = sentences.fall_between_arms(exact.results[NAME])
        ends = f"{best.estimate:.0f}% ({best.conf_low:.0f}% to {best.conf_high:.0f}%)"
        assert ends.replace("-", "−") in text
        table = rivals.rival_table(exact, NAME, LABELS)
        row = next(r for r in table.rows if r[0] == rivals.RIVALS["regression_to_the_mean"])
        assert row[-1] == text

    def test_what_is_said_of_the_end_says_so(self, exact):
        said = dict(explanations.explanation_lists(exact, [NAME], LABELS))
        (line,) = said["Were the later ratings too hopeful?"]
        assert ("difference between the groups would vanish" in line) == (
            "looking at the end only" in line
        )
        checks = {c.name: c for c in rivals.checks_of(exact, NAME) if not c.group}
        assert checks["rival:missing"].text.startswith("Looking at the end only: ")

    def test_nothing_hidden_is_in_a_line(self, empty):
        for _, lines in explanations.explanation_lists(empty, [NAME], LABELS):
            assert not [line for line in lines if re.search(r"\d", line)]

    def test_one_table_has_every_outcome(self, exact):
        names = [NAME, EVENTS]
        table = rivals.every_rival_table(exact, names, LABELS)
        assert table.annex
        assert {row[0] for row in table.rows} == {rivals.title_of(exact, n) for n in names}
        assert len(table.rows) == sum(len(rivals.rival_table(exact, n, LABELS).rows) for n in names)


class TestPlaces:
    def test_a_table_without_a_number_to_show_is_one_sentence(self, empty):
        sections = document._sections(bounds.guarded(empty))
        hidden = [t for s in sections for t in (*s["first"], *s["tables"]) if placing.all_hidden(t)]
        assert hidden
        page = words_of(document._page(empty, sections, {c.name: "" for s in sections
                                                          for c in s["charts"]}))  # fmt: skip
        for table in hidden:
            assert placing.hidden_words(table) in page

    def test_tables_have_the_numbers_of_their_sheets_and_long_ones_are_annex(self, exact):
        sections = document._sections(bounds.guarded(exact))
        made = [t for s in sections for t in (*s["first"], *s["tables"])]
        assert [t.number for t in made] == list(range(1, len(made) + 1))
        long = [t for t in made if len(t.rows) > placing.LONGEST_TABLE]
        assert {t.caption for t in long if not t.annex} <= {
            t.caption for s in sections if s["id"] == "start" for t in s["tables"]
        }
        assumed = next(t for t in made if t.caption == "What the figures take for granted")
        assert "his own" not in str(assumed.rows)

    def test_a_type_has_at_most_three_sentences(self, exact):
        sections = document._sections(bounds.guarded(exact))
        found = next(s["findings"] for s in sections if s["id"] == "reductions")
        assert all(len(lines) <= 3 for _, lines in found)
        once = [line for _, lines in found for line in lines]
        assert len(once) == len(set(once))


class TestBesides:
    def test_two_reporters_are_set_beside_each_other(self, exact):
        title, said = reporters.reporter_sentences(exact, LABELS)[0]
        assert title == "Physical abuse"
        assert any("agreed on" in line for line in said)
        assert "if both must say so" in said[-1]
        # A percentage of those whom both rated twice would need its range over the others.
        assert "%" not in " ".join(said)
        table = reporters.agreement_table(exact)
        assert [row[1] for row in table.rows] == ["Intake", "Exit"]
        whose = [row[2] for row in reporters.falls_table(exact, LABELS).rows]
        assert len(whose) == len(set(whose)) == 4

    def test_every_test_is_in_the_ledger_primary_first(self, exact):
        table = ledger.ledger_table(exact, LABELS)
        tests = [c for c in exact.results["ledger"].checks if c.name == "test"]
        assert len(table.rows) == len(tests)
        primary = ["Holm" in row[3] for row in table.rows]
        assert primary == sorted(primary, reverse=True)
        assert any(primary)
        assert str(len(tests)) in ledger.ledger_sentence(exact)

    def test_other_results_are_not_counted_as_outcomes(self, exact):
        looked = [line for line in limits.design_limits(exact) if "were looked at" in line]
        assert looked[0].startswith("4 outcomes were looked at, 2 of them")
        names = {row[0] for row in tables.effects_table(exact, LABELS).rows}
        assert len(names) == 4

    def test_the_page_has_every_section(self, page):
        for heading in (
            "Did it happen less often than before?",
            "What else could explain this?",
            "Do those who report agree?",
            "Every test of this evaluation",
        ):
            assert heading in page

    def test_no_word_of_cause(self, page):
        for word in sentences.FORBIDDEN_UNLESS_CAUSAL:
            assert not re.search(rf"\b{word}\b", page, flags=re.IGNORECASE), word


class TestWithheld:
    def test_a_page_without_any_number_of_them_still_stands(self, empty):
        sections = document._sections(bounds.guarded(empty))
        found = {s["id"]: s for s in sections}
        assert "rates" in found
        said = " ".join(line for _, lines in found["rates"]["lists"] for line in lines)
        assert "nobody can be recognised" in said
        rows = rivals.rival_table(empty, NAME, LABELS).rows
        assert rows
        assert all(row[-1] == "[c]" for row in rows)
        assert not [row for row in rows if re.search(r"\d", row[2])]

    def test_charts_of_hidden_numbers_say_so(self, empty):
        chart = under_assumptions.assumptions_chart(empty, [NAME], LABELS)
        assert chart.headline == "What the fall would be under each assumption"
        assert "not shown" in chart.alt_text
        assert chart.data["percent_reduction"].isna().all()
        chart = rates.rates_chart(empty, EVENTS, LABELS)
        assert "cannot be compared" in chart.headline
        assert "not shown" in chart.alt_text

    def test_what_is_absent_has_no_section(self, bare):
        kept = bounds.guarded(bare)
        sections = {s["id"] for s in document._sections(kept)}
        assert not sections & {"rivals", "reporters"}
        assert ledger.ledger_table(kept, LABELS) is None
        assert ledger.ledger_sentence(kept) == ""
        assert reporters.agreement_table(kept) is None
        assert reporters.falls_table(kept, LABELS) is None
        assert under_assumptions.assumptions_chart(kept, [NAME], LABELS) is None

    def test_agreement_that_may_not_be_shown_is_said(self, empty):
        _, said = reporters.reporter_sentences(empty, LABELS)[0]
        assert all("not shown" in line for line in said)
        assert reporters.agreement_table(empty) is None


def test_a_group_alone_has_its_change_and_no_contrast():
    study = synthetic_study("site", seed=1)
    cases = study.table("cases")
    alone = cases[cases["arm"] == "programme"].reset_index(drop=True)
    study = dataclasses.replace(study, tables={**study.tables, "cases": alone})
    body = {
        **BODY,
        "design": {"kind": "before_after", "unit": "person"},
        "outcomes": [BODY["outcomes"][0], BODY["outcomes"][2]],
        "sensitivity": {"imputations": 0},
    }
    found = dataclasses.replace(run(Plan.model_validate(body), study), policy="internal")
    said = rates.rates_sentences(found, EVENTS, LABELS)
    assert len(said) == 2
    assert "There is no comparison group" in said[-1]
    assert "set against" not in rates.rates_headline(found, EVENTS, LABELS)
    assert list(rates.rates_chart(found, EVENTS, LABELS).data["group"]) == ["programme"]
    told = [row for row in rivals.rival_table(found, NAME, LABELS).rows if "crisis" in row[0]]
    assert told[0][2] == "Cannot be told"
    assert bounds.guarded(found).results[NAME] == found.results[NAME]
