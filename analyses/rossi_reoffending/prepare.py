"""Write data/cases.csv from the data set rossi of the package lifelines; nothing is committed."""

import sys
from pathlib import Path

from lifelines.datasets import load_rossi

WEEKS = 52

people = load_rossi()
# Nobody is lost: whoever was not arrested was followed for the whole year.
if len(people) != 432 or (people.loc[people["arrest"] == 0, "week"] != WEEKS).any():
    sys.exit("rossi is not the data set that the protocol describes: see protocol.md.")

cases = people[[]].copy()
cases["case_id"] = [f"MD{row + 1:03d}" for row in range(len(people))]
cases["perpetrator_id"] = cases["case_id"]
cases["arm"] = people["fin"].map({1: "programme", 0: "comparison"})
cases["allocated_arm"] = cases["arm"]
cases["weeks_to_arrest"] = people["week"]
cases["age"] = people["age"]
cases["prior_convictions"] = people["prio"]
for ours, theirs in {
    "arrested": "arrest",
    "black": "race",
    "work_experience": "wexp",
    "married": "mar",
    "parole": "paro",
}.items():
    cases[ours] = people[theirs].map({1: "true", 0: "false"})

folder = Path(__file__).parent / "data"
folder.mkdir(exist_ok=True)
cases.to_csv(folder / "cases.csv", index=False, lineterminator="\n")
