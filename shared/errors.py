"""Every way in which work can end badly: a code, the end it leads to, and what it means.

An error carries a code and a place (a FHIRPath or a header's name), never a value; nothing in the service logs
`str(exc)` of a foreign exception. The names are part of the contract: they stand in problem documents, quarantine
events, logs and docs/runbook.md.
"""

from enum import Enum
from typing import NamedTuple


class End(Enum):
    """The three ends of a message (design §4.4), and the refusal of a request that never became one."""

    SUPERSEDED = "superseded"  # 204: nothing left to do
    SET_ASIDE = "set aside"  # published to quarantine under the code, then 204
    TRY_AGAIN = "try again"  # the status below; Pub/Sub or Medplum delivers again
    REFUSED = "refused"  # the status below; no effect


class Meaning(NamedTuple):
    end: End
    status: int
    text: str


_SUPERSEDED, _ASIDE, _AGAIN, _REFUSED = End.SUPERSEDED, End.SET_ASIDE, End.TRY_AGAIN, End.REFUSED


class Code(Enum):
    """`Code.X.value` is its Meaning; `Code.X.slug` is its name on the wire."""

    # a request that is not let in
    NO_TOKEN = Meaning(_REFUSED, 401, "No credential was sent.")
    BAD_TOKEN = Meaning(_REFUSED, 401, "The credential is not valid here.")
    WRONG_CALLER = Meaning(_REFUSED, 403, "The credential is valid, but not for this endpoint.")
    WRONG_TENANT = Meaning(_REFUSED, 403, "The content does not belong to the tenant of this endpoint.")
    BAD_SIGNATURE = Meaning(_REFUSED, 401, "The signature is missing or does not match.")
    UNKNOWN_ROUTE = Meaning(_REFUSED, 404, "There is no such endpoint.")
    BAD_REQUEST = Meaning(_REFUSED, 400, "The request is not HTTP as it should be.")
    METHOD_NOT_ALLOWED = Meaning(_REFUSED, 405, "The endpoint does not take this method.")
    BODY_TOO_LARGE = Meaning(_REFUSED, 413, "The body is larger than this endpoint takes.")
    HEAD_TOO_LARGE = Meaning(_REFUSED, 431, "The request's headers are larger than the service takes.")
    NOT_JSON_TYPE = Meaning(_REFUSED, 415, "The content type is not a JSON one.")
    BAD_BODY = Meaning(_REFUSED, 400, "The body is not what this endpoint takes.")
    TOO_MANY_REQUESTS = Meaning(_REFUSED, 429, "Too many unsigned requests from this address.")
    TOO_MANY_CLAIMS = Meaning(
        _REFUSED, 429, "Too many deletions claimed over this subscription; reconcile finds the rest."
    )
    PLAN_REFUSED = Meaning(_REFUSED, 409, "The plan can not be carried out as it stands; the place says why.")
    INTERNAL = Meaning(_REFUSED, 500, "The service failed in a way that it does not know.")

    # a message that no retry can mend
    MALFORMED_ENVELOPE = Meaning(_ASIDE, 204, "The push request is none of the four known shapes.")
    MALFORMED_EVENT = Meaning(_ASIDE, 204, "A CloudEvents attribute is missing or malformed.")
    MALFORMED_DATA = Meaning(_ASIDE, 204, "The event's data is not what its type says.")
    UNKNOWN_TYPE = Meaning(_ASIDE, 204, "This handler does not know the event's type.")
    UNKNOWN_PROJECT = Meaning(_ASIDE, 204, "The event names a project that this deployment does not serve.")
    FOREIGN_PROJECT = Meaning(_ASIDE, 204, "The resource belongs to another project than the event says.")
    KEY_REUSE = Meaning(_ASIDE, 204, "The same event id came with another content.")
    RESOURCE_TOO_LARGE = Meaning(_ASIDE, 204, "The resource is larger than the limit.")
    RESOURCE_NOT_JSON = Meaning(_ASIDE, 204, "Medplum's answer is not one JSON object.")
    RESOURCE_MISMATCH = Meaning(_ASIDE, 204, "Medplum's answer is another resource or version than asked for.")
    RESOURCE_INVALID = Meaning(_ASIDE, 204, "The resource breaks a rule of FHIR R4 or of ours.")
    NO_POLICY = Meaning(_ASIDE, 204, "The de-identification policy does not know this resource type.")
    VIEW_FAILED = Meaning(_ASIDE, 204, "A view does not fit the resource: a path yields what the view rules out.")
    ROW_REFUSED = Meaning(_ASIDE, 204, "The warehouse refused the row for good.")
    AUDIT_REFUSED = Meaning(_ASIDE, 204, "Medplum refused the AuditEvent for good.")
    GRAPH_REFUSED = Meaning(_ASIDE, 204, "TigerGraph refused the row's vertex or edges for good.")
    HANDLER_FAILED = Meaning(_ASIDE, 204, "The handler failed three times in a way that it does not know.")
    EGRESS_DENIED = Meaning(_AGAIN, 503, "An outbound call went to a host that is not allow-listed.")

    # a message whose work has become moot
    VERSION_GONE = Meaning(_SUPERSEDED, 204, "Medplum no longer returns this version.")
    NOT_DELETED = Meaning(_SUPERSEDED, 204, "A deletion was claimed, but Medplum still returns the resource.")
    ERASED = Meaning(_SUPERSEDED, 204, "The patient of the resource was erased: nothing of it leaves any more.")
    NEWER_STATE = Meaning(
        _SUPERSEDED, 204, "A newer version of the row was there already, and the graph shows that one."
    )

    # a message whose time will come
    MEDPLUM_DOWN = Meaning(_AGAIN, 503, "Medplum does not answer.")
    MEDPLUM_BUSY = Meaning(_AGAIN, 503, "Medplum's quota is used up for now.")
    MEDPLUM_DENIED = Meaning(_AGAIN, 503, "Medplum refuses our client; its rights or secret need a look.")
    PUBSUB_DOWN = Meaning(_AGAIN, 503, "Pub/Sub did not confirm the publish.")
    LEDGER_DOWN = Meaning(_AGAIN, 503, "The ledger does not answer.")
    WAREHOUSE_DOWN = Meaning(_AGAIN, 503, "BigQuery does not answer.")
    WAREHOUSE_BEHIND = Meaning(_AGAIN, 503, "BigQuery does not show the row yet that the event tells of.")
    GRAPH_DOWN = Meaning(_AGAIN, 503, "TigerGraph does not answer.")
    GRAPH_BUSY = Meaning(_AGAIN, 503, "TigerGraph takes no more requests for now.")
    GRAPH_DENIED = Meaning(_AGAIN, 503, "TigerGraph refuses our token, or it has no right to the graph.")
    DLP_DOWN = Meaning(_AGAIN, 503, "Sensitive Data Protection (DLP) does not answer, or its quota is used up.")
    POLICY_BEHIND = Meaning(_AGAIN, 503, "The event is of a newer policy than this instance has; a newer one takes it.")
    KEYS_DOWN = Meaning(_AGAIN, 503, "No signing keys could be had to check tokens with.")
    UNEXPECTED = Meaning(_AGAIN, 503, "The handler failed in a way that it does not know; set aside at the third time.")
    BUSY = Meaning(_AGAIN, 409, "Another worker holds this event's lease.")
    LEASE_LOST = Meaning(_AGAIN, 409, "The lease ended before the work did; another worker may have it.")
    DEADLINE = Meaning(_AGAIN, 504, "The deadline was reached.")
    TOO_MUCH_POISON = Meaning(
        _AGAIN, 503, "Most messages of late were poison: the handler has stopped, and an alert is out."
    )
    STOPPING = Meaning(_AGAIN, 503, "This instance is stopping; another one takes the message.")
    OVERLOADED = Meaning(_AGAIN, 429, "This instance has all the work that it can take.")

    @property
    def end(self) -> End:
        """Which of the ends this code leads to."""
        return self.value.end

    @property
    def status(self) -> int:
        """The HTTP status of the answer."""
        return self.value.status

    @property
    def slug(self) -> str:
        """The name on the wire: `VERSION_GONE` is `version-gone`."""
        return self.name.lower().replace("_", "-")

    @classmethod
    def of(cls, slug: str) -> "Code":
        """The code of a slug. Raises KeyError."""
        return cls[slug.upper().replace("-", "_")]


class Problem(Exception):
    """A bad end: its code and the place (FHIRPath, attribute or header name) where it was found.

    `rule` is the id of the validation rule that was broken, for RESOURCE_INVALID. `retry_after` is in seconds, for
    TRY_AGAIN codes whose dependency said when to come back.
    """

    def __init__(self, code: Code, at: str = "", *, rule: str = "", retry_after: float | None = None) -> None:
        super().__init__(code.slug, at)
        self.code = code
        self.at = at
        self.rule = rule
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.code.slug} at {self.at}" if self.at else self.code.slug
