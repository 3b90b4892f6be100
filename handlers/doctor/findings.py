"""Every check: its code, how bad it is, what it means, and its mending. The names are part of the command's contract.

ERROR: events are lost, or somebody may what he must not. WARNING: it works, and will hurt. NOTE: worth knowing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

ERROR, WARNING, NOTE = "error", "warning", "note"
_WITH = "`./dev doctor --fix-subscription {type} --apply`"
_APPLY = "`./dev provision --apply{only}`"


class Meaning(NamedTuple):
    severity: str
    text: str
    fix: str  # {type}, {at} and {only} are filled in


class Check(Enum):
    """`Check.X.value` is its Meaning; `Check.X.slug` its name."""

    # a Medplum Subscription: Medplum accepts all of these without a word
    SECRET_URL = Meaning(
        ERROR, "The secret stands under a URL that Medplum does not know.", f"Write it with www.: {_WITH}."
    )
    SECRET_ON_META = Meaning(
        ERROR, "The secret stands on meta.extension, where Medplum does not look.", f"Move it: {_WITH}."
    )
    SECRET_MISSING = Meaning(
        ERROR, "There is no secret, so nothing is signed and all is refused.", f"Give it one: {_WITH}."
    )
    SECRET_UNKNOWN = Meaning(
        ERROR, "The secret is none of this webhook's, so every delivery is refused.", f"Write ours: {_WITH}."
    )
    SECRET_OLD = Meaning(NOTE, "The secret is an older one of this webhook's.", f"End the rotation: {_WITH}.")
    SECRET_SHARED = Meaning(
        WARNING,
        "Two Subscriptions share a secret: whoever sees one deletion can forge any.",
        "Give each webhook a secret of its own in the settings, then --fix-subscription for both.",
    )
    EXTENSION_URL = Meaning(
        ERROR, "An extension stands under a URL that Medplum does not know.", f"Only the secret has www.: {_WITH}."
    )
    CRITERIA_TYPE = Meaning(
        ERROR, "The criteria name no R4 resource type, so it never fires.", f"Write a new one: {_WITH}."
    )
    CRITERIA_PARAMETER = Meaning(
        ERROR,
        "Medplum does not know a search parameter of the criteria, so it never fires.",
        f"Use the type alone: {_WITH}.",
    )
    CRITERIA_AUDIT = Meaning(ERROR, "AuditEvents never fire a Subscription.", "Delete it in Medplum.")
    CRITERIA_NARROW = Meaning(
        WARNING,
        "The criteria filter, so some changes are told by nobody but reconcile.",
        f"Use the type alone: {_WITH}.",
    )
    CHANNEL_TYPE = Meaning(ERROR, "The channel is no rest-hook, so nothing is posted.", f"Write a rest-hook: {_WITH}.")
    ENDPOINT_MISSING = Meaning(ERROR, "There is no endpoint, so it never fires.", f"Write one: {_WITH}.")
    ENDPOINT_HTTP = Meaning(ERROR, "The endpoint is not https: Medplum refuses it in silence.", f"Use https: {_WITH}.")
    ENDPOINT_PRIVATE = Meaning(
        ERROR, "The endpoint is a private or loopback address: Medplum refuses it in silence.", f"Use ours: {_WITH}."
    )
    ENDPOINT_ELSEWHERE = Meaning(
        ERROR, "The endpoint is not exactly this deployment's webhook.", f"Write the exact URL: {_WITH}."
    )
    ENDPOINT_REDIRECTS = Meaning(
        ERROR,
        "The endpoint redirects: Medplum follows without the body, takes 200 for delivered, and the event is lost.",
        "Serve the webhook at the exact URL, without a redirect in front of it.",
    )
    ENDPOINT_SILENT = Meaning(
        ERROR, "The endpoint does not answer.", "Deploy zone ingress, and let allUsers invoke it."
    )
    WEBHOOK_UNKNOWN = Meaning(
        ERROR, "The endpoint's path names a webhook that the settings do not have.", "Add it to the tenant's webhooks."
    )
    HEADER_SPLIT = Meaning(
        WARNING, "A header's value has a colon: Medplum sends only what stands before it.", "Leave the header out."
    )
    HEADER_OVERWRITES = Meaning(
        ERROR, "A header overwrites one of Medplum's own, which the webhook reads.", "Leave the header out."
    )
    STATUS_OFF = Meaning(ERROR, "It is not active: off, or switched off by errors.", f"Mend the cause, then {_WITH}.")
    INTERACTION_NARROW = Meaning(
        ERROR, "It is told of one kind of change only.", f"Leave supported-interaction open: {_WITH}."
    )
    ATTEMPTS_FEW = Meaning(
        WARNING, "It gives up earlier than Medplum's default, within a deployment's time.", f"Use the default: {_WITH}."
    )
    SUCCESS_CODES = Meaning(
        ERROR, "A refusal counts as delivered, so the event is lost.", f"Leave success-codes out: {_WITH}."
    )
    AUDIT_DESTINATION = Meaning(
        WARNING,
        "Medplum writes an AuditEvent with the patient's name for each attempt.",
        f"Send them to the log: {_WITH}.",
    )
    DUPLICATE = Meaning(NOTE, "Another active Subscription tells of the same type.", "Delete one of them in Medplum.")
    TYPE_MISSING = Meaning(ERROR, "No working Subscription tells of a type that is wanted.", f"Write one: {_WITH}.")
    TYPE_UNTOLD = Meaning(
        NOTE,
        "No Subscription tells of this type, and STARVIT_UNTOLD says that none is meant to: reconcile finds its changes.",
        f"Nothing; or to have it told at once: {_WITH}.",
    )

    # a Medplum client
    CLIENT_REFUSED = Meaning(ERROR, "Medplum refuses our client.", "Set its id and secret anew, or its AccessPolicy.")
    CLIENT_UNSEEN = Meaning(
        WARNING,
        "This could not be looked at: the client that asks may not read it.",
        "Set STARVIT_OPERATORS to a client that reads Subscription, ProjectMembership and AccessPolicy.",
    )
    CLIENT_TOO_WIDE = Meaning(
        ERROR, "A client may what it does not need: {at}.", "Narrow its AccessPolicy to the interactions that it needs."
    )
    CLIENT_TOO_NARROW = Meaning(
        ERROR, "A client may not what it needs: {at}.", "Add the interactions to its AccessPolicy."
    )
    QUOTA_LOW = Meaning(
        WARNING,
        "Less than a tenth of a client's quota is left.",
        "Wait a minute; if it stays, ask for more, or add a client.",
    )
    CLOCK_SKEW = Meaning(
        ERROR, "Medplum's clock and this one differ.", "Set both by NTP: tokens and reconcile need it."
    )
    MEDPLUM_DOWN = Meaning(
        ERROR, "Medplum does not answer.", "Look at STARVIT_MEDPLUM_URL and at the network's way out."
    )

    # Google Cloud
    NOT_PROVISIONED = Meaning(ERROR, "It is not there.", f"{_APPLY}.")
    DEAD_LETTER_IAM = Meaning(
        ERROR, "Pub/Sub's agent lacks the right, so nothing is dead-lettered and poison circles for ever.", f"{_APPLY}."
    )
    DEAD_LETTER_UNHELD = Meaning(ERROR, "Nobody holds this topic's messages: they are lost.", f"{_APPLY}.")
    SUBSCRIPTION_DIFFERS = Meaning(ERROR, "The subscription is not what the catalog says: {at}.", f"{_APPLY}.")
    SUBSCRIPTION_FIXED = Meaning(ERROR, "The subscription differs where it can not be changed: {at}.", "{at}")
    TABLE_OLD = Meaning(
        ERROR, "The table or view is not what schemas/bigquery says: {at}.", f"{_APPLY}, or migrate it."
    )
    IAM_MISSING = Meaning(ERROR, "A right is missing.", f"{_APPLY}.")
    IAM_EXTRA = Meaning(WARNING, "Somebody has a right that no handler needs.", "{at}")
    READS_ALONG = Meaning(WARNING, "It is there, and nobody here wants it.", "If nobody else does, --delete it: {at}.")
    DIFFERS = Meaning(ERROR, "It is not as it should be: {at}.", f"{_APPLY}.")
    GOOGLE_REFUSES = Meaning(ERROR, "Google does not let us look or change: {at}.", "{at}")

    # here
    SETTING = Meaning(ERROR, "The service would not start, or would do so wrongly.", "Set it: docs/backend/STACK.md.")
    KEYS_UNREACHABLE = Meaning(
        ERROR, "The signing keys of push tokens can not be had.", "Look at STARVIT_JWKS_URL and the way out."
    )
    LEDGER_UNREACHABLE = Meaning(
        ERROR, "The ledger does not answer.", "Look at STARVIT_LEDGER, and at the account's rights."
    )

    @property
    def slug(self) -> str:
        """The name in the output: `SECRET_URL` is `secret-url`."""
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True, slots=True)
class Finding:
    """`place`: what is wrong, by a name that is nobody's. `type` and `at` complete the text and the fix."""

    check: Check
    place: str
    type: str = "TYPE"
    at: str = ""
    only: str = ""

    @property
    def text(self) -> str:
        """What it means."""
        return self._filled(self.check.value.text)

    @property
    def fix(self) -> str:
        """What to do."""
        return self._filled(self.check.value.fix)

    def _filled(self, text: str) -> str:
        return text.replace("{type}", self.type).replace("{at}", self.at).replace("{only}", self.only)

    def line(self) -> dict[str, str]:
        """As NDJSON."""
        severity = self.check.value.severity
        return {"code": self.check.slug, "severity": severity, "place": self.place, "text": self.text, "fix": self.fix}


def bad(findings: Iterable[Finding]) -> bool:
    """Whether any is more than a note."""
    return any(finding.check.value.severity != NOTE for finding in findings)
