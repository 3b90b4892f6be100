"""What runs and what it tells: handlers, acts that are audited, metrics and their labels, packages with their licences."""

from handlers import audited, catalog
from handlers.documents.table import table
from handlers.licences import locked
from shared.telemetry.metrics import METRICS, VALUES


def handlers_table() -> str:
    """Every handler of the catalog."""
    rows = [
        (
            f"`{on.handler}`",
            str(on.zone),
            f"`{on.name}`",
            ", ".join(f"`{data.TYPE.removeprefix('io.starvit.')}`" for data in on.takes),
            ", ".join(f"`{topic}`" for topic in on.publishes) or "-",
            ", ".join(sorted(on.scopes)),
            str(on.max_attempts),
        )
        for on in catalog.subscriptions()
    ]
    return table(("handler", "zone", "subscription", "takes", "publishes to", "may", "attempts"), rows)


def audited_table() -> str:
    """Every act that becomes an AuditEvent."""
    heads = ("act", "by", "one for each", "BALP profile", "type", "subtype", "action", "entities")
    return table(heads, audited.rows())


def licences_table() -> str:
    """Every locked package with its licence; the image's first."""
    ordered = sorted(locked(), key=lambda package: (not package.shipped, package.name))
    rows = [(one.name, one.version, one.licence, ", ".join(one.groups)) for one in ordered]
    return table(("package", "version", "licence", "groups"), rows)


def metrics_table() -> str:
    """Every metric."""
    heads = ("metric", "kind", "unit", "labels", "what it says")
    rows = [
        (f"`{one.name}`", one.kind, one.unit, ", ".join(f"`{label}`" for label in one.labels) or "-", one.help)
        for one in METRICS
    ]
    return table(heads, rows)


def labels_table() -> str:
    """Every label, and the words that it may be."""
    elsewhere = {"code": "each code of this page, or `none`", "rule": "each rule of [validation.md](validation.md)"}
    rows = [(f"`{label}`", elsewhere.get(label) or ", ".join(sorted(values))) for label, values in VALUES.items()]
    return table(("label", "values"), rows)
