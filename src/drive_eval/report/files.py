"""Files that say nothing but the results: no clock, no machine, the same bytes every time."""

from __future__ import annotations

import io
import re
import zipfile
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import matplotlib as mpl

from drive_eval.report.drawing import STYLE

if TYPE_CHECKING:
    from drive_eval.report.drawing import Chart

__all__ = ["svg_picture", "timeless"]

CORE = "docProps/core.xml"
#: The earliest date that a zip can hold; it stands for none.
NO_DATE = (1980, 1, 1, 0, 0, 0)
#: Letters stay letters, so that they can be searched, read aloud and translated.
SVG_STYLE: Any = {**STYLE, "svg.fonttype": "none", "svg.hashsalt": "drive_eval"}
#: DejaVu Sans is wide, so that in its place each of these fits; Verdana is of the same width.
FONTS = "'DejaVu Sans', Verdana, 'Segoe UI', Arial, sans-serif"


def timeless(packed: bytes) -> bytes:
    """Return an office file, which is a zip, without any time at which it or a part was written.

    Parameters
    ----------
    packed : bytes
        A docx or xlsx file.

    Returns
    -------
    bytes
        The same parts in the same order, all dated 1 January 1980.
    """
    written = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(packed)) as old,
        zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            part = zipfile.ZipInfo(name, NO_DATE)
            part.compress_type = zipfile.ZIP_DEFLATED
            part.create_system = 3  # else the file tells on which kind of machine it was made
            content = old.read(name)
            new.writestr(part, _properties(content) if name == CORE else content)
    return written.getvalue()


def _properties(content: bytes) -> bytes:
    """Return the properties of an office file without dates, in British English."""
    text = re.sub(r"<dcterms:(created|modified)\b.*?</dcterms:\1>", "", content.decode("utf-8"))
    if "<dc:language>" not in text:
        text = text.replace(
            "</cp:coreProperties>", "<dc:language>en-GB</dc:language></cp:coreProperties>"
        )
    return text.encode("utf-8")


def svg_picture(chart: Chart) -> bytes:
    """Return a chart as SVG with its title and its words inside, and no other metadata.

    Parameters
    ----------
    chart : Chart
        Drawn from released results only, so that its lines give nothing back.

    Returns
    -------
    bytes
    """
    written = io.BytesIO()
    nothing: Any = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with mpl.rc_context(SVG_STYLE):
        chart.figure.savefig(written, format="svg", metadata=nothing)
    text = written.getvalue().decode("utf-8")
    # The document type names a page on the web, which a careful reader would ask for.
    text = re.sub(r"<!DOCTYPE.*?>\s*", "", text, flags=re.S)
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text, flags=re.S)
    text = text.replace("'DejaVu Sans'", FONTS)
    words = (
        f' role="img" aria-labelledby="title words">\n <title id="title">{escape(chart.headline)}'
        f'</title>\n <desc id="words">{escape(chart.alt_text)}</desc>'
    )
    text = re.sub(r"(<svg\b[^>]*)>", lambda found: found[1] + words, text, count=1)
    return text.encode("utf-8")
