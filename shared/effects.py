"""What a handler decides and the pipeline does: frozen data, so that a test reads events in, effects out.

Effects are applied in the order of the list, each before the next begins; the last is as safe to repeat as the first,
since a crash between two of them runs the list again. None of them may hold a resource: this module is imported
beyond the door.
"""

from collections.abc import Mapping

from msgspec import Struct

from shared.deid.row import SafeRow
from shared.erasures.port import Found
from shared.errors import Code
from shared.events.data import Data, Disclosure, Erasure, Reference
from shared.graph.picture import Picture
from shared.sinks.quality import QualityRow


class Disclose(Struct, frozen=True):
    """What a row that leaves is accounted for with: of which version it is, whose, and the id of this act."""

    act: str
    reference: Reference
    patient: str | None
    to: Disclosure

    def __repr__(self) -> str:  # without the FHIR ids
        return f"Disclose({self.act!r}, {self.to!r})"


class Publish(Struct, frozen=True):
    """Publish `data` to `topic` under the event id `id`.

    With `correlation` a new thread begins: the event carries that correlation id and a new trace, and nothing joins it to
    the event in hand (design §1, beyond the door). Without, it goes on with those of the event in hand. With `disclose` a
    row leaves, which is accounted for.
    """

    topic: str
    id: str
    data: Data
    ordering_key: str
    correlation: str | None = None
    disclose: Disclose | None = None


class Store(Struct, frozen=True):
    """Write the row to the warehouse: the current rows and the change log."""

    row: SafeRow


class Tally(Struct, frozen=True):
    """Count in the warehouse that a rule was broken."""

    row: QualityRow


class Record(Struct, frozen=True):
    """Create the AuditEvent, or what else accounts for something, in the project's Medplum, once for `tag`."""

    project: str
    tag: str
    audit_event: Mapping[str, object]

    def __repr__(self) -> str:  # without the AuditEvent, which names a FHIR id
        return f"Record({self.project!r}, {self.tag!r})"


class Draw(Struct, frozen=True):
    """Show the row in the graph as this picture, or a newer one, has it."""

    picture: Picture


class Supersede(Struct, frozen=True):
    """The last effect: what went before is done, and the message ends superseded under this code."""

    code: Code
    at: str


class SetAside(Struct, frozen=True):
    """The last effect: what went before is done, and the message is set aside under this code, by this rule."""

    code: Code
    at: str
    rule: str


class NotErased(Struct, frozen=True):
    """Go on only if no patient whom the row is or names was erased; else the message ends as `erased`."""

    row: SafeRow


class Suppress(Struct, frozen=True):
    """From now on nothing of the patient of this pseudonym leaves, or is let in."""

    project: str
    key_id: str
    patient: str


class Purge(Struct, frozen=True):
    """Take what the change log holds of these keys out of it."""

    project: str
    key_id: str
    keys: tuple[str, ...]

    def __repr__(self) -> str:  # without the keys, which are all of one patient
        return f"Purge({self.project!r}, {self.key_id!r})"


class Prove(Struct, frozen=True):
    """Count what is left of an erased patient, and write it down beside what there was."""

    erasure: Erasure
    found: Found


class Together(Struct, frozen=True):
    """Effects in no order, at once. When one fails the others end first, and all are repeated."""

    effects: tuple["Effect", ...]


class Otherwise(Struct, frozen=True):
    """The effect; and if it ends under this code, the other one in its place."""

    effect: "Effect"
    code: Code
    other: "Effect"


type Effect = (
    Publish
    | Store
    | Tally
    | Record
    | Draw
    | NotErased
    | Suppress
    | Purge
    | Prove
    | Together
    | Otherwise
    | Supersede
    | SetAside
)
