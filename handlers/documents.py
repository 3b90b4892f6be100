"""The tables in docs that say what the code says: written by `./dev python -m handlers.documents`, held by a test."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from handlers import alerts, audited, catalog
from handlers.console.forms import FORM_LIMIT, QUERY_LIMIT
from handlers.console.routes import ENDPOINTS as PAGES
from handlers.contract import document
from handlers.doctor.findings import Check, Finding
from handlers.licences import locked
from handlers.provisioning.deployment import Deployment
from handlers.scale import tables as scale
from shared.deid.policy import NAMES as POLICIES
from shared.deid.policy import load
from shared.fhir.validation import rules
from shared.fhir.validation.issue import RULES as R4_RULES
from shared.rules import INDEX
from shared.settings import Settings, Tenant
from shared.telemetry.metrics import METRICS, VALUES
from shared.views.dictionary import dictionary

_BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

# path → what the contract does not say: who may, what is checked, what bounds it, what is audited, where it is tested
_ENDPOINTS: dict[str, tuple[str, str, str, str, str]] = {
    "/v1/webhooks/medplum/{subscription}": (
        "the project in the signed body is the subscription's",
        "strict JSON; id, type, version, time in FHIR's forms",
        "10 MB; unsigned requests by address; delete claims by subscription",
        "each accepted change is an event",
        "`tests/handlers/test_webhook.py`, `tests/journey/test_golden_webhooks.py`",
    ),
    "/v1/push/{handler}": (
        "the token's e-mail is the subscription's account; the subscription is the handler's; the event's project is served",
        "one of four shapes; CloudEvents attributes; the data's closed model",
        "14 MB; messages in work at once; a deadline",
        "each read of PHI and each row that leaves: fhir.accessed → AuditEvent",
        "`tests/shared/test_pipeline.py`, `tests/shared/test_push.py`, `tests/shared/test_identity.py`",
    ),
    "/v1/tasks/reconcile": (
        "the token's e-mail is the scheduler's account",
        "no input: the body is not read",
        "one worker at a time; a deadline",
        "each walk over resources: fhir.accessed → AuditEvent",
        "`tests/journey/test_reconcile.py`, `tests/handlers/reconcile/test_rounds.py`",
    ),
    "/v1/push/index": (
        "the token's e-mail is the index's account; the subscription is an `--index` one of the catalog",
        "a wrapped push; of the message only what has the form of a code, hash, UUID or type of ours",
        "14 MB",
        "a log line; the record itself",
        "`tests/handlers/deadletters/test_arrivals.py`",
    ),
    "/v1/tasks/dead-letters": (
        "the token's e-mail is the scheduler's account",
        "no input",
        "as much as fits into a request; 50 messages a second",
        "ops.audit → AuditEvent in each tenant's Medplum",
        "`tests/handlers/deadletters/test_arrivals.py`, `tests/handlers/deadletters/test_recovery.py`",
    ),
    "/v1/health/{live,ready}": ("anyone", "no input", "-", "-", "`tests/journey/test_the_demo.py`"),
}


_LEAKS, _IDENTITY = "tests/leaks/test_the_door.py", "tests/shared/deid/test_identity.py"
_IDENTIFIERS = {
    "A": ("names", _LEAKS),
    "B": ("geographic subdivisions smaller than a state", "tests/shared/deid/test_places.py"),
    "C": ("all elements of dates but the year, ages over 89", "tests/shared/deid/test_dates.py"),
    "D": ("telephone numbers", _LEAKS),
    "E": ("fax numbers", _LEAKS),
    "F": ("e-mail addresses", _LEAKS),
    "G": ("social security numbers", _LEAKS),
    "H": ("medical record numbers", _IDENTITY),
    "I": ("health plan beneficiary numbers", _LEAKS),
    "J": ("account numbers", _LEAKS),
    "K": ("certificate and licence numbers", _LEAKS),
    "L": ("vehicle identifiers and plates", _LEAKS),
    "M": ("device identifiers and serial numbers", "tests/shared/deid/test_structure.py"),
    "N": ("web addresses (URLs)", _LEAKS),
    "O": ("IP addresses", _LEAKS),
    "P": ("biometric identifiers", _LEAKS),
    "Q": ("full-face photographs and the like", _LEAKS),
    "R": ("any other unique number, characteristic or code", _IDENTITY),
}


def _letters(covers: str | None) -> set[str]:
    """The letters that a rule covers: `A`, `D, E, F`, or `A to R`."""
    if covers and " to " in covers:
        first, last = covers.split(" to ")
        return {chr(code) for code in range(ord(first), ord(last) + 1)}
    return set(covers.split(", ")) if covers else set()


def settings_table() -> str:
    """Every setting with its default."""
    rows = [_setting(name, field) for name, field in Settings.model_fields.items()]
    return _table(("variable", "default", "what it does"), rows)


def tenant_table() -> str:
    """The fields of one tenant in tenants.json."""
    rows = [(f"`{name}`", field.description or "") for name, field in Tenant.model_fields.items()]
    return _table(("field", "what it is"), rows)


def deployment_table() -> str:
    """What only the operators' commands ask."""
    return _table(
        ("variable", "default", "what it is"),
        [_setting(name, field) for name, field in Deployment.model_fields.items()],
    )


def doctor_table() -> str:
    """Every check of `./dev doctor`."""
    findings = [Finding(check, "", at="…", only=" --only AREA") for check in Check]
    rows = [(f"`{one.check.slug}`", one.check.value.severity, one.text, one.fix) for one in findings]
    return _table(("code", "severity", "what is wrong", "what to do"), rows)


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
    return _table(("handler", "zone", "subscription", "takes", "publishes to", "may", "attempts"), rows)


def audited_table() -> str:
    """Every act that becomes an AuditEvent."""
    heads = ("act", "by", "one for each", "BALP profile", "type", "subtype", "action", "entities")
    return _table(heads, audited.rows())


def endpoints_table() -> str:
    """Every endpoint, with what protects it."""
    heads = ("endpoint", "authN", "authZ", "validation", "limits", "audit", "errors", "tests")
    return _table(heads, list(_endpoints()))


def controls_table() -> str:
    """The eighteen identifiers of 45 CFR 164.514(b)(2)(i), each with the rules that cover it and the test that tries it."""
    rules = {id: rule for name in POLICIES for id, rule in load(name).rules.items()}
    rows = []
    for letter, (what, test) in _IDENTIFIERS.items():
        covering = [f"`{id}` ({rule.verb})" for id, rule in sorted(rules.items()) if letter in _letters(rule.covers)]
        rows.append((letter, what, ", ".join(covering), f"`{test}`"))
    return _table(("", "identifier", "rules", "test"), rows)


def views_table() -> str:
    """The data dictionary: a table for each view."""
    return dictionary(_table)


def licences_table() -> str:
    """Every locked package with its licence; the image's first."""
    ordered = sorted(locked(), key=lambda package: (not package.shipped, package.name))
    rows = [(one.name, one.version, one.licence, ", ".join(one.groups)) for one in ordered]
    return _table(("package", "version", "licence", "groups"), rows)


def metrics_table() -> str:
    """Every metric."""
    heads = ("metric", "kind", "unit", "labels", "what it says")
    rows = [
        (f"`{one.name}`", one.kind, one.unit, ", ".join(f"`{label}`" for label in one.labels) or "-", one.help)
        for one in METRICS
    ]
    return _table(heads, rows)


def labels_table() -> str:
    """Every label, and the words that it may be."""
    elsewhere = {"code": "each code of this page, or `none`", "rule": "each rule of [validation.md](validation.md)"}
    rows = [(f"`{label}`", elsewhere.get(label) or ", ".join(sorted(values))) for label, values in VALUES.items()]
    return _table(("label", "values"), rows)


def rules_table() -> str:
    """Every rule of ours that is on by default."""
    return _rules("default")


def us_core_table() -> str:
    """The rules of the set that is switched on."""
    return _rules(rules.US_CORE)


def r4_rules_table() -> str:
    """Every rule of FHIR R4 that we hold a resource against."""
    return _table(
        ("rule", "FHIR issue type", "what it says"), [(f"`{id}`", code, text) for id, (code, text) in R4_RULES.items()]
    )


def _scale(name: str) -> str:
    """A table of docs/scale.md."""
    return scale.TABLES[name](_table)


def rules_index() -> str:
    """schemas/validation/index.json: the closed list of all rules, for whoever may not import the FHIR layer."""
    texts = {id: text for id, (_, text) in R4_RULES.items()} | {one.id: one.text for one in rules.load(rules.US_CORE)}
    return json.dumps(dict(sorted(texts.items())), indent=2, ensure_ascii=False) + "\n"


def _rules(set: str) -> str:
    rows = [
        (f"`{one.id}`", one.severity, f"`{one.element}`", one.text, one.reason)
        for one in rules.load(rules.US_CORE)
        if one.set == set
    ]
    return _table(("rule", "severity", "element", "what it says", "why"), rows)


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
    "views": views_table,
    **{f"scale_{name}": partial(_scale, name) for name in scale.TABLES},
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


def _setting(name: str, field: Any) -> tuple[str, str, str]:
    variable = "ZONE" if name == "zone" else f"STARVIT_{name.upper()}"
    default = field.get_default(call_default_factory=True)
    shown = "-" if default in (None, "", (), {}) else ", ".join(default) if isinstance(default, tuple) else str(default)
    return f"`{variable}`", f"`{shown}`" if shown != "-" else "-", field.description


def _endpoints() -> Iterator[tuple[str, ...]]:
    contract = document()["paths"]
    for path, (authz, validation, limits, audit, tests) in _ENDPOINTS.items():
        example = path.replace("{handler}", "deid").replace("{live,ready}", "ready")
        [(method, operation)] = contract[example].items()
        schemes = [scheme for one in operation.get("security", []) for scheme in one]
        errors = ", ".join(status for status in operation["responses"] if status not in ("200", "204"))
        yield (
            f"`{method.upper()} {path}`",
            ", ".join(schemes) or "none",
            authz,
            validation,
            limits,
            audit,
            errors,
            tests,
        )
    yield from _pages()


def _pages() -> Iterator[tuple[str, ...]]:
    """The console's pages: for people, so not in the contract; each has a row of its own all the same."""
    person = "the Identity-Aware Proxy's assertion; on one machine a session or a bearer token"
    tests = "`tests/handlers/console/test_rights.py`, `tests/handlers/console/test_forms.py`"
    for one in PAGES:
        posts = one.method == "POST"
        fields = ", ".join(sorted(one.fields)) or "no field"
        yield (
            f"`{one.method} {one.path}`",
            person,
            f"a role with the right `{one.right}`" + ("; Origin and a form token of the browser's" if posts else ""),
            f"a closed set of fields, each of its form: {fields}",
            f"{FORM_LIMIT if posts else QUERY_LIMIT} bytes; 20 fields",
            one.audit,
            "400, 401, 403, 404, 409, 413, 500, 503" if posts else "400, 401, 403, 404, 413, 500, 503",
            tests,
        )
    login = "an identity token for this very page, once; in the cloud there is none"
    yield ("`GET /ops/login`", login, "a role", "one token", "12 kB", "-", "400, 401, 404, 413, 500, 503", tests)
    sent = "Origin and a form token"
    yield (
        "`POST /ops/logout`",
        "the session",
        sent,
        "no field",
        f"{FORM_LIMIT} bytes",
        "-",
        "400, 401, 403, 404",
        tests,
    )
    yield ("`GET /ops/static/{name}`", "none", "anyone", "a name that we have", "-", "-", "404", tests)


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


if __name__ == "__main__":
    for page in refresh(Path(__file__).resolve().parents[1]):
        print(page)
