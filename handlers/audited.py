"""Every act that becomes an AuditEvent in Medplum, each with an example: docs/audit.md is made from it, and tests run over it.

shared/fhir/audit.py ─► an example of each act ─► docs/audit.md, tests/shared/fhir/test_audit.py
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from shared.events.data import Act, Disclosure, ErasureOrdered, OperationAudited, OperationExported
from shared.fhir.audit import BALP, Site, audit_event, erasure_event, operation_event

_AT = datetime(2026, 11, 23, 10, tzinfo=UTC)
_TRACE = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
_SITE = Site("https://clinical.example", "https://medplum.example", "https://bigquery.googleapis.com")
_TO = Disclosure(tenant="clinic", key_id="k1", policy="safe-harbor", policy_hash="b3" * 16)


@dataclass(frozen=True, slots=True)
class Audited:
    """`what` happens, `by` which handler or command; `once` for what; and the resource that is written of it."""

    what: str
    by: str
    once: str
    make: Callable[[], Any]

    @property
    def profile(self) -> str:
        """The BALP profile that it claims; empty: none."""
        [claimed] = self.make().get("meta", {}).get("profile", [""])
        return str(claimed).removeprefix(BALP)


def act(action: Any, type: str = "Observation", patient: str | None = "p1", **more: Any) -> Act:
    """An act of a handler's, as an example."""
    given: dict[str, Any] = {"id": "o1", "version": "v1", "disclosure": None} | more
    return Act(
        event="ac" * 32,
        correlation=_TRACE,
        type=type,
        patient=patient,
        action=action,
        handler="deid",
        purpose="de-identification",
        at=_AT,
        **given,
    )


def _acted(action: Any, **more: Any) -> Any:
    return audit_event(act(action, **more), _SITE, correlation=_TRACE)


def _operated(action: Any) -> Any:
    said = (OperationExported if action == "export" else OperationAudited)(
        project="clinic",
        action=action,
        stage="ended",
        plan="5f" * 16,
        messages=12,
        by="ann@clinic.example",
        reason="INC-12",
        outcome="done",
        at=_AT,
    )
    return operation_event(said, correlation=_TRACE)


def _ordered() -> Any:
    order = ErasureOrdered(
        project="clinic", patient="p1", order="6e" * 16, round=1, dry_run=False, by="ann", reason="request 12", at=_AT
    )
    return erasure_event(order, correlation=_TRACE)


_EVENT = "event and handler"
ACTS: tuple[Audited, ...] = (
    Audited("a patient's version is read", "validation, deid, text", _EVENT, partial(_acted, "vread")),
    Audited(
        "nobody's version is read",
        "validation, deid, text",
        _EVENT,
        partial(_acted, "vread", type="Practitioner", patient=None),
    ),
    Audited(
        "a patient's record is read for a text about him",
        "deid, text",
        _EVENT,
        partial(_acted, "read", type="Patient", version=None),
    ),
    Audited(
        "a history is read to confirm a deletion",
        "validation",
        _EVENT,
        partial(_acted, "history", version=None, patient=None),
    ),
    Audited(
        "resources are walked over", "reconcile", "walk", partial(_acted, "search", id=None, version=None, patient=None)
    ),
    Audited("a patient's row leaves", "deid, text", "event and dataset", partial(_acted, "disclose", disclosure=_TO)),
    Audited(
        "nobody's row leaves",
        "deid, text",
        "event and dataset",
        partial(_acted, "disclose", patient=None, disclosure=_TO),
    ),
    Audited("a deletion is told", "deid", "event and dataset", partial(_acted, "delete", patient=None, disclosure=_TO)),
    Audited("dead letters are sent again", "an operator", "plan and stage", partial(_operated, "replay")),
    Audited("dead letters are thrown away", "an operator", "plan and stage", partial(_operated, "purge")),
    Audited("records of dead letters are copied", "an operator", "copy and stage", partial(_operated, "export")),
    Audited("a plan is approved", "a second operator", "plan", partial(_operated, "approve")),
    Audited("a plan is called off", "an operator", "plan", partial(_operated, "cancel")),
    Audited("an erasure has ended", "an operator", "order", partial(_operated, "erase")),
    Audited("a patient is to be erased", "an operator", "order", _ordered),
)


def rows() -> list[tuple[str, ...]]:
    """Of each act: who does it, and what its AuditEvent says."""
    return [
        (
            one.what,
            one.by,
            one.once,
            one.profile or "-",
            f"`{event['type']['code']}`",
            ", ".join(f"`{kind['code']}`" for kind in event["subtype"]),
            f"`{event['action']}`",
            ", ".join(_named(entity) for entity in event["entity"]),
        )
        for one in ACTS
        for event in (one.make(),)
    ]


def _named(entity: Any) -> str:
    role = {"1": "patient", "4": "the resource", "13": "the policy", "20": "the plan or order", "24": "the query"}
    return role[entity["role"]["code"]]
