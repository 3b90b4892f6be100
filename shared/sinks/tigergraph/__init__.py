"""The graph: TigerGraph over REST++, written so that any order of writers ends in the same graph.

    port.py     the port; its memory twin is shared.sinks.memory_graph
    upserts.py  pictures → the body of one upsert, and what has to be taken away
    restpp.py   REST++: one request, its answer judged
    graph.py    the adapter: many pictures, one atomic upsert
    settled.py  write, read the change log again, until what was written is the newest

Not used: GSQL queries and loading jobs. All that is written goes through the two built-in endpoints, upsert and delete.
"""

from shared.sinks.tigergraph.graph import TigerGraph
from shared.sinks.tigergraph.port import Graph
from shared.sinks.tigergraph.settled import Settled

__all__ = ["Graph", "Settled", "TigerGraph"]
