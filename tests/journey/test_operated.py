"""A demo that is left running is a deployment in good order, so that what the doctor says of it is news."""

from pathlib import Path

import pytest

from handlers.demo.operated import deployment_of, provisioned
from handlers.demo.stack import UNTOLD, embedded
from handlers.doctor.examination import examined
from handlers.doctor.findings import bad

pytestmark = pytest.mark.xdist_group("demo")


async def test_the_doctor_finds_nothing_wrong_with_a_demo_that_is_left_running(tmp_path: Path) -> None:
    async with embedded(tmp_path, faults=None, observe=lambda *_: None) as stack:
        before = [one async for one in examined(stack.settings, deployment_of(stack))]
        assert bad(before), "without its rights it is no deployment, and the doctor can see that"
        await provisioned(stack)
        after = [one async for one in examined(stack.settings, deployment_of(stack))]
    assert not bad(after), [one.line() for one in after]
    assert [(one.check.slug, one.type) for one in after] == [("type-untold", UNTOLD)], "a note, and meant"
