"""The wait graph of one moment, and the walk along it to what everything waits for in the end."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from probes.waits.calls import Kind

Node = tuple[int, int]
"""Process and thread."""


@dataclass(frozen=True)
class Wait:
    """What one thread waits on."""

    pid: int
    tid: int
    kind: Kind
    call: str
    """The system call, or the kernel function that it sleeps in."""
    what: str
    """In words: ``a pipe``, ``the terminal /dev/pts/3``; empty for a lock or a sleep."""
    peers: tuple[int, ...] = ()
    """Processes that can end the wait."""
    bystanders: tuple[int, ...] = ()
    """Processes that hold both ends of what it waits on: forked at a time when both were open."""
    deserted: bool = False
    """Known that nobody is at the other end who could end the wait."""
    threads: tuple[int, ...] = ()
    """Threads of the same process that it waits for."""
    for_gil: bool = False
    """Whether it waits for the interpreter's lock, held by one of ``threads``."""
    timed: bool | None = False
    """Whether it gives up by itself after some time; None if unknown."""
    wakes_in_s: float | None = None
    """So long from now at most until it does; None if it doesn't, or that is unknown."""
    descriptors: tuple[int, ...] = ()
    """Of the files that it waits on."""
    shared: bool = False
    """Of a lock: whether other processes can have it too."""

    @property
    def node(self) -> Node:
        return self.pid, self.tid

    def to_json(self) -> dict[str, Any]:
        return {
            "pid": self.pid, "tid": self.tid, "kind": str(self.kind), "call": self.call, "what": self.what,
            "peers": list(self.peers), "threads": list(self.threads), "for_gil": self.for_gil,
            "deserted": self.deserted, "descriptors": list(self.descriptors), "bystanders": list(self.bystanders),
            "timed": self.timed, "shared": self.shared, "wakes_in_s": self.wakes_in_s,
        }  # fmt: skip


class End(enum.IntEnum):
    """How a chain of waits ends; the higher, the less hope that the wait will end."""

    RUNS = 0
    """A thread that runs."""
    OUTSIDE = 1
    """A process that is none of the family."""
    WAITS = 2
    """A thread that waits on something that no process is known to hold up."""
    STOPPED = 3
    """A process that was stopped."""
    DEAD = 4
    """A process that has died."""
    CYCLE = 5
    """A thread that is waited for by itself."""


@dataclass(frozen=True)
class Chain:
    """A walk along the waits of a family."""

    links: tuple[Wait, ...]
    """The waits on the way, each for the next one's thread; the last one's thread may wait for ``node`` itself."""
    end: End
    node: Node | None
    """Where it ends; None if nobody is there."""

    @property
    def path(self) -> tuple[Node, ...]:
        """The threads on the way, the last one's included."""
        nodes = [wait.node for wait in self.links]
        return tuple(nodes if self.node is None or self.node in nodes else [*nodes, self.node])

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for the same chain at two moments; a thread at its end may run at one and wait at the other."""
        return self.path, self.end if self.end not in (End.RUNS, End.WAITS) else None

    @property
    def cycle(self) -> tuple[Wait, ...]:
        """The waits that make up the cycle, if it ends in one."""
        if self.end is not End.CYCLE:
            return ()
        nodes = [wait.node for wait in self.links]
        return self.links[nodes.index(self.node) :] if self.node in nodes else self.links


@dataclass(frozen=True)
class WaitGraph:
    """All waits of a family at one moment."""

    waits: Mapping[Node, Wait] = field(default_factory=dict)
    states: Mapping[int, str] = field(default_factory=dict)
    """State letter of each process of the family, as in ``/proc/PID/stat``."""
    parents: Mapping[int, int] = field(default_factory=dict)
    names: Mapping[int, str] = field(default_factory=dict)
    """Of the family's processes, and of those outside that one of them waits for."""

    def dead_children(self, pid: int) -> list[int]:
        """Children of a process that have died and were not asked about yet, by number."""
        return sorted(p for p, parent in self.parents.items() if parent == pid and self.states.get(p) in ("Z", "X"))

    def chain(self, pid: int, tid: int | None = None) -> Chain:
        """
        Follows what a thread waits for. Where any one of several would do, the one with most hope counts.

        :param tid: None for the main thread.
        """
        return self._follow((pid, tid or pid), ())

    def _follow(self, node: Node, so_far: tuple[Wait, ...]) -> Chain:
        if node in [wait.node for wait in so_far]:
            return Chain(so_far, End.CYCLE, node)
        state = self.states.get(node[0])
        if state is None:
            return Chain(so_far, End.OUTSIDE, node)
        if state in ("Z", "X"):
            return Chain(so_far, End.DEAD, node)
        if state in ("T", "t"):
            return Chain(so_far, End.STOPPED, node)
        wait = self.waits.get(node)
        if wait is None:
            return Chain(so_far, End.RUNS, node)
        links = (*so_far, wait)
        nodes = self._next(wait)
        if nodes:
            chains = [self._follow(following, links) for following in nodes]
            return min(chains, key=lambda chain: (chain.end, len(chain.path)))
        if wait.deserted:
            dead = self.dead_children(wait.pid)
            if dead:
                return Chain(links, End.DEAD, (dead[0], dead[0]) if len(dead) == 1 else None)
        return Chain(links, End.WAITS, node)

    def _next(self, wait: Wait) -> list[Node]:
        nodes = [(wait.pid, tid) for tid in wait.threads] + [(peer, peer) for peer in wait.peers]
        if not nodes and not (wait.deserted and self.dead_children(wait.pid)):
            # Nobody has only the other end: one of those that have both must be meant.
            nodes = [(peer, peer) for peer in wait.bystanders]
        return nodes
