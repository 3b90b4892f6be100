"""schemas/graph/graph.json as objects: which column of which view becomes an attribute, an edge or a concept.

It is data, for people to review. What it may say is closed: an unknown member is an error when it is read.
"""

from functools import cache, cached_property
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.graph.picture import CONCEPT, KNOWN, Value

FILE = Path(__file__).parents[2] / "schemas" / "graph" / "graph.json"

Name = Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,60}$")
type Type = Literal["STRING", "INT", "DOUBLE", "BOOL"]

DEFAULTS: dict[str, Value] = {"STRING": "", "INT": 0, "DOUBLE": 0.0, "BOOL": False}
SEQUENCE = "sequence"
_OWN: dict[str, Type] = {KNOWN: "BOOL", SEQUENCE: "STRING"}  # every row's vertex has these
_CONCEPT: dict[str, Type] = {KNOWN: "BOOL", "system": "STRING", "code": "STRING"}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", populate_by_name=True)


class Attribute(_Part):
    """An attribute of a vertex. `column`: the view's, where GSQL reserves its name."""

    type: Type
    column: str = ""


class Relation(_Part):
    """An edge type from one resource type to another, or to Concept: a column with keys, or those of system and code."""

    edge: str = Name
    target: str = Name
    columns: tuple[str, ...] = Field(min_length=1, max_length=2, strict=False)
    attributes: dict[str, str] = Field(default_factory=dict, description="attribute → column; all are STRING")


class Kind(_Part):
    """A resource type: its vertex, from the columns of a shipped view. A number's `has_…` tells 0 from nothing."""

    view: str
    attributes: dict[str, Attribute]
    relations: tuple[Relation, ...] = Field(default=(), strict=False)

    @cached_property
    def columns(self) -> dict[str, Type]:
        """Every attribute of the vertex."""
        types = {name: attribute.type for name, attribute in self.attributes.items()}
        return _OWN | types | {f"has_{name}": "BOOL" for name, type in types.items() if type in ("INT", "DOUBLE")}

    @property
    def edges(self) -> tuple[str, ...]:
        """The edge types that leave this vertex."""
        return tuple(dict.fromkeys(relation.edge for relation in self.relations))


class Plan(_Part):
    """Resource type → its kind. Edge type → the name under which it is walked backwards."""

    kinds: dict[str, Kind]
    reverse: dict[str, str]

    @property
    def vertices(self) -> dict[str, dict[str, Type]]:
        """Vertex type → attribute → type."""
        return {type: dict(kind.columns) for type, kind in self.kinds.items()} | {CONCEPT: dict(_CONCEPT)}

    @property
    def edges(self) -> dict[str, tuple[set[tuple[str, str]], dict[str, Type]]]:
        """Edge type → (the pairs of vertex types that it joins, attribute → type)."""
        found: dict[str, tuple[set[tuple[str, str]], dict[str, Type]]] = {}
        for type, kind in self.kinds.items():
            for relation in kind.relations:
                pairs, attributes = found.setdefault(relation.edge, (set(), {}))
                pairs.add((type, relation.target))
                attributes |= dict.fromkeys(relation.attributes, "STRING")
        return found


@cache
def shipped() -> Plan:
    """The plan of this release. Raises pydantic.ValidationError."""
    return Plan.model_validate_json(FILE.read_bytes())
