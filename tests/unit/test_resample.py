"""Clusters drawn again: the same numbers whoever works, and no interval where none can be."""

from __future__ import annotations

import itertools

import joblib
import numpy as np
import pytest
from scipy import stats

from drive_eval.errors import DesignError
from drive_eval.models import _resample, reductions
from drive_eval.models._resample import OfSums, kinds, limits, resample

approx = pytest.approx


def ratio(totals):
    """After over before; not a number where nobody did it before."""
    missing = np.full(len(totals), np.nan)
    return np.divide(totals[:, 1], totals[:, 0], out=missing, where=totals[:, 0] > 0)[:, None]


def statistic_of(kind):
    """A statistic of sums, and one that is none; both can be sent to another process."""
    if kind == "sums":
        rows, _ = people()
        sums, copies = kinds(np.hstack([rows, rows[:, ::-1]]))
        return OfSums(sums=sums, rule=reductions._Reductions(2)), copies
    values = np.arange(9.0)

    def median(drawn):  # a function in a function travels with its code
        found = [np.median(np.repeat(values, row.astype(int))) for row in drawn]
        return np.array(found)[:, None]

    return median, np.ones(9, dtype=np.int64)


def people(seed=3, rows=200, clusters=None):
    rng = np.random.default_rng(seed)
    before = rng.random(rows) < 0.6
    after = np.where(before, rng.random(rows) < 0.3, rng.random(rows) < 0.05)
    groups = None if clusters is None else rng.integers(0, clusters, rows)
    if groups is not None:
        groups = np.unique(groups, return_inverse=True)[1]
    return np.column_stack([before, after]).astype(float), groups


def drawn(seed=1, draws=1200, **options):
    sums, copies = kinds(*people())
    statistic = OfSums(sums=sums, rule=ratio)
    return resample(statistic, copies, draws=draws, rng=np.random.default_rng(seed), **options)


def only(found, method="bca", conf_level=0.95, most_undefined=0.01):
    (limit,) = limits(found, method=method, conf_level=conf_level, most_undefined=most_undefined)
    return limit


def test_clusters_that_say_the_same_are_one_kind():
    rows = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [1.0, 1.0], [1.0, 0.0]])
    sums, copies = kinds(rows, np.array([0, 0, 1, 2, 2]))
    assert sums.tolist() == [[0, 0], [2, 1]]
    assert copies.tolist() == [1, 2]
    alone, copies = kinds(rows)
    assert copies.tolist() == [1, 2, 2]
    assert copies @ alone == approx(rows.sum(axis=0))


@pytest.mark.parametrize("backend", ["sequential", "threading", "loky"])
@pytest.mark.parametrize("statistic", ["sums", "general"])
def test_the_same_seed_gives_the_same_numbers_whoever_works(backend, statistic):
    rule, copies = statistic_of(statistic)
    alone = resample(rule, copies, draws=1300, rng=np.random.default_rng(8), workers=1)
    with joblib.parallel_config(backend, n_jobs=2):
        shared = resample(rule, copies, draws=1300, rng=np.random.default_rng(8))
    np.testing.assert_array_equal(alone.values, shared.values)
    settings = {"method": "bca", "conf_level": 0.95, "most_undefined": 0.01}
    assert limits(alone, **settings) == limits(shared, **settings)


def test_dask_as_the_backend_of_joblib_gives_the_same_numbers():
    distributed = pytest.importorskip(
        "distributed", reason="the extra dask is not installed; the extra test has it"
    )
    sums, copies = kinds(*people())

    def there(drawn):
        """The ratio, and whether a worker of Dask worked it out."""
        try:
            distributed.get_worker()
        except ValueError:
            return np.hstack([ratio(drawn @ sums), np.zeros((len(drawn), 1))])
        return np.hstack([ratio(drawn @ sums), np.ones((len(drawn), 1))])

    alone = resample(there, copies, draws=1300, rng=np.random.default_rng(8))
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config("dask"),
    ):
        shared = resample(there, copies, draws=1300, rng=np.random.default_rng(8))
    np.testing.assert_array_equal(alone.values[:, 0], shared.values[:, 0])
    assert not alone.values[:, 1].any()
    assert shared.values[:, 1].all()


def test_more_draws_begin_with_the_fewer_and_another_state_gives_others():
    few, more = drawn(draws=700), drawn(draws=1200)
    np.testing.assert_array_equal(few.values, more.values[:700])
    rng = np.random.default_rng(1)
    rng.random()
    sums, copies = kinds(*people())
    later = resample(OfSums(sums=sums, rule=ratio), copies, draws=700, rng=rng)
    assert not np.array_equal(few.values, later.values)
    again = resample(OfSums(sums=sums, rule=ratio), copies, draws=700, rng=rng)
    assert not np.array_equal(again.values, later.values)


def test_the_caller_hears_how_far_it_is():
    heard = []
    drawn(draws=1200, progress=lambda done, of: heard.append((done, of)))
    assert heard == [(500, 1200), (1000, 1200), (1200, 1200)]


def test_many_kinds_make_smaller_blocks_never_other_numbers_of_workers():
    assert _resample.block_size(4) == 500
    assert _resample.block_size(100_000) == 40
    assert _resample.block_size(10**9) == 1


def test_resamples_of_kinds_are_resamples_of_clusters():
    # Three clusters, of which two are alike: all 27 ordered samples by hand.
    values = np.array([0.0, 0.0, 6.0])
    exact = [np.mean(s) for s in itertools.product(values, repeat=3)]
    statistic = OfSums(sums=np.array([[0.0], [6.0]]), rule=lambda totals: totals / 3)
    found = resample(
        statistic, np.array([2, 1]), draws=20_000, rng=np.random.default_rng(2)
    ).values[:, 0]
    for mean in (0.0, 2.0, 4.0, 6.0):
        share = exact.count(mean) / 27
        assert (found == mean).mean() == approx(
            share, abs=4 * np.sqrt(share * (1 - share) / 20_000)
        )


def test_bca_is_that_of_scipy_on_the_same_resamples():
    found = drawn(draws=2000)
    rows, _ = people()
    scipy = stats.bootstrap(
        (rows[:, 0], rows[:, 1]),
        lambda before, after, axis: after.sum(axis=axis) / before.sum(axis=axis),
        paired=True,
        n_resamples=0,
        bootstrap_result=stats._resampling.BootstrapResult(
            confidence_interval=None,
            bootstrap_distribution=found.values[:, 0],
            standard_error=None,
        ),
        method="BCa",
    )
    limit = only(found)
    assert limit.low == approx(scipy.confidence_interval.low, rel=1e-10)
    assert limit.high == approx(scipy.confidence_interval.high, rel=1e-10)
    assert limit.std_error == approx(scipy.standard_error, rel=1e-10)


def test_bca_of_a_general_statistic_is_that_of_sums():
    rows, groups = people(clusters=60)
    sums, copies = kinds(rows, groups)
    of_sums = OfSums(sums=sums, rule=ratio)

    def general(times):
        return ratio(times @ sums)

    first = resample(of_sums, copies, draws=600, rng=np.random.default_rng(5))
    second = resample(general, copies, draws=600, rng=np.random.default_rng(5))
    assert only(first).low == approx(only(second).low, rel=1e-12)
    assert only(first).high == approx(only(second).high, rel=1e-12)


def test_percentile_limits_are_quantiles_of_the_resamples():
    found = drawn()
    limit = only(found, method="percentile", conf_level=0.9)
    assert (limit.low, limit.high) == approx(tuple(np.quantile(found.values, [0.05, 0.95])))
    wider = only(found, method="percentile", conf_level=0.99)
    assert wider.low < limit.low < limit.high < wider.high


def test_whole_clusters_are_drawn():
    rows, _ = people(rows=100)
    twice, groups = np.repeat(rows, 2, axis=0), np.repeat(np.arange(100), 2)
    once = resample(
        OfSums(sums=kinds(rows)[0], rule=ratio),
        kinds(rows)[1],
        draws=500,
        rng=np.random.default_rng(1),
    )
    sums, copies = kinds(twice, groups)
    copied = resample(
        OfSums(sums=sums, rule=ratio), copies, draws=500, rng=np.random.default_rng(1)
    )
    np.testing.assert_array_equal(once.values, copied.values)


# Where there is no interval


def fixed(point, values, copies=(5, 5), rule=None):
    values = np.array(values, dtype=float)[:, None]
    sums = np.arange(len(copies), dtype=float)[:, None]
    return _resample.Resampled(
        point=np.array([point], dtype=float),
        values=values,
        copies=np.array(copies),
        statistic=OfSums(sums=sums, rule=rule or (lambda totals: totals)),
        workers=1,
    )


@pytest.mark.parametrize("method", ["bca", "percentile"])
@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (fixed(3, [3.0] * 200), "it is the same in every resample"),
        (fixed(np.nan, [1.0, 2.0] * 100), "it does not exist in the sample"),
        (fixed(1, [1.0, np.nan] * 100), r"it does not exist in 50 % of the resamples"),
        (fixed(1, [1.0, 2.0] * 100, copies=(1,)), "all rows belong to one cluster"),
    ],
)
def test_an_interval_that_cannot_be_says_why(found, reason, method):
    limit = only(found, method=method)
    assert (limit.low, limit.high, limit.std_error) == (None, None, None)
    assert limit.reason == reason


def test_a_point_to_one_side_of_its_resamples_has_no_interval():
    assert only(fixed(9, [1.0, 2.0] * 100)).reason == "every resample lies to one side of it"
    outside = only(fixed(9, [1.0, 2.0] * 100), method="percentile")
    assert outside.reason.startswith("the resamples lie to one side of it")


def test_a_number_that_hangs_on_one_cluster_has_no_corrected_interval():
    sums, copies = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]), np.array([8, 0, 1])
    statistic = OfSums(sums=sums[[0, 2]], rule=ratio)
    found = resample(statistic, copies[[0, 2]], draws=500, rng=np.random.default_rng(1))
    assert only(found, most_undefined=0.9).reason == "it is the same in every resample"
    hangs = fixed(
        1, [0.5, 1.0, 2.0] * 100, copies=(5, 1), rule=lambda t: np.where(t > 0, t, np.nan)
    )
    limit = only(hangs)
    assert limit.reason == "it hangs on one cluster, without which it does not exist"
    assert only(hangs, method="percentile").reason == ""


def test_a_correction_past_its_pole_is_refused():
    # All hangs on one cluster of a hundred: the acceleration is near its largest, 1/6.
    extreme = fixed(1.0, [0.0] * 999 + [5.0], copies=(99, 1))
    assert only(extreme, conf_level=0.999999).reason == (
        "its standard error changes too fast for the correction"
    )


def test_undefined_resamples_are_counted_and_left_out():
    limit = only(fixed(1, [0.5, 1.0, 1.5] * 100 + [np.nan, np.inf]), method="percentile")
    assert limit.undefined == 2
    assert (limit.low, limit.high) == (0.5, 1.5)


# Settings that make no sense


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"draws": 99}, "draws must be a whole number of at least 100"),
        ({"draws": 1000.5}, "draws must be a whole number of at least 100"),
        ({"rng": 1}, "rng must be a numpy Generator.* this is a int"),
        ({"rng": np.random.RandomState(1)}, "rng must be a numpy Generator"),
        ({"workers": 0}, "workers must be a whole number but not 0"),
        ({"workers": 1.5}, "workers must be a whole number but not 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(options, message):
    sums, copies = kinds(*people())
    settings = {"draws": 500, "rng": np.random.default_rng(1), "workers": None, **options}
    with pytest.raises(DesignError, match=message):
        resample(OfSums(sums=sums, rule=ratio), copies, **settings)


def test_an_unknown_interval_is_refused_with_the_nearest():
    with pytest.raises(DesignError, match='"BCA" is no bootstrap interval.* "bca"'):
        _resample.refuse(draws=500, rng=np.random.default_rng(1), workers=None, method="BCA")
