"""How long nearest-neighbour matching takes, and how much memory, beside its peers.

Synthetic people with eight covariates, about nine in a hundred of them in the programme. Each
tool gets the same table and does the same three things: a logistic propensity score, nearest
neighbours 1:1 without replacement within 0.2 standard deviations of its logit, and balance
before and after. Every tool and size has a process of its own; the best of a few runs counts.

R's MatchIt is timed where R has it. Debian's version 4.5.1 ignores calipers on the score, so its
pairs are never compared, and matching without a caliper is what its time is for.
pymatchit-causal needs an older patsy than this package and lives in an environment of its own,
which --peers makes.

Needs a Unix system, which knows the peak memory of a process.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

COVARIATES = [*(f"number{i}" for i in range(1, 5)), *(f"flag{i}" for i in range(1, 5))]
STAGES = ("score", "match", "balance", "all")

R_SCRIPT = """
options(warn = -1)
if (!suppressMessages(require(MatchIt, quietly = TRUE))) quit(status = 3)
args <- commandArgs(TRUE); rows <- as.integer(args[2]); repeats <- as.integer(args[3])
numbers <- readBin(args[1], "double", rows * 9)
people <- as.data.frame(matrix(numbers, nrow = rows, byrow = TRUE))
names(people) <- c(paste0("number", 1:4), paste0("flag", 1:4), "treated"); rm(numbers)
clock <- function(expression) { s <- proc.time()[[3]]; force(expression); proc.time()[[3]] - s }
best <- NULL
for (i in seq_len(repeats)) {
  one <- c(score = clock(fit <- glm(treated ~ ., binomial, people)))
  one["match"] <- clock(m <- matchit(treated ~ number1 + number2 + number3 + number4 + flag1 +
    flag2 + flag3 + flag4, people, distance = fit$linear.predictors, caliper = .2))
  one["balance"] <- clock(summary(m))
  one["all"] <- sum(one)
  best <- if (is.null(best)) one else pmin(best, one)
}
status <- readLines("/proc/self/status")
peak <- as.numeric(gsub("[^0-9]", "", grep("VmHWM", status, value = TRUE))) / 1000
cat(sprintf('{"tool": "R MatchIt %s", "score": %f, "match": %f, "balance": %f, "all": %f,
  "megabytes": %f}', packageVersion("MatchIt"), best["score"], best["match"], best["balance"],
  best["all"], peak))
"""

PEER_SCRIPT = """
import contextlib, importlib.metadata, io, json, resource, sys, time, warnings
import numpy as np, pandas as pd
from pymatchit import MatchIt
warnings.simplefilter("ignore")
path, rows, repeats = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
names = [f"number{i}" for i in range(1, 5)] + [f"flag{i}" for i in range(1, 5)] + ["treated"]
people = pd.DataFrame(np.fromfile(path).reshape(rows, 9), columns=names)
people["treated"] = people["treated"].astype(int)
best = {}
for _ in range(repeats):
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        m = MatchIt(people, method="nearest", link="linear.logit", caliper=0.2)
        m.fit("treated ~ " + " + ".join(names[:-1]))
        middle = time.perf_counter()
        m.summary(print_output=False)
    end = time.perf_counter()
    one = {"score and match": middle - start, "balance": end - middle, "all": end - start}
    best = {k: min(v, best.get(k, v)) for k, v in one.items()}
best["tool"] = "pymatchit-causal " + importlib.metadata.version("pymatchit-causal")
best["megabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
print(json.dumps(best))
"""


def people(rows: int, seed: int):
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(seed)
    values = np.column_stack([rng.normal(size=(rows, 4)), rng.random((rows, 4)) < 0.3])
    line = -2.8 + values @ np.array([0.5, 0.3, -0.2, 0.1, 0.4, -0.3, 0.5, 0.2])
    table = pd.DataFrame(values, columns=COVARIATES)
    return table.assign(treated=rng.random(rows) < 1 / (1 + np.exp(-line)))


def measure_own(path: str, rows: int, repeats: int) -> dict:
    import numpy as np
    import pandas as pd

    from drive_eval.models import _balance, _nearest, matching
    from drive_eval.models._score import propensity

    table = pd.DataFrame(np.fromfile(path).reshape(rows, 9), columns=[*COVARIATES, "treated"])
    table["treated"] = table["treated"] == 1
    asked = {"treated": "treated", "covariates": COVARIATES}
    matching.nearest(table.head(2000), **asked)  # what is loaded on first use is not counted
    best: dict = {}
    for _ in range(repeats):
        clock = [time.perf_counter()]
        score = propensity(table, **asked)
        clock.append(time.perf_counter())
        pairs = _nearest.match(
            score.logit,
            score.treated,
            ratio=1,
            replace=False,
            caliper=0.2 * float(score.logit.std(ddof=1)),
            order="largest",
        )
        weights = pairs.weights(rows)
        clock.append(time.perf_counter())
        _balance.balance_of(
            _balance.columns(table, COVARIATES),
            score.treated,
            estimand="att",
            weights=weights,
            score=score.probability,
        )
        clock.append(time.perf_counter())
        matching.nearest(table, **asked)  # everything, with checks, words and tables
        clock.append(time.perf_counter())
        for stage, start, end in zip(STAGES, clock, clock[1:], strict=False):
            best[stage] = min(end - start, best.get(stage, end - start))
    best["tool"] = "drive_eval"
    best["megabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    return best


def run(command: list[str], timeout: float, tool: str) -> dict:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        return {"tool": tool, "note": f"stopped after {timeout:.0f} s"}
    if done.returncode == 3:
        return {"tool": tool, "note": "not installed"}
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return {"tool": tool, "note": f"failed: {last[:100]}"}
    return json.loads(done.stdout)


def peer_python(folder: Path) -> str | None:
    """Return the interpreter of an environment that has pymatchit-causal, made if need be."""
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"making an environment for pymatchit-causal in {folder} …", flush=True)
        venv.create(folder, with_pip=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "pymatchit-causal"]
        if subprocess.run(install, capture_output=True, check=False).returncode:
            return None
    return str(python)


def show(rows: int, treated: int, found: list[dict]) -> None:
    print(f"\n{rows:,} rows, {treated:,} in the programme, {len(COVARIATES)} covariates")
    print(f"{'':26}" + "".join(f"{stage:>10}" for stage in STAGES) + f"{'peak MB':>10}{'ratio':>9}")
    own = found[0]
    for one in found:
        if "note" in one:
            print(f"{one['tool']:26}{one['note']}")
            continue
        cells = [f"{one[s]:.3f}" if s in one else "" for s in STAGES]
        if "score and match" in one:
            cells[1] = f"{one['score and match']:.3f}*"
        ratio = f"{one['all'] / own['all']:.1f}" if "all" in own else ""
        line = "".join(f"{cell:>10}" for cell in cells)
        print(f"{one['tool']:26}{line}{one['megabytes']:>10.0f}{ratio:>9}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="examples:\n"
        "  python benchmarks/matching.py\n"
        "  python benchmarks/matching.py --rows 10000 100000 --repeats 5\n"
        "  python benchmarks/matching.py --peers --timeout 120\n",
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--repeats", type=int, default=3, help="runs of each, of which the best")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=300, help="seconds for one tool and size")
    parser.add_argument("--without-r", action="store_true", help="leave R out")
    parser.add_argument("--peers", action="store_true", help="also time pymatchit-causal")
    parser.add_argument(
        "--peer-folder",
        type=Path,
        default=Path(tempfile.gettempdir()) / "drive_eval_peers",
        help="where its environment is, or is made",
    )
    parser.add_argument("--own", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.own:
        path, rows, repeats = asked.own
        print(json.dumps(measure_own(path, int(rows), int(repeats))))
        return
    print(f"Python {platform.python_version()}, {platform.machine()}; seconds, best of a few runs;")
    print("ratio: all of a tool's seconds to ours; * score and match together")
    rscript = None if asked.without_r else shutil.which("Rscript")
    peer = peer_python(asked.peer_folder) if asked.peers else None
    with tempfile.TemporaryDirectory() as folder:
        data, r, other = (Path(folder) / name for name in ("data", "time.R", "time.py"))
        r.write_text(R_SCRIPT, encoding="utf-8")
        other.write_text(PEER_SCRIPT, encoding="utf-8")
        for rows in asked.rows:
            table = people(rows, asked.seed)
            table.to_numpy(dtype=float).tofile(data)
            job = [str(data), str(rows), str(asked.repeats)]
            found = [run([sys.executable, __file__, "--own", *job], asked.timeout, "drive_eval")]
            if rscript:
                found.append(run([rscript, str(r), *job], asked.timeout, "R MatchIt"))
            elif not asked.without_r:
                found.append({"tool": "R MatchIt", "note": "R is not installed"})
            if peer:
                found.append(run([peer, str(other), *job], asked.timeout, "pymatchit-causal"))
            elif asked.peers:
                found.append({"tool": "pymatchit-causal", "note": "could not be installed"})
            show(rows, int(table["treated"].sum()), found)


if __name__ == "__main__":
    main()
