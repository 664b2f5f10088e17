"""The pages are true: links lead somewhere, commands print what is printed, snippets run.

In the pages of ``docs/tutorials`` and ``docs/how-to``, and in the one on the published record, the
blocks of one page run in order in one empty folder. What stands after the three backticks decides:
``console`` runs ``drive-eval`` and compares what it prints; ``python`` runs as a doctest or,
without prompts, is compiled; ``toml file=NAME`` is written to that file; ``report`` must be found
in the report that the page has made.
In ``how-to/errors.md`` every ``message`` is provoked here.
"""

from __future__ import annotations

import doctest
import html
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import drive_eval as de
from drive_eval.errors import DriveEvalError
from drive_eval.evaluation import check_target
from drive_eval.evaluation.starter import make_starter

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
GUIDES = [
    page
    for page in PAGES
    if page.parent.name in ("tutorials", "how-to") or page.name == "published-record.md"
]
NEEDS = {"bootstrap-on-many-machines.md": "distributed"}  # of optional extras
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

BLOCK = re.compile(r"^```(\w*(?: file=[\w.]+)?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
MACHINE_PATH = re.compile(
    r"(?<![\w.])/(?:home|Users|opt|work|tmp|root|mnt|var|private)/|\b[A-Z]:\\"
)
PACKAGE_INDEX = re.compile(r"pypi|pythonhosted|anaconda\.org|cran\.r-project|/simple\b", re.I)


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    words = [re.sub(r"[^\w\- ]", "", h.lower()) for h in HEADING.findall(text_of(page))]
    return {word.strip().replace(" ", "-") for word in words}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_relative_link_leads_to_a_file_and_a_heading(page):
    body = BLOCK.sub("", text_of(page))
    for target in LINK.findall(body):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, heading = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.is_file(), target
        if heading:
            assert heading in anchors(there), target


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_no_page_names_a_machine_or_a_package_index(page):
    body = text_of(page)
    assert not MACHINE_PATH.search(body)
    assert not PACKAGE_INDEX.search(body)


def test_the_site_lists_every_page():
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in sorted(DOCS.rglob("*.md")):
        assert f": {page.relative_to(DOCS).as_posix()}\n" in nav + "\n", named(page)
    assert not PACKAGE_INDEX.search(nav)


@pytest.mark.parametrize("page", sorted((DOCS / "charts").glob("*.md")), ids=named)
def test_every_page_of_a_chart_has_the_same_form(page):
    body = text_of(page)
    parts = ["At a glance", "What it shows", "How to read it", "What to do next"]
    places = [body.find(f"**{part}.**") for part in [*parts, "What not to conclude"]]
    assert -1 not in places
    assert places == sorted(places)


def test_the_reference_names_everything_public():
    body = text_of(DOCS / "reference" / "api.md")
    missing = [name for name in de.__all__ if not re.search(rf"\b{name}\b", body)]
    assert not missing


@pytest.mark.parametrize("page", GUIDES, ids=named)
def test_what_a_guide_prints_is_what_happens(page, tmp_path, monkeypatch):
    if page.name in NEEDS:
        pytest.importorskip(NEEDS[page.name], reason=f"{NEEDS[page.name]} is not installed")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for kind, body in BLOCK.findall(text_of(page)):
        if kind == "console":
            run_commands(body)
        elif kind == "python" and ">>>" in body:
            run_doctest(body, names, named(page))
        elif kind == "python":
            compile(body, named(page), "exec")
        elif kind.startswith("toml file="):
            Path(kind.partition("=")[2]).write_text(body, encoding="utf-8")
        elif kind == "report":
            (made,) = Path().rglob("report.html")
            there = words_of(made)
            for line in filter(None, map(str.strip, body.splitlines())):
                assert " ".join(line.split()) in there, line


def run_commands(body: str) -> None:
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        program, *arguments = shlex.split(command)
        assert program == "drive-eval", command
        done = subprocess.run(
            [sys.executable, "-m", "drive_eval.cli", *arguments],
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, done.stderr
        matches = doctest.OutputChecker().check_output(expected, done.stdout, OPTIONS)
        assert matches, f"{command} prints:\n{done.stdout}"


def run_doctest(body: str, names: dict[str, object], page: str) -> None:
    example = doctest.DocTestParser().get_doctest(body, names, page, page, 0)
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    runner.run(example, out=said.append, clear_globs=False)
    names.update(example.globs)
    assert not said, "".join(said)


def words_of(report: Path) -> str:
    body = re.sub(r"<style.*?</style>", "", text_of(report), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


# Every message of how-to/errors.md, provoked.


def in_plan(old: str, new: str):
    return lambda folder: swap(folder / "evaluation.toml", old, new)


def in_table(table: str, old: str, new: str, times: int = 1):
    return lambda folder: swap(folder / "data" / f"{table}.csv", old, new, times)


def swap(file: Path, old: str, new: str, times: int = 1) -> None:
    before = file.read_text(encoding="utf-8")
    after = before.replace(old, new, times)
    assert after != before, f"{old} does not stand in {file.name}"
    file.write_text(after, encoding="utf-8")


def with_all_dates_day_first(folder):
    file = folder / "data" / "cases.csv"
    turned = re.sub(r"(\d{4})-(\d\d)-(\d\d)", r"\3/\2/\1", file.read_text(encoding="utf-8"))
    file.write_text(turned, encoding="utf-8")


def with_an_early_exit(folder):
    table = de.load_study(de.load_plan(folder)).table("cases")
    day = table.loc[0, "exit_date"].date().isoformat()
    swap(folder / "data" / "cases.csv", f",{day},", ",2001-01-01,")


def with_a_rating_twice(folder):
    file = folder / "data" / "assessments.csv"
    lines = file.read_text(encoding="utf-8").splitlines()
    file.write_text("\n".join([*lines, lines[1]]) + "\n", encoding="utf-8")


def with_a_case_manager_in_usual_care(folder):
    file = folder / "data" / "cases.csv"
    swap(file, ",programme,", ",comparison,", 1)


def without_an_allocation(folder):
    lines = (folder / "data" / "cases.csv").read_text(encoding="utf-8").splitlines()
    cells = lines[1].split(",")
    cells[lines[0].split(",").index("allocated_arm")] = ""
    (folder / "data" / "cases.csv").write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]))


def without_assessments(folder):
    (folder / "data" / "assessments.csv").unlink()


def with_balancing(covariates: str, more: str = ""):
    """Make the plan a matched one; without covariates there is no block."""
    block = f'[[balancing]]\nname = "main"\ncovariates = [{covariates}]\n{more}\n'

    def change(folder):
        plan = folder / "evaluation.toml"
        swap(plan, 'kind = "randomised"', 'kind = "matched"')
        if covariates:
            swap(plan, "[[outcomes]]", f"{block}[[outcomes]]")

    return change


def with_blank_ages(folder):
    with_balancing('"age"')(folder)
    file = folder / "data" / "cases.csv"
    text = file.read_text(encoding="utf-8")
    file.write_text(re.sub(r",\d\d,(?=male|female)", ",,", text, count=3), encoding="utf-8")


POLICE = '[[outcomes]]\nkind = "reoffending"\nname = "police"\n'


def with_police(more: str = "", *, without: tuple[str, str] | None = None, unit: str = "person"):
    """Add an outcome from events, and take a column out of a table: (table, column)."""

    def change(folder):
        plan = folder / "evaluation.toml"
        swap(plan, "[[outcomes]]", f"{POLICE}{more}\n[[outcomes]]")
        if unit != "person":
            swap(plan, 'unit = "person"', f'unit = "{unit}"')
        if without is not None:
            file = folder / "data" / f"{without[0]}.csv"
            table = pd.read_csv(file, dtype=str, keep_default_na=False)
            table.drop(columns=without[1]).to_csv(file, index=False)

    return change


def with_times_of_nothing(folder):
    plan = folder / "evaluation.toml"
    more = 'stop = "weeks"\nevent = "arrested"\ntime_unit = "weeks"\nhorizon = 52\n'
    block = f'[[outcomes]]\nkind = "time_to_event"\nname = "arrest"\n{more}'
    swap(plan, "[[outcomes]]", f"{block}[[outcomes]]")
    swap(
        plan, "[design]", '[data.columns.cases]\nweeks = "integer"\narrested = "boolean"\n[design]'
    )
    file = folder / "data" / "cases.csv"
    table = pd.read_csv(file, dtype=str, keep_default_na=False).assign(weeks="60", arrested="no")
    table.loc[:1, "weeks"] = "0"
    table.to_csv(file, index=False)


def without_a_plan(folder):
    (folder / "evaluation.toml").unlink()


def with_results_already(folder):
    (folder / "outputs" / "release").mkdir(parents=True)


PROVOKED = {
    "There is no plan": without_a_plan,
    "A key that the plan does not know": in_plan('reporter = "idva"', 'reportr = "idva"'),
    "A value that the plan does not allow": in_plan('unit = "person"', 'unit = "people"'),
    "The plan is not valid TOML": in_plan('unit = "person"', "unit = person"),
    "A column under another name": in_table("cases", "index_date", "index date"),
    "A column that nobody declared": in_table("cases", "ethnicity", "hometown"),
    "The wrong separator": in_table("cases", ",", ";", -1),
    "Dates with the day first": with_all_dates_day_first,
    "A word where nothing was recorded": in_table("assessments", ",moderate,", ",Not known,", 4),
    "A code in other letters": in_table("assessments", ",moderate,", ",Moderate,", 4),
    "An id that leads nowhere": in_table("assessments", "\nC0", "\nC", 5),
    "The same thing rated twice": with_a_rating_twice,
    "Dates in the wrong order": with_an_early_exit,
    "A case manager in the comparison arm": with_a_case_manager_in_usual_care,
    "Randomised, but not allocated": without_an_allocation,
    "A reporter who rated nothing": in_plan('reporter = "idva"', 'reporter = "police"'),
    "A table that an outcome needs": without_assessments,
    "A block with one bracket": in_plan("[comparison]", "[balancing]\n[comparison]"),
    "Matched, but on what?": with_balancing(""),
    "A covariate that is known only afterwards": with_balancing('"age", "exit_reason"'),
    "A covariate of a design that is no column": with_balancing('"dash"'),
    "A covariate of a design that is blank": with_blank_ages,
    "A covariate that was measured too late": with_balancing(
        '"dash_score"', 'measured_on = { dash_score = "start_date" }'
    ),
    "No end of the data": with_police(without=("cases", "data_end_date")),
    "Events chosen by a column that they do not have": with_police(
        'stage = "charged"', without=("events", "outcome_stage")
    ),
    "A source that recorded nothing": with_police('source = ["probation"]'),
    "A horizon that nobody is followed to": with_police("horizon = 5000"),
    "A misspelt key of an outcome from events": with_police('sources = ["police"]'),
    "Enrolments of one person that overlap": with_police(unit="enrolment"),
    "A time of 0": with_times_of_nothing,
    "Results are there already": with_results_already,
}


@pytest.fixture(scope="module")
def starter(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs") / "my_evaluation"
    make_starter(folder)
    return folder


def test_every_error_of_the_page_is_provoked():
    body = text_of(DOCS / "how-to" / "errors.md").partition("\n## Refusals inside a report")[0]
    assert re.findall(r"^## (.+)$", body, re.MULTILINE) == list(PROVOKED)


@pytest.mark.parametrize("cause", PROVOKED)
def test_the_page_shows_the_real_message(cause, starter, tmp_path):
    _, _, section = text_of(DOCS / "how-to" / "errors.md").partition(f"\n## {cause}\n")
    (kind, expected) = BLOCK.findall(section)[0]
    assert kind == "message"
    folder = tmp_path / "my_evaluation"
    shutil.copytree(starter, folder)
    PROVOKED[cause](folder)
    with pytest.raises(DriveEvalError) as refusal:
        plan = de.load_plan(folder)
        check_target(plan.folder / "outputs", overwrite=False)
        de.run(plan, de.load_study(plan))
    said = f"{refusal.value}\n"
    assert doctest.OutputChecker().check_output(expected, said, OPTIONS), said
