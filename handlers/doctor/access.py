"""What a Medplum client may do, by its AccessPolicy, against what its part in the pipeline needs. Pure.

    reader    read, vread, history of every type that is served        writes nothing
    sweeper   search, history of every type that is served             writes nothing
    auditor   create, search, read of AuditEvent and Provenance        sees no patient; appends only

A rule without interactions allows all, a read-only one all that do not write; no policy at all allows everything.
Criteria of a rule are not looked into: what they hide is found by reconcile, as rows whose resource is gone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from handlers.doctor.findings import Check, Finding

READS = frozenset({"read", "vread", "history", "search"})
WRITES = frozenset({"create", "update", "delete"})
UNIVERSAL: tuple[Mapping[str, Any], ...] = ({"resourceType": "*"},)
_AUDIT, _PROVENANCE, _PATIENT = "AuditEvent", "Provenance", "Patient"
_SHOWN = 3  # types of a finding that are named


@dataclass(frozen=True, slots=True)
class Part:
    """A client's part. `needs` and `never`: type → interactions."""

    place: str
    needs: Mapping[str, frozenset[str]]
    never: Mapping[str, frozenset[str]]


def reader(place: str, types: Sequence[str], *, sweeps: bool) -> Part:
    """Reads versions back; without a client for sweeps it searches too."""
    needs = frozenset({"read", "vread", "history"}) | (frozenset({"search"}) if sweeps else frozenset())
    return Part(place, dict.fromkeys(types, needs), dict.fromkeys((*types, _AUDIT), WRITES))


def sweeper(place: str, types: Sequence[str]) -> Part:
    """Lists what is there."""
    return Part(place, dict.fromkeys(types, frozenset({"search", "history"})), dict.fromkeys((*types, _AUDIT), WRITES))


def auditor(place: str) -> Part:
    """Appends to the audit trail. A conditional create searches, and reads what it finds."""
    records = (_AUDIT, _PROVENANCE)
    needs = dict.fromkeys(records, frozenset({"create", "search", "read"}))
    never = dict.fromkeys(records, frozenset({"update", "delete"}))
    return Part(place, needs, never | {_PATIENT: READS | WRITES})


def judged(part: Part, rules: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Too much, and too little."""
    too_much = _which(part.never, rules, allowed=True)
    too_little = _which(part.needs, rules, allowed=False)
    if too_much:
        yield Finding(Check.CLIENT_TOO_WIDE, part.place, at=_told(too_much))
    if too_little:
        yield Finding(Check.CLIENT_TOO_NARROW, part.place, at=_told(too_little))


def allows(rules: Sequence[Mapping[str, Any]], type: str, interaction: str) -> bool:
    """Whether any rule lets it happen."""
    return any(_lets(rule, interaction) for rule in rules if rule.get("resourceType") in (type, "*"))


def _lets(rule: Mapping[str, Any], interaction: str) -> bool:
    if "interaction" in rule:
        return interaction in rule["interaction"]
    return interaction in READS if rule.get("readonly") else True


def _which(
    asked: Mapping[str, frozenset[str]], rules: Sequence[Mapping[str, Any]], *, allowed: bool
) -> dict[frozenset[str], list[str]]:
    """Interactions that are (not) allowed → the types for which that is so."""
    found: dict[frozenset[str], list[str]] = {}
    for type, interactions in asked.items():
        if hit := frozenset(one for one in interactions if allows(rules, type, one) is allowed):
            found.setdefault(hit, []).append(type)
    return found


def _told(found: Mapping[frozenset[str], Sequence[str]]) -> str:
    parts = []
    for interactions, types in found.items():
        named = ", ".join(types[:_SHOWN]) + (f" and {len(types) - _SHOWN} more" if len(types) > _SHOWN else "")
        parts.append(f"{', '.join(sorted(interactions))} of {named}")
    return "; ".join(parts)
