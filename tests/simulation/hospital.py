"""Medplum, and the people who work with it: resources are written and deleted, and webhooks told of it, or not.

    change ─► version in MemoryFhir ─► rest-hook, signed ─► ingress; tried 0, 20, 61, 141, 305 s after the change
                                         └► a version that is no longer the newest is not tried again; then forgotten

As measured of Medplum 4 (docs/decisions): five tries, none for a version that was overtaken, a deletion's body is `{}`.
"""

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import orjson

from shared.fhir.memory import MemoryFhir
from shared.fhir.port import Resource
from tests.simulation.loop import EPOCH
from tests.simulation.plan import RESOURCES, Change
from tests.simulation.process import Weather

CANARY = "Zaqcanary"  # part of every name that must not get anywhere
_TRIES = (0.0, 20.0, 61.0, 141.0, 305.0)
_ANSWER = 30.0  # seconds until a try counts as failed

type Hook = Callable[[int, list[tuple[bytes, bytes]], bytes], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Written:
    """A version, as it was written."""

    project: int
    type: str
    id: str
    version: str
    last_updated: str
    resource: Resource
    flaw: str


@dataclass(slots=True)
class Hospital:
    """`projects` are Medplum's project ids. `written` and `deleted` are the truth that the judge goes by."""

    weather: Weather
    projects: tuple[str, ...]
    secret: bytes
    hook: Hook
    fhir: MemoryFhir = field(init=False)
    written: list[Written] = field(default_factory=list)
    deleted: list[Written] = field(default_factory=list)  # the last version before each deletion
    told: set[str] = field(default_factory=set)  # versions whose webhook was answered well
    newest: dict[tuple[int, str], Written | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.fhir = MemoryFhir(self.projects)

    async def day(self) -> None:
        """All changes of the plan, in the order of their time, and their webhooks to the last try."""
        async with asyncio.TaskGroup() as hooks:
            for change in sorted(self.weather.plan.changes, key=lambda change: change.at):
                await asyncio.sleep(max(0.0, change.at - asyncio.get_running_loop().time()))
                told = self._deleted(change) if change.delete else self._written(change)
                if told and not self.weather.dice.happens(f"hook {change.number}", self.weather.plan.lost_hooks):
                    hooks.create_task(self._tell(told, change.number, delete=change.delete))

    def flaw(self, version: str) -> str:
        """What is wrong with a version."""
        return next((one.flaw for one in self.written if one.version == version), "")

    def _written(self, change: Change) -> Written:
        type, id = _name(change)
        resource = _resource(self.projects[change.project], change, type, id)
        self.fhir.put(self.projects[change.project], resource)
        meta = resource["meta"]
        assert isinstance(meta, dict)
        version = Written(
            change.project, type, id, str(meta["versionId"]), str(meta["lastUpdated"]), resource, change.flaw
        )
        self.written.append(version)
        self.newest[change.project, id] = version
        return version

    def _deleted(self, change: Change) -> Written | None:
        type, id = _name(change)
        last = self.newest.get((change.project, id))
        if last is not None:
            self.fhir.delete(self.projects[change.project], type, id)
            self.deleted.append(last)
            self.newest[change.project, id] = None
        return last

    async def _tell(self, version: Written, number: int, *, delete: bool) -> None:
        body = b"{}" if delete else orjson.dumps(_with_project(version.resource, self.projects[version.project]))
        headers = [
            (b"content-type", b"application/fhir+json"),
            (b"x-signature", hmac.new(self.secret, body, hashlib.sha256).hexdigest().encode()),
            (b"x-trace-id", str(UUID(int=self.weather.plan.seed << 32 | number)).encode()),
        ]
        if delete:
            headers.append((b"x-medplum-deleted-resource", f"{version.type}/{version.id}".encode()))
        start = asyncio.get_running_loop().time()
        for after in _TRIES:
            await asyncio.sleep(start + after - asyncio.get_running_loop().time())
            if after and self.newest.get((version.project, version.id)) is not (None if delete else version):
                return
            die = f"told {number}"
            if self.weather.dice.happens(f"{die} lost", self.weather.plan.lost_answers / 2):
                continue
            told = await self.hook(version.project, headers, body)
            if told and not delete:
                self.told.add(version.version)
            if told and not self.weather.dice.happens(f"{die} answer", self.weather.plan.lost_answers / 2):
                return


def _name(change: Change) -> tuple[str, str]:
    return ("Patient" if change.resource == 0 else "Observation"), _id(change.project, change.resource)


def _id(project: int, resource: int) -> str:
    number = project * RESOURCES + resource
    return f"{number:08x}-0000-4000-8000-{number:012x}"


def _resource(project: str, change: Change, type: str, id: str) -> Resource:
    at = datetime.fromtimestamp(EPOCH + change.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    name, number = f"{CANARY}{change.project}", change.number
    resource: dict[str, object] = {
        "resourceType": type,
        "id": id,
        "meta": {"versionId": f"{number:08x}-1111-4111-8111-{number:012x}", "lastUpdated": at, "project": project},
    }
    if type == "Patient":
        resource |= {"name": [{"family": name, "given": ["Yoqcanary"]}], "birthDate": "1950-02-03", "gender": "female"}
    else:
        resource |= {
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
            "subject": {"reference": f"Patient/{_id(change.project, 0)}"},
            "valueQuantity": {"value": 60 + number, "system": "http://unitsofmeasure.org", "code": "/min"},
        }
        if change.text:
            resource["note"] = [{"text": f"Mrs. {name} was seen, call 555-0142."}]
    if change.flaw == "invalid":
        resource["active" if type == "Patient" else "status"] = {"not": "a code"}
    return resource


def _with_project(resource: Resource, project: str) -> Resource:
    meta = resource["meta"]
    assert isinstance(meta, dict)
    return {**resource, "meta": {**meta, "project": project}}
