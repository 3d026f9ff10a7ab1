"""Dying processes: held just long enough for their stack, then dead of what they would have died of."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from probes import carry
from probes.death import DeathWatch
from probes.diagnosis import Diagnosis
from probes.heap import messages as heap
from probes.progress import Progress
from probes.system import procfs
from probes.verdicts import Verdict
from probes.watch import WatchOptions, watch

if TYPE_CHECKING:
    from tests.probes.conftest import Agent, Start, Write

# How each dies. A damaged heap is freed by compiled code where there is a compiler, by ctypes otherwise.
WAYS = {
    "abort": ("libc.abort()", signal.SIGABRT),
    "segfault": ("ctypes.string_at(8)", signal.SIGSEGV),
    "double free": ("block = libc.malloc(24); libc.free(block); libc.free(block)", signal.SIGABRT),
    "signal from outside": ("os.kill(os.getpid(), signal.SIGBUS); time.sleep(600)", signal.SIGBUS),
    "division": ("os.kill(os.getpid(), signal.SIGFPE); time.sleep(600)", signal.SIGFPE),
}
DYING = """
    import ctypes, os, signal, sys, time
    from _freezelab_agent.recorder import recorder
    recorder.open(os.environ["FREEZELAB_FLIGHT_DIR"])
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.free.argtypes = [ctypes.c_void_p]

    def native_step():
        {way}

    def episode():
        native_step()

    sys.stdin.readline()
    episode()
"""


def dying(start: Start, write: Write, agent: Agent, way: str, supervisor: int) -> subprocess.Popen[bytes]:
    """A process that dies once it is told to."""
    script = write(DYING.format(way=way))
    env = carry.environment({**os.environ}, agent.flight)
    env["FREEZELAB_SUPERVISOR_PID"] = str(supervisor)
    return start([sys.executable, script], env=env, stdin=subprocess.PIPE, stderr=subprocess.PIPE)


def go(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.write(b"\n")
    process.stdin.close()


@pytest.mark.parametrize("way", WAYS)
def test_the_stack_at_the_point_of_death_has_the_python_function_and_the_signal_stays(
    way: str, start: Start, write: Write, agent: Agent, tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    code, number = WAYS[way]
    process = dying(start, write, agent, code, os.getpid())
    progress = Progress(agent.flight)
    watch = DeathWatch(tmp_path / "stacks")

    def recordings() -> Any:
        progress.poll(time.monotonic_ns())
        return list(progress.recordings())

    wait_until(recordings)
    assert watch.check(progress) == []
    go(process)
    deaths = wait_until(lambda: watch.check(progress), 20)
    assert process.wait(20) == -number
    assert process.stderr is not None
    (death,) = deaths
    assert (death.pid, death.signal) == (process.pid, number.name)
    functions = [frame.function for frame in death.thread.frames]
    assert functions.index("native_step") < functions.index("episode")
    kept = json.loads((tmp_path / "stacks" / f"death-{process.pid}.json").read_text())
    assert kept["signal"] == number.name
    if way == "double free":
        assert heap.message(process.stderr.read().decode()) is not None
    assert watch.check(progress) == []
    progress.close()


def test_held_processes_without_a_supervisor_die_of_the_same_signal_all_the_same(
    start: Start, write: Write, agent: Agent
) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    held = []
    for name in ("abort", "segfault", "double free"):
        process = dying(start, write, agent, WAYS[name][0], gone.pid)
        go(process)
        # The next one is written to the same place.
        wait_for_recording(agent, process.pid)
        held.append((process, WAYS[name][1]))
    began = time.monotonic()
    for process, number in held:
        assert process.wait(30) == -number
    assert time.monotonic() - began < 14  # 12 s, and what a busy machine adds


def wait_for_recording(agent: Agent, pid: int) -> None:
    deadline = time.monotonic() + 30
    while not list(agent.flight.glob(f"{pid}-*.bin")) and time.monotonic() < deadline:
        time.sleep(0.01)


def test_without_anyone_to_look_a_process_dies_at_once(agent: Agent, write: Write) -> None:
    began = time.monotonic()
    done = agent.run("-c", "import os, signal; os.kill(os.getpid(), signal.SIGABRT)")
    assert done.returncode == -signal.SIGABRT
    assert time.monotonic() - began < 4


def test_a_process_that_resets_a_signal_itself_is_let_be(
    start: Start, write: Write, agent: Agent, tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    code = "signal.signal(signal.SIGABRT, signal.SIG_DFL); print('reset', file=sys.stderr, flush=True); time.sleep(600)"
    process = dying(start, write, agent, code, os.getpid())
    go(process)
    assert process.stderr is not None
    assert process.stderr.readline() == b"reset\n"
    progress = Progress(agent.flight)
    progress.poll(time.monotonic_ns())
    watch = DeathWatch(tmp_path / "stacks")
    for _ in range(3):
        assert watch.check(progress) == []
    assert process.poll() is None
    reading = procfs.read_process(process.pid)
    assert reading is not None
    assert reading.state == "S"
    progress.close()


def test_a_child_of_a_fork_is_held_and_let_go_like_its_parent(
    start: Start, write: Write, agent: Agent, tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    code = """
        if os.fork() == 0:
            libc.abort()
        status = os.wait()[1]
        os._exit(os.WTERMSIG(status))
    """
    script = write(DYING.replace("        {way}", code))
    env = carry.environment({**os.environ}, agent.flight)
    process = start([sys.executable, script], env=env, stdin=subprocess.PIPE)
    go(process)
    progress = Progress(agent.flight)
    watch = DeathWatch(tmp_path / "stacks")

    def check() -> Any:
        progress.poll(time.monotonic_ns())
        return watch.check(progress)

    (death,) = wait_until(check, 20)
    assert death.pid != process.pid
    assert process.wait(20) == signal.SIGABRT
    progress.close()


def test_a_heap_that_compiled_code_damages_is_seen_too(
    start: Start, write: Write, agent: Agent, tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    source = write("#include <stdlib.h>\nvoid release(void *block) { free(block); free(block); }\n", "release.c")
    library = tmp_path / "release.so"
    code = WAYS["double free"][0]
    if compiler is not None:
        subprocess.run([compiler, "-shared", "-fPIC", "-O0", "-o", library, source], check=True, timeout=60)
        code = (
            f"native = ctypes.CDLL({str(library)!r}); native.release.argtypes = [ctypes.c_void_p]; "
            "native.release(libc.malloc(24))"
        )
    process = dying(start, write, agent, code, os.getpid())
    go(process)
    progress = Progress(agent.flight)
    watch = DeathWatch(tmp_path / "stacks")

    def check() -> Any:
        progress.poll(time.monotonic_ns())
        return watch.check(progress)

    (death,) = wait_until(check, 20)
    assert process.wait(20) == -signal.SIGABRT
    functions = [frame.function for frame in death.thread.frames]
    assert "native_step" in functions
    if compiler is not None:
        assert functions.index("release") < functions.index("native_step")
    progress.close()


# What befalls a whole run, with us and without: the way it ends is its own.
CRASHES = {
    "double free": ("block = libc.malloc(24); libc.free(block); libc.free(block)", signal.SIGABRT),
    "invalid free": (
        "block = libc.malloc(64); ctypes.memset(block, 0, 64); libc.free(block + 8)",
        signal.SIGABRT,
    ),
    "abort": ("libc.abort()", signal.SIGABRT),
    "segfault in a thread": (
        "thread = threading.Thread(target=ctypes.string_at, args=(8,)); thread.start(); thread.join()",
        signal.SIGSEGV,
    ),
    "stack overflow": ("recurse()", signal.SIGSEGV),
    "killed from outside": (
        "subprocess.run([sys.executable, '-S', '-c', f'import os; os.kill({os.getpid()}, 9)']); time.sleep(60)",
        signal.SIGKILL,
    ),
}
FAMILIES = {"double free": "double-free", "invalid free": "invalid-pointer"}
CRASH = """
    import ctypes, functools, multiprocessing, os, resource, subprocess, sys, threading, time
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.free.argtypes = [ctypes.c_void_p]
    compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    pair = (ctypes.c_int * 2)(1, 2)

    def recurse():
        # C calls Python calls C: Python's own limit is out of the way, the stack's is not.
        sys.setrecursionlimit(10**8)
        @compare
        def deeper(left, right):
            libc.qsort(pair, 2, 4, deeper)
            return 0
        libc.qsort(pair, 2, 4, deeper)

    def native_step():
        {way}

    if sys.argv[1] == "alone":
        native_step()
    else:
        worker = multiprocessing.get_context("fork").Process(target=native_step)
        worker.start()
        worker.join()
        print("worker", worker.exitcode, flush=True)
        sys.exit(1)
"""


def kinds(diagnosis: Diagnosis) -> dict[str, dict[str, Any]]:
    return {item.kind: item.detail for item in diagnosis.evidence}


@pytest.mark.parametrize("way", CRASHES)
def test_a_crash_ends_as_it_would_have_and_its_stack_is_in_the_diagnosis(
    way: str, write: Write, tmp_path: Path
) -> None:
    code, number = CRASHES[way]
    command = [sys.executable, str(write(CRASH.format(way=code))), "alone"]
    alone = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert alone.returncode == -number
    began = time.monotonic()
    diagnosis = watch(command, WatchOptions(out=tmp_path / "run"))
    assert time.monotonic() - began < 20
    found = kinds(diagnosis)
    assert diagnosis.verdict is Verdict.CRASH
    assert diagnosis.signal is not None
    assert diagnosis.signal.name == number.name
    if way in FAMILIES:
        assert found["heap-message"]["family"] == FAMILIES[way]
        said = next(item.says for item in diagnosis.evidence if item.kind == "heap-message")
        assert "where it was noticed is not where it was caused" in said
    if way == "killed from outside":
        said = next(item.says for item in diagnosis.evidence if item.kind == "ended-by-signal")
        assert "the kernel counted no kill" in said or "could not be read" in said
    elif way == "stack overflow":
        assert found["stack-overflow"]["stack_bytes"] > 4 << 20
    else:
        functions = [row[0] for row in found["death-stack"]["frames"]]
        assert ("native_step" in functions) == ("thread" not in way)


@pytest.mark.parametrize("way", CRASHES)
def test_a_worker_that_crashes_ends_as_it_would_have_and_its_stack_is_taken(
    way: str, write: Write, tmp_path: Path
) -> None:
    code, number = CRASHES[way]
    command = [sys.executable, str(write(CRASH.format(way=code))), "worker"]
    diagnosis = watch(command, WatchOptions(out=tmp_path / "run"))
    assert (tmp_path / "run/stdout.log").read_text() == f"worker {-number}\n"
    found = kinds(diagnosis)
    assert diagnosis.verdict is not Verdict.HEALTHY
    if way in FAMILIES:
        assert found["heap-message"]["family"] == FAMILIES[way]
    if way not in ("killed from outside", "stack overflow"):
        assert found["death-stack"]["signal"] == number.name


def test_an_address_space_limit_is_told_as_want_of_memory(write: Write, tmp_path: Path) -> None:
    script = write("""
        import resource
        resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
        def fill_buffer():
            return bytearray(8 << 30)
        fill_buffer()
    """)
    diagnosis = watch([sys.executable, str(script)], WatchOptions(out=tmp_path / "run"))
    assert diagnosis.verdict is Verdict.OOM
    assert diagnosis.culprit is not None
    assert diagnosis.culprit.function == "fill_buffer"
