"""docs/backend/SECURITY.md: every endpoint with who may, what is checked, what bounds it, what is audited, where it is tested."""

from collections.abc import Iterator

from handlers.console.forms import FORM_LIMIT, QUERY_LIMIT
from handlers.console.routes import ENDPOINTS as PAGES
from handlers.contract import document
from handlers.documents.table import table

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


def endpoints_table() -> str:
    """Every endpoint, with what protects it."""
    heads = ("endpoint", "authN", "authZ", "validation", "limits", "audit", "errors", "tests")
    return table(heads, list(_endpoints()))


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
