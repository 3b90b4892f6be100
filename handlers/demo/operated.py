"""A demo that is left running, as operators' commands find it: a deployment with all that the catalog wants of one.

    the running stack ─► `./dev provision --apply`'s own areas ─► its settings in a file ─► ./dev doctor, dlq, provision …

The demo itself does without: its stand-ins ask nobody for rights.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from handlers.deadletters.command import RUNNING_DEMO
from handlers.demo.service import environment_of, variables
from handlers.demo.stack import OPERATOR, PROJECT_NUMBER, RETRY, UNTOLD, Stack
from handlers.provisioning.areas import opened
from handlers.provisioning.changes import Act
from handlers.provisioning.deployment import Deployment
from handlers.provisioning.run import run


def deployment_of(stack: Stack) -> Deployment:
    """What the operators of this stack would say of it."""
    return Deployment(
        project_number=PROJECT_NUMBER,
        untold={stack.tenant.name: (UNTOLD,)},
        operators={stack.tenant.name: OPERATOR},
        backoff_least=RETRY.least,
        backoff_most=RETRY.most,
    )


async def provisioned(stack: Stack) -> None:
    """Give the stack what it lacks. Raises RuntimeError with the names of what is refused."""
    async with opened(stack.settings, deployment_of(stack)) as areas:
        refused = [change.name async for change in run(areas, apply=True) if change.act is Act.REFUSED]
    if refused:
        raise RuntimeError(f"not to be provisioned: {', '.join(refused)}")


@asynccontextmanager
async def operated(stack: Stack) -> AsyncIterator[None]:
    """Within, `./dev doctor`, `dlq`, `provision` and the others work on this stack."""
    await provisioned(stack)
    said = variables(deployment_of(stack).model_dump(exclude_unset=True))
    RUNNING_DEMO.parent.mkdir(exist_ok=True)
    RUNNING_DEMO.touch(mode=0o600)
    RUNNING_DEMO.write_text(json.dumps(environment_of(stack.settings) | said))
    try:
        yield
    finally:
        RUNNING_DEMO.unlink(missing_ok=True)
