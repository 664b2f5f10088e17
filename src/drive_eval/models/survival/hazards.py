"""Regressions of hazards: the first event, every event, and events that compete.

The programme is set against the comparison whatever the alphabet says, each covariate has one
Estimate, and beside every hazard ratio stands whether it may be read as one number.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np
import pandas as pd

from drive_eval.errors import DataError, DesignError
from drive_eval.models import _cox, _fine_gray
from drive_eval.models import _hazard_rows as rows
from drive_eval.models._arguments import kind_of
from drive_eval.models._design import Weighted
from drive_eval.models._regression import clusters as codes_of
from drive_eval.models._regression import flags
from drive_eval.results import Check, Provenance, ResultSet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drive_eval.models._design import Matched

__all__ = ["cox", "fine_gray", "recurrent"]

Recurrence: TypeAlias = Literal["ag", "pwp_tt", "pwp_gt"]
Beyond: TypeAlias = Literal["merge", "cut"]
Covariance: TypeAlias = Literal["sandwich", "stacked"]

_BESIDE = (
    "A hazard ratio that changes is an average over this follow-up; restricted mean time "
    "(restricted_mean) and differences at fixed times (kaplan_meier) need no proportionality and "
    "belong beside it."
)
_CONDITIONS = {
    "ag": "Earlier events change the hazard of later ones in ways that the covariates or the "
    "clustered variance carry.",
    "pwp_tt": "Among people with equally many earlier events the arms are still alike (PWP "
    "conditions on earlier events); time runs from the index date.",
    "pwp_gt": "Among people with equally many earlier events the arms are still alike (PWP "
    "conditions on earlier events); time runs from the event before.",
}
_NAMES = {
    "ag": "Andersen–Gill",
    "pwp_tt": "Prentice–Williams–Peterson, total time",
    "pwp_gt": "Prentice–Williams–Peterson, gap time",
}


def cox(
    table: pd.DataFrame | Matched | Weighted,
    *,
    stop: str,
    event: str,
    covariates: str | Sequence[str] | None = None,
    treated: str | None = None,
    start: str | None = None,
    strata: str | Sequence[str] | None = None,
    weights: str | None = None,
    cluster: str | None = None,
    cov: Covariance | None = None,
    ties: _cox.Ties = "efron",
    conf_level: float = 0.95,
    transform: _cox.Transform = "km",
    min_clusters: int = 40,
    events_per_parameter: float = 10.0,
    max_p: float = 0.05,
    outcome_name: str = "",
    contrast: str = "programme v comparison",
    group: str = "",
    unit: str = "",
    reporter: str = "",
    threshold: str = "",
    subgroup: str = "",
) -> ResultSet:
    """By what factor does the hazard of an event differ between programme and comparison?

    Cox's proportional hazards regression, for rows that are followed from the beginning or
    from `start` to `stop`. Rows of one person may follow each other, with gaps (custody) or
    with covariates that change.

    Parameters
    ----------
    table : DataFrame, Matched or Weighted
        One row per person or per interval. Of a `Matched` or `Weighted` comparison the weights
        are used; standard errors are clustered on matched sets, or on the case where a
        comparison case may serve several programme cases.
    stop, start : str
        Columns of numbers in one unit of time: a row is at risk at times start < t ≤ stop;
        without `start` from time 0.
    event : str
        Column of true and false (or 1 and 0): the row ended with the event.
    covariates : str or sequence of str, optional
        Column names, or a formula's right-hand side such as ``"age + C(site)"``. May be left
        out where `treated` is known.
    treated : str, optional
        Column of true and false, or of ``"programme"`` and ``"comparison"``; a design knows
        its own. It joins the covariates, and its hazard ratio has a percentage reduction.
    strata : str or sequence of str, optional
        Columns; each combination of values has a baseline hazard of its own.
    weights : str, optional
        Column of numbers, 0 or more; rows of weight 0 are left out.
    cluster : str, optional
        Column of clusters (person, perpetrator, area). With a design the variance is clustered
        both ways.
    cov : {'sandwich', 'stacked'}, optional
        Of a `Weighted`: whether weights are taken as known (``"sandwich"``, R's way and the
        default), or as estimated. The latter is the narrower as a rule.
    ties : {'efron', 'breslow'}
        How events at the same time are treated.
    conf_level : float, between 0 and 1
    transform : {'km', 'rank', 'identity', 'log'}
        The function of time with which the check lets hazard ratios change.
    min_clusters : int
        With fewer clusters t quantiles are used and a DesignWarning is given.
    events_per_parameter, max_p : float
        Thresholds of checks: fewer events per coefficient, or a P value of proportionality
        below this, fails.
    outcome_name, contrast, group, unit, reporter, threshold, subgroup : str
        Labels that every Estimate carries; `outcome_name` is the event's column by default.

    Returns
    -------
    ResultSet
        One ``hazard_ratio`` a column of the model, ``term`` its name, ``std_error`` on the log
        scale; for `treated` also ``percent_reduction`` (of the hazard). ``n`` and ``n_events``
        count the programme and ``n_reference``, ``n_events_reference`` the comparison for
        `treated`, everybody for other terms; as rows, not as weights. Checks:
        ``proportional_hazards`` for all terms together and ``proportional_hazards: term`` for
        each, ``events_per_parameter``, ``ties``, ``clusters``. ``native`` is the fit: log
        likelihood, score, Wald and likelihood ratio tests, ``baseline``, ``survival``,
        ``martingale``, ``schoenfeld``, ``influence``.

    Raises
    ------
    DataError
        For a missing or incomplete column, times that run backwards, or weights below 0.
    DesignError
        For covariates that repeat each other, do not vary, or foretell the event without
        error; for as few clusters as coefficients.
    UndefinedResultError
        If nobody had the event.

    Notes
    -----
    **Assumptions.** Following ends for reasons that have nothing to do with the hazard, given
    the covariates. Each covariate multiplies the hazard by the same factor at all times. Who
    is in the programme has nothing to do with the hazard but for the covariates. A hazard
    ratio is not a ratio of risks, and it is not collapsible: among people who differ it drifts
    towards 1 with time even in a randomised study. Show `restricted_mean` and differences at
    fixed times beside it.

    The coefficients maximise Π over events of exp(xβ) / Σ exp(xβ) over rows at risk; for d
    tied events Efron takes k/d of them from the sum for the k-th, Breslow takes none. The
    sandwich is I⁻¹(Σ u u′)I⁻¹ with u the weighted score residuals summed over clusters and no
    factor for their number; quantiles are normal, as in R, from `min_clusters` clusters of
    equal size on, and t with effective clusters − 1 degrees of freedom below. Weights are
    taken as known, or ``"stacked"`` with the equations they were estimated from. Two
    clusterings: V₁ + V₂ − V₁₂. Proportionality: the score test of adding g(t)·x, all terms
    and each; it takes rows to be independent.

    For a cause-specific hazard give an event that is true for the cause of interest only:
    other causes then end the following. It answers how the rate among those still free
    differs, `fine_gray` how the share ever affected does.

    Coefficients, standard errors and tests are those of R's ``survival`` 3.5-3.

    References
    ----------
    Andersen PK, Gill RD (1982). Cox's regression model for counting processes: a large sample
    study. Annals of Statistics 10, 1100.

    Lin DY, Wei LJ (1989). The robust inference for the Cox proportional hazards model. Journal
    of the American Statistical Association 84, 1074.

    Grambsch PM, Therneau TM (1994). Proportional hazards tests and diagnostics based on
    weighted residuals. Biometrika 81, 515.

    Austin PC (2014). The use of propensity score methods with survival or time-to-event
    outcomes: reporting measures of effect similar to those used in randomized experiments.
    Statistics in Medicine 33, 1242.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"arm": ["programme", "comparison"] * 30,
    ...                       "week": [(7 * i) % 52 + 1 + 12 * (i % 2 == 0) for i in range(60)],
    ...                       "arrest": [i % 4 > 0 for i in range(60)]})
    >>> result = cox(table, stop="week", event="arrest", treated="arm")
    >>> round(result.one(measure="hazard_ratio").estimate, 3)
    0.22
    >>> round(result.one(measure="percent_reduction").estimate, 1)
    78.0
    >>> result.check("proportional_hazards").df
    1.0
    """
    rows.known(ties, _cox.TIES, "ties")
    rows.known(transform, _cox.TRANSFORMS, "transform")
    rows.probability(conf_level, "conf_level", "0.95 for 95%")
    if cov is not None:
        rows.known(cov, get_args(Covariance), "cov")
    if cov == "stacked" and not isinstance(table, Weighted):
        raise DesignError('cov="stacked" is for a Weighted, whose weights know how they were made.')
    sample = rows.read(table, treated=treated, weights=weights, cluster=cluster)
    if start is None:
        starts, stops = None, rows.ends(sample.table, stop)
    else:
        starts, stops = rows.intervals(sample.table, start, stop)
    happened = flags(sample.table, event, "event")
    design = rows.covariates(sample, covariates)
    law = rows.law(
        sample,
        # Rows of a cluster that follow each other are not so many people: each cluster is one.
        sizes=[np.bincount(c) if start is None else np.unique(c) * 0 + 1 for c in sample.clusters],
        parameters=len(design.names),
        fewest=min_clusters,
    )
    fit = _cox.fit(
        stops,
        happened,
        design.matrix,
        design.names,
        start=starts,
        strata=rows.strata(sample.table, strata),
        weights=sample.weights,
        clusters=sample.clusters,
        ties=ties,
    )
    if cov == "stacked" and isinstance(table, Weighted):
        fit = rows.stacked(fit, table, sample, cluster)
        law = replace(law, text=f"stacked {law.text}")
    labels = {
        "outcome": outcome_name or event,
        "group": group,
        "unit": unit,
        "reporter": reporter,
        "threshold": threshold,
        "subgroup": subgroup,
    }
    return ResultSet(
        estimates=rows.estimates(
            fit,
            sample,
            happened,
            measure="hazard_ratio",
            law=law,
            method=f"Cox regression, {ties.title()} ties",
            contrast=contrast,
            labels=labels,
            conf_level=conf_level,
        ),
        checks=(
            *_proportional(fit, transform, max_p, robust=bool(sample.cluster)),
            *rows.model_checks(int(fit.rows.dead.sum()), design, events_per_parameter),
            _ties(fit),
            *law.checks,
            *sample.checks,
        ),
        assumptions=(
            "Following ends for reasons that have nothing to do with the hazard, given the "
            "covariates.",
            "Each hazard ratio is the same at all times of the follow-up.",
            "Who is in the programme has nothing to do with the hazard but for the covariates "
            "and the design.",
            "Clusters are independent of each other; rows within one need not be."
            if sample.cluster
            else f"Rows ({unit or 'people'}) are independent of each other.",
        ),
        provenance=Provenance(call="survival.cox"),
        native=fit,
    )


def recurrent(
    table: pd.DataFrame,
    *,
    person: str,
    start: str,
    stop: str,
    event: str,
    covariates: str | Sequence[str] | None = None,
    treated: str | None = None,
    model: Recurrence = "ag",
    cluster: str | None = None,
    strata: str | Sequence[str] | None = None,
    weights: str | None = None,
    ties: _cox.Ties = "efron",
    max_stratum: int | None = None,
    beyond: Beyond = "merge",
    conf_level: float = 0.95,
    transform: _cox.Transform = "km",
    min_clusters: int = 40,
    events_per_parameter: float = 10.0,
    events_per_stratum: int = 10,
    max_p: float = 0.05,
    outcome_name: str = "",
    contrast: str = "programme v comparison",
    group: str = "",
    unit: str = "person",
    reporter: str = "",
    threshold: str = "",
    subgroup: str = "",
) -> ResultSet:
    """By what factor does the programme change how often people re-offend, first and again?

    Parameters
    ----------
    table : DataFrame
        One row per interval of a person's following: it ends with an event, at the end of the
        following, or where a gap (custody) begins. Rows of one person do not overlap.
    person : str
        Column that tells people apart; the variance is clustered on it.
    start, stop : str
        Columns of numbers in one unit of time since the index date; a row is at risk at times
        start < t ≤ stop.
    event : str
        Column of true and false (or 1 and 0): the row ended with an event.
    covariates, treated, strata, weights, ties
        As in `cox`. Covariates may change from row to row.
    model : {'ag', 'pwp_tt', 'pwp_gt'}
        ``"ag"`` (Andersen–Gill): all events have one baseline hazard over time since the index
        date; the effect on how often. ``"pwp_tt"`` and ``"pwp_gt"`` (Prentice–Williams–
        Peterson): the first event, the second, the third … have a baseline each, over time
        since the index date, or since the event before; the effect on the next event *given
        the earlier ones*.
    cluster : str, optional
        Column of clusters that hold whole persons (matched set, area) and take their place.
    max_stratum : int, optional
        The last event number that has a baseline of its own under PWP.
    beyond : {'merge', 'cut'}
        Whether later events share the last baseline, or are left out.
    events_per_stratum : int
        A Check fails if an event number has fewer events than this.
    conf_level, transform, min_clusters, events_per_parameter, max_p
        As in `cox`.
    outcome_name, contrast, group, unit, reporter, threshold, subgroup : str
        Labels that every Estimate carries.

    Returns
    -------
    ResultSet
        As `cox`; ``n`` counts persons and ``n_events`` events. Checks also
        ``robust_v_model`` (how much wider the clustered standard errors are than those that
        take events of one person to be independent) and, under PWP,
        ``conditions_on_earlier_events`` and ``event_strata``.

    Raises
    ------
    DataError
        For rows of a person that overlap, and as in `cox`.
    DesignError, UndefinedResultError
        As in `cox`.

    Notes
    -----
    **Assumptions.** As in `cox`; further, ag: earlier events change later ones through the
    covariates only, or the robust variance carries what they do (Lin et al. 2000: then the
    ratio is one of mean rates). pwp: among people with the same number of earlier events the
    arms are still alike. They are not, if the programme changed who has earlier events: the
    ratio of a second event is not protected by randomisation.

    Under pwp_gt the clock starts anew at each event and runs on through gaps, in which nobody
    is at risk; the first event is timed from the person's first row. Events in the index
    window, and the index incident itself, are no rows of this table.

    Coefficients and clustered standard errors are those of R's ``coxph(…, cluster = id)``,
    with ``strata(enum)`` for PWP.

    References
    ----------
    Andersen PK, Gill RD (1982). Cox's regression model for counting processes: a large sample
    study. Annals of Statistics 10, 1100.

    Prentice RL, Williams BJ, Peterson AV (1981). On the regression analysis of multivariate
    failure time data. Biometrika 68, 373.

    Lin DY, Wei LJ, Yang I, Ying Z (2000). Semiparametric regression for the mean and rate
    functions of recurrent events. Journal of the Royal Statistical Society B 62, 711.

    Amorim LDAF, Cai J (2015). Modelling recurrent events: a tutorial for analysis in
    epidemiology. International Journal of Epidemiology 44, 324.

    Examples
    --------
    Eight people, free from custody in the intervals given:

    >>> import pandas as pd
    >>> table = pd.DataFrame(
    ...     [(1, 0, 30, 0, 1), (1, 60, 180, 1, 1), (2, 0, 150, 1, 0), (3, 0, 80, 0, 1),
    ...      (3, 120, 365, 0, 1), (4, 0, 200, 1, 0), (5, 0, 365, 0, 1), (6, 0, 45, 0, 0),
    ...      (6, 90, 300, 1, 0), (7, 0, 240, 1, 0), (8, 0, 100, 0, 1), (8, 200, 330, 1, 1)],
    ...     columns=["person", "start", "stop", "arrest", "programme"])
    >>> table["programme"] = table["programme"] == 1
    >>> result = recurrent(table, person="person", start="start", stop="stop", event="arrest",
    ...                    treated="programme", min_clusters=8)
    >>> ratio = result.one(measure="hazard_ratio")
    >>> round(ratio.estimate, 3), round(ratio.std_error, 3)
    (0.195, 1.142)
    """
    rows.known(model, get_args(Recurrence), "model")
    rows.known(beyond, get_args(Beyond), "beyond")
    rows.known(ties, _cox.TIES, "ties")
    rows.known(transform, _cox.TRANSFORMS, "transform")
    rows.probability(conf_level, "conf_level", "0.95 for 95%")
    if max_stratum is not None and max_stratum < 1:
        raise DesignError(f"max_stratum counts events from 1, but is {max_stratum}.")
    if not isinstance(table, pd.DataFrame):
        raise DataError(
            f"a table (pandas DataFrame) of intervals is needed, not a {kind_of(table)}. Of "
            "a matched or weighted comparison, join its weight and matched_set to the intervals, "
            'and name them: weights="weight", cluster="matched_set".'
        )
    sample = rows.read(table, treated=treated, weights=weights, cluster=cluster or person)
    starts, stops = rows.intervals(sample.table, start, stop)
    happened = flags(sample.table, event, "event")
    who = codes_of(sample.table, person, "person")
    sample = replace(sample, units=who)
    number, begun = rows.histories(who, starts, stops, happened)
    baseline = rows.strata(sample.table, strata)
    checks: list[Check] = []
    if model != "ag":
        if max_stratum is not None and beyond == "cut":
            kept = np.flatnonzero(number <= max_stratum)
            sample, number, begun = sample.take(kept), number[kept], begun[kept]
            stops, starts, happened = stops[kept], starts[kept], happened[kept]
            baseline = None if baseline is None else baseline[kept]
        elif max_stratum is not None:
            number = np.minimum(number, max_stratum)
        if model == "pwp_gt":
            stops, starts = stops - begun, starts - begun
        checks = _history_checks(number, happened, events_per_stratum)
        baseline = rows.crossed(number, baseline)
    design = rows.covariates(sample, covariates)
    law = rows.law(
        sample,
        sizes=[rows.persons_by_cluster(sample.units, sample.clusters[0], cluster or person)],
        parameters=len(design.names),
        fewest=min_clusters,
    )
    fit = _cox.fit(
        stops,
        happened,
        design.matrix,
        design.names,
        start=starts,
        strata=baseline,
        weights=sample.weights,
        clusters=sample.clusters,
        ties=ties,
    )
    labels = {
        "outcome": outcome_name or event,
        "group": group,
        "unit": unit,
        "reporter": reporter,
        "threshold": threshold,
        "subgroup": subgroup,
    }
    return ResultSet(
        estimates=rows.estimates(
            fit,
            sample,
            happened,
            measure="hazard_ratio",
            law=law,
            method=f"{_NAMES[model]}, {ties.title()} ties",
            contrast=contrast,
            labels=labels,
            conf_level=conf_level,
        ),
        checks=(
            *checks,
            _wider(fit),
            *_proportional(fit, transform, max_p, robust=True),
            *rows.model_checks(int(fit.rows.dead.sum()), design, events_per_parameter),
            _ties(fit),
            *law.checks,
        ),
        assumptions=(
            "Following ends, and is interrupted, for reasons that have nothing to do with the "
            "hazard, given the covariates.",
            "Each hazard ratio is the same at all times of the follow-up.",
            _CONDITIONS[model],
            "Clusters are independent of each other; events of one person need not be.",
        ),
        provenance=Provenance(call="survival.recurrent"),
        native=fit,
    )


def fine_gray(
    table: pd.DataFrame,
    *,
    stop: str,
    cause: str,
    cause_of_interest: object,
    covariates: str | Sequence[str] | None = None,
    treated: str | None = None,
    cluster: str | None = None,
    conf_level: float = 0.95,
    min_clusters: int = 40,
    events_per_parameter: float = 10.0,
    outcome_name: str = "",
    contrast: str = "programme v comparison",
    group: str = "",
    unit: str = "",
    reporter: str = "",
    threshold: str = "",
    subgroup: str = "",
) -> ResultSet:
    """Does the share of people who ever re-offend differ, when prison or death may come first?

    Fine and Gray's regression of the subdistribution hazard: those whom a competing event
    took stay in the risk set, because they are people who did not re-offend.

    Parameters
    ----------
    table : DataFrame, one row per person
    stop : str
        Column of numbers: time of the first event of any cause, or of the end of following.
    cause : str
        Column that says which event it was: a number or a word for each cause; 0, false, an
        empty text, ``"censored"`` or a missing value for none.
    cause_of_interest
        The value of `cause` whose cumulative incidence is compared.
    covariates, treated
        As in `cox`; fixed in time.
    cluster : str, optional
        Column of clusters over which squares of the variance are summed.
    conf_level : float, between 0 and 1
    min_clusters, events_per_parameter
        As in `cox`.
    outcome_name, contrast, group, unit, reporter, threshold, subgroup : str
        Labels that every Estimate carries; `outcome_name` is the cause of interest by default.

    Returns
    -------
    ResultSet
        One ``subdistribution_hazard_ratio`` a column of the model, ``std_error`` on the log
        scale. Above 1 the cumulative incidence is higher; by how much it does not say, and no
        percentage reduction is made from it. Checks: ``competing`` (how many of each cause),
        ``events_per_parameter``, ``clusters``.

    Raises
    ------
    DataError
        For a missing or incomplete column, or a cause of interest that does not occur.
    DesignError, UndefinedResultError
        As in `cox`.

    Notes
    -----
    **Assumptions.** Each covariate multiplies the subdistribution hazard by the same factor at
    all times. Following ends for reasons that have nothing to do with events *or covariates*:
    one curve of staying uncensored is used for all. A covariate can raise the cumulative
    incidence only because it lowers that of the competing event: show the cause-specific
    hazard (`cox`, with an event that is true for this cause only) of each cause beside it.

    Rows with a competing event at X weigh G(t)/G(X) at t > X, with G the Kaplan–Meier estimate
    of staying uncensored, just before. Ties are Breslow's. Variance: I⁻¹ Σ(η + ψ)(η + ψ)′ I⁻¹
    with η the weighted score residuals and ψ what estimating G adds; normal quantiles.

    Coefficients and standard errors are those of R's ``cmprsk::crr`` 2.2-11; R's
    ``survival::finegray`` breaks ties between events and censoring the other way and takes
    the weights as known.

    References
    ----------
    Fine JP, Gray RJ (1999). A proportional hazards model for the subdistribution of a
    competing risk. Journal of the American Statistical Association 94, 496.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"arm": ["programme", "comparison"] * 30,
    ...                       "week": [(7 * i) % 52 + 1 for i in range(60)],
    ...                       "first": ["arrest", "custody", "arrest", "", "arrest"] * 12})
    >>> result = fine_gray(table, stop="week", cause="first", cause_of_interest="arrest",
    ...                    treated="arm")
    >>> round(result.one(measure="subdistribution_hazard_ratio").estimate, 2)
    1.09
    """
    rows.probability(conf_level, "conf_level", "0.95 for 95%")
    sample = rows.read(table, treated=treated, weights=None, cluster=cluster)
    if sample.weights is not None:
        raise DesignError(
            "fine_gray takes no weights, and so neither a Matched nor a Weighted; compare "
            "cumulative incidence of the weighted arms instead."
        )
    stops = rows.ends(sample.table, stop)
    happened, competing, counts = rows.causes(sample.table, cause, cause_of_interest)
    design = rows.covariates(sample, covariates)
    law = rows.law(
        sample,
        sizes=[np.bincount(c) for c in sample.clusters],
        parameters=len(design.names),
        fewest=min_clusters,
    )
    fit = _fine_gray.fit(
        stops,
        happened,
        competing,
        design.matrix,
        design.names,
        clusters=sample.clusters[0] if sample.clusters else None,
    )
    text = law.text if sample.clusters else "variance with estimated censoring weights"
    return ResultSet(
        estimates=rows.estimates(
            fit,
            sample,
            happened,
            measure="subdistribution_hazard_ratio",
            law=replace(law, text=text),
            method="Fine–Gray regression, Breslow ties",
            contrast=contrast,
            labels={
                "outcome": outcome_name or str(cause_of_interest),
                "group": group,
                "unit": unit,
                "reporter": reporter,
                "threshold": threshold,
                "subgroup": subgroup,
            },
            conf_level=conf_level,
        ),
        checks=(
            Check(
                name="competing",
                statistic=float(competing.sum()),
                text=f"{counts}. A subdistribution hazard ratio mixes the effects on all of them: "
                "read it beside each cause-specific hazard ratio.",
            ),
            *rows.model_checks(int(happened.sum()), design, events_per_parameter),
            *law.checks,
        ),
        assumptions=(
            "Each subdistribution hazard ratio is the same at all times of the follow-up.",
            "Following ends for reasons that have nothing to do with events or covariates.",
            "Clusters are independent of each other; rows within one need not be."
            if sample.cluster
            else f"Rows ({unit or 'people'}) are independent of each other.",
        ),
        provenance=Provenance(call="survival.fine_gray"),
        native=fit,
    )


# Checks


def _proportional(
    fit: _cox.Fit, transform: _cox.Transform, max_p: float, *, robust: bool
) -> list[Check]:
    """Return the test of all terms together, and of each."""
    tests = fit.proportionality(rows.terms(fit.names), transform)
    found = []
    for term in ("global", *(name for name in tests if name != "global")):
        whole = term == "global"
        name = "proportional_hazards" + ("" if whole else f": {term}")
        what = "Hazard ratios, all together" if whole else f"Hazard ratio of {term}"
        test = tests[term]
        if test is None:
            said = f"{what}: the events that tell them happened at one time, so change cannot show."
            found.append(Check(name=name, text=f"{said} {_BESIDE}" if whole else said))
            continue
        chi, df, p = test
        changes = "they change" if whole else "it changes"
        text = f"{what}: chi-squared {chi:.2f} on {df} df, p {p:.3g}: "
        text += "no sign that " if p >= max_p else ""
        text += f"{changes} with time ({transform} scale)."
        if whole:
            text += f" {_BESIDE}"
            text += " The test takes rows to be independent." if robust else ""
        found.append(
            Check(
                name=name,
                passed=p >= max_p,
                statistic=chi,
                threshold=max_p,
                df=float(df),
                p_value=p,
                text=text,
            )
        )
    return found


def _ties(fit: _cox.Fit) -> Check:
    dead = fit.rows.dead
    tied, events = int(dead[dead > 1].sum()), int(dead.sum())
    text = f"{tied} of {events} events share their time with another ({fit.ties.title()}'s rule)."
    if tied and fit.ties == "breslow":
        text += " Breslow's rule draws hazard ratios towards 1 where many are tied; Efron's less."
    return Check(name="ties", statistic=tied / events, text=text)


def _wider(fit: _cox.Fit) -> Check:
    """Say how much wider the clustered standard errors are than the model's."""
    ratio = fit.std_errors / np.sqrt(np.diag(fit.model_covariance))
    widest = int(np.argmax(ratio))
    return Check(
        name="robust_v_model",
        statistic=float(ratio[widest]),
        text=f"The clustered standard error of {fit.names[widest]} is {ratio[widest]:.2f} times "
        "the one that takes all events to be independent.",
    )


def _history_checks(number: _cox.Codes, happened: _cox.Flags, wanted: int) -> list[Check]:
    """Say what PWP conditions on, and which event numbers are thin."""
    events = np.bincount(number[happened], minlength=int(number.max()) + 1)[1:]
    thin = np.flatnonzero(events < wanted) + 1
    said = ", ".join(f"event {k}: {n}" for k, n in enumerate(events, 1))
    text = f"Events by number: {said}."
    if len(thin):
        text += (
            f" Fewer than {wanted} for number {', '.join(map(str, thin))}; merge them with the one "
            "before (max_stratum)."
        )
    return [
        Check(
            name="conditions_on_earlier_events",
            text="A hazard ratio of the next event among people with equally many before. If the "
            "programme changed who has earlier events, the arms are no longer alike there.",
        ),
        Check(
            name="event_strata",
            passed=not len(thin),
            statistic=float(events.min()),
            threshold=float(wanted),
            text=text,
        ),
    ]
