"""Pictures → the body of one upsert: REST++'s nested objects, and how many vertices and edges it has to accept.

    {"vertices": {type: {id: {attribute: {"value": …}}}},
     "edges": {type: {id: {edge type: {type: {id: {attribute: {"value": …}}}}}}}}

Every attribute is written, absent ones with their default: what an upsert does not name would stay as it was.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import orjson

from shared.graph.picture import Picture, Value
from shared.sinks.sequence import padded

type Tree = dict[str, Any]


class Upsert(NamedTuple):
    body: bytes
    vertices: int
    edges: int


def upsert(pictures: Iterable[Picture]) -> Upsert:
    """One body for all of them."""
    vertices: Tree = {}
    edges: Tree = {}
    for picture in pictures:
        for vertex in (picture.vertex, *picture.concepts):
            vertices.setdefault(vertex.type, {})[vertex.id] = _values(vertex.attributes)
        type, id = picture.end
        for edge in picture.vertex.edges:
            leaving = edges.setdefault(type, {}).setdefault(id, {}).setdefault(edge.type, {})
            leaving.setdefault(edge.to[0], {})[edge.to[1]] = _values(dict(edge.attributes))
    body = {"vertices": vertices} | ({"edges": edges} if edges else {})
    return Upsert(orjson.dumps(body), _count(vertices, 2), _count(edges, 5))


def size(picture: Picture) -> int:
    """The bytes that a picture adds to a body."""
    return len(upsert([picture]).body)


def newest(pictures: Iterable[Picture]) -> list[Picture]:
    """Of pictures of the same row the newest: in one body only one of them can stand."""
    return list({one.end: one for one in sorted(pictures, key=lambda one: padded(one.sequence))}.values())


def _values(attributes: Mapping[str, Value]) -> Tree:
    return {name: {"value": value} for name, value in attributes.items()}


def _count(tree: Tree, depth: int) -> int:
    return len(tree) if depth == 1 else sum(_count(branch, depth - 1) for branch in tree.values())
