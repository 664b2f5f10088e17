"""Estimates, checks, count tables and result sets: what they refuse and what they keep."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drive_eval.errors import ResultError, UndefinedResultError, did_you_mean
from drive_eval.results import (
    ESTIMATE_COLUMNS,
    Cell,
    Check,
    CountTable,
    Estimate,
    Evaluation,
    ResultSet,
    library_versions,
)


def ratio(**fields) -> Estimate:
    given = {"measure": "risk_ratio", "estimate": 0.5, "conf_low": 0.25, "conf_high": 0.8, **fields}
    return Estimate(**given)


def two_arms() -> CountTable:
    return CountTable.from_counts(
        name="arms",
        title="Arms",
        unit="perpetrators",
        dimensions=("group",),
        counts={("programme",): 20, ("comparison",): 30},
        totals={("all",): [("programme",), ("comparison",)]},
        hidden=[("comparison",)],
    )


class TestEstimate:
    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"estimate": 0.2}, "lies below conf_low"),
            ({"estimate": 0.9}, "lies above conf_high"),
            ({"conf_low": 0.9, "estimate": None}, "lies above conf_high"),
            ({"claim": "causl"}, 'is no claim. Nearest: "causal"'),
            ({"conf_level": 1.0}, "conf_level must lie between 0 and 1"),
            ({"p_value": math.nan}, "p_value is not a number"),
            ({"std_error": math.nan}, "std_error is not a number"),
        ],
    )
    def test_what_cannot_be_is_refused(self, fields, message):
        with pytest.raises(ResultError, match=message):
            ratio(**fields)

    def test_an_estimate_may_touch_its_limit_within_rounding(self):
        assert ratio(estimate=0.25 - 1e-13).estimate < 0.25

    def test_a_missing_point_keeps_its_limits(self):
        assert ratio(estimate=None).conf_low == 0.25

    def test_it_is_frozen(self):
        with pytest.raises(AttributeError):
            ratio().estimate = 0.1

    @given(
        low=st.floats(0, 1), width=st.floats(0, 2), place=st.floats(0, 1), error=st.floats(0.01, 2)
    )
    def test_a_percentage_reduction_swaps_the_bounds_and_never_exceeds_100(
        self, low, width, place, error
    ):
        point = min(low + place * width, low + width)
        fall = ratio(
            estimate=point, conf_low=low, conf_high=low + width, std_error=error
        ).percent_reduction()
        assert fall.estimate <= 100
        assert fall.conf_high <= 100
        assert fall.estimate == pytest.approx(100 * (1 - point), abs=1e-9)
        assert fall.conf_low == pytest.approx(100 * (1 - low - width), abs=1e-9)
        assert fall.term == "users"

    def test_a_percentage_reduction_says_what_it_is_a_reduction_of(self):
        assert ratio(measure="hazard_ratio", term="age").percent_reduction().term == "age (hazard)"
        assert ratio(measure="rate_ratio").percent_reduction().term == "rate"

    def test_never_from_an_odds_ratio(self):
        with pytest.raises(ResultError, match="not from odds_ratio"):
            ratio(measure="odds_ratio").percent_reduction()

    def test_a_zero_ratio_is_a_full_reduction_without_a_standard_error(self):
        fall = ratio(estimate=0.0, conf_low=0.0, std_error=0.4).percent_reduction()
        assert (fall.estimate, fall.std_error) == (100, None)


class TestCheck:
    def test_not_a_number_is_refused(self):
        with pytest.raises(ResultError, match="Check overlap: statistic is not a number"):
            Check(name="overlap", statistic=math.nan)


class TestCountTable:
    def test_totals_are_sums_and_hidden_atoms_are_not_printed(self):
        table = two_arms()
        assert table["all"] == 50
        assert table.to_frame()["group"].tolist() == ["programme", "all"]

    def test_an_unknown_line_names_the_nearest(self):
        with pytest.raises(ResultError, match='no line programm. Nearest: "programme"'):
            two_arms()["programm"]

    @pytest.mark.parametrize(
        ("cells", "message"),
        [
            ([Cell(key=("a", "b"), count=1)], "a key has 2 parts"),
            ([Cell(key=("a",), count=1), Cell(key=("a",), count=2)], "stands twice"),
            ([Cell(key=("a",), count=-1)], "is below 0"),
            (
                [Cell(key=("a",), count=1), Cell(key=("all",), count=3, parts=(0,))],
                "is not its parts' sum",
            ),
            (
                [
                    Cell(key=("a",), count=1),
                    Cell(key=("b",), count=1, parts=(0,)),
                    Cell(key=("c",), count=1, parts=(1,)),
                ],
                "is a total of totals",
            ),
        ],
    )
    def test_a_table_that_contradicts_itself_is_refused(self, cells, message):
        with pytest.raises(ResultError, match=message):
            CountTable(name="t", title="t", unit="people", dimensions=("x",), cells=tuple(cells))


class TestResultSet:
    results = ResultSet(
        estimates=(
            ratio(outcome="physical", group="programme"),
            ratio(outcome="physical", group="comparison"),
        ),
        checks=(Check(name="bhapkar", text="t"),),
        tables=(two_arms(),),
        assumptions=("People are independent.",),
    )

    def test_the_frame_has_always_the_same_columns(self):
        assert list(self.results.to_frame()) == list(ESTIMATE_COLUMNS)
        assert list(ResultSet().to_frame()) == list(ESTIMATE_COLUMNS)

    def test_one_finds_one(self):
        assert self.results.one(group="programme").outcome == "physical"

    @pytest.mark.parametrize(
        ("wanted", "message"),
        [
            ({"measure": "risk_ratio"}, "2 estimates have .*group: 'programme', 'comparison'"),
            ({"group": "both"}, "no estimate has group='both'.*'programme'"),
            ({"mesure": "x"}, 'no field "mesure". Nearest: "measure"'),
        ],
    )
    def test_one_lists_the_choices(self, wanted, message):
        with pytest.raises(ResultError, match=message):
            self.results.one(**wanted)

    def test_check_and_table_by_name(self):
        assert self.results.check("bhapkar").text == "t"
        assert self.results.table("arms")["all"] == 50
        with pytest.raises(ResultError, match='no check is called "bapkar". Nearest: "bhapkar"'):
            self.results.check("bapkar")
        with pytest.raises(ResultError, match='no table is called "arm". Nearest: "arms"'):
            self.results.table("arm")

    def test_the_summary_is_text(self):
        text = self.results.summary()
        assert "physical programme risk_ratio: 0.5 (95% CI 0.25 to 0.8)" in text
        assert "[note] bhapkar" in text
        assert "Assumes: People are independent." in text


class TestJson:
    def evaluation(self) -> Evaluation:
        infinite = ratio(conf_high=math.inf)
        missing = Estimate(measure="risk_ratio", estimate=None)
        results = ResultSet(
            estimates=(infinite, missing),
            checks=(Check(name="a", statistic=math.inf),),
            tables=(two_arms(),),
        )
        return Evaluation(
            plan={"evaluation": {"title": "t"}},
            plan_hash="h",
            results={"physical": results},
            tables=(two_arms(),),
        )

    def test_what_is_written_is_read_back(self):
        before = self.evaluation()
        assert Evaluation.from_json(before.to_json()) == before

    def test_there_is_no_nan_and_every_null_has_its_reason(self):
        body = json.loads(self.evaluation().to_json())
        first, second = body["results"]["physical"]["estimates"]
        assert first["conf_high"] is None
        assert first["reasons"]["conf_high"] == "infinite"
        assert "see checks" in second["reasons"]["estimate"]
        assert "NaN" not in self.evaluation().to_json()

    @pytest.mark.parametrize("text", ["{", "[]", '{"format": "other"}', '"x"'])
    def test_anything_else_is_refused(self, text):
        with pytest.raises(ResultError, match="not a results file written by drive_eval"):
            Evaluation.from_json(text)


def test_versions_of_the_libraries_that_numbers_depend_on():
    versions = library_versions()
    assert versions["scipy"][0].isdigit()
    assert "drive_eval" in versions


def test_undefined_results_are_our_own_errors():
    assert issubclass(UndefinedResultError, Exception)
    assert did_you_mean("PHYSICAL", ["physical"]) == ' Nearest: "physical".'
    assert did_you_mean("x", []) == ""
    assert did_you_mean("q", [str(i) * 3 for i in range(20)]).endswith(" ….")
