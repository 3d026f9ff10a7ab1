"""Several processes build at once, and one of them is killed in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from matrix.environments.cache import CellEnvironment, Lock, UvEnvironments
from matrix.environments.eviction import contents
from matrix.environments.uv import find_uv
from tests.matrix.environments.conftest import OURS, run_in

ROOT = Path(__file__).resolve().parents[3]
BUILDER = """
import sys
from pathlib import Path
from matrix.environments.cache import CellEnvironment, Lock, UvEnvironments
from matrix.environments.uv import Uv

uv, cache, python, *pins = sys.argv[1:]
environments = UvEnvironments(Uv(uv), Path(cache))
for pin in pins:
    environment = environments.build(Lock(python, pin + "\\n"), lambda: False)
    assert isinstance(environment, CellEnvironment), environment
    print(environment.python, flush=True)
"""


def start(environ: dict[str, str], uv: str, cache: Path, *pins: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", BUILDER, uv, str(cache), OURS, *pins]
    return subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True)


def test_processes_that_build_the_same_and_others_at_once_build_each_once_though_one_is_killed(
    only_wheels: dict[str, str], uv_environments: UvEnvironments, tmp_path: Path
) -> None:
    cache, calls, reached = tmp_path / "envs", tmp_path / "calls", tmp_path / "reached"
    calls.touch()
    # A real uv that notes each environment it makes; the victim's stops as its packages are to be installed.
    recording, stuck = tmp_path / "uv", tmp_path / "stuck"
    recording.write_text(f'#!/bin/sh\n[ "$1" != venv ] || echo "$5" >> "{calls}"\nexec "{find_uv()}" "$@"\n')
    stuck.write_text(
        f'#!/bin/sh\n"{find_uv()}" "$@" || exit\n[ "$1" != venv ] || exit 0\n'
        f'echo $$ > "{reached}.new"; mv "{reached}.new" "{reached}"; exec sleep 60\n'
    )
    for script in (recording, stuck):
        script.chmod(0o755)
    victim = start(only_wheels, str(stuck), cache, "tiny==1.0")
    builders: list[subprocess.Popen[str]] = []
    try:
        deadline = time.monotonic() + 60
        while not reached.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        orders = [("tiny==1.0", "tiny==2.0", "heavy==1.0"), ("heavy==1.0", "tiny==2.0"), ("tiny==1.0", "heavy==1.0")]
        builders = [start(only_wheels, str(recording), cache, *pins) for pins in orders]
        time.sleep(0.5)  # those who want the same wait for the victim
        victim.kill()
        said = [builder.communicate(timeout=60)[0].split() for builder in builders]
    finally:
        for process in (victim, *builders):
            process.kill()
            process.communicate()
        if reached.exists():  # the victim's uv outlives it
            os.kill(int(reached.read_text()), signal.SIGKILL)
    assert [builder.returncode for builder in builders] == [0, 0, 0]
    assert len(calls.read_text().splitlines()) == 3
    assert {path for paths in said for path in paths} == {
        str(cache / built.id / "bin/python") for built in contents(cache)
    }
    assert list(cache.glob(".*")) == []
    for pin, version in (("tiny==1.0", "1.0"), ("tiny==2.0", "2.0")):
        environment = uv_environments.build(Lock(OURS, f"{pin}\n"), lambda: False)
        assert isinstance(environment, CellEnvironment)
        assert environment.notes == ()
        assert run_in(environment, "import tiny; print(tiny.VERSION)") == version
