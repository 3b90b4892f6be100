"""Is the new revision as good as the old one? Is the image fit to run? Decided from numbers alone.

A share of failures is compared with the old revision's in the same minutes: when Medplum or BigQuery is down, both answer 503,
and going back would mend nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

ENOUGH = 100  # requests after which a share says something
FEW = 3  # failures that may be chance
FLOOR = 0.01  # a share of failures below which nobody goes back
TIMES = 2.0  # as bad as the old one's share is not worse
PATIENCE = 300.0  # seconds after which a quiet zone is taken as well
GRAVE = ("CRITICAL", "HIGH")


class Verdict(StrEnum):
    GO = "go"
    WAIT = "wait"
    BACK = "back"


@dataclass(frozen=True, slots=True)
class Count:
    """Answers of one revision since a moment; `failed` are those of 500 and more."""

    requests: int = 0
    failed: int = 0

    @property
    def share(self) -> float:
        return self.failed / self.requests if self.requests else 0.0


def counted(statuses: Iterable[int]) -> Count:
    """The count of these answers."""
    found = list(statuses)
    return Count(len(found), sum(status >= 500 for status in found))


def judge(new: Count, old: Count, waited: float, patience: float = PATIENCE) -> Verdict:
    """Whether to go on, `waited` seconds after the step."""
    if new.failed >= FEW and new.share > max(FLOOR, TIMES * old.share):
        return Verdict.BACK
    return Verdict.GO if new.requests >= ENOUGH or waited >= patience else Verdict.WAIT


def grave(found: Iterable[Mapping[str, Any]]) -> list[str]:
    """The known vulnerabilities that stop a release: grave, and mended in a newer version."""
    stop = []
    for one in found:
        told = one.get("vulnerability", {})
        if told.get("effectiveSeverity") in GRAVE and told.get("fixAvailable"):
            stop.append(f"{told.get('shortDescription', 'unknown')} {told['effectiveSeverity']}")
    return sorted(set(stop))
