"""Units of UCUM by its grammar, and what only looks like one."""

import pytest

from shared.fhir.validation.ucum import standing

# From UCUM's own examples for electronic messaging, and what laboratories, wards and pharmacies write.
UNITS = (
    *(
        "1",
        "%",
        "/min",
        "mm[Hg]",
        "Cel",
        "[degF]",
        "kg",
        "g/dL",
        "mg/dL",
        "mmol/L",
        "ug/L",
        "10*3/uL",
        "10*12/L",
        "10^9/L",
    ),
    *("mL/min/{1.73_m2}", "{beats}/min", "[in_i]", "[lb_av]", "kg/m2", "U/L", "[IU]/mL", "m[IU]/L", "meq/L", "mosm/kg"),
    *(
        "10.L/(min.m2)",
        "10.uN.s/(cm5.m2)",
        "mg/kg/h",
        "ug/kg/min",
        "fL",
        "pg",
        "mL",
        "{score}",
        "L/min",
        "s",
        "ms",
        "[pH]",
    ),
    *(
        "10*-3{Bethesda'U}",
        "kcal/[oz_av]",
        "mm/h",
        "a",
        "mo",
        "wk",
        "d",
        "h",
        "dB",
        "B[SPL]",
        "KiBy",
        "cm[H2O]",
        "{INR}",
    ),
    *(
        "ng/(24.h)",
        "((kg))",
        "%{HbA1c}",
        "10{copies}",
        "m.s-2",
        "m.s+2",
        "[arb'U]/mL",
        "eq",
        "umol",
        "nmol/min/mg{protein}",
    ),
)
NONE = (
    *(
        "mmHg",
        "deg C",
        "mg per dl",
        "furlongs",
        "bpm",
        "lbs",
        "MG/DL",
        "Kg",
        "mg//dL",
        "mg/",
        "/",
        "",
        ".",
        "(mg",
        "mg)",
    ),
    *(
        "()",
        "mg dL",
        " mg",
        "mg ",
        "m/(s",
        "10^^3",
        "celsius",
        "cc",
        "sec",
        "mins",
        "{beats/min",
        "beats}/min",
        "m2m",
        "2m",
    ),
    *("(m.s)2", "kkg", "k[degF]", "mg\n", "µg", "°C", "m--2", "[", "[x", "x" * 300),
)
PRACTICE = ("mcg", "mcg/kg/hr", "mEq", "ea", "ml/hr", "{3 times}/d", "TAB", "drop", "month")


@pytest.mark.parametrize("text", UNITS)
def test_a_unit_of_ucum_is_one(text: str) -> None:
    assert standing(text) == "unit"


@pytest.mark.parametrize("text", NONE)
def test_what_only_looks_like_a_unit_is_none(text: str) -> None:
    assert standing(text) == "none"


@pytest.mark.parametrize("text", PRACTICE)
def test_what_pharmacies_write_is_told_apart(text: str) -> None:
    assert standing(text) == "practice"


def test_nesting_costs_nothing() -> None:
    assert standing("(" * 127 + "m" + ")" * 127) == "unit"
    assert standing("(" * 255 + "m") == "none"
