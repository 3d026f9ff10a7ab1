"""Reaching a cluster: its address, a Dask client that is connected to it, and the executor on top."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any

from matrix.errors import MatrixError
from matrix.executors.interface import Executor
from matrix.executors.local import usable_cores
from matrix.plan.plan import Plan
from matrix.running import devices

if TYPE_CHECKING:
    import distributed

CONNECT_WITHIN_S = 10.0
GPU = "GPU"
"""The resource of workers that have one, as ``dask worker --resources GPU=1`` names it."""
_LOCAL = re.compile(r"local:(\d+)")
_SCHEDULER = re.compile(r"(tcp|tls|ucx|ws|wss)://(\[[0-9a-fA-F:.]+\]|[^\s:/\[\]]+):(\d+)/?")
_SHIELD = "matrix.executors.shield"


@dataclass(frozen=True)
class ClusterAddress:
    """Where trials are to run."""

    scheduler: str | None
    """Address of a Dask scheduler; None starts workers on this machine."""
    workers: int
    """How many, if they are started here."""

    @classmethod
    def parse(cls, text: str) -> ClusterAddress:
        """
        Reads ``tcp://host:8786`` or ``local:4``.

        :raises MatrixError: it is neither.
        """
        if (local := _LOCAL.fullmatch(text)) and int(local[1]) > 0:
            return cls(None, int(local[1]))
        if (scheduler := _SCHEDULER.fullmatch(text)) and 0 < int(scheduler[3]) < 1 << 16:
            return cls(text.rstrip("/"), 0)
        raise MatrixError(
            f"--cluster {text!r}: expected the address of a Dask scheduler, such as tcp://login1:8786, "
            "or local:4 for four worker processes on this machine"
        )


@contextlib.contextmanager
def cluster_executor(
    address: str, plan: Plan, jobs: int | None, on_note: Callable[[str], None] = lambda _: None
) -> Iterator[Executor]:
    """
    An executor whose workers were found fit to run ``plan``; it may be entered and left again.

    :param address: see :meth:`ClusterAddress.parse`.
    :param jobs: at most so many trials at once, over the plan's own.
    :param on_note: told what a person should know, from any thread.
    :raises MatrixError: no such cluster, no worker, or none that is fit; nothing was written.
    """
    where = ClusterAddress.parse(address)
    threads = min((plan.threads(cell) for cell in plan.cells), default=1)
    with connected(where, threads) as client:
        from matrix.executors.dask import DaskExecutor

        with DaskExecutor(
            client,
            threads,
            jobs or plan.run.jobs,
            timing=plan.run.timing,
            files=files_of(plan),
            on_note=on_note,
        ) as executor:
            yield executor


def files_of(plan: Plan) -> list[str]:
    """The user's own files that cells are told of: every worker has to see them."""
    words: set[str] = set()
    for cell in plan.cells:
        words.update(cell.command or cell.arguments)
        words.update((cell.environ.get("PYTHONPATH") or "").split(os.pathsep))
    return sorted(word for word in words if "\0" not in word and Path(word).is_absolute() and Path(word).exists())


@contextlib.contextmanager
def connected(
    address: ClusterAddress, threads: int, within_s: float = CONNECT_WITHIN_S
) -> Iterator[distributed.Client]:
    """
    A client of the cluster, which has at least one worker.

    :param threads: cores for each trial; on this machine a worker gets as many threads as trials fit on its share.
    :param within_s: how long the scheduler, and then its first worker, may take to answer.
    :raises MatrixError: Dask is not installed, or one of them did not answer.
    """
    try:
        import distributed
    except ImportError as error:
        raise MatrixError(
            f"--cluster needs Dask, which is not installed ({error}); install it with: pip install 'freezelab[cluster]'"
        ) from error
    with contextlib.ExitStack() as opened:
        opened.enter_context(_quiet())
        if address.scheduler is None:
            client = distributed.Client(
                opened.enter_context(_local_workers(address.workers, threads)), set_as_default=False
            )
        else:
            client = _reach(address.scheduler, within_s)
        opened.enter_context(client)
        try:
            client.wait_for_workers(1, timeout=within_s)
        except (TimeoutError, asyncio.TimeoutError):  # two until Python 3.11
            where = address.scheduler or "this machine"
            raise MatrixError(
                f"{where}: no worker within {within_s:g} s; start some with: dask worker {address.scheduler}"
            ) from None
        yield client


def _reach(scheduler: str, within_s: float) -> distributed.Client:
    import distributed

    try:
        return distributed.Client(scheduler, timeout=within_s, set_as_default=False)
    except (OSError, asyncio.TimeoutError, ValueError) as error:  # OSError: no such host, refused, no answer
        reason = str(error) or type(error).__name__
        raise MatrixError(
            f"{scheduler}: no Dask scheduler answers there within {within_s:g} s ({reason}); "
            "start one with: dask scheduler"
        ) from error


@contextlib.contextmanager
def _local_workers(number: int, threads: int) -> Iterator[Any]:
    import dask
    import distributed

    slots = max(1, len(usable_cores()) // threads)
    settings = {
        # Two that would disturb what is observed: a sampling profiler in every worker, and another memory allocator.
        "distributed.worker.profile.enabled": False,
        "distributed.nanny.pre-spawn-environ": {},
        # A worker that is started again may take its time: training programs have the cores.
        "distributed.deploy.lost-worker-timeout": "10 minutes",
    }
    with contextlib.ExitStack() as opened:
        scratch = tempfile.TemporaryDirectory(prefix="freezelab-", ignore_cleanup_errors=True)
        opened.enter_context(dask.config.set(settings))
        with _deaf_to_ctrl_c():
            cluster = distributed.LocalCluster(
                n_workers=number,
                threads_per_worker=max(1, slots // number),
                processes=True,
                host="127.0.0.1",
                dashboard_address=None,
                memory_limit=0,  # a trial is a process of its own
                local_directory=opened.enter_context(scratch),
                silence_logs=logging.CRITICAL,
                resources={GPU: 1} if devices.has_cuda(os.environ) else {},
                preload=[_SHIELD],
            )
            opened.enter_context(cluster)
        yield cluster


@contextlib.contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """
    What asks us to end meanwhile is heard at the end: Dask can't be interrupted while it starts. Threads and processes
    that begin here stay deaf to Ctrl-C, see ``shield``.
    """
    resource_tracker.ensure_running()  # else Python starts it later, and lets SIGINT through as it does so
    heard: list[int] = []
    handlers = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if callable(signal.getsignal(number)):
                handlers[number] = signal.signal(number, lambda number, _: heard.append(number))
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if heard:
            signal.raise_signal(heard[0])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What Dask would tell of workers that come and go is told by the sweep, in its own words."""
    known = [*logging.root.manager.loggerDict, "distributed", "tornado.application"]
    loggers = [logging.getLogger(name) for name in known if name.partition(".")[0] in ("distributed", "tornado")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
