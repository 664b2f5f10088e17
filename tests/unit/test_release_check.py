"""A release as a whole: its list, and the check that opens every file before it leaves."""

from __future__ import annotations

import json
import re
import shutil
import struct
import zipfile
import zlib

import docx
import pytest
from typer.testing import CliRunner

from drive_eval import disclosure
from drive_eval.cli import app
from drive_eval.data.study import save_tables
from drive_eval.data.synthetic import synthetic_study
from drive_eval.disclosure.pieces import Piece, contents
from drive_eval.errors import ResultError
from drive_eval.evaluation import release_check, run, write_report
from drive_eval.evaluation.manifest import (
    MANIFEST,
    accept_file,
    files_of,
    read_manifest,
    write_manifest,
)
from drive_eval.evaluation.release_check import check_release, identifiers_of
from drive_eval.plan import Plan
from drive_eval.results import Evaluation

BODY = {
    "evaluation": {
        "title": "A small site",
        "question": "Did it fall?",
        "authors": ["An Evaluator"],
        "report_date": "2026-02-01",
    },
    "data": {"folder": "data", "source": "Synthetic."},
    "design": {"kind": "comparison_group", "unit": "person"},
    "equality": {"by": []},
    "outcomes": [
        {"kind": "behaviour", "reporter": "idva", "abuse_types": ["sexual"]},
    ],
}


@pytest.fixture(scope="module")
def study():
    return synthetic_study("site", seed=1)


@pytest.fixture(scope="module")
def written(study, tmp_path_factory):
    """Write the outputs once, and the tables of the study beside them."""
    folder = tmp_path_factory.mktemp("analysis")
    save_tables(study.tables, folder / "data")
    return write_report(run(Plan.model_validate(BODY), study), folder / "outputs").parent


@pytest.fixture
def release(written, tmp_path):
    shutil.copytree(written.parent, tmp_path / "outputs")
    return tmp_path / "outputs" / "release"


@pytest.fixture
def drawn_once(written, monkeypatch):
    """Hold edited files against what was written already, which is the same and takes no time."""

    def copy(released, folder):
        shutil.copytree(written, folder, dirs_exist_ok=True)
        (folder / MANIFEST).unlink()

    monkeypatch.setattr(release_check, "_write_again", copy)


def released_of(folder):
    return Evaluation.from_json((folder / "results.json").read_text(encoding="utf-8"))


# --- The list --------------------------------------------------------------------------


def test_the_list_names_every_file_and_no_more_than_a_reader_can_count(written):
    body = json.loads((written / MANIFEST).read_text(encoding="utf-8"))
    assert [entry["file"] for entry in body["files"]] == files_of(written)
    assert all(
        entry["what"] and re.fullmatch("[0-9a-f]{64}", entry["sha256"]) for entry in body["files"]
    )
    assert body["policy"]["suppress_up_to"] == 7
    assert body["exceptions"] == []
    released = released_of(written)
    assert body["plan_sha256"] == released.plan_hash
    tables = {(t["outcome"], t["table"]): t for t in body["tables"]}
    for name, result in released.results.items():
        for table in result.tables:
            shown = [cell for cell in table.cells if cell.shown]
            line = tables[name, table.name]
            assert (line["lines"], line["hidden"]) == (
                len(shown),
                sum(cell.count is None for cell in shown),
            )
            # Which of them are small is for the evaluator alone.
            assert set(line) == {"outcome", "table", "rules", "lines", "hidden", "never_shown"}
    reasons = (written.parent / "restricted" / "hidden_counts.csv").read_text(encoding="utf-8")
    assert "would give a small count back" in reasons
    assert "small count\n" in reasons


def test_the_list_is_the_same_every_time(written, tmp_path):
    shutil.copytree(written, tmp_path / "again")
    before = (written / MANIFEST).read_bytes()
    write_manifest(released_of(written), tmp_path / "again")
    assert (tmp_path / "again" / MANIFEST).read_bytes() == before


def test_a_folder_without_a_list_is_no_release(tmp_path):
    with pytest.raises(ResultError, match=r"has no manifest\.json, so it is no release"):
        check_release(tmp_path)
    (tmp_path / MANIFEST).write_text("{}", encoding="utf-8")
    with pytest.raises(ResultError, match="was not written by drive_eval"):
        read_manifest(tmp_path)


# --- The check -------------------------------------------------------------------------


def test_what_was_just_written_may_leave(written):
    found = check_release(written, identifiers=identifiers_of(written.parents[1] / "data"))
    assert found.faults == ()
    assert found.exceptions == ()
    assert len(found.looked_at) == 5


def test_missing_changed_and_foreign_files_are_named(release):
    (release / "charts" / "flow.csv").unlink()
    (release / "summary.html").write_text("<p>Edited</p>", encoding="utf-8")
    (release / "notes.txt").write_text("A word to the board.", encoding="utf-8")
    (release / "link.csv").symlink_to(release / "results.json")
    faults = "\n".join(check_release(release, redraw=False).faults)
    assert "charts/flow.csv is listed in manifest.json but is not there" in faults
    assert "summary.html is not as it was written" in faults
    assert "notes.txt was not written by drive_eval" in faults
    assert "link.csv is a link to somewhere else" in faults


@pytest.mark.usefixtures("drawn_once")
def test_an_exception_has_a_reason_and_a_name_and_lets_nothing_out(release):
    page = release / "summary.html"
    edited = page.read_text(encoding="utf-8").replace("</h1>", ", a word</h1>", 1)
    page.write_text(edited, encoding="utf-8")
    with pytest.raises(ResultError, match="needs a reason and the name of who decided"):
        accept_file(release, "summary.html", reason="", approved_by="A. Lead")
    with pytest.raises(ResultError, match=r"holds no file summary\.htm"):
        accept_file(release, "summary.htm", reason="x", approved_by="A. Lead")
    with pytest.raises(ResultError, match=r"results\.json cannot be an exception"):
        accept_file(release, "results.json", reason="x", approved_by="A. Lead")
    accept_file(release, "./summary.html", reason="A kinder title", approved_by="A. Lead")
    found = check_release(release, redraw=False)
    assert found.faults == ()
    assert found.exceptions == ("summary.html was edited by hand. A. Lead: A kinder title",)
    page.write_text(edited.replace("a word", "n = 3"), encoding="utf-8")
    accept_file(release, "summary.html", reason="A kinder title", approved_by="A. Lead")
    (fault,) = set(check_release(release, redraw=False).faults)
    assert fault == "summary.html: h1 holds a number of people that the policy does not show."


@pytest.mark.usefixtures("drawn_once")
def test_a_report_edited_in_word_is_held_against_the_drawn_one(release, study):
    marks = set(study.tables["cases"]["case_id"])
    mark = sorted(marks)[0]

    def saved(*words):
        document = docx.Document(release / "report.docx")
        document.paragraphs[2].insert_paragraph_before("A foreword, by the board.")
        for part in words:
            document.paragraphs[2].add_run(part)
        document.save(release / "report.docx")
        (release / "foreword.txt").write_text("The same in plain words.", encoding="utf-8")
        for name in ("report.docx", "foreword.txt"):
            accept_file(release, name, reason="For the board", approved_by="A. Lead")
        return check_release(release, identifiers=marks, redraw=False)

    found = saved()
    assert found.faults == ()
    assert len(found.exceptions) == 2
    assert "2 files edited or added by hand, for what was typed" in found.looked_at
    half = len(mark) // 2
    faults = saved(f" See {mark[:half]}", mark[half:], " and 3", " men.").faults
    assert {fault.partition(" holds ")[2] for fault in faults} >= {
        "the mark of a person of the study.",
        "a number of people that the policy does not show.",
    }
    assert mark not in " ".join(faults)
    accept_file(release, "foreword.txt", reason="For 3 men", approved_by="A. Lead")
    faults = check_release(release, redraw=False).faults
    assert any(fault.startswith("manifest.json: exceptions: reason holds a") for fault in faults)


def test_results_that_are_not_what_the_gate_gives_are_refused(release):
    file = release / "results.json"
    body = json.loads(file.read_text(encoding="utf-8"))
    table = body["results"]["sexual:idva:intake-exit"]["tables"][0]
    seen = next(cell for cell in table["cells"] if cell["shown"] and cell["count"])
    hidden = next(cell for cell in table["cells"] if cell["shown"] and cell["count"] is None)
    hidden["count"], seen["count"] = 3, seen["count"] + 1
    body["results"]["sexual:idva:intake-exit"]["estimates"][0]["n_events"] = 2
    file.write_text(json.dumps(body), encoding="utf-8")
    faults = "\n".join(check_release(release, redraw=False).faults)
    assert "2 lines of the table pairs:programme of sexual:idva:intake-exit hold numbers" in faults
    assert "1 effects or steps of sexual:idva:intake-exit rest on numbers of people" in faults
    assert "results.json is not what the exact results give under its policy" in faults
    file.write_text("{}", encoding="utf-8")
    assert (
        "cannot be read as what drive_eval wrote" in check_release(release, redraw=False).faults[1]
    )
    exact = (release.parent / "restricted" / "results.json").read_text(encoding="utf-8")
    file.write_text(exact, encoding="utf-8")
    assert any("holds exact results" in f for f in check_release(release, redraw=False).faults)
    file.unlink()
    assert any("is not there, so nothing" in f for f in check_release(release, redraw=False).faults)
    with pytest.raises(ResultError, match=r"holds no results\.json\. Give the folder restricted/"):
        check_release(release, restricted=release, redraw=False)


def test_a_hidden_count_that_follows_from_its_neighbours_is_found(release):
    # The gate never writes this: an exact total beside all its parts but one.
    file = release / "results.json"
    body = json.loads(file.read_text(encoding="utf-8"))
    body["policy"] = "ons_acro"
    body["results"] = {}
    body["tables"] = [
        body["tables"][0] | {"policy": "ons_acro", "name": "flow", "dimensions": ["x"]}
    ]
    counts = {"a": 20, "b": None, "all": 24}
    body["tables"][0]["cells"] = [
        {
            "key": [k],
            "count": n,
            "parts": [0, 1] if k == "all" else [],
            "shown": True,
            "status": "suppressed",
        }
        for k, n in counts.items()
    ]
    file.write_text(json.dumps(body), encoding="utf-8")
    shutil.rmtree(release.parent / "restricted")
    faults = check_release(release, redraw=False).faults
    assert any(
        "a hidden count of the table flow follows from the numbers beside it" in f for f in faults
    )


# --- Leaks planted by hand, in a folder whose list was made to fit ---------------------


def packed(file, change):
    """Pack an office file anew with some of its parts changed."""
    with zipfile.ZipFile(file) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    parts = {name: change(name, data) for name, data in parts.items()}
    with zipfile.ZipFile(file, "w") as new:
        for name, data in parts.items():
            new.writestr(name, data)


def chunk(kind, body):
    crc = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)


def replaced(file, old, new):
    text = file.read_text(encoding="utf-8")
    assert old in text, (file, old)
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def plant(release, case, figure):
    """Put every kind of leak somewhere, and return what the check must say of each."""
    page, summary = release / "report.html", release / "summary.html"
    replaced(page, 'alt="', 'alt="Programme: n = 3. ')
    replaced(page, "<main", f'<main data-effect="{figure}"')
    replaced(page, "</h2>", f"</h2><p>KeyError: no row {case} in assessments</p>")
    replaced(summary, "</h1>", "</h1><p>He started on 14 March 2024.</p><!-- 4 users after -->")
    svg = release / "charts" / "reductions.svg"
    replaced(svg, "<defs>", "<metadata>drawn by A. Person</metadata><defs>")
    other = release / "charts" / "severity.svg"
    path = re.search(r'<path d="M [^"]*', other.read_text(encoding="utf-8"))[0]
    replaced(other, path, f"{path} L 3 45")
    csv = release / "charts" / "flow.csv"
    lines = csv.read_text(encoding="utf-8").splitlines()
    lines[1] = ",".join([*lines[1].split(",")[:-1], "6"])
    csv.write_text("\n".join(lines), encoding="utf-8")
    png = release / "charts" / "flow.png"
    data = png.read_bytes()
    png.write_bytes(data[:33] + chunk(b"tEXt", b"Author\0A. Person") + data[33:] + b"case 7")
    packed(
        release / "report.docx",
        lambda name, data: (
            re.sub(rb"(<dc:creator>)[^<]*", rb"\1A. Person", data)
            if name == "docProps/core.xml"
            else data
        ),
    )
    packed(
        release / "tables.xlsx",
        lambda name, data: (
            data.replace(
                b"</sheetData>",
                b'<row r="99"><c r="A99"><f>SUM(A1:A2)</f><v>43</v></c></row></sheetData>',
            )
            if name == "xl/worksheets/sheet4.xml"
            else data
        ),
    )
    (release / "run.log").write_text(f"INFO assessments: case {case} read\n", encoding="utf-8")
    (release / "rows.bin").write_bytes(b"\xff\xfe\x00case")
    return {
        "exact n in alt text": r"report\.html: alt of img holds a number of people",
        "exact figure in an attribute": r"report\.html: data-effect of main holds a figure",
        "error message": r"report\.html: p holds the mark of a person",
        "date of a person": r"summary\.html: p holds a date",
        "comment": r"summary\.html: comment: comments are not seen",
        "small count in a comment": r"summary\.html: comment holds a number of people",
        "author of a chart": r"reductions\.svg: metadata says who or what made the file",
        "small count in a table": r"flow\.csv: line 2, column count holds a number of people",
        "text in a picture": r"flow\.png: tEXt of the picture says who",
        "bytes after a picture": r"flow\.png: after the end of the picture says who",
        "author of a document": r"report\.docx › docProps/core\.xml: creator says who",
        "cache of a workbook": r"tables\.xlsx › xl/worksheets/sheet4\.xml: formula in A99 says who",
        "log line": r"run\.log: line 1 holds the mark of a person",
        "foreign file": r"run\.log was not written by drive_eval",
        "a file nobody can read": r"rows\.bin cannot be read",
    }, {
        "raw count in the path of a chart": r"severity\.svg: d of path holds something that",
        "page": r"report\.html: .* holds something that does not follow",
        "workbook": r"tables\.xlsx › .* holds something that does not follow",
        "picture": r"flow\.png: .* holds something that does not follow",
    }


def test_planted_leaks_are_each_caught_though_the_list_fits(release, study):
    exact = Evaluation.from_json(
        (release.parent / "restricted" / "results.json").read_text(encoding="utf-8")
    )
    known = {e.estimate for r in released_of(release).results.values() for e in r.estimates}
    figure = next(
        e.estimate
        for r in exact.results.values()
        for e in r.estimates
        if e.estimate and e.estimate not in known and len(repr(e.estimate)) > 12
    )
    marks = set(study.tables["cases"]["case_id"])
    searched, redrawn = plant(release, sorted(marks)[0], figure)
    write_manifest(released_of(release), release)
    faults = "\n".join(check_release(release, identifiers=marks).faults)
    for name, sentence in {**searched, **redrawn}.items():
        assert re.search(sentence, faults), (name, faults)
    # A sentence says where something stands, and never what.
    for secret in (sorted(marks)[0], "A. Person", "14 March", str(figure)):
        assert secret not in faults


def test_words_in_hidden_corners_are_read():
    compressed = b"Comment\0\0" + zlib.compress(b"n = 4 of 9")
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"zTXt", compressed) + chunk(b"IEND", b"")
    dots, piece = contents("a.png", data)
    assert dots.kind == "picture"
    assert "n = 4 of 9" in piece.text
    jpeg = b"\xff\xd8\xff\xfe\x00\x0bA. Person\xff\xda"
    assert contents("a.jpg", jpeg)[1].text == "A. Person"
    assert contents("a.png", b"no picture")[0].kind == "unreadable"
    assert contents("a.xyz", b"text")[0].kind == "unreadable"
    assert contents("a.json", b"{")[0].kind == "unreadable"
    page = b'<img src="data:image/png;base64,!!!" alt="x"><?php 1 ?>'
    assert [p.kind for p in contents("a.html", page)] == ["unreadable", "attribute", "comment"]


# --- The command line ------------------------------------------------------------------


def test_the_command_says_what_it_found_and_ends_with_a_code(release, tmp_path):
    shell = CliRunner()
    (release / "letter.txt").write_text("Dear board", encoding="utf-8")
    done = shell.invoke(app, ["release-check", str(release), "--record"])
    assert done.exit_code == 1
    assert "letter.txt was not written by drive_eval" in done.output
    assert not (tmp_path / "releases.json").exists()
    accept = ["--accept", "letter.txt", "--reason", "Goes with it", "--by", "A. Lead"]
    done = shell.invoke(app, ["release-check", str(release), "--record", *accept])
    assert done.exit_code == 0, done.output
    assert "Exception:  letter.txt was added by hand. A. Lead: Goes with it" in done.output
    assert "Nothing was found. Somebody who knows the cases must still read it." in done.output
    assert (tmp_path / "releases.json").is_file()


def test_case_numbers_are_taken_from_tables(written, tmp_path):
    marks = identifiers_of(written.parents[1] / "data")
    assert any(mark in marks for mark in released_marks(written))
    with pytest.raises(ResultError, match="holds no CSV or Parquet table"):
        identifiers_of(tmp_path)


def released_marks(written):
    text = (written.parents[1] / "data" / "cases.csv").read_text(encoding="utf-8")
    return [line.split(",")[0] for line in text.splitlines()[1:]]


def test_days_of_the_police_and_people_of_a_new_study_are_nobody_s():
    said = Piece("report.html: td", "A change in how crime was recorded (2017-04-01: two crimes).")
    assert release_check._known_day(said)
    assert not release_check._known_day(Piece("report.html: td", "from 2017-04-01 to 2018-02-03"))
    rules = disclosure.policy("opensafely")
    needed = Piece("td", "With 455 and 330 people, a new study would need 1,629 and 1,182 people.")
    assert not release_check._counts_wrong(needed, "", rules, {7})
    leak = Piece("td", "With 457 people, a new study would need 1,629 and 1,182 people.")
    assert release_check._counts_wrong(leak, "", rules, {7})


def test_a_cell_is_a_count_by_its_heading_and_never_where_that_says_of_100():
    rules = disclosure.policy("opensafely")
    row = "<tr><td>all</td><td>33</td><td>33</td><td>3</td></tr>"
    heads = ["", "Measured, of 100 in the group", "Measured", "Users, upper limit"]
    page = f"<table><tr><th>{'</th><th>'.join(heads)}</th></tr>{row}</table>"
    cells = [p for p in contents("a.html", page.encode()) if p.text in ("33", "3")]
    assert [p.kind for p in cells] == ["count", "count", "text"]
    assert [release_check._counts_wrong(p, "", rules, set()) for p in cells[:2]] == [False, True]
