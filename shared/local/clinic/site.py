"""The clinic as its records see it: its name, its staff, the chance by which things happen, and the next handle."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone

from shared.local.clinic.datatypes import Json, Link
from shared.local.clinic.identifiers import Identifiers
from shared.local.clinic.names import Names
from shared.local.clinic.people import People, Person

_FIRST_DAY, _LAST_DAY = date(2015, 1, 5), date(2024, 12, 20)  # before any day on which this runs
_EASTERN = timezone(timedelta(hours=-5))


@dataclass(frozen=True, slots=True)
class Draft:
    """A resource before Medplum has it. `patient` is the person whom it is about, if any."""

    handle: int
    body: Json
    patient: Person | None = None

    @property
    def type(self) -> str:
        return str(self.body["resourceType"])

    @property
    def link(self) -> Link:
        return Link(self.handle, self.type)


@dataclass(slots=True)
class Site:
    """What the makers of resources share."""

    random: random.Random
    identifiers: Identifiers
    people: People
    organization: str
    staff: list[tuple[Person, Link]] = field(default_factory=list)
    organization_link: Link = field(default_factory=lambda: Link(0, "Organization"))
    drafts: int = 0

    def draft(self, type: str, content: Json, patient: Person | None = None) -> Draft:
        """A resource with the next handle. Empty values are left out, as Medplum would."""
        handle = self.drafts
        self.drafts += 1
        return Draft(
            handle, {"resourceType": type, **{k: v for k, v in content.items() if v not in (None, "", [], {})}}, patient
        )

    def practitioner(self) -> tuple[Person, Link]:
        """Someone of the staff."""
        return self.random.choice(self.staff)

    def colleague(self) -> Person:
        """Someone of the staff, by name only."""
        return self.random.choice(self.staff)[0]

    def first_visit(self) -> datetime:
        """A moment during opening hours."""
        days = self.random.randrange((_LAST_DAY - _FIRST_DAY).days - 1000)
        return self.at(_FIRST_DAY + timedelta(days))

    def at(self, day: date, kind: str = "Encounter.period") -> datetime:
        """A moment of that day, which becomes an identifier."""
        self.identifiers.day(day, kind)
        opening = datetime(day.year, day.month, day.day, 8, tzinfo=_EASTERN)
        return opening + timedelta(seconds=self.random.randrange(9 * 3600))

    def later(self, than: datetime, days: tuple[int, int], kind: str = "Encounter.period") -> datetime:
        """A moment some days later, not after the last day. The same day may be the day, never an earlier hour."""
        return max(than, self.at(min(than.date() + timedelta(self.random.randint(*days)), _LAST_DAY), kind))

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability


def opened(source: random.Random, identifiers: Identifiers) -> Site:
    """A clinic with a name and nobody in it."""
    names = Names(source)
    organization = f"{names.place()} Health Center"
    identifiers.name(organization, "Organization.name")
    return Site(source, identifiers, People(source, names, identifiers), organization)


def some[T](source: random.Random, things: Sequence[T], least: int, most: int) -> list[T]:
    """Some of the things, none twice."""
    return source.sample(list(things), min(len(things), source.randint(least, most)))
