"""Ways around a route: other spellings, other methods, doors that must not be there, and what the health doors tell."""

from shared.errors import Code
from tests.attacks.target import CANARY, CE, PUSH, WEBHOOK, Attack, Family, Headers, Request, Target, refused

_EVIL = ("host", "canaryfamily.evil.example")


def _nowhere(path: str, method: str = "POST", more: Headers = (), code: Code = Code.UNKNOWN_ROUTE) -> Attack:
    def make(on: Target) -> Request:
        bearer = ("authorization", f"Bearer {on.edge.token('validation')}")
        return Request(path, b"{}", [*CE.items(), bearer, _EVIL, *more], method=method, query=f"q={CANARY}")

    return refused(make, code)


def _method(method: str, path: str = PUSH) -> Attack:
    return _nowhere(path, method, code=Code.METHOD_NOT_ALLOWED)


def _health(name: str) -> Attack:
    async def attack(on: Target) -> list[str]:
        request = Request(
            f"/v1/health/{name}", headers=[_EVIL, ("x-canary", CANARY)], method="GET", query=f"v={CANARY}"
        )
        answer = await on.send(request)
        good = (answer.status, answer.body) == (200, b'{"up":true}')
        return (
            [] if good and set(answer.headers) == {"content-type", "content-length"} else ["health says more than up"]
        )

    return attack


ATTACKS: Family = {
    "a slash at the end, and a Host to be redirected to": _nowhere(f"{PUSH}/"),
    "a slash at the end of a webhook": _nowhere(f"{WEBHOOK}/"),
    "two slashes at the beginning": _nowhere(f"/{PUSH}"),
    "two slashes in the middle": _nowhere("/v1//push/validation"),
    "a step up": _nowhere("/v1/push/../push/validation"),
    "an encoded step up": _nowhere("/v1/push/%2e%2e/push/validation"),
    "a step encoded twice": _nowhere("/v1/push/%252e%252e/validation"),
    "an encoded slash into another handler": _nowhere("/v1/push/validation%2f..%2fdeid"),
    "an encoded slash into another tenant": _nowhere("/v1/webhooks/medplum/clinic%2fannex"),
    "a backslash": _nowhere("/v1/push%5cvalidation"),
    "capitals": _nowhere("/V1/Push/Validation"),
    "a byte of nothing after the name": _nowhere("/v1/push/validation%00"),
    "a line break after the name": _nowhere("/v1/push/validation%0d%0ax-canary:%201"),
    "a parameter in the path": _nowhere("/v1/push/validation;canaryfamily=1"),
    "a file's ending": _nowhere("/v1/push/validation.json"),
    "a handler that is not there": _nowhere("/v1/push/Canaryfamily"),
    "a handler's private name": _nowhere("/v1/push/__class__"),
    "a webhook without a name": _nowhere("/v1/webhooks/medplum/"),
    "a version that is not there": _nowhere("/v2/push/validation"),
    "the whole URL as the path": _nowhere("http://canaryfamily.evil.example/v1/push/validation"),
    "the contract, asked of the service": _nowhere("/openapi.json", "GET"),
    "the framework's documentation": _nowhere("/docs", "GET"),
    "the framework's other documentation": _nowhere("/redoc", "GET"),
    "the environment": _nowhere("/.env", "GET"),
    "metrics": _nowhere("/metrics", "GET"),
    "a debugger": _nowhere("/debug/pprof", "GET"),
    "all health at once": _nowhere("/v1/health", "GET"),
    "reading a push endpoint": _method("GET"),
    "asking for its head": _method("HEAD"),
    "asking what it takes": _method("OPTIONS"),
    "putting": _method("PUT"),
    "patching": _method("PATCH"),
    "deleting": _method("DELETE", WEBHOOK),
    "tracing, to see one's own headers": _method("TRACE"),
    "connecting through it": _method("CONNECT"),
    "a method that somebody made up": _method("CANARYFAMILY"),
    "posting health": _method("POST", "/v1/health/live"),
    "a GET that says it is a POST": _nowhere(
        PUSH, "GET", [("x-http-method-override", "POST"), ("x-method-override", "POST")], Code.METHOD_NOT_ALLOWED
    ),
    "a path in a header that proxies of others believe": _nowhere(
        "/nothing", more=[("x-original-url", PUSH), ("x-rewrite-url", PUSH), ("x-forwarded-prefix", PUSH)]
    ),
    "asking live for more": _health("live"),
    "asking ready for more": _health("ready"),
}
