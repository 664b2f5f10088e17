"""SIDE ROOM: other people's numbers, recomputed with the uncertainty they were printed without.

``claims/`` holds one file for every published statement; nothing here knows a study.
"""

from drive_eval.published.percentages import ConsistentCounts, consistent_counts

__all__ = ["ConsistentCounts", "consistent_counts"]
