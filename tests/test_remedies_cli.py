"""``freezelab remedies`` and ``freezelab run --remedy`` as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import freezelab
from probes.remedies import REMEDIES
from reports.commands import interface


def test_remedies_are_listed_as_text_and_as_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert freezelab.main(["remedies"]) == interface.EXIT_OK
    text = capsys.readouterr().out
    assert freezelab.main(["remedies", "list", "--json"]) == interface.EXIT_OK
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "freezelab.remedies/1"
    assert [item["id"] for item in document["remedies"]] == [remedy.id for remedy in REMEDIES]
    assert all(item["usage"] in text for item in document["remedies"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--remedy", "fused"], "fused-lstm"),
        (["--remedy", "threads=none"], "positive whole number"),
        (["--remedy", "threads=1", "--remedy", "threads=2"], "given twice"),
    ],
)
def test_a_remedy_that_cannot_be_is_one_line_before_anything_is_started(
    words: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert freezelab.main(["run", *words, "--out", str(out), "--", "true"]) == interface.EXIT_USAGE
    message = capsys.readouterr().err
    assert says in message
    assert message.count("\n") == 1
    assert not out.exists()


def test_without_a_known_cause_there_is_nothing_to_verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["run", "--no-stacks", "--verify-remedies", "--out", str(tmp_path / "run"), "--", "true"]
    assert freezelab.main(words) == interface.EXIT_OK
    assert "no remedy is known" in capsys.readouterr().err
    assert not (tmp_path / "run" / "remedies").exists()
