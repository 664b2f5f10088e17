"""The report as an editable Word file: the sections of the page, in their order."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

import docx
from docx.enum.text import WD_ALIGN_PARAGRAPH, WD_TAB_ALIGNMENT, WD_TAB_LEADER
from docx.oxml import OxmlElement, parse_xml
from docx.oxml.ns import nsdecls, qn
from docx.shared import Cm, Pt, RGBColor

from drive_eval.report import tables
from drive_eval.report.files import timeless
from drive_eval.report.forms import Form, forms_for
from drive_eval.report.placing import all_hidden, hidden_words, where_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drive_eval.report.drawing import Chart
    from drive_eval.report.tables import Table
    from drive_eval.results import Evaluation

__all__ = ["word_report"]

ABOUT = "About this evaluation"
BLUE, INK, GREY = RGBColor(0x12, 0x43, 0x6D), RGBColor(0x1A, 0x1A, 0x1A), RGBColor(0x3D, 0x3D, 0x3D)
#: Width between the margins, in centimetres.
TEXT_WIDTH = 17.0
#: Height that a picture may have, in centimetres.
TALLEST = 13.0
FONT = "Arial"


def word_report(
    evaluation: Evaluation, sections: Sequence[Mapping[str, Any]], pictures: Mapping[str, bytes]
) -> bytes:
    """Return the report as a Word file.

    Parameters
    ----------
    evaluation : Evaluation
        Released.
    sections : sequence of dict
        As laid out for the page.
    pictures : mapping of str to bytes
        Each chart by its name: PNG without its title, which is a heading here.

    Returns
    -------
    bytes
        The same for the same results: no clock, no machine.
    """
    document = _blank(evaluation)
    plan = evaluation.plan
    document.add_paragraph(plan["evaluation"]["title"], style="Title")
    document.add_paragraph(plan["evaluation"]["programme"], style="Subtitle")
    document.add_paragraph(f"Status: {plan['evaluation']['status']}")
    support = plan["report"]["support"]
    if support:
        _boxed(document, "", support, fill="FFF5D6", edge="8A6100")
    counter = _Counter()
    first, *others = sections
    _section(document, first, pictures, counter, evaluation)
    _contents(document, [section["heading"] for section in others])
    for number, section in enumerate(others, start=1):
        if section["id"] == "forms":
            asked = forms_for(str(evaluation.plan["design"]["kind"]))
            _forms(document, section["heading"], asked, counter, number=number)
        else:
            _section(document, section, pictures, counter, evaluation, number=number)
    if support:
        _boxed(document, "", support, fill="FFF5D6", edge="8A6100")
    document.add_paragraph(
        "Made with drive_eval from the plan and the data named above. The figures describe groups "
        "and must not be used for decisions about any person."
    )
    return _packed(document)


class _Counter:
    """Numbers charts and tables as Word's own captions do, and bookmarks without repeats."""

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}

    def next(self, kind: str) -> int:
        self.seen[kind] = self.seen.get(kind, 0) + 1
        return self.seen[kind]


def _packed(document: Any) -> bytes:
    written = io.BytesIO()
    document.save(written)
    return timeless(written.getvalue())


def _blank(evaluation: Evaluation) -> Any:
    """Return an empty A4 document in British English, with styles, properties and a footer."""
    document: Any = docx.Document()
    about = evaluation.plan["evaluation"]
    page = document.sections[0]
    page.page_width, page.page_height = Cm(21.0), Cm(29.7)
    page.left_margin = page.right_margin = Cm(2.0)
    page.top_margin, page.bottom_margin = Cm(1.7), Cm(1.6)
    _styles(document)
    core = document.core_properties
    core.title, core.subject = about["title"], about["question"]
    core.author = ", ".join(about["authors"])
    core.language, core.category, core.keywords = "en-GB", "Evaluation report", ""
    core.comments = core.last_modified_by = ""
    footer = page.footer.paragraphs[0]
    footer.alignment = WD_ALIGN_PARAGRAPH.RIGHT
    footer.add_run(f"{about['title']}, {about['status']}. Page ")
    _field(footer, "PAGE", "1")
    footer.add_run(" of ")
    _field(footer, "NUMPAGES", "1")
    for run in footer.runs:
        run.font.size, run.font.color.rgb = Pt(8.5), GREY
    return document


def _styles(document: Any) -> None:
    styles = document.styles
    for lang in styles.element.iter(qn("w:lang")):
        lang.set(qn("w:val"), "en-GB")
    looks = {
        "Normal": (10, INK, 0, 4, False),
        "Title": (22, BLUE, 0, 4, True),
        "Subtitle": (12, GREY, 0, 6, False),
        "Heading 1": (15, BLUE, 14, 4, True),
        "Heading 2": (11.5, INK, 8, 2, True),
        "Heading 3": (11, INK, 10, 2, True),
        "Caption": (8.5, GREY, 2, 5, False),
        "List Bullet": (10, INK, 0, 2, False),
        "Quote": (9.5, GREY, 3, 5, False),
    }
    for name, (size, colour, before, after, bold) in looks.items():
        style = styles[name]
        style.font.name, style.font.size, style.font.color.rgb = FONT, Pt(size), colour
        style.font.bold, style.font.italic = bold, False
        fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
        for kind in ("asciiTheme", "hAnsiTheme", "eastAsiaTheme", "cstheme"):
            fonts.attrib.pop(qn(f"w:{kind}"), None)
        for kind in ("ascii", "hAnsi", "cs"):
            fonts.set(qn(f"w:{kind}"), FONT)
        style.paragraph_format.space_before = Pt(before)
        style.paragraph_format.space_after = Pt(after)
        style.paragraph_format.keep_with_next = name.startswith("Heading")
    for spacing in list(styles["Subtitle"].element.iter(qn("w:rPr"))):
        for letter in spacing.findall(qn("w:spacing")):
            spacing.remove(letter)
    for border in list(styles["Title"].element.iter(qn("w:pBdr"))):
        border.getparent().remove(border)


def _section(
    document: Any,
    section: Mapping[str, Any],
    pictures: Mapping[str, bytes],
    counter: _Counter,
    evaluation: Evaluation,
    *,
    number: int = 0,
) -> None:
    """Write one section: words, charts, tables; on the page charts come before their words."""
    summary = section["id"] == "summary"
    heading = document.add_heading(section["heading"], level=1)
    if number:
        _bookmark(heading, _anchor(number), number)
    if not summary:
        _alerts(document, section)
    if summary:
        if section["message"]:
            _boxed(document, section["message"], "", fill="F3F5F7", edge="12436D")
        if section["under"]:
            document.add_paragraph(section["under"])
        _tables(document, section["tables"], counter)
        _bullets(document, section["points"])
    for line in section["text"]:
        document.add_paragraph(line)
    if summary:
        _alerts(document, section)
        document.add_heading(ABOUT, level=2)
        front = tuple(tables.front_box(evaluation))
        _table(document, tables.Table(caption=ABOUT, header=("What", "Answer"), rows=front))
        return
    _tables(document, section["first"], counter)
    if section["methods"]:
        document.add_heading("In words for a methods section", level=2)
        document.add_paragraph(section["methods"], style="Quote")
    # Words before charts: they fill what a chart that goes onto the next page leaves empty.
    _bullets(document, section["points"])
    for lead, lines in section["lists"]:
        document.add_heading(lead, level=2)
        _bullets(document, lines)
    for lead, lines in section["findings"]:
        paragraph = document.add_paragraph()
        paragraph.add_run(f"{lead}. ").bold = True
        paragraph.add_run(" ".join(lines))
    for chart in section["charts"]:
        _chart(document, chart, pictures[chart.name], counter)
    _tables(document, section["tables"], counter)
    _bullets(document, section["after"])


def _alerts(document: Any, section: Mapping[str, Any]) -> None:
    for lead, line in section["alerts"]:
        _boxed(document, lead, line, fill="FBF1F6", edge="801650")


def _bullets(document: Any, lines: Sequence[str]) -> None:
    for place, line in enumerate(lines):
        paragraph = document.add_paragraph(line, style="List Bullet")
        if not place:
            paragraph.paragraph_format.space_before = Pt(6)  # it may follow a table


def _chart(document: Any, chart: Chart, picture: bytes, counter: _Counter) -> None:
    document.add_heading(chart.headline, level=2)
    subtitle = document.add_paragraph(chart.subtitle)
    subtitle.paragraph_format.keep_with_next = True
    holder = document.add_paragraph()
    holder.paragraph_format.keep_with_next = True
    shape = holder.add_run().add_picture(io.BytesIO(picture), width=Cm(TEXT_WIDTH))
    if shape.height > Cm(TALLEST):
        # A tall picture would leave half of the page before it empty.
        shape.width = round(shape.width * Cm(TALLEST) / shape.height)
        shape.height = Cm(TALLEST)
    number = counter.next("Chart")
    words = shape._inline.docPr
    words.set("name", f"Chart {number}")
    words.set("title", chart.headline)
    words.set("descr", chart.alt_text)
    _caption(document, "Chart", number, chart.caption)


def _caption(document: Any, kind: str, number: int, words: str, *, above: bool = False) -> None:
    """Write a caption with Word's own number field, so that lists of charts can be made."""
    paragraph = document.add_paragraph(f"{kind} ", style="Caption")
    _field(paragraph, f"SEQ {kind} \\* ARABIC", str(number))
    paragraph.add_run(f". {words}")
    if above:
        paragraph.paragraph_format.keep_with_next = True
        paragraph.paragraph_format.space_before = Pt(10)
        paragraph.paragraph_format.space_after = Pt(3)
        for run in paragraph.runs:
            run.bold = True
            run.font.color.rgb = INK


def _tables(document: Any, shown: Sequence[Table], counter: _Counter) -> None:
    for table in shown:
        # Numbered as the sheets of the workbook are, so a table that is only there counts too.
        number = counter.next("Table")
        if all_hidden(table):
            _caption(document, "Table", number, hidden_words(table))
            continue
        if table.annex:
            _caption(document, "Table", number, f"{table.caption}. {where_words(table)}.")
            continue
        _caption(document, "Table", number, table.caption, above=True)
        _table(document, table)
        if table.note:
            document.add_paragraph(table.note, style="Caption")


def _table(document: Any, table: Table, *, widths: Sequence[float] = ()) -> None:
    """Write a table whose first row is marked as its head and is repeated on every page.

    ``widths`` are given for a form alone, whose blank fields need lines around them.
    """
    columns = len(table.header)
    size = 9 if columns <= 4 else 8.5 if columns <= 6 else 7.5
    spread = list(widths) or _widths(table, size)
    cells = [_row(table.header, spread, size, head=True)]
    cells += [_row(row, spread, size) for row in table.rows]
    grid = "".join(f'<w:gridCol w:w="{_twips(width)}"/>' for width in spread)
    rule = 'w:val="single" w:space="0" w:color="B1B4B6"'
    upright = f'<w:insideV w:sz="4" {rule}/>' if widths else ""
    around = "".join(f'<w:{side} w:sz="4" {rule}/>' for side in ("top", "left")) if widths else ""
    last = f'<w:right w:sz="4" {rule}/>' if widths else ""
    left = 90 if widths else 0
    element = parse_xml(
        f"<w:tbl {nsdecls('w')}><w:tblPr>"
        f'<w:tblW w:w="{_twips(sum(spread))}" w:type="dxa"/>'
        f'<w:tblBorders>{around}<w:bottom w:sz="6" {rule}/>{last}<w:insideH w:sz="4" {rule}/>'
        f'{upright}</w:tblBorders><w:tblLayout w:type="fixed"/>'
        f'<w:tblCellMar><w:left w:w="{left}" w:type="dxa"/>'
        '<w:right w:w="90" w:type="dxa"/></w:tblCellMar>'
        '<w:tblLook w:val="00A0" w:firstRow="1" w:lastRow="0" w:firstColumn="1" w:lastColumn="0" '
        'w:noHBand="1" w:noVBand="1"/>'
        f"<w:tblCaption w:val={quoteattr(table.caption)}/>"
        f"<w:tblDescription w:val={quoteattr(_description(table))}/></w:tblPr>"
        f"<w:tblGrid>{grid}</w:tblGrid>{''.join(cells)}</w:tbl>"
    )
    document.element.body.insert_element_before(element, "w:sectPr")


def _description(table: Table) -> str:
    heads = ", ".join(table.header)
    return f"{len(table.rows)} rows. Columns: {heads}. {table.note}".strip()


def _row(row: Sequence[str], widths: Sequence[float], size: float, *, head: bool = False) -> str:
    cells = []
    for place, (text, width) in enumerate(zip(row, widths, strict=True)):
        bold = "<w:b/>" if head or place == 0 else ""
        edge = (
            '<w:tcBorders><w:bottom w:val="single" w:sz="10" w:space="0" w:color="1A1A1A"/>'
            "</w:tcBorders>"
        )
        cells.append(
            f'<w:tc><w:tcPr><w:tcW w:w="{_twips(width)}" w:type="dxa"/>{edge if head else ""}'
            '</w:tcPr><w:p><w:pPr><w:spacing w:before="20" w:after="20"/></w:pPr><w:r><w:rPr>'
            f'{bold}<w:sz w:val="{round(2 * size)}"/></w:rPr>'
            f'<w:t xml:space="preserve">{escape(_breakable(text))}</w:t></w:r></w:p></w:tc>'
        )
    marks = "<w:cantSplit/>" + ("<w:tblHeader/>" if head else "")
    return f"<w:tr><w:trPr>{marks}</w:trPr>{''.join(cells)}</w:tr>"


def _breakable(text: str) -> str:
    """Let a hash, which has no space to break at, go on in the next line."""
    if re.fullmatch(r"[0-9a-f]{64}", text):
        return f"{text[:32]}\u200b{text[32:]}"
    return text


def _widths(table: Table, size: float) -> list[float]:
    """Give each column its longest word, and share out the rest by the length of its texts."""
    words, lengths = [], []
    for column in range(len(table.header)):
        texts = [_breakable(row[column]) for row in table.rows]
        head = table.header[column]
        longest = max(len(w) for text in (*texts, head, "-") for w in re.split(r"[\s\u200b]", text))
        # An average letter of Arial is about half as wide as the type is high; bold is wider.
        letter = 0.0215 * size
        # A head of more than four lines would stand taller than its column.
        words.append(letter * max(min(longest, 34), len(head) / 4 + 2) + 0.35)
        lengths.append(max(len(text) for text in (*texts, head[:24])) ** 0.75)
    spare = TEXT_WIDTH - sum(words)
    if spare <= 0:
        return [TEXT_WIDTH * word / sum(words) for word in words]
    return [
        word + spare * length / sum(lengths) for word, length in zip(words, lengths, strict=True)
    ]


def _twips(centimetres: float) -> int:
    return round(centimetres * 567)


def _forms(
    document: Any, title: str, asked: Sequence[Form], counter: _Counter, *, number: int
) -> None:
    heading = document.add_heading(title, level=1)
    heading.paragraph_format.page_break_before = True
    _bookmark(heading, _anchor(number), number)
    document.add_paragraph(
        "These judgements are for people, not for a program. The forms are blank: fill them in "
        "here, and leave out what does not apply."
    )
    for form in asked:
        document.add_heading(form.title, level=2)
        for line in (form.version, *form.introduction):
            document.add_paragraph(line)
        _caption(document, "Table", counter.next("Table"), f"{form.title}: blank", above=True)
        _table(
            document,
            tables.Table(caption=f"{form.title}: blank", header=form.header, rows=form.rows),
            widths=_form_widths(form),
        )
        document.add_paragraph(form.source, style="Caption")


def _form_widths(form: Form) -> list[float]:
    return [3.2, 5.2, 8.6] if len(form.header) == 3 else [3.2, 5.4, 2.6, 5.8]


def _contents(document: Any, headings: Sequence[str]) -> None:
    """Write a list of the sections, each a link with a page number that Word fills."""
    paragraph = document.add_paragraph()
    paragraph.add_run("Contents").bold = True
    paragraph.paragraph_format.space_before = Pt(14)
    paragraph.paragraph_format.keep_with_next = True
    for number, heading in enumerate(headings, start=1):
        line = document.add_paragraph()
        line.paragraph_format.space_after = Pt(1)
        line.paragraph_format.tab_stops.add_tab_stop(
            Cm(TEXT_WIDTH), WD_TAB_ALIGNMENT.RIGHT, WD_TAB_LEADER.DOTS
        )
        link = OxmlElement("w:hyperlink")
        link.set(qn("w:anchor"), _anchor(number))
        link.set(qn("w:history"), "1")
        run = line.add_run(heading)
        run.font.color.rgb, run.font.underline = BLUE, True
        link.append(run._r)
        line._p.append(link)
        line.add_run("\t")
        _field(line, f"PAGEREF {_anchor(number)} \\h", "", dirty=True)


def _anchor(number: int) -> str:
    return f"_Toc{number:08d}"


def _bookmark(paragraph: Any, name: str, number: int) -> None:
    start, end = OxmlElement("w:bookmarkStart"), OxmlElement("w:bookmarkEnd")
    for mark in (start, end):
        mark.set(qn("w:id"), str(number))
    start.set(qn("w:name"), name)
    paragraph._p.insert(1 if paragraph._p.pPr is not None else 0, start)
    paragraph._p.append(end)


def _field(paragraph: Any, code: str, shown: str, *, dirty: bool = False) -> None:
    """Add a field that Word keeps up to date, with what it shows until then.

    A dirty one is worked out when the file is opened.
    """
    for kind, text in (("begin", ""), ("", code), ("separate", ""), ("shown", shown), ("end", "")):
        run = paragraph.add_run(text if kind == "shown" else "")
        if kind in ("begin", "separate", "end"):
            mark = OxmlElement("w:fldChar")
            mark.set(qn("w:fldCharType"), kind)
            if dirty and kind == "begin":
                mark.set(qn("w:dirty"), "true")
            run._r.append(mark)
        elif not kind:
            instruction = OxmlElement("w:instrText")
            instruction.set(qn("xml:space"), "preserve")
            instruction.text = f" {text} "
            run._r.append(instruction)


def _boxed(document: Any, lead: str, line: str, *, fill: str, edge: str) -> None:
    paragraph = document.add_paragraph()
    if lead:
        paragraph.add_run(f"{lead} " if line else lead).bold = True
    if line:
        paragraph.add_run(line)
    properties = paragraph._p.get_or_add_pPr()
    properties.insert_element_before(
        parse_xml(
            f"<w:pBdr {nsdecls('w')}>"
            f'<w:left w:val="single" w:sz="36" w:space="6" w:color="{edge}"/></w:pBdr>'
        ),
        "w:shd", "w:tabs", "w:spacing", "w:ind", "w:jc", "w:rPr",
    )  # fmt: skip
    properties.insert_element_before(
        parse_xml(f'<w:shd {nsdecls("w")} w:val="clear" w:color="auto" w:fill="{fill}"/>'),
        "w:tabs", "w:spacing", "w:ind", "w:jc", "w:rPr",
    )  # fmt: skip
