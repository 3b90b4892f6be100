"""Who may open `Phi`, and who may make a proof type: short lists, and a change of them is a change of this file."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Each of these looks at PHI itself; everything else only passes it on.
MAY_REVEAL = {
    "handlers/validation.py": "holds the resource against FHIR R4",
    "handlers/webhook.py": "checks the signature and takes the reference out of the body",
    "shared/deid/door.py": "turns the resource into a row",
    "shared/deid/text/texts.py": "scrubs the free texts that the door asks for",
    "shared/fhir/records.py": "names the Patient to read",
    "shared/fhir/subject.py": "says whose a resource is, for its AuditEvent",
    "shared/deid/command.py": "finds the record of a line's patient; one machine, no event",
}
MAKES_SAFE_ROWS = {"shared/deid/door.py", "shared/deid/row.py"}
MAKES_CALLERS = {"shared/identity/push.py"}
MAKES_PEOPLE = {"shared/identity/people.py", "handlers/console/people.py"}  # by a token; by a session that one opened


def _sources() -> Iterator[tuple[str, ast.AST]]:
    for folder in ("handlers", "shared"):
        for path in (ROOT / folder).rglob("*.py"):
            name = str(path.relative_to(ROOT))
            if not name.startswith("shared/local/"):  # stand-ins are not in the image
                yield name, ast.parse(path.read_text())


def _callers(name: str) -> set[str]:
    def calls(tree: ast.AST) -> bool:
        return any(
            isinstance(node, ast.Call)
            and (
                (isinstance(node.func, ast.Name) and node.func.id == name)
                or (isinstance(node.func, ast.Attribute) and node.func.attr == name)
            )
            for node in ast.walk(tree)
        )

    return {file for file, tree in _sources() if calls(tree)}


def test_phi_is_revealed_only_where_this_list_says() -> None:
    assert _callers("reveal") == set(MAY_REVEAL)


def test_nobody_reaches_around_the_mask() -> None:
    names = {"_Phi__value"}
    for file, tree in _sources():
        assert not names & {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}, file


def test_only_the_door_makes_safe_rows() -> None:
    assert _callers("SafeRow") <= MAKES_SAFE_ROWS


def test_only_a_verified_token_makes_a_caller() -> None:
    assert _callers("Caller") <= MAKES_CALLERS
    assert _callers("Known") == MAKES_PEOPLE
