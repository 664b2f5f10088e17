"""Interval kernels: edges, arrays, fractional counts, and the equations that limits solve."""

import numpy as np
import pytest
from scipy import optimize, stats

from drive_eval.models import _intervals

approx = pytest.approx
PAIRED = [
    _intervals.tango_difference,
    _intervals.newcombe_paired_difference,
    _intervals.bonett_price_difference,
    _intervals.nam_tang_ratio,
    _intervals.bonett_price_ratio,
    _intervals.mover_wilson_ratio,
]
INDEPENDENT = [
    _intervals.newcombe_difference,
    _intervals.miettinen_nurminen_difference,
    _intervals.miettinen_nurminen_ratio,
    _intervals.koopman_ratio,
]


def pairs(both, before_only, after_only, neither):
    return {
        "both": both,
        "before_only": before_only,
        "after_only": after_only,
        "neither": neither,
    }


def name_of(function):
    return function.__name__


@pytest.mark.parametrize("method", PAIRED, ids=name_of)
def test_arrays_give_what_single_tables_give(method):
    tables = np.array([[1, 7, 1, 12], [59, 16, 6, 80], [0, 8, 0, 12], [8, 0, 0, 12]])
    low, high = method(**pairs(*tables.T))
    for row, *limits in zip(tables, low, high, strict=True):
        single = method(**pairs(*map(int, row)))
        assert single == tuple(limits)
        assert all(type(limit) is float for limit in single)


@pytest.mark.parametrize("method", INDEPENDENT, ids=name_of)
def test_arrays_of_arms_give_what_single_arms_give(method):
    x1, x0 = np.array([56, 7, 0, 3]), np.array([48, 1, 5, 0])
    low, high = method(x1=x1, n1=70, x0=x0, n0=80)
    for a, b, *limits in zip(x1, x0, low, high, strict=True):
        assert method(x1=int(a), n1=70, x0=int(b), n0=80) == tuple(limits)


@pytest.mark.parametrize("method", PAIRED, ids=name_of)
def test_a_wider_critical_value_widens_the_interval(method):
    table = pairs(31, 44, 9, 16)
    narrow = method(**table, critical=1.0)
    wide = method(**table, critical=stats.t.ppf(0.975, 9))
    normal = method(**table)
    assert wide[0] < normal[0] < narrow[0] < narrow[1] < normal[1] < wide[1]
    assert method(**table, critical=stats.norm.ppf(0.95)) == method(**table, conf_level=0.9)


@pytest.mark.parametrize("method", PAIRED, ids=name_of)
def test_counts_cut_in_half_widen_as_if_half_the_pairs_were_seen(method):
    whole, half = pairs(30, 44, 8, 16), pairs(15, 22, 4, 8)
    assert method(**{name: count / 2 for name, count in whole.items()}) == method(**half)


TABLES = [
    (1, 7, 1, 12),
    (0, 8, 0, 12),
    (8, 0, 0, 12),
    (20, 6, 15, 5),
    (0, 0, 3, 9),
    (0.4, 17.2, 0.1, 3.3),
    (794, 150, 86, 570),
    (3, 25000, 1, 70000),
    (0, 1, 0, 2500),
    (0, 5, 0, 0),
    (2500, 1, 0, 0),
]


@pytest.mark.parametrize("table", TABLES)
def test_tango_limits_solve_the_score_equation(table):
    counts = pairs(*table)
    estimate = (table[2] - table[1]) / sum(table)
    for limit, sign in zip(_intervals.tango_difference(**counts), (1, -1), strict=True):
        if abs(limit) == 1:
            continue
        z = _intervals.tango_statistic(**counts, difference=limit)
        assert z == approx(sign * stats.norm.ppf(0.975), rel=1e-10)
        assert (limit < estimate) == (sign > 0)


@pytest.mark.parametrize("table", TABLES)
def test_tang_limits_solve_the_score_equation(table):
    counts = pairs(*table)
    for limit, sign in zip(_intervals.nam_tang_ratio(**counts), (1, -1), strict=True):
        if limit in (0, np.inf):
            continue
        z = _intervals.nam_tang_statistic(**counts, ratio=limit)
        assert z == approx(sign * stats.norm.ppf(0.975), rel=1e-10)


@pytest.mark.parametrize("table", [t for t in TABLES if 0 not in t])
@pytest.mark.parametrize("ratio", [0.05, 0.7, 1.0, 1.9])
def test_the_score_of_a_ratio_uses_the_likeliest_table_with_that_ratio(table, ratio):
    a, c, b, d = table
    n = sum(table)

    def cells(par):
        m, share = par
        both = max(0.0, m + ratio * m - 1) + share * (
            min(m, ratio * m) - max(0.0, m + ratio * m - 1)
        )
        return np.array([both, m - both, ratio * m - both, 1 - m - ratio * m + both])

    def minus_likelihood(par):
        with np.errstate(divide="ignore", invalid="ignore"):
            value = -np.sum(np.array([a, c, b, d]) * np.log(cells(par)))
        return value if np.isfinite(value) else 1e12

    best = min(
        (
            optimize.minimize(
                minus_likelihood,
                (share_of_top * min(1, 1 / ratio), start),
                method="Nelder-Mead",
                bounds=((1e-9, min(1, 1 / ratio) - 1e-9), (1e-9, 1 - 1e-9)),
                options={"xatol": 1e-12, "fatol": 1e-12, "maxiter": 4000},
            )
            for share_of_top in (0.1, 0.5, 0.9)
            for start in (0.1, 0.9)
        ),
        key=lambda found: found.fun,
    )
    p = cells(best.x)
    expected = (a + b - ratio * (a + c)) / np.sqrt(n * ratio * (p[1] + p[2]))
    found = _intervals.nam_tang_statistic(**pairs(*table), ratio=ratio)
    assert found == approx(expected, rel=1e-4)


def test_nobody_before_leaves_the_ratio_without_an_upper_limit():
    low, high = _intervals.nam_tang_ratio(**pairs(0, 0, 3, 9))
    assert low > 0
    assert high == np.inf
    assert _intervals.nam_tang_ratio(**pairs(0, 0, 0, 9)) == (0, np.inf)
    assert _intervals.bonett_price_ratio(**pairs(0, 0, 3, 9))[1] == np.inf
    assert _intervals.mover_wilson_ratio(**pairs(0, 0, 3, 9))[1] == np.inf


def test_a_table_of_nobody_who_ever_did_it_says_nothing_of_the_ratio():
    with_nobody = np.array([[0, 0, 0, 9], [3, 2, 1, 9]])
    for method in PAIRED[3:]:
        low, high = method(**pairs(*with_nobody.T))
        assert (low[0], high[0]) == (0, np.inf)
        assert np.isfinite(low).all()
        assert not np.isnan(high).any()
    assert _intervals.wilson(x=0, n=0) == (0, 1)


def test_nobody_after_puts_the_lower_limit_at_zero():
    for method in PAIRED[3:]:
        low, high = method(**pairs(0, 8, 0, 12))
        assert low == 0
        assert 0 < high < 1


def test_no_discordant_pair_still_has_a_width_but_no_evidence():
    assert _intervals.tango_difference(**pairs(8, 0, 0, 12)) == approx(
        (-0.161125, 0.161125), abs=1e-6
    )
    assert _intervals.mcnemar_mid_p(before_only=0, after_only=0) == 1  # not a half
    assert _intervals.mcnemar_exact(before_only=0, after_only=0) == 1
    assert _intervals.mcnemar_asymptotic(before_only=0, after_only=0) == (0, 1)
    assert _intervals.tango_statistic(**pairs(8, 0, 0, 12), difference=0) == 0
    assert _intervals.nam_tang_statistic(**pairs(8, 0, 0, 12), ratio=1) == 0


def test_everybody_changed_alike():
    assert _intervals.tango_difference(**pairs(0, 5, 0, 0))[0] == -1
    assert _intervals.tango_difference(**pairs(0, 0, 5, 0))[1] == approx(1, abs=1e-15)


def test_mcnemar_of_equal_changes_is_short_of_one_by_half_a_point():
    assert _intervals.mcnemar_mid_p(before_only=9, after_only=9) == approx(0.90726470947)
    assert _intervals.mcnemar_exact(before_only=9, after_only=9) == 1


def test_mcnemar_takes_arrays_design_effects_and_t():
    p = _intervals.mcnemar_mid_p(before_only=np.array([7, 0]), after_only=np.array([1, 0]))
    assert p == approx(np.array([0.0390625, 1.0]))
    z, normal = _intervals.mcnemar_asymptotic(before_only=40, after_only=10, design_effect=2)
    assert z == approx(-30 / np.sqrt(100))
    assert normal == approx(2 * stats.norm.sf(3))
    _, t = _intervals.mcnemar_asymptotic(before_only=40, after_only=10, design_effect=2, df=9)
    assert t == approx(2 * stats.t.sf(3, 9))


def test_one_proportion_at_its_edges():
    for method in (
        _intervals.wilson,
        _intervals.clopper_pearson,
        _intervals.jeffreys,
        _intervals.mid_p,
    ):
        low, high = method(x=0, n=20)
        assert low == 0
        assert 0 < high < 0.2
        assert method(x=20, n=20) == approx((1 - high, 1), abs=1e-12)
    # Half of what is seen has probability α/2: (1 − p)^20 = α.
    assert _intervals.mid_p(x=0, n=20)[1] == approx(1 - 0.05 ** (1 / 20), abs=1e-12)
    assert _intervals.agresti_coull(x=0, n=20)[0] == 0


def test_one_proportion_from_half_people():
    for method in (
        _intervals.wilson,
        _intervals.clopper_pearson,
        _intervals.jeffreys,
        _intervals.mid_p,
        _intervals.agresti_coull,
    ):
        below, between, above = (method(x=x, n=20) for x in (6, 6.5, 7))
        assert below[0] < between[0] < above[0]
        assert below[1] < between[1] < above[1]


@pytest.mark.parametrize("x", range(0, 16))
def test_mid_p_limits_solve_their_equation(x):
    low, high = _intervals.mid_p(x=x, n=15)
    law = stats.binom
    if x > 0:
        assert law.sf(x, 15, low) + law.pmf(x, 15, low) / 2 == approx(0.025, abs=1e-12)
    if x < 15:
        assert law.cdf(x - 1, 15, high) + law.pmf(x, 15, high) / 2 == approx(0.025, abs=1e-12)


def restricted(x1, n1, x0, n0, delta):
    """Most likely reference proportion under a difference, by halving the slope."""
    low, high = max(0.0, -delta), min(1.0, 1 - delta)
    for _ in range(200):
        p = (low + high) / 2
        slope = sum(
            part
            for part, count in (
                (x1 / (p + delta or 1e-300), x1),
                (-(n1 - x1) / (1 - p - delta or 1e-300), n1 - x1),
                (x0 / (p or 1e-300), x0),
                (-(n0 - x0) / (1 - p or 1e-300), n0 - x0),
            )
            if count
        )
        low, high = (p, high) if slope > 0 else (low, p)
    return (low + high) / 2


@pytest.mark.parametrize(
    "arms", [(56, 70, 48, 80), (7, 34, 1, 34), (0, 20, 5, 30), (20, 20, 25, 30), (190, 190, 60, 62)]
)
def test_miettinen_nurminen_limits_solve_the_score_equation(arms):
    x1, n1, x0, n0 = arms
    found = _intervals.miettinen_nurminen_difference(x1=x1, n1=n1, x0=x0, n0=n0)
    for delta, sign in zip(found, (1, -1), strict=True):
        p0 = restricted(x1, n1, x0, n0, delta)
        p1, n = p0 + delta, n1 + n0
        variance = (p1 * (1 - p1) / n1 + p0 * (1 - p0) / n0) * n / (n - 1)
        score = (x1 / n1 - x0 / n0 - delta) / np.sqrt(variance)
        assert score == approx(sign * stats.norm.ppf(0.975), rel=1e-8)


def test_koopman_is_miettinen_nurminen_without_its_small_sample_factor():
    arms = {"x1": 56, "n1": 70, "x0": 48, "n0": 80}
    shrunk = stats.norm.ppf(0.975) * np.sqrt(149 / 150)
    assert _intervals.miettinen_nurminen_ratio(**arms, critical=shrunk) == approx(
        _intervals.koopman_ratio(**arms), rel=1e-12
    )


def test_arms_with_no_event():
    assert _intervals.koopman_ratio(x1=5, n1=20, x0=0, n0=20)[1] == np.inf
    assert _intervals.koopman_ratio(x1=0, n1=20, x0=5, n0=20)[0] == 0
    assert _intervals.koopman_ratio(x1=0, n1=20, x0=0, n0=20) == (0, np.inf)
    low, high = _intervals.miettinen_nurminen_difference(x1=0, n1=20, x0=0, n0=20)
    assert low == approx(-high)
    assert high > 0


def test_exchanging_the_arms_turns_limits_round():
    forward, backward = (
        {"x1": 9, "n1": 41, "x0": 17, "n0": 39},
        {"x1": 17, "n1": 39, "x0": 9, "n0": 41},
    )
    for method in INDEPENDENT[:2]:
        low, high = method(**forward)
        assert method(**backward) == approx((-high, -low), abs=1e-12)
    for method in INDEPENDENT[2:]:
        low, high = method(**forward)
        assert method(**backward) == approx((1 / high, 1 / low), rel=1e-12)


def test_a_ratio_of_two_rates_from_their_own_limits():
    # Symmetric limits: the textbook form of Fieller's theorem.
    low, high = _intervals.mover_ratio(
        estimate_1=4, low_1=3, high_1=5, estimate_0=10, low_0=8, high_0=12
    )
    roots = np.roots([10**2 - 2**2, -2 * 4 * 10, 4**2 - 1**2])
    assert (low, high) == approx((roots.min(), roots.max()))


def test_a_ratio_whose_numerator_is_zero_starts_at_zero():
    low, high = _intervals.mover_ratio(
        estimate_1=0, low_1=0, high_1=3.7, estimate_0=10, low_0=5, high_0=18
    )
    assert low == 0
    assert high == approx(3.7 / np.sqrt(10**2 - 5**2))
    assert (
        _intervals.mover_ratio(estimate_1=2, low_1=1, high_1=4, estimate_0=0, low_0=0, high_0=3)[1]
        == np.inf
    )


def test_simultaneous_limits_of_several_samples_at_once():
    low, high = _intervals.goodman_wilson(counts=[[60, 25, 15], [0, 10, 0]])
    alone = _intervals.goodman_wilson(counts=[60, 25, 15])
    assert low[0] == approx(alone[0])
    assert (low[1][0], high[1][1]) == (0, 1)
    wide = _intervals.wilson(x=60, n=100, conf_level=1 - 0.05 / 3)
    assert (alone[0][0], alone[1][0]) == approx(wide, rel=1e-12)
