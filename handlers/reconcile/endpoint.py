"""POST /v1/tasks/reconcile: Cloud Scheduler asks for a sweep, as much of one as fits into a request.

The caller is one service account, by its identity token. Nothing of the request's body is read.
"""

from msgspec import Struct, structs

from handlers.reconcile.rounds import Rounds
from shared.errors import Code, Problem
from shared.head import Head
from shared.identity.push import PushTokens, credential
from shared.settings import Settings
from shared.telemetry.report import reconciled

_SPARE = 5.0  # seconds before the deadline after which no further type is begun


class Task(Struct, frozen=True):
    """What the endpoint does."""

    settings: Settings
    tokens: PushTokens
    rounds: Rounds

    async def run(self, head: Head) -> None:
        """Sweep. Raises Problem: NO_TOKEN, BAD_TOKEN, WRONG_CALLER; BUSY; what ended a type's sweep early."""
        await self.tokens.verify(
            credential(head),
            account=self.settings.account("reconcile"),
            audience=self.settings.reconcile_url,
        )
        swept = await self.rounds.scheduled(self.rounds.now() + self.settings.deadline - _SPARE)
        for found in swept:
            reconciled(structs.asdict(found))
        for found in swept:
            if found.failed:
                raise Problem(Code.of(found.failed), "reconcile")
