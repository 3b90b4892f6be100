"""What a de-identified row looks like as vertices and edges: pure, and generated from schemas/graph/graph.json.

    picture.py    vertices, edges, and the picture of one row: its vertex, the edges it owns, those it no longer has
    plan.py       graph.json as objects: which column of which view becomes what
    drawing.py    a row's versions in the change log → its picture
    gsql.py       graph.json → schemas/graph/schema.gsql
    canonical.py  one hash of what a graph shows, whatever the order in which it was written

Nothing here does input or output, and nothing can hold PHI: the analytics zone imports it.
"""
