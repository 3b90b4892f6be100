"""`./dev deid`: one line out for each line in, in order, whatever the lines are."""

import io
import json
from pathlib import Path

import pytest

from shared import ndjson
from shared.deid import command


def _run(
    *lines: bytes, policy: str = "safe-harbor", text: str = "withhold", key: Path | None = None
) -> tuple[int, list[object]]:
    out = io.BytesIO()
    code = command.run(io.BytesIO(b"\n".join(lines)), out, policy, text, key)
    return code, [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text("0f" * 32 + "\n")
    return path


def test_all_good_ends_with_0(key_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, lines = _run(b'{"resourceType":"Patient","gender":"male"}', b'{"resourceType":"Device"}\r', key=key_file)
    assert (code, lines) == (0, [{"resourceType": "Patient", "gender": "male"}, {"resourceType": "Device"}])
    assert capsys.readouterr().err == ""


def test_a_refused_line_says_its_number_and_code_and_nothing_that_it_held(key_file: Path) -> None:
    bad = {
        b'{"resourceType":"Smith"}': ("no-policy", "resourceType"),
        b'{"id":"Smith"}': ("no-policy", "resourceType"),
        b'{"resourceType":"Patient","id":"Smith","id":"b"}': ("resource-not-json", ""),
        b'{"resourceType":"Patient","x":NaN}': ("resource-not-json", ""),
        b'["Smith"]': ("resource-not-json", ""),
        b'"Smith': ("resource-not-json", ""),
        b"": ("resource-not-json", ""),
        b"\xff": ("resource-not-json", ""),
        b"[" * 100_000: ("resource-not-json", ""),
    }
    code, lines = _run(*bad, b'{"resourceType":"Patient"}', key=key_file)
    expected: list[object] = [
        {"line": number, "error": {"code": slug, "path": path}} for number, (slug, path) in enumerate(bad.values(), 1)
    ]
    assert (code, lines) == (1, [*expected, {"resourceType": "Patient"}])


def test_a_line_beyond_the_limit_is_passed_over(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ndjson, "LIMIT", 100)
    code, lines = _run(
        b'{"resourceType":"Patient","x":"' + b"x" * 1000 + b'"}', b'{"resourceType":"Patient"}', key=key_file
    )
    assert code == 1
    assert lines == [{"line": 1, "error": {"code": "resource-too-large", "path": ""}}, {"resourceType": "Patient"}]


def test_without_a_key_file_the_demo_key_is_said_aloud(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (_run(b'{"resourceType":"Patient","id":"a"}') for _ in range(2))
    assert first == second
    assert first[0] == 0
    assert "demo key" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["", "secret", "0f" * 31, "zz" * 32])
def test_a_bad_key_file_is_wrong_usage_and_is_not_quoted(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "key"
    path.write_text(content)
    assert _run(b"{}", key=path) == (2, [])
    assert _run(b"{}", key=tmp_path / "none") == (2, [])
    error = capsys.readouterr().err
    assert "32 bytes" in error
    assert not content or content not in error


def test_an_unknown_policy_or_text_mode_is_wrong_usage() -> None:
    assert _run(b"{}", policy="none") == (2, [])
    assert _run(b"{}", text="none") == (2, [])
