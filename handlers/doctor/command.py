"""`./dev doctor`: each finding with its mending, for people or as NDJSON.

Exit 0: nothing but notes; 1: something is wrong; 2: wrong usage. With `--fix-subscription TYPE`: shows the Subscription that
would be written, and with `--apply` writes it; 0: there, or shown; 1: Medplum refuses.
"""

import argparse
import asyncio
import json
import sys

from pydantic import ValidationError
from pydantic_settings import SettingsError

from handlers.doctor import mend
from handlers.doctor.examination import examined, outbound
from handlers.doctor.findings import Finding, bad
from handlers.doctor.medplum import Project
from handlers.doctor.mend import Unclear
from handlers.provisioning.command import described
from handlers.provisioning.deployment import Deployment
from shared.errors import Problem
from shared.fhir.elements import resource_types
from shared.settings import Settings

_GOOD, _BAD, _WRONG_USAGE = 0, 1, 2


def run(options: argparse.Namespace) -> int:
    """Examine, or mend one Subscription."""
    if (options.apply or options.webhook) and not options.fix_subscription:
        return _wrong("--apply and --webhook belong to --fix-subscription")
    if options.fix_subscription and options.fix_subscription not in resource_types() - {"AuditEvent"}:
        return _wrong("--fix-subscription takes an R4 resource type; AuditEvents never fire")
    try:
        settings, deployment = described()
    except (ValidationError, SettingsError, OSError):
        return _wrong("the settings can not be read")
    if options.project:
        chosen = tuple(tenant for tenant in settings.tenants if tenant.name == options.project)
        if not chosen:
            return _wrong("no such tenant")
        settings = settings.model_copy(update={"tenants": chosen})
    if refusal := deployment.refusal(settings):
        return _wrong(refusal)
    if options.fix_subscription:
        return asyncio.run(_mend(settings, deployment, options))
    return asyncio.run(_examine(settings, deployment, as_json=options.json))


async def _examine(settings: Settings, deployment: Deployment, *, as_json: bool) -> int:
    found: list[Finding] = []
    async for finding in examined(settings, deployment):
        found.append(finding)
        print(json.dumps(finding.line()) if as_json else _shown(finding), flush=True)
    if not as_json:
        print(_sum(len(found)))
    return _BAD if bad(found) else _GOOD


async def _mend(settings: Settings, deployment: Deployment, options: argparse.Namespace) -> int:
    if len(settings.tenants) != 1:
        return _wrong("several tenants, or none: name one with --project")
    [tenant] = settings.tenants
    async with outbound(settings, deployment) as http:
        project = Project(tenant, settings, deployment, http, lambda: 0.0)
        operator = project.operator()
        if operator is None:
            return _wrong("STARVIT_OPERATORS has no client for this tenant")
        try:
            mending = mend.planned(
                options.fix_subscription, await mend.look(operator), project.expected, options.webhook
            )
            id = await mend.write(operator, mending) if options.apply else ""
        except Unclear as unclear:
            return _wrong(str(unclear))
        except Problem as problem:
            print(f"doctor: {problem}", file=sys.stderr)
            return _BAD
    over = mending.over.place if mending.over else "a new Subscription"
    line = {
        "subscription": f"Subscription/{id}" if id else over,
        "written": options.apply,
        "secret": f"tenants[{tenant.name}].webhooks[{mending.webhook}][0]",
        "resource": mending.shown(),
    }
    print(json.dumps(line) if options.json else _told(line))
    return _GOOD


def _sum(found: int) -> str:
    return "nothing is wrong" if not found else "1 finding" if found == 1 else f"{found} findings"


def _told(line: dict[str, object]) -> str:
    done = "written" if line["written"] else "not written: --apply does it"
    return f"{line['subscription']}: {done}\n{json.dumps(line['resource'], indent=2)}\nits secret is {line['secret']}"


def _shown(finding: Finding) -> str:
    line = finding.line()
    return f"{line['severity']:<8}{line['code']:<22}{line['place']}\n        {line['text']}\n        do: {line['fix']}"


def _wrong(text: str) -> int:
    print(f"doctor: {text}", file=sys.stderr)
    return _WRONG_USAGE
