"""ROOM 4: released results in, paper out; it knows no model and computes no number."""
