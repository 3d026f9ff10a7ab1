"""What a bisection has shrunk is what the maintainers get, and they are told from what to what."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from freezelab import main
from reports import stored
from reports.commands import shrunk

SCRIPT = """
import os
import sys

if int(sys.argv[1]) > 3:
    os.abort()
"""
Report = Callable[..., str]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real bisection that was shrunk, beside runs of the same program."""
    above = tmp_path_factory.mktemp("runs")
    script = above / "train.py"
    script.write_text(SCRIPT, encoding="utf-8")
    words = ["--good", "workers=1 size=9", "--bad", "workers=12 size=9", "--no-stacks", "--shrink"]
    command = ["--", sys.executable, str(script), "{workers}", "{size}"]
    assert main(["bisect", "factors", *words, "--out", str(above / "search"), *command]) == 0
    return above


def issue_of(folder: Path) -> str:
    assert main(["report", str(folder), "--format", "issue", "--include-script"]) == 0
    return (folder / "issue.md").read_text(encoding="utf-8")


def run_again(folder: Path, shown: str) -> int:
    """Runs the reproducer as the report says."""
    line = next(line for line in shown.splitlines() if line.startswith("uv run reproducer.py"))
    words = line.split()[3:]
    return subprocess.run([sys.executable, folder / "reproducer.py", *words], check=False, timeout=60).returncode


def test_the_report_of_a_bisection_shows_the_smallest_that_fails(found: Path) -> None:
    shown = issue_of(found / "search")
    assert "uv run reproducer.py 4 1" in shown
    assert "bisected to workers=12 (with 1 it passes)" in shown
    assert "still fails in the same way: size from 9 to 1, workers from 12 to 4." in shown
    assert run_again(found / "search", shown) == -6


def test_a_run_of_the_same_settings_gets_the_smallest_of_the_bisection_beside_it(found: Path) -> None:
    run = found / "sweep" / "cells" / "mine"
    command = [sys.executable, str(found / "train.py"), "12", "9"]
    assert main(["run", "--out", str(run), "--no-stacks", "--", *command]) == 3
    shown = issue_of(run)
    assert "uv run reproducer.py 4 1" in shown
    assert "workers from 12 to 4" in shown
    assert "with the versions of the shrunk run at its head" in shown


def test_a_run_of_other_settings_is_shown_as_it_was(found: Path) -> None:
    run = found / "other"
    assert main(["run", "--out", str(run), "--no-stacks", "--", sys.executable, str(found / "train.py"), "7", "9"]) == 3
    shown = issue_of(run)
    assert "uv run reproducer.py 7 9" in shown
    assert "shrunk" not in shown


def test_a_bisection_that_was_not_shrunk_shows_the_failing_end(found: Path, tmp_path: Path) -> None:
    search = tmp_path / "search"
    shutil.copytree(found / "search", search)
    shutil.rmtree(search / "shrink")
    shown = issue_of(search)
    assert "bisected to workers=12 (with 1 it passes)" in shown
    assert "uv run reproducer.py 12 9" in shown


def test_a_bisection_without_a_result_or_without_its_runs_is_refused(
    found: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    search = tmp_path / "search"
    search.mkdir()
    document = json.loads((found / "search" / "bisect.json").read_text(encoding="utf-8"))
    (search / "bisect.json").write_text(json.dumps(document), encoding="utf-8")
    assert main(["report", str(search), "--format", "issue"]) == 2
    assert "the folders of all runs that failed as sought are gone" in capsys.readouterr().err
    (search / "bisect.json").write_text(json.dumps({**document, "conclusion": None}), encoding="utf-8")
    assert main(["report", str(search), "--format", "issue"]) == 2
    assert "this bisection found no culprit" in capsys.readouterr().err


def test_a_sweep_shows_the_run_that_was_shrunk(found: Path) -> None:
    sweep = found / "a-sweep"
    words = [sys.executable, str(found / "train.py")]
    for name, workers in (("other", "7"), ("same", "12")):
        folder = sweep / "cells" / name
        assert main(["run", "--out", str(folder), "--no-stacks", "--", *words, workers, "9"]) == 3
    cells = [sweep / "cells" / name for name in ("other", "same")]
    assert [shrunk.of_run(cell, stored.run(cell)) is not None for cell in cells] == [False, True]
