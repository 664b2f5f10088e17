"""The report of the published record: what others printed, beside what it comes to.

It is handed plain data (each claim, its verdict and its ResultSet) and computes nothing.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import pandas as pd

from drive_eval.errors import ResultError
from drive_eval.report.drawing import (
    ARM_COLOURS,
    DARK_GREY,
    SMALL,
    STYLE,
    Chart,
    new_figure,
    pictures,
    wrapped,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from drive_eval.results import Estimate, ResultSet

__all__ = ["interval_chart", "record_charts", "write_record"]

SENTENCE = (
    "How many people stand behind these percentages is not public, so nobody outside the "
    "evaluation can know the true interval: the lines show what it would be for 50, 100 and 300."
)
_DRIVE = {
    "drive_physical": "Physical: fewer users",
    "drive_sexual": "Sexual: fewer users",
    "drive_harassment_stalking": "Harassment and stalking: fewer users",
    "drive_jealous_controlling": "Jealous and controlling: fewer users",
    "drive_idva_risk": "Risk judged lower by the IDVA: share of cases, not a fall",
}
_MIRABAL = {
    "mirabal_sexual": "Made to do something sexual (30 % to 0)",
    "mirabal_weapon": "Weapon used (29 % to 0)",
    "mirabal_injured": "Physically injured (61 % to 2 %)",
    "mirabal_not_safe": "Not safe at all (32 % to 6 %)",
    "mirabal_children_worried": "Children worried about her (64 % to 37 %)",
    "mirabal_children_scared": "Children scared of him (54 % to 35 %)",
    "mirabal_slapped": "Slapped, pushed (80 %, if that is relative)",
    "mirabal_walls": "Punched walls (71 %, if that is relative)",
    "mirabal_children_saw": "Children saw violence (72 %, if that is relative)",
}
_REPORTERS = {"impact_partners": "partners", "impact_clients": "clients"}


def write_record(pages: Sequence[Mapping[str, Any]], folder: Path) -> Path:
    """Write report.html, the charts as PNG with the CSV behind them, and claims.csv.

    Parameters
    ----------
    pages : sequence of mapping
        Each with ``claim`` (plain data), ``verdict`` and ``result``.
    folder : Path
        Made if it is not there; files of these names in it are replaced.

    Returns
    -------
    Path
        The report.
    """
    import jinja2

    folder.mkdir(parents=True, exist_ok=True)
    drawn = record_charts(pages)
    images = {}
    for chart in drawn:
        titled, untitled = pictures(chart)
        (folder / f"{chart.name}.png").write_bytes(titled)
        table = chart.data.to_csv(index=False, lineterminator="\n", float_format="%.10g")
        (folder / f"{chart.name}.csv").write_text(table, encoding="utf-8", newline="")
        images[chart.name] = base64.b64encode(untitled).decode("ascii")
    rows = [
        {
            "claim": page["claim"]["id"],
            "grade": page["claim"]["grade"],
            "study": page["claim"]["study"],
            "title": page["claim"]["title"],
            "verdict": page["verdict"],
            "url": page["claim"]["source"]["url"],
        }
        for page in pages
    ]
    table = pd.DataFrame(rows).to_csv(index=False, lineterminator="\n")
    (folder / "claims.csv").write_text(table, encoding="utf-8", newline="")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("drive_eval.report", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    studies: dict[str, list[Mapping[str, Any]]] = {}
    for page in pages:
        studies.setdefault(page["claim"]["study"], []).append(page)
    report = folder / "report.html"
    text = environment.get_template("published.html").render(
        sentence=SENTENCE, pages=pages, studies=studies, charts=drawn, images=images
    )
    report.write_text(text, encoding="utf-8", newline="")
    return report


def record_charts(pages: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """Return the charts: Drive's five figures, Mirabal's falls, IMPACT's two reporters."""
    results = {page["claim"]["id"]: page["result"] for page in pages}
    return [
        interval_chart(
            "drive",
            _drive_headline(results["drive_physical"]),
            "95 % intervals if the figure counted about 50, 100 or 300 people; falls at their "
            "widest over who stopped and who began",
            _unknown(results, _DRIVE),
            scale="per cent fewer users (last block: per cent of cases)",
        ),
        interval_chart(
            "mirabal",
            "Project Mirabal's falls, with the intervals that they were printed without",
            "Relative falls in women who reported it, if about 50, 100 or 300 had been asked (for "
            "the last three: had reported it before)",
            _unknown(results, _MIRABAL),
        ),
        interval_chart(
            "impact",
            "Partners see the impacts fall; clients' reports of themselves hardly move",
            "IMPACT project: relative falls in those reporting each impact, widest 95 % intervals "
            "over all pairings (71 partners, 133 clients)",
            _two_reporters(results),
            scale="per cent fewer (0: no change; left of 0: more)",
            note="Partners and ex-partners: blue circles. Clients, of themselves: orange squares. "
            "Left of 0 it rose. The counts are public, who is behind both is not.",
        ),
    ]


def _drive_headline(result: ResultSet) -> str:
    first = next(e for e in result.estimates if e.measure == "percent_reduction")
    return (
        f"Drive's {first.estimate:.0f}% could be {_ends(first)['words']}% if {first.n} people were "
        "counted"
    )


Row = tuple[str, "Estimate", str]


def _unknown(
    results: Mapping[str, ResultSet], names: Mapping[str, str]
) -> list[tuple[str, list[Row]]]:
    """Return for each claim its estimates, one for each number of people it was tried with."""
    groups = []
    for name, heading in names.items():
        rows = [
            (f"if {e.n:,}", e, "programme")
            for e in results[name].estimates
            if e.subgroup.startswith("if ") and e.measure in ("percent_reduction", "proportion")
        ]
        groups.append((heading, rows))
    return groups


def _two_reporters(results: Mapping[str, ResultSet]) -> list[tuple[str, list[Row]]]:
    by_item: dict[str, list[Row]] = {}
    for (name, words), arm in zip(_REPORTERS.items(), ARM_COLOURS, strict=True):
        for e in results[name].estimates:
            if e.measure == "percent_reduction":
                by_item.setdefault(e.outcome.capitalize(), []).append((words, e, arm))
    return list(by_item.items())


def interval_chart(
    name: str,
    headline: str,
    subtitle: str,
    groups: Sequence[tuple[str, Sequence[tuple[str, Estimate, str]]]],
    *,
    note: str = SENTENCE,
    scale: str = "per cent fewer",
) -> Chart:
    """Draw intervals in per cent, in groups with a heading each.

    Parameters
    ----------
    name, headline, subtitle : str
    groups : sequence of (heading, rows)
        A row is its words, an Estimate (a share is drawn as per cent), and the arm whose colour
        and sign it takes.
    note : str
        Beneath the chart.
    scale : str
        Words of the axis.

    Raises
    ------
    ResultError
        If an estimate has no interval.
    """
    rows = [
        {"heading": heading, "row": words, "arm": arm, **_ends(e)}
        for heading, lines in groups
        for words, e, arm in lines
    ]
    heads: dict[str, float] = {}
    tops: list[float] = []
    y = 0.0
    for row in rows:
        if row["heading"] not in heads:
            y += 0.08 if heads else 0.0
            heads[row["heading"]] = y + 0.13
            y += 0.26
        tops.append(y + 0.11)
        y += 0.22
    lowest = min(0.0, *(row["low"] for row in rows))
    with mpl.rc_context(STYLE):
        figure, title = new_figure(headline, subtitle, y + 0.6)
        axes = figure.subplots()
        for row, top in zip(rows, tops, strict=True):
            _draw(axes, row, top)
        for words, top in heads.items():
            axes.annotate(
                words, (0, top), xycoords=("axes fraction", "data"), ha="left", va="center",
                fontweight="bold", fontsize=10.5,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            ).set_in_layout(False)  # fmt: skip
        axes.set_ylim(y + 0.1, 0)
        axes.set_xlim(10 * (lowest // 10), 118)
        axes.set_yticks(tops, [wrapped(row["row"]) for row in rows], fontsize=SMALL)
        axes.set_xticks([x for x in range(int(20 * (lowest // 20)), 101, 20) if x >= lowest - 5])
        axes.set_xlabel(scale)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.spines["bottom"].set_bounds(10 * (lowest // 10), 100)
        axes.axvline(0, color=DARK_GREY, linewidth=0.8)
    return Chart(
        name=name,
        headline=headline,
        subtitle=subtitle,
        figure=figure,
        title_height=title,
        data=pd.DataFrame(rows),
        alt_text="Interval chart. "
        + " ".join(
            f"{row['heading']}, {row['row']}: {row['estimate']:.0f} %, {row['words']} %."
            for row in rows
        ),
        caption=note,
    )


def _ends(e: Estimate) -> dict[str, Any]:
    if e.estimate is None or e.conf_low is None or e.conf_high is None:
        raise ResultError(f"{e.outcome}: an estimate without an interval cannot be drawn here.")
    scale = 100 if e.measure == "proportion" else 1
    low, point, high = (scale * value for value in (e.conf_low, e.estimate, e.conf_high))
    words = f"{low:.0f} to {high:.0f}".replace("-", "−")
    return {"estimate": point, "low": low, "high": high, "words": words}


def _draw(axes: Axes, row: Mapping[str, Any], y: float) -> None:
    colour = ARM_COLOURS[row["arm"]]
    axes.plot([row["low"], row["high"]], [y, y], color=colour, linewidth=2.2)
    axes.plot(
        row["estimate"], y, marker="o" if row["arm"] == "programme" else "s", color=colour,
        markeredgecolor="#1A1A1A", markersize=6,
    )  # fmt: skip
    axes.annotate(row["words"], (102, y), va="center", fontsize=SMALL, annotation_clip=False)
