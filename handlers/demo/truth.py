"""What really happened: what Medplum answered to the clinic, kept apart from anything that the service says."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from shared.events.data import Accounted
from shared.events.envelope import Message
from shared.local.judge import Truth, Written


class History:
    """Every resource that the clinic wrote, with all its versions."""

    def __init__(self) -> None:
        self._versions: dict[tuple[str, str], list[Written]] = {}
        self._deleted: set[tuple[str, str]] = set()

    def wrote(self, stored: Mapping[str, object]) -> None:
        """Medplum's answer to a create or update; one that changed nothing has the version of before."""
        meta = stored["meta"]
        assert isinstance(meta, Mapping)
        versions = self._versions.setdefault((str(stored["resourceType"]), str(stored["id"])), [])
        written = Written(str(meta["versionId"]), str(meta["lastUpdated"]))
        if not versions or versions[-1] != written:
            versions.append(written)

    def deleted(self, type: str, id: str) -> None:
        """Medplum deleted it."""
        self._deleted.add((type, id))

    def __iter__(self) -> Iterator[Truth]:
        for (type, id), versions in self._versions.items():
            yield Truth(type, id, tuple(versions), (type, id) in self._deleted)

    def times(self) -> Iterator[tuple[str, str, str, datetime]]:
        """(type, id, version, when it was written)"""
        for (type, id), versions in self._versions.items():
            for written in versions:
                yield type, id, written.version, datetime.fromisoformat(written.last_updated)


def acts(message: Message) -> Iterator[str]:
    """The ids of the accesses to PHI that a message of fhir.accessed tells of: each is to be one AuditEvent."""
    if message.attributes["ce-type"] == Accounted.TYPE:
        yield from (act.event for act in Accounted.model_validate_json(message.data).acts)
    else:
        yield message.attributes["ce-id"]
