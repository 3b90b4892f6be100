"""A dead letter as an operator sees it: without PHI.

    a message of <handler>.quarantine or <subscription>.dead ─► [this] ─► Entry, and the message as it was at its origin

An entry names the event by its id and the resource by its ordering key: both are keyed hashes. The reference itself stays
in the message, for the replay alone. Nothing is believed but its form: handler and topic of origin come from the catalog,
by the topic that the message lies in, and what is no code, hash, UUID or type of ours is left out.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from msgspec import Struct
from pydantic import ValidationError

from handlers import catalog
from shared.deadletters.port import Entry
from shared.errors import Code, End
from shared.events.data import (
    DATA,
    Accessed,
    Accounted,
    Changed,
    Data,
    DeletionClaimed,
    Quarantined,
    RuleBroken,
    Validated,
)
from shared.events.envelope import CONTENT_TYPE, Message
from shared.rules import RULES, TEXTS
from shared.subscriber import Subscription
from shared.telemetry.trace import is_correlation, is_traceparent, trace_id

NOBODY = "-"  # the project of what names none that we know
DEAD_LETTER = "dead-letter"
RECOVERABLE = frozenset(
    code.slug for code in Code if code.end is End.TRY_AGAIN and code.name.endswith(("_DOWN", "_BUSY"))
)

_DELIVERIES = "CloudPubSubDeadLetterSourceDeliveryCount"
_THREAD = ("ce-correlationid", "ce-traceparent")
_KEYED = re.compile(r"[0-9a-f]{16,64}")
_PLACE = re.compile(r"[A-Za-z0-9_.\-\[\]*:()/]{0,160}")
_CLINICAL = (Changed, DeletionClaimed, Validated, Accessed, Accounted)  # name Medplum's project; the others a tenant
_RUNBOOK = Path(__file__).resolve().parents[2] / "docs" / "runbook.md"


class Delivered(Struct, frozen=True):
    """A message of a quarantine or dead-letter topic, as Pub/Sub gave it to us."""

    topic: str
    id: str
    published: str  # RFC 3339 in UTC, to the millisecond
    message: Message


def meaning(code: str, rule: str = "") -> str:
    """What a code says, and the rule that was broken. A dead letter's own code is `dead-letter`."""
    if code == DEAD_LETTER:
        return "Pub/Sub gave up after the subscription's last delivery attempt; the attempts' codes are in the ledger."
    return " ".join([Code.of(code).value.text, *([f"Rule {rule}: {TEXTS[rule]}"] if rule in RULES else [])])


@cache
def advice(code: str) -> str:
    """What to do: the runbook's paragraph, where the runbook is at hand, else where it is."""
    if not _RUNBOOK.exists():
        return f"docs/runbook.md#{code}"
    found = re.search(rf"^### `{re.escape(code)}`\n\n(.*?)\n\n(?=#)", _RUNBOOK.read_text() + "\n\n#", re.M | re.S)
    return " ".join(found[1].split()) if found else f"docs/runbook.md#{code}"


def entry_of(delivered: Delivered, names: Mapping[str, str]) -> Entry:
    """The record of a message. `names`: Medplum project → tenant's public name."""
    on, message = owner_of(delivered.topic), delivered.message
    attributes = message.attributes
    quarantined = delivered.topic == on.quarantine
    aside = _quarantined(message.data) if quarantined else None
    event = _keyed(aside.event_id if aside else None if quarantined else attributes.get("ce-id"))
    type = aside.event_type if aside else None if quarantined else attributes.get("ce-type")
    data = _typed(type, aside.event if aside else None if quarantined else _object(message.data))
    deliveries, correlation = attributes.get(_DELIVERIES, ""), attributes.get("ce-correlationid", "")
    trace = attributes.get("ce-traceparent", "")
    return Entry(
        topic=delivered.topic,
        message=delivered.id,
        event=event,
        handler=on.handler,
        code=_code(aside) if quarantined else DEAD_LETTER,
        cause="",
        at=aside.at if aside and _PLACE.fullmatch(aside.at) else "",
        kind="quarantine" if quarantined else "dead-letter",
        origin=on.topic,
        type=data.TYPE if data else None,
        resource_type=_resource_type(data),
        resource=_keyed(message.ordering_key) or "",
        project=_project(data, names),
        set_aside=delivered.published,
        deliveries=int(deliveries) if deliveries.isascii() and deliveries.isdigit() and len(deliveries) < 6 else None,
        correlation=correlation if is_correlation(correlation) else None,
        trace=trace_id(trace) if is_traceparent(trace) else "",
        replayable=event is not None and data is not None,
        rule=aside.rule if isinstance(aside, RuleBroken) and aside.rule in RULES else "",
    )


def origin_of(topic: str, message: Message) -> Message | None:
    """The message as it was published to its topic of origin; None if it never parsed and so can not be sent back."""
    if not topic.endswith(".quarantine"):
        own = {k: v for k, v in message.attributes.items() if not k.startswith(("CloudPubSub", "googclient_"))}
        return Message(message.data, own, message.ordering_key)
    aside = _quarantined(message.data)
    if aside is None or aside.event is None or aside.event_id is None or aside.event_type is None:
        return None
    attributes = {
        "ce-specversion": "1.0",
        "ce-id": aside.event_id,
        "ce-source": "urn:starvit:events:replay",
        "ce-type": aside.event_type,
        "ce-time": message.attributes["ce-time"],
        "Content-Type": CONTENT_TYPE,
        **{name: message.attributes[name] for name in _THREAD if name in message.attributes},
    }
    return Message(json.dumps(aside.event, separators=(",", ":")).encode(), attributes, message.ordering_key)


def owner_of(topic: str) -> Subscription:
    """Whose quarantine or dead-letter topic it is. Raises LookupError."""
    try:
        return _owners()[topic]
    except KeyError:
        raise LookupError("no quarantine or dead-letter topic of the catalog") from None


@cache
def _owners() -> dict[str, Subscription]:
    return {topic: on for on in catalog.subscriptions() for topic in (on.quarantine, on.dead_letter)}


def _quarantined(data: bytes) -> Quarantined | None:
    for model in (Quarantined, RuleBroken):
        try:
            return model.model_validate_json(data)
        except ValidationError:
            continue
    return None


def _code(aside: Quarantined | None) -> str:
    """The code that it was set aside under, if it is one of ours; else it was not our pipeline that published it."""
    try:
        return Code.of(aside.code).slug if aside else Code.MALFORMED_DATA.slug
    except KeyError:
        return Code.MALFORMED_DATA.slug


def _typed(type: str | None, fields: Mapping[str, object] | None) -> Data | None:
    """The event's data, if it is what its type says: of what is not, no field is believed."""
    if type not in DATA or fields is None:
        return None
    try:
        return DATA[type].model_validate_json(json.dumps(fields))
    except ValidationError:
        return None


def _resource_type(data: Data | None) -> str | None:
    named = getattr(data, "type", None) or getattr(data, "resource_type", None)
    return named if isinstance(named, str) else None


def _project(data: Data | None, names: Mapping[str, str]) -> str:
    project = getattr(data, "project", None)
    if not isinstance(project, str):
        return NOBODY
    return names.get(project, NOBODY) if isinstance(data, _CLINICAL) else project


def _keyed(text: str | None) -> str | None:
    return text if text and _KEYED.fullmatch(text) else None


def _object(data: bytes) -> Mapping[str, object] | None:
    try:
        value = json.loads(data)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
