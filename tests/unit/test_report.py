"""The page and its charts: what is drawn, what is said, and what may never be said."""

from __future__ import annotations

import base64
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from drive_eval.data.synthetic import synthetic_study
from drive_eval.evaluation import run, write_report
from drive_eval.evaluation.release import release_evaluation
from drive_eval.plan import Plan
from drive_eval.report import charts, limits, sentences, tables
from drive_eval.report.bounds import bounded_estimates
from drive_eval.results import NOT_SHOWN, Check, Estimate, ResultSet

LABELS = {"programme": "Programme", "comparison": "Comparison"}
BODY = {
    "evaluation": {"title": "A small site <script>"},
    "data": {"folder": "data"},
    "design": {"kind": "comparison_group", "unit": "person"},
    "outcomes": [{"kind": "behaviour", "reporter": "idva"}, {"kind": "perceived_change"}],
    "report": {"support": "Call someone."},
}
NAMES = [
    f"{kind}:idva:intake-exit"
    for kind in ("physical", "sexual", "harassment_stalking", "jealous_controlling")
]


@pytest.fixture(scope="module")
def exact():
    return run(Plan.model_validate(BODY), synthetic_study("site", seed=1))


@pytest.fixture(scope="module")
def released(exact):
    return release_evaluation(exact, "opensafely")


@pytest.fixture(scope="module")
def page(exact, tmp_path_factory) -> str:
    report = write_report(exact, tmp_path_factory.mktemp("out") / "outputs")
    return report.read_text(encoding="utf-8")


def fall(low, high, point=None, **fields):
    return Estimate(
        measure="percent_reduction",
        estimate=(low + high) / 2 if point is None else point,
        conf_low=low,
        conf_high=high,
        **fields,
    )


class Outline(HTMLParser):
    """Collect what a screen reader would announce."""

    def __init__(self):
        super().__init__()
        self.headings, self.images, self.scopes, self.links, self.sources = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "img":
            self.images.append(found.get("alt", ""))
            self.sources.append(found["src"])
        if tag == "th":
            self.scopes.append(found.get("scope"))
        if tag in ("script", "link", "iframe"):
            self.links.append(tag)


@pytest.fixture(scope="module")
def outline(page):
    outline = Outline()
    outline.feed(page)
    return outline


class TestPage:
    def test_it_is_self_contained(self, page, outline):
        assert outline.links == []
        assert all(src.startswith("data:image/png;base64,") for src in outline.sources)
        assert "http" not in re.sub(r"data:image/png;base64,[^\"]+", "", page)

    def test_headings_are_in_order(self, outline):
        assert outline.headings[0] == 1
        assert outline.headings.count(1) == 1
        pairs = zip(outline.headings, outline.headings[1:], strict=False)
        assert all(b - a <= 1 for a, b in pairs)

    def test_every_picture_has_its_words_and_every_header_its_scope(self, outline):
        assert len(outline.images) >= 5
        assert all(len(words) > 40 for words in outline.images)
        assert set(outline.scopes) <= {"col", "row"}

    def test_text_from_the_plan_is_escaped(self, page):
        assert "A small site &lt;script&gt;" in page
        assert "<script" not in page

    def test_the_support_line_stands_first_and_last(self, page):
        assert page.count("Call someone.") == 2

    def test_every_section_of_the_checklist_is_there(self, page):
        for heading in (
            "In short",
            "Did abuse fall, and by how much?",
            "How severe was it, and who got worse?",
            "Who is in the figures, and who is not",
            "All effects with their uncertainty",
            "What these figures cannot say",
            "How people are protected from being recognised",
            "Methods",
            "Where the numbers came from",
        ):
            assert f">{heading}</h2>" in page

    def test_no_word_of_cause_without_a_causal_claim(self, page):
        words = re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", "", page, flags=re.S))
        for word in sentences.FORBIDDEN_UNLESS_CAUSAL:
            assert not re.search(rf"\b{word}\b", words, flags=re.I), word

    def test_pictures_carry_no_metadata(self, page):
        first = re.search(r"data:image/png;base64,([^\"]+)", page).group(1)
        raw = base64.b64decode(first)
        assert b"Software" not in raw
        assert b"matplotlib" not in raw

    def test_limits_are_never_empty(self, released):
        assert len(limits.design_limits(released)) >= 3


class TestCharts:
    def test_what_is_drawn_is_what_was_released(self, released):
        chart = charts.reductions_chart(released, NAMES, LABELS)
        left, right = chart.figure.axes
        drawn = {
            round(float(x), 6)
            for line in left.lines
            for x in line.get_xdata()
            if len(line.get_xdata())
        }
        for column in ("percent_before", "percent_after"):
            for value in chart.data[column].dropna():
                assert round(float(value), 6) in drawn
        intervals = [tuple(line.get_xdata()) for line in right.lines if len(line.get_xdata()) == 2]
        wanted = chart.data.dropna(subset=["percent_reduction"])
        assert len(wanted) < len(chart.data), "the small site hides something"
        for row in wanted.itertuples():
            assert (max(row.conf_low, right.get_xlim()[0]), row.conf_high) in [
                (float(a), float(b)) for a, b in intervals
            ]

    def test_the_table_behind_a_chart_holds_no_small_count(self, released):
        for draw in (charts.reductions_chart, charts.severity_chart, charts.missing_chart):
            data = draw(released, NAMES, LABELS).data
            for column in data.columns:
                if column.startswith(("percent", "conf", "difference_")):
                    continue
                if data[column].dtype == object:
                    continue
                counts = data[column].dropna()
                assert ((counts == 0) | (counts > 7)).all(), column

    def test_a_difference_behind_a_chart_is_that_of_the_shares_beside_it(self, released):
        data = charts.reductions_chart(released, NAMES, LABELS).data
        assert {c for c in data.columns if c.startswith("difference")} == {
            "difference_per_100",
            "difference_low",
            "difference_high",
        }
        hidden = 0
        for _kind, rows in data.groupby("abuse_type"):
            arms = rows.set_index("group")
            falls = arms["percent_after"] - arms["percent_before"]
            expected = falls["programme"] - falls["comparison"]
            hidden += bool(np.isnan(expected))
            for _arm, row in arms.iterrows():
                assert row["difference_per_100"] == pytest.approx(expected, nan_ok=True)
                ends = row[["difference_low", "difference_high"]]
                assert ends.isna().all() == np.isnan(expected)
        assert 0 < hidden < len(NAMES)

    def test_a_hidden_count_is_said_and_not_drawn(self, released):
        chart = charts.reductions_chart(released, NAMES, LABELS)
        assert (
            "Jealous and controlling behaviour, programme: not shown, so that nobody can be "
            "recognised."
        ) in chart.alt_text
        assert "Jealous and controlling behaviour: difference: not shown [c]." in chart.alt_text
        texts = [t.get_text() for axes in chart.figure.axes for t in axes.texts]
        assert texts.count("not shown [c]") == 4  # the shares of one arm, and three falls
        assert texts.count("Difference: not shown [c]") == 2

    def test_worsening_is_drawn_on_the_scale_of_improvement(self, released):
        _left, right = charts.severity_chart(released, NAMES, LABELS).figure.axes
        low, high = right.get_xlim()
        assert low == -high

    def test_colours_of_neighbours_differ_by_three_to_one_and_stand_out_from_white(self):
        def luminance(colour):
            parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
            linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
            return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

        def contrast(one, other):
            light, dark = sorted((luminance(one), luminance(other)), reverse=True)
            return (light + 0.05) / (dark + 0.05)

        arms = charts.ARM_COLOURS
        assert contrast(arms["programme"], arms["comparison"]) >= 3
        for colour in (*arms.values(), charts.TURQUOISE, charts.DARK_PINK):
            assert contrast(colour, "#FFFFFF") >= 3


class TestSentences:
    @pytest.mark.parametrize(
        ("low", "high", "kind"),
        [(10, 60, "fell"), (-60, -10, "rose"), (-10, 30, "cannot tell"), (0, 30, "cannot tell")],
    )
    def test_a_verdict_looks_at_the_interval_only(self, low, high, kind):
        assert sentences.verdict(fall(low, high, p_value=0.9)) == kind
        assert sentences.verdict(fall(low, high, p_value=0.001)) == kind

    def test_without_a_number_there_is_no_verdict(self):
        assert sentences.verdict(None) == "absent"
        nothing = Estimate(measure="percent_reduction", estimate=None)
        assert sentences.verdict(nothing) == "undefined"
        hidden = Estimate(measure="percent_reduction", estimate=None, method=NOT_SHOWN)
        assert sentences.verdict(hidden) == "not shown"
        point = Estimate(measure="percent_reduction", estimate=3.0)
        assert sentences.verdict(point) == "cannot tell"

    def arm(self, before, after, change, reduction):
        labels = {"group": "programme", "unit": "person"}
        return ResultSet(
            estimates=(
                Estimate(measure="prevalence_before", estimate=before, **labels),
                Estimate(measure="prevalence_after", estimate=after, **labels),
                Estimate(
                    measure="risk_difference",
                    estimate=change[0],
                    conf_low=change[1],
                    conf_high=change[2],
                    **labels,
                ),
                fall(*reduction, **labels),
            )
        )

    def test_a_fall_comes_out_of_100_first(self):
        result = self.arm(0.6, 0.2, (-0.4, -0.5, -0.3), (55, 78, 66.7))
        said = sentences.arm_sentence(result, "physical:idva:intake-exit", "programme", LABELS)
        assert said == (
            "In the programme group, 60 in every 100 perpetrators used physical abuse before and "
            "20 in every 100 after (40 fewer in every 100, range 30 to 50): a relative fall of 67% "
            "(range 55% to 78%)."
        )

    def test_a_rise_is_called_a_rise_with_its_range_the_right_way_round(self):
        result = self.arm(0.2, 0.4, (0.2, 0.1, 0.3), (-150, -40, -100))
        said = sentences.arm_sentence(result, "physical:idva:intake-exit", "programme", LABELS)
        assert "20 more in every 100, range 10 to 30" in said
        assert "a relative rise of 100% (range 40% to 150%)" in said

    def test_an_inconclusive_change_says_so(self):
        result = self.arm(0.3, 0.28, (-0.02, -0.1, 0.06), (-30, 40, 7))
        said = sentences.arm_sentence(result, "sexual:idva:intake-exit", "programme", LABELS)
        assert "anything from a relative fall of 40% to a rise of 30%: we cannot tell" in said

    def test_a_hidden_arm_says_why(self):
        nothing = Estimate(
            measure="prevalence_before", estimate=None, group="programme", method=NOT_SHOWN
        )
        gone = Estimate(
            measure="percent_reduction", estimate=None, group="programme", method=NOT_SHOWN
        )
        said = sentences.arm_sentence(
            ResultSet(estimates=(nothing, gone)), "sexual:idva:intake-exit", "programme", LABELS
        )
        assert "too few people to publish" in said

    @pytest.mark.parametrize(
        ("claim", "words"), [("causal", "the only likely reasons"), ("associational", "nobody")]
    )
    def test_words_follow_the_claim(self, claim, words):
        result = ResultSet(estimates=(fall(20, 60, term="ratio", claim=claim),))
        assert words in sentences.contrast_sentence(result, LABELS)

    def test_no_contrast_no_credit(self):
        said = sentences.contrast_sentence(ResultSet(), LABELS)
        assert "no comparison group for this measure" in said

    def test_an_unclear_contrast_is_not_called_no_effect(self):
        result = ResultSet(estimates=(fall(-40, 30, term="ratio"),))
        said = sentences.contrast_sentence(result, LABELS)
        assert "does not show that the programme makes a difference, nor that it does not" in said

    def test_doing_worse_than_the_comparison_group_is_said_whatever_the_direction(self):
        result = ResultSet(estimates=(fall(-90, -10, term="ratio"),))
        said = sentences.contrast_sentence(result, LABELS)
        assert "50% higher (range 10% to 90%) than if it had changed as the comparison" in said
        assert "fall" not in said

    def test_a_contrast_without_a_point_still_has_its_verdict(self):
        endless = Estimate(
            measure="percent_reduction",
            term="ratio",
            estimate=None,
            conf_low=float("-inf"),
            conf_high=-1190.0,
        )
        result = ResultSet(estimates=(endless,))
        assert sentences.verdict_between(result) == "rose"
        assert "at least 1190% higher" in sentences.contrast_sentence(result, LABELS)

    def test_a_rise_from_nobody_is_a_rise(self):
        labels = {"group": "programme"}
        result = ResultSet(
            estimates=(
                Estimate(measure="percent_reduction", estimate=None, **labels),
                Estimate(
                    measure="risk_difference", estimate=0.3, conf_low=0.2, conf_high=0.4, **labels
                ),
            )
        )
        assert sentences.verdict_within(result, "programme") == "rose"

    def test_a_few_are_never_rounded_to_nobody(self):
        assert sentences.percent_text(4, 1000) == "under 1"
        assert sentences.percent_text(999, 1000) == "over 99"

    def test_a_refused_contrast_gives_its_reason(self):
        nothing = Estimate(measure="percent_reduction", term="ratio", estimate=None)
        check = Check(name="suppressed_contrast", text="Windows differ.")
        result = ResultSet(estimates=(nothing,), checks=(check,))
        assert sentences.contrast_sentence(result, LABELS).endswith("Windows differ.")


class TestTables:
    def test_the_headline_needs_no_statistics(self, released):
        table = tables.headline_table(released, NAMES, LABELS)
        assert len(table.rows) == 4
        words = " ".join(" ".join(row) for row in (*table.rows, table.header))
        for jargon in ("interval", "confidence", "p-value", "ratio", "95%", "CI"):
            assert jargon not in words
        assert re.fullmatch(r"\d+ → \d+", table.rows[0][1])

    def test_hidden_numbers_are_marked_and_infinite_ones_named(self):
        assert tables.value_text(None) == "[x]"
        hidden = Estimate(measure="risk_ratio", estimate=None, method=NOT_SHOWN)
        assert tables.value_text(hidden) == "[c]"
        assert tables.value_text(Estimate(measure="risk_ratio", estimate=None, n=4)) == "[x]"
        endless = Estimate(measure="risk_ratio", estimate=2, conf_low=1, conf_high=float("inf"))
        assert tables.interval_text(endless) == "1.00 to no limit"

    def test_every_effect_is_in_the_table(self, released):
        table = tables.effects_table(released, LABELS)
        wanted = [
            (name, e)
            for name, r in released.results.items()
            for e in r.estimates
            if sentences.is_outcome(name) and e.measure not in ("net_change", "stopped", "started")
        ]
        # A percentage of those measured twice has its range beneath it.
        ranges = [line for name, e in wanted for line in bounded_estimates(released, name, e)]
        assert len(table.rows) == len(wanted) + len(ranges)

    def test_three_denominators_stand_beside_each_other(self, released):
        table = tables.denominators_table(released, NAMES, LABELS)
        assert {row[2] for row in table.rows} == {
            "referred",
            "measured at intake",
            "measured at both",
        }


def test_everybody_stopping_in_both_arms_is_not_nobody_before():
    estimates = (
        Estimate(measure="percent_reduction", term="ratio", estimate=None),
        Estimate(
            measure="difference_in_differences",
            estimate=-0.02,
            conf_low=-0.14,
            conf_high=0.1,
            claim="causal",
        ),
    )
    said = sentences.contrast_sentence(ResultSet(estimates=estimates), LABELS)
    assert "Nobody" not in said
    assert "does not show that the programme makes a difference" in said
    assert "likely reasons" not in said
