"""The invariants of resources about a patient's care."""

from shared.fhir.references import LocalReference, parse
from shared.fhir.validation.invariants.rule import Invariant, Node, coded, error, has, has_any, has_choice, warning
from shared.fhir.validation.moments import surely_after

_UCUM = "http://unitsofmeasure.org"
_ENTERED_IN_ERROR = "entered-in-error"


def _allergy_entered_in_error(node: Node) -> bool:
    return coded(node.get("verificationStatus"), "allergyintolerance-verification", _ENTERED_IN_ERROR)


def _condition_entered_in_error(node: Node) -> bool:
    return coded(node.get("verificationStatus"), "condition-ver-status", _ENTERED_IN_ERROR)


def _is_problem(node: Node) -> bool:
    return any(coded(one, "condition-category", "problem-list-item") for one in node.get("category", ()))


def _component_repeats_no_code(node: Node) -> bool:
    """With a value of its own, an Observation has no component of its own code."""
    if "component" not in node or not has_choice(node, "Observation", "value"):
        return True
    own = node["code"].get("coding", ())
    return not any(coding in own for component in node["component"] for coding in component["code"].get("coding", ()))


def _acts_for_another(node: Node) -> bool:
    """Only a Practitioner acts on someone's behalf, as far as the reference says what it points at."""
    if "onBehalfOf" not in node:
        return True
    found = parse(node.get("member", {}).get("reference", ""))
    return not isinstance(found, LocalReference) or found.type == "Practitioner"


def _is_percent(node: Node) -> bool:
    given = node.get("probabilityRange", {})
    ends = [given[end] for end in ("low", "high") if end in given]
    return all(end.get("code") == "%" and end.get("system") == _UCUM for end in ends)


CLINICAL: dict[str, tuple[Invariant, ...]] = {
    "AllergyIntolerance": (
        error(
            "ait-1",
            "An allergy has a clinical status unless it was entered in error.",
            lambda node: "clinicalStatus" in node or _allergy_entered_in_error(node),
        ),
        error(
            "ait-2",
            "An allergy that was entered in error has no clinical status.",
            lambda node: "clinicalStatus" not in node or not _allergy_entered_in_error(node),
        ),
    ),
    "CarePlan.activity": (
        error(
            "cpl-3",
            "An activity is told here or referred to, not both.",
            lambda node: "detail" not in node or "reference" not in node,
        ),
    ),
    "CareTeam.participant": (error("ctm-1", "Only a practitioner acts on behalf of someone.", _acts_for_another),),
    "Condition": (
        warning(
            "con-3",
            "A problem on the list has a clinical status unless it was entered in error.",
            lambda node: "clinicalStatus" in node or not _is_problem(node) or _condition_entered_in_error(node),
        ),
        error(
            "con-4",
            "A condition that has abated is inactive, resolved or in remission.",
            lambda node: (
                not has_choice(node, "Condition", "abatement")
                or coded(node.get("clinicalStatus"), "condition-clinical", "resolved", "remission", "inactive")
            ),
        ),
        error(
            "con-5",
            "A condition that was entered in error has no clinical status.",
            lambda node: "clinicalStatus" not in node or not _condition_entered_in_error(node),
        ),
    ),
    "Condition.stage": (
        error("con-1", "A stage has a summary or an assessment.", lambda node: has_any(node, "summary", "assessment")),
    ),
    "Condition.evidence": (
        error("con-2", "Evidence has a code or details.", lambda node: has_any(node, "code", "detail")),
    ),
    "FamilyMemberHistory": (
        error(
            "fhs-1",
            "Of a relative the age or the birth, not both.",
            lambda node: (
                not (has_choice(node, "FamilyMemberHistory", "age") and has_choice(node, "FamilyMemberHistory", "born"))
            ),
        ),
        error(
            "fhs-2",
            "Only an age that is there may be an estimate.",
            lambda node: not has(node, "estimatedAge") or has_choice(node, "FamilyMemberHistory", "age"),
        ),
    ),
    "Goal.target": (
        error(
            "gol-1",
            "The detail of a target has a measure.",
            lambda node: not has_choice(node, "Goal.target", "detail") or "measure" in node,
        ),
    ),
    "Immunization.education": (
        error(
            "imm-1",
            "Education material has a type or an address.",
            lambda node: has_any(node, "documentType", "reference"),
        ),
    ),
    "ImmunizationRecommendation.recommendation": (
        error(
            "imr-1",
            "A recommendation has a vaccine or a disease.",
            lambda node: has_any(node, "vaccineCode", "targetDisease"),
        ),
    ),
    "MedicationAdministration.dosage": (
        error(
            "mad-1",
            "A dosage has a dose or a rate.",
            lambda node: "dose" in node or has_choice(node, "MedicationAdministration.dosage", "rate"),
        ),
    ),
    "MedicationDispense": (
        error(
            "mdd-1",
            "Nothing is handed over before it was prepared.",
            lambda node: (
                "whenHandedOver" not in node
                or "whenPrepared" not in node
                or not surely_after(node["whenPrepared"], node["whenHandedOver"])
            ),
        ),
    ),
    "MolecularSequence": (
        error("msq-3", "Positions count from 0 or from 1.", lambda node: node.get("coordinateSystem", 0) in (0, 1)),
    ),
    "MolecularSequence.referenceSeq": (
        error(
            "msq-5",
            "A chromosome has its genome build, and the build its chromosome.",
            lambda node: has(node, "chromosome") == has(node, "genomeBuild"),
        ),
        error(
            "msq-6",
            "A reference sequence is named in exactly one way.",
            lambda node: (
                sum(
                    has(node, name)
                    for name in ("genomeBuild", "referenceSeqId", "referenceSeqPointer", "referenceSeqString")
                )
                == 1
            ),
        ),
    ),
    "NutritionOrder": (
        warning(
            "nor-1",
            "An order of food says what: a diet, a supplement or a formula.",
            lambda node: has_any(node, "oralDiet", "supplement", "enteralFormula"),
        ),
    ),
    "Observation": (
        error(
            "obs-7", "A component does not have the code of an Observation with a value.", _component_repeats_no_code
        ),
        error(
            "obs-6",
            "A value is absent for a reason only if there is none.",
            lambda node: "dataAbsentReason" not in node or not has_choice(node, "Observation", "value"),
        ),
    ),
    "Observation.referenceRange": (
        error(
            "obs-3",
            "A reference range has a low end, a high end or a text.",
            lambda node: has_any(node, "low", "high", "text"),
        ),
    ),
    "RequestGroup.action": (
        error(
            "rqg-1",
            "An action has a resource or actions of its own, not both.",
            lambda node: ("resource" in node) != ("action" in node),
        ),
    ),
    "RiskAssessment.prediction": (
        error("ras-1", "The ends of a probability are percentages.", _is_percent),
        error("ras-2", "A probability is at most 100.", lambda node: node.get("probabilityDecimal", 0) <= 100),
    ),
    "ServiceRequest": (
        error(
            "prr-1",
            "The details of an order have a code that they are of.",
            lambda node: "orderDetail" not in node or "code" in node,
        ),
    ),
}
