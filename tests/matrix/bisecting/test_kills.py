"""A search that is killed leaves no process, and goes on with what it had."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from matrix.running.leftovers import living

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import subprocess, sys, time
if sys.argv[1] == "1":
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
    time.sleep(120)
"""


def _start(tmp_path: Path, *levels: str) -> subprocess.Popen[bytes]:
    words = ["bisect", "factors", "--good", "slow=0 x=a", "--bad", "slow=1 x=b", "--out", str(tmp_path / "out")]
    command = [sys.executable, str(ROOT / "freezelab.py"), *words, "--no-stacks", "--"]
    return subprocess.Popen(
        [*command, sys.executable, str(tmp_path / "train.py"), "{slow}", "{x}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _await(tmp_path: Path, processes: int) -> bool:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if len(living(tmp_path / "out" / "runs")) == processes:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize(("by", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_no_process_is_left_however_the_search_ends(tmp_path: Path, by: signal.Signals, code: int) -> None:
    (tmp_path / "train.py").write_text(PROGRAM, encoding="utf-8")
    search = _start(tmp_path)
    try:
        assert _await(tmp_path, 2), "the run and its child never started"
        search.send_signal(by)
        assert search.wait(timeout=30) == code
        assert _await(tmp_path, 0), "left running"
    finally:
        search.kill()
        for pid in living(tmp_path / "out" / "runs"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    assert not (tmp_path / "out" / "runs.jsonl").exists()
    about = json.loads((tmp_path / "out" / "search.json").read_text(encoding="utf-8"))
    assert about["kind"] == "factors"
