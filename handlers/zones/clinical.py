"""Zone clinical: whoever may see PHI. Only here are the FHIR layer and the door even imported."""

from contextlib import AsyncExitStack

from handlers import audit, deid, erase, validation
from handlers.endpoints import World
from handlers.reconcile.endpoint import Task
from handlers.reconcile.wiring import rounds
from handlers.zones.wiring import Called
from shared.accounts import Accounts
from shared.deid.door import open_doors
from shared.deid.text.dlp import Dlp
from shared.deid.text.texts import Texts
from shared.erasures.port import Erasures
from shared.fhir.audit import Site
from shared.fhir.client import MedplumClient
from shared.fhir.reading import Reading
from shared.fhir.records import Records
from shared.fhir.validation import Validator
from shared.identity.event_ids import EventIds
from shared.ledger.port import Ledger
from shared.settings import Settings, key_bytes
from shared.sinks.port import AuditWriter
from shared.subscriber import NOTHING, Subscription
from shared.tenancy import ByProject

_WAREHOUSE = "https://bigquery.googleapis.com"


async def open(
    world: World, stack: AsyncExitStack, called: Called, ledger: Ledger, erasures: Erasures, accounts: Accounts
) -> AuditWriter:
    """The handlers, and what a scheduler asks for. Answers with Medplum, where the accounts of access are written."""
    settings, now = world.settings, called.now
    medplum = MedplumClient(
        called.http, settings.medplum_url, settings.tenants, settings.resource_limit, settings.deadline
    )
    ids = ByProject({tenant.project: EventIds(key_bytes(tenant.event_key)) for tenant in settings.tenants})
    doors = ByProject({tenant.project: open_doors(tenant) for tenant in settings.tenants})
    for_validation = Reading(medplum, ids, "validation", "validation", now)
    for_deid = Reading(medplum, ids, "deid", "de-identification", now)
    for_text = Reading(medplum, ids, "text", "de-identification", now)
    texts = await _texts(settings, stack)

    def prose(on: Subscription) -> deid.Prose | None:
        records = Records(medplum, ids, on.handler, now, accounts.note)
        return None if texts is None else deid.Prose(records, texts)

    projects = {tenant.name: tenant.project for tenant in settings.tenants}
    world.serve(
        validation.validate.bind(
            for_validation.read(),
            validator=Validator(settings.rules),
            ids=ids,
            doors=doors,
            outcomes=settings.outcomes,
        ),
        deid.deidentify.bind(for_deid.read(), doors=doors, ids=ids, prose=prose(deid.ON), erasures=erasures),
        deid.retext.bind(for_text.read(), doors=doors, prose=prose(deid.TEXT), erasures=erasures),
        audit.audit.bind(
            NOTHING, site=Site(settings.public_url, settings.medplum_url, settings.bigquery_url or _WAREHOUSE)
        ),
        audit.audit_operation.bind(NOTHING, projects=projects),
        erase.erase.bind(
            NOTHING, doors={name: doors[project] for name, project in projects.items()}, projects=projects
        ),
    )
    # Reconcile sees ids and versions, and the keys of the warehouse.
    sweeps = rounds(
        settings,
        stack,
        http=called.http,
        publisher=called.publisher,
        ledger=ledger,
        doors=doors,
        patience=settings.deadline,
    )
    world.reconcile = Task(settings, called.tokens, sweeps)
    return medplum


async def _texts(settings: Settings, stack: AsyncExitStack) -> Texts | None:
    """Who scrubs free text; None where none may leave."""
    match settings.text:
        case "withhold":
            return None
        case "local":
            return Texts()
        case "dlp":
            dlp = Dlp(
                settings.gcp_project,
                settings.dlp_location,
                endpoint=settings.dlp_endpoint,
                requests_per_minute=settings.dlp_per_minute,
            )
            stack.push_async_callback(dlp.close)
            if settings.dlp_endpoint or not settings.local:
                await dlp.warm()
            return Texts(dlp)
