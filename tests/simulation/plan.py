"""What happens in a simulated day, drawn from a seed: changes in Medplum, and everything that goes wrong meanwhile.

    seed ─► Plan: changes, outages, crashes, pauses, skews, replays, and how often a single call fails

A plan is plain data, so that a failing one can be made smaller piece by piece.
"""

from dataclasses import dataclass, fields
from typing import Literal

from tests.simulation.chance import Chance

type Port = Literal["ledger", "fhir", "audit", "dlp", "warehouse", "pubsub"]

PORTS: tuple[Port, ...] = ("ledger", "fhir", "audit", "dlp", "warehouse", "pubsub")
PROJECTS, RESOURCES, PROCESSES = 2, 4, 2  # tenants; resources of each, the first a Patient; processes of each zone


@dataclass(frozen=True, slots=True)
class Change:
    """Somebody writes or deletes a resource. `flaw`: the version breaks R4, or trips over a fault of ours.

    `number` names the version, so that it keeps its name when the day around it shrinks.
    """

    number: int
    at: float
    project: int
    resource: int
    delete: bool
    text: bool
    flaw: Literal["", "invalid", "unforeseen"]


@dataclass(frozen=True, slots=True)
class Outage:
    """A port fails for a while: before the effect, after it (the outcome is unknown), or now so, now so."""

    port: Port
    at: float
    seconds: float
    when: Literal["before", "after", "either"]


@dataclass(frozen=True, slots=True)
class Crash:
    """A process dies at its n-th call of a port, before or after the effect, and starts again after a while."""

    zone: Literal["clinical", "analytics"]
    process: int
    call: int
    after_effect: bool
    down: float


@dataclass(frozen=True, slots=True)
class Pause:
    """A process stands still, longer than its leases last, and wakes as a zombie."""

    zone: Literal["clinical", "analytics"]
    process: int
    at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Plan:
    """A day. Times are seconds from its beginning; the rates are shares of calls and deliveries."""

    seed: int
    changes: tuple[Change, ...]
    outages: tuple[Outage, ...] = ()
    crashes: tuple[Crash, ...] = ()
    pauses: tuple[Pause, ...] = ()
    replays: tuple[float, ...] = ()  # when an operator replays what was set aside
    skew: float = 0.0  # the clocks of processes differ by up to this
    faults: float = 0.0  # single calls of ports that fail
    slow: float = 0.0  # single calls that take longer than the deadline
    doubled: float = 0.0  # messages delivered again although they were acknowledged, up to a day later
    lost_hooks: float = 0.0  # webhooks that Medplum never sends
    lost_answers: float = 0.0  # answers to webhooks and pushes that get lost


def drawn(seed: int) -> Plan:
    """The plan of a seed. One in eight is a calm day: what breaks then breaks without help."""
    dice = Chance(seed)
    calm = dice.happens("calm", 0.125)
    span = dice.one_of("span", (1.0, 60.0, 3600.0))
    changes = tuple(_change(dice, span, number) for number in range(3 + int(dice.throw("changes") * 10)))
    if calm:
        return Plan(seed, changes)

    def several(name: str, most: int) -> range:
        return range(int(dice.throw(f"{name}?") * (most + 1)))

    return Plan(
        seed,
        changes,
        outages=tuple(_outage(dice, span) for _ in several("outage", 3)),
        crashes=tuple(_crash(dice) for _ in several("crash", 3)),
        pauses=tuple(_pause(dice, span) for _ in several("pause", 2)),
        replays=tuple(dice.between("replay", 0, span + 4000) for _ in several("replay", 2)),
        skew=dice.one_of("skew", (0.0, 2.0, 120.0)),
        faults=dice.one_of("faults", (0.0, 0.03, 0.2)),
        slow=dice.one_of("slow", (0.0, 0.0, 0.05)),
        doubled=dice.one_of("doubled", (0.0, 0.1, 0.4)),
        lost_hooks=dice.one_of("lost_hooks", (0.0, 0.1, 0.4)),
        lost_answers=dice.one_of("lost_answers", (0.0, 0.1, 0.3)),
    )


def smaller(plan: Plan) -> list[Plan]:
    """Plans with one thing less, the boldest first."""
    found: list[Plan] = []
    for name in ("changes", "outages", "crashes", "pauses", "replays"):
        things = getattr(plan, name)
        half = len(things) // 2
        cuts = [things[:half], things[half:]] if half else []
        cuts += [things[:n] + things[n + 1 :] for n in range(len(things))]
        found += [_with(plan, name, cut) for cut in cuts if cut or name != "changes"]
    for name in ("skew", "faults", "slow", "doubled", "lost_hooks", "lost_answers"):
        if getattr(plan, name):
            found.append(_with(plan, name, 0.0))
    return found


def _with(plan: Plan, name: str, value: object) -> Plan:
    return Plan(**{**{field.name: getattr(plan, field.name) for field in fields(plan)}, name: value})


def _change(dice: Chance, span: float, number: int) -> Change:
    at = dice.between("at", 0, span)
    if dice.happens("same instant", 0.2):
        at = float(int(at))
    flaw = dice.throw("flaw")
    return Change(
        number,
        at,
        project=int(dice.throw("project") * PROJECTS),
        resource=int(dice.throw("resource") * RESOURCES),
        delete=dice.happens("delete", 0.2),
        text=dice.happens("text", 0.4),
        flaw="invalid" if flaw < 0.05 else "unforeseen" if flaw < 0.1 else "",
    )


def _outage(dice: Chance, span: float) -> Outage:
    return Outage(
        dice.one_of("port", PORTS),
        dice.between("outage at", 0, span),
        dice.one_of("outage for", (5.0, 120.0, 3600.0)),
        dice.one_of("outage when", ("before", "after", "either")),
    )


def _crash(dice: Chance) -> Crash:
    return Crash(
        dice.one_of("crash zone", ("clinical", "clinical", "analytics")),
        int(dice.throw("crash process") * PROCESSES),
        1 + int(dice.throw("crash call") * 60),
        dice.happens("crash after", 0.5),
        dice.one_of("crash down", (1.0, 60.0, 600.0)),
    )


def _pause(dice: Chance, span: float) -> Pause:
    return Pause(
        dice.one_of("pause zone", ("clinical", "analytics")),
        int(dice.throw("pause process") * PROCESSES),
        dice.between("pause at", 0, span),
        dice.between("pause for", 60, 400),
    )
