"""Documents bent by hypothesis: whatever they are, they are judged, without an exception and without a quote of them.

    specimen ─► anything put anywhere in it, once to three times ─► perhaps nested deep ─► the verdict, looked through

Anything: huge numbers, NaN, half a surrogate pair, names of R4 where they do not belong, references that go round in a
circle. Every text that is put in has the canary's mark or is no word; the verdict's paths may have R4's names alone.
"""

import copy
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from shared.fhir.elements import json_names, resource_types, types
from shared.fhir.validation import Validator
from shared.fhir.validation.outcome import operation_outcome
from tests.shared.fhir.specimens import Json, specimens

_VALIDATOR = Validator()
_NAMES = sorted(
    {name for type in types().values() for stem, element in type.elements.items() for name in json_names(stem, element)}
)
_PATH = re.compile(r"(?:[A-Z][A-Za-z]+)?(?:\.[a-z][A-Za-z0-9]*|\[[0-9]+\])*|resourceType")

_TEXTS = st.one_of(
    st.just("Canary"),
    st.text(st.characters(), max_size=6).map(lambda text: f"Canary{text}"),
    st.just("\ud800Canary"),
    st.sampled_from(
        [
            "",
            " ",
            "#p1",
            "#",
            "2020-02-30",
            "final",
            "2020",
            "http://example.org",
            "mg",
            "{Canary",
            "Patient/Canary",
            "9999-12-31T23:59:60-14:00",
            "<div/>",
            "<!DOCTYPE a>",
            "((((",
            "{",
        ]
    ),
    st.sampled_from(sorted(resource_types())),
)
_NUMBERS = st.one_of(st.integers(), st.floats(), st.sampled_from([10**400, -(10**400), 2**31, 0]))
_LEAVES = st.one_of(st.none(), st.booleans(), _NUMBERS, _TEXTS)
_KEYS = st.one_of(
    st.sampled_from(_NAMES),
    st.sampled_from(_NAMES).map(lambda name: f"_{name}"),
    st.sampled_from(["resourceType", "Canarykey", "_", "contained", "extension", "reference", "\ud800Canary"]),
)
_ANYTHING = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4), max_leaves=8
)
_CIRCLE = [
    {"resourceType": "Patient", "id": "a", "link": [{"other": {"reference": "#b"}, "type": "seealso"}]},
    {"resourceType": "Patient", "id": "b", "link": [{"other": {"reference": "#a"}, "type": "seealso"}]},
]


@st.composite
def documents(draw: st.DrawFn) -> Json:
    """A resource, more or less."""
    document: Json = copy.deepcopy(draw(st.sampled_from(specimens())))
    for _ in range(draw(st.integers(1, 3))):
        node: Any = document
        while isinstance(node, (dict, list)) and node:
            step = draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
            if draw(st.booleans()) or not isinstance(node[step], (dict, list)):
                _bend(draw, node, step)
                break
            node = node[step]
    match draw(st.integers(0, 9)):
        case 0:
            document["extension"] = [_nested(draw(st.integers(1, 400)))]
        case 1:
            document["contained"] = _CIRCLE
    return document


def _bend(draw: st.DrawFn, node: Any, step: Any) -> None:
    """Half of the time the JSON type stays, so that what is asked of well-formed objects is asked too."""
    match draw(st.integers(0, 7)), node[step]:
        case ((0 | 1 | 2 | 3), str()):
            node[step] = draw(_TEXTS)
        case ((0 | 1 | 2 | 3), bool()):
            node[step] = draw(st.booleans())
        case ((0 | 1 | 2 | 3), int() | float()):
            node[step] = draw(_NUMBERS)
        case ((0 | 1 | 2), _):
            del node[step]
        case ((3 | 4), _) if isinstance(node, dict):
            node[draw(_KEYS)] = draw(_ANYTHING)
        case _:
            node[step] = draw(_ANYTHING)


def _nested(levels: int) -> Json:
    node: Json = {"url": "http://example.org", "valueString": "Canary"}
    for _ in range(levels):
        node = {"url": "http://example.org", "extension": [node]}
    return node


def judge(document: Json) -> list[str]:
    """The rules that it breaks; an AssertionError if the verdict says more than rules and places."""
    issues = list(_VALIDATOR.issues(document))
    assert all(_PATH.fullmatch(issue.path) for issue in issues)
    assert "Canary" not in json.dumps(operation_outcome(issues))
    return [issue.rule for issue in issues]


@dataclass(slots=True)
class Found:
    """What a run of fuzzing saw."""

    documents: int = 0
    passed: int = 0
    rules: Counter[str] = field(default_factory=Counter)


def fuzzed(number: int, first: int) -> Found:
    """So many documents; `first` is the seed, so that runs side by side see others."""
    found = Found()

    @seed(first)
    @settings(
        max_examples=number,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(documents())
    def run(document: Json) -> None:
        rules = judge(document)
        found.documents += 1
        found.passed += not rules
        found.rules.update(set(rules))

    run()
    return found
