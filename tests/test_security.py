"""docs/backend/SECURITY.md holds to the code: each threat has a control that is there and a test that is there."""

import re
from pathlib import Path

import pytest

from tests.attacks.corpus import FAMILIES

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs/backend/SECURITY.md").read_text()
ARROWS = dict(
    zip(*[iter(re.split(r"^### (.+)\n", PAGE.partition("## Rules")[0], flags=re.MULTILINE)[1:])] * 2, strict=True)
)
ROWS = [
    (arrow, *(cell.strip() for cell in line.strip("|").split("|")))
    for arrow, table in ARROWS.items()
    for line in re.findall(r"^\| [STRIDE] \|.*\|$", table, re.MULTILINE)
]


@pytest.mark.parametrize("arrow", ARROWS)
def test_every_arrow_has_all_six_letters(arrow: str) -> None:
    assert [row[1] for row in ROWS if row[0] == arrow] == list("STRIDE")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}, {row[1]}")
def test_every_threat_has_a_control_and_a_test_that_are_there(row: tuple[str, ...]) -> None:
    _, _, threat, control, tests = row
    assert threat
    files = [name for name in re.findall(r"`([^`]+)`", control) if re.fullmatch(r"[\w./\-]+(\.\w+|file|ignore)", name)]
    assert files, "a control names its file"
    assert [name for name in files if not (ROOT / name).exists()] == []
    named = re.findall(r"`([^`]+)`", tests)
    assert named, "a test that would break"
    assert [name for name in named if not _is_there(name)] == []


def test_every_family_of_attacks_belongs_to_a_threat() -> None:
    assert set(re.findall(r"`attacks: (\w+)`", PAGE)) - {"family"} == set(FAMILIES)


def _is_there(name: str) -> bool:
    if name.startswith("attacks: "):
        return name.removeprefix("attacks: ") in FAMILIES
    file, _, function = name.partition("::")
    path = ROOT / file
    return path.exists() and (
        not function or bool(re.search(rf"^(async )?def {function}\(", path.read_text(), re.MULTILINE))
    )
