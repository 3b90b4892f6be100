"""What validation found, on its way through the door: rules, severities and counts of a resource type, and no resource.

    issues ─► by rule ─► [this] ─► quality.found, once for each dataset

Beyond the door it joins with nothing, also not with the row of the same version: its id and its correlation id are derived
with the dataset's key from texts that nothing else is derived from, and the trace is a new one. The id holds what was found,
so that a version that is validated anew under changed rules is a finding of its own, and a repeat is none.
"""

from collections.abc import Iterable, Mapping

from shared.deid.door import Door
from shared.effects import Publish
from shared.events.data import Changed, QualityFound
from shared.events.envelope import Event
from shared.fhir.validation import Issue

TOPIC = "quality.found"


type Found = Mapping[str, tuple[bool, int]]  # rule → whether it is an error, and how often it was broken


def by_rule(issues: Iterable[Issue]) -> Found:
    """How often each rule was broken. What sets aside once is an error; information is no finding."""
    found: dict[str, tuple[bool, int]] = {}
    for one in issues:
        if one.severity != "information":
            error, count = found.get(one.rule, (False, 0))
            found[one.rule] = (error or one.refuses, count + 1)
    return dict(sorted(found.items()))


def said(found: Found) -> str:
    """The findings as one text: equal where they are."""
    return ",".join(f"{rule}={count}{'!' if error else ''}" for rule, (error, count) in found.items())


def told(door: Door, event: Event[Changed], found: Found) -> Publish:
    """The findings for one dataset. Nothing of the event's reference goes along but its type."""
    names = door.pseudonyms
    data = QualityFound(
        project=door.tenant,
        key_id=names.key_id,
        resource_type=event.data.type,
        generation=event.data.generation,
        errors={rule: count for rule, (error, count) in found.items() if error},
        warnings={rule: count for rule, (error, count) in found.items() if not error},
    )
    id = names.event(f"quality|{event.id}|{said(found)}")
    return Publish(TOPIC, id, data, "", correlation=names.correlation(f"quality|{event.id}"))
