"""How long a Cox regression takes, beside R's survival, lifelines and statsmodels.

Every program is given the same rows in the same run, in a process of its own, so that its peak
of memory is its own; reading the data is not timed. Three models: Cox, Cox with a variance
clustered on pairs, and Andersen-Gill on rows with custody gaps, clustered on persons.

lifelines and statsmodels grow with the square of the rows (or of the event times), and so does
R's clustered variance with the number of clusters; above the limits given they are left out,
and the table says so.

Examples
--------
    python benchmarks/survival.py
    python benchmarks/survival.py --rows 10000 100000 --times tied --without lifelines
    python benchmarks/survival.py --rows 1000000 --without lifelines statsmodels --json out.json
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

COVARIATES = [f"x{i}" for i in range(9)]
MODELS = {"cox": "Cox", "robust": "Cox, clusters of two", "ag": "Andersen-Gill with gaps"}
PROGRAMS = ("drive_eval", "R survival", "lifelines", "statsmodels")
LIMITS = {
    ("R survival", "robust"): 100_000,
    ("R survival", "ag"): 100_000,
    ("lifelines", "cox"): 100_000,
    ("lifelines", "robust"): 10_000,
    ("lifelines", "ag"): 0,  # its clustered errors do not take start times
    ("statsmodels", "cox"): 10_000,
    ("statsmodels", "robust"): 10_000,
    ("statsmodels", "ag"): 0,  # counts a split row twice where one part ends and the next begins
}
SHORT = 3.0  # seconds; what takes less is run three times and its best counts

R_SCRIPT = """
suppressMessages(library(survival))
args <- commandArgs(TRUE); folder <- args[1]; model <- args[2]; n <- as.numeric(args[3])
col <- function(name) readBin(file.path(folder, paste0(name, ".bin")), "double", n)
d <- as.data.frame(setNames(lapply(paste0("x", 0:8), col), paste0("x", 0:8)))
d$start <- col("start"); d$stop <- col("stop"); d$event <- col("event"); d$id <- col("id")
right <- paste(paste0("x", 0:8), collapse = "+")
left <- if (model == "ag") "Surv(start, stop, event)" else "Surv(stop, event)"
f <- as.formula(paste(left, "~", right))
run <- function(d) if (model == "cox") coxph(f, d) else coxph(f, d, cluster = id)
invisible(suppressWarnings(run(head(d, 2000))))
took <- Inf
for (i in 1:3) { s <- system.time(fit <- run(d))[["elapsed"]]; took <- min(took, s)
                 if (s > SHORT) break }
peak <- grep("VmHWM", readLines("/proc/self/status"), value = TRUE)
cat(took, as.numeric(gsub("[^0-9]", "", peak)) / 1024, "\\n")
cat(format(coef(fit), digits = 15), "\\n"); cat(format(sqrt(diag(vcov(fit))), digits = 15), "\\n")
"""


def pairs(rows: int, *, distinct: bool, seed: int = 1) -> pd.DataFrame:
    """Rows in pairs that share a frailty; about half have the event."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 9))
    x[:, 0] = rng.random(rows) < 0.5
    frailty = np.repeat(rng.gamma(2, 0.5, rows // 2), 2)
    failure = rng.exponential(1 / (frailty * np.exp(x @ np.linspace(-0.5, 0.5, 9))))
    left = rng.exponential(2, rows)
    stop = np.minimum(failure, left)
    if not distinct:
        stop = np.ceil(np.minimum(stop, 5) * 200)
    table = pd.DataFrame(x, columns=COVARIATES)
    table["start"], table["stop"] = 0.0, stop
    table["event"] = (failure <= left).astype(float)
    table["id"] = np.repeat(np.arange(rows // 2, dtype=float), 2)
    return table.sample(frac=1, random_state=seed).reset_index(drop=True)


def spells(rows: int, *, distinct: bool, seed: int = 1) -> pd.DataFrame:
    """Four rows a person; one in three is followed by custody, during which nobody is at risk."""
    rng = np.random.default_rng(seed)
    people = rows // 4
    x = rng.normal(size=(people, 9))
    x[:, 0] = rng.random(people) < 0.5
    hazard = rng.gamma(2, 0.5, people) * np.exp(x @ np.linspace(-0.5, 0.5, 9)) / 150
    length = rng.exponential(1 / hazard[:, None], size=(people, 4))
    event = length < 120
    length, gap = np.minimum(length, 120), 30 * (rng.random((people, 4)) < 1 / 3)
    if not distinct:
        length = np.ceil(length)
    back = np.cumsum(length + gap, axis=1)  # when the next row begins
    start = np.column_stack([np.zeros(people), back[:, :-1]])
    table = pd.DataFrame(np.repeat(x, 4, axis=0), columns=COVARIATES)
    table["start"], table["stop"] = start.ravel(), (start + length).ravel()
    table["event"] = event.ravel().astype(float)
    table["id"] = np.repeat(np.arange(people, dtype=float), 4)
    return table.sample(frac=1, random_state=seed).reset_index(drop=True)


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


def drive_eval_fit(table: pd.DataFrame, model: str):
    from drive_eval.models import survival

    columns = {"stop": "stop", "event": "event", "covariates": COVARIATES}
    if model == "ag":
        result = survival.recurrent(table, person="id", start="start", **columns)
    else:
        result = survival.cox(table, cluster="id" if model == "robust" else None, **columns)
    return result.native.coefficients, result.native.std_errors


def lifelines_fit(table: pd.DataFrame, model: str):
    from lifelines import CoxPHFitter

    used = table[[*COVARIATES, "stop", "event", *(["id"] if model == "robust" else [])]]
    fit = CoxPHFitter().fit(used, "stop", "event", cluster_col="id" if model == "robust" else None)
    return fit.params_[COVARIATES].to_numpy(), fit.standard_errors_[COVARIATES].to_numpy()


def statsmodels_fit(table: pd.DataFrame, model: str):
    from statsmodels.duration.hazard_regression import PHReg

    fit = PHReg(table["stop"], table[COVARIATES], status=table["event"], ties="efron").fit(
        groups=table["id"].to_numpy() if model == "robust" else None
    )
    return np.asarray(fit.params), np.asarray(fit.bse)


FITS = {"drive_eval": drive_eval_fit, "lifelines": lifelines_fit, "statsmodels": statsmodels_fit}


def peak_memory() -> float:
    """Return the most memory this process has held, in MB."""
    status = Path("/proc/self/status")
    if status.exists():  # the other count starts from that of the process that began this one
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return float(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def work(folder: Path, program: str, model: str) -> None:
    """Time one program on one model, in this process; print what it took and found."""
    names = [*COVARIATES, "start", "stop", "event", "id"]
    table = pd.DataFrame({n: np.fromfile(folder / f"{n}.bin") for n in names})
    table["event"] = table["event"] == 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        FITS[program](table.head(2000), model)  # what is loaded at first use is not timed
        took, (coefficients, errors) = timed(lambda: FITS[program](table, model))
    for line in ([took, peak_memory()], coefficients, errors):
        print(*line)


def measure(folder: Path, program: str, model: str, rows: int) -> dict | None:
    if program == "R survival":
        script = folder / "fit.R"
        script.write_text(f"SHORT <- {SHORT}\n{R_SCRIPT}", encoding="utf-8")
        command = ["Rscript", "--vanilla", str(script), str(folder), model, str(rows)]
    else:
        command = [sys.executable, __file__, "--work", str(folder), program, model]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{program} failed: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    lines = [np.array(line.split(), dtype=float) for line in done.stdout.strip().splitlines()]
    return {"seconds": lines[0][0], "peak_mb": lines[0][1], "found": np.concatenate(lines[1:])}


def compare(rows: int, times: str, model: str, programs: list[str]) -> list[dict]:
    """Give the same rows to every program; differences are from the first of them."""
    table = (spells if model == "ag" else pairs)(rows, distinct=times == "distinct")
    same = {
        "rows": len(table),
        "event_times": int(table.loc[table["event"] == 1, "stop"].nunique()),
        "events": int(table["event"].sum()),
        "times": times,
        "model": model,
    }
    lines: list[dict] = []
    first = None
    with tempfile.TemporaryDirectory() as name:
        for column in table.columns:
            table[column].to_numpy(dtype=float).tofile(Path(name) / f"{column}.bin")
        for program in programs:
            found, why = None, "above its limit, or wrong for these rows"
            if len(table) <= LIMITS.get((program, model), np.inf):
                why = "it failed"
                found = measure(Path(name), program, model, len(table))
            if found is not None:
                numbers = found.pop("found")
                first = numbers if first is None else first
                found["difference"] = float(np.abs(numbers - first).max())
            lines.append({**same, "program": program, **(found or {"seconds": None, "why": why})})
            show(lines[-1], lines[0]["seconds"])
    return lines


def show(line: dict, ours: float | None) -> None:
    start = f"{line['rows']:>9,} {line['event_times']:>8,}  {MODELS[line['model']]:<25}"
    start += f"{line['program']:<12}"
    if line["seconds"] is None:
        print(f"{start} left out ({line['why']})", flush=True)
        return
    ratio = f"{line['seconds'] / ours:8.1f}" if ours else ""
    print(
        f"{start}{line['seconds']:9.3f} s {line['peak_mb']:8,.0f} MB {ratio} times ours, "
        f"differs by {line['difference']:.1e}",
        flush=True,
    )


def summary(lines: list[dict]) -> None:
    """Set the clustered variance here beside R without one, on the same rows."""
    took = {(x["rows"], x["times"], x["model"], x["program"]): x["seconds"] for x in lines}
    print()
    for rows, times in dict.fromkeys((x["rows"], x["times"]) for x in lines):
        ours = took.get((rows, times, "robust", "drive_eval"))
        plain = took.get((rows, times, "cox", "R survival"))
        if ours and plain:
            print(
                f"{rows:>9,} rows, times {times}: clustered on pairs here {ours:.3f} s, not "
                f"clustered in R {plain:.3f} s"
            )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--times", choices=["tied", "distinct", "both"], default="both")
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--without", nargs="+", choices=PROGRAMS[1:], default=[])
    parser.add_argument("--json", type=Path, help="write the numbers here as well")
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.work:
        work(Path(chosen.work[0]), chosen.work[1], chosen.work[2])
        return
    programs = [p for p in PROGRAMS if p not in chosen.without]
    if "R survival" in programs and shutil.which("Rscript") is None:
        print("Rscript is not installed, so R is left out.")
        programs.remove("R survival")
    for (program, model), most in LIMITS.items():
        if program in programs and model in chosen.models:
            print(f"limit: {program}, {MODELS[model]}: {most:,} rows")
    print(f"\n{'rows':>9} {'times':>8}  {'model':<25}{'program':<12}{'best':>9}   peak memory")
    lines = []
    for times in ["tied", "distinct"] if chosen.times == "both" else [chosen.times]:
        for rows in chosen.rows:
            for model in chosen.models:
                lines += compare(rows, times, model, programs)
    summary(lines)
    if chosen.json:
        chosen.json.write_text(json.dumps(lines, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
