"""What a release does, decided without doing it: the order of the zones, the revisions, the shares of traffic.

service.yaml + places ─► a document for each zone ─► the same with a revision's name and no traffic ─► shares, step by step
"""

import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import yaml

type Document = dict[str, Any]
type Serving = dict[str, int]  # revision → percent of the traffic

ORDER = ("analytics", "clinical", "ops", "ingress")  # who takes an event is there before who sends it
STEPS = (10, 50, 100)  # percent
TAG = "candidate"
INSIDE = ("analytics", "clinical", "ops")  # zones that only the network can reach
PLACES = ("PROJECT_ID", "PROJECT_NUMBER", "REGION", "NETWORK", "SUBNETWORK", "MEDPLUM_URL", "TENANTS", "IMAGE")
# Without the first there is no graph, without the others no console: a setting that is not given is left out.
OPTIONAL = ("TIGERGRAPH_URL", "CONSOLE_URL", "CONSOLE_AUDIENCE", "CONSOLE_ROLES")
_PLACE = re.compile(r"\$\{([A-Z_]+)\}")


def missing(places: Mapping[str, str]) -> list[str]:
    """The places that have no value."""
    return [name for name in PLACES if not places.get(name)]


def documents(text: str, places: Mapping[str, str]) -> dict[str, Document]:
    """service.yaml filled in: zone → document. Raises KeyError for a place that nobody fills."""
    given = dict.fromkeys(OPTIONAL, "") | {
        name: value for name, value in places.items() if name in (*PLACES, *OPTIONAL)
    }
    filled = _PLACE.sub(lambda place: given[place[1]], text)
    found = [document for document in yaml.safe_load_all(filled) if document]
    for document in found:
        for container in document["spec"]["template"]["spec"]["containers"]:
            container["env"] = [one for one in container["env"] if one.get("value") != ""]
    return {document["metadata"]["labels"]["zone"]: document for document in found}


def revision(service: str, commit: str) -> str:
    """The name of a commit's revision: who reads a log or a ledger entry finds the code."""
    return f"{service}-{commit[:12].lower()}"


def serving(described: Document) -> Serving:
    """Who has the traffic now, of what `gcloud run services describe` says."""
    shares: Serving = {}
    for target in described.get("status", {}).get("traffic", []):
        if target.get("percent"):
            shares[target["revisionName"]] = shares.get(target["revisionName"], 0) + target["percent"]
    return shares


def candidate_url(described: Document) -> str:
    """The address under which only the new revision answers."""
    tagged = [one["url"] for one in described.get("status", {}).get("traffic", []) if one.get("tag") == TAG]
    return str(tagged[0] if tagged else described["status"]["url"])


def candidate(document: Document, name: str, now: Serving) -> Document:
    """The document that starts revision `name` and leaves the traffic where it is. The first of all takes it at once."""
    made = deepcopy(document)
    made["spec"]["template"]["metadata"]["name"] = name
    rest = {revision: percent for revision, percent in now.items() if revision != name}
    if rest:
        kept = [{"revisionName": revision, "percent": percent} for revision, percent in _whole(rest).items()]
        made["spec"]["traffic"] = [*kept, {"revisionName": name, "percent": 0, "tag": TAG}]
    else:
        made["spec"]["traffic"] = [{"revisionName": name, "percent": 100, "tag": TAG}]
    return made


def shares(name: str, now: Serving, percent: int) -> Serving:
    """`percent` for the new revision, the rest for the one that had most."""
    old = old_revision(name, now)
    return {name: percent} | ({old: 100 - percent} if old and percent < 100 else {}) if old else {name: 100}


def old_revision(name: str, now: Serving) -> str | None:
    """The revision that would take the traffic back."""
    rest = {revision: percent for revision, percent in now.items() if revision != name}
    return max(rest, key=lambda revision: rest[revision]) if rest else None


def _whole(rest: Serving) -> Serving:
    """Shares that sum to 100: what a run that stopped half-way had given to the same revision goes back."""
    most = max(rest, key=lambda revision: rest[revision])
    return rest | {most: rest[most] + 100 - sum(rest.values())}
