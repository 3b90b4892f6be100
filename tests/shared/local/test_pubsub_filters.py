"""Pub/Sub's filter language, term by term."""

import pytest

from shared.local.pubsub.filters import predicate
from shared.local.pubsub.refusal import Refused

COM_EN = {"name": "com", "lang": "en", "iana.org/tag": "x", "ce-type": "io.starvit.a"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "attributes:name",
        'attributes:"iana.org/tag"',
        'attributes.name = "com"',
        'attributes.name="com"',
        'attributes."name" = "com"',
        'attributes.ce-type = "io.starvit.a"',
        'attributes.name != "net"',
        'attributes.missing != "net"',
        'hasPrefix(attributes.name, "co")',
        'hasPrefix(attributes.name, "")',
        'attributes.name = "net" OR attributes.lang = "en"',
        "attributes:name AND attributes:lang AND NOT attributes:missing",
        'attributes.name = "com" AND -attributes:missing',
        'NOT (attributes:missing OR attributes.lang = "de")',
        "(attributes:missing OR attributes:name) AND attributes:lang",
        r'attributes.name = "\u0063o\x6d"',
        r'attributes.name = "\143om"',
    ],
)
def test_it_takes_the_message(text: str) -> None:
    assert predicate(text)(COM_EN)


@pytest.mark.parametrize(
    "text",
    [
        "attributes:missing",
        'attributes.name = "Com"',
        'attributes.name != "com"',
        'hasPrefix(attributes.missing, "")',
        'hasPrefix(attributes.name, "com.")',
        "NOT attributes:name",
        'attributes:name AND attributes.lang = "de"',
    ],
)
def test_it_leaves_the_message(text: str) -> None:
    assert not predicate(text)(COM_EN)


@pytest.mark.parametrize(
    "text",
    [
        "attributes",
        "attributes:",
        "attributes.name",
        "attributes.name = com",
        "attributes.name = 'com'",
        'attributes.name > "com"',
        'name = "com"',
        'data = "com"',
        'attributes.name = "com" AND',
        'attributes.name = "com" attributes:lang',
        "attributes:a AND attributes:b OR attributes:c",
        "attributes:a and attributes:b",
        "(attributes:a",
        "attributes:a)",
        'hasSuffix(attributes.name, "m")',
        'hasPrefix(attributes.name "co")',
        'attributes.name = "com',
        'attributes.name = "' + "x" * 256 + '"',
    ],
)
def test_it_can_not_be_read(text: str) -> None:
    with pytest.raises(Refused):
        predicate(text)
