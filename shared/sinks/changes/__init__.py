"""What happened to a row, read from the change log in BigQuery: the graph is loaded from there, never from an event.

    change_rows ──► view `change_log` ─► history of one key       many keys in one query, one query a second
    current_rows ─► view `resources` ──► all rows as they are now  for a rebuild

    port.py       the port; its memory twin is shared.sinks.memory_warehouse
    bigquery.py   its adapter, over REST

What is deleted here by an erasure is gone for the graph as well: `drawing.py` then takes every edge of the row away.
"""

from shared.sinks.changes.bigquery import BigQueryChanges
from shared.sinks.changes.port import DEPTH, Change, Changes

__all__ = ["DEPTH", "BigQueryChanges", "Change", "Changes"]
