"""The plan: what will be evaluated and how, written down before the results are seen.

A plan is a TOML file. Every key is listed in ``docs/reference/plan.md``, which is printed
from `sections`; `reading` turns a file into a plan. Paths are relative to the plan's folder.
"""

from drive_eval.plan.outcomes import (
    BehaviourOutcome,
    BinaryOutcome,
    Outcome,
    PerceivedChangeOutcome,
    ReoffendingOutcome,
    TimeToEventOutcome,
    outcome_names,
)
from drive_eval.plan.primary import PRIMARY_RULE, primary_estimate
from drive_eval.plan.reading import load_plan
from drive_eval.plan.reference import plan_reference
from drive_eval.plan.sections import (
    BALANCING_METHODS,
    DESIGN_KINDS,
    NO_COVARIATES,
    BalancingBlock,
    CohortSection,
    ComparisonSection,
    DataSection,
    DesignSection,
    EqualitySection,
    EvaluationSection,
    Plan,
    PublishedFigure,
    ReleaseSection,
    ReportSection,
    SensitivitySection,
)

__all__ = [
    "BALANCING_METHODS",
    "DESIGN_KINDS",
    "NO_COVARIATES",
    "PRIMARY_RULE",
    "BalancingBlock",
    "BehaviourOutcome",
    "BinaryOutcome",
    "CohortSection",
    "ComparisonSection",
    "DataSection",
    "DesignSection",
    "EqualitySection",
    "EvaluationSection",
    "Outcome",
    "PerceivedChangeOutcome",
    "Plan",
    "PublishedFigure",
    "ReleaseSection",
    "ReoffendingOutcome",
    "ReportSection",
    "SensitivitySection",
    "TimeToEventOutcome",
    "load_plan",
    "outcome_names",
    "plan_reference",
    "primary_estimate",
]
