"""The invariants of people, places, papers and what is planned or asked: all that is neither clinical nor a definition."""

from collections.abc import Iterator

from shared.fhir.validation.invariants.rule import Invariant, Node, error, has, has_any, has_choice
from shared.fhir.validation.moments import surely_after

_LIMITED = frozenset(("boolean", "decimal", "integer", "string", "text", "url", "open-choice"))  # answers with a length
_CHOSEN = frozenset(("choice", "open-choice", "decimal", "integer", "date", "dateTime", "time", "string", "quantity"))


def _link_ids(node: Node) -> Iterator[str]:
    """Of all items, at any depth."""
    todo = list(node.get("item", ()))
    while todo:
        item = todo.pop()
        todo += item.get("item", ())
        if "linkId" in item:
            yield item["linkId"]


def _asks_each_once(node: Node) -> bool:
    given = list(_link_ids(node))
    return len(given) == len(set(given))


def _is_parameter(node: Node) -> bool:
    given = has_choice(node, "Parameters.parameter", "value") + ("resource" in node)
    return given == (0 if "part" in node else 1)


RECORDS: dict[str, tuple[Invariant, ...]] = {
    "Appointment": (
        error(
            "app-2", "Start and end are both there, or neither.", lambda node: has(node, "start") == has(node, "end")
        ),
        error(
            "app-3",
            "An appointment has its times, unless it is proposed, cancelled or waiting.",
            lambda node: (
                (has(node, "start") and has(node, "end")) or node.get("status") in ("proposed", "cancelled", "waitlist")
            ),
        ),
        error(
            "app-4",
            "Only what was cancelled or missed has a reason for it.",
            lambda node: "cancelationReason" not in node or node.get("status") in ("noshow", "cancelled"),
        ),
    ),
    "Appointment.participant": (
        error("app-1", "A participant has a type or is someone.", lambda node: has_any(node, "type", "actor")),
    ),
    "AppointmentResponse": (
        error(
            "apr-1", "A participant has a type or is someone.", lambda node: has_any(node, "participantType", "actor")
        ),
    ),
    "AuditEvent.entity": (
        error(
            "sev-1",
            "What was touched has a name or a query, not both.",
            lambda node: not has(node, "name") or not has(node, "query"),
        ),
    ),
    "Composition.section": (
        error(
            "cmp-1", "A section has text, entries or sections.", lambda node: has_any(node, "text", "entry", "section")
        ),
        error(
            "cmp-2",
            "Only an empty section is empty for a reason.",
            lambda node: "emptyReason" not in node or "entry" not in node,
        ),
    ),
    "Consent": (error("ppc-1", "A consent has a policy.", lambda node: has_any(node, "policy", "policyRule")),),
    "CoverageEligibilityResponse.insurance.item": (
        error(
            "ces-1",
            "An item has a category or a product, not both.",
            lambda node: ("category" in node) != ("productOrService" in node),
        ),
    ),
    "Group": (
        error(
            "grp-1",
            "Only an actual group has members.",
            lambda node: "member" not in node or node.get("actual") is True,
        ),
    ),
    "InsurancePlan": (
        error("ipn-1", "A plan has an identifier or a name.", lambda node: has_any(node, "identifier", "name")),
    ),
    "Linkage": (error("lnk-1", "At least two are linked.", lambda node: len(node["item"]) > 1),),
    "List": (
        error(
            "lst-1",
            "Only an empty list is empty for a reason.",
            lambda node: "emptyReason" not in node or "entry" not in node,
        ),
        error(
            "lst-2",
            "Only in a list of changes something is deleted.",
            lambda node: node.get("mode") == "changes" or not any(has(one, "deleted") for one in node.get("entry", ())),
        ),
        error(
            "lst-3",
            "Only in a working list an entry has a date.",
            lambda node: node.get("mode") == "working" or not any(has(one, "date") for one in node.get("entry", ())),
        ),
    ),
    "Measure.group.stratifier": (
        error(
            "mea-1",
            "A stratifier has criteria or components, not both.",
            lambda node: has_any(node, "code", "description", "criteria") != ("component" in node),
        ),
    ),
    "MeasureReport": (
        error(
            "mrp-1",
            "A collection of data has no groups.",
            lambda node: node.get("type") != "data-collection" or "group" not in node,
        ),
    ),
    "MeasureReport.group.stratifier.stratum": (
        error(
            "mrp-2",
            "A stratum has a value or components, not both.",
            lambda node: ("value" in node) != ("component" in node),
        ),
    ),
    "Organization": (
        error(
            "org-1", "An organisation has an identifier or a name.", lambda node: has_any(node, "identifier", "name")
        ),
        error(
            "org-2",
            "An organisation has no home address.",
            lambda node: not any(one.get("use") == "home" for one in node.get("address", ())),
        ),
        error(
            "org-3",
            "An organisation has no home telephone.",
            lambda node: not any(one.get("use") == "home" for one in node.get("telecom", ())),
        ),
    ),
    "Parameters.parameter": (
        error("inv-1-parameters", "A parameter has a value, a resource or parts: one of them.", _is_parameter),
    ),
    "Patient.contact": (
        error(
            "pat-1",
            "A contact has a name, a telephone, an address or an organisation.",
            lambda node: has_any(node, "name", "telecom", "address", "organization"),
        ),
    ),
    "Questionnaire": (error("que-2", "Each item has a linkId of its own.", _asks_each_once),),
    "Questionnaire.item": (
        error(
            "que-1",
            "A group has items, and a display has none.",
            lambda node: (
                (node.get("type") != "group" or "item" in node)
                and (node.get("type") != "display" or "item" not in node)
            ),
        ),
        error("que-3", "A display has no code.", lambda node: node.get("type") != "display" or "code" not in node),
        error(
            "que-4",
            "Answers are listed or are a value set, not both.",
            lambda node: "answerOption" not in node or not has(node, "answerValueSet"),
        ),
        error(
            "que-5",
            "Only some kinds of questions have their answers given.",
            lambda node: node.get("type") in _CHOSEN or not has_any(node, "answerOption", "answerValueSet"),
        ),
        error(
            "que-6",
            "A display is neither required nor repeated.",
            lambda node: node.get("type") != "display" or not has_any(node, "required", "repeats"),
        ),
        error(
            "que-8",
            "A group or display has no initial value.",
            lambda node: node.get("type") not in ("group", "display") or "initial" not in node,
        ),
        error(
            "que-9",
            "A display is not read-only.",
            lambda node: node.get("type") != "display" or not has(node, "readOnly"),
        ),
        error(
            "que-10",
            "Only some kinds of answers have a longest length.",
            lambda node: node.get("type") in _LIMITED or not has(node, "maxLength"),
        ),
        error(
            "que-11",
            "Answers that are listed say themselves which is the initial one.",
            lambda node: "answerOption" not in node or "initial" not in node,
        ),
        error(
            "que-12",
            "Several conditions are joined by and, or by or.",
            lambda node: len(node.get("enableWhen", ())) <= 2 or has(node, "enableBehavior"),
        ),
        error(
            "que-13",
            "Only what repeats has several initial values.",
            lambda node: node.get("repeats") is True or len(node.get("initial", ())) <= 1,
        ),
    ),
    "Questionnaire.item.enableWhen": (
        error(
            "que-7",
            "Whether something was answered is asked with true or false.",
            lambda node: node.get("operator") != "exists" or has(node, "answerBoolean"),
        ),
    ),
    "QuestionnaireResponse.item": (
        error(
            "qrs-1", "An item has answers or items, not both.", lambda node: "answer" not in node or "item" not in node
        ),
    ),
    "Task": (
        error(
            "inv-1-task",
            "A task was not changed before it was made.",
            lambda node: (
                "lastModified" not in node
                or "authoredOn" not in node
                or not surely_after(node["authoredOn"], node["lastModified"])
            ),
        ),
    ),
}
