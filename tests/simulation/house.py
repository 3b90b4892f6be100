"""What does not change from one world to the next, and is slow to make: tenants, doors, keys, tokens, rules."""

import asyncio
from functools import cache
from typing import Any, cast

import jwt

from shared.deid.door import Door, open_doors
from shared.deid.text.texts import Texts
from shared.fhir.validation import Validator
from shared.identity.event_ids import EventIds
from shared.identity.keys import SigningKeys
from shared.identity.push import PushTokens
from shared.local.issuer import Issuer
from shared.settings import Settings, Tenant, Zone
from shared.tenancy import ByProject
from tests.simulation.loop import EPOCH
from tests.simulation.plan import PROJECTS

SECRET = b"hook-secret"


@cache
def tenants() -> tuple[Tenant, ...]:
    """The first has two datasets, each with its own policy and key."""
    return tuple(Tenant.model_validate(_tenant(number)) for number in range(PROJECTS))


@cache
def settings(zone: str) -> Settings:
    """A zone's settings; the defaults are what runs in the cloud."""
    return Settings.model_validate({"ZONE": Zone(zone), "local": True, "text": "local", "tenants": tenants()})


@cache
def doors() -> ByProject[tuple[Door, ...]]:
    """Every tenant's doors."""
    return ByProject({tenant.project: open_doors(tenant) for tenant in tenants()})


@cache
def ids() -> ByProject[EventIds]:
    """Every tenant's event ids."""
    return ByProject({tenant.project: EventIds(_key(tenant)) for tenant in tenants()})


@cache
def validator() -> Validator:
    """FHIR R4's rules."""
    return Validator()


@cache
def texts() -> Texts:
    """The local matcher; each process puts its own scrubber behind it."""
    return Texts()


@cache
def issuer() -> Issuer:
    """Signs push tokens, always at the same second: their times are tested elsewhere."""
    return Issuer(now=lambda: EPOCH)


@cache
def tokens() -> PushTokens:
    """Checks push tokens, with the issuer's key at hand."""
    return PushTokens(cast(SigningKeys, _Keys()), settings("clinical").oidc_issuers, lambda: EPOCH)


class _Keys:
    algorithm = "RS256"

    async def key(self, kid: str) -> Any:
        await asyncio.sleep(0)
        [jwk] = cast(list[dict[str, str]], issuer().jwks()["keys"])
        return jwt.PyJWK(jwk).key


def _key(tenant: Tenant) -> bytes:
    assert tenant.event_key is not None
    return bytes.fromhex(tenant.event_key.get_secret_value())


def _tenant(number: int) -> dict[str, object]:
    also = [{"dataset": "research", "policy": "expert", "pseudonym_key": "c7" * 32, "key_id": "k2"}]
    return {
        "project": f"5f0d3f9c-2c5e-4c0b-9a55-c11a1c0de00{number}",
        "name": f"clinic{number}",
        "dataset": f"clinic{number}",
        "webhooks": {f"hook{number}": [SECRET.decode()]},
        "event_key": f"e{number}" * 32,
        "reader": {"id": "reader", "secret": "reader-secret"},
        "auditors": [{"id": "auditor", "secret": "auditor-secret"}],
        "pseudonym_key": f"d{number}" * 32,
        "also": also if number == 0 else [],
    }
