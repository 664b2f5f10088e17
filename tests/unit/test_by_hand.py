"""What is typed into a release by hand: every plant of a table is found, and prose is let through.

The files are small. That whole releases raise no false alarm stands in test_release_check.py.
"""

from __future__ import annotations

import dataclasses
import functools
import io
import re
import struct
import zipfile
import zlib

import docx
import openpyxl
import pytest

from drive_eval import disclosure
from drive_eval.disclosure.pieces import contents
from drive_eval.evaluation.by_hand import Allowed, Marks, days_in, typed_faults

MARK = "C00001-1"
MARKS = Marks({MARK, "V00001-1", "20311", "anna", "2024", "1-01"})
SAID = (
    "The figures describe 45 of 50 people.",
    "Counts of 1 to 7 are not shown, all other counts are rounded.",
    "Of the 4 types of abuse that were rated, 3 fell by more than a third.",
    "The police changed how they record on 1 April 2017.",
)
ALLOWED = Allowed(
    plan=("A fall in abuse among those who were referred", "2026-02-01"),
    days={(2026, 2, 1)},
    rules=disclosure.policy("opensafely"),
    hidden=frozenset({51, 3}),
)
W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


@functools.cache
def read(name, data):
    """Read a drawn file once for all its plants."""
    return tuple(contents(name, data))


def faults_of(name, data, drawn=b"", **changes):
    known = read(name, drawn) if drawn else ()
    allowed = dataclasses.replace(ALLOWED, drawn=known, **changes)
    return list(typed_faults(name, contents(name, data), allowed, MARKS))


def packed(data, changes):
    """Pack an office file anew with parts changed or added."""
    with zipfile.ZipFile(io.BytesIO(data)) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    for name, change in changes.items():
        parts[name] = change(parts[name]) if callable(change) else change
    new = io.BytesIO()
    with zipfile.ZipFile(new, "w") as pack:
        for name, body in parts.items():
            pack.writestr(name, body)
    return new.getvalue()


def chunk(kind, body):
    crc = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)


def png(*more):
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    dots = chunk(b"IDAT", zlib.compress(b"\0\0"))
    return b"\x89PNG\r\n\x1a\n" + head + dots + b"".join(more) + chunk(b"IEND", b"")


# --- Words -----------------------------------------------------------------------------

PEOPLE = "holds a number of people that the policy does not show"
SMALL = "holds a number as small as those that the policy hides"
DAY = "holds a date that the plan does not name"
PERSON = "holds the mark of a person of the study"
SHARE = "holds an exact percentage or share"

WORDS = {
    "Only 3 men started to use it.": PEOPLE,
    "3 women were referred again.": PEOPLE,
    "There were 3 clients in custody.": PEOPLE,
    "Three perpetrators moved away.": PEOPLE,
    "In all, five fathers left.": PEOPLE,
    "There were 3 violent men.": PEOPLE,
    "2 of them reoffended.": PEOPLE,
    "Two of whom are in prison.": PEOPLE,
    "n: 3 started": PEOPLE,
    "n = 6": PEOPLE,
    "n of 3": SMALL,
    "4/51 had it": PEOPLE,
    "3 out of 51": PEOPLE,
    "51 participants came.": PEOPLE,
    "Number of people who died: 4": PEOPLE,
    "The number of deaths was 12.": PEOPLE,
    "perpetrators in custody: ³": PEOPLE,
    "３ perpetrators in custody": PEOPLE,
    "3\u200b people": PEOPLE,
    "3men started": PEOPLE,
    "one perpetrator died": PEOPLE,
    "One of the men died.": PEOPLE,
    "Only one started.": PEOPLE,
    "One was arrested.": PEOPLE,
    "a couple of men": PEOPLE,
    "a single victim-survivor": PEOPLE,
    "Started: 3": SMALL,
    "Six stopped.": SMALL,
    "only 3\nmen started": SMALL,
    "7.84 % of the programme arm": SHARE,
    "The exact fall was 64.71 per cent.": SHARE,
    "a share of 0.6471": SHARE,
    "He was seen on 14.03.2019.": DAY,
    "He was seen on 14 Mar.": DAY,
    "He was seen on 14th March.": DAY,
    "He was seen on the 14th of March 2019.": DAY,
    "He was seen on March 14, 2019.": DAY,
    "He was seen on Mar. 14th.": DAY,
    "seen 14/03/19": DAY,
    "seen 3/14/2019": DAY,
    "seen 14-Mar-19": DAY,
    "seen 14Mar2019": DAY,
    "seen 2019-03-14T10:00": DAY,
    "seen 2019/3/14": DAY,
    "seen 20190314": DAY,
    "seen on Thursday the 14th": DAY,
    "the fourteenth of March": DAY,
    "on the twenty-first of June": DAY,
    "seen on 14 March\n2019": DAY,
    "14\u00a0March\u00a02019": DAY,
    "see c00001-1": PERSON,
    "see C00001\u20111": PERSON,
    "see C00001\u20131": PERSON,
    "see C00001-1_idva": PERSON,
    "see xC00001-1": PERSON,
    "see C000 01-1": PERSON,
    "see C00001.1": PERSON,
    "see C000\u200b01-1": PERSON,
    "see C00001-\n1": PERSON,
    "Case 20311 is": PERSON,
    "Anna said so": PERSON,
}


@pytest.mark.parametrize(("text", "sentence"), WORDS.items())
def test_words_that_could_be_about_one_person_are_found(text, sentence):
    found = faults_of("foreword.txt", text.encode())
    assert any(f"foreword.txt: line 1 {sentence}" in fault for fault in found), found
    # A sentence says where something stands, and never what.
    told = " ".join(found).casefold()
    for secret in (MARK.casefold(), "20311", "anna", "men", "arrested", "64.71", "2019"):
        assert not re.search(rf"\b{re.escape(secret)}\b", told)


PROSE = """\
This report was asked for by the board. It looks at what those who were referred did before and
after, and says how sure one can be. No one was asked for more than was recorded anyway, and
nobody may be named. One could wish for longer follow-up; each site has its own history.

We thank the case managers, the advocates and the police of all areas, who gave their time from
March 2019 onwards, in 2019/20 and later. Anna's Law does not exist. In section 3 and Table 2 the
report says what was found over 12 months, and on a scale of 0 to 10. Call 999 in an emergency,
at any hour, 24/7. The men may march again. The 2021 Act, part 2, names abuse.

“Of the 4 types of abuse that were rated, 3 fell by more than a third.” The figures describe 45 of
50 people, 67 of 100. It was written on 1 February 2026, and how the police record changed on
1 April 2017. Two groups were compared over two further years, both of them in full.
"""


def test_ordinary_prose_and_what_the_report_says_raise_no_alarm():
    words = PROSE.replace("Anna's Law does not exist. ", "").replace("both of them in full", "then")
    report = contents("report.txt", "\n".join(SAID).encode())
    joined = re.sub(r"(?<!\n)\n(?!\n)", " ", words)
    assert faults_of("foreword.md", joined.encode(), report=report) == []


def test_nothing_hidden_nothing_said_of_numbers():
    assert faults_of("foreword.txt", b"Only 3 men started.", rules=None) == []
    assert faults_of("foreword.txt", b"See C000 01-1.", rules=None) != []


def test_a_policy_without_rounding_asks_only_for_small_and_hidden_counts():
    rules = disclosure.policy("ons_acro")
    assert faults_of("a.txt", b"In all 52 men came.", rules=rules) == []
    assert faults_of("a.txt", b"In all 51 men came.", rules=rules) != []  # a count that is hidden
    assert faults_of("a.txt", b"In all nine men came.", rules=rules) != []
    assert faults_of("a.txt", b"In all nine men came.") != []  # not a multiple of 5
    assert faults_of("a.txt", b"In all ten men came.") == []


def test_marks_of_digits_or_letters_alone_stand_by_themselves():
    assert not MARKS.hide_in("channa masala, savanna; 120311 pounds, room 101, 2 031 1")
    assert MARKS.hide_in("ANNA.")
    assert MARKS.hide_in("no. 20311,")


@pytest.mark.parametrize(
    "text",
    [
        "in March 2019, and 2019/20",
        "version 3.12",
        "sections 4.2 and 5.1",
        "of 14 may need",
        "31/13/2019 or 30 February",
        "95 % of 20",
        "2019-2020",
        "a ratio of 1.2 (1.1 to 1.5)",
    ],
)
def test_what_is_no_day_is_not_read_as_one(text):
    assert list(days_in(text)) == []


def test_what_stood_in_the_drawn_file_may_stand_and_no_more_of_it():
    drawn = "\n".join(SAID).encode()
    edited = drawn.replace(b"describe", b"here describe")
    assert faults_of("a.txt", edited, drawn) == []
    assert faults_of("a.txt", drawn.replace(b"4 types", b"4 men"), drawn) != []
    cells = b"type,fall\nphysical,3\nsexual,4\n"
    assert faults_of("a.csv", cells, cells) == []
    assert faults_of("a.csv", cells + b"sexual,4\n", cells) != []
    assert faults_of("a.csv", cells.replace(b"sexual,4", b"sexual,3"), cells) != []


def test_the_name_of_a_file_is_searched_as_well():
    (fault,) = faults_of("C00001-1.txt", b"A word.")
    assert MARK not in fault


# --- Word ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def word():
    document = docx.Document()
    for sentence in SAID:
        document.add_paragraph(sentence)
    table = document.add_table(rows=2, cols=2)
    for cell, text in zip(
        [c for row in table.rows for c in row.cells], ["Type", "Fall", "physical", "3"], strict=True
    ):
        cell.text = text
    document.core_properties.author = ""
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def paragraph(*runs):
    inner = "".join(f'<w:r><w:t xml:space="preserve">{run}</w:t></w:r>' for run in runs)
    return f"<w:p>{inner}</w:p>"


def cells(*rows):
    inner = "".join(
        "<w:tr>" + "".join(f"<w:tc>{paragraph(cell)}</w:tc>" for cell in row) + "</w:tr>"
        for row in rows
    )
    return f"<w:tbl>{inner}</w:tbl>"


def styled(mark, text):
    return f"<w:p><w:r><w:rPr>{mark}</w:rPr><w:t>{text}</w:t></w:r></w:p>"


UNSEEN = "is in the file and not seen on the page"
BESIDE = "holds something that a program keeps beside the words"
CHANGED = 'w:id="9" w:author="A. Person" w:date="2025-03-01T10:00:00Z"'
BODY = {
    "case number in two runs": (paragraph("see C0000", "1-1"), PERSON),
    "count in two runs": (paragraph("3", " people started"), PEOPLE),
    "share in two runs": (paragraph("3 of", " 51"), PEOPLE),
    "date in two runs": (paragraph("14 Mar", "ch 2019"), DAY),
    "hyphen that does not break": (
        "<w:p><w:r><w:t>C00001</w:t><w:noBreakHyphen/><w:t>1</w:t></w:r></w:p>",
        PERSON,
    ),
    "insertion": (f"<w:p><w:ins {CHANGED}><w:r><w:t>added</w:t></w:r></w:ins></w:p>", UNSEEN),
    "deletion": (
        f"<w:p><w:del {CHANGED}><w:r><w:delText>gone</w:delText></w:r></w:del></w:p>",
        UNSEEN,
    ),
    "change of a style": (
        f"<w:p><w:pPr><w:pPrChange {CHANGED}/></w:pPr><w:r><w:t>as it was</w:t></w:r></w:p>",
        UNSEEN,
    ),
    "hidden text": (styled("<w:vanish/>", "not shown"), UNSEEN),
    "white text": (styled('<w:color w:val="FFFFFF"/>', "not shown"), UNSEEN),
    "tiny text": (styled('<w:sz w:val="2"/>', "not shown"), UNSEEN),
    "cell under people": (cells(("Started", "People"), ("moved", "3")), PEOPLE),
    "cell under a heading": (cells(("Started", "Moved"), ("all", "3")), SMALL),
    "label beside a cell": (
        cells(
            ("People", "3"),
        ),
        SMALL,
    ),
    "text box": (
        f"<w:p><w:r><w:txbxContent>{paragraph('3 men')}</w:txbxContent></w:r></w:p>",
        PEOPLE,
    ),
    "words read aloud": (
        '<w:p><w:r><w:drawing><x descr="3 men started"/></w:drawing></w:r></w:p>',
        PEOPLE,
    ),
}
PART = {
    "comment": (
        "word/comments.xml",
        f'<w:comments xmlns:w="{W}"><w:comment w:author="A. Person"/></w:comments>',
        "comments are not seen",
    ),
    "people who commented": (
        "word/people.xml",
        f'<w:people xmlns:w="{W}"><w:person w:author="A. Person"/></w:people>',
        "comments are not seen",
    ),
    "own property": (
        "docProps/custom.xml",
        '<Properties><property name="Reviewer"><v>A. Person</v></property></Properties>',
        BESIDE,
    ),
    "data beside the words": ("customXml/item9.xml", "<x>A. Person</x>", BESIDE),
    "packed file": ("word/embeddings/sheet.xml", "<x>3</x>", BESIDE),
    "footnote": (
        "word/footnotes.xml",
        f'<w:footnotes xmlns:w="{W}"><w:footnote>{paragraph("3 men")}</w:footnote></w:footnotes>',
        PEOPLE,
    ),
    "screenshot": ("word/media/image9.png", png(), "is a picture that was not drawn"),
    "marked part": ("word/theme/C00001-1.xml", "<x/>", PERSON),
}


@pytest.mark.parametrize(("plant", "sentence"), BODY.values(), ids=BODY)
def test_plants_in_a_document_are_found(word, plant, sentence):
    edited = packed(
        word,
        {
            "word/document.xml": lambda body: body.replace(
                b"<w:sectPr", plant.encode() + b"<w:sectPr", 1
            )
        },
    )
    found = faults_of("report.docx", edited, word)
    assert any(re.search(f"^report.docx › .*{sentence}", fault) for fault in found), found
    assert not re.search(r"A\. Person|not shown\b|added\b|C00001", " ".join(found))


@pytest.mark.parametrize(("part", "text", "sentence"), PART.values(), ids=PART)
def test_parts_beside_a_document_are_found(word, searched, part, text, sentence):
    found = searched("report.docx", packed(word, {part: text}), word)
    assert any(sentence in fault for fault in found), found
    assert "A. Person" not in " ".join(found)


@pytest.fixture
def searched():
    """Return what is said of a file, comments and properties included."""
    from drive_eval.evaluation.release_check import _searched

    def search(name, data, drawn=b""):
        everywhere = _searched({name: contents(name, data)}, None, None, MARKS)
        return [*everywhere, *faults_of(name, data, drawn)]

    return search


def test_a_document_saved_again_with_a_kinder_sentence_is_let_through(word):
    again = docx.Document(io.BytesIO(word))
    again.paragraphs[0].insert_paragraph_before("A foreword in plain words, by the board.")
    again.paragraphs[1].runs[0].text = SAID[0].replace("describe", "are of")
    file = io.BytesIO()
    again.save(file)
    assert faults_of("report.docx", file.getvalue(), word) == []


def test_pages_in_a_table_of_contents_are_no_counts(word):
    def heading(body):
        words = (paragraph("Who moved away") + paragraph("Who died")).encode()
        return body.replace(b"<w:sectPr", words + paragraph("Who died").encode() + b"<w:sectPr", 1)

    drawn = packed(word, {"word/document.xml": heading})

    def paged(words):
        def change(body):
            old = words.encode()
            return body.replace(b">" + old + b"<", b">" + old + b" 3<", 1)

        return faults_of("report.docx", packed(drawn, {"word/document.xml": change}), drawn)

    assert paged("Who died") == []
    assert paged("Who moved away") != []  # no heading: it stands but once


def test_a_picture_that_somebody_put_on_record_is_let_through(word):
    edited = packed(word, {"word/media/image9.png": png()})
    (dots,) = [p.text for p in contents("photo.png", png()) if p.kind == "picture"]
    assert faults_of("report.docx", edited, word, pictures={dots}) == []
    assert faults_of("photo.png", png()) == []


# --- Workbooks, pages, drawings, pictures, packs ----------------------------------------


@pytest.fixture(scope="module")
def book():
    file = io.BytesIO()
    made = openpyxl.Workbook()
    sheet = made.active
    for row in (("Type", "Fall", "Day"), ("physical", 30, "x"), ("sexual", 25, "y")):
        sheet.append(row)
    made.save(file)
    return file.getvalue()


def in_book(change):
    def plant(data):
        made = openpyxl.load_workbook(io.BytesIO(data))
        change(made)
        file = io.BytesIO()
        made.save(file)
        return file.getvalue()

    return plant


def set_cell(place, value, number_format="General"):
    def change(made):
        made.active[place] = value
        made.active[place].number_format = number_format

    return in_book(change)


def hide(place):
    def change(made):
        made.active["E9"] = "unseen"
        if place == "sheet":
            made.create_sheet("more").sheet_state = "veryHidden"
        elif place == "row":
            made.active.row_dimensions[9].hidden = True
        else:
            made.active.column_dimensions["E"].hidden = True

    return in_book(change)


def remark(made):
    made.active["A2"].comment = openpyxl.comments.Comment("he is in cell B2", "A. Person")


def name_it(made):
    made.defined_names["moved"] = openpyxl.workbook.defined_name.DefinedName(
        "moved", attr_text='"A. Person"'
    )


def add_part(name, text):
    return lambda data: packed(data, {name: text})


BOOKS = {
    "count": (set_cell("B4", 3), SMALL),
    "count under people": (
        in_book(lambda m: [m.active.append(r) for r in (("a", "People"), ("b", 3))]),
        PEOPLE,
    ),
    "case number": (set_cell("A4", "c00001_1"), PERSON),
    "date in words": (set_cell("C4", "14 Mar 2019"), DAY),
    "date as a number": (set_cell("C4", 43538, "dd/mm/yyyy"), DAY),
    "formula and what it gave": (set_cell("B4", "=SUM(B2:B3)"), "formula in B4 says"),
    "comment": (in_book(remark), "comment"),
    "hidden sheet": (hide("sheet"), UNSEEN),
    "hidden row": (hide("row"), UNSEEN),
    "hidden column": (hide("column"), UNSEEN),
    "defined name": (in_book(name_it), UNSEEN),
    "threaded comment": (
        add_part("xl/threadedComments/threadedComment1.xml", "<T><t>he</t></T>"),
        "comments are not seen",
    ),
    "people": (
        add_part("xl/persons/person.xml", "<P><p displayName='A. Person'/></P>"),
        "comments",
    ),
    "link to another book": (add_part("xl/externalLinks/externalLink1.xml", "<x>43</x>"), BESIDE),
    "cache": (add_part("xl/pivotCache/pivotCacheRecords1.xml", "<x>43</x>"), BESIDE),
    "own property": (add_part("docProps/custom.xml", "<P><v>A. Person</v></P>"), BESIDE),
    "picture": (add_part("xl/media/image1.png", png()), "is a picture that was not drawn"),
    "words of no cell": (
        add_part(
            "xl/sharedStrings.xml",
            '<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
            "<si><t>kept</t></si></sst>",
        ),
        UNSEEN,
    ),
}


@pytest.mark.parametrize(("plant", "sentence"), BOOKS.values(), ids=BOOKS)
def test_plants_in_a_workbook_are_found(book, searched, plant, sentence):
    found = searched("tables.xlsx", plant(book), book)
    assert any(f"{sentence}" in fault for fault in found), found
    assert not re.search(r"A\. Person|43538|C00001", " ".join(found))


PAGE = '<html><body><h1>A word</h1><p>45 of 50 people</p><svg><path d="M 1 2"/></svg></body></html>'
SHOT = "data:image/png;base64,"
PAGES = {
    "count": ("<p>3 <b>men</b></p>", PEOPLE),
    "case number in two spans": ("<p>C0000<span>1-1</span></p>", PERSON),
    "date over a break": ("<p>14 March<br>2019</p>", DAY),
    "cell": (
        "<table><tr><th>a</th><th>People</th></tr><tr><td>b</td><td>3</td></tr></table>",
        PEOPLE,
    ),
    "hidden attribute": ("<p hidden>kept</p>", UNSEEN),
    "not displayed": ('<div style="display: none"><p>kept</p></div>', UNSEEN),
    "hidden field": ('<input type="hidden" value="kept">', UNSEEN),
    "template": ("<template><p>kept</p></template>", UNSEEN),
    "style that hides": ("<style>p.x{visibility:hidden}</style>", UNSEEN),
    "data attribute": ('<p data-case="kept">A word</p>', UNSEEN),
    "comment": ("<!-- kept -->", "comments are not seen"),
    "words read aloud": ('<img alt="3 men">', PEOPLE),
    "screenshot": ('<img alt="x" src="data:image/png;base64,PNG">', "is a picture that was not"),
    "screenshot in a style": (
        "<p style=\"background:url('data:image/png;base64,PNG')\">a</p>",
        "is a picture",
    ),
    "lines": ('<svg><path d="M 3 4 L 5 6"/></svg>', "lines that were not drawn"),
    "invisible words of a drawing": ('<svg><text opacity="0">kept</text></svg>', UNSEEN),
}


@pytest.mark.parametrize(("plant", "sentence"), PAGES.values(), ids=PAGES)
def test_plants_in_a_page_are_found(searched, plant, sentence):
    import base64

    plant = plant.replace("PNG", base64.b64encode(png()).decode("ascii"))
    edited = PAGE.replace("</body>", f"{plant}</body>").encode()
    found = searched("summary.html", edited, PAGE.encode())
    assert any(sentence in fault for fault in found), found
    assert searched("summary.html", PAGE.encode(), PAGE.encode()) == []


DRAWING = '<svg xmlns="http://www.w3.org/2000/svg"><text>Users</text><text>3</text></svg>'
DRAWINGS = {
    "metadata": ("<metadata>A. Person</metadata>", "says who or what made"),
    "comment": ("<!-- kept -->", "comments are not seen"),
    "count in two spans": ("<text>3 <tspan>men</tspan></text>", PEOPLE),
    "a number more": ("<text>3</text>", SMALL),
    "not displayed": ('<g display="none"><text>kept</text></g>', UNSEEN),
    "without a fill": ('<text fill="none">kept</text>', UNSEEN),
    "never drawn": ("<defs><text>kept</text></defs>", UNSEEN),
    "picture": (f'<image href="{SHOT}PNG"/>', "is a picture that was not drawn"),
}


@pytest.mark.parametrize(("plant", "sentence"), DRAWINGS.values(), ids=DRAWINGS)
def test_plants_in_a_drawing_are_found(searched, plant, sentence):
    import base64

    plant = plant.replace("PNG", base64.b64encode(png()).decode("ascii"))
    edited = DRAWING.replace("</svg>", f"{plant}</svg>").encode()
    found = searched("charts/flow.svg", edited, DRAWING.encode())
    assert any(sentence in fault for fault in found), found


def jpeg(*segments, after=b""):
    body = b"".join(bytes([0xFF, m]) + struct.pack(">H", len(b) + 2) + b for m, b in segments)
    return b"\xff\xd8" + body + b"\xff\xda\x00\x02dots\xff\xd9" + after


def pack_of(comment=b"", before=b"", remark_of=b"", extra=b""):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as pack:
        info = zipfile.ZipInfo("a.txt")
        info.comment, info.extra = remark_of, extra
        pack.writestr(info, "a word")
        pack.comment = comment
    return before + file.getvalue()


FILES = {
    "text of a picture": ("a.png", png(chunk(b"tEXt", b"Author\0A. Person")), "says who"),
    "packed text of a picture": (
        "a.png",
        png(chunk(b"zTXt", b"C\0\0" + zlib.compress(b"A. Person"))),
        "says who",
    ),
    "Exif of a picture": ("a.png", png(chunk(b"eXIf", b"MM\0*")), "says who"),
    "after a picture": ("a.png", png() + b"A. Person", "says who"),
    "comment of a photograph": ("a.jpg", jpeg((0xFE, b"A. Person")), "says who"),
    "Exif of a photograph": ("a.jpg", jpeg((0xE1, b"Exif\0\0MM\0*Person")), "says who"),
    "place of a photograph": ("a.jpg", jpeg((0xE1, b"Exif\0\0MM\0*\0\1")), BESIDE),
    "after a photograph": ("a.jpg", jpeg(after=b"A. Person"), "says who"),
    "no photograph": ("a.jpg", b"A. Person", "cannot be read"),
    "comment of a pack": ("a.zip", pack_of(comment=b"A. Person"), "comments are not seen"),
    "comment of a packed file": ("a.zip", pack_of(remark_of=b"A. Person"), "comments are not seen"),
    "before a pack": ("a.zip", pack_of(before=b"A. Person"), "says who"),
    "beside a packed file": (
        "a.zip",
        pack_of(extra=b"\xfe\xca\x06\0Person"),
        "comments are not seen",
    ),
    "author of a text": (
        "a.odt",
        packed(pack_of(), {"meta.xml": "<m><initial-creator>A. Person</initial-creator></m>"}),
        "says who",
    ),
    "remark in a text": (
        "a.odt",
        packed(
            pack_of(),
            {
                "content.xml": '<o:t xmlns:o="urn:oasis:office" xmlns:p="urn:oasis:text"><p:p>a'
                "<o:annotation><p:p>A. Person</p:p></o:annotation></p:p></o:t>"
            },
        ),
        "comments are not seen",
    ),
    "count in a text": (
        "a.odt",
        packed(
            pack_of(),
            {
                "content.xml": '<o:t xmlns:o="urn:oasis:office" xmlns:p="urn:oasis:text"><p:p>3 '
                "<p:span>men</p:span></p:p></o:t>"
            },
        ),
        PEOPLE,
    ),
    "notes of a speaker": (
        "a.pptx",
        packed(pack_of(), {"ppt/notesSlides/notesSlide1.xml": "<notes><t>kept</t></notes>"}),
        UNSEEN,
    ),
    "hidden slide": (
        "a.pptx",
        packed(pack_of(), {"ppt/slides/slide1.xml": '<sld show="0"><t>kept</t></sld>'}),
        UNSEEN,
    ),
    "a file of another kind": ("a.pdf", b"%PDF-1.7", "cannot be read"),
}


@pytest.mark.parametrize(("name", "data", "sentence"), FILES.values(), ids=FILES)
def test_plants_in_other_files_are_found(searched, name, data, sentence):
    found = searched(name, data)
    assert any(sentence in fault for fault in found), found
    assert "Person" not in " ".join(found)
