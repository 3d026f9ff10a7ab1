"""Who of a cluster's workers can be given a trial. Told what the scheduler says; talks to nobody itself."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from matrix.executors.cluster import GPU


class Standing(enum.Enum):
    """What is known of a worker."""

    ASKED = "asked"
    """It has yet to say which FreezeLab it has."""
    FIT = "fit"
    REFUSED = "refused"
    """It could run trials, but not ours."""
    HANGS = "hangs"
    """It has stopped to answer."""


@dataclass
class Member:
    """A worker."""

    address: str
    host: str
    threads: int
    gpus: int
    alive_at_s: float
    """When it last gave a sign of life."""
    heartbeat: float
    """Its last one, on the scheduler's clock: only compared with itself."""
    standing: Standing = Standing.ASKED
    busy_threads: int = 0
    busy_gpus: int = 0
    trials: int = 0

    def width(self, threads: int) -> int:
        """How many of its threads a trial of ``threads`` takes: a machine that has fewer gives all."""
        return min(threads, self.threads)


class Crew:
    """A cluster's workers, by address."""

    def __init__(self) -> None:
        self.members: dict[str, Member] = {}
        self._looked_at_s: float | None = None

    @property
    def fit(self) -> list[Member]:
        return [member for member in self.members.values() if member.standing is Standing.FIT]

    @property
    def hopeful(self) -> bool:
        """Whether somebody is fit, or may turn out to be."""
        return any(member.standing in (Standing.ASKED, Standing.FIT) for member in self.members.values())

    def slots(self, threads: int) -> int:
        """How many trials of ``threads`` threads run at once."""
        return sum(member.threads // member.width(threads) for member in self.fit)

    def update(
        self, workers: Mapping[str, Mapping[str, Any]], now_s: float, gap_s: float
    ) -> tuple[list[str], list[str]]:
        """
        Takes note of the scheduler's list.

        :param workers: as ``Client.scheduler_info()["workers"]``.
        :param gap_s: after so long without a list, nobody's silence until now says anything.
        :return: who joined and who left.
        """
        if self._looked_at_s is not None and now_s - self._looked_at_s > gap_s:
            self.excuse(self.members, now_s)
        self._looked_at_s = now_s
        joined, left = [], [address for address in self.members if address not in workers]
        for address, worker in workers.items():
            gpus = int((worker.get("resources") or {}).get(GPU, 0))
            if (member := self.members.get(address)) is None:
                joined.append(address)
                self.members[address] = Member(
                    address,
                    str(worker.get("host") or address),
                    max(1, int(worker["nthreads"])),
                    gpus,
                    now_s,
                    worker["last_seen"],
                )
                continue
            member.gpus = gpus
            if worker["last_seen"] != member.heartbeat:
                member.heartbeat, member.alive_at_s = worker["last_seen"], now_s
        for address in left:
            del self.members[address]
        return joined, left

    def excuse(self, addresses: Iterable[str], now_s: float) -> None:
        """They gave a sign of life, or could not have."""
        for address in addresses:
            if address in self.members:
                self.members[address].alive_at_s = now_s

    def silent(self, now_s: float, silence_s: float) -> list[Member]:
        """Those in use that have said nothing for longer than ``silence_s``."""
        return [member for member in self.fit if member.trials and now_s - member.alive_at_s > silence_s]

    def choose(self, threads: int, gpu: bool) -> Member | None:
        """The member with most room for such a trial."""
        able = [
            member
            for member in self.fit
            if member.busy_threads + member.width(threads) <= member.threads
            and (not gpu or member.busy_gpus < member.gpus)
        ]
        return max(able, key=lambda member: member.threads - member.busy_threads, default=None)

    def engage(self, member: Member, threads: int, gpu: bool) -> None:
        """It is given a trial."""
        member.trials += 1
        member.busy_threads += member.width(threads)
        member.busy_gpus += gpu

    def release(self, address: str, threads: int, gpu: bool) -> None:
        """It is rid of one."""
        if (member := self.members.get(address)) is not None:
            member.trials -= 1
            member.busy_threads -= member.width(threads)
            member.busy_gpus -= gpu
