"""schemas/openapi/v1.json is the contract: it is generated from the endpoints, and it is current."""

import json
from pathlib import Path
from typing import Any

import pytest

from handlers import catalog
from handlers.contract import render
from shared.errors import Code

PATH = Path(__file__).resolve().parents[1] / "schemas" / "openapi" / "v1.json"
DOCUMENT: dict[str, Any] = json.loads(PATH.read_text())


def test_the_file_is_what_the_endpoints_say() -> None:
    assert PATH.read_text() == render(), "run ./dev openapi"


def test_every_handler_of_the_catalog_has_its_endpoint() -> None:
    assert {on.path for on in catalog.subscriptions()} <= set(DOCUMENT["paths"])


@pytest.mark.parametrize("path", [path for path in DOCUMENT["paths"] if "/health/" not in path])
def test_every_endpoint_asks_who_is_calling_and_answers_in_the_one_error_model(path: str) -> None:
    operation = DOCUMENT["paths"][path]["post"]
    [requirement] = operation["security"]
    assert set(requirement) <= set(DOCUMENT["components"]["securitySchemes"])
    for status, answer in operation["responses"].items():
        if status != "204":
            assert list(answer["content"]) == ["application/problem+json"], status
    assert {"204", "401", "413", "500", "503"} <= set(operation["responses"])


def test_the_problem_schema_knows_every_code() -> None:
    assert DOCUMENT["components"]["schemas"]["Problem"]["properties"]["code"]["enum"] == sorted(c.slug for c in Code)
