"""Stacks and profiles of real processes, and what happens when py-spy is missing, refuses, hangs or writes nonsense."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes import stacks
from probes.profile import Profile, Sampler, load
from probes.stacks import Frame, PySpyMissingError, StackError, check_permission, dump
from probes.system import procfs

if TYPE_CHECKING:
    from tests.probes.conftest import Start, Write

SLEEPER = """
    import threading, time

    def inner():
        print("ready", flush=True)
        time.sleep(600)  # line 6

    def outer():
        inner()

    def beside():
        time.sleep(600)

    threading.Thread(target=beside, name="helper", daemon=True).start()
    outer()
"""
SPINNER = """
    {first_line}
    def churn(count):
        total = 0
        for number in range(count):
            total += number % 7
        return total

    def work():
        print("ready", flush=True)
        while True:
            churn(10_000)

    work()
"""


@pytest.fixture
def ready(start: Start) -> Callable[[Path], subprocess.Popen[bytes]]:
    """Starts a script and waits until it has printed its first line."""

    def run(script: Path) -> subprocess.Popen[bytes]:
        process = start([sys.executable, script], stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        return process

    return run


@pytest.fixture
def fake_py_spy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Puts a program in the place of py-spy, on PATH; none stands beside this Python then."""

    def put(body: str) -> Path:
        folder = tmp_path / "bin"
        folder.mkdir()
        path = folder / "py-spy"
        path.write_text(f"#!{sys.executable}\nimport os, signal, sys, time\n{body}\n", encoding="utf-8")
        path.chmod(0o755)
        monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path / "empty"))
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        return path

    return put


def functions(frames: tuple[Frame, ...]) -> list[str]:
    return [frame.function for frame in frames]


def test_a_dump_has_every_thread_innermost_frame_first(
    write: Write, ready: Callable[[Path], subprocess.Popen[bytes]]
) -> None:
    script = write(SLEEPER)
    process = ready(script)
    taken = dump(process.pid, time.monotonic_ns())
    assert taken.main is not None
    assert functions(taken.main.frames) == ["inner", "outer", "<module>"]
    assert taken.main.frames[0] == Frame("inner", str(script), 6)
    assert taken.main.tid == process.pid
    beside = next(thread for thread in taken.threads if thread.tid != process.pid)
    assert "beside" in functions(beside.frames)
    assert beside.name == "helper"
    assert process.poll() is None


def test_a_native_dump_shows_the_calls_below_python(
    write: Write, ready: Callable[[Path], subprocess.Popen[bytes]]
) -> None:
    process = ready(write(SLEEPER))
    taken = dump(process.pid, 0, native=True)
    assert taken.main is not None
    place = functions(taken.main.frames).index("inner")
    assert any(frame.is_native for frame in taken.main.frames[:place])
    assert taken.native
    reading = procfs.read_process(process.pid)
    assert reading is not None
    assert reading.state == "S"  # not left stopped


def test_a_dump_can_be_written_as_json(write: Write, ready: Callable[[Path], subprocess.Popen[bytes]]) -> None:
    taken = dump(ready(write(SLEEPER)).pid, 0)
    assert taken.main is not None
    assert json.loads(json.dumps(taken.main.to_json()))["frames"][0][0] == "inner"


def test_without_py_spy_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PySpyMissingError, match="pip install py-spy"):
        dump(os.getpid(), 0)
    with pytest.raises(PySpyMissingError):
        Sampler(os.getpid(), tmp_path / "profile.json", 1)
    with pytest.raises(PySpyMissingError):
        check_permission()


def test_a_process_that_does_not_exist_gives_an_error_that_names_it() -> None:
    process = subprocess.Popen([sys.executable, "-S", "-c", ""])
    process.wait()
    with pytest.raises(StackError, match=str(process.pid)):
        dump(process.pid, 0)


def test_a_process_that_is_no_python_gives_an_error_that_names_it(start: Start) -> None:
    process = start(["sleep", "60"])
    with pytest.raises(StackError, match=str(process.pid)):
        dump(process.pid, 0)
    assert process.poll() is None


def test_permission_is_proven_on_a_process_of_our_own() -> None:
    check_permission()


def py_spys(command: str) -> list[int]:
    """Processes with that command line, by pid."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                line = Path("/proc", entry, "cmdline").read_bytes()
            except OSError:
                continue
            if command.encode() in line:
                found.append(int(entry))
    return found


@pytest.mark.parametrize("ignored", ["signal.SIGINT", "signal.SIGINT, signal.SIGTERM"], ids=["polite", "stubborn"])
def test_a_py_spy_that_hangs_is_ended_and_the_target_goes_on(
    ignored: str,
    write: Write,
    ready: Callable[[Path], subprocess.Popen[bytes]],
    fake_py_spy: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stacks, "_MARGIN_S", 0.5)
    path = fake_py_spy(f"for number in ({ignored},):\n    signal.signal(number, signal.SIG_IGN)\ntime.sleep(600)")
    process = ready(write(SLEEPER))
    with pytest.raises(StackError, match=r"no answer .* within 0\.5 s"):
        dump(process.pid, 0, deadline_s=0.5)
    assert py_spys(str(path)) == []
    reading = procfs.read_process(process.pid)
    assert reading is not None
    assert reading.state == "S"


def test_ctrl_c_during_a_dump_leaves_no_py_spy(
    fake_py_spy: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., Any]
) -> None:
    path = fake_py_spy("signal.signal(signal.SIGINT, signal.SIG_IGN)\ntime.sleep(600)")
    main = threading.main_thread().ident
    assert main is not None

    def press() -> None:
        wait_until(lambda: py_spys(str(path)))
        time.sleep(0.3)
        os.kill(os.getpid(), 2)

    thread = threading.Thread(target=press)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        dump(os.getpid(), 0, deadline_s=30)
    thread.join()
    assert py_spys(str(path)) == []


@pytest.mark.parametrize(
    "answer", ["", "{", "[1]", "{}", '["x"]', '[{"frames": 3}]', '[{"frames": [{}]}]', "null", "\\xff"]
)
def test_nonsense_from_py_spy_is_an_error_that_says_so(answer: str, fake_py_spy: Callable[[str], Path]) -> None:
    fake_py_spy(f"sys.stdout.buffer.write({answer!r}.encode('latin-1'))")
    with pytest.raises(StackError, match="could not be read"):
        dump(os.getpid(), 0)


@pytest.mark.parametrize(
    ("said", "understood"),
    [
        ("Permission Denied: Try running again with elevated permissions", "ptrace_scope"),
        ("Error: Operation not permitted (os error 1)", "SYS_PTRACE"),
        ("Error: Failed to find python version from target process", "not a Python"),
        ("something new", "something new"),
        ("", "no reason given"),
    ],
)
def test_a_refusal_of_py_spy_is_told_with_what_helps(
    said: str, understood: str, fake_py_spy: Callable[[str], Path]
) -> None:
    fake_py_spy(f"print({said!r}, file=sys.stderr)\nsys.exit(1)")
    with pytest.raises(StackError, match=understood):
        dump(os.getpid(), 0)


def test_a_py_spy_that_cannot_be_started_is_an_error_of_its_own(
    fake_py_spy: Callable[[str], Path], tmp_path: Path
) -> None:
    path = fake_py_spy("")
    path.write_bytes(b"#!/no/such/interpreter\n")
    with pytest.raises(StackError, match="could not be started"):
        dump(os.getpid(), 0)
    with pytest.raises(StackError, match="could not be started"):
        Sampler(os.getpid(), tmp_path / "profile.json", 1)


@pytest.mark.parametrize("first_line", ["", "import threading"], ids=["nameless", "named"])
def test_a_profile_shows_where_the_time_goes(
    first_line: str,
    write: Write,
    ready: Callable[[Path], subprocess.Popen[bytes]],
    tmp_path: Path,
    wait_until: Callable[..., Any],
) -> None:
    process = ready(write(SPINNER.format(first_line=first_line)))
    sampler = Sampler(process.pid, tmp_path / "profile.json", 1)
    wait_until(lambda: sampler.done)
    taken = sampler.finish()
    assert taken is not None
    assert taken.samples
    shares = {row.function: row.share for row in taken.shares()}
    assert shares["work"] == 1.0
    assert shares["churn"] > 0.5
    assert [row.function for row in taken.below("work").shares()] == ["churn"]
    assert process.poll() is None


def test_a_profile_of_a_process_that_ends_is_what_there_was(
    write: Write, ready: Callable[[Path], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    process = ready(write(SPINNER.format(first_line="")))
    sampler = Sampler(process.pid, tmp_path / "profile.json", 60)
    process.kill()
    process.wait()
    began = time.monotonic()
    sampler.finish()  # a profile or None, but soon
    assert time.monotonic() - began < 30
    assert sampler.done


def test_a_sampler_that_will_not_end_is_ended(fake_py_spy: Callable[[str], Path], tmp_path: Path) -> None:
    path = fake_py_spy("signal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(600)")
    sampler = Sampler(os.getpid(), tmp_path / "profile.json", 60)
    time.sleep(0.3)
    assert sampler.finish() is None
    assert py_spys(str(path)) == []


GOOD: dict[str, Any] = {
    "shared": {
        "frames": [{"name": "train", "file": "/a/b.py", "line": 3}, {"name": "step", "file": "/a/c.py", "line": 4}]
    },
    "profiles": [
        {"name": 'Thread 1 "MainThread"', "samples": [[0], [0, 1]]},
        {"name": 'Thread 2 "other"', "samples": [[1]]},
    ],
}


def test_only_the_main_thread_is_read(tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(GOOD))
    taken = load(path)
    assert taken is not None
    assert [functions(sample) for sample in taken.samples] == [["train"], ["train", "step"]]


JUNK = st.one_of(  # type: ignore[var-annotated] # of anything
    st.none(), st.integers(-3, 3), st.text(max_size=3), st.lists(st.integers(-3, 3), max_size=2), st.just({})
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    return [path, *(place for key, inner in items for place in places(inner, (*path, key)))]


@given(st.sampled_from(places(GOOD)), JUNK, st.booleans())
def test_a_damaged_profile_is_none_or_can_be_counted(place: tuple[Any, ...], junk: Any, remove: bool) -> None:
    value = json.loads(json.dumps(GOOD))
    if place:
        inner = value
        for key in place[:-1]:
            inner = inner[key]
        if remove:
            del inner[place[-1]]
        else:
            inner[place[-1]] = junk
    else:
        value = junk
    text = json.dumps(value)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "profile.json")
        path.write_text(text)
        taken = load(path)
    if taken is not None:
        taken.shares()
        taken.below("train").shares()
        taken.without("step").shares()


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"{", b"[" * 200_000, b"null", json.dumps(GOOD).encode()[:-20]])
def test_a_file_that_is_no_profile_is_none(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    path.write_bytes(data)
    assert load(path) is None
    assert load(tmp_path / "missing.json") is None


NAMES = st.sampled_from(["learn", "train", "forward", "backward", "<module>", "A.step", "step"])
SAMPLES = st.lists(
    st.lists(st.builds(Frame, NAMES, st.sampled_from(["a.py", "b.py"]), st.none() | st.integers(1, 9)), max_size=8).map(
        tuple
    ),
    max_size=12,
).map(tuple)


@given(SAMPLES)
def test_shares_add_up(samples: tuple[tuple[Frame, ...], ...]) -> None:
    rows = Profile(samples).shares()
    names = {(row.function, row.file) for row in rows}
    assert len(names) == len(rows)
    for row in rows:
        having = [
            sample
            for sample in samples
            if any((frame.function.rpartition(".")[2], frame.file) == (row.function, row.file) for frame in sample)
        ]
        assert row.samples == len(having)
        assert row.share == pytest.approx(len(having) / len(samples))
        assert 0 < row.share <= 1
    assert [row.samples for row in rows] == sorted((row.samples for row in rows), reverse=True)


@given(SAMPLES)
def test_below_and_without_share_out_the_samples(samples: tuple[tuple[Frame, ...], ...]) -> None:
    whole = Profile(samples)
    below, without = whole.below("train"), whole.without("train")
    assert len(below.samples) + len(without.samples) == len(samples)
    assert all("train" not in functions(sample) for sample in without.samples)
    for cut in below.samples:
        assert any(
            sample[len(sample) - len(cut) :] == cut and sample[len(sample) - len(cut) - 1].function == "train"
            for sample in samples
            if len(sample) > len(cut)
        )


def test_a_class_name_before_the_function_is_of_no_account() -> None:
    sample = (Frame("PPO.train", "a.py", 1), Frame("Policy.forward", "b.py", 2))
    assert [row.function for row in Profile((sample,)).below("train").shares()] == ["forward"]
