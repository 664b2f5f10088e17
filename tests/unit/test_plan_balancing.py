"""The balancing blocks of a plan: what they accept, and the sentence for what they refuse."""

from __future__ import annotations

import pytest

from drive_eval.errors import PlanError
from drive_eval.plan import load_plan

GOOD = """
[evaluation]
title = "A matched plan"

[data]
folder = "tables"

[design]
kind = "matched"
unit = "person"

[[balancing]]
name = "matched"
method = "nearest"
covariates = ["age", "prior_incidents_12m"]
exact = ["sex"]
ratio = 2
caliper_sd = 0.25
measured_on = { prior_incidents_12m = "counted_on" }

[[balancing]]
name = "weights"
method = "propensity_weights"
covariates = ["age"]
trim = [0.05, 0.95]

[[outcomes]]
kind = "binary"
name = "repeat"
column = "repeat_12m"
"""


def loaded(folder, text=GOOD):
    path = folder / "evaluation.toml"
    path.write_text(text, encoding="utf-8")
    return load_plan(path)


def test_blocks_are_read_in_their_order(tmp_path):
    main, other = loaded(tmp_path).balancing
    assert (main.name, main.ratio, main.exact, main.estimand) == ("matched", 2, ("sex",), "att")
    assert other.trim == (0.05, 0.95)
    assert main.title == "1:2 nearest matching within a caliper"
    assert other.title == "Propensity weights (ATT)"


@pytest.mark.parametrize(
    ("block", "title"),
    [
        ('method = "nearest"\nreplace = true\ncaliper_sd = 0', "1:1 nearest matching, with"),
        ('method = "subclass"\nsubclasses = 6', "6 classes of the propensity score (ATT)"),
        ('method = "cem"\nestimand = "ate"', "Coarsened exact matching (ATE)"),
        ('method = "entropy_balance"\nestimand = "atc"', "Entropy balance (ATC)"),
        ('method = "cem"\nlabel = "Like with like"', "Like with like"),
    ],
)
def test_a_title_is_made_from_the_method(tmp_path, block, title):
    text = GOOD.replace('method = "propensity_weights"', block).replace("trim = [0.05, 0.95]", "")
    assert loaded(tmp_path, text).balancing[1].title.startswith(title)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ratio = 2", "ratios = 2", 'unknown key "balancing[1].ratios". Nearest: "ratio".'),
        ("ratio = 2", "ratio = 0", '"balancing[1].ratio" must be at least 1.'),
        ("ratio = 2", "ratio = 1.5", '"balancing[1].ratio" must be a whole number'),
        ("ratio = 2", "order = 'big'", '"balancing[1].order" cannot be "big".'),
        ("caliper_sd = 0.25", "caliper_sd = -1", '"balancing[1].caliper_sd" must be at least 0.'),
        ("caliper_sd = 0.25", "max_smd = 0", '"balancing[1].max_smd" must be more than 0.'),
        (
            'covariates = ["age"]',
            'covariates = "age"',
            '"balancing[2].covariates" must be a list, such as ["age", "dash_score"].',
        ),
        ('exact = ["sex"]', 'exact = "sex"', 'must be a list, such as ["sex"].'),
        ("trim = [0.05, 0.95]", "trim = 0.05", "must be a list, such as [0.05, 0.95]."),
        (
            "trim = [0.05, 0.95]",
            "cutpoints = [25]",
            "must be a table of names, such as { age = [25, 40] }.",
        ),
        (
            "trim = [0.05, 0.95]",
            "cutpoints = { age = 25 }",
            '"balancing[2].cutpoints.age" must be a list, such as [25, 40].',
        ),
        (
            "trim = [0.05, 0.95]",
            'measured_on = "dash_date"',
            'must be a table of names, such as { dash_score = "dash_date" }.',
        ),
        ('covariates = ["age"]', "covariates = []", "must not be an empty list"),
        ('name = "weights"', 'name = "crude"', 'the name "crude" is kept for the comparison'),
        ('name = "weights"', 'name = "Weights 1"', "must be a short name of small letters"),
        ('name = "weights"', f'name = "{"w" * 41}"', "must be at most 40 characters long"),
        ('name = "weights"', 'name = "matched"', 'two [[balancing]] blocks are called "matched".'),
        (
            "trim = [0.05, 0.95]",
            "ratio = 2",
            '"balancing[2]" holds ratio, which belongs to nearest, not to propensity_weights.',
        ),
        ("trim = [0.05, 0.95]", "trim = [0.95, 0.05]", "trim must be two scores between 0 and 1"),
        (
            'prior_incidents_12m = "counted_on"',
            'prior_incident_12m = "counted_on"',
            'measured_on names "prior_incident_12m", which is no covariate here. Nearest: '
            '"prior_incidents_12m".',
        ),
        (
            'covariates = ["age"]',
            'covariates = ["age", "exit_reason"]',
            '"exit_reason" is known only at the end, so nothing can be adjusted for it.',
        ),
        (
            'covariates = ["age"]',
            'covariates = ["age", "repeat_12m"]',
            'the column "repeat_12m" is the outcome "repeat", so [[balancing]] "weights" must not '
            "use it: nothing is matched on what came after.",
        ),
        ('unit = "person"', 'unit = "dyad"', "so people or enrolments are matched or weighted"),
        (
            'kind = "matched"',
            'kind = "weighted"',
            'the first [[balancing]] block, "matched", is matched (method nearest).',
        ),
        (
            'kind = "matched"',
            'kind = "comparison_group"',
            "there is a [[balancing]] block, but design.kind is comparison_group",
        ),
        (
            'method = "propensity_weights"\ncovariates = ["age"]\ntrim = [0.05, 0.95]',
            'method = "cem"\ncovariates = ["age"]\nestimand = "ato"',
            "estimand ato belongs to propensity_weights, not to cem",
        ),
    ],
)
def test_what_is_wrong_is_said(tmp_path, old, new, message):
    assert old in GOOD
    with pytest.raises(PlanError) as refusal:
        loaded(tmp_path, GOOD.replace(old, new, 1))
    assert message in str(refusal.value)


def test_a_matched_design_needs_a_block(tmp_path):
    head, _, rest = GOOD.partition("[[balancing]]")
    text = head + rest[rest.index("[[outcomes]]") :]
    with pytest.raises(PlanError, match="so a \\[\\[balancing\\]\\] block must say how"):
        loaded(tmp_path, text)


def test_a_single_bracket_is_told_to_be_two(tmp_path):
    head, _, rest = GOOD.partition("[[balancing]]")
    text = f"{head}[balancing]{rest.partition('[[balancing]]')[0]}[[outcomes]]"
    text += GOOD.partition("[[outcomes]]")[2]
    with pytest.raises(PlanError) as refusal:
        loaded(tmp_path, text)
    assert str(refusal.value) == (
        "evaluation.toml: write [[balancing]], with two brackets: there may be several."
    )


def test_a_refused_covariate_is_one_fault(tmp_path):
    with pytest.raises(PlanError) as refusal:
        loaded(tmp_path, GOOD.replace('covariates = ["age"]', 'covariates = ["arm"]'))
    assert str(refusal.value).count("\n") == 0
    assert "the arm itself" in str(refusal.value)
