"""POST /v1/tasks/dead-letters: Cloud Scheduler asks for the replays that are due, as much as fits into a request.

What a dependency's outage left once it is over (recovery.py), and plans whose runner has gone. The caller is one service
account, by its identity token. Nothing of the request's body is read.
"""

from msgspec import Struct

from handlers.deadletters.desk import Desk
from handlers.deadletters.running import Pace
from shared.head import Head
from shared.identity.push import PushTokens, credential
from shared.settings import Settings

ACCOUNT = "dead-letters"
_SPARE = 5.0  # seconds before the deadline after which no further message is moved
_PACE = Pace(per_second=50)


class Task(Struct, frozen=True):
    """What the endpoint does."""

    settings: Settings
    tokens: PushTokens
    desk: Desk

    async def run(self, head: Head) -> None:
        """Replay. Raises Problem: NO_TOKEN, BAD_TOKEN, WRONG_CALLER; LEDGER_DOWN, PUBSUB_DOWN."""
        await self.tokens.verify(
            credential(head), account=self.settings.account(ACCOUNT), audience=self.settings.dead_letters_url
        )
        until = self.desk.now() + self.settings.deadline - _SPARE
        await self.desk.recovered(_PACE, stop=lambda: self.desk.now() >= until)
