"""Places: the state, the country, and three digits of a postal code where enough people live (164.514(b)(2)(i)(B))."""

import pytest

from tests.shared.deid.doors import POLICIES, leaves


def _address(policy: str = "safe-harbor", **parts: object) -> object:
    safe = leaves({"resourceType": "Patient", "address": [parts]}, policy).get("address")
    return safe[0] if isinstance(safe, list) else None


@pytest.mark.parametrize("policy", POLICIES)
def test_of_an_address_the_state_the_country_and_three_digits_are_left(policy: str) -> None:
    assert _address(
        policy,
        use="home",
        line=["12 Main Street"],
        city="Boston",
        district="Suffolk",
        state="MA",
        postalCode="02139-4307",
        country="USA",
        text="12 Main Street, Boston",
        extension=[{"url": "http://hl7.org/fhir/StructureDefinition/geolocation"}],
    ) == {"use": "home", "state": "MA", "postalCode": "021", "country": "USA"}


@pytest.mark.parametrize(
    "prefix", ["036", "059", "063", "102", "203", "205", "369", "556", "692", "753", "772", "821", "893", "090", "004"]
)
def test_a_prefix_with_few_people_is_000(prefix: str) -> None:
    assert _address(postalCode=f"{prefix}12") == {"postalCode": "000"}


@pytest.mark.parametrize("code", ["2139", "021394", "O2139", "02139 Boston", "٠٢١٣٩", "", 2139])
def test_what_is_no_zip_code_stays_behind(code: object) -> None:
    assert _address(postalCode=code) is None


def test_a_postal_code_abroad_stays_behind_with_its_state() -> None:
    assert _address(postalCode="80331", state="WA", country="DE") == {"country": "DE"}
    assert _address(postalCode="80331", country="Bavaria") is None


@pytest.mark.parametrize(
    "state, safe",
    [("massachusetts", "Massachusetts"), (" ny ", "NY"), ("Suffolk County", None), ("XX", None), (7, None)],
)
def test_a_state_leaves_only_from_the_list(state: object, safe: object) -> None:
    assert _address(state=state) == (None if safe is None else {"state": safe})


def test_where_others_live_and_work_stays_behind() -> None:
    here = [{"state": "MA", "city": "Boston", "postalCode": "02139"}]
    for of in ("Practitioner", "Organization"):
        assert leaves({"resourceType": of, "address": here}) == {}
    location = {
        "resourceType": "Location",
        "address": here[0],
        "position": {"longitude": 1.5, "latitude": 2.5},
        "name": "Ward",
    }
    assert leaves(location) == {}
