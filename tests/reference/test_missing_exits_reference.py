"""Rubin's rules, weights for drop-out, adjusted P values and power, as R has them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from drive_eval.models import _imputation, _power
from drive_eval.models.sensitivity import adjust_p_values, weighted_change

approx = pytest.approx
HERE = Path(__file__).parent
R = json.loads((HERE / "missing_exits.json").read_text())
RUBIN = json.loads((HERE / "missing_exits_rubin.json").read_text())["cases"]


@pytest.mark.parametrize("case", RUBIN)
def test_rubins_rules_as_mice_has_them(case):
    wanted = RUBIN[case]["result"]
    n = math.inf if wanted["n"] == "Inf" else wanted["n"]
    found = _imputation.pool(wanted["Q"], wanted["U"], df=n - 1)
    for name, value in (
        ("qbar", found.estimate),
        ("ubar", found.within),
        ("b", found.between),
        ("t", found.variance),
        ("r", found.increase),
        ("df", found.df),
        ("fmi", found.missing_information),
        ("lambda", found.share),
    ):
        assert value == approx(wanted[name], rel=1e-10, abs=1e-12), name


def test_weights_for_drop_out_and_their_stacked_sandwich():
    table = pd.DataFrame({name: R[name] for name in ("z", "before", "after", "known")})
    table["after"] = table["after"].where(table["known"] == 1)
    found = weighted_change(table, before="before", after="after", covariates="z")
    share, gap = found.one(measure="prevalence_after"), found.one(measure="risk_difference")
    assert share.estimate == approx(R["weighted"][0], rel=1e-8)
    assert found.one(measure="prevalence_before").estimate == approx(R["weighted"][1])
    assert gap.estimate == approx(R["weighted"][0] - R["weighted"][1], rel=1e-8)
    spare = math.sqrt(300 / 299)
    assert share.std_error == approx(spare * R["error"][0], rel=1e-6)
    assert gap.std_error == approx(spare * R["difference_error"][0], rel=1e-6)


def test_adjusted_p_values():
    tests = {str(i): p for i, p in enumerate(R["p"])}
    for primary, wanted in ((list(tests), "holm"), ([], "bh")):
        found = adjust_p_values(tests, primary=primary)["adjusted"].to_numpy()
        assert found == approx(np.array(R[wanted]), rel=1e-12)


def test_power_of_two_proportions():
    found = [
        _power.two_arm_power(100, 100, 0.5, 0.193, 0.05),
        _power.two_arm_power(250, 250, 0.3, 0.1, 0.01),
        _power.two_arm_power(60, 60, 0.8, 0.4, 0.05),
    ]
    assert found == approx(R["power"], rel=1e-10)
