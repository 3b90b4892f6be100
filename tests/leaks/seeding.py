"""A resource of each type with something in every place that R4 has, made from the element table.

Every string, in whatever element, of whatever choice, is a marker found nowhere else; so is every key that FHIR does
not know. Where the door looks closer (a reference, a code of a known system, a known extension), the marker stands in
the place that it looks at. All dates are one day. The resources are not valid FHIR (all choices at once); a door that
only works on valid ones would be no door.
"""

from itertools import count

from shared.fhir.elements import json_names, types

MARK = "zq"  # in no code, no hex digest and no form that may leave
DAY = "1987-06-15"  # an offset is never 0, so no moved date is this one
_DEEPEST = 7
_TEXTS = {"string", "markdown", "id", "code", "oid", "uuid", "base64Binary", "xhtml", "time"}
_LINKS = {"uri", "url", "canonical"}
_NUMBERS = {"boolean": True, "integer": 7, "positiveInt": 7, "unsignedInt": 7, "decimal": 7.5}
_MOMENTS = {"date": DAY, "dateTime": f"{DAY}T07:08:09+02:00", "instant": f"{DAY}T07:08:09.123Z"}
_RACE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race"
_BIRTHSEX = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex"


class Seeds:
    """Makes values and counts the markers in them.

    With `known`, codings and quantities are of known systems, so that they may leave, and the markers stand beside what
    may: as display, version, unit, text. Without, the codes themselves are markers.
    """

    def __init__(self, known: bool) -> None:
        self._known = known
        self._numbers = count()
        self.markers = 0

    def mark(self) -> str:
        """A new marker."""
        self.markers += 1
        return f"{MARK}{next(self._numbers):06d}"

    def resource(self, name: str) -> dict[str, object]:
        """A resource with a seed in every place."""
        body = self._object(name, ())
        return {**body, "resourceType": name, "id": self.mark(), "address" + self.mark(): self.mark()}

    def _value(self, of: str, within: tuple[str, ...]) -> object:
        match of:
            case "Reference":
                return self._reference()
            case "Extension":
                return {"url": self.mark(), "valueString": self.mark()}
            case "Resource":
                return {
                    "resourceType": "Patient",
                    "id": self.mark(),
                    "name": [{"family": self.mark()}],
                    "gender": "male",
                }
            case "Coding":
                return self._coding()
        if of in _NUMBERS:
            return _NUMBERS[of]
        if of in _MOMENTS:
            return _MOMENTS[of]
        if of in _TEXTS:
            return f"{self.mark()} Smith"
        if of in _LINKS:
            return f"https://example.org/{self.mark()}"
        return self._object(of, within)

    def _object(self, of: str, within: tuple[str, ...]) -> dict[str, object]:
        made: dict[str, object] = {}
        if len(within) >= _DEEPEST or within.count(of) > 1:
            return made
        for name, element in types()[of].elements.items():
            if name == "modifierExtension":
                continue  # would keep everything else behind; seeded by a test of its own
            for json_name, type_name in json_names(name, element).items():
                value = self._value(type_name, (*within, of))
                made[json_name] = [value, value] if element.many else value
                if types()[type_name].kind == "primitive":
                    made[f"_{json_name}"] = {
                        "id": self.mark(),
                        "extension": [{"url": self.mark(), "valueString": self.mark()}],
                    }
        if self._known and {"system", "code", "comparator"} <= made.keys():
            made |= {"system": "http://unitsofmeasure.org", "code": "mg", "comparator": ">"}
        made["extension"] = self._extensions()
        made[self.mark()] = {"value": self.mark()}
        return made

    def _reference(self) -> dict[str, object]:
        return {
            "reference": f"https://{self.mark()}.example.org/fhir/Patient/{self.mark()}/_history/{self.mark()}",
            "type": "Patient",
            "identifier": {"system": self.mark(), "value": self.mark()},
            "display": self.mark(),
        }

    def _extensions(self) -> list[object]:
        values = {
            name: f"{self.mark()}" for name in ("valueString", "valueCode", "valueUri", "valueMarkdown", "valueId")
        }
        return [
            {"url": self.mark(), **values},
            {
                "url": _RACE,
                "extension": [{"url": "text", "valueString": self.mark()}, {"url": "ombCategory", **values}],
            },
            {"url": _BIRTHSEX, **values},
        ]

    def _coding(self) -> dict[str, object]:
        return {
            "id": self.mark(),
            "system": "http://loinc.org",
            "code": "8480-6" if self._known else self.mark(),
            "display": self.mark(),
            "version": self.mark(),
            "_display": {"extension": self._extensions()},
        }
