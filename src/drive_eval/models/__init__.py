"""Estimators: plain tables and column names in, ResultSets out; nothing is imported here.

Each file is one family of questions and none of them knows another: `prepost` (change
within people), `reductions` (several changes within people, compared), `matching` (who is
comparable with whom), `comparison` (programme against comparison), `counts` (how often),
`survival` (how soon), `sensitivity` (what else could explain it). Files that begin with an
underscore are kernels that they share.
"""
