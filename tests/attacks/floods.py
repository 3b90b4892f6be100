"""Too much of everything: forgeries by address, captured deletions, made-up keys, bodies; and who must not suffer from it."""

from collections.abc import Iterable

from shared.errors import Code
from tests.attacks.signatures import hook, sign
from tests.attacks.target import OTHER_SECRET, SECOND_SECRET, Attack, Family, Request, Target, target
from tests.attacks.tokens import push, token
from tests.tenant import HOOK_SECRET

_FEW = 5
SETTINGS = {"unsigned_per_minute": _FEW, "claims_per_minute": _FEW}
_FORGED = "0" * 64


async def _statuses(on: Target, requests: Iterable[Request]) -> list[int]:
    return [(await on.send(request)).status for request in requests]


def _forged(*forwarded: str, peer: str = "203.0.113.9") -> Request:
    return hook(_FORGED, more=[("x-forwarded-for", one) for one in forwarded], peer=peer)


def limited(*requests: Request, proxies: int = 1, then: Request | None = None) -> Attack:
    """Of these forgeries all but the first few are told 429, and so is `then`."""

    async def attack(on: Target) -> list[str]:
        if proxies == 1:
            return await flood(on)
        async with target(**SETTINGS, proxies=proxies) as other:
            return await flood(other)

    async def flood(on: Target) -> list[str]:
        before = len(on.edge.published)
        found = await _statuses(on, requests)
        if found != [401] * _FEW + [429] * (len(requests) - _FEW):
            return [f"answered {found}"]
        late = [] if then is None else await _statuses(on, [then])
        faults = [] if late in ([], [429]) else [f"a late one was answered {late}"]
        return faults + ["something was published"] * (len(on.edge.published) > before)

    return attack


async def _honest(on: Target) -> list[str]:
    """From the very address of the flood, signed webhooks are taken, each of them."""
    await _statuses(on, [_forged("203.0.113.50")] * 20)
    found = await _statuses(on, [hook(more=[("x-forwarded-for", "203.0.113.50")])] * 20)
    return [] if found == [204] * 20 else [f"signed webhooks were answered {found}"]


async def _neighbour(on: Target) -> list[str]:
    """Another address still gets its own answer."""
    await _statuses(on, [_forged("203.0.113.51")] * 20)
    found = await _statuses(on, [_forged("203.0.113.52")])
    return [] if found == [401] else [f"the neighbour was answered {found}"]


def _deletion(id: str, *more: tuple[str, str], path: str = "clinic", secret: str = HOOK_SECRET) -> Request:
    headers = [("x-medplum-deleted-resource", f"Patient/{id}"), *more]
    return hook(sign(b"{}", secret), body=b"{}", path=f"/v1/webhooks/medplum/{path}", more=headers)


async def _repeated(on: Target) -> list[str]:
    """One delivery, recorded and sent a hundred times: one claim."""
    before = len(on.edge.published)
    trace = ("x-trace-id", "3fa85f64-5717-4562-b3fc-2c963f66afa6")
    found = await _statuses(on, [_deletion("p1", trace, path="second", secret=SECOND_SECRET)] * 100)
    made = len(on.edge.published) - before
    return [] if (set(found), made) == ({204}, 1) else [f"{made} claims"]


def capped(path: str, secret: str, *headers: tuple[str, str]) -> Attack:
    """A hundred deletions claimed with one captured signature: a few get through, to be confirmed; changes all do."""

    async def attack(on: Target) -> list[str]:
        before = len(on.edge.published)
        found = await _statuses(on, [_deletion(f"p{n}", *headers, path=path, secret=secret) for n in range(100)])
        made = len(on.edge.published) - before
        if set(found) != {204, 429} or not found.count(204) == made < 2 * _FEW:
            return [f"{made} got through"]
        change = await _statuses(on, [hook()])
        return [] if change == [204] else ["a change was held up"]

    return attack


async def _keys(on: Target) -> list[str]:
    """Two hundred key ids that nobody published: the issuer is asked once at most."""
    fetched, jwks = [0], on.edge.issuer.jwks

    def counted() -> dict[str, object]:
        fetched[0] += 1
        return jwks()

    on.edge.issuer.jwks = counted  # type: ignore[method-assign]
    found = await _statuses(on, (push(f"Bearer {token(on, kid=f'made-up-{n}')}") for n in range(200)))
    on.edge.issuer.jwks = jwks  # type: ignore[method-assign]
    return [] if (set(found), fetched[0] <= 1) == ({401}, True) else [f"{fetched[0]} fetches, {set(found)}"]


async def _bodies(_: Target) -> list[str]:
    """More bytes at once than there is room for: sent back, and the room is there again."""
    async with target(body_room=1_000_000) as on:
        large = Request(hook().path, b" " * 2_000_000, hook().headers, chunks=20)
        answer = await on.send(large)
        if answer.status != Code.OVERLOADED.status:
            return [f"answered {answer.status}"]
        found = await _statuses(on, [hook()] * 3)
        return [] if found == [204] * 3 else [f"afterwards {found}"]


ATTACKS: Family = {
    "forgeries from one address": limited(*[_forged("203.0.113.11")] * 20),
    "forgeries that name another sender in X-Forwarded-For each time": limited(
        *(_forged(f"198.51.100.{n}, 203.0.113.12") for n in range(20))
    ),
    "forgeries that send an X-Forwarded-For of their own before the proxy's": limited(
        *(_forged(f"198.51.100.{n}", "203.0.113.13") for n in range(20))
    ),
    "forgeries that name a sender where no proxy is": limited(
        *(_forged(f"198.51.100.{n}") for n in range(20)), proxies=0
    ),
    "forgeries behind two proxies": limited(
        *(_forged(f"198.51.100.{n}, 203.0.113.15, 192.0.2.{n}") for n in range(20)), proxies=2
    ),
    "forgeries from all addresses of one IPv6 network": limited(
        *(_forged(f"2001:db8:1:2:{n:x}::1") for n in range(1, 21)), then=_forged("2001:db8:1:2::ffff")
    ),
    "forgeries from an IPv4 address in IPv6's clothes": limited(
        *[_forged("203.0.113.17")] * 10, then=_forged("::ffff:203.0.113.17")
    ),
    "forgeries with text where an address should be": limited(
        *(_forged(f"Canaryfamily{n}", peer="192.0.2.78") for n in range(20))
    ),
    "forgeries to subscriptions that are not there": limited(
        *(hook(_FORGED, path=f"/v1/webhooks/medplum/no-{n}", peer="192.0.2.77") for n in range(20))
    ),
    "a flood from the address that honest webhooks come from": _honest,
    "a flood, and a neighbour who has done nothing": _neighbour,
    "one captured deletion, a hundred times": _repeated,
    "a captured signature on a hundred deletions": capped("clinic", HOOK_SECRET),
    "a captured signature on a hundred deletions, with text for trace ids": capped(
        "annex", OTHER_SECRET, ("x-trace-id", "Canaryfamily")
    ),
    "two hundred made-up key ids": _keys,
    "more bytes at once than the process has room for": _bodies,
}
