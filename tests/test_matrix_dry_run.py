from __future__ import annotations

import json
from pathlib import Path

import pytest

import freezelab
from reports.commands import interface

SWEEP = """
[factors]
env = ["dummy", "v3"]
start_method = ["default", "spawn"]
[training]
vec_env = "subproc"
[versions.base]
requirements = ["torch==2.13.0"]
"""


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "mine.toml"
    path.write_text(SWEEP)
    return path


def test_a_dry_run_says_what_it_would_take_and_makes_nothing(
    sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert freezelab.main(["matrix", str(sweep), "--dry-run"]) == interface.EXIT_OK
    said = capsys.readouterr().out
    assert said.startswith("mine: nothing was started\n")
    assert "cells         4 (full design)" in said
    assert "base: Python" in said
    assert list(tmp_path.iterdir()) == [sweep]


def test_a_dry_run_can_be_had_as_one_document(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert freezelab.main(["matrix", str(sweep), "--dry-run", "--json"]) == interface.EXIT_OK
    assert json.loads(capsys.readouterr().out)["cells"] == 4


def test_json_without_a_dry_run_is_refused(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert freezelab.main(["matrix", str(sweep), "--json"]) == interface.EXIT_USAGE
    assert "--json goes with --dry-run" in capsys.readouterr().err


def test_a_wrong_file_is_told_by_a_dry_run(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep.write_text(SWEEP.replace('"v3"', '"mine:"'))
    assert freezelab.main(["matrix", str(sweep), "--dry-run"]) == interface.EXIT_USAGE
    said = capsys.readouterr().err
    assert f"{sweep}: factors.env: 'mine:' is refused" in said
    assert "module:Class" in said
