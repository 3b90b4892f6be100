"""DLP through Google's own client, over gRPC: texts share requests, limits hold, an outage costs the text and not the row."""

import asyncio
import logging
from collections.abc import AsyncIterator
from itertools import islice, product
from string import ascii_lowercase

import pytest

from shared.deid.text import dlp as module
from shared.deid.text.dlp import MOST_BYTES, MOST_CELLS, MOST_FINDINGS, Dlp
from shared.errors import Code, Problem
from shared.local.dlp import LocalDlp


@pytest.fixture
async def fake() -> AsyncIterator[LocalDlp]:
    server = LocalDlp()
    yield server
    await server.stop()


@pytest.fixture
async def dlp(fake: LocalDlp) -> AsyncIterator[Dlp]:
    client = Dlp("clinic", "us-central1", endpoint=await fake.start(), deadline=1.0)
    yield client
    await client.close()


def _cells(fake: LocalDlp) -> list[list[str]]:
    return [[row.values[0].string_value for row in request.item.table.rows] for request in fake.requests]


async def test_what_the_local_matcher_missed_is_masked_and_the_rest_stays(dlp: Dlp) -> None:
    texts = ["today Ada Okello came", "call 218 555 0182, [NAME] agrees", "BP 120/80 in 2019"]
    assert await dlp.scrub(texts) == ["today [NAME] came", "call [PHONE], [NAME] agrees", "BP 120/80 in 2019"]


async def test_the_texts_of_200_events_share_one_request_under_load(fake: LocalDlp, dlp: Dlp) -> None:
    await dlp.scrub(["warm"])
    first = asyncio.create_task(dlp.scrub(["under way"]))
    await asyncio.sleep(0)
    events = [dlp.scrub([f"note {event} a", f"note {event} b", "no complaints"]) for event in range(200)]
    answers = await asyncio.gather(*events)
    await first
    assert answers[7] == ["note 7 a", "note 7 b", "no complaints"]
    assert len(fake.requests) <= 3  # warm, under way, and the 200


async def test_an_equal_text_travels_once(fake: LocalDlp, dlp: Dlp) -> None:
    await asyncio.gather(*(dlp.scrub(["no complaints", "no complaints"]) for _ in range(20)))
    assert sum(map(len, _cells(fake))) == len(fake.requests)


async def test_nothing_but_masked_text_goes(fake: LocalDlp, dlp: Dlp) -> None:
    await dlp.scrub(["[NAME] is well"])
    [request] = fake.requests
    assert _cells(fake) == [["[NAME] is well"]]
    assert [header.name for header in request.item.table.headers] == ["text"]
    assert not request.inspect_config.custom_info_types
    assert request.parent == "projects/clinic/locations/us-central1"


async def test_a_region_is_not_asked_for_what_only_global_has(fake: LocalDlp) -> None:
    endpoint = await fake.start()
    for location in ("us-central1", "global"):
        client = Dlp("clinic", location, endpoint=endpoint)
        await client.scrub(["a"])
        await client.close()
    here, there = ({kind.name for kind in request.inspect_config.info_types} for request in fake.requests)
    assert there - here == {"LOCATION", "ORGANIZATION_NAME"}


@pytest.mark.parametrize(
    "texts",
    [
        ["x" * 1_200_000],
        ["word " * 250_000],
        ["naïve café é " * 60_000],
        [f"{n} lines of a note that is long enough to fill it\n" * 40 for n in range(400)],
        ["".join(letters) for letters in islice(product(ascii_lowercase, repeat=4), MOST_CELLS + 10)],
        ["Ada Okello slept. " * (MOST_FINDINGS + 50)],
        [f"Ada Okello {n}" for n in range(MOST_FINDINGS + 500)],
    ],
    ids=["one word", "one text", "two bytes a letter", "many texts", "many cells", "many findings", "findings of many"],
)
async def test_no_request_is_over_a_limit_and_each_text_comes_back_whole(fake: LocalDlp, texts: list[str]) -> None:
    client = Dlp("clinic", "us-central1", endpoint=await fake.start(), deadline=20.0)
    answers = await client.scrub(texts)
    await client.close()
    assert [answer.replace("[NAME]", "Ada Okello") for answer in answers] == texts
    for request in fake.requests:
        assert type(request).pb(request).ByteSize() <= MOST_BYTES
        assert len(type(request).pb(request).item.table.rows) <= MOST_CELLS


async def test_a_piece_ends_where_a_line_or_a_word_does(fake: LocalDlp, dlp: Dlp) -> None:
    text = "a line of a note\n" * 40_000
    assert await dlp.scrub([text]) == [text]
    pieces = [cell for cells in _cells(fake) for cell in cells]
    assert len(pieces) > 1
    assert all(piece.endswith("\n") for piece in pieces)


async def test_the_quota_of_requests_is_never_passed(fake: LocalDlp) -> None:
    client = Dlp("clinic", "us-central1", endpoint=await fake.start(), requests_per_minute=3)
    for number in range(3):
        await client.scrub([f"{number}"])
    with pytest.raises(Problem) as failure:
        await client.scrub(["one more"])
    assert (failure.value.code, failure.value.at) == (Code.DLP_DOWN, "quota")
    assert len(fake.requests) == 3
    await client.close()


@pytest.mark.parametrize("how", ["down", "slow", "quota", "short", "garbled"])
async def test_an_outage_ends_in_a_code_and_tells_nothing_of_the_text(
    fake: LocalDlp, dlp: Dlp, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    fake.fail(how)  # type: ignore[arg-type]
    with pytest.raises(Problem) as failure:
        await dlp.scrub(["Canary Okello has no complaints"])
    assert failure.value.code is Code.DLP_DOWN
    assert "Canary" not in f"{failure.value!r} {failure.value.__cause__!r} {caplog.text}"


async def test_while_it_is_known_to_be_down_it_is_not_asked_and_then_it_is_again(
    fake: LocalDlp, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    client = Dlp("clinic", "us-central1", endpoint=await fake.start(), clock=lambda: now[0])
    fake.fail("down")
    for _ in range(5):
        with pytest.raises(Problem):
            await client.scrub(["a"])
    assert len(fake.requests) == 1
    now[0] += module._OPEN + 1
    assert await client.scrub(["a"]) == ["a"]
    await client.close()


async def test_nobody_listening_is_an_outage_too() -> None:
    client = Dlp("clinic", "us-central1", endpoint="127.0.0.1:9", deadline=0.5)
    with pytest.raises(Problem) as failure:
        await client.scrub(["a"])
    assert failure.value.code is Code.DLP_DOWN
    await client.close()
