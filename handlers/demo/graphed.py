"""What the graph shows, against the warehouse and against what the clinic did.

    embedded graph ─► canonical hash ─┬─ the same as the warehouse's rows make ─► nothing is lost
    its known vertices ───────────────┴─ those of Medplum's live resources

The first finds a wrong attribute or edge, the second a resource that neither has; which ones it is, is told by type and
by the pseudonym.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import orjson

from shared.graph.canonical import Canonical
from shared.graph.drawing import Drawing
from shared.graph.picture import CONCEPT, KNOWN, Vertex
from shared.graph.plan import shipped
from shared.graph.rows import view_rows
from shared.local.judge import Naming, Truth
from shared.sinks.changes.port import Change


@dataclass(frozen=True, slots=True)
class Graphed:
    """`lost`: vertices that are not what they have to be; `findings` names each."""

    vertices: int
    edges: int
    equal: bool
    findings: tuple[str, ...]

    @property
    def lost(self) -> int:
        return len(self.findings)


def judge_graph(
    graph: Iterable[Vertex], rows: Iterable[Mapping[str, object]], truth: Iterable[Truth], names: Naming
) -> Graphed:
    """`rows`: resource_type, key, sequence and resource (JSON) of the view `resources`."""
    drawing = Drawing(shipped(), view_rows)
    shown = {(one.type, one.id): one for one in graph if one.type != CONCEPT and one.attributes[KNOWN]}
    changes = (_change(row) for row in rows)
    wanted = {
        picture.end: picture.vertex
        for picture in (drawing.picture("", "", [one]) for one in changes if drawing.shows(one.resource_type))
    }
    live = {(one.type, names.key_of(one.type, one.id)) for one in truth if not one.deleted and drawing.shows(one.type)}
    findings = [
        _finding(end, "is not as the warehouse has it")
        for end in sorted(shown.keys() | wanted.keys())
        if _hash(shown.get(end)) != _hash(wanted.get(end))
    ]
    findings += [_finding(end, "is live in Medplum, and not in the graph") for end in sorted(live - shown.keys())]
    findings += [_finding(end, "is in the graph, and not live in Medplum") for end in sorted(shown.keys() - live)]
    return Graphed(len(shown), _total(shown.values()).edges, not findings, tuple(findings))


def _change(row: Mapping[str, object]) -> Change:
    resource = orjson.loads(str(row["resource"]))
    return Change(str(row["resource_type"]), str(row["key"]), str(row["sequence"]), False, resource)


def _total(vertices: Iterable[Vertex | None]) -> Canonical:
    counted = Canonical()
    for vertex in vertices:
        if vertex is not None:
            counted.add(vertex)
    return counted


def _hash(vertex: Vertex | None) -> str:
    return _total([vertex]).hash


def _finding(end: tuple[str, str], why: str) -> str:
    return f"lost in the graph: {end[0]} {end[1][:12]}: {why}"
