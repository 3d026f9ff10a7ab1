from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from matrix.errors import MatrixError
from matrix.executors.interface import Allotment
from matrix.executors.machine import Machine, runtime_folder

ROOT = Path(__file__).resolve().parents[3]


def never() -> bool:
    return False


def at_once() -> bool:
    return True


def cores_of(allotment: Allotment | None) -> frozenset[int]:
    assert allotment is not None
    return allotment.cores


def test_trials_never_share_a_core_and_the_last_waits(tmp_path: Path) -> None:
    # As two workers would, each with its own idea of the same machine.
    first, second = (Machine(tmp_path, cores=range(4)) for _ in range(2))
    with first.allot(2, None, never) as one, second.allot(2, None, never) as two:
        assert cores_of(one) | cores_of(two) == {0, 1, 2, 3}
        with second.allot(1, None, at_once) as three:
            assert three is None
        got: list[frozenset[int]] = []
        waiting = threading.Thread(target=lambda: got.append(cores_of(first.allot(1, None, never).__enter__())))
        waiting.start()
    waiting.join(10)
    assert len(got[0]) == 1


def test_a_trial_gets_what_there_is_if_it_wants_more(tmp_path: Path) -> None:
    with Machine(tmp_path, cores=[3, 5]).allot(8, None, never) as allotment:
        assert cores_of(allotment) == {3, 5}


def test_a_trial_that_does_not_fit_keeps_nothing_while_it_waits(tmp_path: Path) -> None:
    machine = Machine(tmp_path, cores=range(3))
    with machine.allot(2, None, never), machine.allot(2, None, at_once) as too_much:
        assert too_much is None
        with machine.allot(1, None, at_once) as small:
            assert len(cores_of(small)) == 1


def test_alone_means_that_nothing_runs_beside_it(tmp_path: Path) -> None:
    alone, other = Machine(tmp_path, cores=range(3), timing="alone"), Machine(tmp_path, cores=range(3))
    with alone.allot(1, None, never) as one, other.allot(1, None, at_once) as two:
        assert len(cores_of(one)) == 1
        assert two is None


def test_shared_cores_are_shared(tmp_path: Path) -> None:
    machine = Machine(tmp_path, cores=range(2), timing="shared")
    with machine.allot(1, None, never) as one, machine.allot(2, None, at_once) as two:
        assert cores_of(one) == cores_of(two) == {0, 1}


def test_a_gpu_is_had_by_one_trial(tmp_path: Path) -> None:
    machine = Machine(tmp_path, cores=range(8), gpus=("GPU-a", "GPU-b"))
    with machine.allot(1, "cuda", never) as one, machine.allot(1, "cuda:1", never) as two:
        assert one == Allotment(frozenset({0}), "GPU-a")
        assert two == Allotment(frozenset({1}), None)  # it names its GPU itself
        for device in ("cuda", "cuda:0", "cuda:1"):
            with machine.allot(1, device, at_once) as three:
                assert three is None
        with machine.allot(1, None, at_once) as without:
            assert without is not None


def test_a_worker_that_is_killed_gives_its_cores_back(tmp_path: Path) -> None:
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom matrix.executors.machine import Machine\n"
        "with Machine(Path(sys.argv[1]), cores=[0]).allot(1, None, lambda: False):\n"
        "    print('has it', flush=True)\n    time.sleep(60)\n"
    )
    machine = Machine(tmp_path, cores=[0])
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT) as worker:
        try:
            assert worker.stdout is not None
            assert worker.stdout.readline() == b"has it\n"
            with machine.allot(1, None, at_once) as taken:
                assert taken is None
        finally:
            worker.kill()
    with machine.allot(1, None, never) as free:
        assert cores_of(free) == {0}


def test_somebody_elses_meeting_place_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert runtime_folder() == runtime_folder()
    assert runtime_folder().stat().st_mode & 0o777 == 0o700
    real = tmp_path / "real"
    runtime_folder().rename(real)
    (tmp_path / f"freezelab-{os.getuid()}").symlink_to(real)
    with pytest.raises(MatrixError, match="belongs to somebody else"):
        runtime_folder()
