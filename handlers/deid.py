"""De-identify a validated version and hand the row to analytics. The last handler that sees PHI.

    fhir.validated    ─► [this] ─► fhir.deidentified
    fhir.text-pending ─► [text]      └► fhir.text-pending, when the scrubber is down: the row flows now, its text later

Beyond this door nothing joins back: the event id, the correlation id and the ordering key are new, derived with the
pseudonym key of the dataset, and the trace is another one. A tenant may have several datasets, each with its own
policy and key: a version becomes a row in each, and the rows of two can not be joined. A row whose text came later
has the next generation, and so wins. Of a patient who was erased nothing leaves any more (handlers/erase.py).
"""

from collections.abc import Sequence

from msgspec import Struct

from shared.deid.door import Door, Scrubbed, texts_of
from shared.deid.row import SafeRow, erased, patients
from shared.deid.text.texts import Texts
from shared.effects import Disclose, Effect, Publish, Supersede
from shared.erasures.port import Erasures
from shared.errors import Code, Problem
from shared.events.data import Disclosure, Validated
from shared.events.envelope import Event
from shared.fhir.port import Deletion, Resource
from shared.fhir.reading import Given
from shared.fhir.records import Records
from shared.fhir.subject import patient_of
from shared.identity.event_ids import EventIds
from shared.phi import Phi
from shared.settings import Zone
from shared.subscriber import Scope, Subscription, subscribes
from shared.tenancy import ByProject

PENDING = "fhir.text-pending"
_SCOPES = frozenset({Scope.MEDPLUM_READ, Scope.DLP, Scope.PUBLISH, Scope.EVENT_KEYS, Scope.PSEUDONYM_KEYS})

ON = Subscription(
    handler="deid",
    topic="fhir.validated",
    zone=Zone.CLINICAL,
    takes=(Validated,),
    publishes=("fhir.deidentified", "fhir.accessed", PENDING),
    scopes=_SCOPES,
)
TEXT = Subscription(
    handler="text",
    topic=PENDING,
    zone=Zone.CLINICAL,
    takes=(Validated,),
    publishes=("fhir.deidentified", "fhir.accessed"),
    scopes=_SCOPES,
)


class Prose(Struct, frozen=True):
    """What free text needs: the patients' records and a scrubber. None of it where text is withheld on purpose."""

    records: Records
    texts: Texts


@subscribes(ON)
async def deidentify(
    event: Event[Validated],
    given: Given,
    *,
    doors: ByProject[tuple[Door, ...]],
    ids: ByProject[EventIds],
    prose: Prose | None,
    erasures: Erasures,
) -> Sequence[Effect]:
    """A row for each dataset: the de-identified resource, or a tombstone. Text that can not be scrubbed now comes later."""
    here = doors[event.data.project]
    try:
        return await _rows(here, event, given, await _prose(here, event, given, prose), erasures)
    except Problem as problem:
        if problem.code is not Code.DLP_DOWN:
            raise
    # The pending text comes first: a crash between the publishes repeats them, and loses none.
    return [_pending(event.data, ids[event.data.project]), *await _rows(here, event, given, None, erasures)]


@subscribes(TEXT)
async def retext(
    event: Event[Validated],
    given: Given,
    *,
    doors: ByProject[tuple[Door, ...]],
    prose: Prose | None,
    erasures: Erasures,
) -> Sequence[Effect]:
    """The rows again, now with their text. Waits (Pub/Sub delivers again) while the scrubber is down."""
    here = doors[event.data.project]
    return await _rows(here, event, given, await _prose(here, event, given, prose), erasures)


async def _prose(
    doors: Sequence[Door], event: Event[Validated], given: Given, prose: Prose | None
) -> Phi[Scrubbed] | None:
    """What may leave of each free text. Raises Problem DLP_DOWN, and those of reading the patient's record."""
    if prose is None or given is None or isinstance(given, Deletion):
        return None
    texts = texts_of(doors, event.data, given)
    if texts is None:
        return None
    return await prose.texts.scrubbed(texts, await _record(doors[0], event, given, prose.records))


async def _record(door: Door, event: Event[Validated], given: Phi[Resource], records: Records) -> Phi[Resource] | None:
    if event.data.type == "Patient":
        return given
    patient = door.patient(given)
    return None if patient is None else await records.of(event, patient)


async def _rows(
    doors: Sequence[Door], event: Event[Validated], given: Given, prose: Phi[Scrubbed] | None, erasures: Erasures
) -> list[Effect]:
    if isinstance(given, Deletion):
        raise Problem(Code.UNKNOWN_TYPE, "ce-type")
    effects: list[Effect] = []
    barred = False
    patient = patient_of(event.data.type, event.data.id, given)
    for door in doors:
        row = door.row(event.data, given, prose)
        if names := await erasures.among(row.project, row.key_id, patients(row)):
            effects.append(_barred(door, event, row))
        else:
            effects.append(_published(door, event, row, patient))
        barred |= bool(names)
    return [*effects, Supersede(Code.ERASED, "patient")] if barred else effects


def _barred(door: Door, event: Event[Validated], row: SafeRow) -> Publish:
    """In the place of a row of an erased patient: that its key stays empty, so that reconcile does not miss it.

    The id is the key's, so that the second version of the resource is a duplicate of the first."""
    tombstone = erased(row.resource_type, row.key, row)
    id = door.pseudonyms.event(f"erased/{row.resource_type}/{row.key}")
    correlation = door.pseudonyms.correlation(event.correlation)
    return Publish("fhir.deidentified", id, tombstone.event(), ordering_key=row.key, correlation=correlation)


def _published(door: Door, event: Event[Validated], row: SafeRow, patient: str | None) -> Publish:
    """The row leaves, which is accounted for on the clinical side; the record's id tells nothing beyond the door."""
    to = Disclosure(tenant=row.project, key_id=row.key_id, policy=row.policy, policy_hash=row.policy_hash)
    return Publish(
        "fhir.deidentified",
        door.pseudonyms.event(event.id),
        row.event(),
        ordering_key=row.key,
        correlation=door.pseudonyms.correlation(event.correlation),
        disclose=Disclose(door.pseudonyms.event(f"disclosed/{event.id}"), event.data, patient, to),
    )


def _pending(version: Validated, ids: EventIds) -> Publish:
    """The same version under the next generation: its row will win over the one without text."""
    later = version.model_copy(update={"generation": version.generation + 1})
    id = ids.change(later.project, later.type, later.id, later.version, later.generation)
    return Publish(PENDING, id, later, ordering_key=ids.ordering(later.type, later.id))
