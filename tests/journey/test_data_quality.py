"""What is odd is counted beyond the door and told in Medplum; what is wrong is set aside by its rule; nobody is named."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from handlers.demo.stack import PROJECT, Stack, embedded
from shared.events.envelope import Message
from tests.journey.rest import at_rest, shown

pytestmark = pytest.mark.xdist_group("demo")

_QUALITY = "quality.found--quality"


def _pulse(value: float, **quantity: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4", "display": "Canarydisplay"}]},
        "subject": {"reference": "Patient/canary"},
        "effectiveDateTime": "2026-11-20",
        "valueQuantity": {"value": value, **quantity},
    }


async def test_findings_reach_the_analysts_as_counts_and_the_ward_as_tasks(tmp_path: Path) -> None:
    messages: list[tuple[str, Message]] = []
    async with embedded(
        tmp_path, faults=None, observe=lambda topic, message: messages.append((topic, message)), outcomes="task"
    ) as stack:
        for client in stack.tenant.auditors:
            rules = [
                {"resourceType": type, "interaction": ["create", "search", "read"]} for type in ("AuditEvent", "Task")
            ]
            stack.medplum.grant(PROJECT, client.id, *rules)
        ucum = {"system": "http://unitsofmeasure.org", "code": "/min"}
        good, odd, wrong = (
            stack.medplum.create(PROJECT, one) for one in (_pulse(70.25, **ucum), _pulse(70.25), _pulse(-70.25, **ucum))
        )
        await at_rest(stack)
        async with asyncio.timeout(20):
            while stack.pubsub.stats()[_QUALITY].backlog or len(_quality(stack)) < 3:
                await asyncio.sleep(0.1)
        assert shown(stack) == 2
        assert _quality(stack) == [
            ("heart-rate-bounds", "error", "Observation", 1, 1),
            ("heart-rate-unit", "warning", "Observation", 1, 1),
            ("heart-rate-usual", "warning", "Observation", 1, 1),
        ]
        [aside] = [json.loads(message.data) for topic, message in messages if topic == "validation.quarantine"]
        assert (aside["rule"], aside["at"]) == ("heart-rate-bounds", "Observation.valueQuantity")

        beyond = [message for topic, message in messages if topic == "quality.found"]
        assert len(beyond) == 2
        text = repr(beyond)
        named = [str(one["id"]) for one in (good, odd, wrong)] + [
            message.attributes["ce-id"] for _, message in messages[:3]
        ]
        assert not any(one in text for one in (*named, "70.25", "Canary", "canary", "2026-11-20", PROJECT))

        tasks: list[Any] = [*stack.medplum.newest(PROJECT, "Task", 10)]
        assert {one["focus"]["reference"].split("/")[1] for one in tasks} == {odd["id"], wrong["id"]}
        assert len(tasks) == 2
        assert "70.25" not in json.dumps(tasks)


def _quality(stack: Stack) -> list[tuple[object, ...]]:
    table = f"`{stack.settings.gcp_project}.clinic.data_quality`"
    found = stack.warehouse.rows(f"SELECT rule, severity, resource_type, versions, findings FROM {table} ORDER BY rule")
    return [(rule, severity, type, int(versions), int(findings)) for rule, severity, type, versions, findings in found]
