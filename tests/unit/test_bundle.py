"""The report bundle in all its formats: what each must hold, and what none may say."""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree as ET

import docx
import jsonschema
import openpyxl
import pytest
from docx.oxml.ns import qn

from drive_eval.data.synthetic import synthetic_study
from drive_eval.evaluation import run, write_report
from drive_eval.evaluation.release import release_evaluation
from drive_eval.plan import Plan
from drive_eval.report import charts, document, forms, placing, schema, summary, tables, workbook
from drive_eval.report.files import svg_picture, timeless
from drive_eval.results import Estimate

ROOT = Path(__file__).resolve().parents[2]
BODY = {
    "evaluation": {
        "title": "A small site",
        "question": "Did it fall?",
        "authors": ["An Evaluator"],
        "report_date": "2026-02-01",
    },
    "data": {"folder": "data", "source": "Synthetic."},
    "design": {"kind": "comparison_group", "unit": "person"},
    "outcomes": [
        {"kind": "behaviour", "reporter": "case_manager"},
        {"kind": "behaviour", "reporter": "idva"},
        {"kind": "perceived_change"},
    ],
    "report": {"support": "Call someone on 0808 2000 247."},
}


@pytest.fixture(scope="module")
def exact():
    return run(Plan.model_validate(BODY), synthetic_study("site", seed=1))


@pytest.fixture(scope="module")
def released(exact):
    return release_evaluation(exact, "opensafely")


@pytest.fixture(scope="module")
def sections(released):
    return document._sections(released)


@pytest.fixture(scope="module")
def bundle(exact, tmp_path_factory):
    return write_report(exact, tmp_path_factory.mktemp("out") / "outputs").parent


@pytest.fixture(scope="module")
def written(bundle):
    return docx.Document(str(bundle / "report.docx"))


@pytest.fixture(scope="module")
def book(bundle):
    return openpyxl.load_workbook(bundle / "tables.xlsx")


def every_table(sections):
    return [table for s in sections for table in (*s["first"], *s["tables"]) if table.rows]


class TestBundle:
    def test_every_format_is_there_and_every_chart_three_times(self, bundle, sections):
        files = {path.name for path in bundle.iterdir() if path.is_file()}
        assert files == {
            "report.html",
            "report.docx",
            "tables.xlsx",
            "summary.html",
            "results.json",
            "manifest.json",
        }
        drawn = {chart.name for section in sections for chart in section["charts"]}
        assert {path.name for path in (bundle / "charts").iterdir()} == {
            f"{name}.{kind}" for name in drawn for kind in ("png", "svg", "csv")
        }

    def test_the_same_results_give_the_same_bytes_and_progress_counts_them(
        self, released, bundle, tmp_path
    ):
        seen = []
        document.write_bundle(
            released, tmp_path, progress=lambda done, total, name: seen.append((done, total, name))
        )
        made = {p.relative_to(tmp_path): p for p in tmp_path.rglob("*") if p.is_file()}
        assert len(made) > 15
        for name, path in made.items():
            assert path.read_bytes() == (bundle / name).read_bytes(), name
        assert [done for done, _, _ in seen] == list(range(1, seen[-1][1] + 1))
        assert [name for _, _, name in seen][-5:] == [
            "report.html",
            "report.docx",
            "tables.xlsx",
            "summary.html",
            "results.json",
        ]

    def test_no_file_tells_of_a_clock_a_machine_or_a_library(self, bundle):
        home = str(Path.home())
        for path in bundle.rglob("*"):
            if not path.is_file():
                continue
            parts = [path.read_bytes()]
            if zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as packed:
                    assert {part.date_time for part in packed.infolist()} == {(1980, 1, 1, 0, 0, 0)}
                    parts = [packed.read(name) for name in packed.namelist()]
            for content in parts:
                assert b"dcterms:created" not in content
                assert b"dcterms:modified" not in content
                assert b"<dc:date>" not in content
                assert b"Matplotlib v" not in content
                assert b"tIME" not in content[:4000]
                assert home.encode() + b"/" not in content

    def test_pictures_are_made_for_print(self, bundle):
        from PIL import Image

        with Image.open(bundle / "charts" / "reductions.png") as picture:
            assert round(picture.info["dpi"][0]) == 300
            assert picture.width == round(300 * 8.6)
            assert set(picture.info) == {"dpi"}

    def test_what_victim_survivors_side_told_comes_first_whatever_the_plan(self, sections):
        reductions = [s for s in sections if s["id"].startswith("reductions")]
        assert len(reductions) == 2
        assert "IDVA" in reductions[0]["charts"][0].subtitle
        assert "case manager" in reductions[1]["heading"]


class TestSvg:
    def test_letters_stay_letters_and_the_words_are_inside(self, bundle):
        for path in (bundle / "charts").glob("*.svg"):
            text = path.read_text(encoding="utf-8")
            root = ET.fromstring(text)  # noqa: S314  (our own file)
            space = "{http://www.w3.org/2000/svg}"
            assert root.get("role") == "img"
            assert len(root.find(f"{space}desc").text) > 40
            assert root.find(f"{space}title").text
            assert len(list(root.iter(f"{space}text"))) > 3
            assert "DOCTYPE" not in text
            assert "<metadata" not in text
            names = set(re.findall(r"https?://[^\"'<\s]+", text))
            assert names <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}

    def test_text_of_the_plan_is_escaped(self, released, sections):
        drawn = next(section["charts"][0] for section in sections if section["charts"])
        chart = dataclasses.replace(drawn, headline="<b> & more")
        assert "&lt;b&gt; &amp; more" in svg_picture(chart).decode("utf-8")


class TestWord:
    def test_it_has_the_sections_of_the_page_in_their_order(self, written, sections):
        heads = [p.text for p in written.paragraphs if p.style.name == "Heading 1"]
        assert heads == [section["heading"] for section in sections]

    def test_headings_never_skip_a_level(self, written):
        levels = [
            int(p.style.name[-1]) for p in written.paragraphs if p.style.name.startswith("Heading ")
        ]
        assert levels[0] == 1
        assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
        assert sum(p.style.name == "Title" for p in written.paragraphs) == 1

    def test_every_chart_has_its_words_and_its_caption(self, written, sections):
        drawn = [chart for section in sections for chart in section["charts"]]
        shapes = list(written.element.iter(qn("wp:docPr")))
        assert [shape.get("descr") for shape in shapes] == [chart.alt_text for chart in drawn]
        assert all(shape.get("title") for shape in shapes)
        captions = [p.text for p in written.paragraphs if p.style.name == "Caption"]
        for number, chart in enumerate(drawn, start=1):
            assert f"Chart {number}. {chart.caption}" in captions

    def test_every_table_has_a_marked_header_row_a_caption_and_no_merged_cell(self, written):
        assert len(written.tables) > 5
        for table in written.tables:
            first, *others = table._tbl.tr_lst
            assert first.trPr.find(qn("w:tblHeader")) is not None
            assert not any(row.trPr.find(qn("w:tblHeader")) is not None for row in others)
            assert table._tbl.tblPr.find(qn("w:tblCaption")).get(qn("w:val"))
            assert table._tbl.tblPr.find(qn("w:tblDescription")).get(qn("w:val"))
            assert not list(table._tbl.iter(qn("w:gridSpan"), qn("w:vMerge")))
            assert len({len(row.tc_lst) for row in table._tbl.tr_lst}) == 1

    def test_the_tables_are_those_of_the_page_but_for_the_longest(self, written, sections):
        found = [
            [[cell.text.replace("\u200b", "") for cell in row.cells] for row in table.rows]
            for table in written.tables
        ]
        text = "\n".join(p.text for p in written.paragraphs)
        long = 0
        for number, table in enumerate(every_table(sections), start=1):
            # The numbers are those of the workbook's sheets.
            assert f"Table {number}. {table.caption}" in text
            assert table.number == number
            if table.annex or placing.all_hidden(table):
                assert f"tables.xlsx, sheet Table_{number}" in text
                long += 1
            else:
                assert [list(table.header), *map(list, table.rows)] in found
        assert long

    def test_it_is_british_english_and_names_nobody_but_the_authors(self, written):
        languages = {e.get(qn("w:val")) for e in written.styles.element.iter(qn("w:lang"))}
        assert languages == {"en-GB"}
        core = written.core_properties
        assert (core.title, core.author, core.language) == ("A small site", "An Evaluator", "en-GB")
        assert (core.last_modified_by, core.comments, core.keywords) == ("", "", "")
        assert core.created is None
        assert core.modified is None

    def test_pages_are_numbered_and_the_contents_lead_somewhere(self, written, sections):
        footer = written.sections[0].footer._element
        codes = [e.text.strip() for e in footer.iter(qn("w:instrText"))]
        assert codes == ["PAGE", "NUMPAGES"]
        marks = {e.get(qn("w:name")) for e in written.element.iter(qn("w:bookmarkStart"))}
        links = [e.get(qn("w:anchor")) for e in written.element.iter(qn("w:hyperlink"))]
        assert len(links) == len(sections) - 1
        assert set(links) == marks

    def test_help_stands_first_and_last(self, written):
        places = [i for i, p in enumerate(written.paragraphs) if "0808" in p.text]
        assert len(places) == 2
        assert places[0] < 5
        assert places[1] > len(written.paragraphs) - 4

    def test_lists_are_lists(self, written, sections):
        limits = next(s["points"] for s in sections if s["id"] == "limits")
        bullets = [p.text for p in written.paragraphs if p.style.name == "List Bullet"]
        assert set(limits) <= set(bullets)


class TestWorkbook:
    """The Analysis Function's checklist for accessible spreadsheets, as far as a program can."""

    def data_sheets(self, book):
        return [sheet for sheet in book if sheet.title.startswith("Table_")]

    def block(self, sheet):
        (table,) = sheet.tables.values()
        return sheet[table.ref]

    def test_cover_contents_and_notes_come_first(self, book):
        assert book.sheetnames[:3] == ["Cover", "Contents", "Notes"]
        assert book["Cover"]["A1"].value == "A small site"
        assert book.active.title == "Cover"

    def test_the_contents_list_every_sheet_and_lead_to_it(self, book, sections):
        listed = [row[0] for row in book["Contents"].iter_rows(min_row=4)]
        assert [cell.value for cell in listed] == book.sheetnames[3:]
        assert [cell.hyperlink.location for cell in listed] == [
            f"'{name}'!A1" for name in book.sheetnames[3:]
        ]
        assert len(listed) == len(every_table(sections))

    def test_every_sheet_holds_one_marked_table_with_a_header_row(self, book):
        names = []
        for sheet in book:
            if sheet.title == "Cover":
                continue
            assert len(sheet.tables) == 1, sheet.title
            (table,) = sheet.tables.values()
            names.append(table.name)
            assert table.headerRowCount == 1
            assert table.autoFilter is None
            heads = [cell.value for cell in self.block(sheet)[0]]
            assert all(isinstance(head, str) and head.strip() for head in heads)
            assert len(set(heads)) == len(heads)
            assert heads == [column.name for column in table.tableColumns]
        assert len(set(names)) == len(names)
        assert all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.]*", name) for name in names)

    def test_the_title_is_in_the_first_cell_and_no_two_are_alike(self, book):
        titles = [sheet["A1"].value for sheet in book]
        assert all(titles)
        assert len(set(titles)) == len(titles)
        for number, sheet in enumerate(self.data_sheets(book), start=1):
            assert sheet["A1"].value.startswith(f"Table {number}: ")

    def test_nothing_is_merged_blank_frozen_or_hidden(self, book):
        for sheet in book:
            assert not sheet.merged_cells.ranges
            assert sheet.freeze_panes is None
            assert sheet.sheet_state == "visible"
            assert not any(row.hidden for row in sheet.row_dimensions.values())
            assert not any(column.hidden for column in sheet.column_dimensions.values())
            assert all(row[0].value not in (None, "") for row in sheet.iter_rows())
        for sheet in self.data_sheets(book):
            for row in self.block(sheet):
                assert all(cell.value not in (None, "") for cell in row), sheet.title

    def test_nothing_stands_beneath_or_beside_the_table(self, book):
        for sheet in self.data_sheets(book):
            last = self.block(sheet)[-1][-1]
            assert (sheet.max_row, sheet.max_column) == (last.row, last.column)

    def test_there_is_no_formula_picture_comment_rule_or_link_to_elsewhere(self, book, bundle):
        for sheet in book:
            assert not sheet._images
            assert not sheet._charts
            assert not sheet.conditional_formatting
            assert not sheet.data_validations.dataValidation
            for row in sheet.iter_rows():
                for cell in row:
                    assert cell.data_type != "f"
                    assert cell.comment is None
                    assert cell.hyperlink is None or not cell.hyperlink.target
        with zipfile.ZipFile(bundle / "tables.xlsx") as packed:
            names = packed.namelist()
            text = b"".join(packed.read(name) for name in names)
        assert not [n for n in names if re.search("vba|calcChain|externalLink|printer|custom", n)]
        assert b"<f>" not in text
        assert b'TargetMode="External"' not in text

    def test_sheet_names_are_short_and_without_spaces(self, book):
        assert all(re.fullmatch(r"[A-Za-z]+(_\d+)?", name) for name in book.sheetnames)

    def test_only_known_shorthand_is_used_and_all_of_it_is_explained(self, book):
        explained = {row[1].value.split(" ")[0] for row in book["Notes"].iter_rows(min_row=4)}
        assert set(workbook.SHORTHAND) == {"[c]", "[low]", "[u]", "[x]", "[z]"}
        assert set(workbook.SHORTHAND) <= explained
        seen = set()
        for sheet in self.data_sheets(book):
            for row in self.block(sheet)[1:]:
                seen |= {str(cell.value) for cell in row if str(cell.value).startswith("[")}
            used = [c.value for c in sheet["A"] if str(c.value).startswith("Shorthand: ")]
            here = {
                str(cell.value)
                for row in self.block(sheet)[1:]
                for cell in row
                if str(cell.value) in workbook.SHORTHAND
            }
            assert bool(here) == bool(used)
            assert all(sign in used[0] for sign in here)
        assert {"[c]", "[z]"} <= seen <= set(workbook.SHORTHAND)

    def test_a_number_is_a_number_and_stands_alone_in_its_cell(self, book):
        numbers = 0
        for sheet in self.data_sheets(book):
            for column in zip(*self.block(sheet)[1:], strict=True):
                values = [cell.value for cell in column]
                if any(isinstance(value, int | float) for value in values):
                    numbers += 1
                    others = {v for v in values if not isinstance(v, int | float)}
                    assert others <= {*workbook.SHORTHAND, "over 99"}, (sheet.title, others)
                for value in values:
                    if isinstance(value, str):
                        assert not re.fullmatch(r"[−-]?[\d,]+(\.\d+)?", value.strip()), value
        assert numbers > 20

    def test_the_ends_of_an_interval_have_columns_of_their_own(self, book):
        heads = [cell.value for sheet in self.data_sheets(book) for cell in self.block(sheet)[0]]
        lower = [head for head in heads if head.endswith(", lower limit")]
        assert len(lower) > 4
        assert all(head.replace("lower", "upper") in heads for head in lower)
        assert not [head for head in heads if head.endswith("interval")]

    def test_letters_are_large_and_plain_and_nothing_is_told_by_colour(self, book):
        for sheet in book:
            for row in sheet.iter_rows():
                for cell in row:
                    if cell.value is None:
                        continue
                    assert cell.font.name == "Arial"
                    assert cell.font.sz >= 12
                    assert cell.fill.fill_type is None
                    assert cell.alignment.textRotation == 0
                    assert not cell.font.i

    def test_every_number_of_the_page_is_in_it_with_no_digit_more(self, book, sections):
        for table, sheet in zip(every_table(sections), self.data_sheets(book), strict=True):
            said = " ".join(text for row in table.rows for text in row)
            page = {text.replace(",", "") for text in re.findall(r"−?\d[\d,]*(?:\.\d+)?", said)}
            shown = {float(text.replace("−", "-")) for text in page}
            found = [cell.value for row in self.block(sheet)[1:] for cell in row]
            numbers = {float(value) for value in found if isinstance(value, int | float)}
            assert numbers <= shown | {-value for value in shown}, sheet.title
            assert len(self.block(sheet)) == len(table.rows) + 1

    def test_properties_name_the_report_and_nobody_else(self, book):
        properties = book.properties
        assert (properties.title, properties.creator) == ("A small site", "An Evaluator")
        assert properties.lastModifiedBy in ("", None, "An Evaluator")
        assert properties.language == "en-GB"
        assert properties.description is None

    @pytest.mark.parametrize(
        ("text", "cell"),
        [
            ("1,310", 1310),
            ("−0.50", -0.5),
            ("<0.001", "[low]"),
            ("under 1", "[low]"),
            ("no limit", "[z]"),
            ("", "[z]"),
            ("[c]", "[c]"),
            ("over 99", "over 99"),
            ("1.2e−05", 0.000012),
        ],
    )
    def test_what_becomes_of_a_text(self, text, cell):
        table = tables.Table(caption="T", header=("A", "B"), rows=(("x", text), ("y", "7")))
        assert list(workbook._frame(table)["B"]) == [cell, 7]

    def test_signs_and_brackets_beside_a_number_get_columns_and_words(self):
        rows = (("Age", "29.2 (8.1)", "672 (n = 640)"), ("Felony", "36.5%", "[c]"))
        frame = workbook._frame(tables.Table(caption="T", header=("A", "B", "C"), rows=rows))
        assert frame.to_dict("list") == {
            "A": ["Age", "Felony"],
            "B": [29.2, 36.5],
            "B, unit": ["[z]", "percent"],
            "B, in brackets": [8.1, "[z]"],
            "C": [672, "[c]"],
            "C, in brackets": [640, "[c]"],
        }

    def test_an_interval_that_is_hidden_everywhere_has_its_two_columns_too(self):
        rows = (("x", "[c]", "[c]"), ("y", "[x]", "[x]"))
        table = tables.Table(caption="T", header=("A", "Fall", "95% interval"), rows=rows)
        frame = workbook._frame(table)
        assert list(frame)[2:] == [
            "Fall: 95% interval, lower limit",
            "Fall: 95% interval, upper limit",
        ]
        assert list(frame.iloc[:, 3]) == ["[c]", "[x]"]

    def test_words_that_a_program_would_take_for_something_else_stay_words(self, released):
        rows = (("=1+1", "[see](https://example.org) [and](more)"), ("Ελλάς", "$$note$$"))
        odd = tables.Table(caption="=SUM(A1)", header=("A", "A"), rows=rows)
        section = document._section("odd", "Odd", tables_=[odd])
        made = openpyxl.load_workbook(io.BytesIO(workbook.tables_workbook(released, [section])))[
            "Table_1"
        ]
        kinds = {cell.data_type for row in made.iter_rows() for cell in row if cell.value}
        assert kinds == {"s"}
        assert not any(cell.hyperlink for row in made.iter_rows() for cell in row)
        (table,) = made.tables.values()
        assert [column.name for column in table.tableColumns] == ["A", "A (2)"]


@pytest.fixture(scope="module")
def found(released, sections):
    return summary.summarise(released, sections)


@pytest.fixture(scope="module")
def page(bundle):
    return (bundle / "summary.html").read_text(encoding="utf-8")


class TestSummary:
    def words(self, page):
        bare = re.sub(r"<style>.*?</style>|<img[^>]*>", " ", page, flags=re.S)
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", bare))

    def test_each_type_comes_out_of_100_for_both_groups_and_how_sure(self, found):
        assert len(found.lines) == 4
        assert len(found.groups) == 2
        for line in found.lines:
            assert [[bar.when for bar in bars] for bars in line.groups] == [["before", "after"]] * 2
            assert line.verdict
            # What is hidden has a verdict that says so, and no number.
            assert bool(line.sure) != ("Too few people" in line.verdict)

    def test_it_is_told_for_the_victim_survivor_first(self, found):
        assert "as rated by the victim-survivor's independent" in found.caption

    def test_no_statistical_term_anywhere(self, page):
        first = self.words(page)
        assert len(first) > 1500
        for term in summary.STATISTICAL_TERMS:
            assert not re.search(rf"(?<![\w-]){re.escape(term)}(?!\w)", first, re.I), term

    def test_numbers_out_of_100_come_before_every_percentage(self, page):
        words = self.words(page)
        assert "of every 100 people" in words.lower()
        assert "%" not in words.partition("What was evaluated")[0]

    def test_what_may_not_be_shown_has_words_and_no_bar(self, found):
        hidden = [
            bar
            for line in found.lines
            for bars in line.groups
            for bar in bars
            if bar.length is None
        ]
        assert hidden, "the small site hides something"
        assert {bar.words for bar in hidden} == {"too few to show"}

    def test_who_got_worse_is_said_for_every_type(self, found):
        assert len(found.worse) == 4
        assert all("group" in line for line in found.worse)

    def test_help_stands_first_and_last(self, page):
        assert page.count("0808 2000 247") == 2

    def test_it_is_self_contained(self, page):
        bare = re.sub(r"data:image/png;base64,[^\"]+", "", page)
        assert "http" not in bare
        assert "<script" not in bare
        assert "<link" not in bare

    def test_headings_are_in_order_and_bars_stand_for_a_picture(self, page):
        levels = [int(level) for level in re.findall(r"<h(\d)", page)]
        assert levels[0] == 1
        assert set(levels[1:]) == {2}
        # The bars of the table say what a chart would.
        assert "<img" not in page
        assert page.count('class="fill"') >= 8

    def test_what_there_was_no_room_for_is_counted(self, released, sections):
        many = [
            dict(s, points=[*s["points"], *["A further limit."] * 9]) if s["id"] == "limits" else s
            for s in sections
        ]
        found = summary.summarise(released, many)
        assert len(found.limits) == summary.MOST_LIMITS
        assert re.fullmatch(r"\d+ further points are in the full report\.", found.left_out)
        assert summary._left_out(1) == "1 further point is in the full report."
        assert summary._left_out(0) == ""

    def test_without_abuse_outcomes_it_says_what_was_found(self):
        body = {**BODY, "outcomes": [{"kind": "perceived_change"}]}
        study = synthetic_study("site", seed=1)
        released = release_evaluation(run(Plan.model_validate(body), study), "opensafely")
        sections = document._sections(released)
        found = summary.summarise(released, sections)
        assert (found.lines, found.worse) == ((), ())
        assert found.other
        drawn = {c.name: charts.pictures(c)[1] for s in sections for c in s["charts"]}
        page = summary.summary_page(released, sections, drawn)
        assert "What was found" in page
        assert found.message.startswith("Risk judged to have fallen moderately or significantly: ")
        (words,) = re.findall(r'<img[^>]*alt="([^"]*)"', page)
        assert len(words) > 40


class TestSchema:
    def test_the_published_schema_is_the_one_printed_from_the_classes(self):
        file = ROOT / "docs" / "reference" / "results.schema.json"
        assert file.read_text(encoding="utf-8") == schema.results_schema_text(), (
            "docs/reference/results.schema.json is stale: write results_schema_text() into it"
        )

    def test_it_is_a_schema(self):
        jsonschema.Draft202012Validator.check_schema(schema.results_schema())

    @pytest.mark.parametrize("name", ["", "../restricted"])
    def test_results_keep_to_it(self, bundle, name):
        body = json.loads((bundle / name / "results.json").read_text(encoding="utf-8"))
        jsonschema.Draft202012Validator(schema.results_schema()).validate(body)

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda body: body.pop("policy"),
            lambda body: body.update(extra=1),
            lambda body: body.update(format="drive_eval evaluation 2"),
            lambda body: next(iter(body["results"].values()))["estimates"][0].update(claim="sure"),
            lambda body: next(iter(body["results"].values()))["estimates"][0].pop("n"),
            lambda body: body["tables"][0]["cells"][0].update(count=0.5),
        ],
    )
    def test_what_is_spoilt_does_not(self, bundle, spoil):
        body = json.loads((bundle / "results.json").read_text(encoding="utf-8"))
        spoil(body)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.Draft202012Validator(schema.results_schema()).validate(body)

    def test_every_field_of_an_estimate_is_described(self):
        fields = schema.results_schema()["$defs"]["Estimate"]["properties"]
        assert set(fields) == {f.name for f in dataclasses.fields(Estimate)} | {"reasons"}


class TestForms:
    @pytest.mark.parametrize("form", forms.FORMS, ids=lambda form: form.name)
    def test_the_page_in_docs_is_the_one_printed(self, form):
        page = ROOT / "docs" / "forms" / f"{form.name}.md"
        assert page.read_text(encoding="utf-8") == forms.form_page(form)

    @pytest.mark.parametrize("form", forms.forms_for("comparison_group"), ids=lambda f: f.name)
    def test_it_is_blank_and_stands_in_the_word_report(self, form, written):
        assert all(row[-1] == "" for row in form.rows)
        found = [[cell.text for cell in table.rows[0].cells] for table in written.tables]
        assert list(form.header) in found

    def test_the_page_says_where_they_are(self, bundle):
        page = (bundle / "report.html").read_text(encoding="utf-8")
        assert "Forms to complete by hand" in page
        assert "at the end of the Word report (report.docx)" in page
        for form in forms.forms_for("comparison_group"):
            assert form.title in page
        assert forms.ROB_2.title not in page

    def test_every_domain_and_level_has_its_line(self):
        robins, rob, maryland, _assurance, _conflicts = forms.FORMS
        assert [row[0][0] for row in robins.rows if row[0][0].isdigit()] == list("1234567")
        assert [row[0][0] for row in rob.rows if row[0][0].isdigit()] == list("12345")
        assert [row[0] for row in maryland.rows if row[0].isdigit()] == list("12345")


def test_a_file_loses_its_times_and_keeps_its_parts():
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as packed:
        packed.writestr(zipfile.ZipInfo("b.xml", (2026, 3, 4, 5, 6, 8)), "second")
        packed.writestr(
            "docProps/core.xml",
            '<cp:coreProperties><dcterms:created x="1">now</dcterms:created></cp:coreProperties>',
        )
    with zipfile.ZipFile(io.BytesIO(timeless(raw.getvalue()))) as found:
        assert found.namelist() == ["b.xml", "docProps/core.xml"]
        assert found.getinfo("b.xml").date_time == (1980, 1, 1, 0, 0, 0)
        assert found.read("b.xml") == b"second"
        assert b"now" not in found.read("docProps/core.xml")
        assert b"<dc:language>en-GB</dc:language>" in found.read("docProps/core.xml")
