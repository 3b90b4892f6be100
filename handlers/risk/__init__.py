"""`./dev risk`: what could still be told of a patient from what has left, measured; and a gate for a release.

lines.py      de-identified NDJSON → classes
warehouse.py  a dataset's current rows → classes, counted where they lie
report.py     the figures, for people and as JSON
command.py    the command
"""
