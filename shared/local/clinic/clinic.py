"""What happens at the clinic: creates, updates and deletions in an order that could be; no reference is left dangling.

Several patients' stories go on at once. One operation in five updates something, one in twenty deletes something that
nothing refers to; the rest goes on with a story.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from shared.local.clinic.changes import changed
from shared.local.clinic.identifiers import Identifiers
from shared.local.clinic.operations import Operation, links
from shared.local.clinic.site import Draft, opened
from shared.local.clinic.story import opening, story

DELETED, UPDATED = 0.05, 0.20
_AT_ONCE = 8  # stories
_NEVER_DELETED = frozenset({"Organization", "Practitioner"})
_REFERRED_TO = frozenset({"Patient", "Encounter", "Observation"})  # by what its story has yet to tell
_TRIES = 30


@dataclass(slots=True)
class _Story:
    drafts: Iterator[Draft]
    ended: bool = False


@dataclass(slots=True, eq=False)
class _Entry:
    """A resource as it is now. `last` touched it last, `after` is what its deletion has to wait for."""

    draft: Draft
    story: _Story
    created: int
    last: int
    links: frozenset[int]
    referrers: int = 0
    after: set[int] = field(default_factory=set)


class Clinic:
    """The same operations for the same seed, whatever ids Medplum gives."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._identifiers = Identifiers()
        self._site = opened(self._random, self._identifiers)
        self._opening = _Story(opening(self._site))
        self._stories: list[_Story] = []
        self._ids: dict[int, str] = {}
        self._entries: dict[int, _Entry] = {}
        self._live: list[_Entry] = []
        self._number = 0

    def operations(self, count: int) -> Iterator[Operation]:
        """The next operations. After each create and update, `stored` has to be called with Medplum's answer."""
        for _ in range(count):
            roll = self._random.random()
            if roll < DELETED and (gone := self._deletable()):
                yield self._delete(gone)
            elif DELETED <= roll < DELETED + UPDATED and (entry := self._random_entry()):
                yield self._update(entry)
            else:
                yield self._create()

    def stored(self, operation: Operation, answer: Mapping[str, object]) -> None:
        """Medplum's answer to a create or an update: the resource with its id and version."""
        match answer:
            case {"id": str() as id, "meta": {"versionId": str() as version}}:
                self._ids[operation.handle] = id
                self._identifiers.resource_id(id, f"{operation.type}.id")
                self._identifiers.resource_id(version, f"{operation.type}.meta.versionId")
            case _:
                raise ValueError("not a stored resource")

    def identifiers(self) -> Identifiers:
        """All that was put anywhere so far, and all ids that Medplum gave."""
        return self._identifiers

    def _create(self) -> Operation:
        story, draft = self._next_draft()
        wanted = links(draft.body)
        for handle in wanted:
            self._entries[handle].referrers += 1
        waits_for = {self._entries[handle].created for handle in wanted}
        operation = self._operation("create", draft, waits_for)
        entry = _Entry(draft, story, operation.number, operation.number, wanted)
        self._entries[draft.handle] = entry
        self._live.append(entry)
        return operation

    def _update(self, entry: _Entry) -> Operation:
        entry.draft = changed(self._site, entry.draft)
        wanted = links(entry.draft.body)
        for handle in wanted - entry.links:
            self._entries[handle].referrers += 1
        for handle in entry.links - wanted:
            self._entries[handle].referrers -= 1
        waits_for = {entry.last, *(self._entries[handle].created for handle in wanted)}
        operation = self._operation("update", entry.draft, waits_for)
        for handle in entry.links - wanted:
            self._entries[handle].after.add(operation.number)
        entry.links, entry.last = wanted, operation.number
        return operation

    def _delete(self, entry: _Entry) -> Operation:
        self._live.remove(entry)
        operation = self._operation("delete", entry.draft, {entry.last, *entry.after})
        for handle in entry.links:
            self._entries[handle].referrers -= 1
            self._entries[handle].after.add(operation.number)
        del self._entries[entry.draft.handle]
        return operation

    def _operation(self, action: str, draft: Draft, waits_for: set[int]) -> Operation:
        number = self._number
        self._number += 1
        match action:
            case "create" | "update":
                return Operation(number, action, draft.type, frozenset(waits_for), draft.handle, draft.body, self._ids)
        return Operation(number, "delete", draft.type, frozenset(waits_for), draft.handle, None, self._ids)

    def _next_draft(self) -> tuple[_Story, Draft]:
        """Go on with one of the stories; the clinic opens first."""
        while True:
            if not self._opening.ended:
                chosen = self._opening
            else:
                self._stories += [_Story(story(self._site)) for _ in range(_AT_ONCE - len(self._stories))]
                chosen = self._random.choice(self._stories)
            draft = next(chosen.drafts, None)
            if draft is not None:
                return chosen, draft
            chosen.ended = True
            self._stories = [running for running in self._stories if not running.ended]

    def _random_entry(self) -> _Entry | None:
        return self._random.choice(self._live) if self._live else None

    def _deletable(self) -> _Entry | None:
        """Something that nothing refers to, nor will."""
        for _ in range(_TRIES if self._live else 0):
            entry = self._random.choice(self._live)
            if entry.referrers or entry.draft.type in _NEVER_DELETED:
                continue
            if entry.story.ended or entry.draft.type not in _REFERRED_TO:
                return entry
        return None
