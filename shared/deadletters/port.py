"""The index of dead letters: one record for each message that lies aside, and the plans that operators make of them.

    open ─► planned ─► replayed          again: it came back after a replay; looping: it did so too often
      ▲        │  └──► purged            gone: Pub/Sub has forgotten it (31 days)
      └────────┘ cancelled, or taken over by a newer plan

Nothing here can hold a body or a reference: a resource is named by its keyed hash alone. The index is a journal too: a
replay writes down what it published before it takes the message away, so that a crash repeats one publish at most.
A record may be changed only by whoever has seen its newest revision (compare-and-set).

All methods raise Problem(LEDGER_DOWN) when the store does not answer. Times are RFC 3339 in UTC to the millisecond,
whose text has their order, or seconds since the epoch.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from msgspec import Struct


class State(StrEnum):
    OPEN = "open"
    PLANNED = "planned"
    REPLAYED = "replayed"
    PURGED = "purged"
    AGAIN = "again"
    LOOPING = "looping"
    GONE = "gone"


WAITING = frozenset({State.OPEN, State.AGAIN, State.LOOPING})  # in no plan
ASIDE = WAITING | {State.PLANNED}  # lies aside still


class Entry(Struct, frozen=True):
    """One message that lies aside. Pub/Sub may dead-letter an event twice: then it has two, with one `event`."""

    topic: str
    message: str  # Pub/Sub's id of the message in `topic`
    event: str | None  # ce-id; None if it never was an event
    handler: str
    code: str  # what it was set aside under; `dead-letter` if Pub/Sub gave up
    cause: str  # of a dead letter: the code that its last attempt ended with, as the ledger has it
    at: str  # the place that the code was found at
    kind: str  # "quarantine" or "dead-letter"
    origin: str  # the topic that a replay goes to
    type: str | None  # of the event
    resource_type: str | None
    resource: str  # the ordering key: a keyed hash of type and id
    project: str  # the tenant's public name, or "-"
    set_aside: str
    deliveries: int | None
    correlation: str | None
    trace: str
    replayable: bool
    replays: int = 0  # how often operators had sent the event back before it came here
    came_back_from: str = ""  # the plan that had sent it
    state: State = State.OPEN
    plan: str = ""  # the newest plan that it is part of
    twin: bool = False  # the plan has another message of the same event
    moved: str = ""  # when it was replayed or purged
    revision: int = 0
    rule: str = ""  # the validation rule that was broken: of shared/rules.py, or none

    @property
    def key(self) -> str:
        """The ledger's key of the event."""
        return f"{self.handler}:{self.event}"

    @property
    def place(self) -> "Place":
        """The order of the index: by time."""
        return (self.set_aside, self.topic, self.message)


class Stage(StrEnum):
    PLANNED = "planned"
    APPROVED = "approved"
    RUNNING = "running"
    STOPPED = "stopped"  # by Ctrl-C, by too many failures, or with messages that did not turn up; to be resumed
    CANCELLED = "cancelled"
    DONE = "done"


class Plan(Struct, frozen=True):
    """Exactly which messages are to be moved. `id` is a hash over them: another selection is another plan."""

    id: str
    action: str  # "replay" or "purge"
    messages: int
    events: int
    filter: dict[str, object]
    projects: tuple[str, ...]
    reason: str
    by: str
    made: str
    stage: Stage = Stage.PLANNED
    approved_by: str = ""
    forced: bool = False
    runs: int = 0
    owner: str = ""
    until: float = 0.0  # end of the runner's lease
    done: int = 0  # messages moved
    failed: int = 0
    returned: int = 0
    why: str = ""  # it stopped
    revision: int = 0


type Place = tuple[str, str, str]


class Index(Protocol):
    async def add(self, entry: Entry) -> Entry:
        """Keep the entry unless its message is known; what is kept."""
        ...

    async def get(self, topic: str, messages: Sequence[str]) -> list[Entry]:
        """Those of the messages that are known, in no order."""
        ...

    async def of_event(self, event: str) -> list[Entry]:
        """Every message of an event, of all handlers, oldest first."""
        ...

    async def page(
        self, after: Place | None = None, *, plan: str = "", aside: bool = False, limit: int = 1000
    ) -> list[Entry]:
        """The next entries by time: of one plan, or of all; with `aside`, of what lies aside still."""
        ...

    async def texts(
        self, after: Place | None = None, *, aside: bool = False, limit: int = 1000
    ) -> list[tuple[Place, str]]:
        """`page` of all, each entry as JSON: an object each costs most of a list of a hundred thousand."""
        ...

    async def change(self, entries: Sequence[Entry]) -> list[bool]:
        """Put each in the place of the revision before its own; whether it was that one."""
        ...

    async def plan(self, id: str) -> Plan | None:
        """The plan of this id."""
        ...

    async def plans(self) -> list[Plan]:
        """All plans, newest first."""
        ...

    async def put_plan(self, plan: Plan) -> bool:
        """Revision 1 is a new plan; another takes the place of the revision before. Whether it was that one."""
        ...

    async def close(self) -> None: ...
