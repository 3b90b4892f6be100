"""The tables in docs that say what the code says: written by `./dev python -m handlers.documents`, held by a test.

docs/**/*.md: <!-- generated: NAME --> … <!-- end --> ◄─ TABLES[NAME]() ◄─ a file here for each kind of document
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from handlers import alerts
from handlers.documents.configuration import deployment_table, doctor_table, settings_table, tenant_table
from handlers.documents.controls import controls_table
from handlers.documents.running import audited_table, handlers_table, labels_table, licences_table, metrics_table
from handlers.documents.security import endpoints_table
from handlers.documents.table import table
from handlers.documents.validation import r4_rules_table, rules_index, rules_table, us_core_table
from handlers.scale import tables as scale
from shared.rules import INDEX
from shared.views.dictionary import dictionary

_BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

TABLES: Mapping[str, Callable[[], str]] = {
    "rules": rules_table,
    "us_core": us_core_table,
    "r4_rules": r4_rules_table,
    "licences": licences_table,
    "metrics": metrics_table,
    "labels": labels_table,
    "controls": controls_table,
    "deployment": deployment_table,
    "doctor": doctor_table,
    "settings": settings_table,
    "tenant": tenant_table,
    "handlers": handlers_table,
    "audited": audited_table,
    "endpoints": endpoints_table,
    "views": partial(dictionary, table),
    **{f"scale_{name}": partial(made, table) for name, made in scale.TABLES.items()},
}


def render(text: str) -> str:
    """A page with its generated blocks made anew."""
    return _BLOCK.sub(lambda found: f"{found[1]}{TABLES[found[2]]()}{found[3]}", text)


def refresh(root: Path) -> list[Path]:
    """Write the pages that changed; which they were."""
    changed = []
    for name, text in ({**alerts.renderings(root), str(INDEX.relative_to(root)): rules_index()}).items():
        path = root / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            changed.append(path)
    for page in sorted((root / "docs").rglob("*.md")):
        text = page.read_text()
        if (new := render(text)) != text:
            page.write_text(new)
            changed.append(page)
    return changed
