"""The door: PHI in, SafeRow out. Deny by default: what the policy does not name is not even looked at.

    fhir.validated → Medplum's version → [this] → a row of the warehouse

The only place that opens `Phi` for the analytics side, and the only one that makes a SafeRow from a resource. It
never fails on what a resource holds: a value that is not what R4 says stays behind. It fails (Problem) on a type that
is not of R4, and on a resource that is not the one the event names.

Free text leaves only as a scrubber gives it back (shared/deid/text): the door says which texts there are, and puts in
what came back. Left out: whether the resource is valid (the step before).
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, final

from shared.deid.calendar import oldest_year
from shared.deid.compile import Compiler
from shared.deid.patients import Patients
from shared.deid.policy import Policy, load
from shared.deid.pseudonyms import Pseudonyms
from shared.deid.row import SafeRow
from shared.deid.sequence import DELETE, WRITE, buried, sequence
from shared.deid.walk import Given, Scrub
from shared.errors import Code, Problem
from shared.events.data import Validated
from shared.fhir.elements import resource_types
from shared.fhir.port import Resource
from shared.phi import Phi

if TYPE_CHECKING:
    from shared.settings import Release, Tenant  # half a second of pydantic-settings, which `./dev deid` does without

OVER_89 = {"url": "urn:starvit:age-over-89", "valueBoolean": True}
TEXT_WITHHELD = {"url": "urn:starvit:text-withheld", "valueBoolean": True}

type Scrubbed = Mapping[str, str]  # a free text → what may leave of it


def _today() -> date:
    return datetime.now(UTC).date()


@final
class Door:
    """The door to one dataset of a tenant: one policy, one key."""

    def __init__(
        self,
        tenant_name: str,
        policy: Policy,
        pseudonyms: Pseudonyms,
        today: Callable[[], date] = _today,
        epoch: int | None = None,
    ) -> None:
        self.pseudonyms = pseudonyms
        self.tenant = tenant_name
        self.policy = policy
        self._today = today
        self._epoch = epoch
        self._rules = Compiler(policy, pseudonyms)
        self._patients = Patients(policy, pseudonyms)

    def row(self, reference: Validated, resource: Phi[Resource] | None, prose: Phi[Scrubbed] | None = None) -> SafeRow:
        """The row of a version, or the tombstone of a deletion. Raises Problem: NO_POLICY, RESOURCE_MISMATCH, POLICY_BEHIND.

        `prose` has what may leave of each free text (see `texts_of`); what is not in it is withheld, and the row says so.
        """
        if reference.type not in resource_types():
            raise Problem(Code.NO_POLICY, "resourceType")
        if self._epoch is not None and reference.generation >> 16 > self._epoch:
            raise Problem(Code.POLICY_BEHIND, "generation")  # the row would pass for one of the newer policy
        names = self.pseudonyms
        key = names.id(reference.type, reference.id)
        version = names.version(reference.type, reference.id, reference.version)
        deleted = reference.op == "delete"
        if resource is None and not deleted:
            raise ValueError("a write has a resource")  # a tombstone would hide what is there
        return SafeRow(
            project=self.tenant,
            resource_type=reference.type,
            key=key,
            sequence=sequence(
                reference.last_updated,
                DELETE if deleted else WRITE,
                version,
                reference.generation,
                names.offset_ms(key),
            ),
            version=version,
            generation=reference.generation,
            deleted=deleted,
            policy=self.policy.name,
            policy_hash=self.policy.hash,
            key_id=names.key_id,
            resource=None if deleted or resource is None else self._named(reference, resource.reveal(), prose),
        )

    def tombstone(self, resource_type: str, key: str, version: str, sequence: str, generation: int) -> SafeRow:
        """The tombstone of a row whose resource is no longer there, from the row's own keys (reconcile has no more)."""
        return SafeRow(
            project=self.tenant,
            resource_type=resource_type,
            key=key,
            sequence=buried(sequence),
            version=version,
            generation=generation,
            deleted=True,
            policy=self.policy.name,
            policy_hash=self.policy.hash,
            key_id=self.pseudonyms.key_id,
            resource=None,
        )

    @property
    def types(self) -> frozenset[str]:
        """The resource types that the policy knows."""
        return resource_types()

    def patient(self, resource: Phi[Resource]) -> Phi[str] | None:
        """The id of the Patient that a resource is about: whose record its free text is matched against."""
        return self._patients.about(resource.reveal())

    def deidentify(self, resource: Resource, scrub: Scrub | None = None) -> dict[str, object]:
        """What may leave of a resource, FHIR-shaped. Without `scrub` no free text does. Raises Problem: NO_POLICY."""
        resource_type = resource.get("resourceType")
        if type(resource_type) is not str or (rules := self._rules.of(resource_type)) is None:
            raise Problem(Code.NO_POLICY, "resourceType")
        safe: dict[str, object] = {"resourceType": resource_type}
        if (name := self.pseudonyms.resource(resource_type, resource.get("id"))) is not None:
            safe["id"] = name
        given = Given(oldest_year(self._today()), self._patients.days(resource_type, resource), scrub=scrub)
        if type(kept := rules(resource if type(resource) is dict else dict(resource), given)) is dict:
            safe |= kept
        if given.over_89:
            _mark(safe, OVER_89)
        return safe

    def _named(self, reference: Validated, resource: Resource, prose: Phi[Scrubbed] | None) -> dict[str, object]:
        """The resource that the event names, and a mark where a text of it was withheld."""
        known: Scrubbed = {} if prose is None else prose.reveal()
        withheld = False

        def scrub(text: str) -> str | None:
            nonlocal withheld
            withheld |= text not in known
            return known.get(text)

        safe = self.deidentify(_named_by(reference, resource), scrub)
        if withheld:
            _mark(safe, TEXT_WITHHELD)
        return safe


def _named_by(reference: Validated, resource: Resource) -> Resource:
    """The resource, if it is the one that the event names. Raises Problem RESOURCE_MISMATCH."""
    for place, expected in (("resourceType", reference.type), ("id", reference.id)):
        if resource.get(place) != expected:
            raise Problem(Code.RESOURCE_MISMATCH, place)
    return resource


def _mark(safe: dict[str, object], extension: Mapping[str, object]) -> None:
    others = safe.get("extension")
    safe["extension"] = [*(others if type(others) is list else ()), dict(extension)]


def texts_of(doors: Sequence[Door], reference: Validated, resource: Phi[Resource]) -> Phi[tuple[str, ...]] | None:
    """The free texts that may leave scrubbed through any of these doors, each once; None if there is none.

    Raises Problem: NO_POLICY, RESOURCE_MISMATCH.
    """
    found: dict[str, None] = {}

    def collect(text: str) -> None:
        found[text] = None

    named = _named_by(reference, resource.reveal())
    for door in doors:
        door.deidentify(named, collect)
    return Phi(tuple(found)) if found else None


def open_doors(tenant: "Tenant") -> tuple[Door, ...]:
    """The doors of a tenant, one for each dataset. Raises ValueError when one has no good pseudonym key."""

    def door(release: "Release") -> Door:
        if release.pseudonym_key is None:
            raise ValueError("the release has no pseudonym key")
        key = bytes.fromhex(release.pseudonym_key.get_secret_value())
        return Door(tenant.name, load(release.policy), Pseudonyms(key, release.key_id), epoch=tenant.epoch)

    return tuple(map(door, tenant.releases))
