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
from hypothesis import given
from hypothesis import strategies as st

from probes import carry, heap, procfs
from probes.death import DeathWatch
from probes.progress import Progress

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
    wait_until(lambda: list(agent.flight.glob("*.bin")))
    progress.poll(time.monotonic_ns())
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


@pytest.mark.parametrize(
    ("printed", "message"),
    [
        ("free(): double free detected in tcache 2\n", "free(): double free detected in tcache 2"),
        ("double free or corruption (fasttop)", "double free or corruption (fasttop)"),
        ("python: malloc(): corrupted top size\n", "malloc(): corrupted top size"),
        ("*** Error in `python': free(): invalid pointer\n", "free(): invalid pointer"),
        ("noise\nmunmap_chunk(): invalid pointer\nFatal Python error: Aborted\n", "munmap_chunk(): invalid pointer"),
        ("corrupted size vs. prev_size while consolidating\n", "corrupted size vs. prev_size while consolidating"),
        ("malloc(): invalid size (unsorted)\n", "malloc(): invalid size (unsorted)"),
        ("free(): invalid next size (normal)\n", "free(): invalid next size (normal)"),
        ("corrupted double-linked list (not small)\n", "corrupted double-linked list (not small)"),
        ("*** stack smashing detected ***: terminated\n", "*** stack smashing detected ***: terminated"),
        ("free(): invalid pointer\ndouble free or corruption (out)\n", "double free or corruption (out)"),
        ("the word double free or corruption in a sentence of its own\n", None),
        ("print('free(): invalid pointer')\n", None),
        ("Segmentation fault\n", None),
        ("", None),
    ],
)
def test_what_the_c_library_says_is_recognised(printed: str, message: str | None) -> None:
    assert heap.message(printed) == message


@given(st.text(), st.text())
def test_a_heap_message_on_a_line_of_its_own_is_found_in_any_text(before: str, after: str) -> None:
    printed = f"{before}\nmalloc_consolidate(): unaligned fastbin chunk detected\n{after}"
    assert heap.message(printed) is not None


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
