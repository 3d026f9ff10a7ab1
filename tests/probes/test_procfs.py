"""Readings of real processes, and of the system around them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from probes import carry, environment
from probes.agent import layout
from probes.system import procfs

if TYPE_CHECKING:
    from tests.probes.conftest import Start, Write


def test_a_sleeping_process_is_read_with_its_threads(
    start: Start, write: Write, wait_until: Callable[..., Any]
) -> None:
    process = start(
        [
            sys.executable,
            write("""
            import threading, time
            threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
            time.sleep(600)
            """),
        ]
    )
    wait_until(lambda: (r := procfs.read_process(process.pid)) and len(r.threads) == 2 and r.main and r.main.wchan)
    reading = procfs.read_process(process.pid)
    assert reading is not None
    assert reading.main is not None
    assert (reading.state, reading.parent, reading.main.tid) == ("S", os.getpid(), process.pid)
    assert reading.rss_bytes > 1_000_000
    assert reading.cpu_s >= 0
    assert reading.exit_status is None


def test_cpu_time_grows_while_a_process_burns_it(start: Start, wait_until: Callable[..., Any]) -> None:
    process = start([sys.executable, "-S", "-c", "while True: pass"])
    wait_until(lambda: (r := procfs.read_process(process.pid)) and r.cpu_s > 0.2)


def test_a_stopped_process_is_told_from_a_sleeping_one(start: Start, wait_until: Callable[..., Any]) -> None:
    process = start(["sleep", "600"])
    process.send_signal(signal.SIGSTOP)
    wait_until(lambda: (r := procfs.read_process(process.pid)) and r.state == "T")


def test_a_zombie_tells_how_it_died(wait_until: Callable[..., Any]) -> None:
    process = subprocess.Popen(["sleep", "600"])
    process.kill()
    wait_until(lambda: (r := procfs.read_process(process.pid)) and r.state == "Z")
    reading = procfs.read_process(process.pid)
    assert reading is not None
    assert reading.exit_status is not None
    assert os.WTERMSIG(reading.exit_status) == signal.SIGKILL
    assert reading.threads == () or reading.main is not None
    process.wait()
    assert procfs.read_process(process.pid) is None
    assert procfs.caught_signals(process.pid) is None


def test_a_name_with_brackets_and_spaces_does_not_confuse_the_reading(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "a) S (b"
    path.symlink_to("/bin/sleep")
    process = start([path, "600"])
    time.sleep(0.1)
    reading = procfs.read_process(process.pid)
    assert reading is not None
    assert (reading.name, reading.parent) == ("a) S (b", os.getpid())


def test_caught_signals_are_those_with_a_handler(start: Start, write: Write) -> None:
    script = write(
        "import signal, time; signal.signal(signal.SIGUSR1, print); print('ready', flush=True); time.sleep(600)"
    )
    process = start([sys.executable, script], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    caught = procfs.caught_signals(process.pid)
    assert caught is not None
    assert caught >> (signal.SIGUSR1 - 1) & 1
    assert not caught >> (signal.SIGUSR2 - 1) & 1


FAMILY = """
    import os, subprocess, sys, time
    if len(sys.argv) == 1:
        for kind in ("child", "orphan", "stray"):
            subprocess.Popen([sys.executable, __file__, kind], start_new_session=kind == "stray")
        time.sleep(600)
    elif sys.argv[1] == "child":
        subprocess.Popen(["sleep", "600"])
        time.sleep(600)
    else:
        # Its own child outlives it.
        subprocess.Popen(["sleep", "601"])
"""


def test_a_family_has_children_orphans_and_strays(
    start: Start, write: Write, tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    import ctypes

    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # as the supervisor does: orphans come to us
    mark = f"{layout.FOLDER_VARIABLE}={tmp_path}"
    process = start(
        [sys.executable, "-S", write(FAMILY)],
        start_new_session=True,
        env={**os.environ, layout.FOLDER_VARIABLE: str(tmp_path)},
    )

    def names() -> list[str]:
        readings = [procfs.read_process(pid) for pid in procfs.family(process.pid, mark)]
        return sorted(r.name for r in readings if r is not None and r.state != "Z")

    try:
        wait_until(lambda: names().count("sleep") == 3 and len(names()) == 5)
        assert procfs.family(process.pid, mark)[0] == process.pid
    finally:
        for pid in procfs.family(process.pid, mark):
            os.kill(pid, signal.SIGKILL)
        process.wait()
        for _ in range(2):  # the orphan and the stray
            os.waitpid(-1, 0)


def test_a_family_that_is_gone_is_its_root_alone() -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    assert procfs.family(process.pid) == [process.pid]


def test_signals_have_names() -> None:
    assert procfs.signal_name(6) == "SIGABRT"
    assert procfs.signal_name(77) == "signal 77"


def stat_line(name: str, state: str, numbers: list[int]) -> str:
    return f"4711 ({name}) {state} {' '.join(map(str, numbers))}\n"


@given(
    st.text(st.characters(exclude_characters="\0")),
    st.sampled_from("RSDTZI"),
    st.lists(st.integers(-1, 1 << 63), min_size=49),
)
def test_a_stat_line_is_read_whatever_the_name_of_the_program_is(name: str, state: str, numbers: list[int]) -> None:
    read = procfs.parse_stat(stat_line(name, state, numbers))
    assert read is not None
    assert read[0] == name
    assert read[1][0] == state
    assert [int(field) for field in read[1][1:]] == numbers


@given(st.text())
def test_what_is_no_stat_line_is_none_and_no_error(text: str) -> None:
    read = procfs.parse_stat(text)
    assert read is None or all(field.lstrip("-").isdecimal() for field in read[1][1:20])
    voluntary, involuntary = procfs.parse_switches(text)
    assert voluntary is None or voluntary >= 0
    assert involuntary is None or involuntary >= 0


def test_a_stat_line_that_is_cut_off_is_none() -> None:
    assert procfs.parse_stat("4711 (python) S 1 2") is None
    assert procfs.parse_stat("4711 (pyth") is None


def test_switches_are_read_from_a_status_file() -> None:
    status = "Name:\tpython\nThreads:\t1\nvoluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t545\n"
    assert procfs.parse_switches(status) == (150, 545)
    assert procfs.parse_switches("Name:\tpython\n") == (None, None)


def test_a_close_reading_tells_of_every_thread_what_an_ordinary_one_tells_of_the_main_one() -> None:
    stop = threading.Event()
    threads = [threading.Thread(target=stop.wait, args=(30,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        near, far = procfs.read_process(os.getpid()), procfs.read_process(os.getpid(), closely=False)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert near is not None
    assert far is not None
    assert len(near.threads) == len(far.threads) >= 4
    assert all(thread.voluntary_switches is not None for thread in near.threads)
    assert far.main is not None
    assert far.main.voluntary_switches is not None
    assert all(thread.wchan is None and thread.voluntary_switches is None for thread in far.threads[1:])
    assert near.minor_faults > 0
    assert all(thread.name for thread in far.threads)


def test_only_a_process_whose_stack_overflowed_is_taken_for_one() -> None:
    assert procfs.overflowed_stack(os.getpid()) is None
    assert procfs.overflowed_stack(2**22 + 1) is None


def test_the_environment_of_a_run_without_an_agent_is_told_as_far_as_it_is_known() -> None:
    value = environment.describe(None)
    assert (value["python"], value["packages"]) == (None, {})
    assert value["cpu"]["cores"] >= 1
    assert isinstance(value["wsl"], bool)


def test_packages_are_read_from_the_site_folders_the_first_one_first(tmp_path: Path) -> None:
    for name in ("one/stable_baselines3-2.6.0.dist-info", "one/Torch-2.5.1+cu121.dist-info", "two/torch-1.0.dist-info"):
        (tmp_path / name).mkdir(parents=True)
    facts = {"process": {"python": "3.11.7", "site": [str(tmp_path / "one"), str(tmp_path / "two"), "/nowhere"]}}
    value = environment.describe(facts)
    assert value["python"] == "3.11.7"
    assert value["packages"] == {"stable-baselines3": "2.6.0", "torch": "2.5.1+cu121"}


def test_the_command_keeps_its_environment_and_gets_ours_in_front() -> None:
    base = {"PYTHONPATH": "/mine", "HOME": "/home/me", "PYTHONUNBUFFERED": "2"}
    env = carry.environment(base, Path("/flight"))
    inject, rest = env["PYTHONPATH"].split(os.pathsep)
    assert Path(inject, "sitecustomize.py").is_file()
    assert (rest, env["HOME"], env["PYTHONUNBUFFERED"]) == ("/mine", "/home/me", "2")
    assert env[layout.FOLDER_VARIABLE] == "/flight"
    assert env[layout.SUPERVISOR_VARIABLE] == str(os.getpid())
    assert os.pathsep not in carry.environment({}, Path("/flight"))["PYTHONPATH"]
    assert not carry.environment({}, Path("/flight"), hold=False)[layout.SUPERVISOR_VARIABLE]
