"""Releases and lock files that are on the index: what really changed a program's behaviour is found."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from freezelab import main
from matrix.environments.uv import Uv

DATA = Path(__file__).parent / "data"
_OWN_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
UV_CACHE = os.environ.get("UV_CACHE_DIR") or str(_OWN_CACHE / "uv")
"""As it is outside of the tests: what was downloaded once stays."""
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture(autouse=True)
def downloads(own_cache: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Skips where no index can be asked."""
    monkeypatch.setenv("UV_CACHE_DIR", UV_CACHE)
    if Uv()(["pip", "compile", "-", "--no-deps", "--no-header", "--quiet"], "six==1.16.0\n").returncode:
        pytest.skip("no package index can be reached")


def _bisect(tmp_path: Path, capsys: pytest.CaptureFixture[str], program: str, *words: str) -> dict[str, Any]:
    script = tmp_path / "check.py"
    script.write_text(program, encoding="utf-8")
    options = ["--outcome", "exit-code", "--out", str(tmp_path / "out"), "--python", PYTHON, "--json"]
    assert main(["bisect", *words, *options, "--", str(script)]) == 0
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def test_the_release_of_gymnasium_that_took_a_wrapper_away(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = "from gymnasium.wrappers import AutoResetWrapper\n"
    words = ("versions", "--package", "gymnasium", "--good", "0.29.0", "--bad", "1.1.0")
    told = _bisect(tmp_path, capsys, program, *words)
    assert told["conclusion"]["culprit"] == ["1.0.0"]
    facts = told["facts"]
    assert (facts["good"]["version"], facts["bad"]["version"]) == ("0.29.1", "1.0.0")
    assert facts["bad"]["changes"] == "https://github.com/Farama-Foundation/Gymnasium/releases/tag/v1.0.0"
    # A mirror need not tell when a release came out.
    assert facts["bad"]["released"] in ("2024-10-08", None)
    pair = told["certificate"]["pairs"][0]
    assert (pair["bad_freezes"] > 0, pair["bad_passes"], pair["good_freezes"], pair["good_passes"] > 0) == (
        True, 0, 0, True,
    )  # fmt: skip
    assert told["again"][-2:] == ["--", str(tmp_path / "check.py")]


def test_two_packages_of_thirty_that_nobody_asked_for_are_found_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Each alone leaves one way to go.
    program = "try:\n    from jinja2 import Markup\nexcept ImportError:\n    from markupsafe import soft_unicode\n"
    told = _bisect(tmp_path, capsys, program, "lock", str(DATA / "good.txt"), str(DATA / "bad.txt"))
    assert told["conclusion"]["culprit"] == ["jinja2 3.0.3 -> 3.1.2", "markupsafe 2.0.1 -> 2.1.3"]
    shown = {tuple(pair["bad"]): pair for pair in told["certificate"]["pairs"]}
    assert all(pair["bad_freezes"] and pair["good_passes"] for pair in shown.values())
    # No part of it is enough, and it is needed: the sets with one change less were run, too.
    passing = [pair["good"] for pair in told["certificate"]["pairs"]]
    assert ["jinja2 3.0.3 -> 3.1.2"] in passing
    assert ["markupsafe 2.0.1 -> 2.1.3"] in passing
    freezes = (tmp_path / "out" / "pair-freezes.txt").read_text(encoding="utf-8")
    assert "jinja2==3.1.2\n" in freezes
    assert "click==8.0.3\n" in freezes
