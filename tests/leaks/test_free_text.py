"""The clinic's notes, remarks and directions leave scrubbed, and no identifier of anybody in them leaves along."""

import json
from base64 import b64decode
from uuid import UUID

import pytest

from shared.deid.command import Records
from shared.local.clinic import Clinic
from shared.local.clinic.identifiers import Secrecy
from shared.local.scan import Scanner
from tests.shared.deid.doors import door


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("policy", ["safe-harbor", "expert"])
def test_no_identifier_of_the_clinic_leaves_in_its_free_text(policy: str, seed: int) -> None:
    clinic, records, texts = Clinic(seed), Records(door(policy)), 0
    rows: list[str] = []
    for operation in clinic.operations(300):
        if operation.action == "delete":
            continue
        meta = {"versionId": str(UUID(int=operation.number)), "lastUpdated": "2026-11-23T10:41:55.279Z"}
        stored = {**operation.resource(), "id": str(UUID(int=operation.handle)), "meta": meta}
        clinic.stored(operation, stored)
        safe = json.dumps(door(policy).deidentify(stored, records.scrub(stored)), ensure_ascii=False)
        texts += safe.count("[NAME]") + safe.count("[DATE]")
        rows.append(safe)
    scanner = Scanner(clinic.identifiers())
    moved = frozenset({Secrecy.DATE}) if policy == "expert" else frozenset[Secrecy]()  # a moved date may be another's
    assert scanner.scan("rows", "\n".join(rows), moved) == ()
    assert texts > 50, "otherwise a scrubber that takes everything would pass"


def test_a_note_in_an_attachment_leaves_as_scrubbed_text_and_anything_else_stays() -> None:
    def document(data: str) -> object:
        resource = {
            "resourceType": "DocumentReference",
            "content": [{"attachment": {"contentType": "text/plain", "data": data}}],
        }
        safe = door().deidentify(resource, lambda text: text.replace("Ada", "[NAME]"))
        content = safe["content"]
        assert isinstance(content, list)
        return content[0]["attachment"].get("data")

    plain = document("QWRhIGlzIHdlbGw=")
    assert isinstance(plain, str)
    assert b64decode(plain) == b"[NAME] is well"
    marked_up = [
        "PENsaW5pY2FsRG9jdW1lbnQ+QWRhPC8=",
        "JVBERi0xLjcgQWRh",
        "e1xydGYxIEFkYX0=",
        "iVBORw0KGgo=",
        "QWRh\x00",
        "not base64!",
    ]
    assert [document(data) for data in marked_up] == [None] * len(marked_up)


def test_words_of_a_concept_leave_only_where_no_code_does() -> None:
    known = {"system": "http://loinc.org", "code": "8480-6"}
    foreign = {"system": "urn:oid:1.2.3", "code": "x"}

    def leaves(*codings: object) -> object:
        return door().deidentify(
            {"resourceType": "Condition", "code": {"coding": list(codings), "text": "words"}}, lambda text: f"{text}!"
        )["code"]

    assert leaves(known) == {"coding": [known]}
    assert leaves(foreign) == {"text": "words!"}
