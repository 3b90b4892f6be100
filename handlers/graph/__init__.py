"""Show in the graph what the warehouse has.

    handler.py  analytics.committed ─► [this] ─► TigerGraph
    wiring.py   the change log, the graph and the plan of it, opened for the service or the command line
    rebuild.py  the whole graph anew from the warehouse
    command.py  `./dev graph rebuild` and `./dev graph hash`

It can not reach PHI: it may not import `shared.phi` or `shared.fhir`, not even through others.
"""

from handlers.graph.handler import ON, draw, versions

__all__ = ["ON", "draw", "versions"]
