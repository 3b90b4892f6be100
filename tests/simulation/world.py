"""A world: the real pipeline, handlers, door and ledger's rules, in processes that fail, between Medplum and BigQuery.

    hospital ─► ingress ─► broker ─► clinical (2 processes) ─► broker ─► analytics (2 processes) ─► warehouse

Everything that is ours is the code that runs in the cloud; everything that is others' is a twin that keeps their
promises and not more. `lived` runs a plan to its end; judge.py then looks at what is left.
"""

import asyncio
from collections.abc import MutableMapping, Sequence
from copy import replace
from typing import Any

import orjson
import structlog

from handlers import analytics, audit, catalog, deid, validation
from handlers.reconcile.publish import Events
from handlers.reconcile.sweep import Sweep
from handlers.webhook import Hook, Webhooks
from shared.accounts import Accounts
from shared.acting import Sinks
from shared.deid.text.texts import Texts
from shared.effects import Effect
from shared.erasures.memory import MemoryErasures
from shared.errors import Problem
from shared.events.data import DATA
from shared.events.envelope import Event
from shared.fhir.audit import Site
from shared.fhir.reading import Reading
from shared.fhir.records import Records
from shared.head import Head, Headers
from shared.ledger.memo import MemoLedger
from shared.ledger.port import State
from shared.ledger.transitions import RETENTION
from shared.limits import Allowance, Recent
from shared.phi import Phi
from shared.pipeline import Pipeline
from shared.sinks.memory_warehouse import MemoryWarehouse
from shared.subscriber import NOTHING, Route, Subscription
from shared.telemetry.logs import THREAD, look_again
from tests.simulation import house
from tests.simulation.broker import ACK_DEADLINE, Broker
from tests.simulation.chance import Chance
from tests.simulation.hospital import Hospital, Written
from tests.simulation.loop import EPOCH, VirtualLoop
from tests.simulation.plan import PROCESSES, Crash, Plan
from tests.simulation.ports import WiredFhir, WiredLedger, WiredPublisher, WiredScrubber, WiredWarehouse
from tests.simulation.process import Process, Weather
from tests.simulation.watch import WatchedLedger

CLINICAL, ANALYTICS = (validation.ON, deid.ON, deid.TEXT, audit.ON), (analytics.ON,)
LINGER = house.settings("clinical").audit_linger
_MENDED_AFTER = 3000.0  # seconds after the day's last change at which a fault of ours is mended


class Machine:
    """A place where a process of a zone runs, and another one after it has died."""

    def __init__(self, world: "World", zone: str, number: int) -> None:
        plan = world.weather.plan
        self._world, self._zone, self._name = world, zone, f"{zone}{number}"
        self._skew = world.weather.dice.between(f"{self._name} skew", -plan.skew, plan.skew)
        self._crashes = [crash for crash in plan.crashes if (crash.zone, crash.process) == (zone, number)]
        self._lives = 0
        self.start()

    def start(self) -> None:
        """A new life, with an empty memo."""
        self._lives += 1
        self.process = Process(self._world.weather, self._skew, list(self._crashes), self._died)
        ledger = MemoLedger(WiredLedger(self.process, self._world.ledger), retention=RETENTION)
        publisher = WiredPublisher(self.process, self._world.broker)
        fhir = WiredFhir(self.process, self._world.hospital.fhir)
        warehouse = WiredWarehouse(self.process, self._world.warehouse)
        clinical, accounts = self._zone == "clinical", Accounts(publisher, self.process.now, linger=LINGER)
        self.pipeline = Pipeline(
            house.settings(self._zone),
            tokens=house.tokens(),
            ledger=ledger,
            sinks=Sinks(
                publisher,
                self.process.now,
                None if clinical else warehouse,
                fhir if clinical else None,
                erasures=MemoryErasures(),
                accounts=accounts,
            ),
            accounts=accounts,
            owner=f"{self._name}/{self._lives}",
            now=self.process.now,
            sleep=self.process.nap,
        )
        made = _clinical(self.process, fhir, accounts) if clinical else _analytics()
        self.routes = {route.on.handler: self._world.watched(route) for route in made}

    async def run(self, on: Subscription, head: Head, body: bytes) -> int:
        """One push request; its status."""
        await self.process.nap(0)  # a process that stands still takes no request
        return (await self.pipeline.run(self.routes[on.handler], head, body)).status

    def _died(self, crash: Crash) -> None:
        self._crashes.remove(crash)
        asyncio.get_running_loop().call_later(crash.down, self.start)


class World:
    """One plan's world. `logs` are the lines, as they were before any filter."""

    def __init__(self, plan: Plan) -> None:
        self.weather = Weather(plan, Chance(plan.seed))
        self.logs: list[str] = []
        self.ledger = WatchedLedger()
        # Views' records go with their row in one write, and have suites of their own: evaluating them costs a third of a day.
        self.warehouse = MemoryWarehouse([tenant.name for tenant in house.tenants()], views=lambda _: ())
        self.broker = Broker(self.weather, (*CLINICAL, *ANALYTICS), self._push)
        projects = tuple(tenant.project for tenant in house.tenants())
        self.hospital = Hospital(self.weather, projects, house.SECRET, self._hook)
        self.machines: dict[str, list[Machine]] = {}

    def lived(self) -> "World":
        """This world, after its day. Raises Stuck, or what no code may raise."""
        structlog.configure(processors=[self._logged])
        look_again()
        VirtualLoop().run(self._day())
        return self

    async def _day(self) -> None:
        loop, plan = asyncio.get_running_loop(), self.weather.plan
        for zone in ("clinical", "analytics"):
            self.machines[zone] = [Machine(self, zone, number) for number in range(PROCESSES)]
        self._ingress = self._webhooks()
        for pause in plan.pauses:
            loop.call_at(pause.at, self._pause, pause.zone, pause.process, pause.at + pause.seconds)
        replays = [loop.create_task(self._replay(at)) for at in plan.replays]
        self._mended = max((change.at for change in plan.changes), default=0.0) + _MENDED_AFTER
        await self.hospital.day()
        await asyncio.gather(*replays)
        await self.broker.quiet()
        rest = max([self._mended, *(outage.at + outage.seconds for outage in plan.outages)])
        await asyncio.sleep(max(0.0, rest - loop.time()) + 600)
        self.weather.calm = True
        await self._replay(loop.time())
        await self.broker.quiet()
        await self._reconcile()
        self.weather.over = True

    async def _reconcile(self) -> None:
        """Sweep until there is nothing left to find; operators find that it comes to an end."""
        process = Process(self.weather, 0.0, (), lambda _: None)
        publisher = WiredPublisher(process, self.broker)
        for _ in range(4):
            published = 0
            for tenant in house.tenants():
                events = Events(tenant, house.ids()[tenant.project], publisher, process.now)
                sweep = Sweep(
                    tenant,
                    house.doors()[tenant.project],
                    self.hospital.fhir,
                    self.warehouse,
                    self.ledger,
                    events,
                    process.now,
                )
                for type in ("Patient", "Observation"):
                    published += (await sweep.whole(type, histories=True, allow=True)).published
            await self.broker.quiet()
            if not published:
                return
        self.ledger.wrongs.append("reconcile that never ends")

    async def _push(self, on: Subscription, name: str, headers: Headers, body: bytes) -> int | None:
        """The status of a push to one of the zone's processes that live; None if none answers in time."""
        zone = str(on.zone)
        alive = [machine for machine in self.machines[zone] if not machine.process.dead]
        if not alive:
            return None
        machine, account = self.weather.dice.one_of(f"{name} to", alive), house.settings(zone)
        token = house.issuer().token(account.account(on.handler), account.audience(on.handler))
        request = machine.run(on, Head([*headers, (b"authorization", f"Bearer {token}".encode())]), body)
        task = asyncio.create_task(request)
        done, _ = await asyncio.wait({task}, timeout=ACK_DEADLINE)
        return task.result() if done else None

    async def _hook(self, project: int, headers: list[tuple[bytes, bytes]], body: bytes) -> bool:
        try:
            await self._ingress.receive(f"hook{project}", Head(headers), Phi(body), address="192.0.2.1")
        except Problem:
            return False
        return True

    def _webhooks(self) -> Webhooks:
        process = Process(self.weather, 0.0, (), lambda _: None)
        hooks = {
            f"hook{number}": Hook(tenant, house.ids()[tenant.project], [house.SECRET])
            for number, tenant in enumerate(house.tenants())
        }
        publisher = WiredPublisher(process, self.broker)
        return Webhooks(hooks, publisher, process.now, Allowance(10_000), Allowance(10_000), Recent())

    def _pause(self, zone: str, number: int, until: float) -> None:
        self.machines[zone][number].process.paused_until = until

    def watched(self, route: Route) -> Route:
        """The route, with the fault of ours that some versions trip over until it is mended."""

        async def handle(event: Event[Any], given: Any) -> Sequence[Effect]:
            version = getattr(event.data, "version", "")
            stumbles = self.hospital.flaw(version) == "unforeseen"
            if stumbles and asyncio.get_running_loop().time() < self._mended:
                raise ZeroDivisionError("Zaqcanary")
            return await route.handle(event, given)

        return replace(route, handle=handle)

    async def _replay(self, at: float) -> None:
        """An operator replays what our fault had set aside: from what stands in quarantine, and nothing else."""
        await asyncio.sleep(max(0.0, at - asyncio.get_running_loop().time()))
        now = EPOCH + asyncio.get_running_loop().time()
        for topic, message in list(self.broker.published):
            if not topic.endswith(".quarantine"):
                continue
            aside = orjson.loads(message.data)
            key = f"{aside['handler']}:{aside['eventId']}"
            if aside["code"] != "handler-failed" or not await self.ledger.reopen(key, now=now):
                continue
            data = DATA[aside["eventType"]].model_validate_json(orjson.dumps(aside["event"]))
            attributes = {**message.attributes, "ce-id": aside["eventId"], "ce-type": data.TYPE}
            again = replace(message, attributes=attributes, data=data.model_dump_json().encode())
            await self.broker.publish(aside["topic"], again)

    def _logged(self, _: object, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        self.logs.append(repr({**THREAD.get(), **line}))
        raise structlog.DropEvent

    def unknowable(self, version: Written) -> bool:
        """Whether nobody could know of a version: no webhook told of it, and its resource is gone for every search."""
        gone = self.hospital.newest[version.project, version.id] is None
        return gone and version.version not in self.hospital.told

    def aside(self) -> set[str]:
        """The keys that ended as poison."""
        return {record.key for record in self.ledger.records() if record.state is State.POISON}


def _clinical(process: Process, fhir: WiredFhir, accounts: Accounts) -> tuple[Route, ...]:
    """As handlers/zones/clinical.py wires it."""
    ids, doors = house.ids(), house.doors()

    def read(handler: str, purpose: Any) -> Any:
        return Reading(fhir, ids, handler, purpose, process.now).read()

    texts = Texts.__new__(Texts)
    texts._local, texts._scrubber = house.texts()._local, WiredScrubber(process)

    def prose(on: Subscription) -> deid.Prose:
        return deid.Prose(Records(fhir, ids, on.handler, process.now, accounts.note), texts)

    return (
        validation.validate.bind(read("validation", "validation"), validator=house.validator(), ids=ids),
        deid.deidentify.bind(
            read("deid", "de-identification"), doors=doors, ids=ids, prose=prose(deid.ON), erasures=MemoryErasures()
        ),
        deid.retext.bind(
            read("text", "de-identification"), doors=doors, prose=prose(deid.TEXT), erasures=MemoryErasures()
        ),
        audit.audit.bind(NOTHING, site=Site("https://s.example", "https://m.example", "https://b.example")),
    )


def _analytics() -> tuple[Route, ...]:
    """As handlers/zones/analytics.py wires it."""
    releases = frozenset((tenant.name, release.key_id) for tenant in house.tenants() for release in tenant.releases)
    outgoing = catalog.outgoing(house.tenants())
    return (analytics.analyse.bind(NOTHING, releases=releases, outgoing=outgoing),)
