"""Who waits for whom: what a thread waits on, who is at the other end, and where a chain of waits ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.stacks import dump
from probes.system import procfs, sockets
from probes.system.procfs import Syscall
from probes.waits import End, Kind, Wait, WaitGraph, calls, read_waits, subject

if TYPE_CHECKING:
    import subprocess

    from tests.probes.conftest import Start, Write


# Decoding.


def test_every_named_call_is_decoded_on_every_machine() -> None:
    for machine, numbers in calls.NUMBERS.items():
        for number, name in numbers.items():
            call = calls.decode(os.getpid(), Syscall(number, (0,) * 6), machine)
            assert call is not None
            assert call.name == name


def test_a_machine_whose_numbers_are_not_known_gives_no_call() -> None:
    assert calls.decode(os.getpid(), Syscall(0, (0,) * 6), "pdp11") is None


@given(
    st.sampled_from([*calls.NUMBERS]),
    st.integers(0, 600),
    st.tuples(*[st.integers(0, 2**64 - 1)] * 6),
)
def test_no_arguments_break_the_decoder(machine: str, number: int, arguments: tuple[int, ...]) -> None:
    call = calls.decode(os.getpid(), Syscall(number, arguments), machine)
    assert call is not None
    assert call.name


# Real waits. Each script prints a line, then waits; the main thread's wait is read.

WAITS = {
    "pipe": ("import os; r, w = os.pipe(); go(); os.read(r, 1)", Kind.INPUT, "a pipe"),
    "full": (
        "import os; r, w = os.pipe(); os.write(w, bytes(65536)); go(); os.write(w, bytes(4096))",
        Kind.ROOM,
        "a pipe",
    ),
    "socket": ("import socket; a, b = socket.socketpair(); go(); a.recv(1)", Kind.INPUT, "a socket"),
    "poll": ("import os, select; r, w = os.pipe(); p = select.poll(); p.register(r, 1); go(); p.poll()", Kind.INPUT,
             "a pipe"),
    "select": ("import os, select; r, w = os.pipe(); go(); select.select([r], [], [])", Kind.INPUT, "a pipe"),
    "epoll": ("import os, select; r, w = os.pipe(); e = select.epoll(); e.register(r, 1); go(); e.poll()", Kind.INPUT,
              "a pipe"),
    "asleep": ("import time; go(); time.sleep(600)", Kind.SLEEP, ""),
    "until": ("import select; go(); select.select([], [], [], 600)", Kind.SLEEP, ""),
    "lock": ("import _thread; l = _thread.allocate_lock(); l.acquire(); go(); l.acquire()", Kind.LOCK, ""),
    "child": (
        "import os, time; p = os.fork()\nif p == 0: time.sleep(600); os._exit(0)\ngo(); os.waitpid(p, 0)",
        Kind.CHILD,
        "child",
    ),
    "server": ("import socket; s = socket.create_server(('127.0.0.1', 0)); go(); s.accept()", Kind.ACCEPT, "listens"),
    "signal": ("import signal; go(); signal.pause()", Kind.SIGNAL, ""),
    "opening": ("import os; os.mkfifo('quotes'); go(); open('quotes')", Kind.OPEN, "named pipe quotes"),
    "typing": ("import os; go(); os.read(0, 1)", Kind.INPUT, "a pipe"),
}  # fmt: skip


@pytest.fixture
def waiting(start: Start, tmp_path: Path) -> Callable[..., subprocess.Popen[bytes]]:
    """Starts a script and returns once it has called ``go()``, and has had a moment to wait."""

    def run(text: str) -> subprocess.Popen[bytes]:
        script = "def go(): print(flush=True)\n" + text
        process = start([sys.executable, "-S", "-c", script], stdin=-1, stdout=-1, cwd=tmp_path)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.1)
        return process

    return run


def graph_of(*pids: int, stacks: bool = False) -> WaitGraph:
    readings = [reading for pid in pids if (reading := procfs.read_process(pid)) is not None]
    return read_waits(readings, {pid: dump(pid, 0) for pid in pids} if stacks else {})


@pytest.mark.parametrize("case", WAITS)
def test_what_a_thread_waits_on_is_named(case: str, waiting: Callable[..., subprocess.Popen[bytes]]) -> None:
    text, kind, what = WAITS[case]
    process = waiting(text)
    graph = graph_of(*procfs.family(process.pid))
    wait = graph.waits[process.pid, process.pid]
    assert wait.kind is kind, wait
    assert what in wait.what, wait
    assert graph.states[process.pid] == "S"
    for pid in procfs.family(process.pid)[1:]:
        os.kill(pid, signal.SIGKILL)


TIMED = {
    "sleep": "import time; go(); time.sleep(600)",
    "select": "import select; go(); select.select([], [], [], 600)",
    "poll": "import select; go(); select.poll().poll(600_000)",
    "lock": "import _thread; l = _thread.allocate_lock(); l.acquire(); go(); l.acquire(timeout=600)",
    "input": "import os, select; r, w = os.pipe(); go(); select.select([r], [], [], 600)",
}


@pytest.mark.parametrize("case", TIMED)
def test_how_long_a_wait_will_last_is_read_from_its_call(
    case: str, waiting: Callable[..., subprocess.Popen[bytes]]
) -> None:
    process = waiting(TIMED[case])
    wait = graph_of(process.pid).waits[process.pid, process.pid]
    assert wait.timed
    assert wait.wakes_in_s is not None
    assert 500 < wait.wakes_in_s <= 600


@pytest.mark.parametrize("case", ["pipe", "epoll", "lock", "child"])
def test_a_wait_without_an_end_of_its_own_has_no_time(
    case: str, waiting: Callable[..., subprocess.Popen[bytes]]
) -> None:
    process = waiting(WAITS[case][0])
    family = procfs.family(process.pid)
    assert graph_of(*family).waits[process.pid, process.pid].wakes_in_s is None
    for pid in family[1:]:
        os.kill(pid, signal.SIGKILL)


def test_a_thread_that_runs_waits_for_nothing(waiting: Callable[..., subprocess.Popen[bytes]]) -> None:
    process = waiting("go()\nwhile True: pass")
    graph = graph_of(process.pid)
    assert not graph.waits
    assert graph.chain(process.pid).end is End.RUNS


def test_whoever_holds_a_file_lock_is_found(start: Start, waiting: Callable[..., subprocess.Popen[bytes]]) -> None:
    text = "import fcntl; f = open('prices', 'w'); {} fcntl.flock(f, fcntl.LOCK_EX); {}"
    holder = waiting(text.format("", "go(); import time; time.sleep(600)"))
    waiter = waiting(text.format("go();", ""))
    wait = graph_of(waiter.pid).waits[waiter.pid, waiter.pid]
    assert wait.kind is Kind.FILE_LOCK
    assert wait.peers == (holder.pid,)
    assert "prices" in wait.what
    chain = graph_of(waiter.pid, holder.pid).chain(waiter.pid)
    assert (chain.end, chain.node) == (End.WAITS, (holder.pid, holder.pid))


def test_the_other_end_of_a_pipe_and_of_a_local_connection_is_found(
    waiting: Callable[..., subprocess.Popen[bytes]],
) -> None:
    process = waiting("import os; go(); os.read(0, 1)")
    wait = graph_of(process.pid).waits[process.pid, process.pid]
    assert wait.peers == (os.getpid(),)
    assert graph_of(process.pid).chain(process.pid).end is End.OUTSIDE
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = waiting(f"import socket; c = socket.create_connection(('127.0.0.1', {port})); go(); c.recv(1)")
        connection, _ = server.accept()
        with connection:
            wait = graph_of(client.pid).waits[client.pid, client.pid]
            assert wait.peers == (os.getpid(),)
            assert f"127.0.0.1:{port}" in wait.what


def test_the_peers_of_unix_sockets_are_known_and_a_closed_one_is_not_there() -> None:
    ours, theirs = socket.socketpair()
    near, far = os.fstat(ours.fileno()).st_ino, os.fstat(theirs.fileno()).st_ino
    peers = sockets.unix_peers()
    assert peers is not None
    assert (peers[near], peers[far]) == (far, near)
    theirs.close()
    peers = sockets.unix_peers()
    assert peers is not None
    assert near not in peers
    ours.close()


FORKED = """
import os, socket, sys, time
pairs = [socket.socketpair() for _ in range(3)]
children = []
for number, (ours, theirs) in enumerate(pairs):
    child = os.fork()
    if child == 0:
        ours.close()
        if number == {number}:
            {act}
        theirs.recv(1)
        os._exit(0)
    theirs.close()
    children.append(child)
time.sleep(0.2)
print(*children, flush=True)
pairs[{number}][0].recv(1)
"""
"""As SubprocVecEnv does under fork: each child also holds the later ones' ends, and the earlier ones' of the parent."""


@pytest.mark.parametrize(
    ("number", "act", "end"),
    [
        (0, "time.sleep(600)", End.WAITS),
        (2, "time.sleep(600)", End.WAITS),
        (1, "os.kill(os.getpid(), 19)", End.STOPPED),
        (2, "os._exit(3)", End.DEAD),
        (1, "while True: pass", End.RUNS),
        (0, "pass", End.CYCLE),
    ],
)
def test_among_forked_children_that_all_hold_the_pipe_the_right_one_is_named(
    number: int, act: str, end: End, start: Start, write: Write
) -> None:
    process = start([sys.executable, "-S", write(FORKED.format(number=number, act=act))], stdout=-1)
    assert process.stdout is not None
    children = [int(word) for word in process.stdout.readline().split()]
    time.sleep(0.1)
    try:
        graph = graph_of(*procfs.family(process.pid))
        chain = graph.chain(process.pid)
        assert chain.end is end, chain
        named = chain.node if end is not End.CYCLE else chain.links[-1].node
        assert named is not None
        assert named[0] == children[number]
        if end is End.DEAD:
            status = procfs.read_process(named[0])
            assert status is not None
            assert status.exit_status == 3 << 8
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)


GIL = """
import ctypes, os, threading, time
def tick():
    while True:
        time.sleep(0.02)
threading.Thread(target=tick, daemon=True).start()
r, w = os.pipe()
print(flush=True)
ctypes.{}(None).read(r, ctypes.create_string_buffer(1), 1)
"""


@pytest.mark.parametrize(("loader", "held"), [("PyDLL", True), ("CDLL", False)])
def test_a_native_call_that_keeps_the_interpreter_s_lock_is_told_from_one_that_gives_it_up(
    loader: str, held: bool, start: Start, write: Write, wait_until: Callable[..., Any]
) -> None:
    process = start([sys.executable, write(GIL.format(loader))], stdout=-1)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.2)
    main = (process.pid, process.pid)

    def found() -> list[Wait]:
        graph = graph_of(process.pid, stacks=True)
        assert graph.waits[main].kind is Kind.INPUT
        return [wait for wait in graph.waits.values() if wait.for_gil]

    # On a busy machine one sample in which the thread woke too seldom proves nothing.
    waits = wait_until(found, 10) if held else found()
    assert [wait.threads for wait in waits] == ([(process.pid,)] if held else [])


def test_a_thread_that_is_joined_is_followed(start: Start, write: Write) -> None:
    script = write("""
        import os, threading
        r, w = os.pipe()
        thread = threading.Thread(target=os.read, args=(r, 1))
        thread.start()
        print(thread.native_id, flush=True)
        thread.join()
    """)
    process = start([sys.executable, script], stdout=-1)
    assert process.stdout is not None
    tid = int(process.stdout.readline())
    time.sleep(0.2)
    chain = graph_of(process.pid, stacks=True).chain(process.pid)
    assert chain.node == (process.pid, tid)
    assert chain.links[-1].kind is Kind.INPUT


def test_a_wait_is_plain_json(waiting: Callable[..., subprocess.Popen[bytes]]) -> None:
    process = waiting("import os; r, w = os.pipe(); go(); os.read(r, 1)")
    (wait,) = graph_of(process.pid).waits.values()
    assert json.loads(json.dumps(wait.to_json()))["kind"] == "input"


# The walk, on graphs of any shape.


def wait_for(pid: int, *peers: int, **more: Any) -> Wait:
    return Wait(pid, pid, Kind.INPUT, "read", "a pipe", peers, **more)


PIDS = st.integers(1, 6)
GRAPHS = st.builds(
    lambda edges, states: WaitGraph(
        {(pid, pid): wait_for(pid, *peers) for pid, peers in edges.items()},
        states,
        {pid: pid - 1 for pid in states},
    ),
    st.dictionaries(PIDS, st.lists(PIDS, max_size=3, unique=True)),
    st.dictionaries(PIDS, st.sampled_from("RSDTZ"), min_size=1),
)


@given(GRAPHS, PIDS)
def test_every_walk_ends_and_each_link_leads_to_the_next(graph: WaitGraph, pid: int) -> None:
    chain = graph.chain(pid)
    for wait, following in zip(chain.links, chain.links[1:], strict=False):
        assert following.pid in wait.peers
    if chain.end is End.CYCLE:
        assert chain.cycle
        assert chain.cycle[0].node == chain.node
        assert chain.node is not None
        assert chain.node[0] in chain.cycle[-1].peers
    if chain.end is End.STOPPED:
        assert chain.node is not None
        assert graph.states[chain.node[0]] == "T"


def test_of_several_that_could_answer_the_one_with_most_hope_counts() -> None:
    waits = {(1, 1): wait_for(1, 2, 3, 4), (2, 2): wait_for(2, 1), (4, 4): wait_for(4, 1)}
    for state, end in (("R", End.RUNS), ("T", End.STOPPED), ("Z", End.DEAD)):
        chain = WaitGraph(waits, {1: "S", 2: "S", 3: state, 4: "S"}).chain(1)
        assert (chain.end, chain.node) == (end, (3, 3))


def test_a_deserted_pipe_without_a_dead_child_names_nobody() -> None:
    graph = WaitGraph({(1, 1): wait_for(1, deserted=True)}, {1: "S"})
    assert graph.chain(1).end is End.WAITS
    dead = WaitGraph(graph.waits, {1: "S", 2: "Z", 3: "Z"}, {2: 1, 3: 1})
    assert (dead.chain(1).end, dead.chain(1).node) == (End.DEAD, None)


def test_only_what_several_looks_in_a_row_have_shown_is_the_subject() -> None:
    one = WaitGraph({(1, 1): wait_for(1, 2)}, {1: "S", 2: "R"})
    other = WaitGraph({(1, 1): wait_for(1, 3)}, {1: "S", 3: "R"})
    asleep = WaitGraph({(1, 1): wait_for(1, 2), (2, 2): wait_for(2)}, {1: "S", 2: "S"})
    assert subject.find([one, other], 1).node == (1, 1)
    assert subject.find([one, other], 1).chain is None
    assert subject.find([other, one, one], 1).node == (2, 2)
    # It runs at one look and waits at the next: the same thread all the same.
    assert subject.find([one, asleep], 1).node == (2, 2)
    assert subject.find([], 1).node == (1, 1)
