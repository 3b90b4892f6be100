"""What is wrong with a resource: a rule and a place, never a value."""

from typing import Literal

from msgspec import Struct

from shared.fhir.validation.invariants import TEXTS

type Severity = Literal["fatal", "error", "warning", "information"]

# rule → (FHIR IssueType, what it says). The text is the rule's, fixed: nothing of the resource gets into it.
RULES: dict[str, tuple[str, str]] = {
    "not-json": ("structure", "The line is not one strict JSON object."),
    "resource-type": ("structure", "This is no resource type of FHIR R4, or not the one that is due here."),
    "unknown-element": ("structure", "There is an element here that FHIR R4 does not know."),
    "json-type": ("structure", "The JSON type is not the element's."),
    "cardinality-max": ("structure", "The element may not repeat, or not as often."),
    "cardinality-list": ("structure", "The element repeats and so must be an array."),
    "cardinality-min": ("required", "A required element is missing."),
    "choice": ("structure", "Only one of the types of a choice may be given."),
    "empty": ("structure", "An object or array may not be empty (ele-1)."),
    "ele-1": ("invariant", "An element has more than an id: a value or elements of its own."),
    "null": ("structure", "null is allowed only in an array of primitives, beside its extension."),
    "format": ("value", "The value does not have the form of its type."),
    "required-binding": ("code-invalid", "The code is not in the value set that the element requires."),
    "reference-target": ("value", "The reference points to a type that the element does not allow."),
    "reference-form": ("value", "The text is no reference: neither relative, absolute, contained nor a URN."),
    "reference-type": ("value", "The reference points to another type than it says."),
    "dom-2": ("invariant", "A contained resource may not contain another."),
    "ref-1": ("invariant", "A reference to a contained resource that is not there."),
    "txt-1": ("invariant", "The narrative has more than formatting, or is no XHTML."),
    "txt-2": ("invariant", "The narrative is empty."),
    "narrative-unfilled": ("invariant", "The narrative is a frame that was never filled (txt-2)."),
    "depth": ("too-long", "The resource is nested deeper than we read."),
    **{rule: ("invariant", text) for rule, text in TEXTS.items()},
}


class Issue(Struct, frozen=True):
    """One finding. `path` is a FHIRPath of element names and indices; an unknown element is told by its parent's path.

    `meaning`: the IssueType and the text of a rule of ours (rules.py); R4's own stand in RULES.
    """

    severity: Severity
    rule: str
    path: str
    meaning: tuple[str, str] | None = None

    @property
    def refuses(self) -> bool:
        """Whether a resource with this is set aside."""
        return self.severity in ("fatal", "error")

    @property
    def code(self) -> str:
        """The FHIR IssueType."""
        return (self.meaning or RULES[self.rule])[0]

    @property
    def text(self) -> str:
        """What the rule says."""
        return (self.meaning or RULES[self.rule])[1]
