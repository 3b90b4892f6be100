"""What of the warehouse has to go when a patient is erased.

    Erasure ─► suppress ─► look ─► tombstones that nothing wins over ─► purge the change log ─► count again: the proof
                              │
               every write ───┴─► Guarded: look at the list, write, look again

    port.py      the port; its memory twin is shared.sinks.memory_warehouse
    bigquery.py  its adapter, over REST
    guarded.py   the warehouse that lets nothing of an erased patient in
    proving.py   what is there of a patient, and what is left of him: warehouse and graph

Why nothing slips through, whatever the order: an erasure puts the pseudonym on the list before it looks for rows; a
write looks at the list after its row is durable. Of a row and an erasure, so, at least one sees the other. No clock and
no waiting has a part in it.
"""

from shared.sinks.erasing.bigquery import BigQueryErasing
from shared.sinks.erasing.guarded import Guarded
from shared.sinks.erasing.port import Erasing
from shared.sinks.erasing.proving import Proving

__all__ = ["BigQueryErasing", "Erasing", "Guarded", "Proving"]
