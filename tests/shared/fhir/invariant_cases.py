"""For each invariant of R4 an object that keeps it and one that breaks it: of the type that it is asked of, and no larger."""

from typing import Any

type Json = dict[str, Any]

UCUM = "http://unitsofmeasure.org"
_HL7 = "http://terminology.hl7.org/CodeSystem"
_X = {"text": "x"}
_REF = {"reference": "Basic/x"}


def _code(system: str, code: str) -> Json:
    return {"coding": [{"system": f"{_HL7}/{system}", "code": code}]}


_ALLERGY_ERROR = _code("allergyintolerance-verification", "entered-in-error")
_CONDITION_ERROR = _code("condition-ver-status", "entered-in-error")
_PATIENT = {"resourceType": "Patient", "id": "p"}
_PUT = {"method": "PUT", "url": "Patient/p"}


def _entries(type: str, *entries: Json, **more: Any) -> Json:
    return {"resourceType": "Bundle", "type": type, "entry": list(entries), **more}


def _container(**inner: Any) -> Json:
    return {"subject": {"reference": "#p"}, "contained": [_PATIENT | inner]}


_DOCUMENT = {"identifier": {"system": "s", "value": "v"}, "timestamp": "2020-01-01T00:00:00Z"}
_COMPOSITION = {"resource": {"resourceType": "Composition"}}
_GROUP = {"linkId": "1", "type": "group"}
_DISPLAY = {"linkId": "1", "type": "display"}
_QUESTION = {"linkId": "1", "type": "choice"}

# rule → (type, what keeps it, what breaks it)
CASES: dict[str, tuple[str, Json, Json]] = {
    # data types
    "ext-1": ("Extension", {"url": "u", "valueString": "x"}, {"url": "u"}),
    "qty-3": ("Quantity", {"code": "mg", "system": UCUM}, {"code": "mg"}),
    "ucum": ("Quantity", {"code": "mm[Hg]", "system": UCUM}, {"code": "mmHg", "system": UCUM}),
    "ucum-practice": ("Quantity", {"code": "ug", "system": UCUM}, {"code": "mcg", "system": UCUM}),
    "sqty-1": ("SimpleQuantity", {"value": 1}, {"value": 1, "comparator": "<"}),
    "age-1": ("Age", {"value": 3, "code": "a", "system": UCUM}, {"value": 0, "code": "a", "system": UCUM}),
    "cnt-3": ("Count", {"value": 3, "code": "1", "system": UCUM}, {"value": 1.5, "code": "1", "system": UCUM}),
    "dis-1": ("Distance", {"value": 3, "code": "km", "system": UCUM}, {"value": 3}),
    "drt-1": ("Duration", {"value": 3, "code": "h", "system": UCUM}, {"code": "h", "system": UCUM}),
    "att-1": ("Attachment", {"contentType": "text/plain", "data": "eA=="}, {"data": "eA=="}),
    "cpt-2": ("ContactPoint", {"system": "phone", "value": "x"}, {"value": "x"}),
    "drq-1": ("DataRequirement.codeFilter", {"path": "x"}, {"path": "x", "searchParam": "y"}),
    "drq-2": ("DataRequirement.dateFilter", {"searchParam": "y"}, {"valueDateTime": "2020"}),
    "exp-1": ("Expression", {"language": "text/fhirpath", "expression": "x"}, {"language": "text/fhirpath"}),
    "per-1": ("Period", {"start": "2020-01", "end": "2020"}, {"start": "2020-01-02T00:00:00Z", "end": "2020-01-01"}),
    "rng-2": ("Range", {"low": {"value": 1}, "high": {"value": 2}}, {"low": {"value": 3}, "high": {"value": 2}}),
    "rat-1": ("Ratio", {"numerator": {"value": 1}, "denominator": {"value": 2}}, {"numerator": {"value": 1}}),
    "tim-1": ("Timing.repeat", {"duration": 1, "durationUnit": "h"}, {"duration": 1}),
    "tim-2": ("Timing.repeat", {"period": 1, "periodUnit": "h"}, {"period": 1}),
    "tim-4": ("Timing.repeat", {"duration": 0, "durationUnit": "h"}, {"duration": -1, "durationUnit": "h"}),
    "tim-5": ("Timing.repeat", {"period": 0, "periodUnit": "h"}, {"period": -1, "periodUnit": "h"}),
    "tim-6": ("Timing.repeat", {"periodMax": 2, "period": 1, "periodUnit": "h"}, {"periodMax": 2}),
    "tim-7": ("Timing.repeat", {"durationMax": 2, "duration": 1, "durationUnit": "h"}, {"durationMax": 2}),
    "tim-8": ("Timing.repeat", {"countMax": 2, "count": 1}, {"countMax": 2}),
    "tim-9": ("Timing.repeat", {"offset": 5, "when": ["ACM"]}, {"offset": 5, "when": ["CM"]}),
    "tim-10": ("Timing.repeat", {"timeOfDay": ["10:00:00"]}, {"timeOfDay": ["10:00:00"], "when": ["AC"]}),
    "trd-1": (
        "TriggerDefinition",
        {"data": [{"type": "Patient"}]},
        {"data": [{"type": "Patient"}], "timingDate": "2020"},
    ),
    "trd-2": ("TriggerDefinition", {"condition": {}, "data": [{}]}, {"condition": {}}),
    "trd-3": ("TriggerDefinition", {"type": "named-event", "name": "x"}, {"type": "periodic", "name": "x"}),
    # what is contained
    "dom-3": ("DomainResource", _container(), {"contained": [_PATIENT]}),
    "dom-4": ("DomainResource", _container(meta={"source": "s"}), _container(meta={"versionId": "1"})),
    "dom-5": ("DomainResource", _container(meta={"source": "s"}), _container(meta={"security": [{"code": "R"}]})),
    # bundles
    "bdl-1": ("Bundle", _entries("searchset", total=1), _entries("collection", total=1)),
    "bdl-2": ("Bundle", _entries("searchset", {"search": {}}), _entries("collection", {"search": {}})),
    "bdl-3": ("Bundle", _entries("batch", {"request": _PUT}), _entries("batch", {"resource": _PATIENT})),
    "bdl-4": ("Bundle", _entries("batch-response", {"response": {}}), _entries("collection", {"response": {}})),
    "bdl-5": ("Bundle.entry", {"resource": _PATIENT}, {"fullUrl": "urn:uuid:x"}),
    "bdl-7": (
        "Bundle",
        _entries("collection", {"fullUrl": "a"}, {"fullUrl": "b"}),
        _entries("collection", *[{"fullUrl": "a"}] * 2),
    ),
    "bdl-8": ("Bundle.entry", {"fullUrl": "http://x/Patient/p"}, {"fullUrl": "http://x/Patient/p/_history/1"}),
    "bdl-9": (
        "Bundle",
        _entries("document", _COMPOSITION, **_DOCUMENT),
        _entries("document", identifier={"value": "v"}),
    ),
    "bdl-10": ("Bundle", _entries("document", _COMPOSITION, **_DOCUMENT), _entries("document", _COMPOSITION)),
    "bdl-11": ("Bundle", _entries("document", _COMPOSITION), _entries("document", {"resource": _PATIENT})),
    "bdl-12": ("Bundle", _entries("message", {"resource": {"resourceType": "MessageHeader"}}), _entries("message")),
    "full-url": (
        "Bundle.entry",
        {"fullUrl": "http://x/Patient/p", "resource": _PATIENT},
        {"fullUrl": "http://x/Patient/q", "resource": _PATIENT},
    ),
    # a patient's care
    "ait-1": ("AllergyIntolerance", {"clinicalStatus": _code("allergyintolerance-clinical", "active")}, {"code": _X}),
    "ait-2": (
        "AllergyIntolerance",
        {"verificationStatus": _ALLERGY_ERROR},
        {"verificationStatus": _ALLERGY_ERROR, "clinicalStatus": _code("allergyintolerance-clinical", "active")},
    ),
    "cpl-3": ("CarePlan.activity", {"reference": _REF}, {"reference": _REF, "detail": {"status": "scheduled"}}),
    "ctm-1": (
        "CareTeam.participant",
        {"member": {"reference": "Practitioner/x"}, "onBehalfOf": _REF},
        {"member": {"reference": "Patient/x"}, "onBehalfOf": _REF},
    ),
    "con-1": ("Condition.stage", {"summary": _X}, {"type": _X}),
    "con-2": ("Condition.evidence", {"detail": [_REF]}, {"id": "x"}),
    "con-3": (
        "Condition",
        {"category": [_code("condition-category", "encounter-diagnosis")]},
        {"category": [_code("condition-category", "problem-list-item")]},
    ),
    "con-4": (
        "Condition",
        {"abatementDateTime": "2020", "clinicalStatus": _code("condition-clinical", "resolved")},
        {"abatementDateTime": "2020", "clinicalStatus": _code("condition-clinical", "active")},
    ),
    "con-5": (
        "Condition",
        {"verificationStatus": _CONDITION_ERROR},
        {"verificationStatus": _CONDITION_ERROR, "clinicalStatus": _code("condition-clinical", "active")},
    ),
    "fhs-1": ("FamilyMemberHistory", {"ageString": "x"}, {"ageString": "x", "bornDate": "1960"}),
    "fhs-2": ("FamilyMemberHistory", {"ageString": "x", "estimatedAge": True}, {"estimatedAge": True}),
    "gol-1": ("Goal.target", {"detailString": "x", "measure": _X}, {"detailString": "x"}),
    "imm-1": ("Immunization.education", {"documentType": "x"}, {"publicationDate": "2020"}),
    "imr-1": ("ImmunizationRecommendation.recommendation", {"vaccineCode": [_X]}, {"forecastStatus": _X}),
    "mad-1": ("MedicationAdministration.dosage", {"rateQuantity": {"value": 1}}, {"text": "x"}),
    "mdd-1": (
        "MedicationDispense",
        {"whenPrepared": "2020-01-01", "whenHandedOver": "2020-01-01"},
        {"whenPrepared": "2020-01-02", "whenHandedOver": "2020-01-01"},
    ),
    "msq-3": ("MolecularSequence", {"coordinateSystem": 1}, {"coordinateSystem": 2}),
    "msq-5": ("MolecularSequence.referenceSeq", {"chromosome": _X, "genomeBuild": "x"}, {"chromosome": _X}),
    "msq-6": (
        "MolecularSequence.referenceSeq",
        {"referenceSeqString": "ACGT"},
        {"referenceSeqString": "ACGT", "referenceSeqId": _X},
    ),
    "nor-1": ("NutritionOrder", {"oralDiet": {"type": [_X]}}, {"dateTime": "2020"}),
    "obs-3": ("Observation.referenceRange", {"text": "x"}, {"type": _X}),
    "obs-6": (
        "Observation",
        {"code": _X, "dataAbsentReason": _X},
        {"code": _X, "dataAbsentReason": _X, "valueString": "x"},
    ),
    "obs-7": (
        "Observation",
        {"code": _code("x", "1"), "valueString": "x", "component": [{"code": _code("x", "2")}]},
        {"code": _code("x", "1"), "valueString": "x", "component": [{"code": _code("x", "1")}]},
    ),
    "rqg-1": ("RequestGroup.action", {"resource": _REF}, {"resource": _REF, "action": [{}]}),
    "ras-1": (
        "RiskAssessment.prediction",
        {"probabilityRange": {"high": {"value": 5, "code": "%", "system": UCUM}}},
        {"probabilityRange": {"high": {"value": 5}}},
    ),
    "ras-2": ("RiskAssessment.prediction", {"probabilityDecimal": 0.5}, {"probabilityDecimal": 101}),
    "prr-1": ("ServiceRequest", {"orderDetail": [_X], "code": _X}, {"orderDetail": [_X]}),
    # people, papers, questions
    "app-1": ("Appointment.participant", {"actor": _REF}, {"status": "accepted"}),
    "app-2": (
        "Appointment",
        {"status": "booked", "start": "2020-01-01T10:00:00Z", "end": "2020-01-01T11:00:00Z"},
        {"status": "proposed", "start": "2020-01-01T10:00:00Z"},
    ),
    "app-3": ("Appointment", {"status": "proposed"}, {"status": "booked"}),
    "app-4": (
        "Appointment",
        {"status": "noshow", "cancelationReason": _X},
        {"status": "proposed", "cancelationReason": _X},
    ),
    "apr-1": ("AppointmentResponse", {"participantType": [_X]}, {"comment": "x"}),
    "sev-1": ("AuditEvent.entity", {"name": "x"}, {"name": "x", "query": "eA=="}),
    "cmp-1": ("Composition.section", {"entry": [_REF]}, {"title": "x"}),
    "cmp-2": ("Composition.section", {"emptyReason": _X, "text": {}}, {"emptyReason": _X, "entry": [_REF]}),
    "ppc-1": ("Consent", {"policyRule": _X}, {"dateTime": "2020"}),
    "ces-1": ("CoverageEligibilityResponse.insurance.item", {"category": _X}, {"category": _X, "productOrService": _X}),
    "grp-1": ("Group", {"actual": True, "member": [{}]}, {"actual": False, "member": [{}]}),
    "ipn-1": ("InsurancePlan", {"name": "x"}, {"alias": ["x"]}),
    "lnk-1": ("Linkage", {"item": [{}, {}]}, {"item": [{}]}),
    "lst-1": ("List", {"emptyReason": _X}, {"emptyReason": _X, "entry": [{}]}),
    "lst-2": (
        "List",
        {"mode": "changes", "entry": [{"deleted": True}]},
        {"mode": "working", "entry": [{"deleted": True}]},
    ),
    "lst-3": (
        "List",
        {"mode": "working", "entry": [{"date": "2020"}]},
        {"mode": "changes", "entry": [{"date": "2020"}]},
    ),
    "mea-1": ("Measure.group.stratifier", {"code": _X}, {"code": _X, "component": [{}]}),
    "mrp-1": ("MeasureReport", {"type": "summary", "group": [{}]}, {"type": "data-collection", "group": [{}]}),
    "mrp-2": ("MeasureReport.group.stratifier.stratum", {"value": _X}, {"value": _X, "component": [{}]}),
    "org-1": ("Organization", {"name": "x"}, {"alias": ["x"]}),
    "org-2": ("Organization", {"name": "x", "address": [{"use": "work"}]}, {"name": "x", "address": [{"use": "home"}]}),
    "org-3": ("Organization", {"name": "x", "telecom": [{"use": "work"}]}, {"name": "x", "telecom": [{"use": "home"}]}),
    "inv-1-parameters": (
        "Parameters.parameter",
        {"name": "x", "part": [{}]},
        {"name": "x", "part": [{}], "valueString": "x"},
    ),
    "inv-1-task": (
        "Task",
        {"authoredOn": "2020-01-01", "lastModified": "2020-01-01"},
        {"authoredOn": "2020-01-02", "lastModified": "2020-01-01"},
    ),
    "pat-1": ("Patient.contact", {"organization": _REF}, {"gender": "female"}),
    "que-1": ("Questionnaire.item", _GROUP | {"item": [_DISPLAY]}, _GROUP),
    "que-2": (
        "Questionnaire",
        {"item": [_GROUP | {"item": [{"linkId": "2"}]}]},
        {"item": [_GROUP | {"item": [_DISPLAY]}]},
    ),
    "que-3": ("Questionnaire.item", _QUESTION | {"code": [{}]}, _DISPLAY | {"code": [{}]}),
    "que-4": (
        "Questionnaire.item",
        _QUESTION | {"answerValueSet": "u"},
        _QUESTION | {"answerValueSet": "u", "answerOption": [{}]},
    ),
    "que-5": ("Questionnaire.item", _QUESTION | {"answerValueSet": "u"}, {"type": "boolean", "answerValueSet": "u"}),
    "que-6": ("Questionnaire.item", _QUESTION | {"required": True}, _DISPLAY | {"required": True}),
    "que-7": (
        "Questionnaire.item.enableWhen",
        {"operator": "exists", "answerBoolean": True},
        {"operator": "exists", "answerString": "x"},
    ),
    "que-8": ("Questionnaire.item", _QUESTION | {"initial": [{}]}, _DISPLAY | {"initial": [{}]}),
    "que-9": ("Questionnaire.item", _QUESTION | {"readOnly": True}, _DISPLAY | {"readOnly": True}),
    "que-10": ("Questionnaire.item", {"type": "string", "maxLength": 5}, _QUESTION | {"maxLength": 5}),
    "que-11": (
        "Questionnaire.item",
        _QUESTION | {"answerOption": [{}]},
        _QUESTION | {"answerOption": [{}], "initial": [{}]},
    ),
    "que-12": (
        "Questionnaire.item",
        _QUESTION | {"enableWhen": [{}] * 3, "enableBehavior": "all"},
        _QUESTION | {"enableWhen": [{}] * 3},
    ),
    "que-13": (
        "Questionnaire.item",
        _QUESTION | {"initial": [{}, {}], "repeats": True},
        _QUESTION | {"initial": [{}, {}]},
    ),
    "qrs-1": ("QuestionnaireResponse.item", {"answer": [{}]}, {"answer": [{}], "item": [{}]}),
    # codes and their systems
    "csd-1": ("CodeSystem", {"concept": [{"code": "a"}]}, {"concept": [{"code": "a", "concept": [{"code": "a"}]}]}),
    "cmd-1": (
        "ConceptMap.group.element.target",
        {"equivalence": "narrower", "comment": "x"},
        {"equivalence": "narrower"},
    ),
    "cmd-2": ("ConceptMap.group.unmapped", {"mode": "fixed", "code": "x"}, {"mode": "fixed"}),
    "cmd-3": ("ConceptMap.group.unmapped", {"mode": "other-map", "url": "x"}, {"mode": "other-map"}),
    "nsd-1": (
        "NamingSystem",
        {"kind": "root", "uniqueId": [{"type": "oid"}]},
        {"kind": "root", "uniqueId": [{"type": "uuid"}]},
    ),
    "nsd-2": (
        "NamingSystem",
        {"uniqueId": [{"type": "oid", "preferred": True}, {"type": "oid"}]},
        {"uniqueId": [{"type": "oid", "preferred": True}] * 2},
    ),
    "vsd-1": ("ValueSet.compose.include", {"system": "x"}, {"version": "x"}),
    "vsd-2": ("ValueSet.compose.include", {"system": "x", "filter": [{}]}, {"valueSet": ["x"], "filter": [{}]}),
    "vsd-3": (
        "ValueSet.compose.include",
        {"system": "x", "filter": [{}]},
        {"system": "x", "filter": [{}], "concept": [{}]},
    ),
    "vsd-6": ("ValueSet.expansion.contains", {"display": "x", "abstract": True}, {"abstract": True}),
    "vsd-9": ("ValueSet.expansion.contains", {"abstract": True, "display": "x"}, {"display": "x"}),
    "vsd-10": ("ValueSet.expansion.contains", {"code": "x", "system": "x"}, {"code": "x"}),
}
