"""What the flight recorders tell over time: pace, standstills, silence. Time is given, not waited for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from probes.agent import layout
from probes.agent.recorder import Recorder, phase_id
from probes.diagnose import diagnose
from probes.evidence import Ending, collect
from probes.evidence.update import endless_episode
from probes.observer import Look, Observations
from probes.pace import Slowing
from probes.progress import OUTSIDE_SILENCE_FLOOR_S, TRAINED_SILENCE_FLOOR_S, Progress, Standstill, top_phase
from probes.stacks import Dump, Frame, ThreadStack
from probes.system import procfs
from probes.verdicts import Verdict
from probes.waits import Kind, Wait, WaitGraph
from probes.waits.calls import by_wchan

pytestmark = pytest.mark.usefixtures("long_phases")
S = 1_000_000_000


class Run:
    """A recorder in this process, and a progress that follows it."""

    def __init__(self, folder: Path) -> None:
        self.recorder = Recorder()
        self.recorder.open(str(folder))
        self.progress = Progress(folder)
        self.now = time.monotonic_ns()

    def enter(self, *names: str) -> list[int]:
        return [self.recorder.enter(phase_id(name)) for name in names]

    def leave(self, token: int) -> None:
        self.recorder.leave(token)

    def mark(self, name: str = "env.step") -> None:
        self.leave(self.enter(name)[0])

    def step(self, number: int) -> None:
        self.recorder.step(number)

    def poll(self, after_s: float) -> int:
        """Polls as if so many seconds had passed since the beginning."""
        now = self.now + int(after_s * S)
        self.progress.poll(now)
        return now


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run(tmp_path)
    yield run
    run.progress.close()


@pytest.mark.parametrize(
    ("path", "phase"),
    [
        ((), None),
        (("learn",), "setup"),
        (("learn", "collect", "env.step"), "collect"),
        (("learn", "train", "epoch", "minibatch", "forward"), "train"),
        (("learn", "collect", "callback", "eval", "policy"), "eval"),
        (("save",), "save"),
    ],
)
def test_a_report_names_the_innermost_phase_that_means_something(path: tuple[str, ...], phase: str | None) -> None:
    assert top_phase(path) == phase


def test_before_there_is_a_recorder_nothing_is_claimed(tmp_path: Path) -> None:
    progress = Progress(tmp_path)
    progress.poll(5 * S)
    assert progress.state is None
    assert progress.silence_s(9 * S) == 0
    assert not progress.is_silent(9 * S)
    assert not progress.stands_still()
    assert progress.line(9 * S) == "starting"


def test_a_step_count_that_stops_while_marks_are_passed_stands_still(run: Run) -> None:
    run.enter("learn", "train")
    run.step(128)
    run.poll(0.1)
    for second in (1.5, 2.0, 2.9):
        run.mark("minibatch")
        run.poll(second)
        assert not run.progress.stands_still()
    run.mark("minibatch")
    run.poll(4.0)
    assert run.progress.stands_still()
    (still,) = run.progress.standstills
    assert (still.step, still.phase) == (128, "train")
    assert still.events == 8
    run.step(129)
    run.poll(4.5)
    assert not run.progress.stands_still()
    assert still.ended


def test_marks_right_after_a_step_are_no_sign_of_life(run: Run) -> None:
    """It hangs in the step that was being taken: what was passed on the way there shows no life."""
    run.enter("learn", "collect")
    run.step(99)
    run.poll(0.1)
    run.mark("callback")
    run.enter("env.step")
    run.poll(0.6)
    run.poll(4.0)
    (still,) = run.progress.standstills
    assert still.events == 0


def test_a_slow_pace_is_not_a_standstill(run: Run) -> None:
    run.enter("learn", "collect")
    for number in range(1, 5):
        run.step(number)
        run.recorder.words[layout.STEP_NS] = run.now + number * S
        run.poll(number + 0.1)
    assert run.progress.step_interval_s() == pytest.approx(1.0, rel=0.1)
    run.poll(4.1 + 15)
    assert not run.progress.stands_still()
    run.poll(4.1 + 25)
    assert run.progress.stands_still()


def test_after_learning_the_step_count_has_no_reason_to_move(run: Run) -> None:
    (learn,) = run.enter("learn")
    run.step(64)
    run.poll(0.1)
    run.leave(learn)
    run.poll(30)
    assert not run.progress.stands_still()


def test_silence_is_measured_by_the_phases_own_history(run: Run) -> None:
    run.enter("learn", "collect")
    run.recorder.words[layout.PHASE_TABLE + layout.PHASE_COLUMNS * phase_id("env.step")] = 1
    run.recorder.words[layout.PHASE_TABLE + layout.PHASE_COLUMNS * phase_id("env.step") + 2] = 2 * S
    run.enter("env.step")
    assert not run.progress.is_silent(run.poll(9))
    assert run.progress.is_silent(run.poll(11))
    assert run.progress.usual_stay_s() == 2


def test_an_event_that_only_its_count_tells_of_came_after_the_poll_before(run: Run) -> None:
    run.enter("learn", "collect")
    run.poll(0.5)
    count = layout.PHASE_TABLE + layout.PHASE_COLUMNS * phase_id("env.step")
    run.poll(3.0)
    run.recorder.words[count] += 1
    run.poll(3.5)
    assert run.progress.silence_s(run.poll(4.0)) == pytest.approx(1.0)
    # A stay of three seconds in this phase is nothing new any more.
    assert run.progress.usual_stay_s() == pytest.approx(3.5, abs=0.1)


def test_before_training_begins_silence_takes_longer(run: Run) -> None:
    assert not run.progress.is_silent(run.poll(OUTSIDE_SILENCE_FLOOR_S - 1))
    late_s = OUTSIDE_SILENCE_FLOOR_S + 1
    assert run.progress.is_silent(run.poll(late_s))
    run.enter("learn")
    assert not run.progress.is_silent(run.poll(late_s + 1))
    assert run.progress.is_silent(run.poll(late_s + 4))


def test_iterations_are_read_from_the_ring(run: Run) -> None:
    run.enter("learn")
    for number in range(3):
        (collect_,) = run.enter("collect")
        run.step(64 * (number + 1))
        run.leave(collect_)
        (train,) = run.enter("train")
        run.recorder.words[layout.N_MINIBATCHES] = 3
        run.recorder.words[layout.EPOCH], run.recorder.words[layout.MINIBATCH] = 2, 1
        if number < 2:
            run.leave(train)
    run.poll(0.1)
    assert [(item.step, item.minibatches) for item in run.progress.iterations] == [(64, 4), (128, 4), (192, 0)]
    assert [item.train_s is None for item in run.progress.iterations] == [False, False, True]
    assert run.progress.train_since_ns is not None


def test_a_long_run_keeps_the_beginning_and_the_end_of_its_iterations(run: Run) -> None:
    for number in range(500):
        (collect_,) = run.enter("collect")
        run.step(number)
        run.leave(collect_)
        if number % 50 == 0:
            run.poll(0.1)
    run.poll(0.2)
    steps = [item.step for item in run.progress.iterations]
    assert len(steps) == 200
    assert steps[:3] == [0, 1, 2]
    assert steps[-3:] == [497, 498, 499]


def test_the_live_line_says_how_far_an_update_is(run: Run) -> None:
    run.enter("learn", "train")
    run.step(2048)
    for word, value in ((layout.EPOCH, 3), (layout.N_EPOCHS, 10), (layout.MINIBATCH, 17), (layout.N_MINIBATCHES, 32)):
        run.recorder.words[word] = value
    line = run.progress.line(run.poll(1))
    assert line.startswith("step 2048 · train · epoch 3/10 · minibatch 17/32 · about ")
    left_s = run.progress.update_left_s(run.now + S)
    assert left_s == pytest.approx(1.0 * (1 - 0.25) / 0.25, rel=0.1)


def test_other_files_in_the_folder_and_files_that_vanish_do_no_harm(run: Run, tmp_path: Path) -> None:
    (tmp_path / "noise.bin").write_bytes(b"noise")
    (tmp_path / "folder.bin").mkdir()
    run.enter("learn")
    run.poll(0.1)
    assert run.recorder.path is not None
    path = Path(run.recorder.path)
    path.write_bytes(path.read_bytes()[:100])
    run.poll(0.2)
    assert run.progress.state is not None
    assert run.progress.state.path == ("learn",)
    path.unlink()
    run.poll(0.3)


# From here on: what is said of looks, with looks that are made up.


def look(run: Run, after_s: float, *, state: str, wchan: str | None, cpu_s: float, line: int = 7) -> Look:
    now = run.poll(after_s)
    pid = run.progress.recording.pid if run.progress.recording else 1
    thread = procfs.ThreadReading(pid, state, cpu_s, wchan)
    shell = procfs.ProcessReading(1, 0, 1, "S", 0.0, 0, (procfs.ThreadReading(1, "S", 0.0, "do_wait"),), 1, None, "sh")
    process = procfs.ProcessReading(pid, 1, pid, state, cpu_s, 0, (thread,), 1, None, "python")
    frames = (Frame("quote", "/home/me/market.py", line), Frame("step", "/home/me/market.py", 3))
    dump = Dump(pid, now, False, (ThreadStack(pid, "MainThread", True, False, frames),))
    waits = {(1, 1): Wait(1, 1, Kind.CHILD, "wait4", "the end of a child process", peers=(pid,))}
    if wchan is not None:
        call = by_wchan(wchan)
        waits[pid, pid] = Wait(pid, pid, call.kind, call.name, "")
    graph = WaitGraph(waits, {1: "S", pid: state}, {pid: 1})
    return Look(now, run.progress.silence_s(now), run.progress.state, (shell, process), {pid: dump}, {}, graph)


def judged(run: Run, looks: list[Look], ending: Ending | None = None) -> tuple[Verdict, set[str]]:
    seen = Observations(run.now, looks=looks, suspected_ns=looks[0].at_ns)
    result = diagnose(["python"], seen, run.progress, ending, looks[-1].at_ns, {})
    assert result.culprit is None or result.culprit.function == "quote"
    return result.verdict, {item.kind for item in result.evidence}


@pytest.mark.parametrize(
    ("state", "wchan", "burns", "moves", "verdict"),
    [
        ("S", "futex_do_wait", 0.0, False, Verdict.DEADLOCK),
        ("S", "unix_stream_read_generic", 0.0, False, Verdict.BLOCKED),
        ("S", "locks_lock_inode_wait", 0.0, False, Verdict.BLOCKED),
        ("R", None, 1.0, True, Verdict.SPIN),
        ("R", None, 1.0, False, Verdict.SPIN),
        ("R", None, 0.3, False, Verdict.SPIN),  # a core shared with others
        ("S", "hrtimer_nanosleep", 0.0, False, Verdict.HEALTHY),
    ],
)
def test_how_a_silent_process_waits_decides(
    state: str, wchan: str | None, burns: float, moves: bool, verdict: Verdict, run: Run
) -> None:
    run.enter("learn", "collect")
    run.step(99)
    run.enter("env.step")
    # What was started is a shell that waits for the training, as a launcher does: it is not the one to look at.
    looks = [
        look(run, 3 + number, state=state, wchan=wchan, cpu_s=burns * number, line=7 + number % 2 * moves)
        for number in range(4)
    ]
    assert judged(run, looks)[0] is verdict


def test_a_run_that_ended_well_was_not_hung_whatever_its_last_silence(run: Run) -> None:
    run.enter("learn")
    looks = [look(run, 3 + number, state="S", wchan="futex_do_wait", cpu_s=0.0) for number in range(4)]
    verdict, kinds = judged(run, looks, Ending(0, None, 9.0, "", None))
    assert verdict is Verdict.HEALTHY
    assert "silence" not in kinds


def test_a_lock_on_the_way_out_is_an_exit_hang(run: Run) -> None:
    (learn,) = run.enter("learn")
    run.leave(learn)
    run.recorder.words[layout.EXIT_NS] = run.now
    looks = [look(run, 12 + number, state="S", wchan="futex_do_wait", cpu_s=0.0) for number in range(4)]
    assert judged(run, looks)[0] is Verdict.EXIT_HANG


@pytest.mark.parametrize(
    ("ending", "verdict", "kind"),
    [
        (Ending(137, None, 5.0, "", 0), Verdict.CRASH, "ended-by-signal"),  # a shell passes on 128 + 9
        (Ending(-9, None, 5.0, "", 1), Verdict.OOM, "oom-killed"),
        (Ending(-9, None, 5.0, "", None), Verdict.CRASH, "ended-by-signal"),
        (Ending(134, None, 5.0, "free(): invalid pointer\n", 0), Verdict.CRASH, "heap-message"),
        (Ending(2, None, 5.0, "usage: train.py", 0), Verdict.EXCEPTION, "ended-with-code"),
        (Ending(1, None, 5.0, "Traceback (most recent call last):\n  File \"a.py\", line 3, in f\nMemoryError", 0),
         Verdict.OOM, "memory-error"),
        (Ending(1, None, 5.0, "Traceback (most recent call last):\ncut off", 0), Verdict.EXCEPTION, "ended-with-code"),
    ],
)  # fmt: skip
def test_how_a_run_ended_is_read_from_its_status(ending: Ending, verdict: Verdict, kind: str, run: Run) -> None:
    run.enter("learn")
    run.poll(0.1)
    seen = Observations(run.now)
    assert kind in {item.kind for item in collect(seen, run.progress, ending)}
    result = diagnose(["python"], seen, run.progress, ending, run.now + 5 * S, {})
    assert result.verdict is verdict
    assert result.summary.endswith(".")


SLOWING = Slowing("callback", (0.01, 0.012, 0.015, 0.02, 0.03, 0.04), 2.0, 0.6, "env.step", 1.0)


@pytest.mark.parametrize(("lately_s", "told"), [(None, True), (0.045, True), (0.03, True), (0.011, False)])
def test_a_slowdown_once_established_stands_until_later_calls_contradict(
    lately_s: float | None, told: bool, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.enter("learn", "collect")
    run.step(5)
    run.poll(1)
    monkeypatch.setattr(run.progress, "recent_call_s", lambda phase: lately_s)
    seen = Observations(run.now, slowing=SLOWING, slowing_ns=run.now + S)
    result = diagnose(["python"], seen, run.progress, Ending(0, None, 30.0, "", None), run.now + 30 * S, {})
    assert (result.verdict is Verdict.SLOWDOWN) is told
    if told:
        assert result.phase == "callback"


def silent_rollouts(run: Run, lasting: tuple[float, ...]) -> None:
    """A callback without any event after each rollout."""
    run.enter("learn", "collect")
    for number, seconds in enumerate(lasting):
        (callback,) = run.enter("callback")
        run.step(100 * (number + 1))
        start = run.recorder.words[layout.STEP_NS]
        run.poll(0.1)
        for standstill in run.progress.standstills:
            standstill.ended = True
        run.progress.standstills.append(
            Standstill(100, start, start + int(seconds * S), ("learn", "collect", "callback"), 0, ended=True)
        )
        run.leave(callback)
    run.poll(0.2)


@pytest.mark.parametrize(
    ("lasting", "run_s", "verdict"),
    [
        ((4.0, 5.0, 4.0, 5.0), 20.0, Verdict.SLOW_PHASE),
        ((8.0, 9.0), 20.0, Verdict.HEALTHY),  # now and then: a beginning, a cache that is filled
        ((4.0, 4.0), 60.0, Verdict.HEALTHY),  # little of the run
    ],
)
def test_silences_that_are_most_of_a_run_are_told_in_the_end(
    lasting: tuple[float, ...], run_s: float, verdict: Verdict, run: Run
) -> None:
    silent_rollouts(run, lasting)
    assert run.progress.state is not None
    seen = Observations(run.progress.state.last_event_ns - int(run_s * S))
    result = diagnose(["python"], seen, run.progress, Ending(0, None, run_s, "", None), run.now, {})
    assert result.verdict is verdict
    if verdict is Verdict.SLOW_PHASE:
        assert result.phase == "callback"


@pytest.mark.parametrize(
    ("envs", "base", "taken", "endless"),
    [
        (1, 0, 4000, False),
        (1, 0, 6000, True),
        (16, 0, 4000, False),  # their own steps are a sixteenth of the count
        (16, 0, 6000, True),
        (16, 90_000, 4000, False),
        (16, 90_000, 6000, True),  # what an earlier training had learnt has no part in it
    ],
)
def test_an_evaluation_is_without_end_by_the_length_of_other_episodes(
    *, envs: int, base: int, taken: int, endless: bool, run: Run
) -> None:
    vector_steps, episode = 800 // envs * 10, 500
    run.recorder.text("facts", {"total_timesteps": 10_000})
    run.recorder.gauge(layout.TOTAL_STEPS, base + 10_000)
    run.enter("learn")
    for number in range(2):
        (collect,) = run.enter("collect")
        for _ in range(vector_steps // 2):
            run.mark()
        for _ in range(vector_steps // 2 * envs // episode):
            run.mark("env.reset")
        run.step(base + (number + 1) * vector_steps // 2 * envs)
        run.leave(collect)
        run.poll(0.1 + number)
    run.enter("callback", "eval")
    run.poll(4)
    for _ in range(taken):
        run.mark()
    run.poll(20)
    seen = Observations(run.now)
    observed = list(endless_episode(seen, run.progress))
    assert [item.kind for item in observed] == (["episode-without-end"] if endless else [])
    if endless:
        assert observed[0].detail["usual_steps"] == episode


def test_what_follows_training_is_looked_at_sooner_than_what_precedes_it_whatever_that_took(run: Run) -> None:
    run.poll(0.1)
    run.poll(8)
    (learn,) = run.enter("learn")
    run.leave(learn)
    state = run.progress.state
    run.poll(8.5)
    assert run.progress.state is not None
    assert state is not None
    assert run.progress.state.trained
    assert not state.trained
    left = run.progress.state.last_event_ns
    assert not run.progress.is_silent(left + 4 * S)
    assert run.progress.is_silent(max(left, run.now + 8 * S) + int((TRAINED_SILENCE_FLOOR_S + 0.6) * S))


@pytest.mark.parametrize("winds_up", [True, False])
def test_a_program_that_computes_after_training_does_not_spin(*, winds_up: bool, run: Run) -> None:
    (learn,) = run.enter("learn")
    run.leave(learn)
    if winds_up:
        run.recorder.words[layout.EXIT_NS] = run.now
    looks = [look(run, 9 + number, state="R", wchan=None, cpu_s=float(number), line=number) for number in range(4)]
    assert judged(run, looks)[0] is (Verdict.EXIT_HANG if winds_up else Verdict.HEALTHY)


def test_a_pause_that_is_over_does_not_speak_against_a_freeze_that_stands(run: Run) -> None:
    run.enter("learn", "collect")
    run.step(99)
    run.enter("env.step")
    run.poll(0.1)
    start = run.recorder.words[layout.STEP_NS]
    run.progress.standstills.append(
        Standstill(64, start - 30 * S, start - 20 * S, ("learn", "train"), events=200, ended=True)
    )
    looks = [look(run, 3 + n, state="S", wchan="unix_stream_read_generic", cpu_s=0.0) for n in range(4)]
    verdict, kinds = judged(run, looks)
    assert verdict is Verdict.BLOCKED
    assert "stood-still-before" in kinds
    assert "step-stands-still" not in kinds


def test_of_a_loop_the_function_is_blamed_that_goes_round_not_what_it_calls_at_the_moment(run: Run) -> None:
    run.enter("learn", "collect")
    run.step(99)
    run.enter("env.step")
    looks = []
    for number in range(4):
        one = look(run, 3 + number, state="R", wchan=None, cpu_s=float(number))
        ((pid, dump),) = one.dumps.items()
        called = Frame(
            ("np_random", "amin")[number % 2], f"/x/site-packages/{('gymnasium', 'numpy')[number % 2]}/a.py", 1
        )
        threads = tuple(replace(thread, frames=(called, *thread.frames)) for thread in dump.threads)
        looks.append(replace(one, dumps={pid: replace(dump, threads=threads)}))
    verdict, kinds = judged(run, looks)  # asserts who is blamed
    assert verdict is Verdict.SPIN
    assert "stack-in-loop" in kinds


@pytest.mark.parametrize(("gap_s", "moved"), [(1.0, True), (5.0, True), (7.0, False)])
def test_a_standstill_that_was_mostly_silent_was_no_work(gap_s: float, moved: bool) -> None:
    assert Standstill(64, 0, 10 * S, ("learn", "callback"), events=200, gap_s=gap_s).moved is moved
    assert not Standstill(64, 0, 10 * S, ("learn", "callback"), events=0, gap_s=gap_s).moved


def test_the_longest_silence_of_a_standstill_is_kept(run: Run) -> None:
    run.enter("learn", "train")
    run.step(99)
    run.poll(0.1)
    for second in range(1, 5):
        (minibatch,) = run.enter("minibatch")
        run.leave(minibatch)
        run.poll(second)
    assert run.progress.standstills[-1].moved
    run.poll(12)
    assert run.progress.standstills[-1].gap_s > 7
    assert not run.progress.standstills[-1].moved


def test_what_a_program_did_before_it_shuts_down_is_not_counted_as_shutting_down(run: Run) -> None:
    (learn,) = run.enter("learn")
    run.leave(learn)
    run.poll(30)
    run.recorder.words[layout.EXIT_NS] = run.now + 30 * S
    run.poll(31)
    assert run.progress.silence_s(run.now + 31 * S) == pytest.approx(1, abs=0.01)
    assert not run.progress.is_silent(run.now + 31 * S)
    run.poll(40)
    assert run.progress.is_silent(run.now + 40 * S)


def test_of_silences_that_are_over_the_function_that_they_went_round_in_is_blamed(run: Run) -> None:
    silent_rollouts(run, (4.0, 5.0, 4.0, 5.0))
    looks = [look(run, 20 + number, state="R", wchan=None, cpu_s=float(number), line=number) for number in range(3)]
    assert run.progress.state is not None
    seen = Observations(run.progress.state.last_event_ns - 20 * S, past_looks=looks)
    result = diagnose(["python"], seen, run.progress, Ending(0, None, 20.0, "", None), run.now, {})
    assert result.verdict is Verdict.SLOW_PHASE
    assert result.culprit is not None
    assert result.culprit.function == "quote"


def test_the_time_in_which_others_had_all_cores_is_no_silence_of_the_trainings_own(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited = {"s": 0.0}
    monkeypatch.setattr("probes.system.procfs.waited_for_core_s", lambda pid: waited["s"])
    run.enter("learn", "collect")
    run.step(99)
    run.poll(0.1)
    at = run.recorder.words[layout.STEP_NS]
    waited["s"] = 7.0
    run.poll(8)
    assert run.progress.silence_s(at + 8 * S) == pytest.approx(8, abs=0.2)
    assert run.progress.own_silence_s(at + 8 * S) == pytest.approx(1, abs=0.2)
    assert not run.progress.is_silent(at + 8 * S)
    run.poll(12)
    assert run.progress.is_silent(at + 12 * S)


def test_a_step_whose_time_was_not_read_came_after_the_poll_before(run: Run) -> None:
    run.enter("learn", "collect")
    run.step(1)
    before = run.poll(5.0)
    run.recorder.words[layout.STEP] = run.recorder.step_seen = 2
    for at_s in (5.5, 6.0, 6.5):
        run.poll(at_s)
        state = run.progress.state
        assert state is not None
        assert (state.step, state.step_ns) == (2, before)
