"""The gate: which counts may leave the building, and in what form.

The order is suppress, round, re-total. The rest of this module answers one question about
the result: could an intruder who knows this very program, its policy and his own record
work a hidden small count out again?

How that is answered
--------------------
Lines stand in families (the levels of one severity scale, the four cells of a paired
table). A family is hidden whole when enough of its lines are small; otherwise only its
small lines are hidden. So what a table looks like from outside depends on its small lines
and its rounded numbers and on nothing else, and the exact tables that look like that are
the integer solutions of a few inequalities: the *look-alikes*. A release passes when every
hidden count takes at least `Policy.protection` values among them, and still does among
those in which the intruder himself stands in any given cell.

A table that fails is not patched where it is weak, because the patch would show where the
weakness was. It is made to look like a table whose small counts alone would have hidden one
more family, and only if that look passes for the tables that come by it honestly. These are
released in the same form, so that an intruder who runs the program on every table in the
world cannot set them apart. One symbol stands for every hidden count, whatever the reason.
"""

from __future__ import annotations

from drive_eval.disclosure.gate import audit, control, control_pairs, record
from drive_eval.disclosure.pieces import Piece, contents
from drive_eval.disclosure.rules import POLICIES, SYMBOL, Policy, policy, safe_number

__all__ = [
    "POLICIES",
    "SYMBOL",
    "Piece",
    "Policy",
    "audit",
    "contents",
    "control",
    "control_pairs",
    "policy",
    "record",
    "safe_number",
]
