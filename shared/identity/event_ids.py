"""The names of events: the same change has the same id for ever, whoever sends it and however often (design §1).

HMAC-SHA256 under the project's event key, so that an id in an attribute, a header or a log tells nothing of the resource.
The fields are joined as a JSON array: no two lists of fields have the same text. Medplum's interaction header is no
part of it, for it is unsigned, `$resend` changes it, and a sweep can not know it.
"""

import hmac
import json
from typing import final


@final
class EventIds:
    """The ids of one project. `key` is 32 secret bytes or more."""

    __slots__ = ("__key",)

    def __init__(self, key: bytes) -> None:
        self.__key = key

    def change(self, project: str, type: str, id: str, version: str, generation: int) -> str:
        """A write: a version of a resource, under a generation."""
        return self._name("change", project, type, id, version, generation)

    def deletion(self, project: str, type: str, id: str, version: str, generation: int) -> str:
        """A confirmed deletion: of the version that was the last."""
        return self._name("deleted", project, type, id, version, generation)

    def claim(self, project: str, subscription: str, type: str, id: str, trace: str) -> str:
        """A claimed deletion: Medplum names no version, so its trace id tells one delivery from its repeats."""
        return self._name("claim", project, subscription, type, id, trace)

    def accessed(self, handler: str, event_id: str) -> str:
        """An access to PHI: once for each handler and event, however often it is tried."""
        return self._name("accessed", handler, event_id)

    def outcome(self, event_id: str, found: str) -> str:
        """The record of what validation found in a version: another one if under other rules it finds something else."""
        return self._name("outcome", event_id, found)

    def ordering(self, type: str, id: str) -> str:
        """The ordering key of a resource."""
        return self._name("ordering", type, id)

    def _name(self, *fields: str | int) -> str:
        return hmac.digest(self.__key, json.dumps(fields).encode(), "sha256").hex()
