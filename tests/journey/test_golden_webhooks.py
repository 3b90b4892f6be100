"""Twenty requests that a real Medplum sent, through our ingress: the right verdict, the right event, no body in a log."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from shared.errors import Code
from shared.settings import Tenant
from tests.journey.edge import edge
from tests.tenant import EVENT_KEY

GOLDEN = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "medplum" / "golden-webhooks.json"
RECORDED: list[dict[str, Any]] = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else []
BODY_TEXT = ("Müller", "M\\u00fcller", "Zo", "1980-02-03", "loinc", "urn:mrn", "X-Amz", "Signature=")


def _project(recorded: dict[str, Any]) -> str | None:
    body = json.loads(recorded["body"] or "{}")
    project = body.get("meta", {}).get("project")
    return str(project) if project else None


def _tenants() -> tuple[Tenant, ...]:
    """Each project with the subscriptions that served it, and the secrets that they were given."""
    paths = {r["path"].strip("/"): r["secret"] for r in RECORDED if r["secret"]}
    projects = {r["path"].strip("/"): _project(r) for r in RECORDED if _project(r)}
    made: dict[str, dict[str, tuple[str, ...]]] = {}
    for path, secret in paths.items():
        made.setdefault(projects.get(path) or "unseen", {})[path] = (secret,)
    return tuple(
        Tenant.model_validate(
            {"project": project, "name": f"t{n}", "dataset": f"t{n}", "event_key": EVENT_KEY, "webhooks": hooks}
        )
        for n, (project, hooks) in enumerate(made.items())
    )


def _expected(recorded: dict[str, Any]) -> tuple[int, str | None]:
    """The status and the event type that a recorded request must lead to."""
    if recorded["method"] == "GET":  # what fetch makes of a POST after a 302
        return Code.METHOD_NOT_ALLOWED.status, None
    if not recorded["secret"]:
        return Code.BAD_SIGNATURE.status, None
    kind = "deletion-claimed" if recorded["body"] == "{}" else "changed"
    return 204, f"io.starvit.fhir.resource.{kind}.v1"


@pytest.mark.skipif(not RECORDED, reason="the recorded webhooks are not beside this checkout")
async def test_every_recorded_webhook_is_judged_and_named_rightly(capfd: pytest.CaptureFixture[str]) -> None:
    assert len(RECORDED) == 20
    ids: dict[str, str] = {}
    async with edge("ingress", tenants=_tenants()) as here:
        for recorded in RECORDED:
            before = len(here.published)
            path = f"/v1/webhooks/medplum/{recorded['path'].strip('/')}"
            headers = [(name, value.encode()) for name, value in recorded["raw_headers"] if name != "host"]
            body = base64.b64decode(recorded["body_b64"])
            answer = await here.http.request(recorded["method"], path, content=body, headers=headers)
            status, kind = _expected(recorded)
            assert answer.status_code == status, recorded["label"]
            new = here.published[before:]
            assert [message.attributes["ce-type"] for _, message in new] == ([kind] if kind else []), recorded["label"]
            if not new:
                continue
            data = json.loads(new[0][1].data)
            ids[recorded["label"]] = new[0][1].attributes["ce-id"]
            if kind and kind.endswith("changed.v1"):
                resource = json.loads(body)
                assert (data["type"], data["id"]) == (resource["resourceType"], resource["id"])
                assert data["version"] == resource["meta"]["versionId"]
            else:
                named = dict(recorded["raw_headers"])["X-Medplum-Deleted-Resource"]
                assert f"{data['type']}/{data['id']}" == named
        assert ids["crash-duplicate-0"] == ids["crash-duplicate-1"]
        assert ids["obs-create-obs-crit"] == ids["obs-create-obs-secret"], "two subscriptions, one change"
        queued = "".join(repr(message) for _, message in here.published)
    out, err = capfd.readouterr()
    for text in BODY_TEXT:
        assert text not in out + err + queued
