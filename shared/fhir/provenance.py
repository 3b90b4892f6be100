"""The Provenance of a de-identified release: that its rows are made of this Medplum's resources, under which policy and key.

    Disclosure(tenant, key id, policy, its hash) ─► one Provenance in the tenant's Medplum, for good

A release is a dataset under one state of its policy: a policy that is changed has another hash, and is another release. It
stands under the release's own tag, so that there is one, whoever is the first to disclose a row of it; `recorded` is when
that was. It names no resource and nobody. Its target is a logical reference: a dataset is no resource of FHIR's.

Left out: which resources went into it. Each row's AuditEvent says so, and names the release's dataset, policy and hash.
"""

import hashlib
import json
from datetime import datetime

from shared.events.data import Disclosure
from shared.fhir.audit import instant
from shared.fhir.port import Resource

RELEASE = "urn:starvit:release"
_KEY = "urn:starvit:key"
_PARTICIPANT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
# R4's set for `activity` is extensible; v3-DataOperation, which is in it, has no such operation.
_LIFECYCLE = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
_REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"


def release_of(to: Disclosure) -> str:
    """The release's name: <tenant>/<key id>/<policy hash>."""
    return f"{to.tenant}/{to.key_id}/{to.policy_hash}"


def tag_of(to: Disclosure) -> str:
    """The tag under which there is one."""
    return hashlib.sha256(json.dumps([RELEASE, to.policy, release_of(to)]).encode()).hexdigest()


def provenance(to: Disclosure, at: datetime) -> Resource:
    """The Provenance, without id and tag."""
    return {
        "resourceType": "Provenance",
        "target": [_logical(RELEASE, release_of(to))],
        "recorded": instant(at),
        "policy": [f"urn:starvit:policy:{to.policy}"],
        "reason": [{"coding": [{"system": _REASON, "code": "HOPERAT"}]}],
        "activity": {"coding": [{"system": _LIFECYCLE, "code": "deidentify"}]},
        "agent": [
            {
                "type": {"coding": [{"system": _PARTICIPANT, "code": "performer"}]},
                "who": {"display": "starvit-events/deid"},
            }
        ],
        "entity": [
            {"role": "source", "what": _logical(f"urn:starvit:policy:{to.policy}", to.policy_hash)},
            {"role": "source", "what": _logical(_KEY, to.key_id)},  # by its name
        ],
    }


def _logical(system: str, value: str) -> dict[str, object]:
    return {"identifier": {"system": system, "value": value}}
