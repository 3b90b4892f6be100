"""When traffic goes on, waits or goes back; and which vulnerabilities stop a release."""

import pytest

from handlers.release.plan import Document, candidate, old_revision, serving, shares
from handlers.release.verdict import PATIENCE, Count, Verdict, counted, grave, judge


@pytest.mark.parametrize(
    "new, old, waited, verdict",
    [
        (Count(200, 0), Count(2000, 0), 15, Verdict.GO),
        (Count(20, 0), Count(2000, 0), 15, Verdict.WAIT),
        (Count(20, 0), Count(2000, 0), PATIENCE, Verdict.GO),
        (Count(0, 0), Count(0, 0), PATIENCE, Verdict.GO),
        (Count(20, 3), Count(2000, 0), 15, Verdict.BACK),
        (Count(20, 2), Count(2000, 0), 15, Verdict.WAIT),
        (Count(200, 100), Count(2000, 1000), 15, Verdict.GO),
        (Count(200, 100), Count(2000, 300), 15, Verdict.BACK),
    ],
    ids=[
        "enough, and all well",
        "too few to say",
        "a quiet zone is taken in the end",
        "a silent zone too",
        "bad from the start: nobody waits for more",
        "two failures may be chance",
        "a dependency is down for both: going back mends nothing",
        "worse than the outage explains",
    ],
)
def test_the_new_revision_is_measured_against_the_old_one(
    new: Count, old: Count, waited: float, verdict: Verdict
) -> None:
    assert judge(new, old, waited) is verdict


def test_only_answers_of_500_and_more_count_as_failed() -> None:
    assert counted([204, 401, 409, 429, 500, 503, 504]) == Count(7, 3)


def test_grave_vulnerabilities_that_can_be_mended_stop_a_release_and_others_do_not() -> None:
    found = [
        {"vulnerability": {"effectiveSeverity": severity, "fixAvailable": fix, "shortDescription": name}}
        for severity, fix, name in (
            ("CRITICAL", True, "A"),
            ("HIGH", True, "B"),
            ("HIGH", False, "C"),
            ("LOW", True, "D"),
        )
    ]
    assert grave(found) == ["A CRITICAL", "B HIGH"]


def test_a_release_that_stopped_half_way_can_be_run_again() -> None:
    document: Document = {"spec": {"template": {"metadata": {}}}}
    half = {"s-new": 10, "s-old": 90}
    made = candidate(document, "s-new", half)
    assert sum(one["percent"] for one in made["spec"]["traffic"]) == 100
    assert made["spec"]["traffic"][0] == {"revisionName": "s-old", "percent": 100}
    assert "traffic" not in document["spec"], "the file's own document is left alone"
    assert old_revision("s-new", half) == "s-old"
    assert shares("s-new", half, 50) == {"s-new": 50, "s-old": 50}
    assert shares("s-new", half, 100) == {"s-new": 100}
    assert shares("s-new", {}, 10) == {"s-new": 100}


def test_who_serves_is_read_from_percents_and_not_from_tags() -> None:
    traffic = [{"revisionName": "a", "percent": 100}, {"revisionName": "b", "tag": "candidate"}]
    assert serving({"status": {"traffic": traffic}}) == {"a": 100}
    assert serving({}) == {}
