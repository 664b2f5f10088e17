"""What must hold for any match, whatever the data."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from drive_eval.errors import DesignError
from drive_eval.models._nearest import match
from drive_eval.models.matching import nearest

ORDERS = ("largest", "smallest", "closest", "random", "data")
MODEST = settings(deadline=None, max_examples=150)
FEW = settings(deadline=None, max_examples=40)


# The kernel against a slow one that compares everybody with everybody


def slowly(score, treated, *, ratio, replace, caliper, order, strata, units, space, seed):
    """Greedy matching as the docstring of `nearest` words it, one comparison at a time."""
    rows = range(len(score))
    place = {row: at for at, row in enumerate(sorted(rows, key=lambda r: (score[r], r)))}
    cases = [row for row in rows if treated[row]]
    used: set[int] = set()
    sets: dict[int, list[int]] = {row: [] for row in cases}

    def person(row):
        return row if units is None else units[row]

    def best(case):
        found = []
        for row in rows:
            if treated[row] or strata[row] != strata[case] or person(row) in used:
                continue
            if units is not None and units[row] == units[case]:
                continue
            if replace and person(row) in {person(other) for other in sets[case]}:
                continue
            gap = abs(score[row] - score[case])
            if gap > caliper:
                continue
            if space is None:
                above = place[row] > place[case]
                found.append((gap, not above, abs(place[row] - place[case]), row))
            else:
                found.append((math.dist(space[row], space[case]), -row, 0, row))
        return min(found) if found else None

    def choose(case, row):
        sets[case].append(row)
        if not replace:
            used.add(person(row))

    turns = list(cases)
    if order == "largest":
        turns.sort(key=lambda case: -score[case])
    elif order == "smallest":
        turns.sort(key=lambda case: score[case])
    elif order == "random":
        turns = [cases[i] for i in np.random.default_rng(seed).permutation(len(cases))]
    for already in range(ratio):
        if order == "closest" and not replace:
            while True:
                options = [(best(case), case) for case in cases if len(sets[case]) == already]
                options = [(found[0], case, found[-1]) for found, case in options if found]
                if not options:
                    break
                _, case, row = min(options)
                choose(case, row)
        else:
            for case in turns:
                if len(sets[case]) == already and (found := best(case)):
                    choose(case, found[-1])
    return sets


@st.composite
def tasks(draw, *, ties=True):
    size = draw(st.integers(2, 22))
    if ties:  # many, and distances that are exact
        score = np.array(draw(st.lists(st.integers(-6, 6), min_size=size, max_size=size)))
    else:
        score = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).normal(0, 2, size)
    rows = st.lists(st.booleans(), min_size=size, max_size=size)
    units = st.lists(st.integers(0, size // 2), min_size=size, max_size=size)
    order = draw(st.sampled_from(ORDERS))
    return {
        "score": score.astype(float),
        "treated": np.array(draw(rows)),
        "ratio": draw(st.integers(1, 3)),
        "replace": draw(st.booleans()),
        "caliper": draw(st.sampled_from([math.inf, 0.0, 1.0, 3.0])),
        "order": order,
        "strata": np.array(draw(st.one_of(rows, st.just([0] * size)))).astype(int),
        "units": draw(st.one_of(st.none(), units.map(np.array))),
        "seed": 7,
    }


def quickly(task, space=None):
    task = dict(task)
    seed = task.pop("seed")
    rng = np.random.default_rng(seed) if task["order"] == "random" else None
    return match(**task, space=space, rng=rng)


def by_case(pairs, treated):
    sets = {int(row): [] for row in np.flatnonzero(treated)}
    for case, other in zip(pairs.treated.tolist(), pairs.comparison.tolist(), strict=True):
        sets[case].append(other)
    return sets


@MODEST
@given(tasks())
def test_leaps_along_the_line_find_whom_a_slow_search_finds(task):
    pairs = quickly(task)
    assert by_case(pairs, task["treated"]) == slowly(**task, space=None)


@MODEST
@given(tasks(ties=False))
def test_a_slow_search_finds_the_same_where_no_score_ties(task):
    assert by_case(quickly(task), task["treated"]) == slowly(**task, space=None)


@MODEST
@given(tasks(), st.integers(0, 2**32 - 1))
def test_the_nearest_in_space_is_the_nearest_of_all(task, seed):
    space = np.random.default_rng(seed).normal(size=(len(task["score"]), 3))
    pairs = quickly(task, space)
    assert by_case(pairs, task["treated"]) == slowly(**task, space=space)


@MODEST
@given(tasks())
def test_every_unmatched_case_has_one_reason(task):
    pairs = quickly(task)
    unmatched = int(task["treated"].sum()) - len(set(pairs.treated.tolist()))
    assert pairs.alone + pairs.far + pairs.used == unmatched
    if task["replace"] and task["units"] is None:
        assert pairs.used == 0


@MODEST
@given(tasks())
def test_weights_are_shares_of_sets(task):
    pairs = quickly(task)
    assume(len(pairs.treated))
    weights = pairs.weights(len(task["score"]))
    used = set(pairs.comparison.tolist())
    assert (weights[sorted(set(pairs.treated.tolist()))] == 1).all()
    assert math.isclose(weights[~task["treated"]].sum(), len(used))
    assert set(np.flatnonzero(weights)) == used | set(pairs.treated.tolist())


# The public function, with the checker on every match


@st.composite
def studies(draw):
    """Return a table of people in which no score ties, and how it shall be matched."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size = draw(st.integers(60, 160))
    table = pd.DataFrame(
        {
            "age": rng.normal(35, 9, size),
            "prior": rng.poisson(1.5, size),
            "site": rng.choice(["north", "south", "west"], size),
            "who": rng.integers(0, max(size // draw(st.integers(1, 2)), 1), size),
        }
    )
    line = -1.2 + 0.03 * (table["age"] - 35) + 0.3 * (table["prior"] - 1.5)
    table["arm"] = np.where(rng.random(size) < 1 / (1 + np.exp(-line)), "programme", "comparison")
    order = draw(st.sampled_from(["largest", "smallest", "closest"]))
    options = {
        "ratio": draw(st.integers(1, 3)),
        "replace": draw(st.booleans()),
        "caliper_sd": draw(st.sampled_from([None, 0.1, 0.5])),
        "caliper_scale": draw(st.sampled_from(["logit", "probability"])),
        "exact": draw(st.sampled_from([(), ("site",), ("site", "prior")])),
        "order": order,
        "unit": draw(st.sampled_from([None, "who"])),
        "distance": draw(st.sampled_from(["score", "mahalanobis"])),
    }
    programme = (table["arm"] == "programme").sum()
    pool = table.loc[table["arm"] == "comparison", "who"].nunique()
    assume(2 <= programme <= pool)
    return table, options


def designed(table, options):
    try:
        return nearest(table, treated="arm", covariates=["age", "prior", "site"], **options)
    except DesignError as error:  # too few people drawn for a score, or nobody near
        assume("found a match" not in str(error) and "separation" not in str(error))
        raise


@FEW
@given(studies())
def test_every_match_keeps_its_promises(check_matched, study):
    table, options = study
    found = designed(table, options)
    line = found.score
    if options["caliper_scale"] == "logit":
        line = np.log(line / (1 - line))
    width = math.inf if options["caliper_sd"] is None else options["caliper_sd"] * line.std()
    check_matched(
        found,
        table,
        ratio=options["ratio"],
        replace=options["replace"],
        exact=options["exact"],
        unit=options["unit"],
        line=line,
        width=width,
    )


def labelled_pairs(found):
    return set(zip(found.pairs["treated"], found.pairs["comparison"], strict=True))


@FEW
@given(studies(), st.integers(0, 2**32 - 1))
def test_the_order_of_rows_does_not_matter_when_scores_are_distinct(study, seed):
    table, options = study
    shuffled = table.sample(frac=1, random_state=seed)
    here, there = designed(table, options), designed(shuffled, options)
    assert labelled_pairs(here) == labelled_pairs(there)
    pd.testing.assert_series_equal(
        here.table["weight"].sort_index(), there.table["weight"].sort_index()
    )


@FEW
@given(studies())
def test_the_labels_of_rows_do_not_matter(study):
    table, options = study
    renamed = table.set_axis([f"case {row}" for row in table.index])
    here, there = designed(table, options), designed(renamed, options)
    assert {(f"case {a}", f"case {b}") for a, b in labelled_pairs(here)} == labelled_pairs(there)


@FEW
@given(studies())
def test_whom_a_caliper_leaves_out_depends_on_scores_alone(study):
    """A column that nobody matches on changes nothing."""
    table, options = study
    here = designed(table, options)
    there = designed(table.assign(outcome=np.arange(len(table))), options)
    assert labelled_pairs(here) == labelled_pairs(there)
