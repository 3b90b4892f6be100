"""What each event says, as JSON Schema 2020-12: `schemas/events/<type>.json` is generated from the models.

    shared/events/data.py ─► models ─► one file for each type        (./dev events, held by tests/test_events.py)

Ours are closed: a field that nobody knows is refused, so that nothing rides along. The public one is open: whoever
subscribes has to leave alone what it does not know, and so a field can be added without a new type.
"""

import json
from pathlib import Path
from typing import Any

from pydantic.alias_generators import to_snake

from handlers.examples import DATA_EXAMPLES
from shared.events.data import DATA, Data, Row, Safe

DRAFT = "https://json-schema.org/draft/2020-12/schema"
PUBLIC: frozenset[type[Data]] = frozenset({Row})
_COLUMNS = Path(__file__).resolve().parents[1] / "schemas" / "bigquery" / "change_rows.json"


def payload(model: type[Data]) -> dict[str, Any]:
    """The schema of an event's data, with what each field means where a column of the warehouse says it too."""
    schema = _whole(model.model_json_schema())
    schema["title"] = model.TYPE
    meanings = _meanings() if issubclass(model, Safe) else {}
    for name, field in schema["properties"].items():
        field.pop("title", None)
        if meaning := meanings.get(to_snake(name)):
            field["description"] = meaning
    if model in PUBLIC:
        del schema["additionalProperties"]
    schema["examples"] = [DATA_EXAMPLES[model.__name__]]
    return schema


def file_of(model: type[Data]) -> str:
    """The name of a type's file in schemas/events."""
    return f"{model.TYPE}.json"


def renderings() -> dict[str, str]:
    """Every file as it ought to be, by its name."""
    return {file_of(model): render(_headed(model)) for model in DATA.values()}


def render(document: dict[str, Any]) -> str:
    """A document as its file holds it."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _headed(model: type[Data]) -> dict[str, Any]:
    return {"$schema": DRAFT, "$id": f"urn:starvit:events:{model.TYPE}", **payload(model)}


def _whole(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with its parts in their places: where it stands in another document, no reference leads astray."""
    parts = schema.pop("$defs", {})

    def put(value: Any) -> Any:
        if isinstance(value, dict):
            if "$ref" in value:
                return put(parts[value["$ref"].removeprefix("#/$defs/")])
            return {name: put(part) for name, part in value.items()}
        return [put(part) for part in value] if isinstance(value, list) else value

    return {name: put(value) for name, value in schema.items()}


def _meanings() -> dict[str, str]:
    """What the warehouse's columns of the same names are."""
    fields = json.loads(_COLUMNS.read_text())["schema"]["fields"]
    return {"project": "The tenant's public name."} | {field["name"]: field["description"] for field in fields}
