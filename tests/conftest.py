"""Twelve hand-written cases that one can check on paper.

Physical abuse as the IDVA rates it, worst over the victim-survivors of a case:

==== ==== =========== ========= =========
case who  arm         intake    exit
==== ==== =========== ========= =========
001  P01  programme   high      none
002  P02  programme   high      standard      (V02 high → standard, V03 standard → none)
003  P03  programme   moderate  none
004  P04  programme   standard  not recorded
005  P05  programme   high      high
006  P06  programme   none      none
007  P07  programme   -         -             (declined, never started)
008  P01  programme   moderate  -             (P01's second enrolment, still open)
009  P09  comparison  high      high
010  P10  comparison  moderate  moderate
011  P11  comparison  standard  none
012  P12  comparison  none      standard
==== ==== =========== ========= =========

So among programme cases with both ratings (001, 002, 003, 005, 006) users fall from 4 to 2,
and in the comparison arm they are 3 before and 3 after (one stops, one begins).
"""

from __future__ import annotations

import io
import os

# The tests run side by side, one process a core; threads of each process would fight for them.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import pytest

TINY = {
    "cases": """
case_id,perpetrator_id,arm,index_date,site,start_date,exit_date,exit_reason,data_end_date,age
001,P01,programme,2023-01-10,north,2023-01-20,2023-07-20,planned,2025-01-31,34
002,P02,programme,2023-01-17,north,2023-02-01,2023-08-01,planned,2025-01-31,41
003,P03,programme,2023-02-06,south,2023-02-20,2023-09-04,planned,2025-01-31,27
004,P04,programme,2023-02-13,south,2023-03-01,2023-05-09,disengaged,2025-01-31,52
005,P05,programme,2023-03-06,north,2023-03-20,2023-06-15,custody,2025-01-31,
006,P06,programme,2023-03-13,south,2023-04-03,2023-10-02,planned,2025-01-31,38
007,P07,programme,2023-04-03,south,,,declined,2025-01-31,45
008,P01,programme,2024-09-02,north,2024-09-16,,still_open,2025-01-31,36
009,P09,comparison,2023-01-12,north,,,,2025-01-31,33
010,P10,comparison,2023-02-08,south,,,,2025-01-31,29
011,P11,comparison,2023-03-08,north,,,,2025-01-31,47
012,P12,comparison,2023-04-05,south,,,,2025-01-31,40
""",
    "victim_survivors": """
victim_survivor_id,case_id,relationship,idva_supported,children_n
V01,001,ex-partner,true,2
V02,002,partner,true,1
V03,002,ex-partner,true,0
V04,003,partner,true,
V05,004,ex-partner,true,3
V06,005,partner,true,0
V07,006,ex-partner,true,1
V08,007,partner,false,0
V01,008,ex-partner,true,2
V09,009,ex-partner,true,1
V10,010,partner,true,0
V11,011,ex-partner,true,2
V12,012,partner,true,
""",
    "assessments": """
case_id,time_point,reporter,abuse_type,severity,victim_survivor_id,date
001,intake,idva,physical,high,V01,2023-01-12
001,exit,idva,physical,none,V01,2023-07-18
001,intake,case_manager,physical,moderate,,2023-01-22
001,exit,case_manager,physical,none,,2023-07-20
002,intake,idva,physical,high,V02,2023-01-20
002,exit,idva,physical,standard,V02,2023-07-31
002,intake,idva,physical,standard,V03,2023-02-10
002,exit,idva,physical,none,V03,2023-07-31
003,intake,idva,physical,moderate,V04,2023-02-08
003,exit,idva,physical,none,V04,2023-09-01
003,intake,idva,jealous_controlling,high,V04,2023-02-08
003,exit,idva,jealous_controlling,standard,V04,2023-09-01
004,intake,idva,physical,standard,V05,2023-02-15
004,exit,idva,physical,,V05,
005,intake,idva,physical,high,V06,2023-03-08
005,exit,idva,physical,high,V06,2023-06-14
006,intake,idva,physical,none,V07,2023-03-15
006,exit,idva,physical,none,V07,2023-09-29
008,intake,idva,physical,moderate,V01,2024-09-04
009,intake,idva,physical,high,V09,2023-01-16
009,exit,idva,physical,high,V09,2023-07-17
010,intake,idva,physical,moderate,V10,2023-02-10
010,exit,idva,physical,moderate,V10,2023-08-09
011,intake,idva,physical,standard,V11,2023-03-10
011,exit,idva,physical,none,V11,2023-09-08
012,intake,idva,physical,none,V12,2023-04-07
012,exit,idva,physical,standard,V12,2023-10-06
""",
    "risk_reviews": """
case_id,time_point,reporter,dash_score,dash_dont_know,perceived_change,victim_survivor_id,date
001,intake,idva,17,1,,V01,2023-01-12
001,exit,idva,6,0,significant_reduction,V01,2023-07-18
002,exit,idva,12,2,moderate_reduction,V02,2023-07-31
005,exit,idva,16,0,no_change,V06,2023-06-14
009,exit,idva,15,,no_change,V09,2023-07-17
012,exit,idva,14,3,increase,V12,2023-10-06
""",
    "events": """
event_id,perpetrator_id,date,source,victim_survivor_id,offence_class,abuse_type,domestic_abuse_flag,outcome_stage,harm_days
E01,P01,2022-11-05,police,V01,8N,physical,true,charged,20
E02,P01,2024-05-02,police,V01,8L,harassment_stalking,true,recorded,10
E03,P02,2022-12-24,police,V02,105A,physical,true,recorded,1.5
E04,P05,2023-05-30,police,V06,8N,physical,true,convicted,20
E05,P05,2023-08-11,prison,V06,8L,harassment_stalking,true,recorded,
E06,P09,2023-03-03,police,V09,8N,physical,true,recorded,20
E07,P09,2023-06-19,marac,V09,,,,,
E08,P10,2023-07-07,police,V90,105A,physical,true,recorded,1.5
E09,P12,2024-01-02,police,V12,58A,,false,recorded,0
""",
    "custody": """
perpetrator_id,start_date,end_date
P05,2023-06-15,2023-12-15
P09,2024-10-01,
""",
}


@pytest.fixture
def tiny_tables() -> dict[str, pd.DataFrame]:
    """Twelve cases as a CSV file holds them: every cell is text, "" where nothing is recorded."""
    return {
        name: pd.read_csv(io.StringIO(text.lstrip()), dtype=str, keep_default_na=False)
        for name, text in TINY.items()
    }


@pytest.fixture
def tiny_folder(tmp_path):
    """Twelve cases as CSV files in a folder."""
    folder = tmp_path / "extract"
    folder.mkdir()
    for name, text in TINY.items():
        (folder / f"{name}.csv").write_text(text.lstrip(), encoding="utf-8")
    return folder


@pytest.fixture
def tiny_study(tiny_folder):
    """Twelve cases, validated."""
    from drive_eval.data.study import read_study

    return read_study(tiny_folder)


@pytest.fixture(scope="session")
def check_matched():
    """Return a function that holds any match to what must be true of every match.

    It takes the `Matched` and the table it was made from; `ratio`, `replace`, `exact` and
    `unit` are what was asked for, `line` the score on the scale of the distances (one value a
    row) and `width` the caliper on it.
    """
    return _check_matched


def _check_matched(
    design, table, *, ratio=1, replace=False, exact=(), unit=None, line=None, width=np.inf
):
    kept = design.table
    assert kept.index.is_unique
    assert kept.index.isin(table.index).all()
    pd.testing.assert_frame_equal(kept[list(table.columns)], table.loc[kept.index])
    arm = table[design.treated].map(
        {"programme": True, "comparison": False, True: True, False: False}
    )
    programme = arm[kept.index].to_numpy(dtype=bool)
    weight = kept["weight"].to_numpy()
    assert (weight > 0).all()
    _check_sets(design, kept, programme, weight)
    if design.pairs is not None:
        agree = [exact] if isinstance(exact, str) else list(exact)
        _check_pairs(design, table, arm, ratio, replace, agree, unit, line, width)

    # What is said of it
    if design.estimand in ("att", "atm"):
        assert (weight[programme] == 1).all()
        assert (design.estimand == "atm") == (programme.sum() < arm.sum())
        assert weight[~programme].sum() == pytest.approx((~programme).sum())
    for group, there, every in (("programme", programme, arm), ("comparison", ~programme, ~arm)):
        assert design.flow[group, "matched"] == there.sum()
        assert design.flow[group, "all"] == every.sum()
        size = design.balance.one(measure="ess", group=group, subgroup="after").estimate
        own = weight[there]
        assert size == pytest.approx(own.sum() ** 2 / (own**2).sum())
    assert design.balance.check("unmatched").passed == (programme.sum() == arm.sum())
    if design.score is not None:
        assert design.score.index.equals(table.index)
        assert design.score.between(0, 1).all()
    assert design.describe()


def _check_sets(design, kept, programme, weight):
    sets = kept["matched_set"]
    if design.variance == "HC3" and sets.isna().all():
        return
    assert not sets.isna().any()
    found = pd.DataFrame({"set": sets.astype(int), "programme": programme, "weight": weight})
    of = found.groupby("set")
    assert (of["programme"].any() & ~of["programme"].all()).all()  # both arms in every set
    if design.estimand not in ("att", "atm"):
        return
    comparison = found[~found["programme"]]
    per_set = comparison.groupby("set")["weight"]
    assert (per_set.max() - per_set.min()).to_numpy() == pytest.approx(0, abs=1e-9)
    share = per_set.sum() / found[found["programme"]].groupby("set")["weight"].sum()
    assert share.to_numpy() == pytest.approx(share.iloc[0])  # each programme case counts alike


def _check_pairs(design, table, arm, ratio, replace, exact, unit, line, width):
    pairs = design.pairs
    assert len(pairs)
    assert arm[pairs["treated"]].all()
    assert not arm[pairs["comparison"]].any()
    assert not pairs.duplicated(["treated", "comparison"]).any()
    assert pairs.groupby("treated").size().max() <= ratio
    assert set(pairs["treated"]) | set(pairs["comparison"]) == set(design.table.index)
    for name in exact:
        left, right = (
            table.loc[pairs[side], name].to_numpy() for side in ("treated", "comparison")
        )
        assert (left == right).all()
    if not replace:
        assert pairs["comparison"].is_unique  # nobody is used twice
        sets = design.table["matched_set"]
        assert (sets[pairs["treated"]].to_numpy() == sets[pairs["comparison"]].to_numpy()).all()
    if unit is not None:
        person = pairs.assign(
            own=table.loc[pairs["treated"], unit].to_numpy(),
            other=table.loc[pairs["comparison"], unit].to_numpy(),
        )
        assert (person["own"] != person["other"]).all()
        assert not person.duplicated(["treated", "other"] if replace else ["other"]).any()
    if line is not None:
        line = pd.Series(np.asarray(line), index=table.index)
        apart = line[pairs["treated"]].to_numpy() - line[pairs["comparison"]].to_numpy()
        assert np.abs(apart).max() <= width + 1e-9
    share = 1 / pairs.groupby("treated")["comparison"].transform("size")
    expected = share.groupby(pairs["comparison"]).sum()
    expected *= len(expected) / expected.sum()
    given = design.table["weight"][expected.index]
    assert given.to_numpy() == pytest.approx(expected.to_numpy())
