"""The preset `confounded`: a programme joined by those who were worse, and a pool beside it.

Nobody was allocated by chance. Whether somebody joins and whether the police record another
incident depend on the same columns of the extract and on nothing else, so a comparison that
makes the arms alike in these columns finds the truth and a plain one does not. The programme
helps those at high risk more, so its effect on those who had it is not its effect on everybody.

The world is `confounded.toml`; the codebook, `confounded.md`, lists what it assumes. Only
uniform streams are drawn, which NumPy keeps the same on every version and machine.
"""

from __future__ import annotations

import functools
import tomllib
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import expit, ndtr, ndtri

from drive_eval.data.schema import validate
from drive_eval.data.synthetic.truth import with_error
from drive_eval.errors import DesignError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]
    Codes = NDArray[np.object_]

__all__ = ["COLUMNS", "COVARIATES", "confounded_tables", "confounded_truth", "draw_confounded"]

#: Columns of ``cases`` beyond the data dictionary, as a plan declares them.
COLUMNS = {
    "first_arrest_age": "integer",
    "employed": "boolean",
    "substance_use": "boolean",
    "dash_date": "date",
    "repeat_12m": "boolean",
    "traffic_offence_12m": "boolean",
}

#: What selection and outcomes depend on; nothing else confounds.
COVARIATES = (
    "prior_incidents_12m",
    "dash_score",
    "substance_use",
    "employed",
    "age",
    "first_arrest_age",
)

_SMALLEST = 2.0**-54  # a uniform of exactly 0 would be minus infinity
_CHUNK = 50_000
_LEAST = 1_000
_SEED = 20163
_CONTRAST = "programme v comparison"


def draw_confounded(
    rng: np.random.Generator,
    *,
    people: int | None = None,
    later_dates: bool = True,
) -> pd.DataFrame:
    """Who joins the programme, who does not, and how likely was a repeat either way?

    Made for studies of bias and coverage: one table, with the true risks beside it.

    Parameters
    ----------
    rng : numpy Generator
        Where the randomness comes from.
    people : int, optional
        People drawn, of whom about 13 in 100 join; as the preset says (2,300) if None.
    later_dates : bool
        Whether comparison people may have further index dates, each a row.

    Returns
    -------
    DataFrame
        One row per index date, first dates first: ``perpetrator_id`` (int), ``date`` (0 for
        the first), the covariates, ``treated`` (bool), ``repeat_12m`` and
        ``traffic_offence_12m`` (bool); and, hidden from every study, ``propensity`` (of
        joining at a first date), ``risk_programme`` and ``risk_comparison`` (of a repeat
        with and without the programme) and ``risk_traffic``.

    Raises
    ------
    DesignError
        If fewer than one person is asked for.

    Notes
    -----
    **Assumptions.** Given the covariates, joining has nothing to do with the outcomes.
    Outcomes of one person at two dates are alike beyond the covariates.

    Examples
    --------
    >>> rows = draw_confounded(np.random.default_rng(1), people=100_000)
    >>> crude = rows.groupby("treated")["repeat_12m"].mean()
    >>> round(float(crude[True] - crude[False]), 2)
    0.03
    >>> joined = rows[rows["treated"]]
    >>> round(float((joined["risk_programme"] - joined["risk_comparison"]).mean()), 2)
    -0.15
    """
    world = _world()
    size = int(world["cohort"]["people"]) if people is None else people
    if size < 1:
        raise DesignError(f"the preset confounded needs at least one person, but people is {size}.")
    person = _draw_people(world, rng, size)
    rows = _at_a_date(world, rng, person, np.arange(size), 0)
    treated = rng.random(size) < rows["propensity"]
    rows["treated"] = treated
    dates = [rows]
    # Drawn for all, so that a choice does not shift the stream.
    further = _count(rng.random(size), world["cohort"]["later_dates"])
    for date in range(1, len(world["cohort"]["later_dates"])):
        again = np.flatnonzero(~treated & (further >= date)) if later_dates else np.arange(0)
        later = _at_a_date(world, rng, person, again, date)
        # Dates at which the same rule would have led into the programme are no part of the pool.
        stays = rng.random(len(again)) >= later["propensity"]
        later["treated"] = np.zeros(len(again), dtype=np.bool_)
        dates.append({name: values[stays] for name, values in later.items()})
    table = pd.DataFrame({name: np.concatenate([part[name] for part in dates]) for name in rows})
    risk = np.where(table["treated"], table["risk_programme"], table["risk_comparison"])
    table["repeat_12m"] = _happens(world, rng, table, risk)
    table["traffic_offence_12m"] = _happens(world, rng, table, table["risk_traffic"].to_numpy())
    return table


def confounded_tables(
    seed: int = 1, *, progress: Callable[[int, int], None] | None = None
) -> dict[str, pd.DataFrame]:
    """How would the extract of such a site look?

    Parameters
    ----------
    seed : int
        The same seed gives the same table on every machine.
    progress : callable, optional
        Called with the steps done and the steps to do.

    Returns
    -------
    dict of DataFrame
        ``cases``, as `drive_eval.data.schema.validate` returns it; nothing hidden is in it.

    Examples
    --------
    >>> cases = confounded_tables(seed=1)["cases"]
    >>> bool(cases["perpetrator_id"].nunique() < len(cases))
    True
    """
    world = _world()
    cohort = world["cohort"]
    # One stream a subject: a change to the dates leaves people and outcomes as they were.
    people_rng, cases_rng = (
        np.random.default_rng(part) for part in np.random.SeedSequence([seed, _SEED]).spawn(2)
    )
    rows = draw_confounded(people_rng)
    if progress is not None:
        progress(1, 2)
    person = rows["perpetrator_id"].to_numpy()
    people = int(cohort["people"])
    window = (cohort["last_first_index"] - cohort["first_index"]).days + 1
    first = np.datetime64(cohort["first_index"]) + cases_rng.integers(0, window, people)
    low, high = cohort["gap_days"]
    gaps = cases_rng.integers(low, high + 1, (people, len(cohort["later_dates"])))
    gaps[:, 0] = 0
    index = first[person] + np.cumsum(gaps, axis=1)[person, rows["date"].to_numpy()]
    sexes = {"male": world["people"]["male_share"], "female": 1 - world["people"]["male_share"]}
    sex = _choice(cases_rng, people, sexes)
    ethnicity = _choice(cases_rng, people, world["people"]["ethnicity"])
    site = _choice(cases_rng, people, cohort["sites"])
    taken = index - cases_rng.integers(0, cohort["dash_days"] + 1, len(rows))
    cases = pd.DataFrame(
        {
            "case_id": [
                f"C{row + 1:05d}-{date + 1}" for row, date in zip(person, rows["date"], strict=True)
            ],
            "perpetrator_id": [f"P{row + 1:05d}" for row in person],
            "arm": np.where(rows["treated"], "programme", "comparison").astype(object),
            "index_date": index.astype("datetime64[ns]"),
            "site": site[person],
            "data_end_date": np.datetime64(cohort["data_end_date"], "ns"),
            "sex": sex[person],
            "ethnicity": ethnicity[person],
            "dash_date": taken.astype("datetime64[ns]"),
            **{name: rows[name].to_numpy() for name in (*COVARIATES, "repeat_12m")},
            "traffic_offence_12m": rows["traffic_offence_12m"].to_numpy(),
        }
    )
    trusted = validate({"cases": cases}, columns={"cases": COLUMNS})
    if progress is not None:
        progress(2, 2)
    return trusted


def confounded_truth(
    *,
    people: int = 10_000_000,
    seed: int = _SEED,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Where would each estimate tend, were there enough people and nothing left to confound?

    Parameters
    ----------
    people : int
        People drawn, in chunks of 50,000.
    seed : int
        Seed of the draw.
    progress : callable, optional
        Called with the chunks done and the chunks to do.

    Returns
    -------
    dict
        As `drive_eval.data.synthetic.population_truth`; ``values`` has one record per
        ``outcome``, ``measure``, ``estimand`` (``att``, ``atc``, ``ate``, ``ato`` and
        ``naive``, the plain difference of the arms, which is no effect) and ``unit``
        (``person`` counts first index dates, ``enrolment`` all of them).

    Raises
    ------
    DesignError
        If fewer than 1,000 people are asked for.

    Notes
    -----
    Averages are taken over true risks, so the outcome's own chance adds no error. Monte Carlo
    errors are jackknifed over chunks. The overlap population (``ato``) weights by e(1 − e),
    e being the probability of joining at a first date; it has unit ``person`` only.

    Examples
    --------
    >>> truth = confounded_truth(people=20_000)
    >>> len({row["estimand"] for row in truth["values"]})
    5
    """
    chunks = max(20, -(-people // _CHUNK))
    size = people // chunks
    if people < _LEAST:
        raise DesignError(
            f"the truth of confounded needs at least {_LEAST:,} people, but people is {people}."
        )
    rng = np.random.default_rng(seed)
    sums: dict[tuple[str, str, str], list[Floats]] = {}
    for chunk in range(chunks):
        for key, row in _sums(draw_confounded(rng, people=size)).items():
            sums.setdefault(key, []).append(row)
        if progress is not None:
            progress(chunk + 1, chunks)
    world = _world()
    values = []
    for (outcome, unit, estimand), rows in sums.items():
        for measure, (value, error) in with_error(_measures, np.stack(rows)).items():
            digits = 3 if measure == "percent_reduction" else 5
            values.append(
                {
                    "outcome": outcome,
                    "measure": measure,
                    "contrast": _CONTRAST,
                    "estimand": estimand,
                    "unit": unit,
                    "reporter": "police",
                    "horizon": "12 months",
                    "value": round(value, digits),
                    "mc_error": round(error, digits),
                }
            )
    return {
        "world": "confounded",
        "made_by": "drive_eval.data.synthetic.confounded_truth",
        "people": size * chunks,
        "seed": seed,
        "note": "Population limits; no real person is described here.",
        "defaults": {"unit": "person"},
        "values": values,
        "conditional": {
            "scale": "log odds; a term is (column - centre) / unit",
            **{name: world[name] for name in ("terms", "selection", "repeat", "effect", "traffic")},
            "within_person": world["outcomes"]["within_person"],
        },
    }


def _sums(rows: pd.DataFrame) -> dict[tuple[str, str, str], Floats]:
    """Return weights and weighted risks with and without the programme, by estimand."""
    found = {}
    risks = {
        "repeat_12m": (rows["risk_programme"].to_numpy(), rows["risk_comparison"].to_numpy()),
        "traffic_offence_12m": (rows["risk_traffic"].to_numpy(),) * 2,
    }
    joined, first = rows["treated"].to_numpy(), (rows["date"] == 0).to_numpy()
    score = rows["propensity"].to_numpy()
    for unit, counted in (("person", first), ("enrolment", np.ones(len(rows), dtype=np.bool_))):
        programme, comparison = (counted & joined) * 1.0, (counted & ~joined) * 1.0
        weights = {
            "att": (programme, programme),
            "atc": (comparison, comparison),
            "ate": (counted * 1.0, counted * 1.0),
            "naive": (programme, comparison),
        }
        if unit == "person":
            weights["ato"] = (counted * score * (1 - score),) * 2
        for outcome, (with_it, without) in risks.items():
            for estimand, (one, other) in weights.items():
                found[outcome, unit, estimand] = np.array(
                    [one.sum(), one @ with_it, other.sum(), other @ without]
                )
    return found


def _measures(sums: Floats) -> dict[str, float]:
    with_it, without = sums[1] / sums[0], sums[3] / sums[2]
    return {
        "risk_treated": with_it,
        "risk_comparison": without,
        "risk_difference": with_it - without,
        "risk_ratio": with_it / without,
        "odds_ratio": with_it / (1 - with_it) / (without / (1 - without)),
        "percent_reduction": 100 * (1 - with_it / without),
    }


@functools.cache
def _world() -> Mapping[str, Any]:
    source = resources.files(__package__ or "").joinpath("confounded.toml")
    return tomllib.loads(source.read_text(encoding="utf-8"))


def _normal(rng: np.random.Generator, size: int) -> Floats:
    normal: Floats = ndtri(np.maximum(rng.random(size), _SMALLEST))
    return normal


def _count(uniform: Floats, shares: list[float]) -> Ints:
    return np.searchsorted(np.cumsum(shares)[:-1], uniform, side="right")


def _choice(rng: np.random.Generator, size: int, shares: Mapping[str, float]) -> Codes:
    codes: Codes = np.array(list(shares), dtype=object)
    return codes[_count(rng.random(size), list(shares.values()))]


def _draw_people(world: Mapping[str, Any], rng: np.random.Generator, size: int) -> dict[str, Any]:
    """Draw what stays with a person through all index dates."""
    rule = world["people"]
    lasting = _normal(rng, size)

    def years(slope: float, known: Mapping[str, list[float]]) -> Floats:
        normal = slope * lasting + np.sqrt(1 - slope**2) * _normal(rng, size)
        at: Floats = np.interp(ndtr(normal), known["shares"], known["years"])
        return at

    age = years(rule["age_slope"], rule["ages"])
    first_arrest = years(rule["first_arrest_slope"], rule["first_arrest_ages"])
    return {
        "lasting": lasting,
        "age": age,
        "first_arrest_age": np.floor(np.minimum(first_arrest, age)).astype(np.int64),
    }


def _at_a_date(
    world: Mapping[str, Any],
    rng: np.random.Generator,
    person: dict[str, Any],
    who: Ints,
    date: int,
) -> dict[str, Any]:
    """Draw what an extract shows of these people at one index date, and what follows from it."""
    record = world["record"]
    size = len(who)
    lasting = world["people"]["lasting"]
    severity = np.sqrt(lasting) * person["lasting"][who] + np.sqrt(1 - lasting) * _normal(rng, size)
    incidents = record["incidents_slope"] * severity + record["incidents_noise"] * _normal(
        rng, size
    )
    dash = record["dash_level"] + record["dash_slope"] * severity
    dash = dash + record["dash_noise"] * _normal(rng, size)
    substance = record["substance_slope"] * severity + _normal(rng, size)
    employed = record["employed_slope"] * severity + _normal(rng, size)
    shown: dict[str, Any] = {
        "perpetrator_id": who,
        "date": np.full(size, date),
        "prior_incidents_12m": np.searchsorted(record["incidents_cuts"], incidents),
        "dash_score": np.clip(np.rint(dash), 0, 24).astype(np.int64),
        "substance_use": substance > record["substance_cut"],
        "employed": employed > record["employed_cut"],
        # A gap between two dates is a little over two years.
        "age": np.floor(person["age"][who] + 2.25 * date).astype(np.int64),
        "first_arrest_age": person["first_arrest_age"][who],
    }
    terms = {
        name: (shown[term["column"]] - term["centre"]) / term["unit"]
        for name, term in world["terms"].items()
    }
    without = _log_odds(world["repeat"], terms)
    return {
        **shown,
        "propensity": expit(_log_odds(world["selection"], terms)),
        "risk_programme": expit(without + _log_odds(world["effect"], terms)),
        "risk_comparison": expit(without),
        "risk_traffic": expit(_log_odds(world["traffic"], terms)),
    }


def _log_odds(model: Mapping[str, float], terms: Mapping[str, Floats]) -> Floats:
    total = np.full(len(terms["prior"]), model["intercept"])
    for names, slope in model.items():
        if names != "intercept":
            total = total + slope * np.prod([terms[name] for name in names.split()], axis=0)
    return total


def _happens(
    world: Mapping[str, Any], rng: np.random.Generator, table: pd.DataFrame, risk: Floats
) -> Bools:
    """Draw an outcome of this risk that is alike within people."""
    person = table["perpetrator_id"].to_numpy()
    share = world["outcomes"]["within_person"]
    own = _normal(rng, len(table))
    shared = _normal(rng, int(person.max()) + 1)[person]
    happens: Bools = ndtr(np.sqrt(share) * shared + np.sqrt(1 - share) * own) < risk
    return happens
