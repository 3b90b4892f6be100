"""One run: the clinic writes, the service works, everything comes to rest, and the outcome is judged.

    clinic ─► Medplum ─► … the service … ─► warehouse ─► graph
                │                               │          │
                └────────► judge ◄──────────────┴──────────┘        scanner ◄─ every message, row, vertex, log line, …

The truth is what Medplum answered to the clinic; the outcome is what the warehouse's published views show.
"""

import asyncio
import json
from contextlib import suppress
from time import monotonic

from handlers.demo import plants
from handlers.demo.display import Display, Progress
from handlers.demo.graphed import Graphed, judge_graph
from handlers.demo.stack import PROJECT, Stack
from handlers.demo.summary import Summary, freshness
from handlers.demo.truth import History, acts
from shared.deid.pseudonyms import Pseudonyms
from shared.events.envelope import Message
from shared.local.clinic import Clinic
from shared.local.clinic.identifiers import Secrecy
from shared.local.clinic.operations import Operation
from shared.local.faults import Faults
from shared.local.judge import Naming, judge
from shared.local.scan import Scanner
from shared.sinks.pubsub import PubSubPublisher

PATH = ("fhir.changed--validation", "fhir.validated--deid", "fhir.text-pending--text", "fhir.deidentified--analytics")
AUDIT = "fhir.accessed--audit"
GRAPH = "analytics.committed--graph"
AT_ONCE = 64  # changes on their way at most: the clinic's day is paced by what the service has taken in
QUIET = 0.6  # seconds without anything on its way, after which the path is at rest
PATIENCE = 240.0  # seconds after which a path that does not come to rest is judged as it is
GRAPH_PATIENCE = 60.0  # seconds in which the graph, which comes after, has got nowhere; it asks once a second
AUDIT_PATIENCE = 10.0  # seconds for which the audit backlog is watched draining; Medplum's quota may want longer
BEYOND = (
    "fhir.deidentified",
    "analytics.committed",
    "analytics.quarantine",
    "quality.",
)  # the outgoing topics' names begin so


class Demo:
    """One demo. `observe` is to be called for every message that Pub/Sub takes in."""

    def __init__(
        self,
        events: int,
        seed: int,
        faults: Faults | None,
        plant: str | None,
        display: Display,
        kill_every: float | None = None,
        rate: float | None = None,
    ) -> None:
        self._events, self._faults, self._plant, self._display = events, faults, plant, display
        self._kill_every, self._rate = kill_every, rate
        self._clinic, self._history = Clinic(seed), History()
        self._messages: list[tuple[str, Message]] = []
        self._ids: dict[str, set[str]] = {}
        self._written, self._killed = 0, 0

    def observe(self, topic: str, message: Message) -> None:
        """Keep every message for the scan, and count distinct events by topic."""
        self._messages.append((topic, message))
        self._ids.setdefault(topic, set()).add(message.attributes.get("ce-id", ""))

    async def run(self, stack: Stack) -> Summary:
        """Everything, to the summary."""
        self._display.step(f"the clinic writes {self._events} times; each change goes from webhook to row")
        self._display.begin()
        started = monotonic()
        watching = asyncio.create_task(self._watch(stack))
        killing = asyncio.create_task(self._kill(stack))
        try:
            await self._write(stack)
            killing.cancel()
            await self._rest(stack, started)
            seconds = monotonic() - started - QUIET
            await self._drained(stack, GRAPH)
            await self._drain(stack, AUDIT, AUDIT_PATIENCE)
        finally:
            for task in (watching, killing):
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            self._display.end()
        if self._plant in ("duplicated", "leaked"):
            await self._plant_message(stack)
        return await asyncio.to_thread(self._judge, stack, seconds)

    async def _write(self, stack: Stack) -> None:
        """The clinic's day, at the rate or so that what is on its way stays bounded; under faults a worker dies twice."""
        kills = {self._events // 3, 2 * self._events // 3} if self._faults and not self._kill_every else set()
        started = monotonic()
        for operation in self._clinic.operations(self._events):
            if self._rate:
                await asyncio.sleep(started + self._written / self._rate - monotonic())
            while not self._rate and self._on_its_way(stack) >= AT_ONCE:
                await asyncio.sleep(0.01)
            self._apply(stack, operation)
            self._written += 1
            if self._written in kills:
                self._killed += stack.service.kill_a_worker()
            if self._plant == "lost" and self._written == max(1, self._events // 2):
                plants.lose(stack.pubsub)
            await asyncio.sleep(0)

    async def _kill(self, stack: Stack) -> None:
        """kill -9 of a worker every so many seconds, for as long as the clinic writes."""
        while self._kill_every:
            await asyncio.sleep(self._kill_every)
            self._killed += stack.service.kill_a_worker()

    def _apply(self, stack: Stack, operation: Operation) -> None:
        if operation.action == "delete":
            stack.medplum.delete(PROJECT, operation.type, operation.id)
            self._history.deleted(operation.type, operation.id)
            return
        write = stack.medplum.create if operation.action == "create" else stack.medplum.update
        stored = write(PROJECT, operation.resource())
        self._clinic.stored(operation, stored)
        self._history.wrote(stored)

    def _on_its_way(self, stack: Stack) -> int:
        hooks = stack.medplum.stats
        pending = hooks.fired - hooks.accepted - hooks.stale - hooks.given_up
        return pending + sum(map(stack.pubsub.backlog, PATH))

    async def _rest(self, stack: Stack, started: float) -> None:
        """Return when nothing has been on its way for a while."""
        quiet = monotonic()
        while monotonic() - quiet < QUIET and monotonic() - started < PATIENCE + self._events / 10:
            await asyncio.sleep(0.05)
            if self._on_its_way(stack):
                quiet = monotonic()

    async def _drain(self, stack: Stack, name: str, patience: float, *, below: int = 1) -> None:
        """Watch a backlog drain that is bounded by somebody's quota; nothing of the data path waits for it."""
        until = monotonic() + patience
        while stack.pubsub.backlog(name) >= below and monotonic() < until:
            await asyncio.sleep(0.1)

    async def _drained(self, stack: Stack, name: str) -> None:
        """Return when a backlog is empty, or has not become smaller for a while: as long as it does, nothing is lost."""
        while (backlog := stack.pubsub.backlog(name)) > 0:
            await self._drain(stack, name, GRAPH_PATIENCE, below=backlog)
            if stack.pubsub.backlog(name) >= backlog:
                return

    async def _watch(self, stack: Stack) -> None:
        while True:
            queues = stack.pubsub.stats()
            self._display.progress(
                Progress(
                    written=self._written,
                    of=self._events,
                    received=stack.medplum.stats.accepted,
                    rows=len(self._ids.get("analytics.committed", ())),
                    waiting=sum(queues[name].backlog for name in PATH),
                    audited=queues[AUDIT].acked,
                    audit_backlog=queues[AUDIT].backlog,
                )
            )
            await asyncio.sleep(0.25)

    async def _plant_message(self, stack: Stack) -> None:
        publisher = PubSubPublisher(stack.settings.gcp_project, stack.settings.pubsub_endpoint)
        try:
            if self._plant == "duplicated":
                await plants.duplicate(publisher, self._messages)
            else:
                await plants.leak(publisher, list(self._clinic.identifiers()))
        finally:
            await publisher.close()
        await self._rest(stack, monotonic())
        await self._drained(stack, GRAPH)

    async def poison(self, stack: Stack) -> None:
        """Something that no retry can mend, for an operator to find: a date that is none."""
        stack.medplum.create(PROJECT, {"resourceType": "Patient", "birthDate": "unknown"})
        await self._rest(stack, monotonic())

    def _judge(self, stack: Stack, seconds: float) -> Summary:
        """Compare, scan, and count."""
        names = naming(stack)
        current, log = _rows(stack, "resources"), _rows(stack, "change_log")
        tags = [tag for event in stack.medplum.audit_events(PROJECT) for tag in _tags(event)]
        verdict = judge(self._history, self._accepted(), current, log, names, audit_tags=tags)
        graph = self._graphed(stack, names)
        scanner = self._scan(stack)
        leaks = [f"leaked: {f.kind} ({f.hint}) {f.times}× in {f.channel}" for f in scanner.findings]
        accessed = len({act for topic, message in self._messages if topic == "fhir.accessed" for act in acts(message)})
        return Summary(
            received=stack.medplum.stats.accepted,
            published=len(self._ids.get("fhir.changed", ())),
            rows=len(current),
            vertices=graph.vertices,
            edges=graph.edges,
            lost=verdict.lost + graph.lost,
            duplicated=verdict.duplicated,
            leaked=len(leaks),
            freshness_ms=freshness(self._ages(names, log)),
            events_per_s=round(self._events / seconds, 1),
            scanned=dict(scanner.summary()),  # type: ignore[arg-type]
            audit={"expected": accessed, "written": len(set(tags)), "waiting": accessed - len(set(tags))},
            faults=self._faulted(),
            seconds=round(seconds, 1),
            findings=(*verdict.missing, *graph.findings, *leaks),
        )

    def _faulted(self) -> dict[str, int]:
        killed = {"workers killed": self._killed} if self._faults or self._kill_every else {}
        if self._faults is None:
            return killed
        done = self._faults.hooks + self._faults.pushes
        return {name: done[name] for name in ("dropped", "doubled", "delayed")} | killed

    def _accepted(self) -> set[tuple[str, str, str]]:
        """The versions that ingress took: what it published to fhir.changed."""
        changes = (json.loads(message.data) for topic, message in self._messages if topic == "fhir.changed")
        return {(data["type"], data["id"], data["version"]) for data in changes if "version" in data}

    def _ages(self, names: Naming, log: list[dict[str, object]]) -> list[float]:
        """Milliseconds from each write to the first row of that version."""
        seen = {(row["key"], row["version"]): row["committed_at"] for row in log if not row["deleted"]}
        found = []
        for type, id, version, written in self._history.times():
            row = seen.get((names.key_of(type, id), names.version_of(type, id, version)))
            if row is not None:
                found.append((row - written).total_seconds() * 1000)  # type: ignore[operator]
        return found

    def _graphed(self, stack: Stack, names: Naming) -> Graphed:
        """The graph of the clinic's own dataset; what Medplum was never told of is in neither."""
        dataset = stack.tenant.dataset
        columns = ("resource_type", "key", "sequence", "resource")
        sql = f"SELECT {', '.join(columns)} FROM `{stack.settings.gcp_project}.{dataset}.resources`"  # noqa: S608
        rows = [dict(zip(columns, row, strict=True)) for row in stack.warehouse.rows(sql)]
        return judge_graph(stack.graph.vertices(dataset), rows, self._history, names)

    def _scan(self, stack: Stack) -> Scanner:
        """Every place outside Medplum where something may have been left."""
        scanner = Scanner(self._clinic.identifiers())
        for topic, message in self._messages:
            channel = "dead letters" if topic.endswith((".dead", ".quarantine")) else f"queue {topic}"
            clinical = not topic.startswith(BEYOND)
            scanner.scan(channel, json.dumps([dict(message.attributes), message.ordering_key]))
            scanner.scan(channel, message.data, frozenset({Secrecy.RESOURCE_ID}) if clinical else frozenset())
        for cell in stack.warehouse.dump():
            scanner.scan("warehouse", cell)
        for cell in stack.graph.dump():
            scanner.scan("graph", cell)
        scanner.scan_file("log", stack.service.log)
        for file in stack.service.log.parent.rglob("*"):  # the ledger, marks, metrics, the index of dead letters
            if file.is_file() and file != stack.service.log:
                with suppress(FileNotFoundError):  # written anew just now, under the name that it always has
                    scanner.scan_file("ledger", file)
        return scanner


def naming(stack: Stack) -> Naming:
    """What the warehouse calls the clinic's resources."""
    key = stack.tenant.pseudonym_key
    assert key is not None
    pseudonyms = Pseudonyms(bytes.fromhex(key.get_secret_value()), stack.tenant.key_id)
    return Naming(pseudonyms.id, pseudonyms.version)


def _rows(stack: Stack, view: str) -> list[dict[str, object]]:
    """A published view, read with GoogleSQL as an analyst would."""
    columns = ["resource_type", "key", "sequence", "version", "generation", "committed_at"]
    if view == "change_log":
        columns.append("deleted")
    table = f"`{stack.settings.gcp_project}.{stack.tenant.dataset}.{view}`"
    rows = stack.warehouse.rows(f"SELECT {', '.join(columns)} FROM {table}")  # noqa: S608
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _tags(event: dict[str, object]) -> list[str]:
    meta = event.get("meta")
    tags = meta.get("tag", []) if isinstance(meta, dict) else []
    return [str(tag.get("code")) for tag in tags]
