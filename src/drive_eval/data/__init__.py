"""Room 1: from files to a trusted study.

`schema` says what every table and column must hold, `importing` turns a messy export into
those tables, `study` reads, validates and freezes them, and `synthetic` makes whole cases
that never existed. Whatever leaves this room has been checked against the one declaration.
"""
