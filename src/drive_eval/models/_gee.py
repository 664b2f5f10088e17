"""Generalised estimating equations: the fit, its standard errors, and why it may have none.

statsmodels does the work. Its sandwich equals geepack's to six digits, for unequal clusters
too once no degrees of freedom are taken off the working correlation, and its Mancl–DeRouen
covariance equals the formula; the tests hold it to both. Cluster labels are turned into whole
numbers here: a text label once made one cluster of everybody in another program, without a
word.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import statsmodels.api as sm
from pandas import Categorical
from pandas.api.types import is_string_dtype
from scipy import stats
from statsmodels.tools.sm_exceptions import (
    ConvergenceWarning,
    DomainWarning,
    IterationLimitWarning,
)

from drive_eval.errors import DesignError
from drive_eval.models import _regression
from drive_eval.results import Check
from drive_eval.vocabulary import SEVERITY, TIME_POINTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[np.float64]
    Codes: TypeAlias = NDArray[np.int64]

Family: TypeAlias = Literal["binomial", "poisson", "gaussian"]
Link: TypeAlias = Literal["logit", "log", "identity"]
Covariance: TypeAlias = Literal["robust", "bias_reduced"]
Correlation: TypeAlias = Literal["independence", "exchangeable"]

#: The links that go with each family.
LINKS: dict[str, tuple[str, ...]] = {
    "binomial": ("logit", "log", "identity"),
    "poisson": ("log", "identity"),
    "gaussian": ("identity", "log"),
}
_RANKED = (("comparison", "programme"), TIME_POINTS.codes, SEVERITY.codes)
_STEPS = 200
_ETA_OF_CONCERN = 15.0  # a fitted mean within 3e-7 of its edge


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """Coefficients without the intercept, on the scale of the link, or the reason for none.

    Attributes
    ----------
    estimates, errors : array or None
        None when `trouble` says why.
    df : float or None
        Degrees of freedom of t; None for the normal distribution.
    trouble : str
        Why there are no estimates, or no standard errors; empty when all is well.
    native : object
        statsmodels' own result, when it gave one.
    """

    estimates: Array | None = None
    errors: Array | None = None
    df: float | None = None
    trouble: str = ""
    native: Any = None

    def interval(self, at: int, conf_level: float) -> tuple[float, float, float] | None:
        """Return low, high and P value of one coefficient; None when there is no error."""
        if self.estimates is None or self.errors is None:
            return None
        law = stats.norm if self.df is None else stats.t(self.df)
        reach = float(law.ppf(0.5 + conf_level / 2) * self.errors[at])
        middle = float(self.estimates[at])
        return middle - reach, middle + reach, float(2 * law.sf(abs(middle) / self.errors[at]))


def fit(
    outcome: Array,
    matrix: Array,
    names: Sequence[str],
    groups: Codes,
    *,
    family: Family,
    link: Link,
    cov: Covariance,
    correlation: Correlation,
    few_clusters: int,
) -> Fitted:
    """Fit population-averaged regression coefficients; `matrix` comes without intercept."""
    full = np.column_stack((np.ones(len(outcome)), matrix))
    count, parameters = int(groups.max()) + 1, full.shape[1]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # Each of these is asked for by name below, and answered in words.
        for category in (ConvergenceWarning, DomainWarning, IterationLimitWarning):
            warnings.simplefilter("ignore", category)
        try:
            result = _run(outcome, full, groups, family, link, correlation, cov)
        except np.linalg.LinAlgError:
            return Fitted(trouble=_trouble(outcome, full, names, family, link) or _UNSETTLED)
    estimates = np.asarray(result.params, dtype=float)
    steep = np.abs(full @ estimates).max() > _ETA_OF_CONCERN if link != "identity" else False
    if not result.converged or not np.isfinite(estimates).all() or steep:
        said = _trouble(outcome, full, names, family, link)
        if said or not result.converged:
            return Fitted(trouble=said or _UNSETTLED, native=result)
    variances = np.diag(np.asarray(result.cov_params(), dtype=float))[1:]
    df = float(count - parameters) if count < few_clusters else None
    if (df is not None and df < 1) or not (variances > 0).all():
        trouble = (
            f"{count} clusters are too few for {parameters} coefficients, so there is no standard "
            "error."
        )
        return Fitted(estimates=estimates[1:], trouble=trouble, native=result)
    return Fitted(estimates=estimates[1:], errors=np.sqrt(variances), df=df, native=result)


_UNSETTLED = (
    "the estimating equations did not settle. A binomial model with a log or identity link fails "
    'where its probabilities reach 0 or 1: use the logit link, family "poisson" with the log '
    "link, or fewer covariates."
)


def _run(
    outcome: Array,
    full: Array,
    groups: Codes,
    family: Family,
    link: Link,
    correlation: Correlation,
    cov: Covariance,
) -> Any:
    families = {
        "binomial": sm.families.Binomial,
        "poisson": sm.families.Poisson,
        "gaussian": sm.families.Gaussian,
    }
    links = {
        "logit": sm.families.links.Logit,
        "log": sm.families.links.Log,
        "identity": sm.families.links.Identity,
    }
    alone = len(np.unique(groups)) == len(groups)  # no pair of rows to learn a correlation from
    structure = (
        sm.cov_struct.Independence()
        if correlation == "independence" or alone
        else sm.cov_struct.Exchangeable()
    )
    order = np.argsort(groups, kind="stable")
    chosen = links[link]()
    model = sm.GEE(
        outcome[order],
        full[order],
        groups=groups[order],
        family=families[family](chosen),
        cov_struct=structure,
    )
    # From the common mean: from zero, a log or identity link may never find its way.
    start = np.zeros(full.shape[1])
    mean = float(outcome.mean())
    start[0] = chosen(np.clip(mean, 0.01, 0.99)) if family == "binomial" else mean
    if family != "binomial" and link == "log":
        start[0] = np.log(max(mean, 0.01))
    # No degrees of freedom taken off the working correlation: geepack takes none.
    return model.fit(start_params=start, maxiter=_STEPS, ctol=1e-9, cov_type=cov, ddof_scale=0)


def _trouble(outcome: Array, full: Array, names: Sequence[str], family: Family, link: Link) -> str:
    """Say which columns foretell the outcome without error, if that is the trouble."""
    if family != "gaussian" and link != "identity":
        try:
            _regression.refuse_separation(full, (outcome > 0).astype(float), ("Intercept", *names))
        except DesignError as error:
            return str(error)
    return ""


def with_ranks(long: pd.DataFrame, covariates: str | Sequence[str]) -> pd.DataFrame:
    """Give words of the vocabulary their order, so that intake and comparison are references."""
    ready = long.copy(deep=False)
    for name in long.columns:
        if str(name) not in covariates or not is_string_dtype(long[name]):
            continue
        words = set(long[name].dropna())
        for codes in _RANKED:
            if words and words <= set(codes):
                ready[name] = Categorical(long[name], [code for code in codes if code in words])
    return ready


def measure_of(family: str, link: str, binary: bool) -> str:
    """Return the name of what a coefficient measures, once it is off the scale of the link."""
    if link == "logit":
        return "odds_ratio"
    if link == "identity":
        return "risk_difference" if binary else "mean_difference"
    if binary:
        return "risk_ratio"
    return "rate_ratio" if family == "poisson" else "mean_ratio"


def checks(
    fitted: Fitted, count: int, cov: str, few: int, outcome: str, group: str
) -> tuple[Check, ...]:
    """Say whether the equations settled, and on how many clusters."""
    settled = Check(
        name="converged",
        passed=not fitted.trouble,
        outcome=outcome,
        group=group,
        text=fitted.trouble or "the estimating equations settled.",
    )
    advice = "" if cov == "bias_reduced" or count >= few else ' Use cov="bias_reduced".'
    enough = Check(
        name="clusters",
        passed=not advice,
        statistic=count,
        threshold=few,
        outcome=outcome,
        group=group,
        text=f"{count} clusters; under {few} plain robust errors are too small.{advice}",
    )
    return settled, enough
