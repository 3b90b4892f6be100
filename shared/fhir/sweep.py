"""What is there, asked of Medplum page by page: for the changes that no webhook told us of.

    live      Patient?_lastUpdated=ge{where we stand}&_sort=_lastUpdated,_id ─► what comes after ─► where we stand now
    versions  Patient/{id}/_history ─► all versions, oldest first

The walk keeps its place itself, in the order of lastUpdated and then id, and asks for everything from that instant on.
Medplum's own cursor was not taken: it fails (500) on a page that is all of one instant, as an import leaves them; and
it names in the URL every id of the border's instant that was shown, which outgrows a URL after some four hundred, and
puts ids into the logs of every proxy on the way. Here a URL has an instant and a number, and no link is followed.

A resource that changes meanwhile moves to the end and is met there, again or for the first time. Within one instant the
walk skips what it has met by `_offset`; if some of that moved away, the page would begin too late. So a page counts
only if it begins at or before our place: everything behind it is then on it. If not, the walk steps back.

Left out: a write that becomes visible after the walk has passed its lastUpdated (a slow transaction, a replica that
lags). Whoever sweeps regularly begins each time some minutes before the last beginning.
"""

from collections.abc import Mapping

from msgspec import Struct

from shared.errors import Code, Problem
from shared.fhir.account import HISTORY, SEARCH, Account, Answer
from shared.fhir.listing import Listing, Place, listing_in, order
from shared.fhir.port import Page, Version

_EXTENDED = {"X-Medplum": "extended"}  # with meta.project
_MOST, _MOST_HISTORY, _MOST_OFFSET = 1000, 100, 10_000
_OVERLAP = 20  # of one instant, that may move away between two pages without a step back
_MOST_STEPS = 40


class Sweep(Struct, frozen=True):
    """The Sweeper's questions about one project. No answer may be longer than `limit` bytes."""

    account: Account
    project: str
    limit: int

    async def live(self, type: str, since: str | None, cursor: str | None) -> Page:
        """See port.Sweeper. Raises ValueError for a cursor that is none."""
        place = Place.of(cursor) if cursor is not None else None
        start = place.at if place else since
        offset = max(0, place.rank - _OVERLAP) if place else 0
        for _ in range(_MOST_STEPS):
            listing = await self._listing(type, start, offset)
            if place is None:
                return _page(listing, listing.versions, start, offset)
            if offset and (not listing.versions or place.before(listing.versions[0])):
                offset //= 2
                continue
            later = tuple(version for version in listing.versions if place.before(version))
            if later or not listing.more:
                return _page(listing, later, start, offset)
            offset += max(1, len(listing.versions) // 2)  # all met before; half of it stays in sight
        raise Problem(Code.MEDPLUM_DOWN, "page")

    async def count(self, type: str) -> int:
        """See port.Sweeper."""
        answer = await self._get(type, SEARCH, {"_total": "accurate"}, 0)
        total = self._read(answer, type).total
        if total is None:
            raise Problem(Code.MEDPLUM_DOWN, "page")
        return total

    async def versions(self, type: str, id: str) -> tuple[Version, ...]:
        """See port.Sweeper."""
        if not id.strip("."):
            return ()  # fits FHIR's pattern of an id, and would lead elsewhere
        found: dict[str, Version] = {}  # newest first; one that is written meanwhile moves the others to the next page
        read, total = 0, 1
        while read < total:
            answer = await self._get(f"{type}/{id}/_history", HISTORY, {"_offset": str(read)}, _MOST_HISTORY)
            if answer.status in (404, 410):
                return ()
            listing = self._read(answer, type)
            if listing.total is None or (not listing.entries and read < listing.total):
                raise Problem(Code.MEDPLUM_DOWN, "page")
            if any(version.id != id for version in listing.versions):
                raise Problem(Code.RESOURCE_MISMATCH, "id")
            for version in listing.versions:
                found.setdefault(version.version, version)
            read, total = read + listing.entries, listing.total
        return tuple(reversed(found.values()))

    async def _listing(self, type: str, start: str | None, offset: int) -> Listing:
        if offset > _MOST_OFFSET:
            raise Problem(Code.MEDPLUM_DOWN, "instant")  # more resources share it than Medplum lets anybody pass
        params = {"_sort": "_lastUpdated,_id", "_elements": "id,meta"}
        params |= {"_lastUpdated": f"ge{start}"} if start is not None else {}
        params |= {"_offset": str(offset)} if offset else {}
        listing = self._read(await self._get(type, SEARCH, params, _MOST), type)
        versions = listing.versions
        if len(versions) < listing.entries or list(versions) != sorted(versions, key=order):
            raise Problem(Code.MEDPLUM_DOWN, "page")
        return listing

    async def _get(self, path: str, points: int, params: Mapping[str, str], count: int) -> Answer:
        """Ask for `count` entries, or for fewer if they are too long: an attachment may be a mandatory element."""
        while True:
            try:
                return await self.account.request(
                    "GET",
                    path,
                    points=points,
                    limit=self.limit,
                    params={**params, "_count": str(count)},
                    headers=_EXTENDED,
                )
            except Problem as problem:
                if problem.code is not Code.RESOURCE_TOO_LARGE or count <= 1:
                    raise
            count //= 10

    def _read(self, answer: Answer, type: str) -> Listing:
        if answer.status != 200:
            raise Problem(Code.MEDPLUM_DOWN, "status")
        return listing_in(answer.body, self.project, type)


def _page(listing: Listing, later: tuple[Version, ...], start: str | None, offset: int) -> Page:
    """What was not met before, with the place behind it. Its rank counts all of its instant, those skipped too."""
    if not listing.more:
        return Page(later, None)
    if not later:
        raise Problem(Code.MEDPLUM_DOWN, "page")
    last = later[-1]
    rank = sum(version.last_updated == last.last_updated for version in listing.versions)
    rank += offset if last.last_updated == start else 0
    return Page(later, Place(rank, last.last_updated, last.id).cursor)
