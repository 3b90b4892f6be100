"""Medplum's answers to what it will not do: OperationOutcomes with the texts, codes and ids that it uses."""

from dataclasses import dataclass

type Json = dict[str, object]

_TRACING = "https://medplum.com/fhir/StructureDefinition/tracing"


@dataclass(frozen=True, slots=True)
class Outcome:
    """An OperationOutcome and the status that it travels under. `id` is None for problems with the content."""

    status: int
    id: str | None
    code: str
    text: str
    severity: str = "error"
    expression: str | None = None
    diagnostics: str | None = None

    def resource(self, tracing: tuple[str, str] | None = None) -> Json:
        """As FHIR JSON; `tracing` is (request id, trace id), which only whole answers carry, entries do not."""
        issue: Json = {"severity": self.severity, "code": self.code, "details": {"text": self.text}}
        if self.diagnostics is not None:
            issue["diagnostics"] = self.diagnostics
        if self.expression is not None:
            issue["expression"] = [self.expression]
        outcome: Json = {"resourceType": "OperationOutcome"}
        if self.id is not None:
            outcome["id"] = self.id
        outcome["issue"] = [issue]
        if tracing is not None:
            request, trace = tracing
            inner = [{"url": "requestId", "valueId": request}, {"url": "traceId", "valueId": trace}]
            outcome["extension"] = [{"url": _TRACING, "extension": inner}]
        return outcome


class Refused(Exception):
    """The interaction ends with this outcome."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.text)
        self.outcome = outcome


OK = Outcome(200, "ok", "informational", "All OK", severity="information")
CREATED = Outcome(201, "created", "informational", "Created", severity="information")
UNAUTHORIZED = Outcome(401, "unauthorized", "login", "Unauthorized")
FORBIDDEN = Outcome(403, "forbidden", "forbidden", "Forbidden")
NOT_FOUND = Outcome(404, "not-found", "not-found", "Not found")
GONE = Outcome(410, "gone", "deleted", "Gone")
PRECONDITION_FAILED = Outcome(412, "precondition-failed", "processing", "Precondition Failed")
MULTIPLE_MATCHES = Outcome(412, "multiple-matches", "multiple-matches", "Multiple resources found matching condition")
TOO_LARGE = Outcome(413, "content-too-large", "too-long", "Request body too large")


def invalid(text: str) -> Outcome:
    """A request that makes no sense."""
    return Outcome(400, None, "invalid", text)


def structure(text: str, expression: str | None = None) -> Outcome:
    """A resource that is not built as FHIR says."""
    return Outcome(400, None, "structure", text, expression=expression)


def throttled(*, consumed: int, ms: int, limit: int) -> Outcome:
    """The quota is used up. The state of the limiter rides in `diagnostics`, as JSON in a string."""
    state = (
        f'{{"_remainingPoints":0,"_msBeforeNext":{ms},"_consumedPoints":{consumed},'
        f'"_isFirstInDuration":false,"limit":{limit}}}'
    )
    return Outcome(429, "too-many-requests", "throttled", "Too Many Requests", diagnostics=state)
