"""E-values and Rosenbaum's bounds as printed, and as worked out in R (README-sensitivity.md)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from drive_eval.models.sensitivity import e_value, rosenbaum_bounds
from drive_eval.results import Estimate

approx = pytest.approx
HERE = Path(__file__).parent
R = json.loads((HERE / "sensitivity.json").read_text())
ORACLE = json.loads((HERE / "sensitivity_oracle.json").read_text())["cases"]
SYNTHETIC = pd.read_csv(HERE / "prepost_syn_abuse.csv")
PHYSICAL = SYNTHETIC[SYNTHETIC["type"] == "physical"].dropna(subset=["pre", "post"])

# Lead in the blood of 33 exposed children and of their matched controls (Morton et al. 1982).
EXPOSED = [38, 23, 41, 18, 37, 36, 23, 62, 31, 34, 24, 14, 21, 17, 16, 20, 15]
EXPOSED += [10, 45, 39, 22, 35, 49, 48, 44, 35, 43, 39, 34, 13, 73, 25, 27]
CONTROL = [16, 18, 18, 24, 19, 11, 10, 15, 16, 18, 18, 13, 19, 10, 16, 16, 24]
CONTROL += [13, 9, 14, 21, 19, 7, 18, 19, 12, 11, 22, 25, 16, 13, 11, 13]
LEAD = pd.DataFrame({"exposed": EXPOSED, "control": CONTROL})
LEAD_COLUMNS = {"programme": "exposed", "comparison": "control", "alternative": "greater"}
FALL = {"programme": "post", "comparison": "pre"}  # fewer after: a test of arithmetic only


def estimate(measure, point, low=None, high=None, **more):
    labels = {"claim": "associational", "conf_low": low, "conf_high": high, **more}
    return Estimate(measure=measure, estimate=point, **labels)


def both(found):
    names = ("e_value", "e_value_limit")
    return tuple(found.one(measure=name).estimate for name in names)


def p_values(found, side="upper"):
    return [e.estimate for e in found.estimates if e.measure == f"p_{side}"]


# E-values


def test_the_published_e_values():
    point, limit = both(e_value(estimate("risk_ratio", 3.9, 1.8, 8.7)))
    assert (f"{point:.2f}", f"{limit:.1f}") == ("7.26", "3.0")
    point, limit = both(e_value(estimate("risk_ratio", 0.80, 0.71, 0.91)))
    assert (f"{point:.1f}", f"{limit:.1f}") == ("1.8", "1.4")


MEASURES = {"or": "odds_ratio", "hr": "hazard_ratio", "rr": "risk_ratio"}
RATIO_CASES = [c for c in ORACLE if c.startswith("evalue/") and "est" in ORACLE[c]["result"]]


def test_every_ratio_of_the_oracle_is_taken_up():
    assert len(RATIO_CASES) == 10
    left = [c for c in ORACLE if c.startswith("evalue/") and c not in RATIO_CASES]
    assert left == ["evalue/smd_0.42", "evalue/smd_-0.3", "evalue/from_2x2"]


@pytest.mark.parametrize("case", RATIO_CASES)
def test_e_values_of_ratios_agree_with_r(case):
    expected = ORACLE[case]["result"]
    kind = case.split("/")[1].split("_")[0]
    common = None if kind == "rr" else "rare" not in case
    found = e_value(
        estimate(MEASURES[kind], expected["est"], expected["lo"], expected["hi"]), common=common
    )
    assert both(found) == approx((expected["evalue_point"], expected["evalue_ci"]), rel=1e-12)


@pytest.mark.parametrize("case", ["evalue/smd_0.42", "evalue/smd_-0.3"])
def test_e_values_of_standardised_differences_agree_with_r(case):
    # The point only: the limits there were made with 0.91 × 1.78 in place of 1.78 (see README).
    expected = ORACLE[case]["result"]
    found = e_value(estimate("standardised_mean_difference", expected["d"]))
    assert both(found) == (approx(expected["evalue_point"], rel=1e-12), None)


def test_limits_of_standardised_differences_use_the_published_factor():
    for case in R["e_values"]["smd"]:
        found = e_value(estimate("standardised_mean_difference", case["d"], std_error=case["se"]))
        assert both(found) == approx((case["e"], case["limit"]), rel=1e-9)


def test_the_e_value_of_a_ratio_of_counts_agrees_with_r():
    found = e_value(estimate("risk_ratio", 0.30 / 0.42))
    expected = ORACLE["evalue/from_2x2"]["result"]["evalue_rr"]
    assert both(found) == (approx(expected, rel=1e-12), None)


@pytest.mark.parametrize("kind", ["direct", "hazard", "odds"])
def test_e_values_are_where_the_bounding_factor_reaches_the_ratio(kind):
    measure = {"direct": "rate_ratio", "hazard": "hazard_ratio", "odds": "odds_ratio"}[kind]
    for case in R["e_values"][kind]:
        found = e_value(estimate(measure, case["ratio"]), common=True)
        assert both(found)[0] == approx(case["e"], rel=1e-9)


def test_a_percent_reduction_has_the_e_value_of_its_ratio():
    for case in R["e_values"]["percent"]:
        found = e_value(estimate("percent_reduction", case["percent"], term="users"))
        assert both(found)[0] == approx(case["e"], rel=1e-9)


# McNemar


def test_the_published_bounds_for_smoking():
    found = rosenbaum_bounds(favour=110, against=12, gammas=[3, 4, 5, 6])
    assert p_values(found) == approx([0.000020, 0.001963, 0.023169, 0.096929], abs=5e-7)


@pytest.mark.parametrize("case", [c for c in ORACLE if "mcnemar" in c])
def test_bounds_of_mcnemar_agree_with_r(case):
    expected = ORACLE[case]["result"]
    at = expected["one_sided"]
    found = rosenbaum_bounds(
        favour=expected["t"],
        against=expected["n_discordant"] - expected["t"],
        gammas=[row["gamma"] for row in at],
    )
    for side in ("upper", "lower"):
        assert p_values(found, side) == approx([row[f"p_{side}"] for row in at], rel=1e-9)
    crossing = found.one(measure="gamma_at_alpha").estimate
    assert crossing == approx(expected["gamma_at_p05"], rel=1e-9)


@pytest.mark.parametrize("case", R["mcnemar"], ids=lambda c: f"{c['favour']}v{c['against']}")
def test_bounds_of_mcnemar_agree_with_chances_added_up(case):
    found = rosenbaum_bounds(
        favour=case["favour"],
        against=case["against"],
        gammas=[row["gamma"] for row in case["at"]],
    )
    for side in ("upper", "lower"):
        assert p_values(found, side) == approx([row[side] for row in case["at"]], rel=1e-9)
    crossing = found.one(measure="gamma_at_alpha").estimate
    assert crossing == (case["gamma_at_05"] and approx(case["gamma_at_05"], rel=1e-9))


# Signed rank


def test_the_published_bounds_for_lead():
    found = rosenbaum_bounds(LEAD, **LEAD_COLUMNS, gammas=[2, 3, 4, 4.25, 5])
    printed = [f"{p:.4f}" for p in p_values(found)]
    assert printed == ["0.0018", "0.0136", "0.0388", "0.0468", "0.0740"]


def test_lead_with_the_zero_dropped_agrees_with_r():
    expected = ORACLE["rosenbaum_signed_rank/lead"]["result"]
    assert (LEAD["exposed"] - LEAD["control"]).tolist() == expected["diff"]
    at = expected["one_sided_greater"]
    found = rosenbaum_bounds(
        LEAD, **LEAD_COLUMNS, gammas=[row["gamma"] for row in at], zeros="drop"
    )
    for side in ("upper", "lower"):
        assert p_values(found, side) == approx([row[f"p_{side}"] for row in at], rel=1e-9)


def test_synthetic_severity_agrees_with_r():
    expected = ORACLE["rosenbaum_signed_rank/syn_physical"]["result"]
    at = expected["one_sided_greater"]
    found = rosenbaum_bounds(PHYSICAL, **FALL, gammas=[row["gamma"] for row in at], zeros="drop")
    assert found.estimates[0].n_events + found.estimates[0].n_events_reference == 119
    for side in ("upper", "lower"):
        assert p_values(found, side) == approx([row[f"p_{side}"] for row in at], rel=1e-9)


def hold(found, case):
    for side in ("upper", "lower"):
        assert p_values(found, side) == approx([row[side] for row in case["at"]], rel=1e-9)
    crossing = found.one(measure="gamma_at_alpha").estimate
    assert crossing == approx(case["gamma_at_05"], rel=1e-8)


@pytest.mark.parametrize("case", R["physical"], ids=lambda c: c["zeros"])
def test_both_rules_for_zeros_agree_with_r_on_many_ties(case):
    gammas = [row["gamma"] for row in case["at"]]
    hold(rosenbaum_bounds(PHYSICAL, **FALL, gammas=gammas, zeros=case["zeros"]), case)


@pytest.mark.parametrize("kind", ["exact", "normal"])
@pytest.mark.parametrize("at", [0, 1], ids=["keep", "drop"])
def test_few_pairs_agree_with_every_assignment_of_sign(kind, at):
    case = R["short"][kind][at]
    pairs = pd.DataFrame({"less": 0, "more": np.array(R["short"]["d"])})
    gammas = [row["gamma"] for row in case["at"]]
    found = rosenbaum_bounds(
        pairs,
        programme="less",
        comparison="more",
        gammas=gammas,
        zeros=case["zeros"],
        exact=kind == "exact",
    )
    hold(found, case)
