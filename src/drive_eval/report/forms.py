"""Forms that no program can fill in: blank, in own words, at the end of the Word report."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FORMS", "Form", "form_page", "forms_for"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One blank form.

    Attributes
    ----------
    name : str
        File stem.
    title, version : str
        What it is, and which edition the questions follow.
    introduction : tuple of str
        Who fills it in, and how.
    header : tuple of str
        Heads of the columns; the first holds the question.
    rows : tuple of tuple of str
        One line a question; an empty text is a blank field.
    source : str
        What the form is made after.
    """

    name: str
    title: str
    version: str
    introduction: tuple[str, ...]
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    source: str


_DOMAINS = (
    (
        "1. Confounding",
        "Did anything that made people more likely to enter the programme also make abuse more or "
        "less likely afterwards? Was it measured, before the start, and allowed for?",
    ),
    (
        "2. Selection of people into the study",
        "Were people left out, or followed from a later day, because of something that happened "
        "after the programme began?",
    ),
    (
        "3. Classification of who had the programme",
        "Was it clear, and written down at the time, who was in which group? Could knowing the "
        "outcome have changed it?",
    ),
    (
        "4. Deviations from the intended programme",
        "Did people get less, more or something else than was meant, or other help that one group "
        "only had?",
    ),
    (
        "5. Missing data",
        "Who has no second measure, in which group, and why? Would the answer change if they had "
        "done worse?",
    ),
    (
        "6. Measurement of outcomes",
        "Did whoever rated the abuse know who had the programme? Were both groups asked in the "
        "same way, by the same kind of reporter, as often?",
    ),
    (
        "7. Selection of the reported result",
        "Were outcomes, groups and analyses laid down beforehand? Is everything that was looked at "
        "also reported?",
    ),
)

ROBINS_I = Form(
    name="robins-i",
    title="ROBINS-I: risk of bias in a study without random allocation",
    version="ROBINS-I of 2016, seven domains. State it if you use another version.",
    introduction=(
        "For two people who did not do the evaluation, first apart, then together. One form for "
        "each outcome and comparison. For a randomised evaluation use RoB 2 instead.",
        "Before you begin, write down the trial that would have answered the question: who, what "
        "programme, what instead of it, which outcome, until when.",
        "Judgement: low, moderate, serious or critical risk of bias, or no information. The whole "
        "is at least as serious as the most serious domain.",
    ),
    header=("Domain", "Ask", "Judgement", "Why, and which way it would push the result"),
    rows=(
        ("Outcome and comparison judged", "", "", ""),
        ("The trial it stands for", "", "", ""),
        *((name, ask, "", "") for name, ask in _DOMAINS),
        ("The whole", "The most serious of the seven, or worse.", "", ""),
        ("Judged by, and date", "", "", ""),
    ),
    source=(
        "Questions in our own words, after: Sterne JAC, Hernán MA, Reeves BC et al. (2016). "
        "ROBINS-I: a tool for assessing risk of bias in non-randomised studies of interventions. "
        "BMJ 355, i4919."
    ),
)

_ROB_2_DOMAINS = (
    (
        "1. Randomisation process",
        "Was the next allocation impossible to foresee or to choose? Do differences at the start "
        "(“Were the groups alike at the start?”) look like more than chance?",
    ),
    (
        "2. Deviations from the intended interventions",
        "Who received something other than what was allocated, and because of the trial? Was "
        "everybody analysed in the group to which they were allocated?",
    ),
    (
        "3. Missing outcome data",
        "For whom is there no outcome, in which group, and why? Could that depend on whether abuse "
        "went on? Would the answer change if it did?",
    ),
    (
        "4. Measurement of the outcome",
        "Was it measured in the same way in both groups? Did whoever rated know the group, and "
        "could that have changed the rating?",
    ),
    (
        "5. Selection of the reported result",
        "Was the analysis laid down before any outcome was seen? Was this result picked from "
        "several measures, times or analyses?",
    ),
)

ROB_2 = Form(
    name="rob-2",
    title="RoB 2: risk of bias in a randomised trial",
    version="RoB 2, version of 22 August 2019, five domains. State it if you use another version.",
    introduction=(
        "For two people who did not do the evaluation, first apart, then together. One form for "
        "each outcome and comparison. Without random allocation use ROBINS-I instead.",
        "Before you begin, write down which effect is judged: of being allocated to the programme, "
        "or of receiving it as intended.",
        "Judgement: low risk of bias, some concerns or high risk. The whole is at least as serious "
        "as the most serious domain; several domains with some concerns can make it high.",
    ),
    header=("Domain", "Ask", "Judgement", "Why, and which way it would push the result"),
    rows=(
        ("Outcome and comparison judged", "", "", ""),
        ("Effect judged", "Of allocation, or of receiving the programme.", "", ""),
        *((name, ask, "", "") for name, ask in _ROB_2_DOMAINS),
        ("The whole", "The most serious of the five, or worse.", "", ""),
        ("Judged by, and date", "", "", ""),
    ),
    source=(
        "Questions in our own words, after: Sterne JAC, Savović J, Page MJ et al. (2019). RoB 2: a "
        "revised tool for assessing risk of bias in randomised trials. BMJ 366, l4898."
    ),
)

MARYLAND = Form(
    name="maryland-scale",
    title="Maryland Scientific Methods Scale: how strong the design is",
    version=(
        "Five levels as in Sherman et al. (1998). What Works Centres use versions that differ at "
        "levels 2 to 4: state which one you apply."
    ),
    introduction=(
        "Mark one level for each main outcome. It is the design as it was carried out that counts: "
        "an evaluation that was randomised, but lost most outcomes, does not reach level 5.",
    ),
    header=("Level", "What the evaluation has", "Reached? Yes or no", "Why"),
    rows=(
        ("Version of the scale applied", "", "", ""),
        ("1", "Programme and outcome seen together, at one point in time.", "", ""),
        (
            "2",
            "Before and after in the programme group alone, or a comparison group that is not "
            "shown to be alike.",
            "",
            "",
        ),
        ("3", "Before and after in the programme group and in a comparable group.", "", ""),
        (
            "4",
            "As level 3, in several units or with other differences between the groups allowed for "
            "(matching, weighting, statistical control).",
            "",
            "",
        ),
        ("5", "Allocation to programme and comparison by chance, kept to.", "", ""),
        ("Level given", "", "", ""),
        ("Judged by, and date", "", "", ""),
    ),
    source=(
        "Levels in our own words, after: Sherman LW, Gottfredson DC, MacKenzie DL, Eck J, Reuter "
        "P, Bushway SD (1998). Preventing crime: what works, what doesn't, what's promising. "
        "National Institute of Justice."
    ),
)

ASSURANCE = Form(
    name="assurance-statement",
    title="Assurance statement",
    version="After the roles and records that the Aqua Book (2025 edition) asks for.",
    introduction=(
        "To be filled in before the report is called checked. The analyst, the assurer and the "
        "approver are three people; the assurer has not worked on the analysis.",
    ),
    header=("Item", "What to write", "Entry"),
    rows=(
        ("Commissioner", "Who asked, and for which decision.", ""),
        ("Analyst", "Who did the analysis.", ""),
        ("Assurer", "Who checked it, and what they had not seen before.", ""),
        ("Approver", "Who signs off that it is fit for its purpose.", ""),
        ("Purpose", "What the figures may be used for, and what not.", ""),
        ("Verification", "Was it built right? What was checked, how, with what result.", ""),
        ("Validation", "Was the right thing built? Who with knowledge of the work looked.", ""),
        ("Data", "Source, cut date, known faults, who has checked the extract.", ""),
        ("Assumptions", "Where they are listed, who agreed to them.", ""),
        ("Uncertainty", "What the ranges cover, what they leave out, how users were told.", ""),
        ("Limitations", "What remains, how much it could change the answer.", ""),
        ("Changes and errors", "Where changes are logged, how to report a fault.", ""),
        ("Review by", "Date after which the report is not to be used unreviewed.", ""),
        ("Safety", "Who judged that no victim-survivor can be recognised or put at risk.", ""),
        ("Signed, and date", "Analyst, assurer, approver.", ""),
    ),
    source="Own words, after: HM Treasury and Department for Energy Security and Net Zero, "
    "The Aqua Book: guidance on producing quality analysis.",
)

CONFLICTS = Form(
    name="conflicts-of-interest",
    title="Conflicts of interest and funding",
    version="After the disclosures that journals ask for. Use a journal's own where it has one.",
    introduction=(
        "One copy for each author. Write “none” where there is none: a blank is no answer.",
    ),
    header=("Item", "What to write", "Entry"),
    rows=(
        ("Author", "Name and employer.", ""),
        ("Who paid for the evaluation", "Funder, sum or share, reference of the grant.", ""),
        (
            "What the funder could do",
            "Any part in the design, the data, the analysis, the words or whether to publish.",
            "",
        ),
        (
            "Stake in the programme",
            "Paid by it, designed it, delivers it, owns or licenses it, sits on its board.",
            "",
        ),
        ("Other money", "Of the last 36 months, from anybody with an interest in the result.", ""),
        ("Ties", "Family, friends, public positions for or against the programme.", ""),
        ("Who could have stopped publication", "And whether anybody tried.", ""),
        ("Signed, and date", "", ""),
    ),
    source="Own words, after the disclosure form of the International Committee of Medical Journal "
    "Editors (ICMJE).",
)

#: Every form; which of the first two is filled in hangs on the design.
FORMS = (ROBINS_I, ROB_2, MARYLAND, ASSURANCE, CONFLICTS)


def forms_for(kind: str) -> tuple[Form, ...]:
    """Return the forms for a kind of design, in the order of the report.

    Parameters
    ----------
    kind : str
        ``design.kind`` of the plan.

    Returns
    -------
    tuple of Form
        RoB 2 where allocation was by chance, ROBINS-I elsewhere, and those for every design.

    Examples
    --------
    >>> [form.name for form in forms_for("randomised")][0], forms_for("matched")[0].name
    ('rob-2', 'robins-i')
    """
    other = ROBINS_I if kind == "randomised" else ROB_2
    return tuple(form for form in FORMS if form is not other)


def form_page(form: Form) -> str:
    """Return a form as a page of the documentation.

    Parameters
    ----------
    form : Form

    Returns
    -------
    str
        Markdown; ``docs/forms/`` holds it, and a test keeps it true.
    """
    lines = [f"# {form.title}", "", f"*Blank form. {form.version}*", ""]
    for text in form.introduction:
        lines += [text, ""]
    lines += [f"| {' | '.join(form.header)} |", f"|{'---|' * len(form.header)}"]
    lines += [f"| {' | '.join(row)} |" for row in form.rows]
    lines += ["", form.source, ""]
    return "\n".join(lines)
