"""What a rule does to a value of a FHIR type: one function for each fitting pair of verb and type, and an error for others.

This is the whole list of ways in which something can leave.
"""

from typing import final

from shared.deid import calendar, geography, prose, references, terminology, units, values
from shared.deid.policy import Policy, PolicyError, Rule, Verb
from shared.deid.pseudonyms import Pseudonyms
from shared.deid.walk import Leave, parts
from shared.fhir import elements as r4
from shared.fhir.elements import Element

_TEXTS = {"string": prose.text, "markdown": prose.text, "base64Binary": prose.document}
_DATES = ("date", "dateTime", "instant")
_STRINGS = ("string", "code", "uri", "canonical")
_QUANTITIES = ("Quantity", "Age", "Duration", "Count", "Distance")
_FACTS = {
    "boolean": values.boolean,
    "decimal": values.decimal,
    "time": calendar.time_of_day,
    **values.INTEGERS,
}


@final
class Verbs:
    """The verbs of one policy under one key."""

    def __init__(self, policy: Policy, pseudonyms: Pseudonyms) -> None:
        codes = r4.codes()
        self._lists = policy.lists
        self._withheld_zip3 = policy.withheld_zip3
        self._sets = codes.sets
        allowed = terminology.allowed(policy.systems, codes.systems, policy.lists, units.ucum(**policy.units))
        self._coding, self._concept = terminology.coding(allowed), terminology.concept(allowed)
        self._concept_or_text = prose.unless_coded(self._concept)
        self._quantity, self._age = values.quantity(allowed), values.quantity(allowed, age=True)
        self._pseudonyms = pseudonyms
        self._target = references.target(pseudonyms)
        self._date = {"year": calendar.to_year, "shift": calendar.to_moved}

    def on(self, rule: Rule, of: str, element: Element, place: str) -> Leave | None:
        """The function for a rule on a type; None when nothing leaves. Raises PolicyError when they do not fit."""
        match rule.verb:  # the most used first: thousands of elements are asked for at each start
            case Verb.DROP:
                return None
            case Verb.CODE if leave := self._code(rule, of, element):
                return leave
            case Verb.REFERENCE if of == "Reference":
                return references.reference(self._pseudonyms, self._target, element.targets)
            case Verb.DATE | Verb.BIRTH if leave := self._moment(rule, of):
                return leave
            case Verb.TEXT if of == "Annotation":
                return parts({"text": prose.text})  # who wrote it and when stays behind
            case Verb.TEXT if of in _TEXTS:
                return _TEXTS[of]
            case Verb.ID if place.endswith(".id"):
                return None  # the door's own work: it must agree with the row's key
            case Verb.TOKEN if of in _STRINGS:
                return references.token(self._pseudonyms)
            case Verb.KEEP if of in _FACTS:
                return _FACTS[of]
            case Verb.ZIP3 if of == "string":
                return geography.zip3(self._withheld_zip3)
            case Verb.AGE if of in values.INTEGERS:
                return values.years
            case Verb.QUANTITY | Verb.AGE if leave := self._amount(rule, of):
                return leave
        raise PolicyError(f"{place}: rule {rule.id} does not fit {of}")

    def _amount(self, rule: Rule, of: str) -> Leave | None:
        amount = self._age if rule.verb is Verb.AGE else self._quantity
        match of:
            case "Range":
                return parts({"low": amount, "high": amount})
            case "Ratio":
                return parts({"numerator": amount, "denominator": amount})
            case _:
                return amount if of in _QUANTITIES else None

    def _moment(self, rule: Rule, of: str) -> Leave | None:
        leave = self._date.get(rule.to or "")
        if leave is None:
            return None
        if of == "Period":
            return parts({"start": leave, "end": leave})
        if of not in _DATES:
            return None
        return calendar.born(leave) if rule.verb is Verb.BIRTH else leave

    def _code(self, rule: Rule, of: str, element: Element) -> Leave | None:
        match of:
            case "Coding":
                return self._coding
            case "CodeableConcept":
                return self._concept_or_text if rule.text else self._concept
            case "string" if rule.list is not None:
                return geography.listed({name.lower(): name for name in self._lists[rule.list]})
            case "code" if rule.list is not None:
                return terminology.member(frozenset(self._lists[rule.list]))
            case "code" if element.strength == "required" and (known := self._sets.get(element.values or "")):
                return terminology.member(known)
            case _:
                return None
