"""Rights: the policies that are there, and the bindings that they lack.

A policy is changed by reading it, adding to it, and writing it back under its etag: whoever changed it meanwhile wins, and
this is done again. Nothing is taken out, whoever put it there; what nobody here wants is shown as extra, with the way
to remove it. On the project extras are not shown: it has people and services that are none of our business.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from handlers.provisioning.changes import Act, Change, Refusal
from handlers.provisioning.rights import Binding, Kind

type Policy = dict[str, Any]  # google.iam.v1.Policy, as JSON

HERE = "not on this machine"
_ATTEMPTS = 3
_AT_ONCE = 8
_NOT_ENOUGH = "it is not there: provision or deploy it first, then run again"


class Policies(Protocol):
    """Where policies are read and written."""

    async def get(self, kind: Kind, name: str) -> Policy | None:
        """The policy, or None if there is no such thing. Raises Refusal, Problem."""
        ...

    async def set(self, kind: Kind, name: str, policy: Policy) -> bool:
        """Write it; False if it is no longer the one that was read. Raises Refusal, Problem."""
        ...


class IamArea:
    """`policies`: by kind, who keeps them; a kind that nobody keeps is not looked at."""

    name = "iam"

    def __init__(self, wanted: Iterable[Binding], policies: Mapping[Kind, Policies]) -> None:
        self._policies = policies
        self._wanted: defaultdict[tuple[Kind, str], list[Binding]] = defaultdict(list)
        for binding in wanted:
            self._wanted[binding.kind, binding.name].append(binding)
        self._shown = {_name(binding): binding for binding in wanted}

    async def plan(self) -> list[Change]:
        slots = asyncio.Semaphore(_AT_ONCE)

        async def one(kind: Kind, name: str, wanted: list[Binding]) -> list[Change]:
            async with slots:
                return await self._compared(kind, name, wanted)

        found = await asyncio.gather(*(one(kind, name, wanted) for (kind, name), wanted in self._wanted.items()))
        return [change for changes in found for change in changes]

    async def apply(self, change: Change) -> None:
        binding = self._shown[change.name]
        policies = self._policies[binding.kind]
        for _ in range(_ATTEMPTS):
            policy = await policies.get(binding.kind, binding.name)
            if policy is None:
                raise Refusal(_NOT_ENOUGH)
            if binding in held(policy, binding.kind, binding.name):
                return
            if await policies.set(binding.kind, binding.name, added(policy, binding)):
                return
        raise Refusal("others keep changing this policy: run again")

    async def delete(self, change: Change) -> None:
        raise Refusal(change.how or "rights are never taken away from here")

    async def _compared(self, kind: Kind, name: str, wanted: list[Binding]) -> list[Change]:
        keeper = self._policies.get(kind)
        if keeper is None:
            return [Change(self.name, kind, name, Act.UNSEEN, how=HERE)]
        try:
            policy = await keeper.get(kind, name)
        except Refusal as refusal:
            act = Act.UNSEEN if refusal.unseen else Act.REFUSED
            return [Change(self.name, kind, name, act, how=refusal.how)]
        there = set(held(policy, kind, name)) if policy else set()
        acts = {binding: Act.KEEP if binding in there else Act.CREATE for binding in wanted}
        changes = [Change(self.name, "binding", _name(binding), act) for binding, act in acts.items()]
        if kind is not Kind.PROJECT:
            for binding in sorted(there - set(wanted)):
                changes.append(Change(self.name, "binding", _name(binding), Act.EXTRA, how=_way_out(binding)))
        return changes


def held(policy: Policy, kind: Kind, name: str) -> Iterator[Binding]:
    """The bindings of a policy."""
    for binding in policy.get("bindings", ()):
        condition = (binding.get("condition") or {}).get("expression", "")
        for member in binding.get("members", ()):
            yield Binding(kind, name, binding["role"], member, condition)


def added(policy: Policy, wanted: Binding) -> Policy:
    """The policy with one binding more; everything else, the etag too, as it was."""
    entry: dict[str, Any] = {"role": wanted.role, "members": [wanted.member]}
    if wanted.condition:
        entry["condition"] = {"title": f"starvit {wanted.condition.rsplit('/', 1)[-1].strip('"')}"}
        entry["condition"]["expression"] = wanted.condition
    bindings = []
    for binding in policy.get("bindings", ()):
        same = (
            binding["role"] == wanted.role
            and (binding.get("condition") or {}).get("expression", "") == wanted.condition
        )
        if same and entry:
            binding = binding | {"members": [*binding.get("members", ()), wanted.member]}
            entry = {}
        bindings.append(binding)
    version = 3 if wanted.condition else policy.get("version", 1)
    return policy | {"version": version, "bindings": bindings + ([entry] if entry else [])}


def _name(binding: Binding) -> str:
    condition = f" if {binding.condition}" if binding.condition else ""
    return f"{binding.kind} {binding.name}: {binding.role} {binding.member}{condition}"


def _way_out(binding: Binding) -> str:
    command = {
        Kind.TOPIC: "gcloud pubsub topics",
        Kind.SUBSCRIPTION: "gcloud pubsub subscriptions",
        Kind.ACCOUNT: "gcloud iam service-accounts",
        Kind.SERVICE: "gcloud run services",
        Kind.SECRET: "gcloud secrets",
        Kind.VIEW: "bq",
        Kind.PROJECT: "gcloud projects",
    }[binding.kind]
    return (
        "nobody of the catalog needs it; if nobody else does: "
        f"{command} remove-iam-policy-binding {binding.name} --role={binding.role} --member={binding.member}"
    )
