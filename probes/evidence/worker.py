"""What befell a worker, when its parent saw no more than a closed pipe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from probes import code
from probes.evidence.observed import Ending, Observed
from probes.observer import Observations
from probes.postmortem import PEER_ERRORS, Fate, PostMortem, post_mortems
from probes.progress import Progress
from probes.tracebacks import parse_traceback

KINDS = ("worker-raised", "worker-exited", "worker-killed", "worker-out-of-memory")


def ended_workers(seen: Observations, progress: Progress, ending: Ending | None) -> list[PostMortem]:
    """The workers that are no more, if the run's end or present state may be about them."""
    if ending is not None and ending.by_us is None and ending.status == 0:
        return []
    return post_mortems(
        seen,
        progress,
        printed=ending.stderr_tail if ending is not None else "",
        kernel_kills=ending.out_of_memory_kills if ending is not None else seen.out_of_memory_kills,
    )


def is_peer_error(progress: Progress, ending: Ending) -> bool:
    """Whether the run ended with an error that only says that somebody at the other end was gone."""
    recording = progress.recording
    error = recording.text("exception") if recording is not None else None
    if error is None:
        error = parse_traceback(ending.stderr_tail) if ending.status > 0 else None
    return error is not None and error["type"] in PEER_ERRORS


def worker_ended(ended: Sequence[PostMortem], progress: Progress, ending: Ending | None) -> Iterator[Observed]:
    """The worker whose end ended the run."""
    if ending is None or ending.by_us is not None or not ended or not is_peer_error(progress, ending):
        return
    worker = ended[0]
    if worker.fate is Fate.UNKNOWN:
        return
    if worker.fate is Fate.RAISED:
        kind = "worker-raised"
    elif worker.fate is Fate.EXITED:
        kind = "worker-exited"
    elif worker.fate is Fate.KILLED:
        kind = "worker-killed"
    else:
        kind = "worker-out-of-memory"
    frames = [frame for frame in worker.frames if not code.is_ours(frame[1])]
    place = f", in {frames[0][0]} ({code.place(frames[0][1], frames[0][2])})" if frames else ""
    more = f"; {len(ended) - 1} more ended with it" if len(ended) > 1 else ""
    process = f" (process {worker.pid})" if worker.pid is not None else ""
    yield Observed(
        kind,
        ending.after_s,
        f"{worker.who}{process} {worker.says}{place}{more}",
        {
            "process": worker.who,
            "pid": worker.pid,
            "says": worker.says,
            "signal": worker.signal,
            "exit_code": worker.exit_code,
            "type": worker.error["type"] if worker.error is not None else None,
            "message": worker.error["message"] if worker.error is not None else None,
            "frames": [list(frame) for frame in frames],
        },
    )
