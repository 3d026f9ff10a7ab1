"""The ladder of heap checks: what each rung sets, how a fault moves, what that means, and one real climb."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import freezelab
from probes.diagnosis import Culprit, Diagnosis, Evidence, Signal, Timing
from probes.heap import check as heap_check
from probes.heap import ladder as heap_ladder
from probes.heap import moves as heap_moves
from probes.heap.check import Attempt, HeapCheck, InvalidHeapCheckError
from probes.heap.ladder import LADDER, Loader, Rung, RungUnavailableError
from probes.heap.moves import Sighting, interpretation, moves, sighting, touches_heap
from probes.verdicts import Verdict
from probes.watch import WatchOptions, watch
from reports import heap_check_markdown, run_markdown
from reports.commands import interface

if TYPE_CHECKING:
    from tests.probes.conftest import Write

RUNGS = {rung.id: rung for rung in LADDER}

# Freed through Python's own raw allocator: that is bound to whichever free the loader finds first, so the debug
# library and AddressSanitizer see it, and no compiler is needed.
FAULTS = """
    import ctypes, sys
    raw = ctypes.pythonapi
    raw.PyMem_RawMalloc.restype = ctypes.c_void_p
    raw.PyMem_RawMalloc.argtypes = [ctypes.c_size_t]
    raw.PyMem_RawFree.argtypes = [ctypes.c_void_p]

    def native_step():
        block = raw.PyMem_RawMalloc(24)
        if sys.argv[1] == "double":
            raw.PyMem_RawFree(block)
        raw.PyMem_RawFree(block)
    native_step()
    if sys.argv[1] == "abort":
        ctypes.CDLL(None).abort()
"""


def loader(tmp_path: Path, *names: str, glibc: tuple[int, int] | None = (2, 36)) -> Loader:
    for name in names:
        (tmp_path / name).touch()
    return Loader(glibc, (tmp_path,))


def test_each_rung_sets_what_it_says_on_top_of_what_was_set(tmp_path: Path) -> None:
    machine = loader(tmp_path, "libc_malloc_debug.so.0", "libasan.so.6", "libasan.so.8", "libstdc++.so.6")
    base = {"GLIBC_TUNABLES": "glibc.rtld.nns=4", "LD_PRELOAD": "/mine.so", "ASAN_OPTIONS": "verbosity=1"}
    tcache = {"GLIBC_TUNABLES": "glibc.rtld.nns=4:glibc.malloc.tcache_count=0"}
    assert RUNGS["tcache-off"].variables(machine, base) == tcache
    assert RUNGS["perturb"].variables(machine, base) == {**tcache, "MALLOC_PERTURB_": "165"}
    checked = RUNGS["malloc-check"].variables(machine, base)
    assert checked["MALLOC_CHECK_"] == "3"
    assert checked["LD_PRELOAD"] == f"{tmp_path}/libc_malloc_debug.so.0:/mine.so"
    assert RUNGS["python-malloc"].variables(machine, base) == {**checked, "PYTHONMALLOC": "malloc"}
    sanitized = RUNGS["asan"].variables(machine, base)
    assert sanitized["LD_PRELOAD"] == f"{tmp_path}/libasan.so.8:{tmp_path}/libstdc++.so.6:/mine.so"
    assert sanitized["ASAN_OPTIONS"].startswith("verbosity=1:")
    assert "GLIBC_TUNABLES" not in sanitized


def test_a_rung_that_cannot_be_had_says_why(tmp_path: Path) -> None:
    bare = loader(tmp_path)
    for rung, reason in (("malloc-check", "libc_malloc_debug"), ("asan", "libasan")):
        with pytest.raises(RungUnavailableError, match=reason):
            RUNGS[rung].variables(bare, {})
    assert "LD_PRELOAD" not in RUNGS["python-malloc"].variables(bare, {})
    for rung in ("tcache-off", "perturb", "malloc-check", "python-malloc"):
        with pytest.raises(RungUnavailableError, match="not glibc"):
            RUNGS[rung].variables(loader(tmp_path, glibc=None), {})
    with pytest.raises(RungUnavailableError, match=r"glibc 2\.17"):
        RUNGS["tcache-off"].variables(loader(tmp_path, glibc=(2, 17)), {})
    with pytest.raises(RungUnavailableError, match="libstdc"):
        RUNGS["asan"].variables(loader(tmp_path, "libasan.so.8"), {})


def test_before_2_34_the_checks_need_no_library(tmp_path: Path) -> None:
    variables = RUNGS["malloc-check"].variables(loader(tmp_path, glibc=(2, 31)), {})
    assert variables["MALLOC_CHECK_"] == "3"
    assert "LD_PRELOAD" not in variables


def test_this_machine_is_told_apart_without_an_error() -> None:
    machine = heap_ladder.this_machine()
    assert machine.glibc is None or machine.glibc > (2, 0)
    assert all(folder.is_dir() for folder in machine.folders)


DOUBLE, FASTTOP, POINTER = (
    "free(): double free detected in tcache 2",
    "double free or corruption (fasttop)",
    "free(): invalid pointer",
)


def seen(message: str | None = DOUBLE, **changes: Any) -> Sighting:
    values: dict[str, Any] = {
        "verdict": Verdict.CRASH,
        "crashed": True,
        "signal": "SIGABRT",
        "message": message,
        "function": "release",
        "library": "libx.so",
        "step": 2400,
        "lasted_s": 10.0,
        **changes,
    }
    return Sighting(**values)


GONE = seen(None, verdict=Verdict.HEALTHY, crashed=False, signal=None, function=None, library=None, step=9000)


@pytest.mark.parametrize(
    ("now", "moved"),
    [
        (seen(), ()),
        (seen(FASTTOP), ("other message",)),
        (seen(step=1500), ("earlier",)),
        (seen(step=4000, function="other"), ("later", "other place")),
        (seen(None, signal="SIGSEGV"), ("other signal",)),
        (seen(step=None), ()),
        (seen(function=None, library=None), ()),
        (GONE, ("vanished",)),
        (seen(None, crashed=False, cut_short=True, step=9000), ("vanished",)),
        (seen(None, crashed=False, cut_short=True, step=100), ("not reached",)),
        (seen(None, crashed=False, cut_short=False, step=100), ("vanished",)),
    ],
)
def test_how_a_fault_moved_is_told_from_what_is_known(now: Sighting, moved: tuple[str, ...]) -> None:
    assert moves(seen(), now) == moved


@pytest.mark.parametrize(
    ("tried", "said"),
    [
        ({}, ["No rung could be tried"]),
        ({"tcache-off": seen(FASTTOP)}, ["it is a double free and no chance bit pattern"]),
        ({"tcache-off": seen("malloc(): corrupted top size")}, ["symptoms of one damage", "double-free to overflow"]),
        ({"tcache-off": GONE}, ["how soon a freed block is given out again", "came in none of 1 more runs"]),
        (
            {"tcache-off": seen(), "perturb": seen(None, signal="SIGSEGV")},
            ["reads memory that it has freed already"],
        ),
        (
            {"malloc-check": seen(POINTER, step=1500, function="write_row")},
            ["step 1500 instead of 2400", "in write_row (libx.so)", "written past its end", "look before that"],
        ),
        (
            {"malloc-check": GONE, "python-malloc": seen(POINTER)},
            ["shows at all", "belongs to Python objects"],
        ),
        (
            {"asan": seen("AddressSanitizer: heap-use-after-free on address 0x60 at pc 0x1", function="step")},
            ["caught the access itself, in step (libx.so)", "overwritten"],
        ),
        ({"tcache-off": seen(), "perturb": seen()}, ["All 3 runs", "and the same message"]),
        (
            {"tcache-off": seen(FASTTOP, function="a"), "perturb": seen(POINTER, function="b")},
            ["take them as one fault"],
        ),
    ],
)  # fmt: skip
def test_the_moves_are_put_into_words(tried: dict[str, Sighting], said: list[str]) -> None:
    text = " ".join(interpretation(seen(), list(tried.items())))
    for part in said:
        assert part in text
    assert not tried or "Where it was noticed is not where it was caused" in text


def diagnosis(verdict: Verdict, name: str | None, *evidence: Evidence) -> Diagnosis:
    return Diagnosis(
        verdict=verdict,
        confidence=1.0,
        summary="It ended.",
        command=("python", "train.py"),
        timing=Timing(3.0),
        step=7,
        culprit=Culprit("reset", "/site/pkg/env.py", 3, "pkg.env", "pkg"),
        evidence=evidence,
        signal=Signal(name, None) if name else None,
    )


def test_what_a_run_shows_comes_from_its_evidence() -> None:
    said = Evidence("heap-message", 1.0, "it said", detail={"message": DOUBLE, "family": "double-free"})
    death = Evidence(
        "death-stack", 1.0, "it stood",
        detail={"signal": "SIGABRT", "pid": 3, "frames": [], "noticed_by": {"function": "0x7f12", "library": "l.so"}},
    )  # fmt: skip
    found = sighting(diagnosis(Verdict.CRASH, "SIGABRT", said, death))
    assert (found.message, found.place, found.step, found.signal) == (DOUBLE, "? (l.so)", 7, "SIGABRT")
    assert sighting(diagnosis(Verdict.CRASH, "SIGSEGV")).place == "reset (pkg)"
    # A worker's death, which the main process sees as no more than an end of file.
    worker = sighting(diagnosis(Verdict.EXCEPTION, None, said, death))
    assert (worker.crashed, worker.signal) == (True, "SIGABRT")
    report = "==7==ERROR: AddressSanitizer: x\n    #0 0x7f in release (/tmp/release.so+0x1)\n"
    assert sighting(diagnosis(Verdict.CRASH, "SIGABRT", said, death), report).place == "release (release.so)"
    assert Sighting.from_json(json.loads(json.dumps(found.to_json()))) == found


@pytest.mark.parametrize(
    ("verdict", "name", "said", "expected"),
    [
        (Verdict.CRASH, "SIGABRT", True, True),
        (Verdict.CRASH, "SIGSEGV", False, True),
        (Verdict.CRASH, "SIGBUS", False, True),
        (Verdict.CRASH, "SIGABRT", False, False),
        (Verdict.CRASH, "SIGKILL", False, False),
        (Verdict.EXCEPTION, None, True, True),
        (Verdict.EXCEPTION, None, False, False),
        (Verdict.HEALTHY, None, False, False),
        (Verdict.DEADLOCK, None, False, False),
    ],
)
def test_only_what_a_damaged_heap_explains_is_looked_at_again(
    verdict: Verdict, name: str | None, said: bool, expected: bool
) -> None:
    message = Evidence("heap-message", 1.0, "it said", detail={"message": DOUBLE, "family": "double-free"})
    assert touches_heap(diagnosis(verdict, name, *([message] if said else []))) is expected


def test_a_double_free_is_followed_up_the_ladder(write: Write, tmp_path: Path) -> None:
    command = [sys.executable, str(write(FAULTS)), "double"]
    options = WatchOptions(out=tmp_path / "run")
    first = watch(command, options)
    assert touches_heap(first)
    statuses: list[int] = []
    attempts: list[Attempt] = []
    check = heap_check.climb(
        command, first, options, on_status=lambda place, *_: statuses.append(place), on_attempt=attempts.append
    )
    assert check.complete
    assert tuple(attempts) == check.attempts
    assert [attempt.rung for attempt in check.attempts] == list(RUNGS)
    assert statuses[0] == 0
    tcache, perturb = check.attempts[:2]
    assert tcache.seen is not None
    assert tcache.seen.message == FASTTOP
    assert tcache.moved == ("other message",)
    assert tcache.seen.function == "native_step"
    assert perturb.seen is not None
    for attempt in check.attempts:
        # What this machine lacks is listed with the reason; what it has, noticed the fault.
        assert (attempt.seen is None) == (attempt.why_not is not None)
        assert attempt.seen is None or attempt.seen.crashed
    assert HeapCheck.load(tmp_path / "run") == check
    stored = json.loads((tmp_path / "run" / heap_check.FILE).read_text())
    assert stored["schema"] == heap_check.SCHEMA
    assert stored["says"] == check.says
    assert any("double free" in sentence for sentence in check.says)
    report = run_markdown.render(first, check)
    assert "## A second look at the heap" in report
    assert "`double free or corruption (fasttop)`" in report


def test_a_rung_that_this_machine_lacks_is_listed_and_the_climb_goes_on(write: Write, tmp_path: Path) -> None:
    command = [sys.executable, str(write(FAULTS)), "none"]
    options = WatchOptions(out=tmp_path / "run", stacks=False)
    check = heap_check.climb(
        command, watch(command, options), options, loader=Loader((2, 36), ()), ladder=(RUNGS["asan"], RUNGS["perturb"])
    )
    lacking, there = check.attempts
    assert lacking.why_not is not None
    assert "libasan" in lacking.why_not
    assert there.moved == ("vanished",)
    text = "\n".join(heap_check_markdown.section(check))
    assert "not tried: libasan" in text
    assert heap_check_markdown.line(lacking).startswith("asan: not tried")


def test_a_rung_under_which_the_program_does_not_start_is_no_finding(write: Write, tmp_path: Path) -> None:
    rung = Rung("broken", "a library that is not there", 1.0, lambda *_: {"LD_PRELOAD": "/nowhere/libnone.so"})
    command = [sys.executable, str(write(FAULTS)), "none"]
    options = WatchOptions(out=tmp_path / "run", stacks=False)
    (attempt,) = heap_check.climb(command, watch(command, options), options, ladder=[rung]).attempts
    assert attempt.seen is None
    assert attempt.why_not is not None
    assert "libnone.so" in attempt.why_not


def test_a_damaged_file_is_told_as_such(tmp_path: Path) -> None:
    assert HeapCheck.load(tmp_path) is None
    for text in ("", "[]", '{"schema": "other"}', '{"schema": "freezelab.heap-check/1"}'):
        (tmp_path / heap_check.FILE).write_text(text)
        with pytest.raises(InvalidHeapCheckError, match=heap_check.FILE):
            HeapCheck.load(tmp_path)


def test_the_command_line_looks_again_and_names_what_it_found(write: Write, tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = subprocess.run(
        [sys.executable, "-m", "freezelab", "run", "--json", "--heap-check", "--out", str(out), "--",
         sys.executable, str(write(FAULTS)), "double"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == interface.EXIT_DIAGNOSED, done.stderr
    assert json.loads(done.stdout)["artifacts"]["heap_check"] == heap_check.FILE
    assert "tcache-off: double free or corruption (fasttop)" in done.stderr
    assert "## A second look at the heap" in (out / "diagnosis.md").read_text(encoding="utf-8")
    assert Diagnosis.load(out / "diagnosis.json").artifacts["heap_check"] == heap_check.FILE
    (out / "diagnosis.md").unlink()
    assert freezelab.main(["report", str(out)]) == interface.EXIT_OK
    assert "## A second look at the heap" in (out / "diagnosis.md").read_text(encoding="utf-8")


def test_a_plain_abort_is_not_looked_at_again_unless_asked(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    climbed = []
    monkeypatch.setattr(heap_check, "climb", lambda *_, **__: climbed.append(1))
    command = ["--no-stacks", "--out", str(tmp_path / "run"), "--", sys.executable, str(write(FAULTS)), "abort"]
    assert freezelab.main(["run", "--heap-check", *command]) == interface.EXIT_DIAGNOSED
    assert not climbed
    freezelab.main(["run", "--heap-check=always", *command])
    assert climbed


def test_ctrl_c_during_a_rung_ends_everything_and_keeps_what_was_found(
    write: Write, tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    script = write(
        """
        import os, signal, sys, time
        from pathlib import Path
        if "MALLOC_PERTURB_" in os.environ:
            Path(sys.argv[1]).write_text(str(os.getpid()))
            time.sleep(600)
        os.kill(os.getpid(), signal.SIGSEGV)
        """
    )
    out, marker = tmp_path / "run", tmp_path / "pid"
    process = subprocess.Popen(
        [sys.executable, "-m", "freezelab", "run", "--no-stacks", "--heap-check", "--out", str(out), "--",
         sys.executable, str(script), str(marker)],
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    pid = int(wait_until(lambda: marker.exists() and marker.read_text(), 60))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == interface.EXIT_INTERRUPTED
    assert "interrupted" in err
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), 10)
    check = HeapCheck.load(out)
    assert check is not None
    assert not check.complete
    assert [attempt.rung for attempt in check.attempts] == ["tcache-off"]
    assert Diagnosis.load(out / "diagnosis.json").verdict is Verdict.CRASH
    assert "It was interrupted" in (out / "diagnosis.md").read_text(encoding="utf-8")


def test_a_run_that_is_healthy_is_not_run_again(write: Write, tmp_path: Path) -> None:
    began = time.monotonic()
    command = ["run", "--heap-check", "--out", str(tmp_path / "run"), "--", sys.executable, str(write(FAULTS)), "none"]
    assert freezelab.main(command) == interface.EXIT_OK
    assert not (tmp_path / "run" / heap_check.FILE).exists()
    assert time.monotonic() - began < 30
    assert "heap-check" not in os.listdir(tmp_path / "run")


def test_a_crash_that_is_no_message_moves_by_its_signal() -> None:
    first = seen(None, signal="SIGSEGV")
    assert heap_moves.moves(first, first) == ()
    assert heap_moves.moves(first, seen(DOUBLE)) == ("other message",)
