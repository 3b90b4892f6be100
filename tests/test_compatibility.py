"""Nobody who calls the released contract is broken by today's; each rule is tested by breaking it."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from handlers.compatibility import breaks

FOLDER = Path(__file__).resolve().parents[1] / "schemas" / "openapi"
RELEASED: dict[str, Any] = json.loads((FOLDER / "v1.released.json").read_text())
TODAY: dict[str, Any] = json.loads((FOLDER / "v1.json").read_text())
HOOK, PUSH = "/v1/webhooks/medplum/{subscription}", "/v1/push/validation"


def _body(document: Any) -> Any:
    return document["paths"][HOOK]["post"]["requestBody"]["content"]["application/fhir+json"]["schema"]


def _resource(document: Any) -> Any:
    return _body(document)["anyOf"][0]


def _problem(document: Any) -> Any:
    return document["components"]["schemas"]["Problem"]


def _changed(document: Any) -> Any:
    return document["components"]["schemas"]["Changed"]


def _post(document: Any, path: str = HOOK) -> Any:
    return document["paths"][path]["post"]


BREAKING: dict[str, Callable[[Any], object]] = {
    "a path is removed": lambda d: d["paths"].pop(HOOK),
    "a method is removed": lambda d: d["paths"]["/v1/health/live"].pop("get"),
    "an answer is removed": lambda d: _post(d)["responses"].pop("429"),
    "an answer's header is removed": lambda d: _post(d, PUSH)["responses"]["204"]["headers"].pop("x-starvit-code"),
    "an answer's media type is removed": lambda d: _post(d)["responses"]["400"]["content"].clear(),
    "an answer's field is removed": lambda d: _problem(d)["properties"].pop("instance"),
    "an answer's field is no longer promised": lambda d: _problem(d)["required"].remove("code"),
    "an answer's type is widened": lambda d: _problem(d)["properties"]["status"].update(type=["integer", "string"]),
    "an answer's type is another": lambda d: _problem(d)["properties"]["title"].update(type="object"),
    "a request's field is removed": lambda d: _changed(d)["properties"].pop("version"),
    "a request's field becomes required": lambda d: _resource(d)["required"].append("language"),
    "a request's type is narrowed": lambda d: _changed(d)["properties"]["generation"].update(type="null"),
    "a request's type is given where there was none": lambda d: _post(d)["parameters"][0]["schema"].update(enum=["a"]),
    "a request's values are fewer": lambda d: d["components"]["schemas"]["Validated"]["properties"]["op"]["enum"].pop(),
    "a request's pattern is another": lambda d: _changed(d)["properties"]["id"].update(pattern="^x$"),
    "a request's length is less": lambda d: _post(d)["parameters"][0]["schema"].update(maxLength=8),
    "a request's least number is more": lambda d: _changed(d)["properties"]["generation"].update(minimum=1),
    "a request takes no further fields": lambda d: _resource(d).update(additionalProperties=False),
    "a request's alternative is removed": lambda d: _body(d)["anyOf"].pop(),
    "a request's media type is removed": lambda d: _post(d)["requestBody"]["content"].clear(),
    "a parameter is removed": lambda d: _post(d)["parameters"].pop(),
    "a parameter becomes required": lambda d: _post(d)["parameters"][1].update(required=True),
    "a parameter is new and required": lambda d: _post(d)["parameters"].append(
        {"name": "x-new", "in": "header", "required": True, "schema": {"type": "string"}}
    ),
    "another credential is asked for": lambda d: _post(d).update(security=[{"pushToken": []}]),
    "a body is asked for": lambda d: _post(d, "/v1/tasks/reconcile").update(requestBody={"required": True}),
}
HARMLESS: dict[str, Callable[[Any], object]] = {
    "a new path": lambda d: d["paths"].update({"/v1/new": d["paths"][HOOK]}),
    "a new answer": lambda d: _post(d)["responses"].update({"418": {"description": "?"}}),
    "a new error code": lambda d: _problem(d)["properties"]["code"]["enum"].append("new-code"),
    "a new field in an answer": lambda d: _problem(d)["properties"].update(detail={"type": "string"}),
    "a new field that may be sent": lambda d: _changed(d)["properties"].update(more={"type": "string"}),
    "a new parameter that may be sent": lambda d: _post(d)["parameters"].append(
        {"name": "x-new", "in": "header", "schema": {"type": "string"}}
    ),
    "a field that need not be sent any more": lambda d: _changed(d)["required"].remove("version"),
    "a longer text": lambda d: _post(d)["parameters"][0]["schema"].update(maxLength=80),
    "another alternative": lambda d: _body(d)["anyOf"].append({"type": "string"}),
    "other words": lambda d: _post(d).update(summary="Other words."),
}
# What may go, once it has stood in a release as deprecated: how it is marked, and how it goes.
RETIRED: dict[str, tuple[Callable[[Any], object], Callable[[Any], object]]] = {
    "an endpoint": (lambda d: _post(d).update(deprecated=True), lambda d: d["paths"].pop(HOOK)),
    "an answer's field": (
        lambda d: _problem(d)["properties"]["instance"].update(deprecated=True),
        lambda d: (_problem(d)["properties"].pop("instance"), _problem(d)["required"].remove("instance")),
    ),
    "a request's field": (
        lambda d: _changed(d)["properties"]["version"].update(deprecated=True),
        lambda d: (_changed(d)["properties"].pop("version"), _changed(d)["required"].remove("version")),
    ),
    "a parameter": (
        lambda d: _post(d)["parameters"][2].update(deprecated=True),
        lambda d: _post(d)["parameters"].pop(2),
    ),
    "an answer": (
        lambda d: _post(d)["responses"]["429"].update({"x-deprecated": True}),
        lambda d: _post(d)["responses"].pop("429"),
    ),
}


def _with(change: Callable[[Any], object], document: Any = RELEASED) -> Any:
    made = copy.deepcopy(document)
    change(made)
    return made


def test_todays_contract_breaks_nobody() -> None:
    assert breaks(RELEASED, TODAY) == [], "deprecate first, release (./dev openapi --release), then remove"


@pytest.mark.parametrize("what", BREAKING)
def test_it_is_noticed_when(what: str) -> None:
    assert breaks(RELEASED, _with(BREAKING[what]))


@pytest.mark.parametrize("what", HARMLESS)
def test_nothing_is_broken_by(what: str) -> None:
    assert breaks(RELEASED, _with(HARMLESS[what])) == []


@pytest.mark.parametrize("what", RETIRED)
def test_what_was_released_as_deprecated_may_go_and_not_before(what: str) -> None:
    mark, remove = RETIRED[what]
    marked = _with(mark)
    assert breaks(RELEASED, marked) == []
    assert breaks(marked, _with(remove, marked)) == []
    assert breaks(RELEASED, _with(remove, marked)), "marked and removed in one release"
