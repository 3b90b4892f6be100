"""Pseudonyms: every name beyond the door is an HMAC-SHA256 under the dataset's secret key, and nothing else.

Against: joining rows back to Medplum, joining two datasets to each other (each has its own key), and guessing (ids
may be record numbers of eight digits: an unkeyed hash of those is reversed in seconds). 45 CFR 164.514(c): a
re-identification code may not be derived from information about the person; a keyed digest of a server's id, with the
key on the clinical side only, is the usual reading.

Each use has its own prefix, so that no pseudonym of one use equals one of another. FHIR types and ids hold neither
`|` nor `/`, so the prefixed text has one meaning only. Names are cut to 128 bits (32 hex digits): by the birthday
bound two of 10^12 names collide with probability 10^-15, and a row is half as long.
"""

import hmac
import re
from functools import lru_cache
from typing import NoReturn, final
from uuid import UUID

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_BYTES = 16
_CACHED = 65_536  # names kept: a patient's resources arrive together
_LEAST_KEY = 32  # bytes
_YEAR = 365
_SEQUENCE_BITS = 52  # 142,000 years in ms: the date drowns in it, and the section stays short


@final
class Pseudonyms:
    """The names of one dataset. `key_id` names the key on each row; the key itself has no text form."""

    __slots__ = ("__key", "days", "id", "key_id")

    def __init__(self, key: bytes, key_id: str) -> None:
        if len(key) < _LEAST_KEY:
            raise ValueError("a pseudonym key has 32 bytes or more")
        self.__key = bytes(key)
        self.key_id = key_id
        self.id = lru_cache(_CACHED)(self._id)
        self.days = lru_cache(_CACHED)(self._days)

    def _id(self, resource_type: str, resource_id: str) -> str:
        """The name of a resource: its row key, its `id`, and what references to it say."""
        return self._name(f"id|{resource_type}/{resource_id}")

    def resource(self, resource_type: str, resource_id: object) -> str | None:
        """The name of a resource as it states its own id; None when that is not FHIR's form of one."""
        if type(resource_id) is not str or not _ID.fullmatch(resource_id):
            return None
        return self.id(resource_type, resource_id)

    def version(self, resource_type: str, resource_id: str, version_id: str) -> str:
        """The name of one version of a resource."""
        return self._name(f"version|{resource_type}/{resource_id}/{version_id}")

    def urn(self, urn: str) -> str:
        """The name of what a `urn:uuid:` or `urn:oid:` names, whose type is not known. UUID form."""
        return str(UUID(bytes=self._digest(f"urn|{urn.lower()}")[:_BYTES]))

    def token(self, text: str) -> str:
        """The name of a string that is no id, such as the link of a question."""
        return self._name(f"token|{text}")

    def event(self, ce_id: str) -> str:
        """The id of the event that carries the row, so that ce-ids do not join the two sides (design §1)."""
        return self._digest(f"event|{ce_id}").hex()

    def correlation(self, correlation_id: str) -> str:
        """The correlation id beyond the door. UUID form, as on the clinical side."""
        return str(UUID(bytes=self._digest(f"correlation|{correlation_id}")[:_BYTES], version=4))

    def offset_ms(self, row_key: str) -> int:
        """What is added to the times in the sequences of one row key: uniform in [0, 2^52) ms, secret, constant."""
        return int.from_bytes(self._digest(f"sequence|{row_key}")[:8]) >> (64 - _SEQUENCE_BITS)

    def _days(self, patient: str) -> int:
        """How far the dates of one patient (named by pseudonym) are moved: -365..365, never 0."""
        step = int.from_bytes(self._digest(f"days|{patient}")[:8]) % (2 * _YEAR)
        return step - _YEAR if step < _YEAR else step - _YEAR + 1

    def _name(self, text: str) -> str:
        return self._digest(text)[:_BYTES].hex()

    def _digest(self, text: str) -> bytes:
        return hmac.digest(self.__key, text.encode("utf-8", "surrogatepass"), "sha256")

    def __repr__(self) -> str:
        return f"Pseudonyms(key_id={self.key_id!r})"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a pseudonym key can not be pickled or copied")
