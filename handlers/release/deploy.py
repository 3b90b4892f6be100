"""A release: every zone's new revision without traffic, a smoke test of each, then the traffic by steps, and back if it is worse.

    replace ×4 ─► smoke ×4 ─► 10 % ─► watch ─► 50 % ─► watch ─► 100 % ─► watch ─► done
        └───────────┴────────────┴───────────────┴─── the old revisions take everything back ◄── worse, or any error

The revision before is left running without traffic, so that going back is one call and no build.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from handlers.release import plan
from handlers.release.gcloud import Failed, Gcloud
from handlers.release.plan import Document, Serving
from handlers.release.verdict import PATIENCE, Count, Verdict, counted, judge

LOOK = 15.0  # seconds between two looks at the numbers


class Worse(Exception):
    """The new revision fails more than the old one, or its smoke test does."""


@dataclass(slots=True)
class Moved:
    """One zone's release: its service, the new revision, and who had the traffic before."""

    zone: str
    service: str
    name: str
    before: Serving
    old_count: Count = field(default_factory=Count)


@dataclass(frozen=True, slots=True)
class Release:
    """`smoke` raises Worse. `clock` and `sleep` are in seconds."""

    cloud: Gcloud
    commit: str
    smoke: Callable[[str, str], None]
    tell: Callable[[str], None]
    look: float = LOOK
    patience: float = PATIENCE
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def run(self, documents: Mapping[str, Document]) -> bool:
        """Whether the new revisions have the traffic; if not, the old ones have it."""
        moved: list[Moved] = []
        try:
            for zone in plan.ORDER:
                self._start(zone, documents[zone], moved)
            for one in moved:
                self._try(one)
            for percent in plan.STEPS:
                self._shift(moved, percent)
        except (Worse, Failed) as error:
            self.tell(f"going back: {error}")
            self._back(moved)
            return False
        self.tell("done: the new revisions have all the traffic")
        return True

    def _start(self, zone: str, document: Document, moved: list[Moved]) -> None:
        service = document["metadata"]["name"]
        name = plan.revision(service, self.commit)
        one = Moved(zone, service, name, plan.serving(self.cloud.describe(service)))
        moved.append(one)
        self.cloud.replace(plan.candidate(document, name, one.before))
        self.tell(f"{zone}: {name} is ready, without traffic")

    def _try(self, one: Moved) -> None:
        self.smoke(one.zone, plan.candidate_url(self.cloud.describe(one.service)))
        self.tell(f"{one.zone}: smoke test passed")

    def _shift(self, moved: list[Moved], percent: int) -> None:
        since, started = datetime.now(UTC).isoformat(timespec="seconds"), self.clock()
        for one in moved:
            self.cloud.traffic(one.service, plan.shares(one.name, one.before, percent))
        waiting = {one.zone: one for one in moved}
        while waiting:
            self.sleep(self.look)
            waited = self.clock() - started
            for zone, one in list(waiting.items()):
                verdict, new = self._judge(one, since, waited)
                if verdict is Verdict.BACK:
                    raise Worse(f"{zone} at {percent} %: {new.failed} of {new.requests} failed")
                if verdict is Verdict.GO:
                    self.tell(f"{zone}: {percent} %, {new.requests} requests, {new.failed} failed")
                    del waiting[zone]

    def _judge(self, one: Moved, since: str, waited: float) -> tuple[Verdict, Count]:
        new = counted(self.cloud.statuses(one.service, one.name, since))
        old = plan.old_revision(one.name, one.before)
        if old and (now := counted(self.cloud.statuses(one.service, old, since))).requests:
            one.old_count = now  # at 100 % there is none any more: the last step's stays
        return judge(new, one.old_count, waited, self.patience), new

    def _back(self, moved: list[Moved]) -> None:
        """Every zone that has an older revision; one that fails does not keep the others from going."""
        for one in reversed(moved):
            if old := plan.old_revision(one.name, one.before):
                try:
                    self.cloud.traffic(one.service, {old: 100})
                    self.tell(f"{one.zone}: {old} has all the traffic")
                except Failed as error:
                    self.tell(f"{one.zone}: NOT BACK, do it by hand: {error}")
