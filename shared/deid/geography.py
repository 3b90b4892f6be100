"""Postal codes: the first three digits, where the area they name has more than 20,000 people (164.514(b)(2)(i)(B)).

A prefix leaves only if schemas/deid/places.toml does not list it; everything else is `000`, as the rule says. A code
that is not of a US address names a subdivision smaller than a state for which there is no such exception: it stays
behind, and with it a state that only looks like one of the US (WA is also Western Australia).
"""

import re
from collections.abc import Mapping

from shared.deid.walk import Given, Leave

_ZIP = re.compile(r"([0-9]{3})[0-9]{2}(?:-?[0-9]{4})?")
_UNNAMED = "000"
_US = frozenset({"us", "usa", "united states", "united states of america"})


def zip3(withheld: frozenset[str]) -> Leave:
    """The rule for a US postal code. `withheld`: the prefixes with few people, or none."""

    def leave(value: object, given: Given) -> object:
        if type(value) is not str or not (found := _ZIP.fullmatch(value.strip())):
            return None
        return _UNNAMED if found[1] in withheld else found[1]

    return leave


def american(address: Leave) -> Leave:
    """An Address: without its postal code and state when it says that it is in another country."""

    def leave(value: object, given: Given) -> object:
        if type(value) is dict and (country := value.get("country")) is not None:
            abroad = type(country) is not str or country.strip().lower() not in _US
            if abroad:
                value = {name: item for name, item in value.items() if name not in ("postalCode", "state")}
        return address(value, given)

    return leave


def listed(names: Mapping[str, str]) -> Leave:
    """A string of a closed list (states, countries): it leaves as the list's own code for it."""

    def leave(value: object, given: Given) -> object:
        return names.get(value.strip().lower()) if type(value) is str else None

    return leave
