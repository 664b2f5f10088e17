"""What all charts share: colours, the title that is saved with a picture, bars with hidden parts.

Colours are the Government Analysis Function's (dark blue, orange, dark grey, turquoise, dark
pink). Every filled part has a dark outline and a white gap to the next, since four steps of
3:1 do not fit between white and black; parts carry their words or numbers; a part that may not
be shown is dotted. Nothing is told by colour alone.
"""

from __future__ import annotations

import io
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from PIL import Image

from drive_eval.report.sentences import arm_label, out_of_100
from drive_eval.vocabulary import label

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from matplotlib.axes import Axes

__all__ = [
    "ARM_COLOURS",
    "ARM_MARKERS",
    "DARK_GREY",
    "DOTS",
    "GAP",
    "HIDDEN_NOTE",
    "OUTLINE",
    "STYLE",
    "TOO_FEW",
    "Chart",
    "Places",
    "beside",
    "headings",
    "hidden_bar",
    "hidden_patch",
    "legend_patch",
    "new_figure",
    "part",
    "percent",
    "pictures",
    "place",
    "row_lines",
    "shown_count",
    "whole",
    "wrapped",
]

DARK_BLUE, TURQUOISE, DARK_PINK, ORANGE, DARK_GREY = (
    "#12436D",
    "#28A197",
    "#801650",
    "#F46A25",
    "#3D3D3D",
)
ARM_COLOURS = {"programme": DARK_BLUE, "comparison": ORANGE}
ARM_MARKERS = {"programme": "o", "comparison": "s"}
#: Around every filled part.
OUTLINE = "#1A1A1A"
#: The dots of a part that may not be shown.
DOTS = "#595959"
#: White space between neighbours, in people of 100.
GAP = 0.7
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": DARK_GREY,
    "axes.labelcolor": DARK_GREY,
    "xtick.color": DARK_GREY,
    "ytick.color": DARK_GREY,
    "text.color": "#1A1A1A",
    "axes.grid": False,
    "hatch.linewidth": 0.8,
    "figure.dpi": 150,
}
WIDTH = 8.6
#: No smaller type: it stays above 9 pixels where the page shows a chart at its least width.
SMALL = 9
#: What stands where a number is hidden. Most are hidden so that others cannot be worked out from
#: them, and have many people: "too few" would be untrue.
TOO_FEW = "not shown, so that nobody can be recognised"
#: The same beneath a chart or a table.
HIDDEN_NOTE = f"[c]: {TOO_FEW} (few people, or it would give a small number away)."


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A figure, the released table behind it, and the same in words.

    Attributes
    ----------
    name : str
        File stem.
    headline, subtitle : str
        The message, and what is shown, of whom and when.
    figure : matplotlib Figure
        With the headline and the subtitle in its topmost part.
    title_height : float
        Height of that part, in inches.
    data : DataFrame
        What is drawn; saved as CSV beside the picture.
    alt_text : str
        For readers who do not see the picture.
    caption : str
        Source, counts and what the interval is.
    """

    name: str
    headline: str
    subtitle: str
    figure: Figure
    title_height: float
    data: pd.DataFrame
    alt_text: str
    caption: str


def new_figure(headline: str, subtitle: str, height: float) -> tuple[Figure, float]:
    """Return a figure with its title written on top, and the height of the title in inches."""
    first = textwrap.wrap(headline, 74, break_on_hyphens=False)
    second = textwrap.wrap(subtitle, 112, break_on_hyphens=False)
    title = 0.26 + 0.25 * len(first) + 0.19 * len(second)
    total = height + title
    figure = Figure(figsize=(WIDTH, total), layout="constrained")
    engine: Any = figure.get_layout_engine()
    engine.set(rect=(0, 0, 1, height / total))
    left = 0.1 / WIDTH
    figure.text(
        left, 1 - 0.1 / total, "\n".join(first), ha="left", va="top", fontsize=13,
        fontweight="bold", linespacing=1.25,
    )  # fmt: skip
    figure.text(
        left, 1 - (0.16 + 0.25 * len(first)) / total, "\n".join(second), ha="left", va="top",
        fontsize=10, color=DARK_GREY, linespacing=1.25,
    )  # fmt: skip
    return figure, title


def pictures(chart: Chart, *, dpi: float | None = None) -> tuple[bytes, bytes]:
    """Return the chart as PNG with its title, and without it for a page that has headings.

    ``dpi`` is the number of dots an inch; that of the figure when left out.
    """
    usual = chart.figure.dpi
    dots = dpi or usual
    with mpl.rc_context(STYLE):
        chart.figure.set_dpi(dots)
        canvas: Any = FigureCanvasAgg(chart.figure)
        canvas.draw()
        chart.figure.set_dpi(usual)
    drawn = np.asarray(canvas.buffer_rgba())
    cut = round(chart.title_height * dots)
    return _png(drawn, dots), _png(drawn[cut:], dots)


def _png(drawn: np.ndarray[Any, Any], dpi: float) -> bytes:
    buffer = io.BytesIO()
    # Without the layer of transparency, and packed with little effort: half the time. Nothing is
    # said of library, date or path: the file must hold nothing but the chart.
    opaque = Image.fromarray(np.ascontiguousarray(drawn[..., :3]))
    opaque.save(buffer, format="png", dpi=(dpi, dpi), compress_level=3)
    return buffer.getvalue()


def wrapped(words: str, width: int = 18) -> str:
    r"""Break a name into short lines, inside a word where the word is longer than a line.

    Examples
    --------
    >>> wrapped("Usual care without any work")
    'Usual care without\nany work'
    """
    return textwrap.fill(words, width)


@dataclass(frozen=True, slots=True)
class Places:
    """Where the rows of a chart stand, in inches from its top.

    Attributes
    ----------
    rows : tuple of float
        Middle of each row.
    heads : dict
        Abuse type to the middle of its heading.
    height : float
        Of everything.
    """

    rows: tuple[float, ...]
    heads: dict[str, float]
    height: float


def place(rows: Sequence[Mapping[str, Any]], height: float | Sequence[float]) -> Places:
    """Stack rows of one height, or each of its own; a heading where another abuse type begins."""
    heights = [height] * len(rows) if isinstance(height, float) else list(height)
    middles: list[float] = []
    heads: dict[str, float] = {}
    y = 0.0
    for row, tall in zip(rows, heights, strict=True):
        if row["abuse_type"] not in heads:
            y += 0.1 if heads else 0.0
            heads[row["abuse_type"]] = y + 0.17
            y += 0.32
        middles.append(y + tall / 2)
        y += tall
    return Places(tuple(middles), heads, y + 0.08)


def headings(axes: Axes, places: Places) -> None:
    """Write the abuse types above their rows and fix the vertical scale."""
    for kind, y in places.heads.items():
        axes.annotate(
            label(kind),
            (0, y),
            xycoords=("axes fraction", "data"),
            ha="left",
            va="center",
            fontweight="bold",
            fontsize=10.5,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
        ).set_in_layout(False)
    axes.set_ylim(places.height, 0)


def row_lines(rows: Sequence[Mapping[str, Any]], labels: Mapping[str, str]) -> int:
    """Return the most lines that the name of an arm takes."""
    names = {wrapped(arm_label(row["group"], labels)) for row in rows}
    return max([name.count("\n") + 1 for name in names], default=1)


def shown_count(count: int | None) -> str:
    """Return a count, or the mark of a hidden one."""
    return "[c]" if count is None else f"{count:,}"


def part(
    axes: Axes,
    y: float,
    start: float,
    width: float,
    *,
    height: float,
    panel: float,
    fill: str,
    ink: str,
    words: Sequence[str],
) -> bool:
    """Draw one part of a stacked bar, and the longest of its words that fits; return if one did."""
    inside = max(width - GAP, GAP)
    axes.barh(
        y, inside, left=start + GAP / 2, height=height, color=fill, edgecolor=OUTLINE, linewidth=1
    )
    for text in words:
        if _room(text, panel) <= inside:
            axes.text(
                start + width / 2, y, text, ha="center", va="center_baseline", fontsize=SMALL,
                color=ink,
            )  # fmt: skip
            return True
    return False


def hidden_bar(
    axes: Axes,
    y: float,
    start: float,
    *,
    height: float,
    panel: float,
    words: Sequence[str],
    beyond: bool = True,
) -> bool:
    """Draw the part of a bar up to 100 that may not be shown: dotted, and marked in words.

    ``panel`` is about the width of the 100 in inches, to choose the words that fit; what fits
    nowhere stands beyond the bar, if ``beyond``. Return whether the words are written.
    """
    inside = max(100 - start - GAP, GAP)
    axes.barh(
        y,
        inside,
        left=start + GAP / 2,
        height=height,
        color="white",
        edgecolor=DOTS,
        hatch="....",
        linewidth=1,
    )
    for text in words:
        if _room(text, panel) + 2 <= inside:
            axes.text(
                start + GAP / 2 + inside / 2, y, text, ha="center", va="center_baseline",
                fontsize=SMALL, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.2},
            )  # fmt: skip
            return True
    if not beyond:
        return False
    axes.annotate(
        words[-1],
        (100, y),
        xytext=(3, 0),
        textcoords="offset points",
        va="center_baseline",
        fontsize=SMALL,
        annotation_clip=False,
    )
    return True


def _room(text: str, panel: float) -> float:
    """Return about how much of a panel's 100 a text takes."""
    return 100 * (0.08 * len(text) + 0.04) / panel


def legend_patch(fill: str, words: str) -> Patch:
    """Return the sign of a filled part for a legend."""
    return Patch(facecolor=fill, edgecolor=OUTLINE, linewidth=1, label=words)


def hidden_patch() -> Patch:
    """Return the sign of a part that may not be shown."""
    return Patch(
        facecolor="white", edgecolor=DOTS, hatch="....", linewidth=1, label="[c] not shown"
    )


def whole(value: float) -> str:
    """Return a percentage as a whole number, a small one never as nothing.

    Examples
    --------
    >>> whole(0.2), whole(38.6), whole(99.8), whole(250)
    ('under 1', '39', 'over 99', '250')
    """
    return out_of_100(value / 100) if 0 <= value <= 100 else f"{value:.0f}"


def beside(
    axes: Axes, value: float, y: float, side: int, words: str, *, gap: int = 9, **style: Any
) -> None:
    """Write words to the right (side 1) or the left (-1) of a point."""
    axes.annotate(
        words,
        (value, y),
        xytext=(side * gap, 0),
        textcoords="offset points",
        ha="left" if side > 0 else "right",
        va="center",
        **style,
    )


def percent(share: float | None) -> float | None:
    """Return a share as people of 100."""
    return None if share is None else 100 * share
