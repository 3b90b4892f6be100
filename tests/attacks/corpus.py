"""The attacks by family. Each is one line with a sentence as its name, in the module of its family."""

from tests.attacks import envelopes, floods, outbound, paths, signatures, tenants, tokens, vehicles, wire
from tests.attacks.target import Family, target

FAMILIES: dict[str, Family] = {
    "tokens": tokens.ATTACKS,
    "signatures": signatures.ATTACKS,
    "envelopes": envelopes.ATTACKS,
    "tenants": tenants.ATTACKS,
    "paths": paths.ATTACKS,
    "vehicles": vehicles.ATTACKS,
    "floods": floods.ATTACKS,
    "outbound": outbound.ATTACKS,
    "wire": wire.ATTACKS,
}

SETTINGS: dict[str, dict[str, object]] = {"floods": dict(floods.SETTINGS)}


async def fought(family: str) -> dict[str, list[str]]:
    """What was not as it must be, by attack: nothing, when all were refused."""
    found: dict[str, list[str]] = {}
    async with target(**SETTINGS.get(family, {})) as on:
        for name, attack in FAMILIES[family].items():
            if faults := await attack(on):
                found[name] = faults
    return found
