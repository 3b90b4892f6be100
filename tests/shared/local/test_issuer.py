"""The issuer's tokens are those of production, as far as a receiver can tell; Google's own library verifies them."""

import httpx
import jwt
import pytest

from shared.local.issuer import LIFETIME, Issuer

EMAIL, AUDIENCE = "push-deid@starvit.iam.gserviceaccount.com", "https://starvit.example/v1/push/deid"


class Clock:
    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def claims(issuer: Issuer, token: str, audience: str = AUDIENCE) -> dict[str, object]:
    key = jwt.PyJWKSet.from_dict(issuer.jwks())[jwt.get_unverified_header(token)["kid"]]
    decoded: dict[str, object] = jwt.decode(
        token, key, algorithms=["RS256"], audience=audience, options={"verify_exp": False, "verify_iat": False}
    )
    return decoded


def test_a_token_has_the_claims_of_production_and_no_others(clock: Clock) -> None:
    issuer = Issuer(now=clock)
    token = issuer.token(EMAIL, AUDIENCE)
    found = claims(issuer, token)
    subject = found["sub"]
    assert found == {
        "aud": AUDIENCE,
        "azp": subject,
        "email": EMAIL,
        "email_verified": True,
        "exp": int(clock.now) + LIFETIME,
        "iat": int(clock.now),
        "iss": "https://accounts.google.com",
        "sub": subject,
    }
    assert isinstance(subject, str)
    assert len(subject) == 21
    assert set(jwt.get_unverified_header(token)) == {"alg", "kid", "typ"}


def test_a_token_serves_for_minutes_and_then_there_is_a_new_one(clock: Clock) -> None:
    issuer = Issuer(now=clock)
    first = issuer.token(EMAIL, AUDIENCE)
    clock.now += 200
    assert issuer.token(EMAIL, AUDIENCE) == first
    clock.now += 200
    assert issuer.token(EMAIL, AUDIENCE) != first


def test_each_account_and_each_audience_has_a_token_of_its_own(clock: Clock) -> None:
    issuer = Issuer(now=clock)
    other = issuer.token(EMAIL, "https://other.example")
    assert claims(issuer, other, "https://other.example")["aud"] == "https://other.example"
    assert claims(issuer, issuer.token("else@b", AUDIENCE))["email"] == "else@b"


def test_another_issuer_has_another_key() -> None:
    token = Issuer().token(EMAIL, AUDIENCE)
    stranger = jwt.PyJWKSet.from_dict(Issuer().jwks()).keys[0]
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, stranger, algorithms=["RS256"], audience=AUDIENCE)


async def test_the_keys_are_served_with_the_time_for_which_they_may_be_kept() -> None:
    issuer = Issuer()
    url = await issuer.serve()
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(url)
        elsewhere = await http.get(url.replace("/certs", "/"))
    await issuer.stop()
    assert answer.json() == issuer.jwks()
    assert "max-age=3600" in answer.headers["cache-control"]
    assert "d" not in answer.json()["keys"][0], "the private key stays here"
    assert elsewhere.status_code == 404
