"""A copy of the index for others, and an account of it: whoever takes one stands in the record of each tenant that is in it.

    index ─► page ─► tenants that are new in it ─► ops.audit: begun ─► the page is given out ─► … ─► ops.audit: ended, how many

A tenant's record is told before the first line of his is given out; if it can not be, nothing more is. A copy that breaks
off says `stopped`, with the number of lines that were given out until then. A copy of nothing is nobody's, and is not told.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from typing import Literal
from uuid import uuid4

from msgspec import Struct, field

from handlers.deadletters.accounts import Accounts
from handlers.deadletters.choosing import Filter, each
from handlers.deadletters.planning import refuse_unfit
from shared.deadletters.port import Entry, Index
from shared.events.data import OperationExported

WITHOUT_REASON = "export"


class Export(Struct):
    """One copy, under a random name. `now` is seconds since the epoch."""

    index: Index
    accounts: Accounts
    now: Callable[[], float]
    by: str
    reason: str
    name: str = field(default_factory=lambda: uuid4().hex)
    _given: Counter[str] = field(default_factory=Counter)

    async def pages(self, chosen: Filter) -> AsyncGenerator[list[Entry]]:
        """What meets the filter, of what was moved too. Raises Problem(PLAN_REFUSED) for an unfit reason or name."""
        refuse_unfit(self.reason, self.by)
        outcome: Literal["done", "stopped"] = "stopped"
        try:
            async for page in each(self.index):
                if found := [one for one in page if chosen.matches(one)]:
                    await self._begin({one.project for one in found})
                    self._given.update(one.project for one in found)
                    yield found
            outcome = "done"
        finally:
            for project, number in sorted(self._given.items()):
                await self._tell(project, "ended", number, outcome)

    async def _begin(self, projects: set[str]) -> None:
        for project in sorted(projects - self._given.keys()):
            await self._tell(project, "begun", 0, "")

    async def _tell(
        self, project: str, stage: Literal["begun", "ended"], messages: int, outcome: Literal["", "done", "stopped"]
    ) -> None:
        said = OperationExported(
            project=project,
            action="export",
            stage=stage,
            plan=self.name,
            messages=messages,
            by=self.by,
            reason=self.reason,
            outcome=outcome,
            at=datetime.fromtimestamp(self.now(), UTC),
        )
        await self.accounts.exported(said)
