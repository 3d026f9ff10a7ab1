"""Two runs that stood in the same place have the same signature, whatever machine and release they ran on."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes import stacks
from probes.diagnosis import Culprit, Diagnosis, Evidence, Timing
from probes.signature import FRAMES, SEPARATOR, digest, normalised, stack_of
from probes.verdicts import Verdict

SITE = "/opt/env/lib/python3.11/site-packages"
STDLIB = "/usr/lib/python3.11"
Row = tuple[str, str, int]
QUIETLY = settings(deadline=None, max_examples=40)

STANDING: list[Row] = [
    ("Condition.wait", f"{STDLIB}/threading.py", 327),
    ("Queue.get", f"{STDLIB}/queue.py", 171),
    ("Market.book", "/home/u/project/market.py", 48),
    ("Market.step", "/home/u/project/market.py", 42),
    ("Monitor.step", f"{SITE}/stable_baselines3/common/monitor.py", 96),
    ("Module._wrapped_call_impl", f"{SITE}/torch/nn/modules/module.py", 1511),
    ("PPO.learn", f"{SITE}/stable_baselines3/ppo/ppo.py", 311),
    ("<module>", "/home/u/project/train.py", 52),
    ("_run_code", f"{STDLIB}/runpy.py", 88),
]
EXPECTED = SEPARATOR.join(
    (
        "queue:get",
        "market:book",
        "market:step",
        "stable_baselines3.common.monitor:step",
        "stable_baselines3.ppo.ppo:learn",
        "train:<module>",
    )
)


def hung(
    rows: list[Row], verdict: Verdict = Verdict.DEADLOCK, kind: str = "stack-still", **detail: object
) -> Diagnosis:
    """A run of which one thread stands."""
    frames = [list(row) for row in rows]
    evidence = Evidence(kind, 5.0, "it stands", detail={"process": "main", "dumps": 3, "frames": frames, **detail})
    return Diagnosis(verdict, 0.9, "it hangs", ("python", "train.py"), Timing(9.0), evidence=(evidence,))


def names(rows: list[Row]) -> tuple[str, ...]:
    return normalised((function, file) for function, file, _ in rows)


def test_the_calls_are_named_by_module_and_function_innermost_first() -> None:
    assert stack_of(hung(STANDING)) == EXPECTED


@QUIETLY
@given(st.lists(st.integers(0, 10_000), min_size=len(STANDING), max_size=len(STANDING)))
def test_lines_do_not_matter(lines: list[int]) -> None:
    shifted = [(function, file, line) for (function, file, _), line in zip(STANDING, lines, strict=True)]
    assert stack_of(hung(shifted)) == EXPECTED


FOLDERS = st.lists(st.text("abcxyz0189_-. ", min_size=1, max_size=8), min_size=1, max_size=3).map("/".join)


@QUIETLY
@given(FOLDERS, FOLDERS, st.sampled_from(["3.9", "3.10", "3.12", "3.13t"]), st.sampled_from(["site", "dist"]))
def test_paths_and_versions_of_python_do_not_matter(home: str, env: str, python: str, kind: str) -> None:
    moved = [
        (
            function,
            file.replace(SITE, f"/{env}/lib/python{python}/{kind}-packages")
            .replace(STDLIB, f"/{env}/lib/python{python}")
            .replace("/home/u/project", f"/{home}"),
            line,
        )
        for function, file, line in STANDING
    ]
    assert names(moved) == tuple(EXPECTED.split(SEPARATOR))


@QUIETLY
@given(st.integers(1, 30), st.sampled_from([("market:quote",), ("market:quote", "market:price")]))
def test_the_depth_of_a_recursion_does_not_matter(depth: int, cycle: tuple[str, ...]) -> None:
    inner: list[Row] = [(name.partition(":")[2], "/home/u/project/market.py", 7) for name in cycle] * depth
    assert names(inner + STANDING[2:]) == (*cycle, *EXPECTED.split(SEPARATOR)[1:])[:FRAMES]


@QUIETLY
@given(st.integers(0, 63), st.sampled_from([0, 2, 6]))
def test_neither_a_workers_number_nor_an_address_matters(number: int, place: int) -> None:
    native = (f"0x{number:x}fd5792a3f16", f"/usr/lib/libc{number}.so.6", 0)
    rows = [*STANDING[:place], native, *STANDING[place:]]
    assert stack_of(hung(rows, process=f"worker {number}")) == EXPECTED


def test_another_waiting_place_is_another_stack() -> None:
    for place, other in ((1, ("Thread.join", f"{STDLIB}/threading.py", 1)), (2, ("Market.sell", STANDING[2][1], 48))):
        rows = [*STANDING[:place], other, *STANDING[place + 1 :]]
        assert stack_of(hung(rows)) != EXPECTED
        assert digest(stack_of(hung(rows)) or "") != digest(EXPECTED)


def test_of_the_standard_library_only_the_call_that_leads_into_it_counts() -> None:
    # Python 3.13 joins a thread without the helper that 3.12 has.
    older = [("Thread._wait_for_tstate_lock", f"{STDLIB}/threading.py", 1167), ("join", f"{STDLIB}/threading.py", 1147)]
    assert names([*older, *STANDING[2:]]) == names([*older[1:], *STANDING[2:]])
    assert names([*older, *STANDING[2:]])[0] == "threading:join"


def test_torchs_module_that_stands_is_named_and_not_what_carried_the_call() -> None:
    carrier = ("Module._call_impl", f"{SITE}/torch/nn/modules/module.py", 1520)
    linear = ("Linear.forward", f"{SITE}/torch/nn/modules/linear.py", 116)
    assert names([linear, carrier, *STANDING[5:]])[0] == "torch.nn.modules.linear:forward"


def test_classes_and_comprehensions_are_left_out_since_not_every_python_tells_them() -> None:
    newer = [("Market.settle.<locals>.<listcomp>", "/u/market.py", 3), ("Market.settle", "/u/market.py", 3)]
    older = [("<listcomp>", "/u/market.py", 3), ("settle", "/u/market.py", 3)]
    newest = [("Market.settle", "/u/market.py", 3)]
    assert names(newer) == names(older) == names(newest) == ("market:settle",)


def test_how_a_thread_was_begun_is_left_out() -> None:
    begun = [
        ("Thread.run", f"{STDLIB}/threading.py", 975),
        ("Thread._bootstrap_inner", f"{STDLIB}/threading.py", 1038),
        ("Thread._bootstrap", f"{STDLIB}/threading.py", 995),
    ]
    assert names([STANDING[1], *begun]) == ("queue:get",)
    assert names([*STANDING[1:3], *begun]) == ("queue:get", "market:book")


def test_a_workers_start_method_does_not_matter() -> None:
    work = [*STANDING[1:4], ("_worker", f"{SITE}/stable_baselines3/common/vec_env/subproc_vec_env.py", 33)]
    child = [("Process.run", f"{STDLIB}/multiprocessing/process.py", 108),
             ("Process._bootstrap", f"{STDLIB}/multiprocessing/process.py", 314)]  # fmt: skip
    forked = [("Popen._launch", f"{STDLIB}/multiprocessing/popen_fork.py", 71), *STANDING[6:]]
    spawned = [("spawn_main", f"{STDLIB}/multiprocessing/spawn.py", 122), ("<module>", "<string>", 1)]
    assert names([*work, *child, *forked]) == names([*work, *child, *spawned]) == names(work)


def test_the_agent_is_no_part_of_it_wherever_it_lay() -> None:
    marked = ("_around.<locals>.marked", "/node7/env/probes/agent/marks.py", 117)
    assert names([*STANDING[:3], marked, *STANDING[3:]]) == names(STANDING)


@pytest.mark.parametrize(
    ("file", "module"),
    [
        ("/tmp/ipykernel_4711/123456.py", "<cell>"),
        ("<ipython-input-3-5f2b>", "<cell>"),
        ("<dynamic-code>", "<dynamic-code>"),
        ("/home/u/pkg/__init__.py", "pkg"),
        (f"{SITE}/gymnasium/__init__.py", "gymnasium"),
    ],
)
def test_code_without_a_file_of_its_own_is_named_alike_each_time(file: str, module: str) -> None:
    assert names([("step", file, 1)]) == (f"{module}:step",)


def test_only_the_part_that_all_stacks_share_counts_for_a_loop() -> None:
    below = [("random", "/home/u/project/dice.py", 3), *STANDING[2:]]
    assert stack_of(hung(below, Verdict.SPIN, "stack-in-loop", inside=1)) == SEPARATOR.join(names(STANDING[2:]))


def test_a_stack_that_moves_is_no_place() -> None:
    assert stack_of(hung(STANDING, Verdict.SPIN, "stack-moving")) is None


def test_where_a_helper_stands_the_training_that_waits_for_it_is_told() -> None:
    helper = hung([("main", "/home/u/simulator.py", 3)], Verdict.BLOCKED, process="process 4711")
    nearest = {"process": "main", "frames": [list(row) for row in STANDING]}
    chain = Evidence("waits-on-peer", 5.0, "it waits", detail={"nearest": nearest})
    assert stack_of(dataclasses.replace(helper, evidence=(*helper.evidence, chain))) == EXPECTED


def test_an_error_has_the_stack_that_it_was_raised_on() -> None:
    outermost_first = [{"function": function, "file": file, "line": line} for function, file, line in STANDING[:1:-1]]
    error = Evidence("uncaught-exception", 5.0, "ValueError", detail={"type": "ValueError", "frames": outermost_first})
    assert stack_of(dataclasses.replace(hung([]), verdict=Verdict.EXCEPTION, evidence=(error,))) == SEPARATOR.join(
        names(STANDING[2:])
    )


@pytest.mark.parametrize(("noticed", "expected"), [(None, EXPECTED), ({"function": "x", "library": "y.so"}, None)])
def test_where_damage_to_the_heap_was_noticed_is_no_place(noticed: object, expected: str | None) -> None:
    assert stack_of(hung(STANDING, Verdict.CRASH, "death-stack", noticed_by=noticed)) == expected


def test_of_a_slow_run_the_culprit_stands_in() -> None:
    file = f"{SITE}/sb3_contrib/common/recurrent/policies.py"
    slow = dataclasses.replace(
        hung([], Verdict.SLOW_PHASE), evidence=(), culprit=Culprit("_process_sequence", file, 198, None, "sb3_contrib")
    )
    assert stack_of(slow) == "sb3_contrib.common.recurrent.policies:_process_sequence"


def test_without_a_stack_nothing_is_made_up() -> None:
    assert stack_of(dataclasses.replace(hung([]), evidence=())) is None
    assert stack_of(dataclasses.replace(hung(STANDING), verdict=Verdict.HEALTHY)) is None


LIBRARY = """
{padding}
import threading

class Booth:
    def __init__(self):
        self._lock = threading.Lock()
        self._asked = threading.Condition()

    def enter(self, depth, other):
        if depth:
            return self.enter(depth - 1, other)
        return self.ask() if other else self.hold()

    def hold(self):
        with self._lock:
            print("ready", flush=True)
            self._lock.acquire()

    def ask(self):
        with self._asked:
            print("ready", flush=True)
            self._asked.wait()
"""


def waiting(pid: int) -> stacks.ThreadStack:
    """The main thread of a process, once it waits."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        main = stacks.dump(pid, 0).main
        if main is not None and not main.active:
            return main
    raise AssertionError("it never waited")


def standing_in(folder: Path, padding: int, depth: int, other: bool) -> tuple[str, ...]:
    """The normalised stack of a real process that waits inside a library of a release of its own."""
    library = folder / "lib" / "python3.11" / "site-packages" / "booth.py"
    library.parent.mkdir(parents=True)
    library.write_text(LIBRARY.format(padding="# a release\n" * padding))
    program = folder / "program.py"
    program.write_text("# what the user wrote\n" * padding + f"import booth\nbooth.Booth().enter({depth}, {other})\n")
    process = subprocess.Popen(
        [sys.executable, str(program)], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(library.parent)}
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        return normalised((frame.function, frame.file) for frame in waiting(process.pid).frames)
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_two_releases_of_a_library_whose_lines_differ_stand_in_the_same_place(tmp_path: Path) -> None:
    first = standing_in(tmp_path / "a", 0, 1, False)
    assert first == ("booth:hold", "booth:enter", "program:<module>")
    assert standing_in(tmp_path / "elsewhere" / "b", 70, 5, False) == first


def test_waiting_for_something_else_in_it_is_another_place(tmp_path: Path) -> None:
    assert standing_in(tmp_path, 0, 1, True) == ("threading:wait", "booth:ask", "booth:enter", "program:<module>")


@QUIETLY
@given(
    st.lists(
        st.tuples(
            st.text(max_size=12) | st.sampled_from(["<listcomp>", "a.<locals>.b", "<lambda>", "_bootstrap"]),
            st.text(max_size=20) | st.sampled_from(["/a.py", f"{STDLIB}/queue.py", f"{SITE}/torch/x.py", "<string>"]),
        ),
        max_size=12,
    )
)
def test_any_frames_give_a_short_stack_without_repeats(frames: list[tuple[str, str]]) -> None:
    found = normalised(frames)
    assert len(found) <= FRAMES
    assert len(set(found)) == len(found)
