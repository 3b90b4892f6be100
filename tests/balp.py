"""What IHE BALP 1.1 asks of an AuditEvent, as rules by profile: https://profiles.ihe.net/ITI/BALP, in words of our own.

A rule looks at a resource and says whether it holds; `broken` names those that do not.

Left out: bindings that R4's own validation looks at, slices that are optional (user, custodian, authorizer, X-Request-Id).
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from shared.fhir.audit import BALP

type Rule = Callable[[Any], bool]

DICOM = "http://dicom.nema.org/resources/ontology/DCM"
SOURCE, DESTINATION = (DICOM, "110153"), (DICOM, "110152")
REST = ("http://terminology.hl7.org/CodeSystem/audit-event-type", "rest")
INTERACTION = "http://hl7.org/fhir/restful-interaction"
DISCLOSE = ("http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle", "disclose")
ENTITY, ROLE = (
    "http://terminology.hl7.org/CodeSystem/audit-entity-type",
    "http://terminology.hl7.org/CodeSystem/object-role",
)


def code(coding: Any) -> tuple[str, str]:
    return coding.get("system", ""), coding.get("code", "")


def agents(event: Any, role: tuple[str, str]) -> list[Any]:
    return [agent for agent in event["agent"] if role in map(code, agent.get("type", {}).get("coding", ()))]


def entities(event: Any, type: str, *roles: str) -> list[Any]:
    return [
        entity
        for entity in event.get("entity", ())
        if code(entity.get("type", {})) == (ENTITY, type) and code(entity.get("role", {})) in [(ROLE, r) for r in roles]
    ]


def one_agent(role: tuple[str, str]) -> Rule:
    """Exactly one, which says who and over which network, and no storage medium."""

    def holds(event: Any) -> bool:
        found = agents(event, role)
        return len(found) == 1 and all(a.get("who") and a.get("network") and "media" not in a for a in found)

    return holds


def subtype(*codes: tuple[str, str]) -> Rule:
    return lambda event: bool({code(one) for one in event.get("subtype", ())} & set(codes))


def patient(event: Any) -> bool:
    """Exactly one, and a reference to a Patient."""
    found = entities(event, "1", "1")
    return len(found) == 1 and str(found[0].get("what", {}).get("reference", "")).startswith("Patient/")


def query(event: Any) -> bool:
    found = entities(event, "2", "24")
    return len(found) == 1 and bool(found[0].get("query")) and not {"what", "lifecycle", "detail"} & found[0].keys()


_COMMON: Mapping[str, Rule] = {
    "recorded 1..1": lambda event: bool(event.get("recorded")),
    "no modifierExtension": lambda event: "modifierExtension" not in event,
    "agent 2..*": lambda event: len(event["agent"]) >= 2,
    "agent[source]: who, network": one_agent(SOURCE),
    "agent[destination]: who, network": one_agent(DESTINATION),
}
_READ: Mapping[str, Rule] = {
    **_COMMON,
    "type is rest": lambda event: code(event["type"]) == REST,
    "subtype is read or vread": subtype((INTERACTION, "read"), (INTERACTION, "vread")),
    "action is R": lambda event: event.get("action") == "R",
    "outcome is 0": lambda event: event.get("outcome") == "0",
    "entity[data] 1..1 with what": lambda event: (
        [bool(e.get("what")) for e in entities(event, "2", "3", "4", "20")] == [True]
    ),
}
_PATIENT: Mapping[str, Rule] = {"entity 2..*": lambda event: len(event["entity"]) >= 2, "entity[patient] 1..1": patient}
PROFILES: Mapping[str, Mapping[str, Rule]] = {
    "Read": _READ,
    "PatientRead": {**_READ, **_PATIENT},
    "Query": {
        **_COMMON,
        "type is rest": lambda event: code(event["type"]) == REST,
        "subtype is a search": subtype(*((INTERACTION, c) for c in ("search", "search-type", "search-system"))),
        "action is E": lambda event: event.get("action") == "E",
        "outcome is 0": lambda event: event.get("outcome") == "0",
        "entity[query] 1..1": query,
    },
    "PrivacyDisclosure.Source": {
        **_COMMON,
        **_PATIENT,
        "type is Export": lambda event: code(event["type"]) == (DICOM, "110106"),
        "subtype has disclose": subtype(DISCLOSE),
        "action is R": lambda event: event.get("action") == "R",
        "outcome 1..1": lambda event: "outcome" in event,
        "val-audit-source: the source agent is who observed": lambda event: (
            [a["who"] for a in agents(event, SOURCE)] == [event["source"]["observer"]]
        ),
    },
}


def claimed(event: Any) -> list[str]:
    """The BALP profiles that it says it is of."""
    return [one.removeprefix(BALP) for one in event.get("meta", {}).get("profile", ()) if one.startswith(BALP)]


def broken(event: Any) -> Iterator[str]:
    """The rules of its own profiles that it breaks; a profile that BALP has not is one too."""
    for profile in claimed(event):
        if profile not in PROFILES:
            yield f"no such profile: {profile}"
            continue
        yield from (f"{profile}: {name}" for name, rule in PROFILES[profile].items() if not rule(event))
