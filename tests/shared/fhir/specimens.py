"""Valid resources, small, that together have a place for every class of mutant: the clinic's, and what it does not write."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import orjson

from tests.golden.clinic_resources import written

type Json = dict[str, Any]

_LOINC = "http://loinc.org"
_UCUM = "http://unitsofmeasure.org"

ORDER: Json = {
    "resourceType": "MedicationRequest",
    "id": "m1",
    "meta": {"lastUpdated": "2026-11-23T10:41:55.279Z"},
    "status": "active",
    "intent": "order",
    "medicationCodeableConcept": {"text": "metformin"},
    "subject": {"reference": "Patient/p1"},
    "dosageInstruction": [
        {
            "sequence": 1,
            "timing": {
                "repeat": {"frequency": 2, "period": 1, "periodUnit": "d", "timeOfDay": ["08:00:00", "20:00:00"]}
            },
            "doseAndRate": [{"doseQuantity": {"value": 500, "unit": "mg", "system": _UCUM, "code": "mg"}}],
        }
    ],
    "dispenseRequest": {"numberOfRepeatsAllowed": 3, "validityPeriod": {"start": "2026-11-23", "end": "2027-11"}},
}
DOCUMENT: Json = {
    "resourceType": "DocumentReference",
    "id": "d1",
    "status": "current",
    "date": "2026-11-23T10:41:55Z",
    "content": [
        {
            "attachment": {
                "contentType": "text/plain",
                "size": 5,
                "data": "aGVsbG8=",
                "hash": "qvTGHdzF6KLavt4PO0gs2a6pQ00=",
                "url": "https://example.org/d1",
            }
        }
    ],
}
ANSWERS: Json = {
    "resourceType": "QuestionnaireResponse",
    "id": "q1",
    "status": "completed",
    "item": [
        {"linkId": "1", "answer": [{"valueInteger": 3}, {"valueTime": "10:30:00"}, {"valueDecimal": 1.5}]},
        {"linkId": "2", "answer": [{"valueUri": "http://example.org"}, {"valueDate": "2020-02"}]},
    ],
}
RANGE: Json = {
    "resourceType": "Observation",
    "id": "o1",
    "status": "final",
    "code": {"coding": [{"system": _LOINC, "code": "718-7"}]},
    "valueQuantity": {"value": 14.1, "unit": "g/dL", "system": _UCUM, "code": "g/dL"},
    "referenceRange": [{"low": {"value": 12}, "high": {"value": 16}}],
    "effectivePeriod": {"start": "2026-11-23T10:00:00+01:00"},
}
COLLECTION: Json = {
    "resourceType": "Bundle",
    "id": "b1",
    "type": "collection",
    "timestamp": "2026-11-23T10:41:55Z",
    "entry": [
        {"fullUrl": f"https://example.org/fhir/{one['resourceType']}/{one['id']}", "resource": one}
        for one in (ORDER, DOCUMENT, ANSWERS, RANGE)
    ],
}
RESULTS: Json = COLLECTION | {"type": "searchset", "id": "b2", "total": 4}


@cache
def specimens() -> Sequence[Json]:
    """All of them."""
    clinic = [orjson.loads(orjson.dumps(resource)) for resource in written(120)]
    return (ORDER, DOCUMENT, ANSWERS, RANGE, COLLECTION, RESULTS, *clinic)
