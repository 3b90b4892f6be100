"""The body of an upsert, held against the schema: what is to be merged, or why it is refused."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from shared.local.tigergraph.schema import Attribute, Schema

_INSTANT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
_OPS = {"+", "add", ">", "max", "<", "min", "~", "ignore_if_exists"}

type Values = dict[str, tuple[object, str]]  # attribute → value, operation ("" is: replace)


class BadBody(Exception):
    """Refused. Its text is for a developer's eyes: this is a stand-in."""


@dataclass(frozen=True, slots=True)
class VertexUpsert:
    type: str
    id: str
    values: Values


@dataclass(frozen=True, slots=True)
class EdgeUpsert:
    type: str
    source: tuple[str, str]
    target: tuple[str, str]
    values: Values


type One = VertexUpsert | EdgeUpsert


def parse(body: Any, schema: Schema) -> Iterator[One | BadBody]:
    """Each vertex and edge of the body, or what is wrong with it. Raises BadBody if the body as a whole is none."""
    if not isinstance(body, dict) or not set(body) <= {"vertices", "edges"}:
        raise BadBody("the body has other members than vertices and edges")
    for type, ids in _object(body.get("vertices", {})):
        for id, attributes in _object(ids):
            yield _tried(partial(_vertex, type, id, attributes, schema))
    for source_type, sources in _object(body.get("edges", {})):
        for source, edges in _object(sources):
            for edge, target_types in _object(edges):
                for target_type, targets in _object(target_types):
                    for target, attributes in _object(targets):
                        ends = ((source_type, source), (target_type, target))
                        yield _tried(partial(_edge, edge, *ends, attributes, schema))


def _tried(make: Callable[[], One]) -> One | BadBody:
    try:
        return make()
    except BadBody as error:
        return error


def _vertex(type: str, id: str, attributes: Any, schema: Schema) -> VertexUpsert:
    if type not in schema.vertices:
        raise BadBody(f"vertex type {type} is not there")
    if not id:
        raise BadBody("an id is empty")
    return VertexUpsert(type, id, _values(attributes, schema.vertices[type]))


def _edge(type: str, source: tuple[str, str], target: tuple[str, str], attributes: Any, schema: Schema) -> EdgeUpsert:
    if type not in schema.edges or (source[0], target[0]) not in schema.edges[type].pairs:
        raise BadBody(f"edge type {type} from {source[0]} to {target[0]} is not there")
    if not source[1] or not target[1]:
        raise BadBody("an id is empty")
    return EdgeUpsert(type, source, target, _values(attributes, schema.edges[type].attributes))


def _values(given: Any, attributes: dict[str, Attribute]) -> Values:
    found: Values = {}
    for name, said in _object(given):
        if name not in attributes:
            raise BadBody(f"attribute {name} is not there")
        if not isinstance(said, dict) or not set(said) <= {"value", "op"} or "value" not in said:
            raise BadBody(f"attribute {name} has no value")
        value, op, type = said["value"], said.get("op", ""), attributes[name].type
        if not _fits(value, type) or (op and (op not in _OPS or type not in ("INT", "UINT", "DOUBLE"))):
            raise BadBody(f"attribute {name} is no {type}")
        found[name] = (value, op)
    return found


def _fits(value: object, type: str) -> bool:
    match type:
        case "STRING":
            return isinstance(value, str)
        case "INT" | "UINT":
            return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
        case "DOUBLE":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "BOOL":
            return isinstance(value, bool)
        case _:
            return isinstance(value, str) and bool(_INSTANT.fullmatch(value))


def _object(value: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        raise BadBody("not an object where one has to be")
    yield from value.items()
