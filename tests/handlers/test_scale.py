"""What docs/scale.md promises: the paper and the simulation say the same, and the numbers are the code's own."""

import re
from pathlib import Path

import pytest
import yaml

from handlers.scale.bill import bill, total
from handlers.scale.facts import DLP_PATIENCE, Fact, facts, hops, value
from handlers.scale.limits import Shape, binding, limits
from handlers.scale.simulate import WARMING, simulate
from handlers.scale.steps import STEPS, TARGET, Step
from handlers.scale.tables import UNDER, binds, outcomes, warm_up
from shared.ledger.memory import MemoryLedger
from tests.bench.ledger import Trips, delivered

ROOT = Path(__file__).resolve().parents[2]
WITHIN = 0.03
NAMES = [step.do for step in STEPS]


@pytest.mark.xdist_group("scale")  # the outcomes of a step are kept for all of its tests
@pytest.mark.parametrize("step", STEPS, ids=NAMES)
class TestEachStep:
    def test_the_simulation_reaches_what_the_paper_says(self, step: Step) -> None:
        over, _ = outcomes(step)
        assert over.through == pytest.approx(binding(step.shape).rate, rel=WITHIN)

    def test_the_same_limit_binds_in_both(self, step: Step) -> None:
        assert binds(step) == binding(step.shape).name

    def test_under_the_limit_nothing_grows_and_rows_are_fresh(self, step: Step) -> None:
        _, under = outcomes(step)
        assert under.binds == ""
        assert under.fresh < 5
        assert under.waiting["texts"] + under.waiting["audit"] < UNDER * binding(step.shape).rate


def test_each_step_moves_the_limit_and_the_last_reaches_ten_thousand() -> None:
    rates = [binding(step.shape).rate for step in STEPS]
    assert rates == sorted(set(rates))
    assert rates[-1] >= TARGET


def test_more_than_nine_auditors_starve_the_reader() -> None:
    """The project's points are ten times a client's: what the auditors take of the tenth, reading has not."""
    rate = 1.5 * binding(Shape(auditors=9)).rate
    nine, twenty = (simulate(Shape(auditors=count), rate) for count in (9, 20))
    assert nine.fresh < 1
    assert twenty.fresh > 10


def test_when_dlp_has_no_more_requests_rows_go_on_and_text_waits() -> None:
    dlp = next(limit for limit in limits(Shape(dlp=60)) if limit.name == "DLP requests")
    shape = Shape(dlp=60, quota=100, auditors=9, requests=100)
    assert binding(shape).name == dlp.name
    late = simulate(shape, 1.2 * dlp.rate)
    assert late.binds == dlp.name
    assert late.fresh < DLP_PATIENCE + 2
    assert late.waiting["texts"] > 0.1 * late.waiting["rows"]


def test_a_cold_ledger_holds_rows_up_until_it_is_warm_and_then_they_catch_up() -> None:
    step = STEPS[2]
    rate, warm = UNDER * binding(step.shape).rate, 60 * warm_up(step.shape, UNDER * binding(step.shape).rate)
    assert warm > 0
    waiting = [
        simulate(step.shape, rate, seconds=seconds, cold=True).waiting["rows"] for seconds in (warm / 2, warm, 2 * warm)
    ]
    assert waiting[0] < waiting[1] > waiting[2]
    assert simulate(step.shape, rate, seconds=warm, cold=True).binds == WARMING


def test_the_same_seed_gives_the_same_day() -> None:
    assert simulate(Shape(), 1.5) == simulate(Shape(), 1.5)


@pytest.mark.parametrize("fact", facts().values(), ids=lambda fact: fact.name)
def test_every_number_has_a_source_with_a_date_or_is_marked_as_assumed(fact: Fact) -> None:
    assert fact.source
    assert fact.unit
    ours = "service.yaml" in fact.source or "./dev bench ledger" in fact.source  # held by tests below
    assert fact.assumed or ours or re.search(r"20\d\d", fact.source)


def test_the_shipped_shape_is_that_of_service_yaml() -> None:
    for service in yaml.safe_load_all((ROOT / "service.yaml").read_text()):
        template = service["spec"]["template"]
        if service["metadata"]["labels"]["zone"] != "ops":
            most = template["metadata"]["annotations"]["autoscaling.knative.dev/maxScale"]
            assert int(most) == value("shipped.instances")
            [container] = template["spec"]["containers"]
            assert container["resources"]["limits"] == {"cpu": "1", "memory": f"{value('shipped.memory'):.0f}Gi"}
    assert 3 * value("shipped.instances") <= value("quota.run_cpus")


async def test_a_message_is_as_many_ledger_writes_as_the_bill_says(monkeypatch: pytest.MonkeyPatch) -> None:
    for method in ("claim", "finish"):
        monkeypatch.setattr(MemoryLedger, method, getattr(MemoryLedger, method))  # so that counting ends with the test
    trips = Trips((MemoryLedger, "claim"), (MemoryLedger, "finish"))
    await delivered(MemoryLedger(), 1)
    assert trips.count == value("event.ledger_writes")


def test_the_way_of_a_change_is_the_catalogs() -> None:
    assert [on.handler for on in hops()] == ["validation", "deid", "analytics", "graph"]


def test_the_bill_is_its_lines_and_the_ledger_is_most_of_it() -> None:
    dearest = max(bill(), key=lambda line: line.cost)
    assert sum(line.amount * line.price for line in bill()) == pytest.approx(total())
    assert dearest.service == "Firestore"
