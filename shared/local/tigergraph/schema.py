"""schema.gsql → vertex and edge types. Read from the file that an operator would install, not from our own plan of it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

DEFAULTS: dict[str, object] = {
    "STRING": "",
    "INT": 0,
    "UINT": 0,
    "DOUBLE": 0.0,
    "BOOL": False,
    "DATETIME": "1970-01-01 00:00:00",
}
_VERTEX = re.compile(r"ADD VERTEX (\w+) \(PRIMARY_ID \w+ STRING(?:, )?([^)]*)\)[^;]*;")
_EDGE = re.compile(r'ADD DIRECTED EDGE (\w+) \(([^)]*)\)(?: WITH REVERSE_EDGE="(\w+)")?;')
_PAIR = re.compile(r"FROM (\w+), TO (\w+)")


@dataclass(frozen=True, slots=True)
class Attribute:
    type: str
    default: object


@dataclass(frozen=True, slots=True)
class EdgeType:
    pairs: frozenset[tuple[str, str]]
    attributes: dict[str, Attribute]
    reverse: str


@dataclass(frozen=True, slots=True)
class Schema:
    vertices: dict[str, dict[str, Attribute]]
    edges: dict[str, EdgeType]


def parse(gsql: str) -> Schema:
    """Raises ValueError for a statement that is not understood, and for an edge between types that are not there."""
    text = "\n".join(line for line in gsql.splitlines() if not line.startswith("//"))
    vertices = {name: dict(_attributes(rest)) for name, rest in _VERTEX.findall(text)}
    edges: dict[str, EdgeType] = {}
    for name, rest, reverse in _EDGE.findall(text):
        pairs = frozenset(_PAIR.findall(rest))
        last = list(_PAIR.finditer(rest))[-1].end()
        edges[name] = EdgeType(pairs, dict(_attributes(rest[last:].removeprefix(", "))), reverse)
        if not {end for pair in pairs for end in pair} <= set(vertices):
            raise ValueError(f"edge {name} joins a vertex type that is not there")
    if len(vertices) + len(edges) != text.count("  ADD "):
        raise ValueError("a statement is not understood")
    return Schema(vertices, edges)


def _attributes(text: str) -> Iterator[tuple[str, Attribute]]:
    for part in filter(None, text.split(", ")):
        name, type, *default = part.split(" ")
        given = default[1].strip('"') if default else None
        if type not in DEFAULTS or (default and default[0] != "DEFAULT"):
            raise ValueError(f"attribute {name} is not understood")
        yield name, Attribute(type, DEFAULTS[type] if given is None else given.lower() == "true")
