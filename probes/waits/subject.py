"""Which thread a silence is about: not always the one that trains, but the one that it waits for in the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from probes.waits.graph import Chain, End, Node, Wait, WaitGraph


@dataclass(frozen=True)
class Subject:
    """What everything waits for, as a number of looks one after the other have shown."""

    pid: int
    tid: int
    chain: Chain | None
    """From the training process's main thread to here; None if it was not the same at any two looks."""
    looks: int
    """How many of the last looks showed it so."""

    @property
    def node(self) -> Node:
        return self.pid, self.tid

    @property
    def last_wait(self) -> Wait | None:
        """What the last thread that waits waits on."""
        return self.chain.links[-1] if self.chain is not None and self.chain.links else None


def find(graphs: Sequence[WaitGraph], trainer: int) -> Subject:
    """
    Follows the waits of the training process at each look.

    :param graphs: the looks' wait graphs, the last one last.
    :param trainer: pid of the process that trains.
    """
    chains = [graph.chain(trainer) for graph in graphs]
    same = 0
    for chain in reversed(chains):
        if chain.key != chains[-1].key:
            break
        same += 1
    if not chains or (same < 2 and len(chains) > 1):
        return Subject(trainer, trainer, None, same)
    chain = chains[-1]
    ends_in_family = chain.end in (End.WAITS, End.RUNS, End.STOPPED) and chain.node is not None
    node = chain.node if ends_in_family else chain.links[-1].node if chain.links else (trainer, trainer)
    assert node is not None  # noqa: S101 - checked above
    return Subject(*node, chain, same)
