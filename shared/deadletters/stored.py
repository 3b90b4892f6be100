"""Entries and plans as JSON objects: what the stores keep, and back."""

from collections.abc import Mapping
from typing import Any

from msgspec import json

from shared.deadletters.port import Entry, Plan, Stage, State


def text(record: Entry | Plan) -> str:
    """As JSON text."""
    return json.encode(record).decode()


def entry(fields: Mapping[str, Any]) -> Entry:
    """The entry that was written. A field that is not known any more is an error: a new layout takes a new store."""
    return Entry(**{**fields, "state": State(fields["state"])})


def plan(fields: Mapping[str, Any]) -> Plan:
    """The plan that was written."""
    return Plan(**{**fields, "stage": Stage(fields["stage"]), "projects": tuple(fields["projects"])})
