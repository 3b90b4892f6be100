"""The index's twin: two dicts. For tests, and for a service that runs as one process on one machine."""

import heapq
from collections.abc import Sequence

from shared.deadletters.port import ASIDE, Entry, Place, Plan
from shared.deadletters.stored import text


class MemoryIndex:
    """An Index within one process. No method awaits between its read and its write."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str], Entry] = {}
        self._plans: dict[str, Plan] = {}

    async def add(self, entry: Entry) -> Entry:
        return self._entries.setdefault((entry.topic, entry.message), entry)

    async def get(self, topic: str, messages: Sequence[str]) -> list[Entry]:
        return [found for message in messages if (found := self._entries.get((topic, message)))]

    async def of_event(self, event: str) -> list[Entry]:
        return sorted((one for one in self._entries.values() if one.event == event), key=lambda one: one.place)

    async def page(
        self, after: Place | None = None, *, plan: str = "", aside: bool = False, limit: int = 1000
    ) -> list[Entry]:
        start = after or ("", "", "")
        wanted = (
            one
            for one in self._entries.values()
            if one.place > start and (not plan or one.plan == plan) and (not aside or one.state in ASIDE)
        )
        return heapq.nsmallest(limit, wanted, key=lambda one: one.place)

    async def texts(
        self, after: Place | None = None, *, aside: bool = False, limit: int = 1000
    ) -> list[tuple[Place, str]]:
        return [(one.place, text(one)) for one in await self.page(after, aside=aside, limit=limit)]

    async def change(self, entries: Sequence[Entry]) -> list[bool]:
        made = []
        for entry in entries:
            key = (entry.topic, entry.message)
            found = self._entries.get(key)
            made.append(found is not None and found.revision == entry.revision - 1)
            if made[-1]:
                self._entries[key] = entry
        return made

    async def plan(self, id: str) -> Plan | None:
        return self._plans.get(id)

    async def plans(self) -> list[Plan]:
        return sorted(self._plans.values(), key=lambda plan: (plan.made, plan.id), reverse=True)

    async def put_plan(self, plan: Plan) -> bool:
        found = self._plans.get(plan.id)
        if (found.revision if found else 0) != plan.revision - 1:
            return False
        self._plans[plan.id] = plan
        return True

    async def close(self) -> None:
        self._entries.clear()
        self._plans.clear()
