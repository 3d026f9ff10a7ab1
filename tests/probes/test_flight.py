"""The flight-recorder file: what the agent writes, the reader reads; what anybody else writes does it no harm."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import stat
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.agent import layout
from probes.agent import recorder as recorder_module
from probes.agent.recorder import Recorder, phase_id
from probes.flight import FlightError, FlightRecording

if TYPE_CHECKING:
    from tests.probes.conftest import Agent, Start, Write

pytestmark = pytest.mark.usefixtures("long_phases")

PHASES = st.sampled_from(layout.PHASES)
COARSE = frozenset(layout.COARSE)
# enter a phase | leave the innermost n | a step
MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("enter"), PHASES),
        st.tuples(st.just("leave"), st.integers(1, 4)),
        st.tuples(st.just("step"), st.integers(0, 2**40)),
    ),
    max_size=120,
)


@contextlib.contextmanager
def recorded() -> Iterator[tuple[Recorder, Path]]:
    """A recorder with a file of its own, in a folder that lasts for one example."""
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder()
        recorder.open(folder)
        assert recorder.path is not None
        yield recorder, Path(recorder.path)


@contextlib.contextmanager
def reading(path: Path) -> Iterator[FlightRecording]:
    recording = FlightRecording(path)
    try:
        yield recording
    finally:
        recording.close()


@given(MOVES)
@settings(deadline=None, max_examples=60)
def test_what_the_recorder_writes_the_reader_reads(moves: list[tuple[str, Any]]) -> None:
    with recorded() as (recorder, path), reading(path) as recording:
        tokens: list[int] = []
        opened: list[str] = []
        counts: dict[str, int] = {}
        ring: list[tuple[bool, str]] = []
        marks = 0
        step = None
        for kind, value in moves:
            if kind == "enter":
                token = recorder.enter(phase_id(value))
                if len(opened) == layout.STACK_LIMIT:
                    # Not shown, but seen.
                    assert token == -1
                    marks += 1
                    continue
                tokens.append(token)
                opened.append(value)
                marks += 1
                if value in COARSE:
                    ring.append((True, value))
            elif kind == "leave" and opened:
                keep = max(len(opened) - value, 0)
                for name in reversed(opened[keep:]):
                    counts[name] = counts.get(name, 0) + 1
                    if name in COARSE:
                        ring.append((False, name))
                marks += len(opened) - keep
                recorder.leave(tokens[keep])
                del tokens[keep:], opened[keep:]
            elif kind == "step":
                recorder.step(value)
                step = value
        state = recording.state()
        assert list(state.path) == opened
        assert {name: total.count for name, total in state.phases.items()} == counts
        assert state.step == step
        assert state.events == marks
        if opened:
            assert state.phase == opened[-1]
        events = list(recording.new_events())
        assert [(event.entered, event.phase) for event in events] == ring
        assert [event.number for event in events] == list(range(1, len(ring) + 1))
        assert all(total.max_s <= total.total_s for total in state.phases.values())
        assert list(recording.new_events()) == []


@given(st.sampled_from(layout.PHASES), st.lists(PHASES, max_size=5), st.integers(0, 7))
@settings(deadline=None, max_examples=60)
def test_a_phase_at_rest_is_read_at_its_depth(at_rest: str, shown: list[str], depth: int) -> None:
    with recorded() as (recorder, path), reading(path) as recording:
        for name in shown:
            recorder.enter(phase_id(name))
        recorder.words[layout.AT_REST] = (phase_id(at_rest) + 1) * 256 + layout.STACK + 2 * depth
        stack = recording.state().path
        if depth > len(shown) or at_rest in shown[max(depth - 1, 0) : depth + 1]:
            assert list(stack) == shown  # left from a moment ago
        else:
            assert list(stack) == [*shown[:depth], at_rest, *shown[depth:]]


def test_steps_of_an_optimizer_are_events_even_while_its_mark_is_at_rest() -> None:
    with recorded() as (recorder, path), reading(path) as recording:
        before = recording.state().events
        recorder.words[layout.OPTIMIZER_STEPS] += 3
        assert recording.state().events == before + 3


def test_a_whole_phase_that_is_short_and_comes_often_stays_out_of_the_ring_for_a_while() -> None:
    with pytest.MonkeyPatch.context() as patch, recorded() as (recorder, path), reading(path) as recording:
        patch.setattr(recorder_module, "_SHORT_WHOLE_NS", 10_000_000_000)
        patch.setattr(recorder_module, "_OFTEN_NS", 10_000_000_000)
        for _ in range(400):
            token = recorder.enter(phase_id("collect"))
            assert recording.state().path == ("collect",)
            recorder.leave(token)
        assert recording.state().phases["collect"].count == 400
        events = list(recording.new_events())
        assert [event.entered for event in events] == [True, False] * (len(events) // 2)
        assert 8 <= len(events) <= 30
        # One that takes long is told, and the next ones with it; the first of them was entered out of the ring.
        row = recorder.row(phase_id("collect"))
        while row[0] >= row[3]:
            recorder.leave(recorder.enter(phase_id("collect")))
        list(recording.new_events())
        patch.setattr(recorder_module, "_SHORT_WHOLE_NS", 0)
        for _ in range(3):
            recorder.leave(recorder.enter(phase_id("collect")))
        assert [event.entered for event in recording.new_events()] == [False, True, False, True, False]


def test_times_are_those_of_the_monotonic_clock() -> None:
    with recorded() as (recorder, path), reading(path) as recording:
        before = time.monotonic_ns()
        token = recorder.enter(phase_id("train"))
        time.sleep(0.02)
        recorder.leave(token)
        after = time.monotonic_ns()
        state = recording.state()
        entered, left = recording.new_events()
        assert before <= entered.at_ns <= left.at_ns == state.last_event_ns <= after
        assert 0.02 <= left.took_s <= (after - before) / 1e9
        assert state.phases["train"].total_s == pytest.approx(left.took_s)


def test_a_ring_that_has_wrapped_gives_the_newest_records_in_order() -> None:
    phase = phase_id("train")
    with recorded() as (recorder, path), reading(path) as recording:
        for _ in range(layout.RING_CAPACITY):
            recorder.leave(recorder.enter(phase))
        numbers = [event.number for event in recording.new_events()]
        assert numbers == list(range(layout.RING_CAPACITY + 1, 2 * layout.RING_CAPACITY + 1))
        recorder.leave(recorder.enter(phase))
        assert [event.number for event in recording.new_events()] == [
            2 * layout.RING_CAPACITY + 1,
            2 * layout.RING_CAPACITY + 2,
        ]


@given(st.integers(1, 20), st.integers(0, layout.RECORD.size + 3), st.integers(1, 255))
@settings(deadline=None, max_examples=40)
def test_a_torn_record_is_passed_over(number: int, byte: int, change: int) -> None:
    with recorded() as (recorder, path), reading(path) as recording:
        for _ in range(10):
            recorder.leave(recorder.enter(phase_id("train")))
        place = layout.RING_OFFSET + number * layout.RECORD_SIZE + byte
        with path.open("r+b") as file:
            file.seek(place)
            old = file.read(1)[0]
            file.seek(place)
            file.write(bytes([old ^ change]))
        assert [event.number for event in recording.new_events()] == [n for n in range(1, 21) if n != number]


def test_a_record_of_an_earlier_round_in_the_place_of_a_newer_one_is_passed_over() -> None:
    with recorded() as (recorder, path), reading(path) as recording:
        recorder.leave(recorder.enter(phase_id("train")))
        recorder.words[layout.RING_COUNT] = layout.RING_CAPACITY + 2
        assert [event.number for event in recording.new_events()] == []


TEXT = st.text(st.characters(codec="utf-8"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5),
    max_leaves=20,
)


@given(st.dictionaries(TEXT, JSON, max_size=6))
@settings(deadline=None)
def test_a_text_slot_gives_back_what_was_written(value: dict[str, Any]) -> None:
    with recorded() as (recorder, path), reading(path) as recording:
        assert recording.text("facts") is None
        recorder.text("facts", value)
        assert recording.text("facts") == value
        assert recording.text("exception") is None


@pytest.mark.parametrize(
    "bulk",
    [
        "x" * 40_000,
        "\x00" * 9_000,
        "é" * 20_000,
        "\ud800" * 20_000,
        [{"file": "f" * 200, "line": n} for n in range(400)],
    ],
    ids=["long", "escaped", "wide", "surrogates", "rows"],
)
def test_a_text_that_is_too_long_loses_its_middle_and_no_key(bulk: Any) -> None:
    with recorded() as (recorder, path), reading(path) as recording:
        recorder.text("exception", {"type": "ValueError", "message": bulk, "step": 7})
        value = recording.text("exception")
        assert value is not None
        assert value["type"] == "ValueError"
        assert value["step"] == 7
        kept = bulk.replace("\ud800", "?") if isinstance(bulk, str) else bulk
        assert (value["message"][0], value["message"][-1]) == (kept[0], kept[-1])
        assert 20 < len(value["message"]) < len(kept)


def test_a_text_of_nothing_but_keys_is_left_out() -> None:
    with recorded() as (recorder, path), reading(path) as recording:
        recorder.text("facts", {f"key {n}": None for n in range(5_000)})
        assert recording.text("facts") is None


def test_a_torn_text_is_none() -> None:
    with recorded() as (recorder, path), reading(path) as recording:
        recorder.text("facts", {"key": "value"})
        with path.open("r+b") as file:
            file.seek(layout.TEXT_OFFSET + layout.TEXT_HEADER.size + 3)
            file.write(b"\xff")
        assert recording.text("facts") is None


@pytest.mark.parametrize("body", [b"[1, 2]", b"3", b"{broken", b"\xff\xfe", b""])
def test_a_text_that_is_no_object_is_none(body: bytes) -> None:
    with recorded() as (_, path), reading(path) as recording:
        with path.open("r+b") as file:
            file.seek(layout.TEXT_OFFSET)
            file.write(layout.TEXT_HEADER.pack(1, len(body), zlib.crc32(body)) + body)
        assert recording.text("facts") is None


def use(path: Path) -> None:
    """All that a reader does; FlightError is the only error there may be."""
    try:
        recording = FlightRecording(path)
    except FlightError:
        return
    try:
        state = recording.state()
        assert state.phase in (*layout.PHASES, "setup", "exit")
        assert all(name in layout.PHASES for name in state.path)
        for event in recording.new_events():
            assert event.phase in layout.PHASES
        for slot in layout.TEXTS:
            assert recording.text(slot) is None or isinstance(recording.text(slot), dict)
        recording.request_census()
        recording.state()
    except FlightError:
        pass
    finally:
        recording.close()


def genuine() -> bytes:
    """A recording with something in every part of it."""
    with recorded() as (recorder, path):
        recorder.text("facts", {"algorithm": "PPO"})
        for number in range(50):
            token = recorder.enter(phase_id("learn"))
            recorder.step(number)
            recorder.leave(recorder.enter(phase_id("train")))
            if number % 2:
                recorder.leave(token)
        return path.read_bytes()


GENUINE = genuine()


@given(st.integers(0, len(GENUINE)))
@settings(deadline=None, max_examples=40)
def test_a_truncated_file_gives_a_clear_error(length: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "1-1.bin")
        path.write_bytes(GENUINE[:length])
        use(path)


@given(st.integers(0, 2**32), st.sampled_from(["all", "state", "texts", "ring", "blocks", "bits"]))
@settings(deadline=None, max_examples=60)
def test_random_and_shuffled_bytes_give_an_error_or_a_sensible_state(seed: int, what: str) -> None:
    source = random.Random(seed)  # noqa: S311
    data = bytearray(GENUINE)
    parts = {
        "all": (0, len(data)),
        "state": (layout.STATE_OFFSET, layout.TEXT_OFFSET),
        "texts": (layout.TEXT_OFFSET, layout.RING_OFFSET),
        "ring": (layout.RING_OFFSET, len(data)),
    }
    if what in parts:
        begin, end = parts[what]
        data[begin:end] = source.randbytes(end - begin)
    elif what == "blocks":
        blocks = [data[place : place + 4096] for place in range(0, len(data), 4096)]
        source.shuffle(blocks)
        data = bytearray(b"".join(blocks))
    else:
        for _ in range(200):
            data[source.randrange(len(data))] ^= 1 << source.randrange(8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "1-1.bin")
        path.write_bytes(data)
        use(path)


@pytest.mark.parametrize("word", [-(2**63), -1, 2**63 - 1, 10**12])
def test_absurd_figures_in_the_state_do_no_harm(word: int, tmp_path: Path) -> None:
    path = tmp_path / "1-1.bin"
    words = word.to_bytes(8, "little", signed=True) * layout.STATE_WORDS
    path.write_bytes(GENUINE[: layout.STATE_OFFSET] + words + GENUINE[layout.TEXT_OFFSET :])
    use(path)


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), os.mkfifo, lambda path: path.symlink_to(path)])
def test_what_is_no_file_gives_an_error(make: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "1-1.bin"
    make(path)
    with pytest.raises(FlightError, match=r"1-1\.bin"):
        FlightRecording(path)


def test_a_file_cut_short_while_it_is_read_gives_an_error_and_not_a_signal(tmp_path: Path) -> None:
    path = tmp_path / "1-1.bin"
    path.write_bytes(GENUINE)
    with reading(path) as recording:
        os.truncate(path, 100)
        with pytest.raises(FlightError, match="cut short"):
            recording.state()
        with pytest.raises(FlightError, match="cut short"):
            list(recording.new_events())
        assert recording.text("facts") is None
        recording.request_census()


def test_another_version_is_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "1-1.bin"
    path.write_bytes(layout.MAGIC + (99).to_bytes(2, "little") + GENUINE[10:])
    with pytest.raises(FlightError, match="format 99"):
        FlightRecording(path)


def test_a_recording_that_may_only_be_read_is_read(tmp_path: Path) -> None:
    path = tmp_path / "1-1.bin"
    path.write_bytes(GENUINE)
    path.chmod(stat.S_IRUSR)
    with reading(path) as recording:
        assert recording.state().step == 49


LIVE = """
    import sys
    from _freezelab_agent import layout
    from _freezelab_agent.recorder import phase_id, recorder
    recorder.open(sys.argv[1])
    recorder.text("facts", {"n": 3})
    learn, step = recorder.enter(phase_id("learn")), 0
    print("ready", flush=True)
    while True:
        step += 1
        recorder.step(step)
        recorder.leave(recorder.enter(phase_id("train")))
"""


def test_a_live_process_is_read_while_it_writes_and_after_it_was_killed(
    agent: Agent, write: Write, start: Start
) -> None:
    process = start([sys.executable, write(LIVE), agent.flight], env=agent.environment(), stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    (path,) = agent.flight.glob("*.bin")
    with reading(path) as recording:
        assert recording.pid == process.pid
        seen_steps: list[int] = []
        deadline = time.monotonic() + 30
        while len(seen_steps) < 40 or seen_steps[-1] == seen_steps[0]:
            assert time.monotonic() < deadline, seen_steps
            state = recording.state()
            assert state.path[:1] == ("learn",)
            if state.step is None:
                continue  # the first step is not done yet
            seen_steps.append(state.step)
            numbers = [event.number for event in recording.new_events()]
            assert numbers == sorted(numbers)
        assert seen_steps == sorted(seen_steps)
        process.send_signal(signal.SIGKILL)
        process.wait()
        last = recording.state()
        assert last.path[:1] == ("learn",)
        assert last.step is not None
        assert last.step >= seen_steps[-1]
    with reading(path) as again:
        assert again.state() == last
        assert again.text("facts") == {"n": 3}


def test_the_reader_can_ask_for_a_census() -> None:
    with recorded() as (recorder, path), reading(path) as recording:
        recording.request_census()
        recording.request_census()
        assert recorder.words[layout.CENSUS_REQUEST] == 2


def works_blind(recorder: Recorder) -> None:
    """Everything that training calls, on a recorder that has no file."""
    assert recorder.path is None
    for _ in range(3):
        token = recorder.enter(phase_id("learn"))
        recorder.step(5)
        recorder.gauge(layout.EPOCH, 2)
        recorder.gauge(layout.EPOCH, "not a number")
        recorder.text("facts", {"key": 1})
        recorder.fault("test", ValueError("x"))
        recorder.leave(token)
    assert recorder.words[layout.STEP] == 5


def test_without_its_folder_the_recorder_stays_blind(tmp_path: Path) -> None:
    recorder = Recorder()
    recorder.open(str(tmp_path / "missing"))
    works_blind(recorder)


def test_where_a_file_is_in_the_place_of_the_folder_the_recorder_stays_blind(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    recorder = Recorder()
    recorder.open(str(tmp_path / "file"))
    works_blind(recorder)


def test_on_a_full_disk_the_recorder_stays_blind_and_leaves_nothing(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    recorder = Recorder()
    resource.setrlimit(resource.RLIMIT_FSIZE, (layout.FILE_SIZE // 2, hard))
    try:
        recorder.open(str(tmp_path))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    works_blind(recorder)
    assert list(tmp_path.iterdir()) == []


def test_a_child_of_a_fork_begins_a_file_of_its_own_with_nothing_open(agent: Agent, write: Write) -> None:
    script = write("""
        import os, sys
        from _freezelab_agent.recorder import phase_id, recorder
        recorder.open(sys.argv[1])
        token = recorder.enter(phase_id("learn"))
        inner = recorder.enter(phase_id("collect"))
        pid = os.fork()
        # The child leaves phases that it never entered, then enters one of its own.
        recorder.leave(inner)
        recorder.leave(token)
        if pid == 0:
            recorder.enter(phase_id("train"))
            os._exit(0)
        os.waitpid(pid, 0)
    """)
    assert agent.run(script, agent.flight).returncode == 0
    recordings = {recording.parent_pid: recording for recording in agent.recordings()}
    assert len(recordings) == 2
    parent = recordings[os.getpid()]
    child = recordings[parent.pid]
    assert child.state().path == ("train",)
    assert list(child.state().phases) == []
    assert parent.state().path == ()
    assert set(parent.state().phases) == {"learn", "collect"}
    for recording in recordings.values():
        recording.close()


def test_another_thread_counts_as_life_but_does_not_touch_the_phases() -> None:
    import threading

    with recorded() as (recorder, path), reading(path) as recording:
        recorder.enter(phase_id("learn"))

        def other() -> None:
            recorder.leave(recorder.enter(phase_id("env.step")))

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        state = recording.state()
        assert state.path == ("learn",)
        assert state.events == 2
        assert "env.step" not in state.phases
