"""How soon, how often, how long free? Hazards, repeats and competing events.

`cox`, `recurrent` and `fine_gray` compare hazards; each takes a plain table and column names
and returns a ResultSet.
"""

from drive_eval.models.survival.hazards import cox, fine_gray, recurrent

__all__ = ["cox", "fine_gray", "recurrent"]
