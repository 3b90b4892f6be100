"""A row's versions in the change log → its picture. Pure: the same versions make the same picture, for ever.

    newest version ─► view columns ─► vertex attributes, edges
    older versions ─► view columns ─► edges that the newest has not: `gone`

REST++ can not compare before it writes, so what is to be taken away has to be known without looking into the graph. It
is: an edge of this row can only come from one of its versions, and those are in the change log. Where the log was not
read to its end, or begins with a deletion (an erasure takes what was before it out of the log), every edge is taken away
instead.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from shared.graph.picture import CONCEPT, KNOWN, Edge, End, Picture, Value, Vertex
from shared.graph.plan import DEFAULTS, SEQUENCE, Kind, Plan, Relation, Type
from shared.sinks.changes.port import DEPTH, Change
from shared.sinks.sequence import padded

type Rows = Callable[[str, str, Mapping[str, object]], Sequence[Mapping[str, object]]]


class Drawing:
    """`rows`: the rows of a shipped view, (view, resource type, resource) → rows."""

    def __init__(self, plan: Plan, rows: Rows) -> None:
        self._plan, self._rows = plan, rows

    def shows(self, resource_type: str) -> bool:
        """Whether resources of the type are in the graph at all."""
        return resource_type in self._plan.kinds

    def picture(self, project: str, key_id: str, versions: Sequence[Change]) -> Picture:
        """The picture of a row, from at most DEPTH of its versions, the newest among them. Raises KeyError for a type
        that is not in the graph."""
        in_order = sorted(versions, key=lambda change: padded(change.sequence))
        oldest, newest = in_order[0], in_order[-1]
        kind = self._plan.kinds[newest.resource_type]
        vertex = self._vertex(kind, newest)
        before = [self._table(kind, version) for version in versions if version is not newest]
        older = dict.fromkeys(edge for rows in before for edge in _edges(kind, rows))
        return Picture(
            project,
            key_id,
            newest.sequence,
            vertex,
            tuple(_concept(end) for end in dict.fromkeys(edge.to for edge in vertex.edges) if end[0] == CONCEPT),
            gone=tuple(edge for edge in older if edge not in set(vertex.edges)),
            wipe=oldest.deleted or len(versions) >= DEPTH,
        )

    def _vertex(self, kind: Kind, change: Change) -> Vertex:
        values: dict[str, Value] = {name: DEFAULTS[type] for name, type in kind.columns.items()}
        values |= {KNOWN: not change.deleted, SEQUENCE: change.sequence}
        rows = self._table(kind, change)
        for name, attribute in kind.attributes.items():
            column = attribute.column or name
            value = next((row[column] for row in rows if row[column] is not None), None)
            if value is None:
                continue  # TigerGraph has no null: the default stands for it
            values[name] = _typed(value, attribute.type)
            if f"has_{name}" in kind.columns:
                values[f"has_{name}"] = True
        return Vertex(change.resource_type, change.key, values, tuple(dict.fromkeys(_edges(kind, rows))))

    def _table(self, kind: Kind, change: Change) -> Sequence[Mapping[str, Any]]:
        if change.resource is None:
            return ()
        return self._rows(kind.view, change.resource_type, change.resource)


def _edges(kind: Kind, rows: Sequence[Mapping[str, Any]]) -> Iterator[Edge]:
    for row in rows:
        for relation in kind.relations:
            texts = ((name, row[column]) for name, column in relation.attributes.items())
            said = tuple((name, "" if text is None else str(text)) for name, text in texts)
            yield from (Edge(relation.edge, end, said) for end in _ends(relation, row))


def _ends(relation: Relation, row: Mapping[str, Any]) -> Iterator[End]:
    """Where the edges lead; nowhere where the row does not say."""
    match [row[column] for column in relation.columns]:
        case [list(keys)]:
            yield from ((relation.target, str(key)) for key in keys)
        case said if all(said):
            yield (relation.target, "|".join(map(str, said)))


def _concept(end: End) -> Vertex:
    """Whoever names a code draws the same vertex: it says nothing that its id does not."""
    system, _, code = end[1].rpartition("|")
    return Vertex(CONCEPT, end[1], {KNOWN: True, "system": system, "code": code})


def _typed(value: Any, type: Type) -> Value:
    match type:
        case "INT":
            return int(value)
        case "DOUBLE":
            return float(value)
        case "BOOL":
            return bool(value)
        case _:
            return str(value)
