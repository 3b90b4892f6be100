"""What the image holds may be shipped: each package's licence is known, and on the list."""

from email.message import Message
from importlib.metadata import PackageMetadata
from typing import cast

import pytest

from handlers.licences import allowed, licence, locked, refused


def test_every_package_of_the_image_is_under_a_licence_of_the_list() -> None:
    assert refused() == []
    assert sum(package.shipped for package in locked()) > 30


@pytest.mark.parametrize(
    ("expression", "good"),
    [
        ("MIT", True),
        ("Apache-2.0 OR BSD-3-Clause", True),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", True),
        ("GPL-3.0 OR MIT", True),
        ("MIT AND GPL-3.0", False),
        ("MPL-2.0 AND (GPL-3.0 OR AGPL-3.0)", False),
        ("AGPL-3.0", False),
        ("LicenseRef-Proprietary", False),
        ("unknown", False),
        ("", False),
    ],
)
def test_a_licence_is_met_or_refused(expression: str, good: bool) -> None:
    assert allowed(expression) is good


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ({"License-Expression": "MIT-0"}, "MIT-0"),
        ({"Classifier": "License :: OSI Approved :: GNU General Public License v3 (GPLv3)"}, "GPL-3.0"),
        ({"Classifier": "License :: OSI Approved :: GNU Affero General Public License v3"}, "AGPL-3.0"),
        ({"License": "BSD 2-Clause License"}, "BSD-2-Clause"),
        ({"License": "see LICENSE"}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_a_licence_is_read_and_not_guessed(lines: dict[str, str], told: str) -> None:
    found = Message()
    for name, value in lines.items():
        found[name] = value
    assert licence(cast(PackageMetadata, found)) == told
