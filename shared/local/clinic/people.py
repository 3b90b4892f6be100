"""People of the clinic: patients, relatives, practitioners. All that is known of one is put among the identifiers.

Names come in the forms in which they come: particles, hyphens, apostrophes, diacritics, a maiden name, a pet name, one
in Cyrillic. Phones are of the range kept for fiction (555-0100 to 0199), SSN-like numbers of the range that is never
issued (9xx), towns and streets do not exist. A ZIP code begins with 0, and a record number has ten digits and does not
begin with 1, so that none looks like a count, a port or a time.
"""

import random
from copy import replace
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from shared.local.clinic.identifiers import Identifiers
from shared.local.clinic.names import Names, cyrillic, folded

_PARTICLES = ("van der ", "de la ", "von ", "O'", "al-", "ibn ")
_STATES = (("MA", 10, 27), ("RI", 28, 29), ("NH", 30, 38), ("ME", 39, 49), ("VT", 50, 59), ("CT", 60, 69))
_STREETS = ("Street", "Avenue", "Lane", "Road", "Terrace")
_AREAS = tuple(area for area in range(201, 990) if area % 100 != 11 and area // 10 % 10 != 9)
# Older than 89 on every day of care, or not on any day until 2030: whether a year of birth must go is never in doubt.
_OLDEST = (date(1921, 1, 1), date(1924, 12, 31))
_OTHERS = (date(1940, 1, 1), date(2013, 12, 31))
_ADULTS = (date(1950, 1, 1), date(1995, 12, 31))

type Gender = Literal["female", "male"]


@dataclass(frozen=True, slots=True)
class Home:
    line: str
    city: str
    state: str
    zip: str  # of nine digits: 02139-4307


@dataclass(frozen=True, slots=True)
class Person:
    """One person. `family` is the name in full; `own_prefix` what of it is a particle."""

    gender: Gender
    given: tuple[str, ...]
    family: str
    own_prefix: str
    pet_name: str
    maiden_name: str
    other_script: str
    birth: date
    phone: str
    mobile: str
    email: str
    home: Home
    number: str  # the record number, or a practitioner's NPI
    ssn: str

    @property
    def full(self) -> str:
        return f"{self.given[0]} {self.family}"

    @property
    def title(self) -> str:
        return "Ms." if self.gender == "female" else "Mr."

    def age(self, on: date) -> int:
        """In whole years."""
        return on.year - self.birth.year - ((on.month, on.day) < (self.birth.month, self.birth.day))


class People:
    """Makes people, and notes down what could identify them."""

    def __init__(self, source: random.Random, names: Names, identifiers: Identifiers) -> None:
        self._random, self._names, self._identifiers = source, names, identifiers

    def person(self, role: str, *, home: Home | None = None, family: str = "") -> Person:
        """A new person. `role` is the resource type that it will be, for the kinds of its identifiers."""
        pick = self._random
        own_prefix = "" if family else self._rarely(pick.choice(_PARTICLES), 0.2)
        family = family or own_prefix + self._names.family() + self._rarely(f"-{self._names.family()}", 0.15)
        given = tuple(self._names.given() for _ in range(pick.choice((1, 1, 2, 3))))
        gender: Gender = pick.choice(("female", "male"))
        first, last = (_OLDEST if pick.random() < 0.12 else _OTHERS) if role == "Patient" else _ADULTS
        person = Person(
            gender=gender,
            given=given,
            family=family,
            own_prefix=own_prefix.strip(),
            pet_name=self._rarely(self._names.given(), 0.3),
            maiden_name=self._rarely(self._names.family(), 0.3 if gender == "female" else 0.05),
            other_script=self._rarely(cyrillic(f"{given[0]} {family.removeprefix(own_prefix)}"), 0.1),
            birth=first + timedelta(pick.randrange((last - first).days)),
            phone=self._phone(),
            mobile=self._phone(),
            email=f"{folded(given[0])}.{folded(family).replace(' ', '').replace("'", '')}@mail.example".lower(),
            home=home or self.home(),
            number=f"2{pick.randrange(10**9):09}" if role == "Practitioner" else f"{pick.randrange(4 * 10**9, 10**10)}",
            ssn=f"9{pick.randrange(10**8):08}",
        )
        self._note(person, role)
        return person

    def home(self) -> Home:
        """An address in New England that is not there."""
        pick = self._random
        state, low, high = pick.choice(_STATES)
        zip = f"0{pick.randint(low, high)}{pick.randrange(100):02}-{pick.randrange(1000, 10000)}"
        line = f"{pick.randrange(12, 9800)} {self._names.place()} {pick.choice(_STREETS)}"
        return Home(line, self._names.place(), state, zip)

    def moved(self, person: Person, role: str) -> Person:
        """The person in a new home, with a new phone."""
        gone = replace(person, home=self.home(), phone=self._phone())
        self._note(gone, role)
        return gone

    def renamed(self, person: Person, role: str) -> Person:
        """The person under another family name; the old one becomes the maiden name."""
        wed = replace(person, family=self._names.family(), own_prefix="", maiden_name=person.family, other_script="")
        self._note(wed, role)
        return wed

    def _note(self, person: Person, role: str) -> None:
        note = self._identifiers
        note.name(" ".join(person.given), f"{role}.name.given")
        note.name(person.family, f"{role}.name.family")
        note.name(f"{person.maiden_name} {person.pet_name} {person.other_script}", f"{role}.name of another use")
        note.day(person.birth, f"{role}.birthDate")
        if person.birth <= _OLDEST[1]:
            note.birth_year(person.birth.year)
        note.phone(person.phone, f"{role}.telecom")
        note.phone(person.mobile, f"{role}.telecom")
        note.add(person.email, f"{role}.telecom")
        note.number(person.number, f"{role}.identifier")
        note.number(f"{person.ssn[:3]}-{person.ssn[3:5]}-{person.ssn[5:]}", f"{role}.identifier")
        note.add(person.home.line, f"{role}.address.line")
        note.name(person.home.line, f"{role}.address.line")
        note.name(person.home.city, f"{role}.address.city")
        note.number(person.home.zip, f"{role}.address.postalCode")
        note.number(person.home.zip[:5], f"{role}.address.postalCode")

    def _phone(self) -> str:
        return f"{self._random.choice(_AREAS)}5550{self._random.randrange(100, 200)}"

    def _rarely(self, text: str, chance: float) -> str:
        return text if self._random.random() < chance else ""
