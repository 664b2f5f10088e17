"""What must hold for any percentage and any pair of margins."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from drive_eval.models import prepost
from drive_eval.published import consistent_counts
from drive_eval.published.pairings import over_pairings

GENTLE = settings(deadline=None, max_examples=60)


@given(st.integers(1, 400), st.data(), st.integers(0, 2))
@GENTLE
def test_a_true_count_is_always_among_the_consistent_ones(n, data, decimals):
    k = data.draw(st.integers(0, n))
    exact = Decimal(100 * k) / Decimal(n)
    for rule in (ROUND_HALF_UP, ROUND_HALF_EVEN):
        shown = exact.quantize(Decimal(1).scaleb(-decimals), rounding=rule)
        assert k in consistent_counts(float(shown), decimals, n).counts


@given(st.integers(0, 1000), st.integers(1, 60))
@settings(deadline=None, max_examples=25)
def test_the_nearest_denominator_can_and_none_nearer_can(tenths, n):
    found = consistent_counts(tenths / 10, 1, n)
    assert found.possible == (not found.nearest_n)
    for m in found.nearest_n:
        assert consistent_counts(tenths / 10, 1, m).possible
        for between in range(n - abs(m - n) + 1, n + abs(m - n)):
            if between > 0:
                assert not consistent_counts(tenths / 10, 1, between).possible


@given(st.data(), st.integers(2, 40))
@GENTLE
def test_no_pairing_goes_beyond_the_widest(data, n):
    before, after = data.draw(st.integers(1, n)), data.draw(st.integers(0, n))
    both = data.draw(st.integers(max(0, before + after - n), min(before, after)))
    found = over_pairings([(before, after)], n=n)
    cells = {
        "both": both,
        "before_only": before - both,
        "after_only": after - both,
        "neither": n - before - after + both,
    }
    one = prepost.paired_counts(**cells)
    for measure, limits in (("risk_ratio", found.ratio), ("risk_difference", found.difference)):
        e = one.one(measure=measure)
        assert limits.low - 1e-9 <= e.conf_low
        assert e.conf_high <= limits.high + 1e-9
        assert e.p_value is None or found.p_low - 1e-9 <= e.p_value <= found.p_high + 1e-9


@given(st.data(), st.integers(1, 60), st.integers(0, 50))
@GENTLE
def test_who_showed_it_at_neither_time_makes_no_difference_to_the_ratio(data, before, spare):
    after = data.draw(st.integers(0, before))
    unknown = over_pairings([(before, after)], n=None).ratio
    known = over_pairings([(before, after)], n=before + after + spare).ratio
    assert abs(unknown.low - known.low) < 1e-9
    assert abs(unknown.high - known.high) < 1e-9
