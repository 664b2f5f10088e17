"""How long a cluster bootstrap takes, beside scipy.stats.bootstrap and R's boot.

Every program is given the same cases in the same run: four abuse types before and after, in
people who may have two cases. It draws whole people, works out the four reductions each time,
and ends with a BCa interval of each. Reading the data is not timed, starting workers is.

scipy and boot know nothing of clusters, so they are given one row a person that holds the
person's eight sums. scipy has one statistic of four numbers, worked out for many resamples at
once; boot calls an R function for each resample, on as many cores as there are.

Examples
--------
    python benchmarks/bootstrap.py
    python benchmarks/bootstrap.py --cases 2600 26000 --draws 10000 --json out.json
    python benchmarks/bootstrap.py --workers 2 --without R
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

TYPES = ("physical", "sexual", "harassment_stalking", "jealous_controlling")
PREVALENCE = (0.66, 0.27, 0.72, 0.86)
CEASE = (0.80, 0.86, 0.72, 0.70)
PROGRAMS = ("drive_eval", "scipy", "R boot")
SHORT = 3.0  # seconds; what takes less is run three times and its best counts

R_SCRIPT = """
suppressMessages(library(boot))
args <- commandArgs(TRUE); folder <- args[1]; draws <- as.integer(args[2])
cores <- as.integer(args[3])
d <- as.matrix(read.csv(file.path(folder, "people.csv")))
reductions <- function(d, i) {
  s <- colSums(d[i, ])
  100 * (1 - s[c(2, 4, 6, 8)] / s[c(1, 3, 5, 7)])
}
run <- function() {
  set.seed(1)
  b <- boot(d, reductions, draws, parallel = if (cores > 1) "multicore" else "no", ncpus = cores)
  # The influence of each person by leaving each out; boot.ci would otherwise regress them.
  total <- colSums(d); left <- -sweep(d, 2, total)
  jack <- 100 * (1 - left[, c(2, 4, 6, 8)] / left[, c(1, 3, 5, 7)])
  sapply(1:4, function(k) boot.ci(b, index = k, type = "bca",
         L = (nrow(d) - 1) * (mean(jack[, k]) - jack[, k]))$bca[4:5])
}
took <- Inf
for (i in 1:3) { s <- system.time(found <- run())[["elapsed"]]; took <- min(took, s)
                 if (s > SHORT) break }
cat(took, "\\n"); cat(format(c(found), digits = 15), "\\n")
"""


def cases(rows: int, seed: int = 1) -> pd.DataFrame:
    """Cases of people of whom one in ten comes back; a person's cases are alike."""
    rng = np.random.default_rng(seed)
    person = np.minimum(np.arange(rows), rng.integers(0, rows, rows))
    person = np.where(rng.random(rows) < 0.1, person, np.arange(rows))
    trait = rng.normal(size=rows)[person]
    table = pd.DataFrame({"perpetrator_id": person})
    for name, users, stop in zip(TYPES, PREVALENCE, CEASE, strict=True):
        high = 0.6 * trait + 0.8 * rng.normal(size=rows)
        before = high > np.quantile(high, 1 - users)
        table[f"{name}_before"] = before
        table[f"{name}_after"] = before & (rng.random(rows) > stop)
    return table


def by_person(table: pd.DataFrame) -> pd.DataFrame:
    columns = [f"{name}_{when}" for name in TYPES for when in ("before", "after")]
    return table.groupby("perpetrator_id")[columns].sum()


def timed(run):
    best = np.inf
    for _ in range(3):
        begun = time.perf_counter()
        found = run()
        took = time.perf_counter() - begun
        best = min(best, took)
        if took > SHORT:
            break
    return best, found


def ours(table: pd.DataFrame, draws: int, workers: int):
    from drive_eval.models import reductions

    outcomes = {name: (f"{name}_before", f"{name}_after") for name in TYPES}
    found = reductions.compare(
        table,
        outcomes=outcomes,
        cluster="perpetrator_id",
        draws=draws,
        workers=workers,
        rng=np.random.default_rng(1),
    )
    single = [e for e in found.estimates if e.measure == "percent_reduction"]
    return np.array([(e.conf_low, e.conf_high) for e in single]).ravel()


def by_scipy(table: pd.DataFrame, draws: int, _workers: int):
    from scipy import stats

    people = by_person(table)
    columns = tuple(people.to_numpy(dtype=float).T)

    def statistic(*sums, axis):
        totals = [part.sum(axis=axis) for part in sums]
        pairs = zip(totals[0::2], totals[1::2], strict=True)
        return np.array([100 * (1 - after / before) for before, after in pairs])

    found = stats.bootstrap(
        columns,
        statistic,
        paired=True,
        n_resamples=draws,
        batch=500,
        method="BCa",
        vectorized=True,
        rng=np.random.default_rng(1),
    ).confidence_interval
    return np.column_stack([found.low, found.high]).ravel()


def by_r(table: pd.DataFrame, draws: int, workers: int):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        by_person(table).to_csv(folder / "people.csv", index=False)
        script = folder / "boot.R"
        script.write_text(f"SHORT <- {SHORT}\n{R_SCRIPT}", encoding="utf-8")
        done = subprocess.run(
            ["Rscript", "--vanilla", str(script), name, str(draws), str(workers)],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise SystemExit(f"R failed: {done.stderr.strip()}")
    took, limits = done.stdout.strip().splitlines()
    return float(took), np.array(limits.split(), dtype=float)


def compare(rows: int, draws: int, workers: int, programs: list[str]) -> list[dict]:
    """Give the same cases to every program; times and limits are set beside the first's."""
    table = cases(rows)
    lines: list[dict] = []
    first = None
    for program in programs:
        if program == "R boot":
            took, limits = by_r(table, draws, workers)
        else:
            run = ours if program == "drive_eval" else by_scipy
            run(table.head(500), 500, 1)  # what is loaded at first use is not timed
            took, limits = timed(lambda run=run: run(table, draws, workers))
        first = limits if first is None else first
        line = {"cases": rows, "people": int(table["perpetrator_id"].nunique()), "draws": draws}
        line |= {"workers": workers, "program": program, "seconds": took}
        line |= {"ratio": took / (lines[0]["seconds"] if lines else took)}
        line |= {"limits_differ_by": float(np.abs(limits - first).max())}
        lines.append(line)
        print(
            f"{rows:>9,} {line['people']:>9,} {draws:>7,} {workers:>8}  {program:<11}{took:9.3f} s "
            f"{line['ratio']:8.1f} times ours, limits differ by "
            f"{line['limits_differ_by']:.2f} points",
            flush=True,
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, nargs="+", default=[2_600])
    parser.add_argument("--draws", type=int, default=10_000)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--without", nargs="+", choices=PROGRAMS[1:], default=[])
    parser.add_argument("--most", type=float, help="fail if drive_eval takes more seconds")
    parser.add_argument("--json", type=Path, help="write the numbers here as well")
    chosen = parser.parse_args()
    programs = [p for p in PROGRAMS if p not in chosen.without]
    if "R boot" in programs and shutil.which("Rscript") is None:
        print("Rscript is not installed, so R is left out.")
        programs.remove("R boot")
    print(f"{'cases':>9} {'people':>9} {'draws':>7} {'workers':>8}  {'program':<11}{'best':>9}")
    lines = []
    for rows in chosen.cases:
        for workers in chosen.workers:
            lines += compare(rows, chosen.draws, workers, programs)
    if chosen.json:
        chosen.json.write_text(json.dumps(lines, indent=1) + "\n", encoding="utf-8")
    slowest = max(line["seconds"] for line in lines if line["program"] == "drive_eval")
    if chosen.most is not None and slowest > chosen.most:
        sys.exit(f"drive_eval took {slowest:.2f} s, more than {chosen.most} s.")


if __name__ == "__main__":
    main()
