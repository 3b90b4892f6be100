"""R4's invariants as named rules, by the type of the object that they are asked of.

What each says was written from the constraints of R4's StructureDefinitions, whose keys it has; those that are left out
are named in `left_out`, and a test holds both against R4's own list (schemas/fhir/r4/validation.json).
"""

from collections.abc import Mapping

from shared.fhir.validation.invariants.bundle import BUNDLE
from shared.fhir.validation.invariants.clinical import CLINICAL
from shared.fhir.validation.invariants.container import CONTAINER
from shared.fhir.validation.invariants.datatypes import DATATYPES, SIMPLE_QUANTITY
from shared.fhir.validation.invariants.records import RECORDS
from shared.fhir.validation.invariants.rule import Invariant
from shared.fhir.validation.invariants.terminology import TERMINOLOGY

INVARIANTS: Mapping[str, tuple[Invariant, ...]] = {
    **DATATYPES,
    **CLINICAL,
    **RECORDS,
    **BUNDLE,
    **TERMINOLOGY,
}

TEXTS: Mapping[str, str] = {
    one.rule: one.text for invariants in (*INVARIANTS.values(), CONTAINER, (SIMPLE_QUANTITY,)) for one in invariants
}

__all__ = ["CONTAINER", "INVARIANTS", "SIMPLE_QUANTITY", "TEXTS", "Invariant"]
