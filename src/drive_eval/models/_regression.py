"""Columns and covariates to a design matrix, linear and logistic fits, and sandwich variances.

A design matrix never holds an intercept or the treatment; the model that uses it adds them,
so that what is compared with what is written in one place. Reference levels are never an
accident of the alphabet: a pandas Categorical keeps its first category as reference, any
other column of words takes its commonest level, and `Design.references` says which.

Every estimate is a sum of contributions of rows (its influence rows), and every variance is
made from them by `covariance`: heteroskedasticity-consistent or clustered.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import formulaic
import numpy as np
import pandas as pd
from formulaic.errors import FormulaicError
from numpy.typing import NDArray
from scipy import linalg, optimize, special

from drive_eval.errors import DataError, DesignError, did_you_mean
from drive_eval.models._arguments import as_numbers, column_name, column_names, kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Array: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]
Codes: TypeAlias = NDArray[np.int64]
Covariance: TypeAlias = Literal["classical", "HC0", "HC1", "HC2", "HC3"]

COVARIANCES: tuple[str, ...] = get_args(Covariance)
_ARMS = {"programme": True, "comparison": False}
# What a formula may call: a plan is data, and must not run code.
_FUNCTIONS = ("C", "I", "log", "log2", "log10", "exp", "poly", "bs", "center", "scale", "Treatment")
_ETA_OF_CONCERN = 15.0  # a fitted risk within 3e-7 of 0 or 1
_RANK_TOLERANCE = 1e-9
_LEVEL = re.compile(r"(C\([^\[\]]*\)|[^\[\]]+)\[T\.([^\]]*)\]")  # site[T.north]
# Above this ratio of eigenvalues, cross products lose no figure that matters and stand in for
# a decomposition of all rows, at a tenth of its time.
_WELL_CONDITIONED = 1e-8
_FORETOLD = {
    "outcome": (
        "the outcome is foretold without error for some people (separation) by",
        "No logistic model fits; use fewer covariates, merge small levels, give both arms the "
        "same slopes (interactions=False), or compare without covariates.",
    ),
    "programme": (
        "membership of the programme is foretold without error for some people (separation) by",
        "They have nobody in the other group to be compared with, and no score exists. Restrict "
        "both groups to people who could have been in either, merge small levels, or leave out "
        "what decided membership, and say so.",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Covariates as numbers: one column a parameter, without intercept.

    Attributes
    ----------
    matrix : array
        One row per row of the table.
    names : tuple of str
        The columns, e.g. ``"age"``, ``"site[T.north]"``.
    references : mapping of str to str
        The level that each categorical covariate is compared with.
    """

    matrix: Array
    names: tuple[str, ...]
    references: Mapping[str, str] = field(default_factory=dict)

    def describe(self) -> str:
        """Say which level each categorical covariate is compared with."""
        if not self.references:
            return "no categorical covariate."
        said = ", ".join(f'{name} against "{level}"' for name, level in self.references.items())
        return f"{said}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A fitted regression and what its variances are made of.

    Attributes
    ----------
    names : tuple of str
    coefficients : array
    fitted, residuals, leverage : array
        One value per row; on the scale of the outcome.
    bread : array
        Inverse of the information, (X′WX)⁻¹.
    influence : array
        One row per row of the table: residual times regressors times bread.
    """

    names: tuple[str, ...]
    coefficients: Array
    fitted: Array
    residuals: Array
    leverage: Array
    bread: Array
    influence: Array

    def covariance(self, kind: Covariance = "HC1", *, groups: Codes | None = None) -> Array:
        """Return the covariance of the coefficients; `groups` makes it a cluster sandwich."""
        if kind == "classical" and groups is None:
            n, k = len(self.residuals), len(self.coefficients)
            return np.asarray(self.bread * (self.residuals @ self.residuals) / (n - k))
        return covariance(
            self.influence,
            kind=kind,
            groups=groups,
            leverage=self.leverage,
            parameters=len(self.coefficients),
        )


# Columns


def column(table: pd.DataFrame, name: str, role: str) -> pd.Series[Any]:
    """Return one complete column, or say what is wrong with it."""
    if not isinstance(table, pd.DataFrame):
        raise DataError(f"a table (pandas DataFrame) is needed, not a {kind_of(table)}.")
    column_name(name, role, table.columns)
    known = [str(c) for c in table.columns]
    if name not in table.columns:
        raise DataError(f'no column "{name}" ({role}).{did_you_mean(str(name), known)}')
    if list(table.columns).count(name) > 1:
        raise DataError(f'several columns are called "{name}" ({role}); rename all but one.')
    found = table[name]
    if len(found) == 0:
        raise DataError(f'the table has no rows, so column "{name}" ({role}) is empty.')
    missing = int(found.isna().sum())
    if missing:
        raise DataError(
            f'{missing} of {len(found)} rows have no value in column "{name}" ({role}). '
            "Leave those rows out knowingly, or fill them by a stated rule; "
            "they are not dropped silently."
        )
    return found


def flags(table: pd.DataFrame, name: str, role: str) -> Flags:
    """Return a true-or-false column; the numbers 0 and 1 are accepted."""
    found = column(table, name, role)
    if not _is_binary(found):
        raise DataError(f'column "{name}" ({role}) must hold true and false (or 1 and 0) only.')
    return found.to_numpy(dtype=bool)


def arms(table: pd.DataFrame, name: str, role: str) -> Flags:
    """Return True for the programme: of true and false, 1 and 0, or the two names of the arms."""
    found = column(table, name, role)
    if _is_binary(found):
        return found.to_numpy(dtype=bool)
    numeric = pd.api.types.is_numeric_dtype(found)
    named = None if numeric else found.map(_ARMS.get)
    if named is None or named.isna().any():
        raise DataError(
            f'column "{name}" ({role}) must hold true and false (or 1 and 0), or the words '
            '"programme" and "comparison", and nothing else. Make it so first, e.g. '
            f'table["{name}"] = table["{name}"] == {"1" if numeric else chr(34) + "…" + chr(34)}.'
        )
    return named.to_numpy(dtype=bool)


def numbers(table: pd.DataFrame, name: str, role: str) -> tuple[Array, bool]:
    """Return a numeric column, and whether it holds nothing but true and false (or 1 and 0)."""
    found = column(table, name, role)
    if not (pd.api.types.is_numeric_dtype(found) or _is_boolean(found)):
        change = as_numbers(found)
        raise DataError(f'column "{name}" ({role}) must hold numbers, or true and false. {change}')
    values = found.to_numpy(dtype=float)
    if not np.isfinite(values).all():
        raise DataError(f'{int((~np.isfinite(values)).sum())} rows of "{name}" are not finite.')
    return values, _is_binary(found)


def clusters(table: pd.DataFrame, name: str, role: str = "cluster") -> Codes:
    """Return the clusters as 0, 1, 2, …"""
    return np.asarray(pd.factorize(column(table, name, role))[0], dtype=np.int64)


def _is_boolean(found: pd.Series[Any]) -> bool:
    if pd.api.types.is_bool_dtype(found):
        return True
    return found.dtype == object and all(isinstance(v, (bool, np.bool_)) for v in found)


def _is_binary(found: pd.Series[Any]) -> bool:
    if _is_boolean(found):
        return True
    return bool(pd.api.types.is_numeric_dtype(found) and found.isin([0, 1]).all())


# Design matrices


def design_matrix(table: pd.DataFrame, covariates: str | Sequence[str]) -> Design:
    """Turn covariate names, or the right-hand side of a formula, into a design matrix.

    Parameters
    ----------
    table : DataFrame
    covariates : str or sequence of str
        Column names, or a formula such as ``"age + C(site) + log(prior + 1)"``.

    Raises
    ------
    DataError
        For a column that is missing, incomplete or neither numbers nor words.
    DesignError
        For a formula that cannot be read, or columns that say the same thing twice.
    """
    formula, ready = covariate_table(table, covariates)
    if not isinstance(covariates, str) and all(map(pd.api.types.is_numeric_dtype, ready.dtypes)):
        # Names of numbers need no formula; on a million rows that is most of the time.
        return _checked(Design(matrix=ready.to_numpy(dtype=float), names=tuple(ready.columns)))
    try:
        with np.errstate(divide="ignore", invalid="ignore"):  # what is not finite is refused below
            made = formulaic.model_matrix(formula, ready, context={}, na_action="ignore")
    except FormulaicError as error:
        raise DesignError(
            f'the covariates "{covariates}" are not a formula that can be worked out. Write column '
            'names joined by +, e.g. "age + C(site)".'
        ) from error
    kept = [c for c in made.columns if c != "Intercept"]
    references = {
        _plain(factor): str(state.levels[0] if not _base(state) else _base(state))
        for factor, state in sorted(made.model_spec.factor_contrasts.items(), key=str)
    }
    matrix = np.asarray(made[kept], dtype=float)
    return _checked(Design(matrix=matrix, names=tuple(map(_plain, kept)), references=references))


def _checked(design: Design) -> Design:
    """Return a design that is finite and says nothing twice, or refuse it."""
    matrix = design.matrix
    if not np.isfinite(matrix).all():
        raise DataError("a covariate is not finite in some rows, e.g. the logarithm of 0.")
    refuse_collinear(np.column_stack([np.ones(len(matrix)), matrix]), ("Intercept", *design.names))
    return design


def covariate_table(
    table: pd.DataFrame, covariates: str | Sequence[str]
) -> tuple[str, pd.DataFrame]:
    """Return the formula that covariates are, and the columns it names: numbers or categories."""
    formula, used = _used(table, covariates)
    ready = pd.DataFrame({name: _ready(column(table, name, "covariate")) for name in used})
    return formula, ready


def _used(table: pd.DataFrame, covariates: str | Sequence[str]) -> tuple[str, list[str]]:
    """Return the formula that covariates are, and the names of its columns, each once."""
    if isinstance(covariates, str) and covariates not in table.columns:
        formula, used = _formula(covariates)
    else:
        used = column_names(covariates, "covariates")
        formula = " + ".join(f"`{name}`" for name in used)
    if not used:
        raise DesignError("no covariate is named; give at least one column.")
    for name in used:
        column_name(name, "a covariate", table.columns)
    twice = [name for name in dict.fromkeys(used) if used.count(name) > 1]
    if twice:
        raise DesignError(f'covariate "{twice[0]}" is named twice; name it once.')
    return formula, used


def refuse_among(
    table: pd.DataFrame, covariates: str | Sequence[str], name: str, role: str
) -> None:
    """Refuse covariates among which the arms or the outcome stand."""
    if name in _used(table, covariates)[1]:
        raise DesignError(
            f'column "{name}" ({role}) stands among the covariates too: it cannot be explained by '
            "itself. Leave it out of them."
        )


def _formula(text: str) -> tuple[str, list[str]]:
    """Return the formula and the columns it names, once it is sure to be nothing more."""
    bare = re.sub(r"'[^']*'|\"[^\"]*\"", "1", text)  # a level, as in Treatment("north")
    quoted = re.findall(r"`([^`]+)`", bare)
    bare = re.sub(r"`[^`]*`", "1", bare)
    # Not the name of a setting, as in poly(age, degree=2), nor its True or False.
    words = re.findall(r"\b(?!(?:True|False|None)\b)[A-Za-z_]\w*\b(?!\s*=[^=])", bare)
    called = re.findall(r"([\w.]+)\s*\(", bare)
    if "~" in bare:
        raise DesignError('covariates are the right-hand side of a formula only, without "~".')
    if set(called) - set(_FUNCTIONS) or re.search(r"[\[\]{};@]|[A-Za-z_]\.", bare):
        raise DesignError(
            f"a formula of covariates may call {', '.join(_FUNCTIONS)} and nothing else; "
            "make any other variable a column of the table first."
        )
    return text, list(dict.fromkeys([*quoted, *(w for w in words if w not in _FUNCTIONS)]))


def _ready(found: pd.Series[Any]) -> pd.Series[Any]:
    """Numbers stay numbers, true and false become 1 and 0, words get an explicit reference."""
    if _is_boolean(found) or pd.api.types.is_numeric_dtype(found):
        whole = pd.api.types.is_integer_dtype(found)  # so that C(year) keeps its levels' names
        return found.astype("int64" if whole else "float64")
    if isinstance(found.dtype, pd.CategoricalDtype):
        return found.cat.remove_unused_categories()
    if pd.api.types.is_datetime64_any_dtype(found) or pd.api.types.is_timedelta64_dtype(found):
        raise DataError(f'covariate "{found.name}" holds dates; turn it into days first.')
    if not found.map(lambda v: isinstance(v, str)).all():
        raise DataError(f'covariate "{found.name}" must hold numbers, true and false, or words.')
    counts = found.value_counts()
    levels = sorted(counts.index, key=lambda level: (-counts[level], level))
    return found.astype(pd.CategoricalDtype(levels))


def _base(state: Any) -> Any:
    base = getattr(state.contrasts, "base", None)
    return base if isinstance(base, (str, int, float)) else None


def _plain(name: object) -> str:
    return str(name).replace("`", "")


def readable(some: Sequence[str], names: Sequence[str], rows: int) -> list[str]:
    """Return columns of a model as a balance table names them: ``"site: north"``.

    Of a category with half as many levels as there are rows, which tells people apart, no
    level is named. `names` are all columns of the model.
    """
    split = re.compile(r":(?![^\[]*\])").split  # a product into its columns
    pairs = {found for name in names for part in split(name) for found in _LEVEL.findall(part)}
    levels = Counter(base for base, _ in pairs)

    def said(part: re.Match[str]) -> str:
        base = re.sub(r"^C\(([^,]+?)(?:,.*)?\)$", r"\1", part[1])
        return base if 2 * (levels[part[1]] + 1) >= rows else f"{base}: {part[2]}"

    return list(dict.fromkeys(" × ".join(_LEVEL.sub(said, p) for p in split(n)) for n in some))


def refuse_collinear(matrix: Array, names: Sequence[str]) -> None:
    """Refuse a matrix whose columns say the same thing twice, and name the spare columns."""
    size = np.linalg.norm(matrix, axis=0)
    gram = (matrix.T @ matrix) / np.maximum(np.outer(size, size), np.finfo(float).tiny)
    if np.linalg.eigvalsh(gram)[0] > _WELL_CONDITIONED:
        return  # no strength below can be smaller than the root of this eigenvalue
    # The intercept goes first, so that what repeats it is named and not the intercept.
    first = np.where(np.array(names) == "Intercept", 2.0, 1.0)
    scaled = matrix * (first / np.where(size > 0, size, 1.0))
    _, r, order = linalg.qr(scaled, mode="economic", pivoting=True)
    strength = np.zeros(matrix.shape[1])
    strength[: len(r)] = np.abs(np.diag(r))
    spare = [names[i] for i, s in zip(order, strength, strict=True) if s < _RANK_TOLERANCE]
    if spare:
        shown = readable(spare, names, len(matrix))
        raise DesignError(
            f"{len(spare)} of {matrix.shape[1]} columns of the model follow from the others or "
            f"never vary: {', '.join(shown[:8])}{' …' if len(shown) > 8 else ''}. "
            "Leave them out, or merge small levels."
        )


# Fits


def linear(
    matrix: Array,
    outcome: Array,
    names: Sequence[str],
    *,
    via: Array | None = None,
    weights: Array | None = None,
) -> Fit:
    """Fit by (weighted) least squares; with `via`, by two-stage least squares on those.

    Two-stage leverages are those of the projected regressors, as in R's ``estimatr``.
    Weights, all above 0, multiply the squared residuals; they are not used with `via`.
    """
    root = None if weights is None else np.sqrt(weights)
    used = matrix if root is None else matrix * root[:, None]
    if via is not None:
        refuse_collinear(via, [f"instrument {i}" for i in range(via.shape[1])])
        used = via @ np.linalg.lstsq(via, matrix, rcond=None)[0]
    refuse_collinear(used, names)
    q, r = np.linalg.qr(used)
    half = linalg.solve_triangular(r, np.eye(len(r)))
    coefficients = half @ (q.T @ (outcome if root is None else outcome * root))
    fitted = matrix @ coefficients
    residuals = outcome - fitted
    pull = residuals if root is None else residuals * root
    return Fit(
        names=tuple(names),
        coefficients=coefficients,
        fitted=fitted,
        residuals=residuals,
        leverage=np.sum(q**2, axis=1),
        bread=half @ half.T,
        influence=pull[:, None] * (q @ half.T),
    )


def logistic(
    matrix: Array, outcome: Array, names: Sequence[str], *, weights: Array | None = None
) -> Fit:
    """Fit a logistic regression by maximum likelihood, with what its variances are made of.

    Weights, all above 0, multiply each row's part of the likelihood.

    Raises
    ------
    DesignError
        If the covariates separate the outcomes, so that no maximum exists; the columns
        that do so are named.
    """
    coefficients = logistic_coefficients(matrix, outcome, names, weights=weights)
    scale = np.abs(matrix).max(axis=0)
    fitted = special.expit(matrix @ coefficients)
    weight = fitted * (1 - fitted) * (1.0 if weights is None else weights)
    q, r = np.linalg.qr(matrix / scale * np.sqrt(weight)[:, None])
    half = linalg.solve_triangular(r, np.eye(len(r))) / scale[:, None]
    bread = half @ half.T
    residuals = outcome - fitted
    return Fit(
        names=tuple(names),
        coefficients=coefficients,
        fitted=fitted,
        residuals=residuals,
        leverage=np.sum(q**2, axis=1),
        bread=bread,
        influence=(residuals if weights is None else weights * residuals)[:, None]
        * (matrix @ bread),
    )


def logistic_coefficients(
    matrix: Array,
    outcome: Array,
    names: Sequence[str],
    *,
    about: Literal["outcome", "programme"] = "outcome",
    weights: Array | None = None,
) -> Array:
    """Return the coefficients alone, by iteratively reweighted least squares.

    They are those of statsmodels' ``Logit``. It is not used because it does not stop when
    covariates separate the outcomes and names no covariate, and because one fit for all
    models of this package can be held to R once. `about` is what a refusal speaks of.

    Raises
    ------
    DesignError
        If no maximum exists; the columns that separate the outcomes are named.
    """
    refuse_collinear(matrix, names)
    scale = np.abs(matrix).max(axis=0)  # so that income and age converge alike
    x = matrix / scale
    beta, eta = np.zeros(x.shape[1]), np.zeros(len(x))
    given = np.ones(len(x)) if weights is None else weights
    settled = looked = False
    for _ in range(60):
        fitted = special.expit(eta)
        spread = given * np.maximum(fitted * (1 - fitted), 1e-12)
        step = _newton_step(x, spread, given * (outcome - fitted))
        change = x @ step
        widest = float(np.abs(change).max())
        shorter = min(1.0, 8.0 / max(widest, 8.0))
        beta = beta + shorter * step
        eta += shorter * change
        settled = widest < 1e-10
        furthest = float(np.abs(eta).max())
        if settled:
            break
        if furthest > 30 and not looked:  # a few far-off values may be right all the same
            refuse_separation(x, outcome, names, about=about)
            looked = True
    if not looked and (not settled or furthest > _ETA_OF_CONCERN):
        refuse_separation(x, outcome, names, about=about)
    if not settled:
        raise DesignError(
            "the logistic regression did not settle in 60 steps; use fewer or rescaled covariates."
        )
    return np.asarray(beta / scale)


def _newton_step(x: Array, weight: Array, residuals: Array) -> Array:
    information = x.T @ (x * weight[:, None])
    ends = np.linalg.eigvalsh(information)[[0, -1]]
    if ends[0] > _WELL_CONDITIONED * ends[1]:
        return np.asarray(linalg.solve(information, x.T @ residuals, assume_a="pos"))
    root = np.sqrt(weight)
    return np.asarray(np.linalg.lstsq(x * root[:, None], residuals / root, rcond=None)[0])


def refuse_separation(
    matrix: Array,
    outcome: Array,
    names: Sequence[str],
    *,
    about: Literal["outcome", "programme"] = "outcome",
) -> None:
    """Refuse data in which some direction of the columns tells the outcomes apart."""
    if about == "outcome" and len(np.unique(outcome)) == 1:
        raise DesignError(
            "the outcome is the same for everybody, so no logistic model fits. Compare without "
            "covariates."
        )
    if not _separates(matrix, outcome):
        return
    guilty = list(range(len(names)))
    # What remains is a smallest set that still separates; the intercept goes last, since any
    # covariate of one sign could stand in for it and be blamed.
    for spare in sorted(guilty, key=lambda i: names[i] == "Intercept"):
        rest = [i for i in guilty if i != spare]
        if rest and _separates(matrix[:, rest], outcome):
            guilty = rest
    said = [names[i] for i in guilty if names[i] != "Intercept"] or ["Intercept"]
    said = readable(said, names, len(matrix))
    found, remedy = _FORETOLD[about]
    raise DesignError(f"{found}: {', '.join(said[:8])}{' …' if len(said) > 8 else ''}. {remedy}")


def _separates(matrix: Array, outcome: Array) -> bool:
    """Solve the linear programme of Konis (2007).

    The likelihood has a maximum unless some direction never points the wrong way and
    somewhere points the right way.
    """
    signed = np.where(outcome > 0.5, 1.0, -1.0)[:, None] * matrix
    found = optimize.linprog(
        -signed.sum(axis=0), A_ub=-signed, b_ub=np.zeros(len(signed)), bounds=(-1, 1)
    )
    return found.status == 0 and float(found.fun or 0.0) < -1e-7


# Variances


def covariance(
    influence: Array,
    *,
    kind: Covariance = "HC1",
    groups: Codes | None = None,
    leverage: Array | None = None,
    parameters: int = 1,
) -> Array:
    """Return the covariance of estimates from the contributions of rows to them.

    Parameters
    ----------
    influence : array, one row per row of the table, one column per estimate
    kind : {'HC0', 'HC1', 'HC2', 'HC3'}
        HC1 multiplies by n/(n − k); HC2 and HC3 divide residuals by √(1 − h) and 1 − h.
        Ignored when `groups` is given.
    groups : array of int, optional
        Clusters: contributions are summed within them and the result multiplied by
        G/(G − 1) · (n − 1)/(n − k), which is CR1.
    leverage : array, optional
        Needed for HC2 and HC3.
    parameters : int
        k, the number of fitted coefficients.
    """
    n = len(influence)
    if groups is not None:
        size = int(groups.max()) + 1
        if size < 2:
            raise DesignError("all rows belong to one cluster, so no variance can be worked out.")
        sums = cluster_sums(influence, groups)
        factor = size / (size - 1) * (n - 1) / _spare_rows(n, parameters)
        return np.asarray(sums.T @ sums * factor)
    factor = 1.0
    if kind == "HC1":
        factor = n / _spare_rows(n, parameters)
    elif kind in ("HC2", "HC3"):
        if leverage is None:
            raise DesignError(f"{kind} needs the leverage of every row.")
        rest = 1 - leverage
        alone = int((rest < 1e-9).sum())
        if alone:
            raise DesignError(
                f"{alone} rows alone decide a coefficient (leverage 1), so {kind} does not exist; "
                'use cov="HC1", or merge small groups.'
            )
        influence = influence / (np.sqrt(rest) if kind == "HC2" else rest)[:, None]
    return np.asarray(influence.T @ influence * factor)


def cluster_sums(influence: Array, groups: Codes) -> Array:
    """Add up the contributions of the rows of each cluster."""
    sums = [np.bincount(groups, weights=part) for part in influence.T]
    return np.column_stack(sums).astype(float)


def _spare_rows(n: int, parameters: int) -> int:
    if n <= parameters:
        raise DesignError(f"{n} rows cannot carry a model with {parameters} parameters.")
    return n - parameters
