"""Attaching to what runs already: what it waits on is told, and it goes on as if nobody had looked."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

import freezelab
from probes.attach import AttachOptions, NotAttachableError, attach
from probes.diagnosis import Diagnosis, Evidence, schema
from probes.system import procfs
from probes.verdicts import Verdict
from probes.watch import FolderNotWritableError
from reports import run_markdown, waits_text
from reports.commands import interface

if TYPE_CHECKING:
    from tests.probes.conftest import Agent, Start, Write

PROGRAM = [sys.executable, "-m", "freezelab"]
Attached = Callable[..., Diagnosis]
Begin = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def attached(tmp_path: Path) -> Attached:
    """Attaches for two seconds, and checks what holds of every such diagnosis."""

    def run(pid: int, for_s: float = 2.0) -> Diagnosis:
        before = procfs.read_process(pid)
        out = tmp_path / "out"
        diagnosis = attach(pid, AttachOptions(out=out, for_s=for_s))
        jsonschema.Draft202012Validator(schema()).validate(diagnosis.to_json())
        assert Diagnosis.load(out / "diagnosis.json") == diagnosis
        assert all((out / path).exists() for path in diagnosis.artifacts.values())
        assert diagnosis.timing.detected_after_s is None
        after = procfs.read_process(pid)
        assert before is not None
        assert after is not None
        assert after.started_ticks == before.started_ticks
        assert (after.state in "Tt") == (before.state in "Tt")
        return diagnosis

    return run


@pytest.fixture
def begin(start: Start, write: Write) -> Begin:
    """Starts a script that prints a line once it is about to wait, and returns a moment later."""

    def run(text: str, *arguments: object, **options: Any) -> subprocess.Popen[bytes]:
        process = start(
            [sys.executable, write(text), *map(str, arguments)],
            **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, **options},
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.3)
        return process

    return run


def of_kind(diagnosis: Diagnosis, kind: str) -> Evidence | None:
    return next((item for item in diagnosis.evidence if item.kind == kind), None)


def blamed(diagnosis: Diagnosis) -> tuple[str, str] | None:
    culprit = diagnosis.culprit
    return (culprit.function, culprit.process) if culprit is not None else None


def test_two_locks_taken_in_opposite_order(begin: Begin, attached: Attached) -> None:
    process = begin("""
        import threading, time
        prices, orders = threading.Lock(), threading.Lock()

        def settle():
            with orders:
                time.sleep(0.2)
                with prices:
                    pass

        def quote():
            with prices:
                time.sleep(0.2)
                with orders:
                    pass

        threading.Thread(target=settle, daemon=True).start()
        print(flush=True)
        quote()
    """)
    diagnosis = attached(process.pid)
    assert diagnosis.verdict is Verdict.DEADLOCK, diagnosis
    assert blamed(diagnosis) == ("quote", "main")
    assert diagnosis.confidence > 0.8
    told = of_kind(diagnosis, "no-agent")
    assert told is not None
    assert "freezelab run" in told.says
    assert process.poll() is None


def test_a_server_that_says_nothing(begin: Begin, attached: Attached) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        process = begin(
            """
            import socket, sys

            def quote(line):
                return line.recv(1)

            line = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
            print(flush=True)
            quote(line)
            """,
            port,
        )
        connection, _ = server.accept()
        with connection:
            diagnosis = attached(process.pid)
            assert diagnosis.verdict is Verdict.BLOCKED, diagnosis
            assert blamed(diagnosis) == ("quote", "main")
            peer = of_kind(diagnosis, "waits-on-peer")
            assert peer is not None
            assert f"127.0.0.1:{port}" in peer.says
            assert peer.detail["pid"] == os.getpid()
            connection.sendall(b"x")
    assert process.wait(30) == 0


def test_a_named_pipe_that_nobody_opens(begin: Begin, attached: Attached, tmp_path: Path) -> None:
    path = tmp_path / "ticks"
    os.mkfifo(path)
    process = begin(
        """
        import sys

        def quote(path):
            return open(path).read()

        print(flush=True)
        quote(sys.argv[1])
        """,
        path,
    )
    diagnosis = attached(process.pid)
    assert diagnosis.verdict is Verdict.BLOCKED, diagnosis
    assert blamed(diagnosis) == ("quote", "main")
    assert str(path) in waits_text.text(diagnosis)
    path.open("wb", buffering=0).close()
    assert process.wait(30) == 0


def test_a_file_that_somebody_else_has_locked(begin: Begin, attached: Attached, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    with path.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        process = begin(
            """
            import fcntl, sys

            def save(path):
                with open(path, "a") as file:
                    fcntl.flock(file, fcntl.LOCK_EX)

            print(flush=True)
            save(sys.argv[1])
            """,
            path,
        )
        diagnosis = attached(process.pid)
    assert diagnosis.verdict is Verdict.BLOCKED, diagnosis
    assert blamed(diagnosis) == ("save", "main")
    peer = of_kind(diagnosis, "waits-on-peer")
    assert peer is not None
    assert peer.detail["pid"] == os.getpid()
    assert process.wait(30) == 0


def test_a_question_that_nobody_answers(begin: Begin, attached: Attached) -> None:
    process = begin("""
        def ask():
            return input()

        print(flush=True)
        ask()
    """)
    diagnosis = attached(process.pid)
    assert diagnosis.verdict is Verdict.BLOCKED, diagnosis
    assert blamed(diagnosis) == ("ask", "main")
    assert f"process {os.getpid()}" in diagnosis.summary
    process.communicate(b"yes\n", timeout=30)
    assert process.returncode == 0


def test_a_native_call_that_keeps_the_interpreter_s_lock(begin: Begin, attached: Attached) -> None:
    process = begin("""
        import ctypes, os, threading, time
        r, w = os.pipe()

        def load():
            ctypes.PyDLL(None).read(r, ctypes.create_string_buffer(1), 1)

        thread = threading.Thread(target=load)
        print(flush=True)
        threading.Timer(0.1, thread.start).start()
        time.sleep(0.2)
        thread.join()
    """)
    diagnosis = attached(process.pid, for_s=3.0)
    assert diagnosis.verdict is Verdict.BLOCKED, diagnosis
    assert blamed(diagnosis) == ("load", "main")
    assert of_kind(diagnosis, "gil-held") is not None


def test_a_loop_that_never_ends_and_one_that_only_pauses(begin: Begin, attached: Attached) -> None:
    process = begin("""
        def count():
            number = 0
            while True:
                number += 1

        print(flush=True)
        count()
    """)
    diagnosis = attached(process.pid)
    assert diagnosis.verdict is Verdict.SPIN, diagnosis
    assert blamed(diagnosis) == ("count", "main")
    pausing = begin("import time\nprint(flush=True)\ntime.sleep(90)\n")
    assert attached(pausing.pid).verdict is Verdict.HEALTHY
    asleep = begin("import time\nprint(flush=True)\ntime.sleep(6000)\n")
    diagnosis = attached(asleep.pid)
    assert diagnosis.verdict is Verdict.BLOCKED
    assert "sleeps, for another 59" in diagnosis.summary


def test_a_stopped_process_is_told_and_stays_stopped(begin: Begin, attached: Attached) -> None:
    process = begin("""
        import os, signal

        def quote():
            os.kill(os.getpid(), signal.SIGSTOP)

        print(flush=True)
        quote()
    """)
    diagnosis = attached(process.pid)
    assert diagnosis.verdict is Verdict.BLOCKED, diagnosis
    assert "stopped" in diagnosis.summary
    assert blamed(diagnosis) == ("quote", "main")
    process.send_signal(signal.SIGCONT)
    assert process.wait(30) == 0


WORKERS = """
import multiprocessing, os, sys, time

def work(remote, ours, number):
    ours.close()
    while True:
        remote.recv()
        if number == int(sys.argv[1]):
            act()
        remote.send(number)

def act():
    {}

if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    pairs = [context.Pipe() for _ in range(3)]
    for number, (ours, remote) in enumerate(pairs):
        context.Process(target=work, args=(remote, ours, number), daemon=True).start()
        remote.close()
    for ours, _ in pairs:
        ours.send("step")
    print(flush=True)
    for ours, _ in pairs:
        ours.recv()
"""


@pytest.mark.parametrize(
    ("act", "number", "verdict", "culprit", "says"),
    [
        ("os._exit(3)", 2, Verdict.BLOCKED, None, "exit code 3"),
        ("os.kill(os.getpid(), 19)", 0, Verdict.BLOCKED, ("act", "worker 0"), "stopped"),
        ("while True: pass", 1, Verdict.SPIN, ("act", "worker 1"), "burns CPU"),
        ("os.read(os.pipe()[0], 1)", 1, Verdict.DEADLOCK, ("act", "worker 1"), "worker 1"),
    ],
)
def test_the_worker_that_everything_waits_for(
    act: str,
    number: int,
    verdict: Verdict,
    culprit: tuple[str, str] | None,
    says: str,
    begin: Begin,
    attached: Attached,
) -> None:
    process = begin(WORKERS.format(act), number)
    children = procfs.family(process.pid)[1:]
    try:
        diagnosis = attached(process.pid)
        assert diagnosis.verdict is verdict, diagnosis
        assert blamed(diagnosis) == culprit
        assert f"worker {number}" in diagnosis.summary
        assert says in diagnosis.summary
        report = run_markdown.render(diagnosis)
        assert "## Who waits for whom" in report
        assert report.count("worker ") >= 3
    finally:
        for pid in children:
            # The first deaths end the program itself, and with it those that it left unburied.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_the_flight_recorder_of_a_run_that_has_one_is_read(
    start: Start, write: Write, agent: Agent, attached: Attached, wait_until: Callable[..., Any], tmp_path: Path
) -> None:
    script = write("""
        import time
        import gymnasium

        class Market(gymnasium.Env):
            count = 0

            def step(self, action):
                self.count += 1
                if self.count == 50:
                    print(flush=True)
                    quote()

        def quote():
            input()

        market = Market()
        while True:
            market.step(0)
    """)
    process = start(
        [sys.executable, script], env=agent.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )  # fmt: skip
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(2.5)
    diagnosis = attached(process.pid)
    assert diagnosis.verdict is Verdict.BLOCKED, diagnosis
    assert blamed(diagnosis) == ("quote", "main")
    silence = of_kind(diagnosis, "silence")
    assert silence is not None
    assert silence.detail["path"] == ["env.step"]
    assert of_kind(diagnosis, "no-agent") is None
    assert list((tmp_path / "out" / "flight").glob("*.bin"))
    # It moves again: that is seen too, whatever it happens to wait for meanwhile.
    assert process.stdin is not None
    process.stdin.write(b"go on\n")
    process.stdin.flush()
    time.sleep(0.5)
    assert attached(process.pid).verdict is Verdict.HEALTHY


# The command line.


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    return lines[0]


def unused_pid() -> int:
    return next(pid for pid in range(4_000_000, 1, -1) if not Path(f"/proc/{pid}").exists())


def test_a_process_that_does_not_exist_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pid = unused_pid()
    assert freezelab.main(["attach", str(pid), "--out", str(tmp_path / "out")]) == interface.EXIT_BLIND
    message = one_line(capsys)
    assert str(pid) in message
    assert "pgrep" in message
    assert not (tmp_path / "out").exists()


def test_a_process_that_is_no_python_is_named_with_the_python_below_it(
    start: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str], wait_until: Callable[..., Any]
) -> None:
    sleeper = start(["sleep", "600"])
    assert freezelab.main(["attach", str(sleeper.pid), "--out", str(tmp_path / "out")]) == interface.EXIT_BLIND
    assert "not a Python" in one_line(capsys)
    launcher = start(["sh", "-c", '"$0" -c "import time; time.sleep(600)"; exit 0', sys.executable])
    (child,) = wait_until(lambda: procfs.family(launcher.pid)[1:])
    wait_until(lambda: "python" in Path(f"/proc/{child}/exe").readlink().name)
    assert freezelab.main(["attach", str(launcher.pid), "--out", str(tmp_path / "out")]) == interface.EXIT_BLIND
    assert f"its Python processes are {child}" in one_line(capsys)
    os.kill(child, signal.SIGKILL)


def test_a_zombie_is_referred_to_its_parent(
    start: Start, tmp_path: Path, wait_until: Callable[..., Any]
) -> None:  # fmt: skip
    ended = start(["true"])
    wait_until(lambda: (reading := procfs.read_process(ended.pid)) and reading.state == "Z")
    with pytest.raises(NotAttachableError, match=str(os.getpid())):
        attach(ended.pid, AttachOptions(out=tmp_path / "out"))


def test_a_process_that_ends_meanwhile_is_told(begin: Begin, tmp_path: Path) -> None:
    process = begin("import time\nprint(flush=True)\ntime.sleep(1)\n")
    with pytest.raises(NotAttachableError, match="ended while"):
        attach(process.pid, AttachOptions(out=tmp_path / "out", for_s=20))


def test_a_folder_that_cannot_be_written_is_named(begin: Begin, tmp_path: Path) -> None:
    process = begin("import time\nprint(flush=True)\ntime.sleep(600)\n")
    (tmp_path / "file").write_text("")
    with pytest.raises(FolderNotWritableError, match="file"):
        attach(process.pid, AttachOptions(out=tmp_path / "file" / "out"))


@pytest.mark.parametrize("text", ["me", "-3", "0", "1.5"])
def test_what_is_no_pid_is_bad_usage(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        freezelab.main(["attach", "--", text])
    assert ended.value.code == interface.EXIT_USAGE
    assert repr(text) in capsys.readouterr().err


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        freezelab.main(["attach", "--help"])
    assert "freezelab attach 4711" in capsys.readouterr().out.partition("examples:")[2]


def test_json_is_one_document_and_the_exit_code_tells(begin: Begin, tmp_path: Path) -> None:
    process = begin("""
        def ask():
            return input()

        print(flush=True)
        ask()
    """)
    done = subprocess.run(
        [*PROGRAM, "attach", str(process.pid), "--for", "2", "--json", "--out", str(tmp_path / "out")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == interface.EXIT_DIAGNOSED, done.stderr
    assert json.loads(done.stdout)["verdict"] == "blocked"
    assert "waits on a pipe" in done.stderr
    assert "not known" in done.stderr
    assert (tmp_path / "out" / "diagnosis.md").read_text(encoding="utf-8").startswith("# Diagnosis: blocked")


def test_ctrl_c_leaves_the_process_as_it_was(begin: Begin, start: Start, tmp_path: Path) -> None:
    process = begin("print(flush=True)\ninput()\n")
    looking = start(
        [*PROGRAM, "attach", str(process.pid), "--for", "60", "--out", str(tmp_path / "out")], stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 30
    while not list((tmp_path / "out").glob("stacks/*.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    looking.send_signal(signal.SIGINT)
    _, told = looking.communicate(timeout=30)
    assert looking.returncode == interface.EXIT_INTERRUPTED, told
    assert b"goes on as it was" in told
    assert process.poll() is None
    process.communicate(b"yes\n", timeout=30)
    assert process.returncode == 0
