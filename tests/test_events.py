"""schemas/events and schemas/asyncapi.json say what travels; they are current, true, and break nobody."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from handlers import catalog
from handlers.asyncapi import ADDRESS, OUTGOING, document
from handlers.compatibility import event_breaks
from handlers.event_schemas import DRAFT, PUBLIC, file_of, payload, render, renderings
from handlers.examples import DATA_EXAMPLES, HEADERS
from shared.events.data import DATA, Row
from tests.simulation import house
from tests.simulation.plan import drawn
from tests.simulation.world import World

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "schemas" / "events"
TODAY: dict[str, Any] = json.loads((ROOT / "schemas" / "asyncapi.json").read_text())
RELEASED: dict[str, Any] = json.loads((ROOT / "schemas" / "asyncapi.released.json").read_text())
OFFICIAL = ROOT / ".peers" / "asyncapi" / "package" / "schemas" / "3.0.0.json"
FETCH = "mkdir -p .peers/asyncapi && cd .peers/asyncapi && npm pack @asyncapi/specs@6.11.1 && tar xzf *.tgz"


def test_the_files_are_what_the_models_and_the_catalog_say() -> None:
    assert {path.name: path.read_text() for path in FOLDER.glob("*.json")} == renderings(), "run ./dev events"
    assert render(TODAY) == render(document()), "run ./dev events"


@pytest.mark.parametrize("model", DATA.values(), ids=lambda model: model.__name__)
def test_a_schema_is_one_and_takes_its_example_as_the_model_does(model: Any) -> None:
    schema = json.loads((FOLDER / file_of(model)).read_text())
    assert schema["$schema"] == DRAFT
    jsonschema_rs.meta.validate(schema)
    example = DATA_EXAMPLES[model.__name__]
    assert jsonschema_rs.is_valid(schema, example)
    assert json.loads(model.model_validate_json(json.dumps(example)).model_dump_json()).keys() == example.keys()
    for name in schema["required"]:
        assert not jsonschema_rs.is_valid(schema, {key: value for key, value in example.items() if key != name}), name
    assert jsonschema_rs.is_valid(schema, example | {"later": 1}) == (model in PUBLIC), "only a public one may grow"


def test_a_public_row_tells_what_each_of_its_fields_means() -> None:
    assert all("description" in field for field in payload(Row)["properties"].values())


def test_whatever_a_day_publishes_is_on_a_documented_topic_in_a_documented_form() -> None:
    channels = {channel["address"]: channel for channel in TODAY["channels"].values()}
    channels |= dict.fromkeys(catalog.outgoing(house.tenants()).values(), channels[ADDRESS])
    schemas = TODAY["components"]["schemas"]
    seen = set()
    for seed in range(1, 13):
        for topic, message in World(drawn(seed)).lived().broker.published:
            [name] = [n for n in channels[topic]["messages"] if DATA[message.attributes["ce-type"]].__name__ == n]
            jsonschema_rs.validate(schemas[name], json.loads(message.data))
            jsonschema_rs.validate(HEADERS, dict(message.attributes))
            seen.add(name)
    assert seen >= {"Changed", "Validated", "Accounted", "Deidentified", "Row", "Committed", "Quarantined"}


def test_every_topic_has_a_channel_and_every_reference_leads_somewhere() -> None:
    assert {*catalog.topics(), ADDRESS} <= {channel["address"] for channel in TODAY["channels"].values()}

    def references(value: Any) -> list[str]:
        if isinstance(value, dict):
            own = [value["$ref"]] if "$ref" in value else []
            return own + [one for part in value.values() for one in references(part)]
        return [one for part in value for one in references(part)] if isinstance(value, list) else []

    found = references(TODAY)
    assert found
    for reference in found:
        place: Any = TODAY
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_every_handler_receives_and_sends_what_it_declares_and_says_who_may() -> None:
    operations = TODAY["operations"]
    for on in catalog.subscriptions():
        assert operations[f"{on.handler}.receives"]["channel"] == {"$ref": f"#/channels/{on.topic}"}
        for topic in (*on.publishes, on.quarantine):
            assert operations[f"{on.handler}.sends.{topic}"]["action"] == "send"
    assert f"analytics.sends.{OUTGOING}" in operations
    assert all(operation["security"] for operation in operations.values())


@pytest.mark.skipif(not OFFICIAL.exists(), reason=f"AsyncAPI's own schema is not here: {FETCH}")
def test_asyncapis_own_schema_takes_the_document() -> None:
    official = jsonschema_rs.validator_for(json.loads(OFFICIAL.read_text()))
    assert [error.message for error in official.iter_errors(TODAY)] == []
    assert not official.is_valid(TODAY | {"channels": {"x": {"adress": "a typing error"}}})


def test_todays_events_break_no_reader_and_no_event_on_its_way() -> None:
    assert event_breaks(RELEASED, TODAY) == [], "a new type, or (./dev events --release) deprecate first"


def _schema(document: Any, name: str) -> Any:
    return document["components"]["schemas"][name]


BREAKING: dict[str, Callable[[Any], object]] = {
    "a topic is gone": lambda d: d["channels"].pop(OUTGOING),
    "a type is gone from its topic": lambda d: d["channels"]["fhir.changed"]["messages"].pop("DeletionClaimed"),
    "a public field is gone": lambda d: _schema(d, "Row")["properties"].pop("version"),
    "a public field may be missing": lambda d: _schema(d, "Row")["required"].remove("sequence"),
    "a public field has another type": lambda d: _schema(d, "Row")["properties"].update(key={"type": "integer"}),
    "a public field may be null": lambda d: _schema(d, "Row")["properties"].update(
        key={"anyOf": [{"type": "string"}, {"type": "null"}]}
    ),
    "a closed type gets a field": lambda d: _schema(d, "Validated")["properties"].update(more={"type": "string"}),
    "a closed type asks for less": lambda d: _schema(d, "Changed")["required"].remove("version"),
    "a closed type takes fewer words": lambda d: _schema(d, "Validated")["properties"]["op"].update(enum=["write"]),
    "a closed type's form is narrower": lambda d: _schema(d, "Committed")["properties"]["key"].update(pattern="^a$"),
}
HARMLESS: dict[str, Callable[[Any], object]] = {
    "a public row gets a field": lambda d: _schema(d, "Row")["properties"].update(more={"type": "string"}),
    "a new topic": lambda d: d["channels"].update(new={"address": "new", "messages": {}}),
    "a new type": lambda d: d["components"]["schemas"].update(New={"type": "object"}),
    "another description": lambda d: _schema(d, "Row").update(description="better"),
}


def _with(change: Callable[[Any], object]) -> Any:
    made = copy.deepcopy(RELEASED)
    change(made)
    return made


@pytest.mark.parametrize("what", BREAKING)
def test_it_is_noticed_when(what: str) -> None:
    assert event_breaks(RELEASED, _with(BREAKING[what]))


@pytest.mark.parametrize("what", HARMLESS)
def test_nobody_is_broken_by(what: str) -> None:
    assert event_breaks(RELEASED, _with(HARMLESS[what])) == []
