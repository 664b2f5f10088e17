"""Wrong records, more recording, one site, kinds of people, many tests, small samples."""

from __future__ import annotations

import functools
import inspect
import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from drive_eval.errors import DataError, DesignError, UndefinedResultError
from drive_eval.models import _intervals, _misreport, _power, sensitivity
from drive_eval.models.comparison import risk_contrast
from drive_eval.models.prepost import paired_change
from drive_eval.models.sensitivity import (
    adjust_p_values,
    detectable_effect,
    detection,
    differential_misreporting,
    leave_one_out,
    misreporting,
    subgroup_interaction,
    verdict,
)
from drive_eval.results import Check, Estimate

approx = pytest.approx
COLUMNS = {"before": "before", "after": "after"}
ARMS = {"outcome": "y", "treated": "arm"}


def pairs(both, before_only, after_only, neither):
    first = [1] * (both + before_only) + [0] * (after_only + neither)
    second = [1] * both + [0] * before_only + [1] * after_only + [0] * neither
    return pd.DataFrame({"before": first, "after": second})


def arms(x1, n1, x0, n0, **more):
    y = [1] * x1 + [0] * (n1 - x1) + [1] * x0 + [0] * (n0 - x0)
    return pd.DataFrame({"y": y, "arm": ["programme"] * n1 + ["comparison"] * n0, **more})


def numbers(e):
    return e.estimate, e.conf_low, e.conf_high


@pytest.mark.parametrize("name", [n for n in sensitivity.__all__ if n != "negative_outcome"])
def test_every_question_has_its_sections_and_an_example(name):
    text = inspect.getdoc(getattr(sensitivity, name))
    assert text.splitlines()[0].endswith("?")
    for part in ("Parameters", "Returns", "Raises", "Notes", "**Assumptions.**", ">>>"):
        assert part in text, part


class TestMisreporting:
    TABLE = pairs(12, 48, 3, 37)

    def test_perfect_records_are_the_plain_table(self):
        found, plain = misreporting(self.TABLE, **COLUMNS), paired_change(self.TABLE, **COLUMNS)
        for e in found.estimates:
            if e.term.startswith("corrected"):
                assert numbers(e) == approx(numbers(plain.one(measure=e.measure)))

    def test_rogan_and_gladen_by_hand(self):
        found = misreporting(
            self.TABLE,
            **COLUMNS,
            sensitivity_before=0.9,
            specificity_before=0.95,
            sensitivity_after=0.8,
            specificity_after=0.98,
        )
        before, after = (0.6 - 0.05) / 0.85, (0.15 - 0.02) / 0.78
        assert found.one(measure="prevalence_before").estimate == approx(before)
        assert found.one(measure="prevalence_after").estimate == approx(after)
        assert found.one(measure="risk_difference").estimate == approx(after - before)
        assert found.one(measure="risk_ratio").estimate == approx(after / before)
        assert not [c for c in found.checks if c.name == "impossible"]

    def test_sensitivities_alone_multiply_the_ratio_and_its_limits(self):
        found = misreporting(self.TABLE, **COLUMNS, sensitivity_after=0.5, sensitivity_before=0.8)
        plain = paired_change(self.TABLE, **COLUMNS).one(measure="risk_ratio")
        got = found.one(measure="risk_ratio")
        assert numbers(got) == approx([1.6 * v for v in numbers(plain)])

    @pytest.mark.parametrize(
        "more",
        [
            {},
            {"specificity_after": 0.97},
            {"specificity_before": 0.9},
            {"specificity_after": 0.97, "sensitivity_before": 0.85},
        ],
    )
    def test_at_the_named_over_optimism_the_fall_is_gone(self, more):
        found = misreporting(self.TABLE, **COLUMNS, **more)
        for term in ("point", "interval"):
            percent = found.one(measure="over_optimism", term=term).estimate
            again = misreporting(
                self.TABLE, **COLUMNS, sensitivity_after=1 - percent / 100, **more
            ).one(measure="risk_ratio")
            assert (again.estimate if term == "point" else again.conf_high) == approx(1, abs=1e-6)

    def test_the_words(self):
        found = misreporting(self.TABLE, **COLUMNS)
        assert found.check("over_optimism").text == (
            "The fall would vanish if 75 % of those who still showed the behaviour at exit were "
            "recorded as having stopped."
        )
        limit = found.one(measure="over_optimism", term="interval").estimate
        assert f"no longer be clear (at 95 %) if {limit:.0f} % of" in (
            found.check("over_optimism_interval").text
        )
        assert found.check("over_optimism").passed is None

    def test_no_fall_needs_no_error(self):
        found = misreporting(pairs(20, 3, 10, 30), **COLUMNS)
        assert found.one(measure="over_optimism", term="point").estimate == 0
        assert found.check("over_optimism").passed is False
        assert (
            found.check("over_optimism").text == "There is no fall even if every record is right."
        )
        assert "The fall is not clear" in found.check("over_optimism_interval").text

    def test_nobody_recorded_after_cannot_be_undone_by_the_point(self):
        found = misreporting(pairs(0, 40, 0, 20), **COLUMNS)
        assert found.one(measure="over_optimism", term="point").estimate is None
        assert found.check("over_optimism").passed
        assert found.check("over_optimism").text.startswith("The fall would not vanish whatever")

    def test_records_that_contradict_the_assumption(self):
        found = misreporting(self.TABLE, **COLUMNS, specificity_after=0.8)
        assert found.check("impossible").passed is False
        assert "specificity after, the records could hardly be what they are" in (
            found.check("impossible").text
        )
        assert found.one(measure="prevalence_after").estimate == 0
        both = misreporting(self.TABLE, **COLUMNS, specificity_before=0.3)
        assert both.one(measure="risk_ratio").estimate is None
        assert "before, so there is no ratio" in both.check("risk_ratio_undefined").text

    def test_the_corrected_interval_covers(self):
        rng, hits, draws = np.random.default_rng(8), np.zeros(2), 300
        truth = 0.25 / 0.6
        for _ in range(draws):
            before = rng.random(400) < 0.6
            after = rng.random(400) < np.where(before, 0.35, 0.1)  # 0.25 after
            table = pd.DataFrame(
                {
                    "before": rng.random(400) < np.where(before, 0.9, 0.05),
                    "after": rng.random(400) < np.where(after, 0.7, 0.03),
                }
            )
            found = misreporting(
                table,
                **COLUMNS,
                sensitivity_before=0.9,
                specificity_before=0.95,
                sensitivity_after=0.7,
                specificity_after=0.97,
            )
            for i, (measure, value) in enumerate(
                (("risk_ratio", truth), ("risk_difference", -0.35))
            ):
                e = found.one(measure=measure)
                hits[i] += e.conf_low <= value <= e.conf_high
        assert (hits / draws >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / draws)).all()

    def test_refusals(self):
        with pytest.raises(DesignError, match="sensitivity after must be a share between 0 and 1"):
            misreporting(self.TABLE, **COLUMNS, sensitivity_after=80)
        with pytest.raises(DesignError, match="before add up to 0.9"):
            misreporting(self.TABLE, **COLUMNS, sensitivity_before=0.4, specificity_before=0.5)
        with pytest.raises(DesignError, match="specificity before must be a number"):
            misreporting(self.TABLE, **COLUMNS, specificity_before="high")
        with pytest.raises(UndefinedResultError, match="Nobody showed this behaviour at intake"):
            misreporting(pairs(0, 0, 3, 9), **COLUMNS)
        with pytest.raises(DataError, match="have no value"):
            misreporting(self.TABLE.assign(after=[None] + [1.0] * 99), **COLUMNS)


class TestDifferentialMisreporting:
    def test_perfect_records_are_the_plain_contrast(self):
        table = arms(20, 100, 50, 100)
        found, plain = differential_misreporting(table, **ARMS), risk_contrast(table, **ARMS)
        for e in found.estimates:
            if e.term.startswith("corrected"):
                assert numbers(e) == approx(numbers(plain.one(measure=e.measure)))
        assert found.one(measure="over_optimism", term="point").estimate == approx(60)
        assert found.check("over_optimism").text == (
            "The difference would vanish if 60 % of programme cases who showed the behaviour were "
            "recorded as not doing so."
        )

    def test_errors_by_arm(self):
        found = differential_misreporting(
            arms(20, 100, 50, 100), **ARMS, sensitivity_treated=0.5, specificity_comparison=0.9
        )
        assert found.one(measure="risk_treated").estimate == approx(0.4)
        assert found.one(measure="risk_comparison").estimate == approx(0.4 / 0.9)

    def test_refusals(self):
        with pytest.raises(UndefinedResultError, match="nobody in the comparison group"):
            differential_misreporting(arms(3, 10, 0, 10), **ARMS)
        with pytest.raises(DesignError, match="is of one arm"):
            differential_misreporting(arms(3, 10, 0, 0), **ARMS)
        with pytest.raises(DesignError, match="of the programme add up to"):
            differential_misreporting(
                arms(3, 10, 4, 10), **ARMS, sensitivity_treated=0.2, specificity_treated=0.2
            )

    def test_a_ratio_that_only_mover_gives_holds_its_point(self):
        pair = _misreport.Pair(x1=3, n1=50, x0=30, n0=60)
        how = _misreport.recording(0.9, 0.95, "x"), _misreport.recording(0.9, 0.9, "y")
        ratio = _misreport.corrected(pair, *how, critical=1.96)[0]["ratio"]
        assert ratio.low <= ratio.estimate <= ratio.high


class TestDetection:
    RISE = Estimate(measure="rate_ratio", estimate=1.2, conf_low=1.05, conf_high=1.37, p_value=0.01)

    def test_dividing_by_detection(self):
        found = detection(self.RISE, ratios=[1.0, 1.5])
        e = found.one(measure="rate_ratio", term="detection 1.5")
        assert numbers(e) == approx((0.8, 0.7, 1.37 / 1.5))
        assert e.p_value is None
        assert found.one(measure="rate_ratio", term="detection 1").p_value == 0.01
        assert found.one(measure="detection_ratio", term="point").estimate == 1.2
        assert found.one(measure="detection_ratio", term="interval").estimate == 1.05
        assert found.check("detection").text == (
            "The recorded rise would be no rise if incidents were 1.2 times as likely to be "
            "recorded after (or in the programme) as before (or without it)."
        )

    def test_a_true_fall_behind_no_change(self):
        flat = Estimate(measure="rate_ratio", estimate=1.0, conf_low=0.9, conf_high=1.1)
        found = detection(flat, reduction=50)
        assert found.one(measure="detection_ratio", term="point").estimate == 2.0
        assert found.one(measure="detection_ratio", term="interval").estimate == approx(1.8)
        assert found.check("detection").text.startswith("The records are what a true fall of 50 %")
        assert "would include a true fall of 50 %" in found.check("detection_interval").text

    def test_an_interval_that_needs_no_difference(self):
        flat = Estimate(measure="rate_ratio", estimate=1.0, conf_low=0.9, conf_high=1.1)
        found = detection(flat)
        assert found.one(measure="detection_ratio", term="interval").estimate == 1.0
        assert "without any difference in recording" in found.check("detection_interval").text

    def test_a_percentage_is_turned_back(self):
        one, other = detection(self.RISE), detection(self.RISE.percent_reduction())
        for term in ("point", "interval"):
            assert one.one(measure="detection_ratio", term=term).estimate == approx(
                other.one(measure="detection_ratio", term=term).estimate
            )

    def test_no_interval(self):
        found = detection(Estimate(measure="risk_ratio", estimate=1.3))
        assert found.one(measure="detection_ratio", term="interval").estimate is None
        assert found.check("detection_interval").text.startswith("The ratio has no interval")

    def test_refusals(self):
        with pytest.raises(DataError, match="asked of an Estimate, not of a float"):
            detection(1.2)
        with pytest.raises(DesignError, match="not a hazard_ratio"):
            detection(Estimate(measure="hazard_ratio", estimate=1.2))
        with pytest.raises(DesignError, match="ratios must be numbers above 0"):
            detection(self.RISE, ratios=[0.0])
        with pytest.raises(DesignError, match="must lie below 100"):
            detection(self.RISE, reduction=100)
        with pytest.raises(UndefinedResultError, match="neither a point nor an interval"):
            detection(Estimate(measure="rate_ratio", estimate=None))


class TestLeaveOneOut:
    CONTRAST = staticmethod(functools.partial(risk_contrast, **ARMS))

    @staticmethod
    def sites(*cells):
        return pd.concat([arms(*cell, site=name) for name, *cell in cells], ignore_index=True)

    def test_each_row_is_the_analysis_without_a_site(self):
        table = self.sites(("a", 5, 30, 15, 30), ("b", 8, 30, 12, 30), ("c", 20, 30, 10, 30))
        found = leave_one_out(table, by="site", analysis=self.CONTRAST, measure="risk_difference")
        assert [e.subgroup for e in found.estimates] == ["", "without a", "without b", "without c"]
        rest = risk_contrast(table[table["site"] != "b"], **ARMS).one(measure="risk_difference")
        assert numbers(found.one(subgroup="without b")) == numbers(rest)
        check = found.check("leave_one_out")
        assert check.passed is False
        assert "it moves most without c" in check.text
        assert "The interval excludes no effect without c." in check.text
        assert "It points the other way without a." in check.text

    def test_sites_alike_pass(self):
        table = self.sites(*((name, 20, 100, 50, 100) for name in "abc"))
        found = leave_one_out(table, by="site", analysis=self.CONTRAST, measure="risk_ratio")
        assert found.check("leave_one_out").passed
        assert found.check("leave_one_out").statistic == approx(0.4)

    def test_a_site_that_is_needed_is_said(self):
        table = self.sites(("a", 5, 30, 15, 30), ("b", 8, 30, 0, 0))
        found = leave_one_out(table, by="site", analysis=self.CONTRAST, measure="risk_ratio")
        assert found.one(subgroup="without a").estimate is None
        assert found.check("without").text.startswith("without a: nobody is in the comparison")

    def test_refusals(self):
        table = self.sites(("a", 5, 30, 15, 30))
        with pytest.raises(DesignError, match="has 1 different values"):
            leave_one_out(table, by="site", analysis=self.CONTRAST, measure="risk_ratio")
        people = table.assign(site=range(60)).sample(60, random_state=1)
        many = pd.concat([people, people.assign(site=people["site"] + 60)])
        with pytest.raises(DesignError, match="sites, areas or years, not people"):
            leave_one_out(many, by="site", analysis=self.CONTRAST, measure="risk_ratio")
        with pytest.raises(DesignError, match="analysis must be a function"):
            leave_one_out(table, by="site", analysis="risk_contrast", measure="risk_ratio")
        with pytest.raises(DataError, match='no column "area"'):
            leave_one_out(table, by="area", analysis=self.CONTRAST, measure="risk_ratio")


class TestInteraction:
    TABLE = pd.concat([arms(20, 100, 50, 100, kind="a"), arms(30, 80, 40, 80, kind="b")])
    CALL = staticmethod(functools.partial(subgroup_interaction, **ARMS, subgroup="kind"))

    def test_differences_and_ratios_of_what_stands_in_the_kinds(self):
        found = self.CALL(self.TABLE)
        gap = found.one(measure="difference_of_differences", term="b v a")
        ratio = found.one(measure="ratio_of_ratios", term="b v a")
        assert gap.estimate == approx(-0.125 + 0.3)
        assert ratio.estimate == approx(0.75 / 0.4)
        l1, u1 = _intervals.newcombe_difference(x1=30, n1=80, x0=40, n0=80)
        l0, u0 = _intervals.newcombe_difference(x1=20, n1=100, x0=50, n0=100)
        assert gap.conf_low == approx(0.175 - math.hypot(-0.125 - l1, u0 + 0.3))
        assert gap.conf_high == approx(0.175 + math.hypot(u1 + 0.125, -0.3 - l0))
        assert all(e.p_value is None for e in found.estimates)

    def test_the_test_is_the_squared_contrast(self):
        found = self.CALL(self.TABLE)
        for measure, check, scale in (
            ("difference_of_differences", "heterogeneity", float),
            ("ratio_of_ratios", "heterogeneity_ratio", math.log),
        ):
            e = found.one(measure=measure)
            test = found.check(check)
            assert test.statistic == approx((scale(e.estimate) / e.std_error) ** 2)
            assert test.p_value == approx(stats.chi2.sf(test.statistic, 1))

    def test_the_reference_is_the_commonest_unless_named(self):
        assert self.CALL(self.TABLE).one(measure="ratio_of_ratios").term == "b v a"
        assert self.CALL(self.TABLE, reference="b").one(measure="ratio_of_ratios").term == "a v b"

    def test_it_covers(self):
        rng, draws, hits = np.random.default_rng(6), 300, np.zeros(2)
        x = rng.binomial([90, 90, 60, 60], [0.2, 0.5, 0.3, 0.45], (draws, 4))
        for x1, x0, z1, z0 in x:
            labels = {"conf_level": 0.95, "outcome": "y"}
            both = [
                sensitivity.robustness._within(*_flags(c), "k", "kind", labels)
                for c in ((z1, 60, z0, 60), (x1, 90, x0, 90))
            ]
            for i, truth in enumerate((-0.15 + 0.3, (0.3 / 0.45) / 0.4)):
                e = sensitivity.robustness._against(both[0][i], both[1][i], "t")[0]
                hits[i] += e.conf_low <= truth <= e.conf_high
        assert (hits / draws >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / draws)).all()

    def test_nobody_with_the_outcome_in_an_arm(self):
        found = self.CALL(pd.concat([arms(0, 50, 20, 50, kind="a"), arms(9, 50, 20, 50, kind="b")]))
        assert found.one(measure="ratio_of_ratios").estimate is None
        assert "is not defined" in found.check("ratio_of_ratios_undefined").text
        assert found.one(measure="difference_of_differences").conf_low is not None
        assert "not two kinds with a standard error" in found.check("heterogeneity_ratio").text

    def test_refusals(self):
        with pytest.raises(DesignError, match="needs two kinds"):
            self.CALL(self.TABLE.assign(kind="a"))
        with pytest.raises(DataError, match='"c" is no value of column "kind"'):
            self.CALL(self.TABLE, reference="c")
        with pytest.raises(DesignError, match="three different columns"):
            subgroup_interaction(self.TABLE, **ARMS, subgroup="arm")
        with pytest.raises(DesignError, match='nobody of the comparison group is "b"'):
            self.CALL(pd.concat([arms(5, 10, 5, 10, kind="a"), arms(5, 10, 0, 0, kind="b")]))


def _flags(cell):
    table = arms(*cell)
    inside = np.ones(len(table), dtype=bool)
    return table["y"].to_numpy(dtype=bool), (table["arm"] == "programme").to_numpy(), inside


class TestLedger:
    P = (0.01, 0.04, 0.03, 0.005, 0.2, 0.9, 0.03)
    # p.adjust of R 4.2.2
    HOLM = (0.060, 0.150, 0.150, 0.035, 0.400, 0.900, 0.150)
    BH = (0.035, 0.056, 0.0525, 0.035, 0.7 / 3, 0.9, 0.0525)

    def test_holm_and_benjamini_hochberg_as_in_r(self):
        tests = {f"t{i}": p for i, p in enumerate(self.P)}
        assert adjust_p_values(tests, primary=list(tests))["adjusted"].tolist() == approx(self.HOLM)
        assert adjust_p_values(tests)["adjusted"].tolist() == approx(self.BH)

    def test_every_test_counts_also_without_a_p_value(self):
        tests = {
            "a": Estimate(measure="risk_ratio", estimate=0.5, p_value=0.02),
            "b": Check(name="bhapkar", p_value=0.5),
            "c": None,
        }
        ledger = adjust_p_values(tests).set_index("name")
        assert ledger.loc["a", "adjusted"] == approx(0.06)
        assert ledger["tests_in_family"].tolist() == [3, 3, 3]
        assert math.isnan(ledger.loc["c", "adjusted"])

    def test_families_do_not_touch_each_other(self):
        one = adjust_p_values({"a": 0.01, "b": 0.04, "c": 0.5}, primary=["a", "b"])
        assert one["family"].tolist() == ["primary", "primary", "exploratory"]
        assert one["adjusted"].tolist() == approx([0.02, 0.04, 0.5])
        assert one["method"].tolist() == ["Holm", "Holm", "Benjamini–Hochberg"]

    def test_never_below_raw_and_in_its_order(self):
        rng = np.random.default_rng(1)
        for _ in range(50):
            tests = dict(enumerate(rng.random(8) ** 2))
            for primary in ([], list(tests)):
                found = adjust_p_values(tests, primary=primary).sort_values("raw")
                assert (found["adjusted"] >= found["raw"]).all()
                assert found["adjusted"].is_monotonic_increasing

    def test_refusals(self):
        with pytest.raises(DataError, match="there must be one"):
            adjust_p_values({})
        with pytest.raises(DataError, match='of "a" must be a number between 0 and 1'):
            adjust_p_values({"a": 1.2})
        with pytest.raises(DesignError, match='primary test "sexal" was not made.*"sexual"'):
            adjust_p_values({"sexual": 0.1}, primary=["sexal"])
        with pytest.raises(DesignError, match="named twice"):
            adjust_p_values({"a": 0.1}, primary=["a", "a"])


class TestPower:
    def test_two_arms_as_r_power_prop_test(self):
        # power.prop.test of R 4.2.2
        assert _power.two_arm_power(100, 100, 0.5, 0.193, 0.05) == approx(0.799024545161, abs=1e-9)
        assert _power.two_arm_power(250, 250, 0.3, 0.1, 0.01) == approx(0.502473854404, abs=1e-9)
        found = detectable_effect(n=100, n_comparison=100, prevalence=0.5)
        gap = found.one(measure="detectable_difference").estimate
        assert 0.5 + gap == approx(0.306778288878, abs=1e-5)  # uniroot's own error
        assert _power.size(lambda n: _power.two_arm_power(n, n, 0.5, 0.1, 0.05), 0.8) == 388
        assert _power.size(lambda n: _power.two_arm_power(n, n, 0.62, 0.17, 0.05), 0.9) == 179

    def test_mcnemar_power_by_adding_up_every_table(self):
        n, stop, start = 11, 0.45, 0.1
        brute = 0.0
        for c, b in itertools.product(range(n + 1), repeat=2):
            if b + c <= n and c > b:
                p = float(_intervals.mcnemar_mid_p(before_only=c, after_only=b))
                chance = stats.multinomial.pmf([c, b, n - b - c], n, [stop, start, 0.45])
                brute += chance * (p <= 0.05)
        assert _power.paired_power_exact(n, 0.55, 0.35, 0.05) == approx(brute)

    def test_the_formula_is_near_the_exact_power(self):
        exact = _power.paired_power_exact(200, 0.3, 0.12, 0.05)
        assert _power.paired_power(200, 0.3, 0.12, 0.05) == approx(exact, abs=0.015)

    def test_miettinens_size_by_hand(self):
        # (1.96·√0.3 + 0.8416·√(0.3 − 0.0144))² / 0.0144
        wanted = (1.959964 * math.sqrt(0.3) + 0.841621 * math.sqrt(0.2856)) ** 2 / 0.0144
        found = detectable_effect(n=150, prevalence=0.6, changed=0.3, worthwhile=20)
        assert found.one(measure="n_needed").estimate == math.ceil(wanted)
        assert found.one(measure="n_needed").n_reference == math.ceil(wanted)

    def test_the_detectable_fall_has_the_power(self):
        found = detectable_effect(n=150, prevalence=0.6, changed=0.4, power=0.9)
        fall = -found.one(measure="detectable_difference").estimate
        assert _power.paired_power(150, 0.4, fall, 0.05) == approx(0.9)
        percent = found.one(measure="detectable_reduction").estimate
        assert percent == approx(100 * fall / 0.6)

    def test_clusters_cost_people(self):
        one = detectable_effect(n=100, prevalence=0.5, changed=0.3, worthwhile=20)
        two = detectable_effect(n=200, prevalence=0.5, changed=0.3, worthwhile=20, design_effect=2)
        assert one.one(measure="detectable_reduction").estimate == approx(
            two.one(measure="detectable_reduction").estimate
        )
        sizes = [r.one(measure="n_needed").estimate for r in (one, two)]
        assert sizes[1] == approx(2 * sizes[0], abs=2)

    def test_unequal_arms_keep_their_proportion(self):
        found = detectable_effect(n=100, n_comparison=300, prevalence=0.4, worthwhile=25)
        needed = found.one(measure="n_needed")
        assert needed.n_reference == 3 * needed.n

    def test_the_words(self):
        text = (
            detectable_effect(n=100, n_comparison=100, prevalence=0.5, worthwhile=20)
            .check("detectable")
            .text
        )
        assert text == (
            "With 100 and 100 people, a fall of 39 % or more (from 50 to 31 in 100 people) is seen "
            "with 80 % power. A fall of 20 % would be seen with 29 % power; a new study would need "
            "388 and 388 people."
        )

    def test_a_sample_that_could_show_nothing(self):
        found = detectable_effect(n=4, prevalence=0.1)
        assert found.one(measure="detectable_reduction").estimate is None
        assert "not even the largest possible fall" in found.check("detectable").text

    def test_refusals(self):
        good = {"n": 100, "prevalence": 0.5}
        for more, said in (
            ({"n": 1}, "n must be a whole number of at least 2"),
            ({"prevalence": 50}, "prevalence must be a share between 0 and 1"),
            ({"power": 80}, "power must be a share"),
            ({"design_effect": 0.5}, "design_effect must be 1 or more"),
            ({"worthwhile": 0}, "worthwhile is a reduction in percent"),
            ({"n_comparison": 50, "changed": 0.3}, "changed is about pairs"),
            ({"changed": 2}, "changed must be a share"),
            ({"changed": 0.05, "worthwhile": 50}, "more than the share 0.05 that changes"),
        ):
            with pytest.raises(DesignError, match=said):
                detectable_effect(**{**good, **more})


class TestVerdict:
    @pytest.mark.parametrize(
        ("low", "high", "word", "passed"),
        [
            (25, 60, "Clear reduction", True),
            (5, 60, "Likely reduction", None),
            (-10, 15, "Likely small", False),
            (3, 15, "Likely small", False),
            (-10, 40, "Cannot tell", None),
            (-60, 5, "Cannot tell", None),
            (-60, -5, "Likely increase", False),
            (-80, -25, "Clear increase", False),
        ],
    )
    def test_the_interval_decides(self, low, high, word, passed):
        point = (low + high) / 2
        fall = Estimate(measure="percent_reduction", estimate=point, conf_low=low, conf_high=high)
        ratio = Estimate(
            measure="risk_ratio",
            estimate=1 - point / 100,
            conf_low=1 - high / 100,
            conf_high=1 - low / 100,
        )
        gap = Estimate(
            measure="risk_difference",
            estimate=-point / 100,
            conf_low=-high / 100,
            conf_high=-low / 100,
        )
        for e, margin in ((fall, 20), (ratio, 20), (gap, 0.2)):
            check = verdict(e, worthwhile=margin)
            assert check.text.startswith(f"{word}: the interval, ")
            assert check.passed is passed
            assert check.threshold == margin

    def test_the_words(self):
        e = Estimate(measure="percent_reduction", estimate=20, conf_low=-10, conf_high=40)
        assert verdict(e, worthwhile=20).text == (
            "Cannot tell: the interval, −10 to 40 %, includes no change and also a change of "
            "20 % or more. A fall below 0 is a rise."
        )
        assert (
            verdict(Estimate(measure="risk_ratio", estimate=0.5), worthwhile=20).text
            == "Cannot tell: there is no interval."
        )

    def test_refusals(self):
        with pytest.raises(DataError, match="on an Estimate, not on a int"):
            verdict(3, worthwhile=20)
        with pytest.raises(DesignError, match='no verdict on measure "odds_ratio"'):
            verdict(Estimate(measure="odds_ratio", estimate=0.5), worthwhile=20)
        with pytest.raises(DesignError, match="worthwhile must be a number above 0"):
            verdict(Estimate(measure="risk_ratio", estimate=0.5), worthwhile=0)


def test_records_beyond_what_was_assumed_have_no_interval():
    pairs = pd.DataFrame({"b": [1] * 80 + [0] * 20, "a": [1] * 20 + [0] * 80})
    found = sensitivity.misreporting(pairs, before="b", after="a", specificity_after=0.3)
    after = found.one(measure="prevalence_after")
    assert (after.estimate, after.conf_low, after.conf_high) == (0, None, None)
    for measure in ("risk_difference", "risk_ratio", "percent_reduction"):
        assert found.one(measure=measure).conf_low is None
    assert found.one(measure="prevalence_before").conf_low is not None
    assert "All limits of the true share after lie outside" in found.check("no_interval").text
