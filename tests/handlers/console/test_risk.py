"""What operators see of risk: the last report that somebody published, with its verdict, or how to have one."""

from datetime import UTC, datetime

import pytest

from handlers.risk.publishing import published
from handlers.risk.report import Report
from shared.deid import quasi
from shared.deid.risk import Class, Gate, measure
from shared.marks import MemoryMarks
from shared.risk_reports import last, publish
from tests.handlers.console.house import VIEWER, Desk, console

AT = datetime(2026, 11, 24, 10, tzinfo=UTC)
SETS = tuple(quasi.load().sets.values())


def report(small: dict[Class, int], gate: Gate = Gate(0.05, 0.2)) -> Report:  # noqa: B008 - it is frozen
    return Report("dataset", 0, gate, SETS, {one.id: measure(small) for one in SETS})


FINE, ALONE = {Class(40, 3, False): 10}, {Class(40, 3, False): 10, Class(1, 1, True): 40}


async def shown(desk: Desk) -> str:
    async with desk.browser(VIEWER) as viewer:
        answer = await viewer.get("/ops/reconcile")
    assert answer.status_code == 200
    return answer.text


async def test_a_dataset_without_a_report_says_how_to_have_one() -> None:
    async with console() as desk:
        assert "./dev risk --dataset clinic --publish" in await shown(desk)


async def test_the_last_report_is_shown_with_its_date_its_figures_and_its_verdict() -> None:
    async with console() as desk:
        tenant = desk.console.settings.tenants[0]
        await publish(desk.marks, published(report(ALONE), tenant, "clinic", AT))
        page = await shown(desk)
        assert "2026-11-24 10:00:00" in page
        assert "outside the gate" in page
        assert f"{SETS[0].id}: unique" in page
        assert "9.09%" in page
        assert "another policy" not in page
        await publish(desk.marks, published(report(FINE), tenant, "clinic", AT))
        page = await shown(desk)
        assert "outside the gate" not in page
        assert "inside the gate" in page


async def test_a_report_of_another_policy_is_told_to_be_old() -> None:
    async with console() as desk:
        made = published(report(FINE), desk.console.settings.tenants[0], "clinic", AT)
        await publish(desk.marks, made.model_copy(update={"epoch": made.epoch + 1}))
        assert "another policy" in await shown(desk)


async def test_what_no_release_can_read_is_no_report() -> None:
    marks = MemoryMarks()
    await marks.set("risk:clinic", '{"dataset": "clinic", "row": {}}')
    assert await last(marks, "clinic") is None


@pytest.mark.parametrize("alone", [1, 10, 11])
async def test_no_figure_of_one_to_ten_people_is_published(alone: int) -> None:
    async with console() as desk:
        tenant = desk.console.settings.tenants[0]
        made = published(report({Class(40, 3, False): 10, Class(1, 1, True): alone}), tenant, "clinic", AT)
        assert {one.smallest for one in made.sets} == {None}
        assert {one.alone is None for one in made.sets} == {alone < 11}
        few = published(report({Class(alone, 1, False): 1}), tenant, "clinic", AT)
        assert {one.patients for one in few.sets} == {None if alone < 11 else alone}
        await publish(desk.marks, made)
        assert ("under 11 people" in await shown(desk)) is (alone < 11)
