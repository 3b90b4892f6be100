"""The numbers of now, for each handler over all processes: what a console shows.

    store = open_metrics(settings.ledger, project=settings.gcp_project)
    for one in live(await read(store, now=time.time())): …

In the cloud the clinical and the analytics zone have a store each; ops reads both and puts the snapshots together.
"""

from collections.abc import Iterable

from msgspec import Struct

from shared.telemetry.snapshots import Number, Snapshot


class Live(Struct, frozen=True):
    """One handler. Ages are seconds, p95 of the slowest process, rounded up to a bound of the distribution."""

    handler: str
    events_per_s: float
    set_aside_per_s: float
    again_per_s: float
    in_flight: int
    gates_shut: int
    answer_p95: float
    age_p95: float  # from the event's ce-time to the end of its work
    lag_p95: float  # from Medplum's lastUpdated through the door; 0 for who does not send through it
    processes: int


def live(snapshots: Iterable[Snapshot]) -> tuple[Live, ...]:
    """Each handler that a living process has had anything to do with."""
    found: dict[str, list[tuple[Snapshot, Number]]] = {}
    for snapshot in snapshots:
        for number in snapshot.numbers:
            if "handler" in number.labels:
                found.setdefault(number.labels["handler"], []).append((snapshot, number))
    return tuple(_live(handler, numbers) for handler, numbers in sorted(found.items()))


def _live(handler: str, numbers: list[tuple[Snapshot, Number]]) -> Live:
    def rate(outcome: str) -> float:
        counted = [(s, n) for s, n in numbers if n.name == "messages" and n.labels["outcome"] == outcome]
        return sum(number.window / snapshot.seconds for snapshot, number in counted if snapshot.seconds > 0)

    def summed(name: str) -> int:
        return int(sum(number.value for _, number in numbers if number.name == name))

    def worst(name: str) -> float:
        return max((number.p95 for _, number in numbers if number.name == name), default=0.0)

    return Live(
        handler=handler,
        events_per_s=rate("done"),
        set_aside_per_s=rate("set_aside"),
        again_per_s=rate("try_again"),
        in_flight=summed("in_flight"),
        gates_shut=summed("gates_shut"),
        answer_p95=worst("message_seconds"),
        age_p95=worst("event_age_seconds"),
        lag_p95=worst("clinical_lag_seconds"),
        processes=len({snapshot.process for snapshot, _ in numbers}),
    )
