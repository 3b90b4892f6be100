"""graph.json → schemas/graph/schema.gsql: `./dev python -m shared.graph.gsql` writes it, and a test holds the two together.

A graph bears its dataset's name; `GRAPH_NAME` stands for it, to be filled in by whoever installs the schema.
"""

from collections.abc import Iterator
from pathlib import Path

from shared.graph.picture import KNOWN
from shared.graph.plan import DEFAULTS, FILE, Plan, Type, shipped

_HEAD = """\
// The graph of a dataset: run once for each, with GRAPH_NAME replaced by the dataset's name.
// Written by `./dev python -m shared.graph.gsql` from graph.json; change that, not this.
// known = FALSE: a vertex that only an edge names yet, or whose resource was deleted. Queries leave it out.
"""


def text(plan: Plan) -> str:
    """The schema in GSQL."""
    return _HEAD + "".join(f"{line}\n" for line in _lines(plan))


def _lines(plan: Plan) -> Iterator[str]:
    yield "CREATE GRAPH GRAPH_NAME()"
    yield "USE GRAPH GRAPH_NAME"
    yield "CREATE SCHEMA_CHANGE JOB starvit_schema FOR GRAPH GRAPH_NAME {"
    for name, attributes in plan.vertices.items():
        columns = ", ".join(["PRIMARY_ID id STRING", *(_attribute(*one) for one in attributes.items())])
        yield f'  ADD VERTEX {name} ({columns}) WITH PRIMARY_ID_AS_ATTRIBUTE="true";'
    for name, (pairs, attributes) in sorted(plan.edges.items()):
        ends = " | ".join(f"FROM {source}, TO {target}" for source, target in sorted(pairs))
        columns = "".join(f", {_attribute(*one)}" for one in attributes.items())
        yield f'  ADD DIRECTED EDGE {name} ({ends}{columns}) WITH REVERSE_EDGE="{plan.reverse[name]}";'
    yield "}"
    yield "RUN SCHEMA_CHANGE JOB starvit_schema"


def _attribute(name: str, type: Type) -> str:
    default = str(DEFAULTS[type]).upper() if name == KNOWN else None
    return f"{name} {type}" + (f' DEFAULT "{default}"' if default else "")


def write(folder: Path) -> Path:
    """Write the file; where it is."""
    path = folder / "schema.gsql"
    path.write_text(text(shipped()))
    return path


if __name__ == "__main__":
    write(FILE.parent)
