"""What reconcile may know of the warehouse: which versions of which keys are there, and nothing that a resource says.

    current_rows ─► view `keys` ─────┐
                                     ├─► WarehouseKeys ─► the row of each key · the versions that were written
    change_rows ──► view `versions` ─┘

    port.py       the port; its memory twin is shared.sinks.memory_warehouse
    bigquery.py   its adapter, over REST

Reconcile runs in the clinical zone, where identities are. Against a zone that could lay them beside the de-identified
resources: it may read these two views and no table, and they have no column of content.
"""

from shared.sinks.keys.bigquery import BigQueryKeys
from shared.sinks.keys.port import MOST_KEYS, KeyRow, WarehouseKeys

__all__ = ["MOST_KEYS", "BigQueryKeys", "KeyRow", "WarehouseKeys"]
