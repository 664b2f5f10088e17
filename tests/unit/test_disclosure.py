"""The gate: what is hidden, what is rounded, what is re-totalled, and what the refusals say."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drive_eval.disclosure import (
    POLICIES,
    Policy,
    audit,
    control,
    control_pairs,
    policy,
    record,
    safe_number,
)
from drive_eval.disclosure.rules import counts_behind
from drive_eval.errors import DisclosureError
from drive_eval.results import CountTable, Evaluation, ResultSet

OPENSAFELY, ONS = POLICIES["opensafely"], POLICIES["ons_acro"]


def line_of(*counts, total=True, name="exits"):
    """One row of counts a, b, c … and their total."""
    keys = [(letter,) for letter in "abcdefghij"[: len(counts)]]
    return CountTable.from_counts(
        name=name,
        title="Exits",
        unit="perpetrators",
        dimensions=("exit",),
        counts=dict(zip(keys, counts, strict=True)),
        totals={("all",): keys} if total else None,
    )


def pairs(both, before_only, after_only, neither):
    cells = {
        ("both",): both,
        ("before_only",): before_only,
        ("after_only",): after_only,
        ("neither",): neither,
    }
    return CountTable.from_counts(
        name="pairs",
        title="Users before and after",
        unit="perpetrators",
        dimensions=("use",),
        counts=cells,
        totals={
            ("before",): [("both",), ("before_only",)],
            ("after",): [("both",), ("after_only",)],
            ("all",): list(cells),
        },
    )


def released(table):
    return [cell.count for cell in table.cells]


# --- Policies ---------------------------------------------------------------------------


def test_an_unknown_policy_is_refused_with_the_nearest_name():
    with pytest.raises(
        DisclosureError, match='"opensafly" is no disclosure policy. Nearest: "opensafely"'
    ):
        policy("opensafly")


def test_public_data_needs_its_source():
    with pytest.raises(DisclosureError, match="the plan must name the public source"):
        policy("public_data", public_source=" ")
    assert "Home Office table 7" in policy("public_data", public_source="Home Office table 7").text


def test_a_named_policy_takes_no_rules():
    with pytest.raises(DisclosureError, match='has fixed rules, but round_to was given; use "cus'):
        policy("ons_acro", round_to=5)


def test_custom_names_its_unknown_rule():
    with pytest.raises(DisclosureError, match='"round" is no rule.*Nearest: "round_to"'):
        policy("custom", suppress_up_to=5, round=5)


def test_custom_needs_the_largest_hidden_count():
    with pytest.raises(DisclosureError, match="needs suppress_up_to"):
        policy("custom", round_to=5)


def test_a_rule_below_zero_is_refused():
    with pytest.raises(DisclosureError, match="round_to cannot be below 0"):
        policy("custom", suppress_up_to=5, round_to=-5)


@pytest.mark.parametrize("protection", [1, 6])
def test_protection_that_cannot_be_kept_is_refused(protection):
    with pytest.raises(DisclosureError, match="must lie between 2 .* and suppress_up_to, 5"):
        policy("custom", suppress_up_to=5, protection=protection)


def test_custom_describes_itself():
    assert policy("custom", suppress_up_to=5, round_to=5).text == (
        "Counts of 1 to 5 are not shown, and other counts are rounded to the nearest 5."
    )
    assert policy("custom", suppress_up_to=9, suppress_zero=True).text == (
        "Counts of 0 to 9 are not shown."
    )
    assert policy("custom", suppress_up_to=0).text == "No count is hidden."
    assert policy("custom", suppress_up_to=5, text="As agreed.").text == "As agreed."


def test_internal_says_that_it_is_not_for_release():
    assert "nothing in this report may be passed on" in POLICIES["internal"].text


@pytest.mark.parametrize("name", ["internal", "public_data"])
def test_policies_that_hide_nothing_leave_the_counts(name):
    table = line_of(1, 20)
    done = control(table, POLICIES[name])
    assert released(done) == [1, 20, 21]
    assert done.policy == name


# --- Single counts ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, 0), (1, None), (7, None), (8, 10), (12, 10), (13, 15), (17, 15), (18, 20), (506, 505)],
)
def test_opensafely_hides_up_to_seven_then_rounds_to_five(count, shown):
    assert safe_number(count, OPENSAFELY) == shown


@pytest.mark.parametrize(("count", "shown"), [(0, None), (9, None), (10, 10), (506, 506)])
def test_ons_hides_under_ten_and_zero_and_rounds_nothing(count, shown):
    assert safe_number(count, ONS) == shown


def test_halves_are_rounded_up():
    tens = policy("custom", suppress_up_to=2, round_to=10)
    assert [safe_number(n, tens) for n in (14, 15, 24, 25)] == [10, 20, 20, 30]


def test_a_count_above_the_hidden_range_never_becomes_zero():
    coarse = policy("custom", suppress_up_to=4, round_to=20)
    assert safe_number(5, coarse) == 20


rules = st.builds(
    lambda k, zero, base: policy("custom", suppress_up_to=k, suppress_zero=zero, round_to=base),
    st.integers(2, 12),
    st.booleans(),
    st.integers(0, 20),
)


@given(rules, st.integers(0, 500))
@settings(deadline=None)
def test_no_released_count_lies_in_the_hidden_range(made, count):
    number = safe_number(count, made)
    if number is None:
        assert made.smallest_hidden <= count <= made.suppress_up_to
        return
    assert not made.smallest_hidden <= number <= made.suppress_up_to
    low, high = counts_behind(number, made)
    assert low <= count <= high
    assert [safe_number(n, made) for n in range(low, high + 1)] == [number] * (high - low + 1)
    assert safe_number(high + 1, made) != number
    assert low == 0 or safe_number(low - 1, made) != number


# --- Tables -----------------------------------------------------------------------------


def test_totals_are_the_sums_of_released_parts():
    assert released(control(line_of(12, 13, 17), OPENSAFELY)) == [10, 15, 15, 40]


def test_a_total_with_a_hidden_part_is_rounded_on_its_own():
    assert released(control(line_of(21, 4), OPENSAFELY)) == [20, None, 25]


def test_zeros_stay_under_opensafely():
    assert released(control(line_of(0, 21, 30), OPENSAFELY)) == [0, 20, 30, 50]


def test_one_symbol_stands_for_every_hidden_count():
    done = control(line_of(40, 30, 4, 60), ONS)
    assert released(done) == [40, 30, None, None, 134]
    assert {cell.status for cell in done.cells if cell.count is None} == {"suppressed"}


def test_the_record_tells_small_counts_from_those_that_give_them_back():
    table = line_of(40, 30, 4, 60)
    assert record(table, control(table, ONS)) == [
        {"table": "exits", "key": "c", "reason": "small count"},
        {"table": "exits", "key": "d", "reason": "would give a small count back"},
    ]


def test_a_forced_count_is_not_released_by_its_neighbours():
    # Rounded, 10 + 10 + 10 and 45 leave 15 for a hidden count of at most 7: it must be 7.
    done = control(line_of(7, 12, 12, 12), OPENSAFELY)
    assert released(done) == [None, None, None, None, 45]


def test_the_few_that_a_line_leaves_out_are_protected_where_counts_are_exact():
    done = control_pairs(pairs(30, 27, 1, 2), ONS)
    assert done["before"] is None
    assert done["all"] == 60


def test_a_line_with_everybody_is_hidden_where_zeros_are():
    done = control_pairs(pairs(30, 30, 0, 0), ONS)
    assert done["before"] is None
    assert done["all"] == 60


def test_rounding_alone_protects_the_few_that_a_line_leaves_out():
    done = control_pairs(pairs(30, 27, 1, 2), OPENSAFELY)
    assert done["before"] == 55
    assert done["all"] == 60


def test_a_small_grand_total_hides_everything_in_it():
    # Eight reasons and seven people: the zero alone would say that each of the others is one.
    done = control(line_of(1, 1, 1, 1, 1, 1, 1, 0), OPENSAFELY)
    assert released(done) == [None] * 9


def test_atoms_that_are_never_shown_are_withheld():
    counts = {("x",): 20, ("y",): 30}
    table = CountTable.from_counts(
        name="t",
        title="",
        unit="people",
        dimensions=("d",),
        counts=counts,
        totals={("all",): list(counts)},
        hidden=counts,
    )
    done = control(table, OPENSAFELY)
    assert [(cell.count, cell.status) for cell in done.cells] == [
        (None, "withheld"),
        (None, "withheld"),
        (50, "rounded"),
    ]


def test_tables_without_a_total_are_hidden_line_by_line():
    done = control(line_of(21, 4, 11, total=False), ONS)
    assert released(done) == [21, None, 11]


def test_two_lines_about_the_same_people_share_their_fate():
    counts = {("a",): 30, ("b",): 4, ("c",): 50}
    table = CountTable.from_counts(
        name="t",
        title="",
        unit="people",
        dimensions=("d",),
        counts=counts,
        totals={("b again",): [("b",)], ("c again",): [("c",)], ("all",): list(counts)},
    )
    done = control(table, OPENSAFELY)
    assert done["b again"] is None
    assert done["c"] == done["c again"] == 50


def test_families_with_low_numbers_are_given_up_first():
    atoms = dict(zip([(x,) for x in "abcdef"], (0, 3, 5, 7, 8, 9), strict=True))
    keys = list(atoms)
    table = CountTable.from_counts(
        name="linked",
        title="",
        unit="people",
        dimensions=("d",),
        counts=atoms,
        totals={
            **{("x1",): keys[:2], ("x2",): keys[2:4], ("x3",): keys[4:]},
            **{("y1",): keys[::2], ("y2",): keys[1::2], ("all",): keys},
        },
        hidden=keys,
    )
    strict = policy("custom", suppress_up_to=3, round_to=5, protection=3)
    xs, ys = [("x1",), ("x2",), ("x3",)], [("y1",), ("y2",)]
    x_first = control(table, strict, priority={**dict.fromkeys(xs, 1), **dict.fromkeys(ys, 2)})
    y_first = control(table, strict, priority={**dict.fromkeys(xs, 2), **dict.fromkeys(ys, 1)})
    assert [x_first.cell(key).count for key in (*xs, *ys)] == [None, None, None, 15, 20]
    assert [y_first.cell(key).count for key in ys] == [None, None]


def test_lines_that_stand_together_are_released_whole_or_not_at_all():
    apart = control(line_of(40, 30, 4, 60), OPENSAFELY)
    whole = control(line_of(40, 30, 4, 60), OPENSAFELY, together=[[(x,) for x in "abcd"]])
    assert released(apart) == [40, 30, None, 60, 135]
    assert released(whole) == [None, None, None, None, 135]


def test_what_is_known_from_elsewhere_counts_in_the_attack():
    # 20, 20 and 48 leave 6 to 10 for a count of 1 to 7; the exact total leaves 7 or nothing.
    table = line_of(7, 22, 22)
    assert released(control(table, OPENSAFELY)) == [None, 20, 20, 50]
    assert released(control(table, OPENSAFELY, known=[("all",)])) == [None, None, None, 50]


def test_a_controlled_table_is_not_controlled_twice():
    done = control(line_of(21, 40), OPENSAFELY)
    with pytest.raises(DisclosureError, match="exits was controlled under opensafely before"):
        control(done, OPENSAFELY)


@pytest.mark.parametrize(
    "asked", [{"known": [("al",)]}, {"priority": {("al",): 1}}, {"together": [[("al",)]]}]
)
def test_an_unknown_line_is_refused_with_the_nearest(asked):
    with pytest.raises(DisclosureError, match='no line al. Nearest: "all"'):
        control(line_of(21, 40), OPENSAFELY, **asked)


def test_atoms_need_counts():
    table = line_of(21, 40)
    cells = (dataclasses.replace(table.cells[0], count=None, status="suppressed"), *table.cells[1:])
    with pytest.raises(DisclosureError, match="has an atom without a count"):
        control(dataclasses.replace(table, cells=cells), OPENSAFELY)


def test_a_released_table_survives_the_file():
    done = control(line_of(40, 30, 4, 60), OPENSAFELY)
    evaluation = Evaluation(plan={}, plan_hash="", results={"x": ResultSet(tables=(done,))})
    assert Evaluation.from_json(evaluation.to_json()).results["x"].tables[0] == done


# --- Pairs ------------------------------------------------------------------------------


def test_four_large_cells_are_released_and_re_totalled():
    assert released(control_pairs(pairs(22, 41, 12, 33), OPENSAFELY)) == [
        *(20, 40, 10, 35),
        *(60, 30, 105),
    ]


def test_one_small_cell_leaves_the_margins_each_rounded_on_its_own():
    assert released(control_pairs(pairs(22, 41, 3, 33), OPENSAFELY)) == [
        *(None, None, None, None),
        *(65, 25, 100),
    ]


def test_a_small_margin_is_hidden_as_well():
    assert released(control_pairs(pairs(2, 41, 3, 33), OPENSAFELY)) == [
        *(None, None, None, None),
        *(45, None, 80),
    ]


def test_pairs_need_their_four_cells():
    with pytest.raises(DisclosureError, match="has no line both, before_only, after_only, neither"):
        control_pairs(line_of(20, 30, 40, 50), OPENSAFELY)


# --- Audit and record -------------------------------------------------------------------


def test_the_audit_gives_the_bounds_that_the_released_numbers_leave():
    found = audit(control_pairs(pairs(22, 41, 3, 33), OPENSAFELY))
    assert found == [
        (("both",), 0, 27),
        (("before_only",), 36, 67),
        (("after_only",), 0, 27),
        (("neither",), 4, 39),
    ]


def test_the_audit_knows_when_nothing_bounds_a_count():
    assert audit(control(line_of(21, 4, total=False), OPENSAFELY)) == [(("b",), 0, None)]


def test_the_audit_and_the_record_want_a_controlled_table():
    table = line_of(21, 4)
    for call in (lambda: audit(table), lambda: record(table, table)):
        with pytest.raises(DisclosureError, match="exits holds exact counts; call control"):
            call()


def test_a_custom_policy_must_be_handed_over():
    made = policy("custom", suppress_up_to=5)
    done = control(line_of(21, 4, total=False), made)
    with pytest.raises(DisclosureError, match="made under the policy custom; give that policy"):
        audit(done)
    assert audit(done, made) == [(("b",), 0, None)]


def test_the_audit_refuses_numbers_that_no_counts_could_give():
    done = control(line_of(21, 4), OPENSAFELY)
    cells = (*done.cells[:2], dataclasses.replace(done.cells[2], count=10))
    with pytest.raises(DisclosureError, match="no exact counts could look like this"):
        audit(dataclasses.replace(done, cells=cells))


def test_the_record_wants_the_same_table_twice():
    with pytest.raises(DisclosureError, match="is not exits after control"):
        record(line_of(21, 4, 5), control(line_of(21, 4), OPENSAFELY))


def test_the_rules_travel_with_their_name():
    assert all(made.name == name for name, made in POLICIES.items())
    assert isinstance(POLICIES["opensafely"], Policy)
    assert (ONS.min_residual_df, ONS.min_events) == (10, 10)
