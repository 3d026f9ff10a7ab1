"""The command line: exit codes, one-line errors, and what is printed where."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

import freezelab
from reports.commands import interface

PROGRAM = [sys.executable, "-m", "freezelab"]


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    return lines[0]


def test_a_healthy_command_ends_with_0_and_leaves_a_report(tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = subprocess.run(
        [*PROGRAM, "run", "--out", str(out), "--", sys.executable, "-c", "print('ticking')"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == interface.EXIT_OK
    assert done.stdout == "ticking\n"
    assert "verdict   healthy" in done.stderr
    assert (out / "diagnosis.md").read_text(encoding="utf-8").startswith("# Diagnosis: healthy")
    assert json.loads((out / "diagnosis.json").read_text(encoding="utf-8"))["verdict"] == "healthy"


def test_json_is_the_only_thing_on_standard_output(tmp_path: Path) -> None:
    script = write(tmp_path / "train.py", "print('noise')\nraise KeyError('obs')\n")
    done = subprocess.run(
        [*PROGRAM, "run", "--json", "--out", str(tmp_path / "run"), "--", sys.executable, str(script)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == interface.EXIT_DIAGNOSED
    diagnosis = json.loads(done.stdout)
    assert diagnosis["verdict"] == "exception"
    assert diagnosis["culprit"]["file"] == str(script)
    assert "noise" in done.stderr


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_and_being_told_to_end_end_the_whole_family_with_130(told: signal.Signals, tmp_path: Path) -> None:
    script = write(
        tmp_path / "train.py",
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n",
    )
    process = subprocess.Popen(
        [*PROGRAM, "run", "--out", str(tmp_path / "run"), "--", sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    grandchild = int(process.stdout.readline())
    process.send_signal(told)
    _, err = process.communicate(timeout=60)
    assert process.returncode == interface.EXIT_INTERRUPTED
    assert "interrupted" in err
    assert not alive(grandchild)
    # Whoever gives up wants to know what it was.
    assert "verdict   " in err
    assert json.loads((tmp_path / "run" / "diagnosis.json").read_text(encoding="utf-8"))["evidence"]
    assert (tmp_path / "run" / "diagnosis.md").exists()


def alive(pid: int) -> bool:
    for _ in range(50):
        try:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
        except OSError:
            return False
        if state == "Z":
            return False
        time.sleep(0.1)
    return True


def test_help_shows_an_example_for_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("run", "matrix", "report", "doctor"):
        with pytest.raises(SystemExit) as ended:
            freezelab.main([command, "--help"])
        assert ended.value.code == 0
        assert f"freezelab {command}" in capsys.readouterr().out.partition("examples:")[2]


def test_no_command_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert freezelab.main(["run"]) == interface.EXIT_USAGE
    assert "freezelab run -- python train.py" in one_line(capsys)


def test_a_program_that_does_not_exist_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = freezelab.main(["run", "--out", str(tmp_path / "run"), "--", str(tmp_path / "no-such-program")])
    assert code == interface.EXIT_USAGE
    assert "no-such-program" in one_line(capsys)


@pytest.mark.parametrize("value", ["soon", "-3", "0", "nan", "inf"])
def test_a_limit_that_is_no_time_is_refused(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        freezelab.main(["run", f"--limit={value}", "--", "true"])
    assert ended.value.code == interface.EXIT_USAGE
    message = capsys.readouterr().err
    assert "--limit" in message
    assert repr(value) in message


def test_an_out_folder_that_cannot_be_made_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    occupied = write(tmp_path / "file", "")
    assert freezelab.main(["run", "--out", str(occupied / "run"), "--", "true"]) == interface.EXIT_USAGE
    message = one_line(capsys)
    assert str(occupied / "run") in message
    assert "--out" in message


def test_without_py_spy_nothing_can_be_observed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    marker = tmp_path / "started"
    code = freezelab.main(["run", "--out", str(tmp_path / "run"), "--", "/usr/bin/touch", str(marker)])
    assert code == interface.EXIT_BLIND
    message = one_line(capsys)
    assert "py-spy" in message
    assert "install" in message
    assert not marker.exists()


def test_without_permission_to_trace_the_way_out_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = write(
        tmp_path / "py-spy",
        "#!/bin/sh\necho 'Permission Denied: Try running again with elevated permissions' >&2\nexit 1\n",
    )
    fake.chmod(0o755)
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    code = freezelab.main(["run", "--out", str(tmp_path / "run"), "--", "true"])
    assert code == interface.EXIT_BLIND
    message = one_line(capsys)
    assert "ptrace" in message
    assert "sudo" in message


def test_a_folder_that_holds_no_report_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert freezelab.main(["report", str(tmp_path)]) == interface.EXIT_USAGE
    assert str(tmp_path) in one_line(capsys)


def test_a_report_is_rendered_again_from_what_is_stored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    assert freezelab.main(["run", "--out", str(out), "--", sys.executable, "-c", "pass"]) == interface.EXIT_OK
    capsys.readouterr()
    (out / "diagnosis.md").unlink()
    assert freezelab.main(["report", str(out)]) == interface.EXIT_OK
    assert capsys.readouterr().out.strip() == str(out / "diagnosis.md")
    assert (out / "diagnosis.md").exists()
    assert freezelab.main(["report", str(out), "--format", "json"]) == interface.EXIT_OK
    assert json.loads(capsys.readouterr().out)["schema"] == "freezelab.diagnosis/1"


# The sweep's own bad input is tested in tests/matrix; here, that each becomes one line and exit code 2.


@pytest.mark.parametrize(
    ("factor", "named"),
    [
        ("env = ['dumy']", "dumy"),
        ("colour = ['red']", "colour"),
        ("n_steps = [-1]", "-1"),
        ("learning_rate = ['fast']", "fast"),
        ("n_steps = [", "matrix.toml"),
    ],
)
def test_a_sweep_that_cannot_be_read_is_one_line(
    factor: str, named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = f"name = 'x'\n[factors]\nversions = ['a']\n{factor}\n[versions.a]\nrequirements = ['numpy']\n"
    path = write(tmp_path / "matrix.toml", sweep)
    assert freezelab.main(["matrix", str(path), "--out", str(tmp_path / "out")]) == interface.EXIT_USAGE
    message = one_line(capsys)
    assert str(path) in message
    assert named in message
    assert not (tmp_path / "out").exists()


def test_a_sweep_without_uv_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing() -> str:
        raise FileNotFoundError

    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("uv.find_uv_bin", missing)
    assert freezelab.main(["matrix", "--out", str(tmp_path / "out")]) == interface.EXIT_USAGE
    message = one_line(capsys)
    assert "uv" in message
    assert "install" in message


def test_whoever_has_read_enough_hears_no_complaint() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run([*PROGRAM, "cases", "list"], stdout=writing, stderr=subprocess.PIPE, text=True)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (interface.EXIT_OK, "")
