"""The charts: what is hidden is said, rises read as falls do, and every edge can be seen."""

from __future__ import annotations

import dataclasses
import html
import io
import itertools
import re
import string

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.image import imread
from matplotlib.patches import Rectangle

from drive_eval.data.synthetic import synthetic_study
from drive_eval.evaluation import run, write_report
from drive_eval.evaluation.release import release_evaluation
from drive_eval.plan import Plan
from drive_eval.report import charts, cohort, drawing, tables
from drive_eval.report.placing import LONGEST_TABLE
from drive_eval.results import Estimate, ResultSet

KINDS = ("physical", "sexual", "harassment_stalking", "jealous_controlling")
NAMES = [f"{kind}:idva:intake-exit" for kind in KINDS]
LABELS = {"programme": "Programme", "comparison": "Comparison"}
LONG = {
    "programme": "Intensive one-to-one case management with disruption",
    "comparison": "Usual care: victim-survivor support without perpetrator work",
}
BODY = {
    "evaluation": {"title": "A small site"},
    "data": {"folder": "data"},
    "design": {"kind": "comparison_group", "unit": "person"},
    "outcomes": [{"kind": "behaviour", "reporter": "idva"}, {"kind": "perceived_change"}],
}
TITLES = {"perceived_change:idva:exit": "Risk fell", "hit": "Hit again", "bit": "Bitten again"}


@pytest.fixture(scope="module")
def exact():
    return run(Plan.model_validate(BODY), synthetic_study("site", seed=1))


@pytest.fixture(scope="module")
def released(exact):
    return release_evaluation(exact, "opensafely")


@pytest.fixture(scope="module")
def hidden(exact):
    """Almost everything is suppressed."""
    return release_evaluation(exact, "ons_acro")


@pytest.fixture(scope="module")
def risen():
    """The small site with the two time points exchanged: abuse rises."""
    study = synthetic_study("site", seed=1)
    found = study.tables["assessments"].copy()
    keys = ["case_id", "reporter", "abuse_type", "victim_survivor_id"]
    pairs = found[found["time_point"].isin(["intake", "exit"])]
    wide = pairs.pivot_table(
        index=keys, columns="time_point", values="severity", aggfunc="first", observed=True
    ).dropna()
    other = {"intake": "exit", "exit": "intake"}
    exchanged = [
        wide.loc[key, other[when]] if key in wide.index and when in other else severity
        for key, when, severity in zip(
            found[keys].itertuples(index=False, name=None),
            found["time_point"],
            found["severity"],
            strict=True,
        )
    ]
    found["severity"] = pd.Series(exchanged, index=found.index).astype(found["severity"].dtype)
    study = dataclasses.replace(study, tables={**study.tables, "assessments": found})
    return release_evaluation(run(Plan.model_validate(BODY), study), "opensafely")


def texts(chart, panel=None):
    axes = chart.figure.axes if panel is None else [chart.figure.axes[panel]]
    return [text.get_text() for one in axes for text in one.texts]


def words_of(axes):
    labels = [*axes.get_yticklabels(), axes.xaxis.label] if axes.axison else []
    return [*axes.texts, *labels]


def bars(axes):
    return [p for p in axes.patches if isinstance(p, Rectangle) and p.get_width()]


def drawn_charts(evaluation, labels=LABELS):
    return [
        charts.reductions_chart(evaluation, NAMES, labels),
        charts.severity_chart(evaluation, NAMES, labels),
        charts.missing_chart(evaluation, NAMES, labels),
        charts.flow_chart(evaluation, labels),
        charts.risk_chart(evaluation, ["perceived_change:idva:exit"], TITLES, labels),
    ]


def with_table(evaluation, name, group, counts):
    """Return the evaluation with some counts of one table replaced."""
    result = evaluation.results[name]
    changed = []
    for table in result.tables:
        if table.name == f"pairs:{group}":
            cells = tuple(
                dataclasses.replace(
                    cell,
                    count=counts[cell.key],
                    status="suppressed" if counts[cell.key] is None else "rounded",
                )
                if cell.key in counts
                else cell
                for cell in table.cells
            )
            table = dataclasses.replace(table, cells=cells)
        changed.append(table)
    new = dataclasses.replace(result, tables=tuple(changed))
    return dataclasses.replace(evaluation, results={**evaluation.results, name: new})


class TestHiddenParts:
    @pytest.mark.parametrize("others", ["all hidden", "one hidden"])
    def test_a_bar_with_hidden_levels_never_reads_as_everybody(self, released, others):
        counts = {("before", code): None for code in ("standard", "moderate", "high")}
        if others == "one hidden":
            counts |= {("before", "standard"): 0, ("before", "moderate"): 0}
        counts |= {("before", "none"): 40, ("all", "measured at both"): 40}
        changed = with_table(released, NAMES[0], "programme", counts)
        chart = charts.severity_chart(changed, NAMES[:1], LABELS)
        left = chart.figure.axes[0]
        top = min(bar.get_y() for bar in bars(left))
        row = sorted((b for b in bars(left) if b.get_y() == top), key=lambda b: b.get_x())
        assert row[-1].get_hatch(), "what is hidden is dotted"
        assert row[-1].get_x() + row[-1].get_width() == pytest.approx(100, abs=1)
        assert row[0].get_width() < 98
        assert "100" not in texts(chart, 0)
        assert "nearly all" in texts(chart, 0)
        assert "[c]" in texts(chart, 0)

    def test_the_numbers_of_a_bar_with_nothing_hidden_fill_it(self, released):
        levels = {"none": 10, "standard": 10, "moderate": 10, "high": 15}
        counts = {("before", code): count for code, count in levels.items()}
        counts[("all", "measured at both")] = 50
        changed = with_table(released, NAMES[0], "programme", counts)
        assert texts(charts.severity_chart(changed, NAMES[:1], LABELS), 0)[:4] == [
            "22", "22", "22", "33",
        ]  # fmt: skip

    def test_every_hidden_bar_has_words(self, hidden):
        chart = charts.severity_chart(hidden, NAMES, LABELS)
        left, right = chart.figure.axes
        assert all(bar.get_hatch() for bar in bars(left))
        assert texts(chart, 0).count("[c] not shown") == len(bars(left)) == 16
        assert [t.get_text() for t in right.texts].count("not shown [c]") == 8

    def test_a_bar_of_nobody_measured_says_so(self, released):
        counts = {("all", "measured at both"): 0}
        changed = with_table(released, NAMES[0], "programme", counts)
        assert "nobody measured" in texts(charts.severity_chart(changed, NAMES[:1], LABELS), 0)

    def test_the_missing_chart_never_claims_what_is_hidden(self, released, hidden):
        missing = [("missing", kind) for kind in ("only before", "only after", "never")]
        nothing = dict.fromkeys([("all", "measured at both"), *missing])
        for group in LABELS:
            released = with_table(released, NAMES[0], group, nothing)
        chart = charts.missing_chart(released, NAMES[:1], LABELS)
        assert chart.headline == "How many were measured at both points cannot be shown"
        assert texts(chart).count(f"[c] {drawing.TOO_FEW}") == 2
        assert f"how many were rated at both points is {drawing.TOO_FEW}" in chart.alt_text
        some = charts.missing_chart(hidden, NAMES, LABELS)
        assert f"[c] {drawing.TOO_FEW}" in texts(some)
        assert "[c] not shown" in texts(some)

    def test_most_where_it_can_be_shown(self, released):
        counts = {("all", "measured at both"): None}
        changed = with_table(released, NAMES[0], "programme", counts)
        counts = {("all", "measured at both"): 50, ("all", "referred"): 50}
        changed = with_table(changed, NAMES[0], "comparison", counts)
        headline = charts.missing_chart(changed, NAMES[:1], LABELS).headline
        assert headline == "Most people were measured at both points, where that can be shown"

    def test_one_end_that_is_hidden_is_said_beside_the_other(self, released):
        chart = charts.reductions_chart(released, NAMES, LABELS)
        assert any(re.fullmatch(r"(before|after): not shown \[c\]", t) for t in texts(chart, 0))

    def test_alternatives_are_sentences(self, released, hidden):
        for evaluation in (released, hidden):
            for chart in drawn_charts(evaluation):
                assert "show of 100" not in chart.alt_text
                assert "None" not in chart.alt_text
                assert "nan" not in chart.alt_text
        said = charts.severity_chart(released, NAMES, LABELS).alt_text
        assert f"how many got worse is {drawing.TOO_FEW}" in said


class TestRises:
    def test_a_rise_reads_as_a_fall_does(self, risen):
        chart = charts.reductions_chart(risen, NAMES, LABELS)
        right = chart.figure.axes[1]
        low, high = right.get_xlim()
        assert low <= -high + 6
        assert {"rise 100", "0", "fall 100"} <= {t.get_text() for t in right.get_xticklabels()}
        assert not any("-" in tick.get_text() for tick in right.get_xticklabels())
        assert any(t.startswith("rise ") for t in texts(chart, 1))
        assert "a relative rise of" in chart.alt_text

    def test_an_interval_beyond_the_panel_ends_in_an_arrowhead(self, risen):
        chart = charts.reductions_chart(risen, NAMES, LABELS)
        right = chart.figure.axes[1]
        low, _high = right.get_xlim()
        beyond = [x for x in chart.data["conf_low"].dropna() if x < low]
        arrows = [line for line in right.lines if line.get_marker() == 8]
        assert len(arrows) == len(beyond) > 0
        assert all(line.get_xdata()[0] == low for line in arrows)

    def test_without_a_limit_there_is_an_arrow_and_the_words(self):
        said = charts._interval_label(-80, float("-inf"), -10, sides=True)
        assert said == "rise 80%  (10 to no limit)"

    @pytest.mark.parametrize("labels", [LABELS, LONG])
    def test_words_stay_inside_their_panel_and_the_picture(self, risen, hidden, labels):
        for evaluation in (risen, hidden):
            for chart in drawn_charts(evaluation, labels):
                canvas = FigureCanvasAgg(chart.figure)
                canvas.draw()
                renderer = canvas.get_renderer()
                page = chart.figure.bbox
                everything = [*chart.figure.texts]
                for axes in chart.figure.axes:
                    everything += words_of(axes)
                    if axes.get_legend():
                        everything += axes.get_legend().get_texts()
                for text in everything:
                    box = text.get_window_extent(renderer)
                    if not text.get_text() or not text.get_visible():
                        continue
                    assert box.x0 >= page.x0 - 2, (chart.name, text.get_text())
                    assert box.x1 <= page.x1 + 2, (chart.name, text.get_text())
                    assert box.y0 >= page.y0 - 2, (chart.name, text.get_text())
                    assert box.y1 <= page.y1 + 2, (chart.name, text.get_text())

    def test_an_interval_has_its_words_inside_its_panel(self, risen, released, hidden):
        for evaluation in (risen, released, hidden):
            chart = charts.reductions_chart(evaluation, NAMES, LABELS)
            canvas = FigureCanvasAgg(chart.figure)
            canvas.draw()
            right = chart.figure.axes[1]
            panel = right.get_window_extent(canvas.get_renderer())
            for text in right.texts:
                box = text.get_window_extent(canvas.get_renderer())
                assert panel.x0 - 1 <= box.x0
                assert box.x1 <= panel.x1 + 1

    @pytest.mark.parametrize("labels", [LABELS, LONG])
    def test_names_of_rows_do_not_overprint(self, risen, labels):
        for chart in drawn_charts(risen, labels):
            canvas = FigureCanvasAgg(chart.figure)
            canvas.draw()
            renderer = canvas.get_renderer()
            for axes in chart.figure.axes:
                boxes = [
                    (text.get_text(), text.get_window_extent(renderer))
                    for text in words_of(axes)
                    if text.get_text() and text.get_visible()
                ]
                for number, (words, box) in enumerate(boxes):
                    for others, other in boxes[number + 1 :]:
                        width = min(box.x1, other.x1) - max(box.x0, other.x0)
                        height = min(box.y1, other.y1) - max(box.y0, other.y0)
                        assert min(width, height) <= 3, (chart.name, words, others)


class TestRisks:
    def risk(self, name, treated, other, gap=None):
        def share(measure, group, values):
            point, low, high = values
            return Estimate(
                measure=measure, group=group, estimate=point, conf_low=low, conf_high=high, n=50
            )

        nothing = (None, None, None)
        found = [
            share("risk_treated", "programme", treated or nothing),
            share("risk_comparison", "comparison", other or nothing),
        ]
        if gap:
            found.append(share("risk_difference", "", gap))
        return ResultSet(estimates=tuple(found))

    def chart(self, evaluation, result, name="hit"):
        changed = dataclasses.replace(evaluation, results={name: result})
        return charts.risk_chart(changed, [name], TITLES, LABELS)

    def test_each_outcome_has_a_file_and_a_title_of_its_own(self, released):
        result = self.risk("hit", (0.1, 0.05, 0.2), (0.3, 0.2, 0.4), (-0.2, -0.3, -0.1))
        one, other = self.chart(released, result), self.chart(released, result, "bit")
        assert (one.name, other.name) == ("risks-hit", "risks-bit")
        assert one.headline == "Hit again: less often in the programme group"
        assert other.headline.startswith("Bitten again: ")

    @pytest.mark.parametrize(
        ("gap", "words"),
        [
            ((0.2, 0.1, 0.3), "more often in the programme group"),
            ((0.0, -0.1, 0.1), "no clear difference between the groups"),
            (None, "the groups cannot be compared here"),
        ],
    )
    def test_the_headline_goes_as_far_as_the_interval(self, released, gap, words):
        result = self.risk("hit", (0.1, 0.05, 0.2), (0.3, 0.2, 0.4), gap)
        assert self.chart(released, result).headline == f"Hit again: {words}"

    def test_a_hidden_arm_keeps_its_row(self, released):
        chart = self.chart(released, self.risk("hit", None, (0.3, 0.2, 0.4)))
        assert f"[c] {drawing.TOO_FEW}" in texts(chart)
        assert len(chart.figure.axes[0].get_yticks()) == 2
        assert f"Hit again, programme: {drawing.TOO_FEW}." in chart.alt_text
        assert "Hit again, comparison: 30 of 100 (interval 20 to 40)." in chart.alt_text

    def test_all_hidden_is_the_headline(self, released):
        chart = self.chart(released, self.risk("hit", None, None))
        assert chart.headline == f"Hit again: {drawing.TOO_FEW}"
        assert texts(chart).count(f"[c] {drawing.TOO_FEW}") == 2

    def test_no_two_charts_share_a_file(self, tmp_path):
        study = synthetic_study("site", seed=1)
        cases = study.tables["cases"].copy()
        numbers = np.arange(len(cases))
        cases["hit"] = pd.array(numbers % 3 == 0, dtype="boolean")
        cases["bit"] = pd.array(numbers % 4 == 0, dtype="boolean")
        study = dataclasses.replace(study, tables={**study.tables, "cases": cases})
        outcomes = [
            *BODY["outcomes"],
            {"kind": "behaviour", "reporter": "idva", "threshold": "high"},
            {"kind": "binary", "name": "hit", "column": "hit"},
            {"kind": "binary", "name": "bit", "column": "bit"},
        ]
        evaluation = run(Plan.model_validate({**BODY, "outcomes": outcomes}), study)
        page = write_report(evaluation, tmp_path / "outputs")
        files = {path.stem for path in (page.parent / "charts").glob("*.png")}
        assert {"risks-hit", "risks-bit", "perceived_change", "reductions-2"} <= files
        text = page.read_text(encoding="utf-8")
        assert len(set(re.findall(r"data:image/png;base64,([^\"]+)", text))) == len(files)


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


WHITE = "#FFFFFF"


class TestContrast:
    def test_words_stand_out_from_their_fill(self):
        pairs = [*charts.SEVERITY_COLOURS.values()]
        pairs += [(fill, ink) for *_, fill, ink in cohort.MISSING_COLOURS.values()]
        assert all(contrast(fill, ink) >= 4.5 for fill, ink in pairs)

    def test_what_stands_on_white_can_be_seen(self):
        colours = [*drawing.ARM_COLOURS.values(), *charts.CHANGE_COLOURS.values()]
        colours += [drawing.OUTLINE, drawing.DOTS, drawing.DARK_GREY]
        assert all(contrast(colour, WHITE) >= 3 for colour in colours)

    def test_colours_that_mean_two_things_differ(self):
        assert contrast(*drawing.ARM_COLOURS.values()) >= 3
        assert contrast(*charts.CHANGE_COLOURS.values()) >= 3
        fills = [fill for *_, fill, _ink in cohort.MISSING_COLOURS.values()]
        assert all(contrast(a, b) >= 3 for a, b in itertools.pairwise(fills))

    def test_in_every_picture_each_edge_and_line_is_three_to_one(self, released, hidden, risen):
        looked = 0
        for evaluation in (released, hidden, risen):
            for chart in drawn_charts(evaluation):
                for axes in chart.figure.axes:
                    for line in axes.lines:
                        assert line.get_alpha() is None
                        assert contrast(to_hex(line.get_color()), WHITE) >= 3
                    for bar in bars(axes):
                        assert bar.get_alpha() is None
                        assert bar.get_linewidth() >= 1
                        assert contrast(to_hex(bar.get_edgecolor()), WHITE) >= 3
                        looked += 1
        assert looked > 100

    def test_neighbours_in_a_bar_never_touch(self, released, risen):
        for evaluation in (released, risen):
            for chart in drawn_charts(evaluation)[1:3]:
                found = sorted(
                    ((b.get_y(), b.get_x(), b.get_x() + b.get_width()))
                    for b in bars(chart.figure.axes[0])
                )
                for (y, _, end), (next_y, start, _) in itertools.pairwise(found):
                    assert y != next_y or start - end >= drawing.GAP - 1e-9

    def test_no_word_is_smaller_than_nine_points(self, released, hidden, risen):
        for evaluation in (released, hidden, risen):
            for chart in drawn_charts(evaluation):
                for axes in chart.figure.axes:
                    for text in words_of(axes):
                        assert text.get_fontsize() >= 9


class TestPictures:
    def test_the_saved_picture_says_its_message_and_the_page_does_not_repeat_it(self, released):
        chart = charts.reductions_chart(released, NAMES, LABELS)
        titled, bare = charts.pictures(chart)
        tall, short = (imread(io.BytesIO(raw)).shape for raw in (titled, bare))
        assert tall[0] - short[0] == round(chart.title_height * chart.figure.dpi)
        assert tall[1] == short[1]
        head, subtitle = (text.get_text() for text in chart.figure.texts)
        assert head.replace("\n", " ") == chart.headline
        assert subtitle.replace("\n", " ") == chart.subtitle
        for raw in (titled, bare):
            assert b"Software" not in raw

    def test_the_same_chart_gives_the_same_bytes(self, released):
        one, other = (charts.pictures(charts.flow_chart(released, LABELS)) for _ in range(2))
        assert one == other

    def test_the_flow_starts_with_its_first_stage(self, released):
        steps = charts.flow_chart(released, LABELS).data
        arm = list(steps.loc[steps["group"] == "programme", "stage"])
        assert arm[:3] == ["in the cohort", "no intake measure", "measured at intake"]
        assert arm[-1] == "measured at both"
        rows = tables.counts_table(released.table("flow"), "Flow", LABELS).rows
        assert [row[1] for row in rows[:2]] == ["In the cohort", "No intake measure"]
        assert len(rows) == len(steps)

    def test_one_box_is_no_flow(self, released):
        flow = released.table("flow")
        cells = tuple(
            dataclasses.replace(cell, key=(cell.key[0], "allocated"), parts=())
            for cell in flow.cells
            if cell.key[1] == "in the cohort"
        )
        one = dataclasses.replace(flow, cells=cells)
        rest = [one if table.name == "flow" else table for table in released.tables]
        alone = dataclasses.replace(released, tables=tuple(rest))
        assert charts.flow_chart(alone, LABELS) is None


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    body = {**BODY, "evaluation": {"title": string.ascii_letters * 4}}
    evaluation = run(Plan.model_validate(body), synthetic_study("site", seed=1))
    report = write_report(evaluation, tmp_path_factory.mktemp("out") / "outputs")
    return report.read_text(encoding="utf-8")


class TestPageOfCharts:
    def test_pictures_scroll_inside_a_region_that_takes_focus(self, page):
        regions = re.findall(r'<div class="picture" role="group" aria-label="([^"]+)"', page)
        assert len(regions) == page.count("<img ") == page.count('tabindex="0"><img')
        assert all(html.unescape(name).startswith("Chart: ") for name in regions)
        assert ".picture:focus img { min-width: 42rem; }" in page

    def test_long_tables_are_closed_on_screen_and_open_in_print(self, page):
        assert "<details open" not in page
        section = page[page.index('id="effects"') :]
        folded = re.search(
            r"<details[^>]*><summary>Table (\d+): All effects(.*?)</summary>", section
        )
        assert folded[0].startswith('<details class="annex">')
        assert section.index("The main effect on each outcome") < folded.start()
        assert not re.search(r"<details[^>]* open", page)
        # What is short opens in print; what is long says where its lines are.
        assert "details::details-content { content-visibility: visible" in page
        lines = section[folded.end() :]
        lines = lines[lines.index("<tbody") : lines.index("</tbody>")].count("<tr")
        where = f" ({lines} lines: tables.xlsx, sheet Table_{folded[1]})"
        assert folded[2] == f'<span class="where">{where}</span>'
        assert lines > LONGEST_TABLE
        assert "details.annex > :not(summary) { display: none; }" in page
        annexed = re.findall(r'<details class="annex"><summary>Table (\d+):', page)
        plain = re.findall(r"<details><summary>Table (\d+):", page)
        assert plain
        assert len(annexed) + len(plain) == page.count("<details")

    def test_tables_say_that_they_are_tables_however_they_are_laid_out(self, page):
        for tag, role in (("table", "table"), ("tr", "row"), ("td", "cell")):
            assert page.count(f"<{tag} ") + page.count(f"<{tag}>") == page.count(
                f'<{tag} role="{role}"'
            )
        assert page.count('role="columnheader" scope="col"') == page.count('scope="col"')
        assert page.count('role="rowheader" scope="row"') == page.count('scope="row"')

    def test_a_long_unbroken_title_can_break(self, page):
        assert re.search(r"body \{[^}]*overflow-wrap: anywhere", page)
