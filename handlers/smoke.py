"""`./dev smoke URL`: is what answers there this service, of that zone, with its doors shut? From outside, and harmless.

    health live and ready · every endpoint of the zone is there and refuses an unknown caller · those of other zones are not
    there · refusals are problem documents that say nothing · no header tells what runs · the contract is a file, not a page

Endpoints are those of the contract, schemas/openapi/v1.json: a service that lacks one, or has another version, fails.
"""

import json
import sys
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from shared import egress
from shared.settings import Zone

CONTRACT = Path(__file__).resolve().parents[1] / "schemas/openapi/v1.json"
TIMEOUT = 10.0  # seconds for one request; a new revision may still start its first instance
_HEALTH = ("/v1/health/live", "/v1/health/ready")
_CLOSED = ("/docs", "/redoc", "/openapi.json", "/", "/.env")
_TELLING = ("server", "x-powered-by", "via")


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, and whether it was so."""

    name: str
    passed: bool


async def checks(url: str, zone: Zone, identity: str | None) -> AsyncIterator[Check]:
    """Every check, as it is made. `identity` is a token for Cloud Run's own gate, which leaves ours alone."""
    host = urlsplit(url).hostname or ""
    gate = {"x-serverless-authorization": f"Bearer {identity}"} if identity else {}
    local = urlsplit(url).scheme == "http"
    async with egress.client([host], timeout=TIMEOUT, local=local) as http:
        for path in _HEALTH:
            answer = await http.get(url + path, headers=gate)
            yield Check(f"GET {path} is 200", answer.status_code == 200 and answer.json() == {"up": True})
        yield Check("no header tells what runs", not any(name in answer.headers for name in _told(local)))
        for path in _CLOSED:
            refused = await http.get(url + path, headers=gate)
            yield Check(f"GET {path} is not there", _problem(refused) == (404, "unknown-route"))
        for path, here in _endpoints(zone):
            answer = await http.post(url + path, content=b"{}", headers={**gate, "content-type": "application/json"})
            status, _ = _problem(answer)
            if not here:
                yield Check(f"POST {path} is not of zone {zone}", status == 404)
                continue
            yield Check(f"POST {path} refuses an unknown caller", status == 401)
            yield Check(f"POST {path} names its request", len(answer.headers.get("x-request-id", "")) == 32)


def _told(local: bool) -> Iterable[str]:
    """In the cloud Google's front end names itself; on one machine there is only us."""
    return _TELLING if local else _TELLING[1:2]


def _endpoints(zone: Zone) -> Iterable[tuple[str, bool]]:
    """Every POST of the contract, and whether this zone has it. What only some deployments have is not asked for."""
    from handlers import catalog
    from handlers.app import bare_app

    mounted = {getattr(route, "path", "") for route in bare_app(zone).routes}
    optional = {on.path for on in catalog.subscriptions() if on.needs}
    for path, operations in json.loads(CONTRACT.read_bytes())["paths"].items():
        if "post" in operations and path not in optional:
            yield path.replace("{subscription}", "smoke-test"), path in mounted


def _problem(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a well-formed refusal; (0, "") for anything else."""
    if answer.headers.get("content-type") != "application/problem+json":
        return 0, ""
    body: dict[str, Any] = answer.json()
    well_formed = set(body) == {"type", "title", "status", "code", "instance"} and body["status"] == answer.status_code
    return (answer.status_code, str(body["code"])) if well_formed else (0, "")


def cloud_identity(audience: str) -> str:
    """A token of this machine's own service account, from the metadata server. Raises GoogleAuthError."""
    from google.auth.transport.requests import Request
    from google.oauth2.id_token import fetch_id_token

    return str(fetch_id_token(Request(), audience))


async def run(url: str, zone: Zone, *, identity: bool) -> int:
    """Print each check; 0 when all passed, 1 when one did not or nobody answered."""
    token = cloud_identity(url) if identity else None
    failed = 0
    try:
        async for check in checks(url.rstrip("/"), zone, token):
            failed += not check.passed
            print(f"{'ok    ' if check.passed else 'FAILED'} {check.name}")
    except (httpx.HTTPError, ValueError) as error:
        print(f"./dev smoke: {type(error).__name__}", file=sys.stderr)
        return 1
    return 1 if failed else 0
