"""Code that came by value is traced to the script that it was written in, and to no other."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.code import BY_VALUE
from probes.origin import has, scripts, written_in
from probes.stacks import dump

if TYPE_CHECKING:
    from tests.probes.conftest import Start, Write

SCRIPT = """\
import time

class Market:
    @property
    def price(self):
        return 1

    async def wait(self):
        return [n for n in range(3)]

    def step(self, action):
        def inner():
            return 1
        return inner()

def step(action):
    return (lambda: 2)()
"""


@pytest.mark.parametrize(
    ("function", "line", "there"),
    [
        ("step", 11, True),
        ("Market.step", 14, True),
        ("step", 16, True),
        ("step", 8, False),
        ("inner", 13, True),
        ("inner", 14, False),
        ("wait", 9, True),
        ("price", 6, True),
        ("<lambda>", 17, True),
        ("<lambda>", 14, False),
        ("Market.wait.<locals>.<listcomp>", 9, True),
        ("<listcomp>", 17, False),
        ("Market", 4, False),
        ("step", None, False),
        ("<module>", 1, False),
    ],
)
def test_a_script_has_a_function_at_its_lines_only(
    *, function: str, line: int | None, there: bool, write: Write
) -> None:
    assert has(write(SCRIPT), function, line) is there


@given(st.text(max_size=60))
def test_any_text_has_no_function_that_it_does_not_define(tmp_path_factory: Any, text: str) -> None:
    script = tmp_path_factory.getbasetemp() / "any.py"
    script.write_text(text, encoding="utf-8", errors="replace")
    try:
        names = {node.name for node in ast.walk(ast.parse(script.read_bytes())) if isinstance(node, ast.FunctionDef)}
    except (SyntaxError, ValueError):
        names = set()
    for line in range(1, 4):
        assert not has(script, "step", line) or "step" in names


@pytest.mark.parametrize("what", ["missing", "folder", "binary", "large", "fifo"])
def test_what_is_no_script_has_no_function(what: str, tmp_path: Path) -> None:
    path = tmp_path / "script.py"
    if what == "folder":
        path.mkdir()
    elif what == "binary":
        path.write_bytes(b"\0\xff" * 100)
    elif what == "large":
        path.write_text("def step(): pass\n" + "#" * 3_000_000, encoding="utf-8")
    elif what == "fifo":
        os.mkfifo(path)
    assert not has(path, "step", 1)


ASLEEP = "import sys, time; print(flush=True); time.sleep(60)"


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["{script}"], True),
        (["-u", "-X", "dev", "-W", "ignore", "{script}", "--file", "other.py"], True),
        (["-c", ASLEEP, "{script}"], False),
    ],
)
def test_the_script_of_a_process_is_what_its_interpreter_runs(
    *, options: list[str], found: bool, write: Write, start: Start
) -> None:
    script = write(ASLEEP)
    process = start(
        [sys.executable, *(option.format(script=script.name) for option in options)],
        cwd=script.parent,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    assert (script in list(scripts(process.pid))) is found


def test_a_process_that_is_gone_has_none() -> None:
    assert list(scripts(2**22 + 1)) == []
    assert written_in(2**22 + 1, "step", BY_VALUE, 3) == BY_VALUE
    assert written_in(2**22 + 1, "step", "/a.py", 3) == "/a.py"


WORKER = """
import sys, time
from multiprocessing import get_context
import cloudpickle

class Wrapped:
    def __init__(self, function):
        self.function = function
    def __getstate__(self):
        return cloudpickle.dumps(self.function)
    def __setstate__(self, sent):
        self.function = cloudpickle.loads(sent)
    def __call__(self):
        self.function()

def next_quote():
    print(flush=True)
    time.sleep(60)

if __name__ == "__main__":
    import wrapped
    worker = get_context(sys.argv[1]).Process(target=wrapped.Wrapped(next_quote), daemon=True)
    worker.start()
    print(worker.pid, flush=True)
    worker.join()
"""


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_a_stack_shows_the_script_that_a_workers_code_was_written_in(
    method: str, write: Write, start: Start, wait_until: Callable[..., Any]
) -> None:
    script = write(WORKER)
    # By value goes what is of __main__; what unpickles it must be found by its name.
    write(WORKER, "wrapped.py")
    process = start([sys.executable, script.name, method], cwd=script.parent, stdout=subprocess.PIPE)
    assert process.stdout is not None
    worker = int(process.stdout.readline())
    process.stdout.readline()

    def quote() -> Any:
        taken = dump(worker, 0).main
        return taken and next((frame for frame in taken.frames if frame.function == "next_quote"), None)

    try:
        frame = wait_until(quote)
    finally:
        os.kill(worker, signal.SIGKILL)
    assert (frame.file, frame.line) == (str(script), WORKER.splitlines().index("    time.sleep(60)") + 1)
