"""``freezelab extend`` as it is typed: real trainings that are killed, crash and freeze."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import freezelab
from matrix.running.leftovers import living
from reports.commands.interface import EXIT_DIAGNOSED, EXIT_INTERRUPTED, EXIT_OK, EXIT_USAGE
from tests.repro.extend.conftest import PLACE, Trainee

pytest.importorskip("sb3_contrib")

_PROJECT = Path(freezelab.__file__).parent
_PPO: dict[str, Any] = {"policy_kwargs": {"net_arch": [8]}, "n_steps": 32, "batch_size": 16, "n_epochs": 2}
Make = Callable[..., Trainee]


def _words(base: Trainee, env: str, to: int, *more: str) -> list[str]:
    return [
        *("extend", str(base.base), "--to", str(to), "--env", f"{PLACE}:{env}", "--piece", "32", "--threads", "1"),
        *("--out", str(base.folder / "out"), "--python", sys.executable, "--confirm-after", "1", *more),
    ]


@pytest.fixture(autouse=True)
def in_the_trainings_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", str(_PROJECT))
    monkeypatch.setenv("EXTEND_TEST_FILE", str(tmp_path / "been-there"))


def _start(words: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, str(_PROJECT / "freezelab.py"), *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _wait_for(what: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 90
    while not what():
        assert process.poll() is None, "it ended too early"
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _rows(out: Path, kind: str) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (out / "ledger.jsonl").read_text().splitlines()]
    return [row for row in rows if row["kind"] == kind]


def test_killed_and_interrupted_it_goes_on_to_what_one_run_would_have_trained(trainee: Make) -> None:
    base = trainee("PPO", "Noise", "MlpPolicy", **_PPO)
    out, to = base.folder / "out", base.begin + 96
    words = _words(base, "Slower", to)

    steps = base.folder / "been-there"

    interrupted = _start(words)
    try:
        _wait_for(steps.exists, interrupted)
        interrupted.send_signal(signal.SIGINT)
        assert interrupted.wait(30) == EXIT_INTERRUPTED
        assert not living(out / "pieces")

        killed = _start(words)
        _wait_for((out / "pieces" / "000002-1" / "meta.json").exists, killed)
        steps.unlink()
        _wait_for(steps.exists, killed)
        os.killpg(killed.pid, signal.SIGKILL)
        killed.wait(30)
        assert [row["number"] for row in _rows(out, "piece")] == [1]
        assert freezelab.main(words) == EXIT_OK
    finally:
        for pid in living(out / "pieces"):
            os.kill(pid, signal.SIGKILL)
    assert not living(out / "pieces")
    assert [row["number"] for row in _rows(out, "piece")] == [1, 2, 3]
    assert base.piece(to, 1000, "whole") == 0
    assert _rows(out, "piece")[-1]["after"] == base.told("whole")["after"]
    assert freezelab.main(["audit", str(out / f"base-to-{to}.zip"), "--against", str(base.base)]) == EXIT_OK


def test_a_crash_is_diagnosed_and_its_piece_trained_again(trainee: Make, capsys: pytest.CaptureFixture[str]) -> None:
    base = trainee("PPO", "Noise", "MlpPolicy", **_PPO)
    assert freezelab.main([*_words(base, "CrashesOnce", base.begin + 64, "--piece", "64"), "--json"]) == EXIT_OK
    output = capsys.readouterr()
    document = json.loads(output.out)
    assert document["schema"] == "freezelab.extend/1"
    (failure,) = (row for row in document["ledger"] if row["kind"] == "failure")
    assert (failure["verdict"], failure["number"], failure["given_up"]) == ("crash", 1, False)
    assert "attempt 1 failed" in output.err
    assert Path(document["model"]).exists()


def test_a_freeze_that_stays_is_given_up_with_its_diagnosis(trainee: Make, capsys: pytest.CaptureFixture[str]) -> None:
    base = trainee("PPO", "Noise", "MlpPolicy", **_PPO)
    words = _words(base, "Freezes", base.begin + 96, "--give-up-after", "2")
    assert freezelab.main(words) == EXIT_DIAGNOSED
    output = capsys.readouterr()
    assert "given up  piece 1 failed 2 times in the same way" in output.out
    assert "verdict   deadlock" in output.out
    rows = _rows(base.folder / "out", "failure")
    assert [(row["number"], row["verdict"]) for row in rows] == [(1, "deadlock")] * 2
    assert rows[0]["signature"] == rows[1]["signature"]
    assert not living(base.folder / "out" / "pieces")
    assert not (base.folder / "out" / f"base-to-{base.begin + 96}.zip").exists()


def _told(words: Sequence[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line with which bad input is answered."""
    assert freezelab.main(list(words)) == EXIT_USAGE
    error = capsys.readouterr().err
    assert error.startswith("freezelab: ")
    assert error.count("\n") == 1
    return error


def test_bad_input_is_one_line_and_nothing_is_written(trainee: Make, capsys: pytest.CaptureFixture[str]) -> None:
    base = trainee("PPO", "Noise", "MlpPolicy", **_PPO)
    folder, text = base.folder, base.folder / "text.zip"
    text.write_text("no zip")
    here = set(folder.rglob("*"))

    def answer(*more: str, path: Path = base.base, to: int = 1000) -> str:
        words = ["extend", str(path), "--to", str(to), "--env", "dummy", "--out", str(folder / "out"), *more]
        return _told([*words, "--python", sys.executable], capsys)

    assert "nope.zip" in answer(path=folder / "nope.zip")
    assert "text.zip" in answer(path=text)
    assert str(folder) in answer(path=folder)
    assert "is at 96 steps already; give a count above that" in answer(to=96)
    assert "was saved by PPO; leave the option away" in answer("--algorithm", "SAC")
    assert "--env: 'domy' is refused" in answer("--env", "domy")
    assert "--n-envs: 'many' is refused" in answer("--n-envs", "many")
    assert "--device: 'gpu' is refused" in answer("--device", "gpu")
    assert "did you mean 'fused-lstm'" in answer("--remedy", "fused-lst")
    assert "--vec-normalize" in answer("--vec-normalize", str(folder / "nope.pkl"))
    assert "--bars" in answer("--bars", str(folder / "nope.csv"), "--env", "v3")
    words = ["extend", str(base.base), "--to", "1000", "--env", "dummy", "--out", str(folder / "out")]
    assert "--python" in _told([*words, "--python", str(folder)], capsys)
    # Only the training can say this one.
    spaces = answer()
    assert "does not fit --env dummy" in spaces
    assert "give the environment that it was trained in" in spaces
    assert set(folder.rglob("*")) == here


def test_a_base_that_would_do_harm_is_not_loaded(
    trainee: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import base64
    import pickle
    import zipfile

    class Harm:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "harm"),)

    base = trainee("PPO", "Noise", "MlpPolicy", **_PPO)
    hostile = tmp_path / "hostile.zip"
    with zipfile.ZipFile(base.base) as one, zipfile.ZipFile(hostile, "w") as other:
        for name in one.namelist():
            content = one.read(name)
            if name == "data":
                data = json.loads(content)
                pickled = base64.b64encode(pickle.dumps(Harm())).decode()
                data["clip_range"] = {":type:": "x", ":serialized:": pickled}
                content = json.dumps(data).encode()
            other.writestr(name, content)
    assert "is not loaded, for it would do harm" in _told(
        ["extend", str(hostile), "--to", "1000", "--env", "dummy"], capsys
    )
    assert not (tmp_path / "harm").exists()


def test_an_environment_in_the_current_folder_is_found(
    trainee: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = trainee("PPO", "Noise", "MlpPolicy", **_PPO)
    (tmp_path / "mine.py").write_text(f"from {PLACE} import Noise as Mine\n")
    monkeypatch.chdir(tmp_path)
    words = _words(base, "Noise", base.begin + 32)
    words[words.index(f"{PLACE}:Noise")] = "mine:Mine"
    assert freezelab.main(words) == EXIT_OK
    assert _rows(base.folder / "out", "piece")
