"""Print the crude, the matched and weighted, and the true effects of the last run beside it."""

import json
from pathlib import Path

import drive_eval as de
from drive_eval.data.synthetic import true_value

folder = Path(__file__).parent
results = de.load_results(folder / "outputs" / "restricted").results
truth = json.loads((folder / "data" / "truth.json").read_text(encoding="utf-8"))

for outcome in ("repeat_12m", "traffic_offence_12m"):
    print(f"{outcome}: difference in risk, programme less comparison")
    for found in results[outcome].estimates:
        if found.measure == "risk_difference":
            low, high = found.conf_low, found.conf_high
            print(f"  {found.term:24} {found.estimate:+.3f} ({low:+.3f} to {high:+.3f})")
    for estimand, words in (
        ("naive", "true, crude: no effect of anything"),
        ("att", "true, over programme cases (ATT)"),
        ("ate", "true, over everybody (ATE)"),
        ("ato", "true, over the overlap (ATO)"),
    ):
        true = true_value(truth, outcome=outcome, measure="risk_difference", estimand=estimand)
        print(f"  {words:36} {true:+.3f}")
print(folder / "outputs" / "release" / "report.html")
