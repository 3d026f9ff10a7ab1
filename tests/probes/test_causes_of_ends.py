"""Known causes of slow runs and bad ends: each fits its own evidence and none of its near misses."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from probes import causes, culprit
from probes.agent import giver
from probes.causes import CAUSES, Finding
from probes.diagnosis import Culprit, Evidence
from probes.evidence import Ending
from probes.evidence.last_words import last_words
from probes.evidence.slow_part import slow_part
from probes.heap import messages as heap
from probes.observer import Observations, Observer
from probes.pace import Slowing
from probes.profile import Profile
from probes.stacks import Frame
from probes.system import mappings
from probes.tracebacks import is_memory_error
from probes.verdicts import Verdict

ME = Culprit("step", "/me/train.py", 3, None, None)
SITE = "/x/lib/python3.11/site-packages"
SB3 = f"{SITE}/stable_baselines3/common"
DUMMY, SUBPROC, BUFFERS = f"{SB3}/vec_env/dummy_vec_env.py", f"{SB3}/vec_env/subproc_vec_env.py", f"{SB3}/buffers.py"
MONITOR, PREPROCESSING, UTILS = f"{SB3}/monitor.py", f"{SB3}/preprocessing.py", f"{SB3}/utils.py"
GYM = f"{SITE}/gymnasium"
CUDA = f"{SITE}/torch/cuda/__init__.py"
STD = "/x/lib/python3.11/multiprocessing"


def raised(kind: str, message: str, *frames: tuple[str, str], facts: dict[str, Any] | None = None) -> Finding:
    """:param frames: function and file, outermost first."""
    rows = [{"function": function, "file": file, "line": 1} for function, file in frames]
    memory = is_memory_error(kind, message)
    detail = {"type": kind, "message": message, "frames": rows}
    return Finding(
        Verdict.OOM if memory else Verdict.EXCEPTION,
        "collect",
        ME,
        {"memory-error" if memory else "uncaught-exception": detail},
        facts or {},
    )


def crashed(signal: str, kind: str, detail: dict[str, Any]) -> Finding:
    return Finding(Verdict.CRASH, "collect", ME, {"ended-by-signal": {"signal": signal}, kind: detail}, {})


def said(message: str) -> Finding:
    family = heap.classify(message)
    return crashed(
        "SIGABRT", "heap-message", {"message": message, "family": str(family) if family is not None else None}
    )


def freed_by(library: str, message: str) -> Finding:
    found = said(message)
    death = {"noticed_by": {"function": "clear", "library": library}, "frames": []}
    return replace(found, details={**found.details, "death-stack": death})


def slowed(**shares: float) -> Finding:
    figures = {"copying": 0.0, "collecting": 0.0, **shares}
    return Finding(Verdict.SLOWDOWN, "collect", ME, {"ever-slower": {"phase": "collect"}, "slow-part": figures}, {})


def mapped(signal: str = "SIGBUS", *, full: bool = False) -> Finding:
    row = {"path": "/data/prices", "mapped": 8192, "bytes": 100, "full": full}
    return crashed(signal, "broken-mapping", {"signal": signal, "mappings": [row]})


KEY = raised("KeyError", "'news'", ("step_wait", DUMMY), ("_save_obs", DUMMY))
NOT_A_NUMBER = "float() argument must be a string or a real number, not 'NoneType'"
TYPE = raised("TypeError", NOT_A_NUMBER, ("step_wait", DUMMY), ("_save_obs", DUMMY))
RANGE = raised(
    "RuntimeError",
    "Class values must be smaller than num_classes.",
    ("forward", f"{SB3}/p.py"),
    ("preprocess_obs", PREPROCESSING),
)
INVALID = "array([1]) (<class 'numpy.ndarray'>) invalid"
ACTION = raised("AssertionError", INVALID, ("step", MONITOR), ("step", f"{GYM}/envs/classic_control/cartpole.py"))
STEPPED = raised("RuntimeError", "Tried to step environment that needs reset", ("step", MONITOR))
EARLY = raised("RuntimeError", "Tried to reset an environment before done. If you want", ("reset", MONITOR))
NO_CUDA = raised("RuntimeError", "No CUDA GPUs are available", ("to", f"{SITE}/torch/m.py"), ("_lazy_init", CUDA))
WSL = raised(
    "RuntimeError",
    "Unexpected error from cudaGetDeviceCount(). Did you run some cuda functions before calling NumCudaDevices() that "
    "might have already set an error? Error 500: named symbol not found",
    ("_lazy_init", CUDA),
    facts={"wsl": True},
)
LARGE = raised("_ArrayMemoryError", "Unable to allocate 37. GiB for an array", ("__init__", BUFFERS))
REFUSED = raised(
    "RuntimeError", "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes", ("f", "/me/a.py")
)
NO_ROOM = "[Errno 28] No space left on device"
SHARED = raised("OSError", NO_ROOM, ("__init__", f"{STD}/heap.py"))
TERMINATED = crashed("SIGABRT", "last-words", {"kind": "terminate", "type": "std::out_of_range", "what": "vector"})
ASSERTED = crashed("SIGABRT", "last-words", {"kind": "assertion", "condition": "x > 0", "file": "a.c", "line": 3})

ASSERTED_ON_GPU = "CUDA error: device-side assert triggered\n"
LATE = f"{ASSERTED_ON_GPU}CUDA kernel errors might be asynchronously reported at some other API call, so"
FORKED = "Cannot re-initialize CUDA in forked subprocess. To use CUDA with multiprocessing, you must use"

CASES = {
    "fork-after-cuda": raised("RuntimeError", FORKED, ("step", "/me/env.py"), ("_lazy_init", CUDA)),
    "gpu-error-told-late": raised("AcceleratorError", LATE, ("add", BUFFERS)),
    "gpu-error-told-late of old": raised("RuntimeError", LATE, ("add", BUFFERS)),
    "gpu-memory-full": raised("OutOfMemoryError", "CUDA out of memory. Tried to allocate", ("f", "/me/a.py")),
    "observation-key": KEY,
    "observation-key of workers": raised("KeyError", "'a'", ("_stack_obs", SUBPROC), ("<listcomp>", SUBPROC)),
    "observation-key in the buffer": raised("KeyError", "'a'", ("add", BUFFERS)),
    "observation-type": TYPE,
    "observation-type of workers": raised(
        "TypeError", "can't convert np.ndarray of type numpy.object_.", ("obs_as_tensor", UTILS)
    ),
    "observation-type no dictionary": raised(
        "AssertionError",
        "non-dict observation for environment with Dict observation space",
        ("_stack_obs", SUBPROC),
    ),
    "observation-out-of-range": RANGE,
    "action-invalid": ACTION,
    "step-after-end": STEPPED,
    "step-after-end before any reset": raised(
        "ResetNeeded", "Cannot call env.step() before calling env.reset()", ("step", f"{GYM}/wrappers/common.py")
    ),
    "reset-before-end": EARLY,
    "no-cuda-device": NO_CUDA,
    "no-cuda-device for the build": raised(
        "AssertionError", "Torch not compiled with CUDA enabled", ("_lazy_init", CUDA)
    ),
    "wsl-libcuda": WSL,
    "buffer-too-large": LARGE,
    "allocation-refused": REFUSED,
    "allocation-refused plainly": raised("MemoryError", "", ("step", "/me/a.py")),
    "shared-memory-full": SHARED,
    "shared-memory-full of torch": raised(
        "RuntimeError", "unable to write to file </torch_12_3_0>: No space left on device (28)", ("f", "/me/a.py")
    ),
    "shared-memory-full at a write": mapped(full=True),
    "mapped-file-cut": mapped(),
    "cpp-exception": TERMINATED,
    "failed-assertion": ASSERTED,
    "double-free": said("free(): double free detected in tcache 2"),
    "double-free of old": said("double free or corruption (fasttop)"),
    "heap-header-overwritten": said("free(): invalid next size (fast)"),
    "heap-header-overwritten of torch's": freed_by("libtorch_python.so", "free(): invalid size"),
    "freed-block-overwritten": said("malloc(): unaligned tcache chunk detected"),
    "foreign-pointer-freed": said("munmap_chunk(): invalid pointer"),
    "foreign-pointer-freed by the user's": freed_by("desk.so", "free(): invalid pointer"),
    "stack-smashed": said("*** stack smashing detected ***: terminated"),
    "growing-history": slowed(copying=0.8),
    "gc-collections": slowed(collecting=0.8),
}


@pytest.mark.parametrize("case", CASES)
def test_a_cause_fits_its_case(case: str) -> None:
    found = causes.recognise(CASES[case])
    assert found is not None
    assert found.id == case.split()[0]


def test_only_the_narrower_of_two_is_told() -> None:
    twice = {case for case, finding in CASES.items() if sum(cause.matches(finding) for cause in CAUSES) > 1}
    assert twice <= {"buffer-too-large", "wsl-libcuda"}


def again(finding: Finding, **changed: Any) -> Finding:
    """The same error with other figures."""
    details = copy.deepcopy(finding.details)
    next(iter(details.values())).update(changed)
    return replace(finding, details=details)


NEAR_MISSES = {
    "the key is missing in the user's own code": raised("KeyError", "'a'", ("_save_obs", "/me/vec_env.py")),
    "the observation's own lookup failed": raised("KeyError", "'a'", ("_save_obs", DUMMY), ("__getitem__", "/me/o.py")),
    "the key is one of the info's": raised("KeyError", "'episode'", ("step_wait", DUMMY)),
    "no key but an index": again(KEY, type="IndexError"),
    "None met arithmetics in the environment": raised("TypeError", NOT_A_NUMBER, ("step", "/me/env.py")),
    "the environment returned four values": raised(
        "ValueError", "not enough values to unpack (expected 5, got 4)", ("step_wait", DUMMY)
    ),
    "the classes are those of a loss": raised(
        "RuntimeError", "Class values must be smaller than num_classes.", ("loss", "/me/policy.py")
    ),
    "the user's environment asserts": raised("AssertionError", INVALID, ("step", "/me/env.py")),
    "gymnasium asserts something else": again(ACTION, message="Call reset before using step method."),
    "the user says the same of his own": raised(
        "RuntimeError", "Tried to step environment that needs reset", ("step", "/me/monitor.py")
    ),
    "it is rendering that needs a reset": raised(
        "ResetNeeded",
        "Cannot call `env.render()` before calling `env.reset()`",
        ("render", f"{GYM}/wrappers/common.py"),
    ),
    "a device is there, but lost": raised(
        "RuntimeError", "CUDA error: unspecified launch failure", ("_lazy_init", CUDA)
    ),
    "another says that there are none": raised("RuntimeError", "No CUDA GPUs are available", ("check", "/me/a.py")),
    "the failed start is not under WSL": replace(WSL, facts={}),
    "WSL has nothing to do with it": raised("RuntimeError", "mat1 and mat2", ("f", CUDA), facts={"wsl": True}),
    "the error of a kernel is told where it is made": raised("AcceleratorError", ASSERTED_ON_GPU, ("f", "/me/a.py")),
    "another says that CUDA was forked": raised("RuntimeError", FORKED, ("f", "/me/a.py")),
    "the disk is full": raised("OSError", NO_ROOM, ("write", "/me/log.py")),
    "a file of the program's is too long": raised("OSError", NO_ROOM, ("save", f"{SB3}/save_util.py")),
    "the mapped file is cut, but it died otherwise": mapped("SIGSEGV"),
    "a helper had the file mapped": replace(
        mapped(), details={**mapped().details, "ended-by-signal": {"signal": "SIGABRT"}}
    ),
    "a helper ran out of room": replace(
        mapped(full=True), details={**mapped(full=True).details, "ended-by-signal": {"signal": "SIGABRT"}}
    ),
    "a helper said it, and the process died otherwise": replace(
        TERMINATED, details={**TERMINATED.details, "ended-by-signal": {"signal": "SIGSEGV"}}
    ),
    "an assertion of old": replace(ASSERTED, details={**ASSERTED.details, "ended-by-signal": {"signal": "SIGKILL"}}),
    "the assertion is Python's": raised("AssertionError", "x > 0", ("step", "/me/env.py")),
    "a header that may have been overwritten": said("double free or corruption (!prev)"),
    "no known message": crashed("SIGABRT", "heap-message", {"message": "something else", "family": None}),
    "it copies some of the time": slowed(copying=0.3),
    "it collects some of the time": slowed(collecting=0.3),
    "it copies, but does not get slower": replace(slowed(copying=0.9), verdict=Verdict.SLOW_PHASE),
}


@pytest.mark.parametrize("what", NEAR_MISSES)
def test_no_cause_is_claimed_when(what: str) -> None:
    assert causes.recognise(NEAR_MISSES[what]) is None


@pytest.mark.parametrize("case", CASES)
def test_no_cause_of_an_end_is_claimed_of_a_healthy_run(case: str) -> None:
    assert causes.recognise(replace(CASES[case], verdict=Verdict.HEALTHY)) is None


def test_the_error_of_a_worker_counts_like_the_main_process_s() -> None:
    detail = {"type": "RuntimeError", "message": "Tried to step environment that needs reset", "process": "worker 1"}
    finding = Finding(
        Verdict.EXCEPTION, "collect", ME, {"worker-raised": {**detail, "frames": [["Monitor.step", MONITOR, 95]]}}, {}
    )
    found = causes.recognise(finding)
    assert found is not None
    assert found.id == "step-after-end"


def blamed(error: dict[str, Any]) -> Culprit | None:
    evidence = [Evidence("uncaught-exception", 1.0, "", (), (), error)]
    nothing: Any = None
    return culprit.find(Verdict.EXCEPTION, evidence, nothing, nothing)


GIVER = {"class": "Curve", "function": "Curve.step", "file": "/me/env.py", "line": 12}


def test_the_environment_is_named_where_a_library_refused_what_it_gave() -> None:
    rows = [
        {"function": "learn", "file": f"{SB3}/a.py", "line": 1},
        {"function": "_save_obs", "file": DUMMY, "line": 2},
    ]
    found = blamed({"frames": rows, "observation_of": GIVER})
    assert found is not None
    assert (found.function, found.file, found.line, found.library) == ("step", "/me/env.py", 12, None)
    without = blamed({"frames": rows})
    assert without is not None
    assert without.function == "_save_obs"
    own = blamed({"frames": [*rows, {"function": "clean", "file": "/me/a.py", "line": 3}], "observation_of": GIVER})
    assert own is not None
    assert own.function == "clean"


def test_nobody_is_named_for_an_error_that_is_told_late() -> None:
    rows = [{"function": "step", "file": "/me/env.py", "line": 2}]
    assert blamed({"frames": rows, "message": LATE}) is None
    assert blamed({"frames": rows, "message": ASSERTED_ON_GPU}) is not None


PRINTED = {
    "gnu": (
        "terminate called after throwing an instance of 'std::out_of_range'\n  what():  vector::_M_range_check\n",
        ("terminate", "std::out_of_range", "vector::_M_range_check"),
    ),
    "without what": ("terminate called after throwing an instance of 'int'\n", ("terminate", "int", None)),
    "llvm": (
        "libc++abi: terminating due to uncaught exception of type std::bad_cast: std::bad_cast\n",
        ("terminate", "std::bad_cast", "std::bad_cast"),
    ),
    "assertion": (
        "step 3\npython: option.c:12: double premium(double): Assertion `volatility > 0' failed.\n",
        ("assertion", None, None),
    ),
}


def ended(text: str, status: int = -6, by_us: str | None = None) -> Ending:
    return Ending(status, by_us, 1.0, text, None)


@pytest.mark.parametrize("way", PRINTED)
def test_the_last_words_of_native_code_are_read(way: str) -> None:
    text, expected = PRINTED[way]
    (found,) = last_words(Observations(0), ended(text))
    assert (found.detail["kind"], found.detail.get("type"), found.detail.get("what")) == expected


def test_last_words_are_of_an_end_and_not_of_the_allocator() -> None:
    text = PRINTED["gnu"][0]
    allocator = "python: malloc.c:2617: sysmalloc: Assertion `(old_top == initial_top (av))' failed.\n"
    for ending in (ended(text, 0), ended(text, -9, "limit"), ended(allocator), ended("nothing\n")):
        assert not list(last_words(Observations(0), ending))


def test_a_mapping_beyond_the_end_of_its_file_is_found(tmp_path: Path, wait_until: Any) -> None:
    import mmap
    import os

    path = tmp_path / "prices"
    path.write_bytes(bytes(4 * mmap.PAGESIZE))
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0):
        assert not [item for item in mappings.broken(os.getpid()) if item.path == str(path)]
        os.truncate(path, mmap.PAGESIZE - 5)
        (found,) = [item for item in mappings.broken(os.getpid()) if item.path == str(path)]
        assert (found.mapped_bytes, found.file_bytes, found.full) == (4 * mmap.PAGESIZE, mmap.PAGESIZE - 5, False)
        path.unlink()
        path.write_bytes(b"another")
        assert not [item for item in mappings.broken(os.getpid()) if item.path == str(path) and item.file_bytes == 7]
    assert mappings.broken(0) == ()


UMATH = f"{SITE}/numpy/_core/_multiarray_umath.cpython-311-x86_64-linux-gnu.so"
STEP = (Frame("learn", f"{SB3}/a.py", 1), Frame("Env.step", "/me/env.py", 7))


def looked_at(*samples: tuple[Frame, ...], phase: str = "env.step") -> list[Any]:
    seen = Observations(0)
    seen.profiles.append(Profile(tuple(samples)))
    slowing = Slowing(phase, (1.0, 2.0, 3.0, 4.0, 5.0, 6.0), 1.0, 0.9, None, None)
    progress: Any = SimpleNamespace(slowing=lambda: slowing, recent_call_s=lambda phase: None)
    return list(slow_part(seen, progress))


WAYS = {
    "an array of a list": ("copying", Frame("array_array", UMATH, None)),
    "arrays joined": ("copying", Frame("array_concatenate", UMATH, None)),
    "append": ("copying", Frame("append", f"{SITE}/numpy/lib/_function_base_impl.py", 5)),
    "concat": ("copying", Frame("concat", f"{SITE}/pandas/core/reshape/concat.py", 5)),
    "deepcopy": ("copying", Frame("deepcopy", "/x/lib/python3.11/copy.py", 5)),
    "garbage": ("collecting", Frame("gc_collect_main", "/x/libpython3.11.so.1.0", None)),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_a_slow_phase_spends_its_time_with_is_told(way: str) -> None:
    kind, frame = WAYS[way]
    (found,) = looked_at(*[(*STEP, frame)] * 25, *[STEP] * 5)
    assert found.detail[kind] == pytest.approx(25 / 30, abs=0.001)
    assert "Env.step" in found.says


OTHERS = {
    "the user's own append": Frame("append", "/me/history.py", 5),
    "a sum": Frame("array_sum", UMATH, None),
    "a look at a frame": Frame("__getitem__", f"{SITE}/pandas/core/frame.py", 5),
    "a constructor of another": Frame("__init__", f"{SITE}/pandas/core/window/rolling.py", 5),
}


@pytest.mark.parametrize("what", OTHERS)
def test_other_work_is_no_copying(what: str) -> None:
    assert not looked_at(*[(*STEP, OTHERS[what])] * 30)


def test_an_update_is_no_part_of_a_slow_step_and_few_samples_tell_nothing() -> None:
    copying = (*STEP, Frame("array_array", UMATH, None))
    update = (
        Frame("PPO.train", f"{SITE}/stable_baselines3/ppo/ppo.py", 1),
        Frame("deepcopy", "/x/lib/python3.11/copy.py", 5),
    )
    assert not looked_at(*[copying] * 5)
    assert not looked_at(*[update] * 30)
    assert looked_at(*[update] * 30, phase="minibatch")


def test_a_wrapper_between_two_of_the_library_s_functions_is_named() -> None:
    rows = [
        {"function": "<module>", "file": "/me/train.py", "line": 9},
        {"function": "step_wait", "file": DUMMY, "line": 1},
        {"function": "Longer.step", "file": "/me/train.py", "line": 5},
        {"function": "step", "file": MONITOR, "line": 95},
    ]
    found = blamed({"frames": rows})
    assert found is not None
    assert (found.function, found.line) == ("step", 5)
    without = blamed({"frames": [rows[0], rows[1], rows[3]]})
    assert without is not None
    assert without.library == "stable_baselines3"


VECTORISED = """
class Vectorised:
    def __init__(self, env, infos, done):
        self.envs, self.buf_infos, self.buf_dones = [env], infos, [done]

    def step_wait(self, obs):
        for env_idx in range(1):
            self._save_obs(env_idx, obs)

    def reset(self, obs):
        self._save_obs(0, obs)

    def _save_obs(self, env_idx, obs):
        obs["news"]
"""


class Curve:
    """An environment."""

    def step(self, action: int) -> None:
        """Not called: only its place is asked for."""

    def reset(self) -> None:
        """As step."""


class Scaled(Curve):
    """A wrapper of the user's."""

    def __init__(self, env: Curve) -> None:
        self.env = env


def given(method: str, env: Curve, *, done: bool = False, last: Any = None, module: str | None = None) -> Any:
    """What is said of the environment whose observation lacks a key."""
    names: dict[str, Any] = {"__name__": module or "stable_baselines3.common.vec_env.dummy_vec_env"}
    exec(VECTORISED, names)  # noqa: S102 - its module's name is what matters
    vectorised = names["Vectorised"](env, [{"terminal_observation": last}], done)
    with pytest.raises(KeyError) as caught:
        getattr(vectorised, method)({"price": 1})
    return giver.describe(caught.value, caught.value.__traceback__)


def test_the_environment_that_gave_an_observation_is_found_from_the_error() -> None:
    found = given("step_wait", Curve())
    assert (found["class"], found["function"], found["file"]) == ("Curve", "Curve.step", __file__)
    assert given("reset", Curve())["function"] == "Curve.reset"
    # The episode is over: the observation is the following reset's, unless the last one was alike.
    assert given("step_wait", Curve(), done=True, last={"price": 1, "news": 2})["function"] == "Curve.reset"
    assert given("step_wait", Curve(), done=True, last={"price": 1})["function"] == "Curve.step"


def test_no_environment_is_named_where_several_may_have_given_it_or_another_s_code_failed() -> None:
    assert given("step_wait", Scaled(Curve())) is None
    assert given("step_wait", Curve(), module="my.vectorised") is None
    assert giver.describe(KeyError("news"), None) is None


@pytest.mark.parametrize("native", [True, False])
def test_a_native_profile_that_can_t_be_had_is_taken_once_more_without(native: bool) -> None:
    observer: Any = object.__new__(Observer)
    observer.seen = Observations(0)
    observer._profiled_slowing = observer._profiles_natively = True
    observer._sampler = SimpleNamespace(done=True, native=native, finish=lambda: None)
    observer._collect_profile(wait=False)
    assert observer._sampler is None
    assert observer._profiled_slowing is observer._profiles_natively is not native


def test_the_wrapper_is_named_in_a_worker_too() -> None:
    frames = [["step", MONITOR, 95], ["Longer.step", "<dynamic-code>", 5], ["_worker", SUBPROC, 36]]
    nothing: Any = None
    evidence = [Evidence("worker-raised", 1.0, "", (), (), {"process": "worker 1", "frames": frames})]
    found = culprit.find(Verdict.EXCEPTION, evidence, nothing, nothing)
    assert found is not None
    assert (found.function, found.line, found.process) == ("step", 5, "worker 1")


LIBC = "/usr/lib/x86_64-linux-gnu/libc.so.6"
LIBC_ONLY = [["0x7f2192450050", LIBC, None], ["raise", LIBC, None], ["abort", LIBC, None], ["realloc", LIBC, None]]
RAISED = {
    "type": "ValueError", "message": "cannot reshape", "phases": ["learn", "collect"], "step": 7, "children": [],
    "frames": [{"function": "look", "file": "/home/me/train.py", "line": 12}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("frames", "error", "expected"),
    [
        # The C library ends every process: it is not what ended this one.
        (LIBC_ONLY, None, None),
        (LIBC_ONLY, RAISED, "look"),
        ([*LIBC_ONLY, ["ladder_push", "/home/me/ladder.so", None]], RAISED, "ladder_push"),
        ([*LIBC_ONLY, ["0x55d0", "/usr/bin/python3", None], ["step", "/home/me/train.py", 5]], RAISED, "step"),
    ],
)
def test_no_address_and_no_function_of_the_c_library_is_blamed_for_a_crash(
    frames: list[list[Any]], error: dict[str, Any] | None, expected: str | None
) -> None:
    nothing: Any = None
    evidence = [Evidence("death-stack", 1.0, "", (), (), {"signal": "SIGABRT", "pid": 9, "frames": frames})]
    if error is not None:
        evidence.append(Evidence("uncaught-exception", 1.0, "", (), (), error))
    found = culprit.find(Verdict.CRASH, evidence, nothing, nothing)
    assert (found.function if found is not None else None) == expected
