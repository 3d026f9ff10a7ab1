"""Marks: a function that is marked behaves, looks and pickles as it did."""

# Classes are made from bases that are made, each for one test: no checker can follow that.
# mypy: disable-error-code="misc, valid-type, call-arg, no-any-return, func-returns-value, import-untyped"

from __future__ import annotations

import copy
import inspect
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import cloudpickle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.agent import layout, marks, watched
from probes.agent import learner as learner_module
from probes.agent.marks import Failure, mark
from probes.agent.recorder import Recorder, phase_id
from probes.agent.watched import by_value, watch_class

if TYPE_CHECKING:
    from tests.probes.conftest import Write


@pytest.fixture(autouse=True)
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """A recorder for each test, in memory."""
    fresh = Recorder()
    fresh.expect_threads(any_yet=False)
    monkeypatch.setattr(marks, "recorder", fresh)
    monkeypatch.setattr(watched, "recorder", fresh)
    monkeypatch.setattr(watched, "_watched", [])
    return fresh


def phases(recorder: Recorder) -> dict[str, int]:
    """How often each phase was passed through."""
    table = layout.PHASE_TABLE
    counts = {name: recorder.words[table + layout.PHASE_COLUMNS * n] for n, name in enumerate(layout.PHASES)}
    return {name: count for name, count in counts.items() if count}


def plain(first: object, *rest: object, key: object = None, **more: object) -> tuple[object, ...]:
    """What was given."""
    return first, rest, key, more


VALUES = st.one_of(st.none(), st.integers(), st.text(), st.lists(st.integers()))


@given(VALUES, st.lists(VALUES), VALUES, st.dictionaries(st.text(min_size=1), VALUES))
def test_arguments_and_results_go_through_unchanged(
    first: object, rest: list[object], key: object, more: dict[str, object]
) -> None:
    for taken in ("first", "key"):
        more.pop(taken, None)
    marked = mark(plain, "env.step")
    assert marked(first, *rest, key=key, **more) == plain(first, *rest, key=key, **more)


def test_the_very_same_object_comes_back() -> None:
    thing = object()
    assert mark(lambda: thing, "env.step")() is thing


def test_the_very_same_error_goes_on(recorder: Recorder) -> None:
    error = KeyboardInterrupt()

    def fail() -> None:
        raise error

    with pytest.raises(KeyboardInterrupt) as caught:
        mark(fail, "train")()
    assert caught.value is error
    assert recorder.open_phases == []
    assert [layout.PHASES[phase] for phase in Failure.phases] == ["train"]


def test_an_error_is_known_by_the_innermost_phase_it_passed_through() -> None:
    def fail() -> None:
        raise ValueError

    inner = mark(fail, "env.step")
    outer = mark(lambda: inner(), "collect")
    for _ in range(3):  # a new error may come to lie where the last one did
        with pytest.raises(ValueError):  # noqa: PT011
            outer()
        assert [layout.PHASES[phase] for phase in Failure.phases] == ["collect", "env.step"]
        with pytest.raises(ValueError):  # noqa: PT011
            inner()
        assert [layout.PHASES[phase] for phase in Failure.phases] == ["env.step"]


def test_a_phase_inside_the_same_phase_is_one_phase(recorder: Recorder) -> None:
    inner = mark(lambda: 1, "env.step")
    assert mark(lambda: inner(), "env.step")() == 1
    assert phases(recorder) == {"env.step": 1}


def test_a_generator_goes_on_as_it_did() -> None:
    def count(stop: int) -> Iterator[int]:
        sent = yield from range(stop)
        return sent

    marked = mark(count, "sample")
    generator = marked(3)
    assert inspect.isgenerator(generator)
    assert list(generator) == [0, 1, 2]


def test_a_fault_before_the_call_is_swallowed_and_recorded(recorder: Recorder) -> None:
    def broken(*args: object) -> None:
        raise RuntimeError("ours")

    faults: list[tuple[str, BaseException]] = []
    recorder.fault = lambda where, error: faults.append((where, error))  # type: ignore[method-assign]
    assert mark(lambda value: value, "learn", broken)(5) == 5
    assert [str(error) for _, error in faults] == ["ours"]


class Walk:
    """Stands for an environment of a user's."""

    def step(self, action: int = 0) -> int:
        """Takes a step."""
        return action + 1


def test_a_marked_method_looks_like_the_method() -> None:
    marked = mark(Walk.step, "env.step")
    assert marked.__name__ == "step"
    assert marked.__qualname__ == "Walk.step"
    assert marked.__doc__ == "Takes a step."
    assert inspect.signature(marked) == inspect.signature(Walk.step)


def make_class() -> Any:
    class Made(Walk):
        def step(self, action: int = 0) -> int:
            return super().step(action)

        reset = step

    for name in ("step", "reset"):
        function = getattr(Made, name)
        setattr(Made, name, by_value(function, mark(function, "env.step")))
    return Made


def test_a_marked_method_is_bound_and_copied_like_a_method(recorder: Recorder) -> None:
    made = make_class()
    walk = made()
    assert inspect.ismethod(walk.step)
    assert inspect.isfunction(made.step)
    assert walk.step(4) == 5
    assert copy.deepcopy(walk).step(4) == 5
    assert copy.copy(made.step) is made.step
    assert phases(recorder) == {"env.step": 2}


LOADING = """
    import pickle, sys
    made, bound = pickle.load(open(sys.argv[1], "rb"))
    assert made().step(1) == made().reset(1) == bound(1) == 2
    assert type(made.step).__name__ == "function"
    print([name for name in sys.modules if "freezelab" in name or name.startswith("probes")])
"""


def test_what_is_pickled_by_value_works_where_there_is_no_agent(write: Write) -> None:
    walk = Walk
    made = make_class()
    stored = write("", "made.pkl")
    # Walk is this module's: it has to come along.
    cloudpickle.register_pickle_by_value(sys.modules[walk.__module__])
    try:
        stored.write_bytes(cloudpickle.dumps((made, made().step)))
    finally:
        cloudpickle.unregister_pickle_by_value(sys.modules[walk.__module__])
    done = subprocess.run(
        [sys.executable, "-I", write(LOADING), stored], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "[]\n", done.stderr


def test_what_comes_by_value_is_marked_again_not_twice(recorder: Recorder) -> None:
    base = watched_base()
    watch_class(base, {"step": "env.step"}, wrap)

    class Sent(base):
        def step(self) -> str:
            return "sent"

    original = Sent.step.__wrapped__  # type: ignore[attr-defined]
    arrived = type("Arrived", (base,), {})
    # As cloudpickle does it: an empty class first, then what is in it.
    arrived.step = cloudpickle.loads(cloudpickle.dumps(Sent.step))  # type: ignore[attr-defined]
    watched.mark_again(arrived)
    assert arrived.step.__wrapped__.__code__ == original.__code__  # type: ignore[attr-defined]
    assert arrived().step() == "sent"
    assert phases(recorder) == {"env.step": 1}


def target() -> int:
    """Stands for a library's function that is marked in its module."""
    return 3


def test_a_function_that_is_marked_in_its_module_is_pickled_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    original = target
    marked = mark(original, "eval")
    monkeypatch.setitem(globals(), "target", marked)
    assert pickle.loads(pickle.dumps(marked)) is marked  # noqa: S301
    assert cloudpickle.loads(cloudpickle.dumps(marked)) is marked
    stored = pickle.dumps(marked)
    monkeypatch.setitem(globals(), "target", original)
    assert pickle.loads(stored) is original  # noqa: S301


def watched_base() -> Any:
    class Base:
        made: ClassVar[list[str]] = []

        def __init_subclass__(cls, *, tag: str = "", **kwargs: object) -> None:
            super().__init_subclass__(**kwargs)
            Base.made.append(tag)

        def step(self) -> str:
            return "base"

    return Base


def wrap(function: Any, phase: str, name: str) -> Any:
    return mark(function, phase)


def test_classes_that_exist_and_classes_that_come_later_are_marked(recorder: Recorder) -> None:
    base = watched_base()

    class Early(base):
        def step(self) -> str:
            return "early"

    watch_class(base, {"step": "env.step"}, wrap)

    class Late(base, tag="late"):
        def step(self) -> str:
            return "late " + super().step()

    class Heir(Late):
        pass

    assert [cls().step() for cls in (base, Early, Late, Heir)] == ["base", "early", "late base", "late base"]
    assert phases(recorder) == {"env.step": 4}
    assert base.made == ["", "late", ""]


def test_a_class_of_two_watched_bases_is_marked_for_each(recorder: Recorder) -> None:
    first, second = watched_base(), watched_base()
    second.learn = lambda self: "learnt"
    watch_class(first, {"step": "env.step"}, wrap)
    watch_class(second, {"learn": "learn"}, wrap)

    class Both(first, second):
        def step(self) -> str:
            return "both"

        def learn(self) -> str:
            return "both"

    Both().step()
    Both().learn()
    assert phases(recorder) == {"env.step": 1, "learn": 1}


def test_what_is_no_plain_function_is_left_alone() -> None:
    base = watched_base()
    watch_class(base, {"step": "env.step"}, wrap)

    class Odd(base):
        step = staticmethod(lambda: "static")

    class Data(base):
        step = 0.01

    assert Odd().step() == "static"
    assert Data().step == 0.01


def test_skipped_classes_are_left_alone(recorder: Recorder) -> None:
    base = watched_base()

    class Wrapper(base):
        def step(self) -> str:
            return "wrapper"

    watch_class(base, {"step": "env.step"}, wrap, skip=lambda cls: issubclass(cls, Wrapper))
    Wrapper().step()
    assert phases(recorder) == {}


def test_a_class_that_is_filled_in_after_it_was_made_is_marked_too(recorder: Recorder) -> None:
    base = watched_base()
    watch_class(base, {"step": "env.step"}, wrap)
    filled = type("Filled", (base,), {})
    filled.step = lambda self: "filled"  # type: ignore[attr-defined]
    watched.mark_again(filled)
    watched.mark_again(filled)
    assert filled().step() == "filled"
    assert phases(recorder) == {"env.step": 1}


def test_a_short_phase_that_comes_often_is_counted_each_time_and_shown_now_and_then(recorder: Recorder) -> None:
    waited_ns = 20_000

    def wait() -> None:
        until = time.monotonic_ns() + waited_ns
        while time.monotonic_ns() < until:
            pass

    marked = mark(wait, "policy")
    began = time.monotonic_ns()
    for _ in range(3000):
        marked()
    took_ns = time.monotonic_ns() - began
    count, total_ns, longest_ns, _, shown_at, _ = recorder.row(phase_id("policy"))
    assert count == 3000
    assert count - 80 < shown_at <= count
    assert 3000 * waited_ns * 0.9 < total_ns
    assert longest_ns <= took_ns


def test_a_phase_that_takes_long_is_timed_each_time(recorder: Recorder) -> None:
    marked = mark(lambda: time.sleep(0.002), "env.step")
    began = time.monotonic_ns()
    for _ in range(50):
        marked()
    took_ns = time.monotonic_ns() - began
    count, total_ns, longest_ns, _, shown_at, _ = recorder.row(phase_id("env.step"))
    assert count == shown_at == 50
    assert 50 * 2_000_000 <= total_ns <= took_ns
    assert 2_000_000 <= longest_ns <= total_ns


def test_a_short_phase_that_comes_rarely_is_shown_each_time(recorder: Recorder) -> None:
    marked = mark(lambda: None, "policy")
    for _ in range(20):
        marked()
        time.sleep(0.012)
    assert phases(recorder) == {"policy": 20}


def at_rest(recorder: Recorder, phase: str) -> Iterator[None]:
    """Passes through a phase until its mark is at rest, and again before each item."""
    marked = mark(lambda: None, phase)
    row = recorder.row(phase_id(phase))
    while True:
        while row[3] - row[0] < 3:
            marked()
        yield


ARGUMENTS = pytest.mark.parametrize("arguments", [(), (1,), (1, 2), (1, 2, 3)])
"""What the user's code is called with at every step: one argument or two, but perhaps others."""


@ARGUMENTS
@pytest.mark.parametrize("phase", layout.TOLD_AT_REST)
def test_a_mark_at_rest_tells_where_the_users_code_runs(
    recorder: Recorder, phase: str, arguments: tuple[int, ...]
) -> None:
    resting = at_rest(recorder, phase)
    next(resting)
    seen: list[tuple[int, list[int]]] = []
    inside = mark(lambda *_: seen.append((recorder.words[layout.AT_REST], recorder.open_phases)), phase)
    whole = mark(lambda: inside(*arguments), "collect")
    next(resting)
    whole()
    word = (phase_id(phase) + 1) * 256 + layout.STACK + 2
    assert seen == [(word, [phase_id("collect"), phase_id(phase)])]
    assert (recorder.words[layout.AT_REST], recorder.open_phases) == (0, [])


@ARGUMENTS
def test_marks_at_rest_inside_one_another_are_told_in_their_order(
    recorder: Recorder, arguments: tuple[int, ...]
) -> None:
    for phase in ("env.step", "callback", "policy"):
        next(at_rest(recorder, phase))
    seen: list[list[str]] = []

    def look(*_: object) -> None:
        seen.append([layout.PHASES[phase] for phase in recorder.open_phases])

    def callback(*_: object) -> None:
        look()
        mark(mark(look, "env.step"), "env.step")(*arguments)
        look()
        mark(look, "policy")()
        mark(look, "eval")()

    before = {phase: recorder.row(phase_id(phase))[0] for phase in ("env.step", "callback", "policy")}
    mark(callback, "callback")(*arguments)
    assert seen == [[*path.split()] for path in (
        "callback", "callback env.step", "callback", "callback policy", "callback eval"
    )]  # fmt: skip
    assert {phase: recorder.row(phase_id(phase))[0] - count for phase, count in before.items()} == dict.fromkeys(
        before, 1
    )
    assert (recorder.words[layout.AT_REST], recorder.open_phases) == (0, [])


@ARGUMENTS
def test_counts_of_marks_at_rest_are_told_when_a_long_phase_ends(
    recorder: Recorder, arguments: tuple[int, ...]
) -> None:
    policy, step = mark(lambda: None, "policy"), mark(lambda *_: None, "env.step")
    seen: list[dict[str, int]] = []

    def collect() -> None:
        for _ in range(1000):
            policy()
            step(*arguments)
        seen.append(phases(recorder))

    mark(collect, "collect")()
    assert seen[0]["env.step"] == 1000
    assert 900 < seen[0]["policy"] <= 1000
    assert phases(recorder) == {"policy": 1000, "env.step": 1000, "collect": 1}


@ARGUMENTS
def test_an_error_is_known_by_its_innermost_phase_also_through_marks_at_rest(
    recorder: Recorder, arguments: tuple[int, ...]
) -> None:
    def fail() -> None:
        raise ValueError

    inner = mark(fail, "policy")
    middle = mark(lambda *_: inner(), "callback")
    outer = mark(lambda: middle(*arguments), "collect")
    for _ in range(20):
        for phase in ("policy", "callback"):
            next(at_rest(recorder, phase))
        with pytest.raises(ValueError):  # noqa: PT011
            outer()
        # Of those at rest the innermost is known.
        assert [layout.PHASES[phase] for phase in Failure.phases] == ["collect", "policy"]
        assert recorder.open_phases == []
        assert recorder.words[layout.AT_REST] == 0


def test_an_error_of_the_call_itself_is_that_of_the_function(recorder: Recorder) -> None:
    def step(env: object, action: object) -> object:
        return action

    marked = mark(step, "env.step")
    for _ in range(3):
        next(at_rest(recorder, "env.step"))
        assert marked(1, action=2) == marked(1, 2) == 2
        for wrong in ((), (1,), (1, 2, 3)):
            with pytest.raises(TypeError, match=r"step\(\) "):
                marked(*wrong)
        assert (recorder.words[layout.AT_REST], recorder.open_phases) == (0, [])


def test_what_can_be_called_without_arguments_still_can(recorder: Recorder) -> None:
    def step(env: int = 1, action: int = 2) -> int:
        return 10 * env + action

    marked = mark(step, "env.step")
    for _ in range(100):
        assert (marked(), marked(3), marked(3, 4)) == (12, 32, 34)
    assert phases(recorder) == {"env.step": 300}


def test_the_step_is_told_before_the_users_code_at_rest_too(recorder: Recorder) -> None:
    class Model:
        num_timesteps: Any = 0

    class Broken:
        @property
        def num_timesteps(self) -> int:
            raise RuntimeError

    model, seen = Model(), []
    marked = mark(lambda env: seen.append(recorder.words[layout.STEP]), "env.step", learner_module.learner.tell_step)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learner_module, "recorder", recorder)
        patch.setattr(learner_module.learner, "model", model)
        for model.num_timesteps in range(500):
            marked(1)
        assert seen == list(range(500))
        patch.setattr(learner_module.learner, "model", Broken())
        for _ in range(100):
            marked(1)
    assert len(seen) == 600
    assert any("RuntimeError" in fault for fault in recorder._faults)


@pytest.mark.parametrize("phase", ["policy", "env.step"])
def test_a_fault_of_ours_at_rest_is_swallowed(recorder: Recorder, phase: str) -> None:
    def fault(*arguments: object) -> None:
        raise RuntimeError("ours")

    marked = mark(lambda: 7, phase, fault, fault)
    assert [marked() for _ in range(50)] == [7] * 50
    assert phases(recorder)[phase] > 0


@ARGUMENTS
@pytest.mark.parametrize("phase", ["policy", "env.step"])
def test_on_another_thread_a_mark_at_rest_counts_as_life(
    recorder: Recorder, phase: str, arguments: tuple[int, ...]
) -> None:
    next(at_rest(recorder, phase))
    recorder.expect_threads(any_yet=True)
    marked = mark(lambda *_: None, phase)

    def collect() -> None:
        other = threading.Thread(target=lambda: [marked(*arguments) for _ in range(10)])
        other.start()
        other.join()

    mark(collect, "collect")()
    assert recorder.words[layout.FOREIGN_EVENTS] == 10


def test_a_mark_that_outlives_a_thread_check_is_shown_on_one_thread_only(recorder: Recorder) -> None:
    recorder.expect_threads(any_yet=True)
    seen: list[list[int]] = []
    inner = mark(lambda: seen.append(recorder.open_phases), "policy")

    def outer() -> None:
        other = threading.Thread(target=inner)
        other.start()
        other.join()
        inner()

    mark(outer, "env.step")()
    step, policy = phase_id("env.step"), phase_id("policy")
    assert seen == [[step], [step, policy]]
    assert recorder.open_phases == []
    assert recorder.words[layout.FOREIGN_EVENTS] == 1
