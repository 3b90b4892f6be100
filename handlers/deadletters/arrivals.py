"""POST /v1/push/index: a message was put into a quarantine or dead-letter topic; a record of it, without PHI, is kept.

    …--index ─push, wrapped─► verify ─► parse ─► entry ─► its cause, of the ledger; earlier replays ─► the index

Wrapped, unlike our other pushes, for what lies there may be anything: in the envelope even an attribute that is no header
arrives, and so do the message's id and time. There is no dead-letter policy behind this: what can not be indexed is tried
again for as long as Pub/Sub keeps it, and the message itself lies in `--hold` all the while.
"""

import re
from collections.abc import Callable, Mapping
from copy import replace
from datetime import datetime

from msgspec import Struct

from handlers.deadletters.choosing import rfc3339
from handlers.deadletters.ledgers import Ledgers
from handlers.deadletters.records import DEAD_LETTER, Delivered, entry_of, owner_of
from handlers.provisioning import INDEX, index
from shared.deadletters.port import Entry, Index, Plan, Stage, State
from shared.errors import Code, Problem
from shared.events.envelope import Message
from shared.events.push import decoded
from shared.head import Head
from shared.identity.push import PushTokens, credential
from shared.settings import Settings
from shared.strict_json import NotStrictJson, parse_object
from shared.telemetry.report import indexed

_ID = re.compile(r"[0-9A-Za-z_\-]{1,64}")
_TRIES = 8


class Arrivals(Struct, frozen=True):
    """What the endpoint does."""

    settings: Settings
    tokens: PushTokens
    index: Index
    ledgers: Ledgers
    now: Callable[[], float]

    async def receive(self, head: Head, body: bytes) -> None:
        """Keep a record. Raises Problem: NO_TOKEN, BAD_TOKEN, WRONG_CALLER; BAD_BODY; LEDGER_DOWN, KEYS_DOWN."""
        await self.tokens.verify(
            credential(head), account=self.settings.account(INDEX), audience=self.settings.audience(INDEX)
        )
        entry = await self.keep(delivered(body))
        indexed(entry)

    async def keep(self, message: Delivered) -> Entry:
        """The record of the message: the one that is there, or a new one."""
        names = {tenant.project: tenant.name for tenant in self.settings.tenants}
        entry = entry_of(message, names)
        if entry.event is None:
            return await self.index.add(entry)
        if known := await self.index.get(entry.topic, [entry.message]):
            return known[0]
        earlier = [one for one in await self.index.of_event(entry.event) if one.handler == entry.handler]
        replays, plan = await self._replays(earlier)
        state = State.OPEN if not replays else State.AGAIN if replays < self.settings.replay_limit else State.LOOPING
        cause = await self.ledgers.last_code(entry) if entry.code == DEAD_LETTER else ""
        kept = await self.index.add(
            replace(entry, cause=cause, replays=replays, state=state, came_back_from=plan.id if plan else "")
        )
        if plan is not None:
            await self._returned(plan.id)
        return kept

    async def _replays(self, earlier: list[Entry]) -> tuple[int, Plan | None]:
        """How often the event was sent back before, and the plan that did so last."""
        most, last = 0, None
        for one in earlier:
            plan = await self.index.plan(one.plan) if one.state in (State.REPLAYED, State.PLANNED) else None
            # A runner may have published and be about to write it down.
            sent = one.state is State.REPLAYED or (plan is not None and plan.stage is Stage.RUNNING)
            if one.replays + sent >= most:
                most, last = one.replays + sent, plan if sent else last
        return most, last

    async def _returned(self, id: str) -> None:
        """Count it against the plan, so that a replay that mends nothing stops."""
        for _ in range(_TRIES):
            plan = await self.index.plan(id)
            if plan is None or await self.index.put_plan(
                replace(plan, returned=plan.returned + 1, revision=plan.revision + 1)
            ):
                return


def delivered(body: bytes) -> Delivered:
    """The message in a wrapped push of one of our `--index` subscriptions. Raises Problem: BAD_BODY, WRONG_CALLER."""
    try:
        envelope = parse_object(body)
    except NotStrictJson:
        raise Problem(Code.BAD_BODY, "body") from None
    match envelope:
        case {"message": dict() as message, "subscription": str() as subscription}:
            pass
        case _:
            raise Problem(Code.BAD_BODY, "message")
    topic = subscription.rpartition("/")[2].removesuffix(f"--{INDEX}")
    try:
        owner_of(topic)
    except LookupError:
        raise Problem(Code.WRONG_CALLER, "subscription") from None
    if subscription.rpartition("/")[2] != index(topic):
        raise Problem(Code.WRONG_CALLER, "subscription")
    return Delivered(topic, _id(message), _published(message), _message(message))


def _id(message: Mapping[str, object]) -> str:
    id = message.get("messageId")
    if not isinstance(id, str) or not _ID.fullmatch(id):
        raise Problem(Code.BAD_BODY, "message.messageId")
    return id


def _published(message: Mapping[str, object]) -> str:
    try:
        return rfc3339(datetime.fromisoformat(str(message.get("publishTime"))))
    except (ValueError, OverflowError):
        raise Problem(Code.BAD_BODY, "message.publishTime") from None


def _message(message: Mapping[str, object]) -> Message:
    attributes, key = message.get("attributes", {}), message.get("orderingKey", "")
    if not isinstance(attributes, dict) or not isinstance(key, str):
        raise Problem(Code.BAD_BODY, "message.attributes")
    texts = {name: value for name, value in attributes.items() if isinstance(value, str)}
    try:
        return Message(decoded(message.get("data", ""), "message.data"), texts, key)
    except Problem:
        raise Problem(Code.BAD_BODY, "message.data") from None
