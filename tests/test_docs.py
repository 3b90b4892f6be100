"""The documents hold to the code: no code without its paragraph, no dependency without its line, no link to nowhere."""

import re
import tomllib
from pathlib import Path

import pytest

from shared.errors import Code

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(path for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")))
MANDATED = {
    *(
        "fastapi",
        "gunicorn",
        "google-cloud-pubsub",
        "cloudevents",
        "httpx",
        "pydantic",
        "google-auth",
        "google-cloud-dlp",
    ),
    *("google-cloud-bigquery", "opentelemetry-exporter-gcp-trace", "structlog", "pytest"),
}


def test_every_error_code_has_its_paragraph_in_the_runbook_and_no_paragraph_is_orphaned() -> None:
    headings = re.findall(r"^### `([a-z\-]+)`$", (ROOT / "docs/runbook.md").read_text(), re.MULTILINE)
    assert sorted(headings) == sorted(code.slug for code in Code)


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed = [
        *project["project"]["dependencies"],
        *(one for group in project["dependency-groups"].values() for one in group),
    ]
    names = {re.match(r"[a-z0-9\-]+", requirement.lower())[0] for requirement in listed}  # type: ignore[index]
    page = (ROOT / "docs/decisions/0004-dependencies.md").read_text()
    table = {name.strip() for row in re.findall(r"^\| ([^|]+) \|", page, re.MULTILINE) for name in row.split(",")}
    assert names - MANDATED <= table, "each has its line"
    assert table - {"package", "---"} - {"uvicorn"} <= names | {"---"}, "and no line is for one that went"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    for name in re.findall(r"`((?:handlers|shared|schemas|tests|docs)/[A-Za-z0-9_./\-]+)`", page.read_text()):
        assert (ROOT / name).exists(), name


def test_the_readme_fits_one_screen() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 60
    assert max(map(len, lines)) <= 140
