"""The OperationOutcome of a validation (FHIR R4): severity, type, place and rule, never a value."""

from collections.abc import Sequence

from shared.fhir.validation.issue import Issue

_RULES = "urn:starvit:validation-rule"


def operation_outcome(issues: Sequence[Issue]) -> dict[str, object]:
    """One issue each; without any, the information that all is well."""
    if not issues:
        fine = {"severity": "information", "code": "informational", "details": {"text": "All OK"}}
        return {"resourceType": "OperationOutcome", "issue": [fine]}
    return {"resourceType": "OperationOutcome", "issue": [_issue(issue) for issue in issues]}


def refused(issues: Sequence[Issue]) -> bool:
    """Whether a resource with these issues is set aside."""
    return any(issue.refuses for issue in issues)


def _issue(issue: Issue) -> dict[str, object]:
    return {
        "severity": issue.severity,
        "code": issue.code,
        "details": {"coding": [{"system": _RULES, "code": issue.rule}], "text": issue.text},
        **({"expression": [issue.path]} if issue.path else {}),
    }
