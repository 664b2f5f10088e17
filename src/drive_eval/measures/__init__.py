"""ROOM 2: plain tables in, analysis rows out; nothing here knows a Study."""
