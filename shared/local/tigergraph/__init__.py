"""TigerGraph on one machine: a graph in memory behind the part of REST++ that we use, and strict about it.

    schema.py   schema.gsql → vertex and edge types; what is not in it is refused
    body.py     the body of an upsert, held against the schema
    store.py    vertices and edges in memory, merged as an upsert merges them
    rest.py     REST++ over HTTP, faults included
    server.py   all of it on a port

Kept as TigerGraph keeps it: an upsert names attributes and leaves the others; an edge makes the vertices that it names,
with defaults, unless they must exist; an error is told in the body of a 200; only `gsql-atomic-level: atomic` makes a
request all or nothing; a deleted vertex takes its edges along. Left out: GSQL queries, loading jobs, rights.
"""

from shared.local.tigergraph.rest import Fault
from shared.local.tigergraph.server import TigerGraph

__all__ = ["Fault", "TigerGraph"]
