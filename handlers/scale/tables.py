"""The tables of docs/scale.md."""

from collections.abc import Callable, Sequence
from functools import cache
from math import ceil, log

from handlers.scale.bill import MILLION, ZONES, bill, by_service, floor, text_kilobyte, total
from handlers.scale.facts import ACTS_A_BATCH, POINTS_A_READ, POINTS_AN_ACT, facts, hops, tables, value
from handlers.scale.limits import MB, Shape, batch, binding, clinical_writes, cpu, handled, limits, messages
from handlers.scale.simulate import Outcome, simulate
from handlers.scale.steps import STEPS, TARGET, Step

OVER, UNDER = 1.2, 0.9  # of the limit: at the one a backlog grows, at the other none
BARELY = 1.05  # of the limit: so little that no other is passed with it
type Table = Callable[[tuple[str, ...], Sequence[tuple[str, ...]]], str]


@cache
def outcomes(step: Step) -> tuple[Outcome, Outcome]:
    """What the simulation makes of a step: over its limit, and under it."""
    limit = binding(step.shape).rate
    return simulate(step.shape, limit * OVER), simulate(step.shape, limit * UNDER)


@cache
def binds(step: Step) -> str:
    """What grows first in the simulation."""
    return simulate(step.shape, binding(step.shape).rate * BARELY).binds


def event(table: Table) -> str:
    """What one event does, and where the number comes from."""
    writes, acts = value("event.ledger_writes"), value("event.acts")
    rows = [
        ("hops", f"{len(hops())}", "handlers in a row: " + ", ".join(f"`{on.handler}`" for on in hops())),
        ("messages", _n(sum(messages().values())), "one for each hop, a copy for others, a share of what goes beside"),
        ("ledger writes", _n(handled() * writes), f"{_n(writes)} for each of {_n(handled())} messages that our handlers get"),
        ("Medplum reads", _n(value("event.reads")), f"{POINTS_A_READ} point each: the version twice, the patient for text"),
        ("AuditEvents", _n(acts), f"{POINTS_AN_ACT} points each, up to {ACTS_A_BATCH} in a request"),
        ("free text", f"{value('event.text_share'):.0%} of events", f"up to {batch(Shape()):.0f} events in a DLP request"),
        ("BigQuery", f"{_n(value('event.bigquery_bytes'))} bytes", f"into {tables()} tables of a dataset: rows, changes, views"),
        (
            "CPU",
            " + ".join(_n(value(f"event.cpu_ms_{zone}")) for zone in ZONES) + " ms",
            ", ".join(ZONES),
        ),
    ]  # fmt: skip
    return table(("what", "of an event", "why"), rows)


def costs(table: Table) -> str:
    """The bill of a million events with its arithmetic, and its sums."""
    lines = [
        (one.service, one.what, f"{_n(one.amount)} {one.unit}", _price(one.price), f"{one.cost:.2f}") for one in bill()
    ]
    sums = [(service, "", "", "", f"**{cost:.2f}**") for service, cost in by_service().items()]
    more = [
        ("all", "", "", "", f"**{total():.2f}**"),
        ("Cloud Run, no event at all", "three instances that wait", "a month", "", f"{floor():.0f} a month"),
        ("DLP, longer text", "1 kB of free text in each event", "", "", f"{text_kilobyte():.2f} more"),
    ]
    return table(("service", "what", "a million events", "USD for one", "USD"), [*lines, *sums, *more])


def quotas(table: Table) -> str:
    """Where each limit binds in the shipped shape, the nearest first."""
    rows = [
        (one.name, f"{_n(one.given)} {one.unit}", f"{_n(one.asked)} {one.unit}", _n(one.rate), _waits(one.where))
        for one in sorted(limits(Shape()), key=lambda limit: limit.rate)
    ]
    return table(("limit", "a second has", "an event asks", "binds at events/s", "then waits"), rows)


def steps(table: Table) -> str:
    """Each step with its limit on paper, what the simulation reached, and what binds then."""
    rows = []
    for number, step in enumerate(STEPS):
        limit, (over, under) = binding(step.shape), outcomes(step)
        rows.append(
            (
                str(number),
                step.do,
                step.how,
                _n(limit.rate),
                _n(over.through),
                f"{under.fresh:.1f}",
                binds(step) or "-",
                f"{warm_up(step.shape, limit.rate):.0f}",
            )
        )
    heads = ("", "step", "where", "events/s on paper", "simulated", "p95 s to a row", "binds next", "warm-up, min")
    return table(heads, rows)


def target(table: Table) -> str:
    """What the last step's rate means in things: instances, calls, money."""
    rate = float(TARGET)
    instances = [f"{ceil(rate * cpu(zone) / value('assumed.busy'))} {zone}" for zone in ZONES]
    medplum = value("event.acts") * value("latency.medplum_act") + value("event.reads") * value("latency.medplum")
    rows = [
        ("Cloud Run", ", ".join(instances), "instances at work, of one vCPU"),
        (
            "Medplum",
            f"{_n(rate * medplum)} seconds of work a second",
            "so at least as many cores, which no quota names",
        ),
        ("AuditEvents", f"{_n(rate * value('event.acts'))} a second", "the most of Medplum's work"),
        (
            "Firestore",
            f"{_n(rate * handled() * value('event.ledger_writes'))} writes a second",
            "in all cells' databases",
        ),
        ("BigQuery", f"{_n(rate * value('event.bigquery_bytes') / MB)} MB a second", "in all cells' datasets"),
        ("DLP", f"{_n(rate * value('event.text_share') / batch(Shape()))} requests a second", "when they are full"),
        (
            "money",
            f"{_n(total() * rate * 3600 / MILLION)} USD an hour",
            "by the bill above; Medplum and TigerGraph beside it",
        ),
    ]
    return table(("where", "what", ""), rows)


def sources(table: Table) -> str:
    """Every number of the file, what is assumed first."""
    ordered = sorted(facts().values(), key=lambda one: not one.assumed)
    rows = [
        (f"`{one.name}`", f"{one.value:g}", one.unit, "assumed" if one.assumed else "", one.source) for one in ordered
    ]
    return table(("number", "value", "unit", "", "source"), rows)


def warm_up(shape: Shape, rate: float) -> float:
    """Minutes until Firestore takes what the clinical ledger writes at this rate, from cold by its 500/50/5 rule."""
    wanted = rate / shape.cells * clinical_writes() / value("quota.firestore_cold")
    return 5 * ceil(max(0.0, log(max(wanted, 1e-9)) / log(value("quota.firestore_growth"))))


def _waits(where: str) -> str:
    return {"data": "everything", "text": "text; rows flow without it", "audit": "the AuditEvents; rows flow"}[where]


def _price(price: float) -> str:
    return f"{price:.7f}".rstrip("0").rstrip(".")


def _n(number: float) -> str:
    """Three digits, as people read them."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


TABLES = {
    "event": event,
    "costs": costs,
    "quotas": quotas,
    "steps": steps,
    "target": target,
    "sources": sources,
}
