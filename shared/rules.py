"""The ids of all validation rules, R4's and ours: the closed list by which events, metrics and operators know them.

    schemas/validation/*.toml, R4's own ─► schemas/validation/index.json (generated, held by a test) ─► [this]

It stands here because beyond the door, and in telemetry, nothing may import the FHIR layer: the ids are all they need.
"""

from pathlib import Path

import orjson

INDEX = Path(__file__).parents[1] / "schemas" / "validation" / "index.json"

TEXTS: dict[str, str] = orjson.loads(INDEX.read_bytes())  # id → what the rule says
RULES = frozenset(TEXTS)
