"""What an event says: one frozen model for each type, with the topics after which the types are named.

On the clinical side an event is a reference (project, type, id, version), never a resource; beyond the door it is a row
that only `shared.deid` can have made. The models are strict and closed: an unknown field is an error, so that nothing
rides along unseen.
"""

import re
from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")


def _instant(text: str) -> str:
    """A FHIR `instant` (R4 datatypes): to the second or finer, with its zone, and a real point in time."""
    if not _INSTANT.fullmatch(text):
        raise ValueError("not an instant")
    datetime.fromisoformat(text)
    return text


def _no_step(text: str) -> str:
    """R4's `id` allows dots; alone they are steps in a path, and an id becomes a part of a URL's."""
    if text in (".", ".."):
        raise ValueError("not an id")
    return text


Project = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9\-\.]{1,64}$")]
ResourceType = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Za-z]{1,63}$")]
FhirId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9\-\.]{1,64}$"), AfterValidator(_no_step)]
Instant = Annotated[str, AfterValidator(_instant)]
Generation = Annotated[int, Field(ge=0, lt=2**48)]  # policy epoch × 2^16 + text attempt
Keyed = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16,64}$")]  # an HMAC, in hex
Handler = Annotated[str, StringConstraints(pattern=r"^[a-z]{1,16}$")]
Policy = Annotated[str, StringConstraints(pattern=r"^[a-z\-]{1,32}$")]
Operator = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._@+\-]{1,80}$")]
Correlation = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
RuleId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9\-]{1,64}$")]  # of shared/rules.py
Count = Annotated[int, Field(ge=1)]
Sequence = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{1,16}(/[0-9a-f]{1,16}){0,3}$")]  # BigQuery CDC


class Data(BaseModel):
    """The data of an event. JSON names are camelCase, as FHIR's are."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        hide_input_in_errors=True,
        alias_generator=to_camel,
        validate_by_name=True,
        serialize_by_alias=True,
        defer_build=True,  # of two dozen models a zone uses a few: each is built at its first event, in about a millisecond
    )
    TYPE: ClassVar[str]

    def identity(self) -> tuple[object, ...]:
        """What makes this content itself: the same event id with another identity is a reused key (design §4.6)."""
        return (self.model_dump_json(),)


class Reference(Data):
    """A version of a resource, as the clinical side names it."""

    project: Project
    type: ResourceType
    id: FhirId
    version: FhirId
    last_updated: Instant
    generation: Generation


class Changed(Reference):
    """fhir.changed: a write that Medplum told us of."""

    TYPE = "io.starvit.fhir.resource.changed.v1"


class DeletionClaimed(Data):
    """fhir.changed: somebody who knows the webhook's secret says that a resource was deleted. To be confirmed."""

    TYPE = "io.starvit.fhir.resource.deletion-claimed.v1"
    project: Project
    subscription: str = Field(pattern=r"^[A-Za-z0-9\-]{1,64}$")
    type: ResourceType
    id: FhirId
    generation: Generation


class Validated(Reference):
    """fhir.validated: a version that passed, or a deletion that Medplum confirmed.

    For a deletion, `version` and `last_updated` are those of the last version before it.
    """

    TYPE = "io.starvit.fhir.resource.validated.v1"
    op: Literal["write", "delete"]


class Accessed(Data):
    """fhir.accessed: our service read PHI. Becomes one AuditEvent in Medplum. A search names a type and no id.

    Of before accesses travelled together (`Accounted`); still taken, no longer sent.
    """

    TYPE = "io.starvit.fhir.resource.accessed.v1"
    project: Project
    type: ResourceType
    id: FhirId | None
    version: FhirId | None
    action: Literal["read", "vread", "history", "search"]
    handler: Handler
    purpose: Literal["validation", "de-identification", "reconciliation"]
    at: AwareDatetime = Field(strict=False)  # when the first of perhaps several attempts read it

    def identity(self) -> tuple[object, ...]:
        """All but the time: a retry reads again, and it is the same access."""
        return (self.project, self.type, self.id, self.version, self.action, self.handler)


class Disclosure(BaseModel):
    """To which dataset a row went, or its end was told: the tenant's public name, the key's, and the policy's."""

    model_config = Data.model_config
    tenant: Project
    key_id: str = Field(max_length=64)
    policy: Policy
    policy_hash: Keyed


class Act(BaseModel):
    """One thing done with PHI: it was read, a row made of it was disclosed, or its deletion was told.

    `event` is its own event id, under which its AuditEvent is known again; `patient` whose it is, where that is known.
    """

    model_config = Data.model_config
    event: Keyed
    correlation: Correlation
    type: ResourceType
    id: FhirId | None
    version: FhirId | None
    patient: FhirId | None
    action: Literal["read", "vread", "history", "search", "disclose", "delete"]
    handler: Handler
    purpose: Literal["validation", "de-identification", "reconciliation"]
    at: AwareDatetime = Field(strict=False)  # when the first of perhaps several attempts did it
    disclosure: Disclosure | None


class Accounted(Data):
    """fhir.accessed: what our service did with PHI of one project; each act becomes one AuditEvent in Medplum.

    Acts of the requests in flight travel together, in whatever company: it is the act that has an id, not the company.
    """

    TYPE = "io.starvit.fhir.resource.accessed.v2"
    project: Project
    acts: tuple[Act, ...] = Field(min_length=1, max_length=100)

    def identity(self) -> tuple[object, ...]:
        """The acts by their ids, which say all but the time: a retry reads again, and it is the same act."""
        return (self.project, *(act.event for act in self.acts))


class Safe(Data):
    """A row that has passed the door. `project` is the tenant's public name, not Medplum's id."""

    project: Project
    resource_type: ResourceType
    key: Keyed
    sequence: Sequence
    version: Keyed
    generation: Generation
    deleted: bool
    policy: Policy
    policy_hash: Keyed
    key_id: str
    resource: dict[str, object] | None

    def identity(self) -> tuple[object, ...]:
        """Key and sequence: a re-run of the door under the same generation makes the same row."""
        return (self.project, self.resource_type, self.key, self.sequence)


class Deidentified(Safe):
    """fhir.deidentified: a row on its way from the door to the warehouse."""

    TYPE = "io.starvit.fhir.resource.deidentified.v1"


class Row(Safe):
    """fhir.deidentified.<tenant>: a row that the warehouse has, for whoever subscribes.

    It says today what `Deidentified` says. It is a type of its own because it is a promise to others: ours may change
    with a release of ours, this one only as tests/test_events.py allows.
    """

    TYPE = "io.starvit.public.row.v1"


class ErasureOrdered(Data):
    """privacy.erase: a patient is to be forgotten. `project` is the tenant's public name, `patient` Medplum's id.

    An order goes in rounds: each erases what it finds, and the one that finds nothing is the proof. `at` is the order's
    own time, the same in every round.
    """

    TYPE = "io.starvit.privacy.erase.v1"
    project: Project
    patient: FhirId
    order: Keyed
    round: int = Field(ge=1, le=1000)
    dry_run: bool
    by: Operator
    reason: str = Field(max_length=200)
    at: AwareDatetime = Field(strict=False)

    def identity(self) -> tuple[object, ...]:
        """All but the patient: the order's random name stands for him, and the ledger keeps no hash of an id."""
        return (self.project, self.order, self.round, self.dry_run)


class Erasure(Data):
    """fhir.deidentified: erase whatever one dataset has of the patient of this pseudonym, and let nothing of him in again.

    `datasets`: of how many the order is, so that who waits for the proof knows when it is whole.
    """

    TYPE = "io.starvit.privacy.erasure.v1"
    project: Project
    key_id: str
    patient: Keyed
    order: Keyed
    round: int = Field(ge=1, le=1000)
    datasets: int = Field(ge=1, le=1000)
    dry_run: bool
    policy: Policy
    policy_hash: Keyed
    at: AwareDatetime = Field(strict=False)


class Committed(Data):
    """analytics.committed: the warehouse has the row."""

    TYPE = "io.starvit.analytics.committed.v1"
    project: Project
    key_id: str
    resource_type: ResourceType
    key: Keyed
    sequence: Sequence
    deleted: bool


class Operation(Data):
    """ops.audit: what an operator did; of each kind there is a type below. Becomes an AuditEvent in Medplum.

    `project` is the tenant's public name, or "-" where messages name none: then every tenant's record has it.
    """

    project: Project
    action: str
    stage: Literal["begun", "ended"]
    plan: Keyed
    messages: int = Field(ge=0)
    by: Operator
    reason: str = Field(max_length=200)
    outcome: Literal["", "done", "stopped", "cancelled"]
    at: AwareDatetime = Field(strict=False)


class OperationAudited(Operation):
    """An operator moved dead letters of a tenant, or said that another may; or had a patient erased, then `plan` is the order."""

    TYPE = "io.starvit.ops.audited.v1"
    action: Literal["replay", "purge", "approve", "cancel", "erase"]


class OperationExported(Operation):
    """An operator took a copy of the records of a tenant's dead letters; `plan` is the copy's own name.

    A type of its own: an older reader of `OperationAudited` would refuse an action that it does not know.
    """

    TYPE = "io.starvit.ops.exported.v1"
    action: Literal["export"]


class Quarantined(Data):
    """<handler>.quarantine: a message set aside under a code.

    `event` is the event's own data if it parsed: a reference on the clinical side, a safe row beyond the door. What did
    not parse is not kept: it could hold anything.
    """

    TYPE = "io.starvit.quarantined.v1"
    handler: str
    topic: str
    code: str
    at: str  # a FHIRPath, attribute or field name
    event_id: str | None
    event_type: str | None
    event: dict[str, object] | None


class RuleBroken(Quarantined):
    """validation.quarantine: a version set aside by a rule, of R4's or ours; the first that it broke.

    A type of its own, since a closed one takes no new field: a reader of `Quarantined` may be older than this.
    """

    TYPE = "io.starvit.quarantined.v2"
    rule: RuleId


class QualityFound(Data):
    """quality.found: what validation found in a version of some resource. Which one, and whose, is not said.

    `project` is the tenant's public name. The event's id is derived with the dataset's key and is nowhere else. The rules
    that were broken, each with how often: `errors` set the version aside, `warnings` did not.
    """

    TYPE = "io.starvit.quality.found.v1"
    project: Project
    key_id: str
    resource_type: ResourceType
    generation: Generation
    errors: dict[RuleId, Count]
    warnings: dict[RuleId, Count]


DATA: dict[str, type[Data]] = {
    model.TYPE: model
    for model in (
        *(Changed, DeletionClaimed, Validated, Accessed, Accounted, Deidentified, Row, Committed),
        *(OperationAudited, OperationExported, Quarantined, RuleBroken, ErasureOrdered, Erasure, QualityFound),
    )
}
