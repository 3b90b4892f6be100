"""The free texts of one resource, scrubbed together: first by the local matcher, then by whoever reads after it.

    texts, record ─► local: masked ─► scrubber (DLP) ─► text → what may leave of it

What goes to the scrubber is masked text and nothing else: no id, no record, no dictionary, so that texts of many
patients can share a request.
"""

from typing import final

from shared.deid.door import Scrubbed
from shared.deid.text.local import Local
from shared.deid.text.port import Scrubber
from shared.fhir.port import Resource
from shared.phi import Phi


@final
class Texts:
    """For all tenants of a process. Without a scrubber the local matcher's word is the last."""

    def __init__(self, scrubber: Scrubber | None = None) -> None:
        self._local, self._scrubber = Local(), scrubber

    async def scrubbed(self, texts: Phi[tuple[str, ...]], record: Phi[Resource] | None) -> Phi[Scrubbed]:
        """For each text what may leave of it. Raises Problem DLP_DOWN."""
        known = self._local.record(None if record is None else record.reveal())
        originals = texts.reveal()
        masked = [self._local.scrub(text, known) for text in originals]
        answers = masked if self._scrubber is None else await self._scrubber.scrub(masked)
        return Phi(dict(zip(originals, answers, strict=True)))
