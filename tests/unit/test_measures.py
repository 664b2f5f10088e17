"""Severity before and after, perceived change, and who is counted: checked on paper."""

from __future__ import annotations

import pandas as pd
import pytest

from drive_eval.data.schema import validate
from drive_eval.errors import DesignError
from drive_eval.measures.behaviours import perceived_change, severity_before_after
from drive_eval.measures.case_table import (
    behaviour_rows,
    binary_rows,
    cohort_units,
    perceived_change_rows,
)


@pytest.fixture
def tables(tiny_tables):
    return validate(tiny_tables)


def of(frame: pd.DataFrame, case: str, column: str):
    return frame.set_index("case_id").at[case, column]


class TestSeverity:
    def test_a_case_is_as_severe_as_its_worst_victim_survivor_says(self, tables):
        found = severity_before_after(tables["assessments"], abuse_type="physical", reporter="idva")
        assert of(found, "002", "before") == "high"
        assert of(found, "002", "after") == "standard"

    def test_not_recorded_is_not_none(self, tables):
        found = severity_before_after(tables["assessments"], abuse_type="physical", reporter="idva")
        assert pd.isna(of(found, "004", "after"))

    def test_losing_contact_with_one_victim_survivor_is_not_an_end_to_abuse(self, tables):
        rows = tables["assessments"]
        lost = (rows["victim_survivor_id"] == "V02") & (rows["time_point"] == "exit")
        found = severity_before_after(rows[~lost], abuse_type="physical", reporter="idva")
        assert pd.isna(of(found, "002", "after"))
        assert of(found, "002", "partly_measured")

    def test_abuse_of_a_new_partner_counts(self, tables):
        rows = tables["assessments"]
        new = rows[(rows["case_id"] == "001") & (rows["time_point"] == "exit")].head(1)
        new = new.assign(reporter="idva", victim_survivor_id="V99", severity="high")
        found = severity_before_after(
            pd.concat([rows, new]), abuse_type="physical", reporter="idva"
        )
        assert of(found, "001", "after") == "high"

    def test_days_between_the_two_ratings(self, tables):
        found = severity_before_after(tables["assessments"], abuse_type="physical", reporter="idva")
        assert of(found, "001", "days_between") == 187

    def test_by_dyad_each_victim_survivor_is_a_row(self, tables):
        found = severity_before_after(
            tables["assessments"], abuse_type="physical", reporter="idva", per="dyad"
        )
        two = found[found["case_id"] == "002"].set_index("victim_survivor_id")
        assert two["after"].tolist() == ["standard", "none"]

    def test_a_reporter_who_rates_cases_cannot_be_counted_by_dyad(self, tables):
        with pytest.raises(
            DesignError, match='2 assessments of physical by "case_manager" name no'
        ):
            severity_before_after(
                tables["assessments"], abuse_type="physical", reporter="case_manager", per="dyad"
            )

    def test_a_reporter_who_rated_nothing_is_refused_with_the_nearest(self, tables):
        with pytest.raises(
            DesignError, match='no assessment of physical by "idav".*Nearest: "idva"'
        ):
            severity_before_after(tables["assessments"], abuse_type="physical", reporter="idav")

    def test_row_order_does_not_matter(self, tables):
        rows = tables["assessments"]
        first = severity_before_after(rows, abuse_type="physical", reporter="idva")
        second = severity_before_after(
            rows.sample(frac=1, random_state=3), abuse_type="physical", reporter="idva"
        )
        pd.testing.assert_frame_equal(first, second)


class TestUnits:
    def test_a_person_is_counted_once_by_the_first_enrolment(self, tables):
        units = cohort_units(tables["cases"], unit="person")
        assert len(units) == 11
        assert units.loc[units["perpetrator_id"] == "P01", "case_id"].tolist() == ["001"]

    def test_an_enrolment_is_a_row_of_cases(self, tables):
        assert len(cohort_units(tables["cases"], unit="enrolment")) == 12

    def test_a_dyad_is_a_link(self, tables):
        units = cohort_units(tables["cases"], tables["victim_survivors"], unit="dyad")
        assert len(units) == 13
        assert units["unit_id"].is_unique

    def test_dyads_need_the_links(self, tables):
        with pytest.raises(DesignError, match='unit = "dyad" needs the table victim_survivors'):
            cohort_units(tables["cases"], None, unit="dyad")

    def test_an_unknown_arm_column_names_the_nearest(self, tables):
        with pytest.raises(DesignError, match='no column "arms" in cases. Nearest: "arm"'):
            cohort_units(tables["cases"], unit="person", group="arms")


class TestRows:
    def test_users_before_and_after_as_on_paper(self, tables):
        units = cohort_units(tables["cases"], unit="person")
        rows = behaviour_rows(units, tables["assessments"], abuse_type="physical", reporter="idva")
        pairs = rows.dropna(subset=["used_before", "used_after"])
        counts = pairs.groupby("group")[["used_before", "used_after"]].sum()
        assert counts.loc["programme"].tolist() == [4, 2]
        assert counts.loc["comparison"].tolist() == [3, 3]
        assert len(rows) == 11

    def test_a_higher_threshold_counts_fewer(self, tables):
        units = cohort_units(tables["cases"], unit="person")
        rows = behaviour_rows(
            units,
            tables["assessments"],
            abuse_type="physical",
            reporter="idva",
            threshold="high",
        )
        assert int(rows["used_before"].sum()) == 4

    def test_by_dyad(self, tables):
        units = cohort_units(tables["cases"], tables["victim_survivors"], unit="dyad")
        rows = behaviour_rows(units, tables["assessments"], abuse_type="physical", reporter="idva")
        assert len(rows) == len(units)
        assert rows["used_before"].notna().sum() == 12

    def test_an_unknown_abuse_type_names_the_nearest(self, tables):
        units = cohort_units(tables["cases"], unit="person")
        with pytest.raises(DesignError, match='"fysical" is no abuse type. Nearest: "physical"'):
            behaviour_rows(units, tables["assessments"], abuse_type="fysical", reporter="idva")

    def test_perceived_change(self, tables):
        units = cohort_units(tables["cases"], unit="person")
        rows = perceived_change_rows(units, tables["risk_reviews"], reporter="idva")
        by_arm = rows.dropna(subset=["reduced"]).groupby("group")["reduced"].agg(["sum", "count"])
        assert by_arm.loc["programme"].tolist() == [2, 3]
        assert by_arm.loc["comparison"].tolist() == [0, 2]

    def test_of_several_judgements_the_least_favourable_counts(self, tables):
        reviews = tables["risk_reviews"]
        second = reviews[reviews["case_id"] == "002"].assign(
            victim_survivor_id="V03", perceived_change="increase"
        )
        found = perceived_change(pd.concat([reviews, second]), reporter="idva")
        assert of(found, "002", "perceived_change") == "increase"

    def test_no_judgement_is_refused(self, tables):
        with pytest.raises(DesignError, match='no judgement of perceived change by "police"'):
            perceived_change(tables["risk_reviews"], reporter="police")
        with pytest.raises(DesignError, match='"exti" is no time point. Nearest: "exit"'):
            perceived_change(tables["risk_reviews"], reporter="idva", time_point="exti")

    def test_binary_outcomes(self, tables):
        units = cohort_units(tables["cases"], unit="person")
        rows = binary_rows(units.assign(hit=units["age"] > 40), column="hit")
        assert rows["outcome"].sum() == 4
        with pytest.raises(DesignError, match='no column "hot" in cases'):
            binary_rows(units, column="hot")
        with pytest.raises(DesignError, match="holds other values than true and false"):
            binary_rows(units, column="age")
