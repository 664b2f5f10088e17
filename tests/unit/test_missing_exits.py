"""Bounds, tipping points, imputation and weights for exits that are missing."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy import special

from drive_eval.errors import DataError, DesignError, DesignWarning, UndefinedResultError
from drive_eval.models import _dropout, _imputation, _missing
from drive_eval.models.prepost import paired_change
from drive_eval.models.sensitivity import (
    imputed_change,
    lee_bounds,
    missing_exit_bounds,
    tipping_point,
    weighted_change,
)

approx = pytest.approx
COLUMNS = {"before": "before", "after": "after"}


def people(**cells):
    """Build rows from counts: keys are before and after, e.g. u_n for users who stopped."""
    code = {"u": True, "n": False, "x": None}
    rows = [(code[key[0]], code[key[2]]) for key, count in cells.items() for _ in range(count)]
    return pd.DataFrame(rows, columns=["before", "after"])


MIXED = people(u_u=12, u_n=30, u_x=18, n_u=2, n_n=30, n_x=8)


def reduction(result, term):
    return result.one(measure="percent_reduction", term=term)


class TestBounds:
    def test_each_bound_is_what_a_filled_table_gives(self):
        found = missing_exit_bounds(MIXED, **COLUMNS)
        for term, value in (("best case", False), ("worst case", True)):
            filled = MIXED.assign(
                after=MIXED["after"].map(lambda v, x=value: x if v is None else v)
            )
            whole = paired_change(filled, **COLUMNS)
            for measure in ("prevalence_after", "risk_difference", "risk_ratio"):
                one, other = found.one(measure=measure, term=term), whole.one(measure=measure)
                assert one.estimate == other.estimate
                assert (one.conf_low, one.conf_high) == (other.conf_low, other.conf_high)

    def test_no_filling_lies_outside(self):
        small = people(u_u=2, u_n=3, u_x=2, n_u=1, n_n=2, n_x=2)
        found = missing_exit_bounds(small, **COLUMNS)
        blank = np.flatnonzero(small["after"].isna())
        falls = []
        for values in itertools.product([True, False], repeat=len(blank)):
            filled = small.copy()
            filled.loc[blank, "after"] = values
            filled["after"] = filled["after"].astype(bool)
            falls.append(paired_change(filled, **COLUMNS).one(measure="percent_reduction").estimate)
        assert max(falls) == reduction(found, "best case (users)").estimate
        assert min(falls) == reduction(found, "worst case (users)").estimate

    def test_the_interval_holds_both_ends_of_the_union(self):
        found = missing_exit_bounds(MIXED, **COLUMNS)
        whole = reduction(found, "range (users)")
        assert whole.estimate is None
        assert whole.conf_low == reduction(found, "worst case (users)").conf_low
        assert whole.conf_high == reduction(found, "best case (users)").conf_high
        assert whole.method.endswith("union of both bounds' intervals: holds the whole range")

    def test_imbens_and_manski_is_shorter_and_still_holds_the_range(self):
        union = reduction(missing_exit_bounds(MIXED, **COLUMNS), "range (users)")
        found = missing_exit_bounds(MIXED, **COLUMNS, interval="imbens_manski")
        close = reduction(found, "range (users)")
        assert union.conf_low < close.conf_low
        assert close.conf_high < union.conf_high
        assert close.conf_low < reduction(found, "worst case (users)").estimate
        assert close.conf_level == 0.95
        assert "the one true value" in close.method

    def test_with_nobody_missing_everything_meets(self):
        full = people(u_u=12, u_n=30, n_u=2, n_n=30)
        for how in ("union", "imbens_manski"):
            found = missing_exit_bounds(full, **COLUMNS, interval=how)
            whole, seen = (reduction(found, f"{t} (users)") for t in ("range", "as observed"))
            assert whole.conf_low == approx(seen.conf_low, abs=1e-6)
            assert whole.conf_high == approx(seen.conf_high, abs=1e-6)
        assert found.check("missing_exits").passed
        assert found.check("missing_exits").text == "All 74 have an exit, so the bounds meet."

    def test_the_words(self):
        found = missing_exit_bounds(MIXED, **COLUMNS)
        assert found.check("missing_exits").text == (
            "26 of 100 (26 %) have no exit: 18 of 60 who showed the behaviour before, and 8 of 40 "
            "who did not."
        )
        text = found.check("bounds").text
        assert text.startswith(
            "Whatever became of those without an exit, the number of users fell by between 33.3 "
            "and 76.7 percent (95 % interval "
        )
        assert text.endswith("Complete pairs alone say 66.7.")
        assert found.check("bounds").passed

    def test_a_worst_case_that_is_a_rise_is_called_so(self):
        table = people(u_u=5, u_n=10, u_x=5, n_n=5, n_x=30)
        check = missing_exit_bounds(table, **COLUMNS).check("bounds")
        assert check.text.endswith("A fall below 0 is a rise.")
        assert check.passed is None

    def test_nobody_before(self):
        found = missing_exit_bounds(people(n_n=20, n_x=5), **COLUMNS)
        assert reduction(found, "range (users)").conf_low is None
        assert found.check("bounds").text.startswith("Nobody showed this behaviour before")
        assert found.check("risk_ratio_undefined")

    def test_clusters_widen(self):
        area = np.arange(len(MIXED)) // 2
        twice = pd.concat([MIXED.assign(area=area)] * 3)
        with pytest.warns(DesignWarning, match="fewer than 60"):
            found = missing_exit_bounds(twice, **COLUMNS, cluster="area", min_clusters=60)
        alone = missing_exit_bounds(twice, **COLUMNS)
        wide, narrow = reduction(found, "range (users)"), reduction(alone, "range (users)")
        assert wide.conf_low < narrow.conf_low
        assert wide.conf_high > narrow.conf_high
        assert found.check("clusters").passed is False

    def test_refusals(self):
        with pytest.raises(DesignError, match='interval="manski" is not known'):
            missing_exit_bounds(MIXED, **COLUMNS, interval="manski")
        with pytest.raises(DataError, match='no column "exit" \\(after\\)'):
            missing_exit_bounds(MIXED, before="before", after="exit")
        with pytest.raises(DataError, match="26 of 100 rows have no value"):
            missing_exit_bounds(MIXED, before="after", after="before")
        with pytest.raises(UndefinedResultError, match="no rows"):
            missing_exit_bounds(MIXED.iloc[:0], **COLUMNS)
        with pytest.raises(UndefinedResultError, match="empty in all 18 rows"):
            missing_exit_bounds(people(u_x=18), **COLUMNS)
        with pytest.raises(DataError, match="must hold true and false"):
            missing_exit_bounds(MIXED.assign(after=[2.0] * 50 + [None] * 50), **COLUMNS)
        with pytest.raises(DataError, match="DataFrame"):
            missing_exit_bounds([1, 2], **COLUMNS)
        several = pd.concat([MIXED, MIXED["after"]], axis=1)
        with pytest.raises(DataError, match='several columns are called "after"'):
            missing_exit_bounds(several, **COLUMNS)


def arms(x1, m1, n1, x0, m0, n0):
    y = [1] * x1 + [0] * (m1 - x1) + [None] * (n1 - m1)
    y += [1] * x0 + [0] * (m0 - x0) + [None] * (n0 - m0)
    return pd.DataFrame({"y": y, "arm": ["programme"] * n1 + ["comparison"] * n0})


ARMS = {"outcome": "y", "treated": "arm"}


class TestLee:
    def test_the_worked_example(self):
        # methods.md 5.5: trim 0.2
        found = lee_bounds(arms(3, 10, 12, 5, 8, 12), **ARMS)
        wanted = {
            "as observed": -0.325,
            "Lee lower": -0.5,
            "Lee upper": -0.25,
            "best case": -0.5,
            "worst case": 0.0,
        }
        for term, value in wanted.items():
            assert found.one(term=term).estimate == approx(value, abs=1e-12)
        assert found.check("trimmed").statistic == approx(0.2)
        assert found.check("trimmed").text.startswith("20.0 % of the measured programme cases")

    def test_trimming_the_comparison_mirrors_trimming_the_programme(self):
        one = lee_bounds(arms(30, 80, 100, 50, 70, 100), **ARMS)
        other = lee_bounds(arms(50, 70, 100, 30, 80, 100), **ARMS)
        for a, b in (("Lee lower", "Lee upper"), ("Lee upper", "Lee lower")):
            assert one.one(term=a).estimate == approx(-other.one(term=b).estimate)
            assert one.one(term=a).std_error == approx(other.one(term=b).std_error)
        assert "measured comparison cases" in other.check("trimmed").text

    @pytest.mark.parametrize("end", ["low", "high"])
    def test_the_standard_error_is_that_of_the_delta_method(self, end):
        n1, n0 = 120, 150
        cells = np.array([25, 71, 24, 55, 45, 50]) / np.array([n1] * 3 + [n0] * 3)

        def bound(c):
            s1, f1, _, s0, f0, _ = c
            if end == "high":
                return (s1 - s0) / (s0 + f0)
            return (f0 - f1) / (s0 + f0)

        step = 1e-6
        slope = [
            (bound(cells + step * row) - bound(cells - step * row)) / (2 * step)
            for row in np.eye(6)
        ]
        variance = 0.0
        for part, n in ((slice(0, 3), n1), (slice(3, 6), n0)):
            p, g = cells[part], np.array(slope[part])
            variance += ((p * g**2).sum() - (p * g).sum() ** 2) / n
        found = _missing.lee(yes1=25, no1=71, n1=n1, yes0=55, no0=45, n0=n0)
        assert getattr(found, end) == approx(bound(cells))
        assert getattr(found, f"{end}_error") == approx(math.sqrt(variance), rel=1e-6)

    def test_the_standard_error_is_what_samples_scatter_by(self):
        rng = np.random.default_rng(3)
        p1, p0 = [0.25, 0.6, 0.15], [0.4, 0.3, 0.3]
        ends = []
        for (s1, f1, _), (s0, f0, _) in zip(
            rng.multinomial(200, p1, 4000), rng.multinomial(180, p0, 4000), strict=True
        ):
            b = _missing.lee(yes1=s1, no1=f1, n1=200, yes0=s0, no0=f0, n0=180)
            ends.append((b.low, b.high, b.low_error, b.high_error))
        ends = np.array(ends)
        assert ends[:, :2].std(axis=0) == approx(ends[:, 2:].mean(axis=0), rel=0.05)

    def test_no_assignment_of_types_lies_outside_and_the_ends_are_reached(self):
        # 6 measured in the programme of whom 4 would be in the comparison too.
        n, seen1, seen0, x1, x0 = 8, 6, 4, 3, 2
        values = [
            sum(kept) / seen0 - x0 / seen0
            for kept in itertools.combinations([1] * x1 + [0] * (seen1 - x1), seen0)
        ]
        found = _missing.lee(yes1=x1, no1=seen1 - x1, n1=n, yes0=x0, no0=seen0 - x0, n0=n)
        assert (found.low, found.high) == approx((min(values), max(values)))

    def test_arms_measured_alike(self):
        found = lee_bounds(arms(30, 80, 100, 50, 80, 100), **ARMS)
        ends = [found.one(term=t).estimate for t in ("Lee lower", "Lee upper")]
        assert ends[0] == approx(ends[1])
        assert "bounds meet" in found.check("trimmed").text
        assert "Both arms were measured to the same share" in found.check("kink").text

    def test_a_bound_that_is_cut(self):
        found = lee_bounds(arms(2, 90, 100, 30, 50, 100), **ARMS)
        assert found.one(term="Lee lower").estimate == approx(-0.6)
        assert found.check("kink").text.startswith("A risk was cut at 0 or 1")
        assert found.one(term="Lee range").conf_low < -0.6

    def test_nothing_varies(self):
        found = lee_bounds(arms(0, 8, 10, 0, 8, 12), **ARMS)
        assert found.one(term="Lee range").conf_low is None
        assert "no interval" in found.check("lee_interval").text

    def test_it_says_who_was_measured(self):
        found = lee_bounds(arms(30, 80, 100, 50, 70, 100), **ARMS)
        assert "80 of 100 programme and 70 of 100" in found.check("missing_outcome").text

    def test_a_single_arm_is_refused(self):
        table = arms(3, 10, 12, 5, 8, 12)
        with pytest.raises(DesignError, match="use missing_exit_bounds"):
            lee_bounds(table[table["arm"] == "programme"], **ARMS)

    def test_an_arm_nobody_measured_is_refused(self):
        with pytest.raises(UndefinedResultError, match="nobody of one arm"):
            lee_bounds(arms(3, 10, 12, 0, 0, 12), **ARMS)


class TestQuantile:
    def test_far_apart_is_one_sided_and_meeting_is_two_sided(self):
        assert _missing.between_quantile(9.0, (0.1, 0.1), 0.95) == approx(1.6448536)
        assert _missing.between_quantile(0.0, (0.1, 0.1), 0.95) == approx(1.9599640)
        c = _missing.between_quantile(0.1, (0.1, 0.05), 0.95)
        assert special.ndtr(c + 1) - special.ndtr(-c) == approx(0.95)
        assert _missing.between_quantile(0.3, (0.0, 0.0), 0.95) == approx(1.9599640)


class TestTipping:
    TABLE = people(u_u=12, u_n=8, u_x=40, n_n=20, n_x=20)

    def test_the_point_and_the_interval(self):
        found = tipping_point(self.TABLE, **COLUMNS)
        point = found.one(measure="tipping_point", term="point")
        limit = found.one(measure="tipping_point", term="interval")
        assert (point.estimate, point.n, point.n_events) == (80.0, 60, 48)
        assert limit.n_events < 48
        assert found.one(measure="share_observed").estimate == 30.0
        assert found.check("tipping_point").text == (
            "The fall would vanish if 80 % (48 of 60) of those without an exit showed the "
            "behaviour at exit; among those with an exit it was 30 %. Only 40 of them showed it "
            "before, so 8 would have to have started."
        )

    @pytest.mark.parametrize("term", ["point", "interval"])
    def test_one_fewer_would_not_do(self, term):
        k = tipping_point(self.TABLE, **COLUMNS).one(measure="tipping_point", term=term).n_events
        for count, gone in ((k - 1, False), (k, True)):
            filled = self.TABLE.copy()
            blank = filled.index[filled["after"].isna()]  # users before stand first
            filled.loc[blank, "after"] = [i < count for i in range(len(blank))]
            filled["after"] = filled["after"].astype(bool)
            e = paired_change(filled, **COLUMNS).one(measure="risk_difference")
            assert ((e.estimate if term == "point" else e.conf_high) >= 0) == gone

    def test_a_fall_that_cannot_be_undone(self):
        found = tipping_point(people(u_u=5, u_n=60, u_x=10, n_n=20), **COLUMNS)
        assert found.one(measure="tipping_point", term="point").estimate is None
        assert found.check("tipping_point").passed
        assert found.check("tipping_point").text == (
            "The fall would remain even if all 10 without an exit showed the behaviour at exit."
        )
        assert "would be clear even if all 10" in found.check("tipping_interval").text

    def test_no_fall_to_undo(self):
        found = tipping_point(people(u_u=9, n_u=3, n_n=9, n_x=4), **COLUMNS)
        assert found.one(measure="tipping_point", term="point").estimate == 0
        assert found.check("tipping_point").text.endswith("there is none to undo.")
        assert (
            "is not clear (at 95 %) even if none of the 4" in found.check("tipping_interval").text
        )

    def test_nobody_missing_is_refused(self):
        with pytest.raises(UndefinedResultError, match="nothing that could tip"):
            tipping_point(people(u_u=3, u_n=3), **COLUMNS)


class TestImputation:
    def test_the_same_seed_gives_the_same_numbers(self):
        made = [imputed_change(MIXED, **COLUMNS, rng=np.random.default_rng(4)) for _ in range(2)]
        assert made[0].to_frame().equals(made[1].to_frame())

    def test_everybody_seen_is_the_plain_table(self):
        full = people(u_u=12, u_n=30, n_u=2, n_n=30)
        found = imputed_change(full, **COLUMNS, rng=np.random.default_rng(1))
        plain = paired_change(full, **COLUMNS)
        for measure in ("prevalence_after", "risk_difference", "risk_ratio", "percent_reduction"):
            assert found.one(measure=measure).estimate == approx(
                plain.one(measure=measure).estimate
            )
        gap = found.one(measure="risk_difference")
        assert gap.std_error == approx(plain.one(measure="risk_difference").std_error)
        assert found.check("missing_exits").passed

    def test_many_copies_come_to_the_expected_share(self):
        # Given `before` alone the model is saturated: 12 of 42 users, 2 of 32 others.
        for delta in (0.0, 1.0):
            found = imputed_change(
                MIXED, **COLUMNS, m=4000, delta=delta, rng=np.random.default_rng(2)
            )
            chance = [special.expit(special.logit(p) + delta) for p in (12 / 42, 2 / 32)]
            wanted = (14 + 18 * chance[0] + 8 * chance[1]) / 100
            assert found.one(measure="prevalence_after").estimate == approx(wanted, abs=0.012)

    def test_an_infinite_delta_is_the_worst_case(self):
        found = imputed_change(MIXED, **COLUMNS, delta=60, rng=np.random.default_rng(1))
        worst = missing_exit_bounds(MIXED, **COLUMNS).one(
            measure="risk_difference", term="worst case"
        )
        assert found.one(measure="risk_difference").estimate == approx(worst.estimate)

    def test_draws_scatter_as_the_coefficients_do(self):
        x = np.column_stack([np.ones(60), np.repeat([0.0, 1.0], 30)])
        y = np.concatenate([np.arange(30) < 10, np.arange(30) < 20]).astype(float)
        model = _imputation.fit(x, y, ["Intercept", "x"])
        drawn = model.coefficients + np.random.default_rng(1).standard_normal((50_000, 2)) @ (
            model.root.T
        )
        v0, v1 = 1 / 10 + 1 / 20, 1 / 10 + 1 / 20  # Woolf's variances of two logits
        assert np.cov(drawn.T) == approx(np.array([[v0, -v0], [-v0, v0 + v1]]), rel=0.05)
        assert not model.steadied

    def test_arms_have_models_of_their_own_and_deltas_of_their_own(self):
        table = pd.concat(
            [
                MIXED.assign(arm="programme"),
                people(u_u=30, u_n=20, u_x=10, n_u=4, n_n=30, n_x=6).assign(arm="comparison"),
            ]
        )
        found = imputed_change(
            table, **COLUMNS, treated="arm", delta={"programme": 1.0}, rng=np.random.default_rng(1)
        )
        plain = imputed_change(table, **COLUMNS, treated="arm", rng=np.random.default_rng(1))
        assert [e.measure for e in found.estimates] == [
            "risk_treated",
            "risk_comparison",
            "risk_difference",
            "risk_ratio",
            "percent_reduction",
        ]
        treated = [r.one(measure="risk_treated").estimate for r in (found, plain)]
        assert treated[0] > treated[1]
        gap = found.one(measure="risk_difference")
        assert gap.claim == "associational"
        assert (gap.n, gap.n_reference, gap.n_events) == (100, 100, None)
        assert found.check("delta").text == (
            "Those without an exit are given 2.72 times the odds of people alike who have one in "
            "the programme group and the same odds of the behaviour as people alike who have one "
            "in the comparison group."
        )

    def test_the_pseudo_rows_of_a_model_without_a_maximum(self):
        table = people(u_u=12, u_n=30, u_x=18, n_n=30, n_x=8)
        found = imputed_change(table, **COLUMNS, rng=np.random.default_rng(1))
        assert found.check("steadied").passed is False
        assert found.one(measure="risk_difference").conf_low is not None
        rows, wanted, weight = _imputation._pseudo_rows(np.column_stack([np.ones(4), [0, 0, 1, 1]]))
        assert weight.sum() == 2
        assert wanted.mean() == 0.5
        assert rows[:, 1].mean() == approx(0.5)

    def test_nobody_after_has_no_interval_and_says_so(self):
        table = people(u_n=30, n_n=20)
        found = imputed_change(table, **COLUMNS, rng=np.random.default_rng(1))
        assert found.one(measure="risk_ratio").estimate == 0
        assert found.one(measure="risk_ratio").conf_low is None
        assert "prevalence_after, risk_ratio" in found.check("no_interval").text

    def test_nobody_before_has_no_ratio(self):
        table = people(n_u=5, n_n=20, n_x=5)
        found = imputed_change(table, **COLUMNS, rng=np.random.default_rng(1))
        assert found.one(measure="percent_reduction").estimate is None
        assert found.check("no_interval").text.endswith("A ratio to nothing is not defined.")

    def test_refusals(self):
        rng = np.random.default_rng(1)
        with pytest.raises(DesignError, match="m must be a whole number of at least 2"):
            imputed_change(MIXED, **COLUMNS, rng=rng, m=1)
        with pytest.raises(DesignError, match="rng must be a numpy Generator"):
            imputed_change(MIXED, **COLUMNS, rng=1)
        with pytest.raises(DesignError, match="delta must be a number"):
            imputed_change(MIXED, **COLUMNS, rng=rng, delta="worse")
        with pytest.raises(DesignError, match="delta by arm needs the arms"):
            imputed_change(MIXED, **COLUMNS, rng=rng, delta={"programme": 1})
        with pytest.raises(DesignError, match="everybody in column"):
            imputed_change(MIXED.assign(arm=True), **COLUMNS, rng=rng, treated="arm")
        halves = MIXED.assign(arm=["programme"] * 50 + ["comparison"] * 50)
        with pytest.raises(DataError, match='delta names no arm "treated"'):
            imputed_change(halves, **COLUMNS, rng=rng, treated="arm", delta={"treated": 1})
        with pytest.raises(DesignError, match="stands among the covariates too"):
            imputed_change(MIXED, **COLUMNS, rng=rng, covariates=["before"])
        blank = halves.assign(after=halves["after"].where(halves["arm"] == "programme"))
        with pytest.raises(DesignError, match="nobody of one arm has an exit"):
            imputed_change(blank, **COLUMNS, rng=rng, treated="arm")


class TestWeights:
    def test_within_saturated_cells_weights_are_the_cells_own_shares(self):
        # 12 of 42 users seen, 2 of 32 others, standing for 60 and 40
        found = weighted_change(MIXED, **COLUMNS)
        wanted = 0.6 * 12 / 42 + 0.4 * 2 / 32
        e = found.one(measure="prevalence_after")
        assert e.estimate == approx(wanted)
        # its variance in closed form: within cells, and the share of cells
        p1, p0 = 12 / 42, 2 / 32
        variance = 0.6**2 * p1 * (1 - p1) / 42 + 0.4**2 * p0 * (1 - p0) / 32
        variance += 0.24 * (p1 - p0) ** 2 / 100
        assert e.std_error == approx(math.sqrt(variance), rel=0.006)  # n/(n − 1)

    def test_everybody_seen_is_the_plain_table(self):
        full = people(u_u=12, u_n=30, n_u=2, n_n=30)
        found, plain = weighted_change(full, **COLUMNS), paired_change(full, **COLUMNS)
        for measure in ("prevalence_before", "prevalence_after", "risk_difference", "risk_ratio"):
            one, other = found.one(measure=measure), plain.one(measure=measure)
            assert one.estimate == approx(other.estimate)
            assert one.std_error == approx(other.std_error, rel=0.01)

    def test_influence_adds_up_to_nothing(self):
        known = MIXED["after"].notna().to_numpy()
        y = (MIXED["after"] == True).to_numpy(dtype=bool)  # noqa: E712
        x = np.column_stack([np.ones(100), MIXED["before"]])
        found = _dropout.average(known, y, x, ["Intercept", "before"])
        assert found.influence.sum() == approx(0, abs=1e-10)
        assert found.weight[known].mean() == approx(1.0)

    def test_arms(self):
        table = pd.concat(
            [
                MIXED.assign(arm="programme"),
                people(u_u=30, u_n=20, u_x=10, n_u=4, n_n=30, n_x=6).assign(arm="comparison"),
            ]
        )
        found = weighted_change(table, **COLUMNS, treated="arm")
        assert found.one(measure="risk_treated").estimate == approx(0.6 * 12 / 42 + 0.4 * 2 / 32)
        assert found.one(measure="risk_comparison").estimate == approx(0.6 * 0.6 + 0.4 * 4 / 34)
        assert found.one(measure="risk_difference").contrast == "programme v comparison"
        assert found.check("effective_size").statistic < 74 + 84

    def test_clusters_and_caps(self):
        table = pd.concat([MIXED.assign(area=np.arange(100))] * 3)
        alone = weighted_change(table, **COLUMNS)
        found = weighted_change(table, **COLUMNS, cluster="area", truncate=0.9)
        wide, narrow = (r.one(measure="risk_difference") for r in (found, alone))
        assert wide.std_error == approx(narrow.std_error * math.sqrt(3), rel=0.02)
        assert "clustered" in wide.method
        assert found.check("truncated").statistic == 0  # two weights only
        assert found.check("clusters").passed

    def test_one_person_seen_is_no_crash(self):
        table = people(u_u=1, u_x=4)
        found = imputed_change(table, **COLUMNS, rng=np.random.default_rng(1), m=5)
        assert found.check("steadied").passed is False
        with pytest.raises(DesignError, match="cannot be modelled"):
            weighted_change(people(u_u=1, n_x=4), **COLUMNS)

    def test_a_chance_that_is_small_fails_the_check(self):
        table = people(u_u=2, u_n=2, u_x=96, n_u=10, n_n=80)
        found = weighted_change(pd.concat([table, people(n_x=10)]), **COLUMNS)
        assert found.check("weights").passed is False
        assert found.check("weights").statistic == approx(0.04)

    def test_nobody_after_has_no_interval(self):
        found = weighted_change(people(u_n=20, u_x=5, n_n=20, n_x=2), **COLUMNS)
        assert found.one(measure="risk_ratio").estimate == 0
        assert found.one(measure="risk_ratio").conf_low is None
        assert "see missing_exit_bounds" in found.check("no_interval").text

    def test_nobody_before_has_no_ratio(self):
        found = weighted_change(people(n_n=20, n_x=5), **COLUMNS)
        assert found.one(measure="risk_ratio").estimate is None
        assert found.check("no_interval").text.endswith("A ratio to nothing is not defined.")

    def test_refusals(self):
        with pytest.raises(DesignError, match="cannot be modelled, and so not weighted for"):
            weighted_change(people(u_u=5, u_n=5, n_n=5, n_x=5), **COLUMNS)
        with pytest.raises(DesignError, match="truncate must lie between 0.5 and 1"):
            weighted_change(MIXED, **COLUMNS, truncate=0.3)
        halves = MIXED.assign(arm=["programme"] * 50 + ["comparison"] * 50)
        blank = halves.assign(after=halves["after"].where(halves["arm"] == "programme"))
        with pytest.raises(DesignError, match="nobody in the comparison group has an exit"):
            weighted_change(blank, **COLUMNS, treated="arm")


@pytest.mark.parametrize("delta", [1e3, {"programme": -101.0}])
def test_delta_is_in_log_odds(delta):
    table = pd.DataFrame({"b": [1, 0] * 8, "a": [1, 0, None, 1] * 4, "t": [1] * 8 + [0] * 8})
    with pytest.raises(DesignError, match="must lie between -100 and 100"):
        imputed_change(
            table, before="b", after="a", treated="t", delta=delta, rng=np.random.default_rng(1)
        )
