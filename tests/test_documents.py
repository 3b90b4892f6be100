"""The generated tables in the docs are what the code says today."""

from pathlib import Path

import pytest

from handlers.documents import TABLES, render
from handlers.documents.validation import rules_index
from shared.rules import INDEX

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_is_current(page: Path) -> None:
    assert page.read_text() == render(page.read_text()), "run ./dev python -m handlers.documents"


def test_every_table_is_on_a_page() -> None:
    text = "".join(page.read_text() for page in PAGES)
    assert all(f"<!-- generated: {name} -->" in text for name in TABLES)


def test_the_index_of_rules_is_current() -> None:
    assert INDEX.read_text() == rules_index(), "run ./dev python -m handlers.documents"


def test_every_setting_says_what_it_does() -> None:
    rows = TABLES["settings"]().splitlines()[2:]
    assert rows
    assert all(row.split("|")[3].strip() for row in rows)
