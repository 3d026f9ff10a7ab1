"""Runs questions under the probes, a few at once. Each answer is on disk before the next: a stopped call goes on."""

from __future__ import annotations

import json
import shutil
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from filelock import FileLock, Timeout

from matrix.cases.question import Answer, Question
from matrix.errors import MatrixError
from probes.diagnosis import Diagnosis
from probes.verdicts import Verdict
from probes.watch import InterruptedRunError, Status, WatchOptions, watch

ANSWERS_FILE = "answers.jsonl"
_LOCK_FILE = "cases.lock"
_PROGRAM = "train.py"
"""The same for all: a name would tell."""
CONFIRM_AFTER_S = 4.0


class _Clock:
    """When the step count last moved, and when something was told."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._step: int | None = None
        self._moved_s = 0.0
        self.told_after_s: float | None = None

    def look(self, status: Status) -> None:
        if status.step != self._step:
            self._step, self._moved_s = status.step, status.elapsed_s
        if status.diagnosis is not None and self.told_after_s is None:
            self.told_after_s = status.elapsed_s - self._moved_s

    def end(self) -> float:
        wall_s = time.monotonic() - self._began
        if self.told_after_s is None:
            self.told_after_s = wall_s - self._moved_s
        return wall_s


def load_answers(folder: Path) -> dict[str, Answer]:
    """
    Answers of earlier calls by name; the newest counts.

    :raises MatrixError: the file is not one of ours.
    """
    path = folder / ANSWERS_FILE
    answers: dict[str, Answer] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return answers
    for number, line in enumerate(lines, 1):
        try:
            answer = Answer.from_json(json.loads(line))
        except (ValueError, TypeError, AttributeError) as error:
            if number == len(lines):
                break  # a call that was killed while it wrote
            raise MatrixError(f"{path}, line {number}: not an answer ({error}); --fresh forgets the file") from error
        answers[answer.name] = answer
    return answers


def ask_all(
    questions: Sequence[Question],
    folder: Path,
    *,
    pythons: Mapping[str | None, str] = {None: sys.executable},
    jobs: int = 1,
    fresh: bool = False,
    on_answer: Callable[[Question, Answer, bool], None] = lambda question, answer, again: None,
) -> dict[str, Answer]:
    """
    Answers to all questions, those that ``folder`` has already included.

    :param pythons: what runs the programs of each library set: they need stable-baselines3 and sb3-contrib.
    :param on_answer: called with each, and whether it was there before.
    :raises MatrixError: another call is at work in ``folder``.
    :raises KeyboardInterrupt: once all that ran has ended; what was answered stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / _LOCK_FILE, timeout=0):
            return _ask_missing(questions, folder, pythons, jobs, fresh=fresh, on_answer=on_answer)
    except Timeout as error:
        raise MatrixError(f"{folder}: another call is at work there; wait for it, or name another folder") from error


def _ask_missing(
    questions: Sequence[Question],
    folder: Path,
    pythons: Mapping[str | None, str],
    jobs: int,
    *,
    fresh: bool,
    on_answer: Callable[[Question, Answer, bool], None],
) -> dict[str, Answer]:
    if fresh:
        # Nothing but ours: the folder may hold other things too.
        for question in questions:
            shutil.rmtree(folder / question.name, ignore_errors=True)
        (folder / ANSWERS_FILE).unlink(missing_ok=True)
    known = load_answers(folder)
    answers = {question.name: known[question.name] for question in questions if question.name in known}
    for question in questions:
        if question.name in answers:
            on_answer(question, answers[question.name], True)
    todo = [question for question in questions if question.name not in answers]
    stop = threading.Event()
    with ThreadPoolExecutor(jobs, thread_name_prefix="case") as pool:
        running = {
            pool.submit(_ask, question, folder, pythons[question.libraries], stop): question for question in todo
        }
        try:
            for future in as_completed(running):
                answer = future.result()
                answers[answer.name] = answer
                with (folder / ANSWERS_FILE).open("a", encoding="utf-8") as file:
                    file.write(json.dumps(answer.to_json()) + "\n")
                on_answer(running[future], answer, False)
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return answers


def _ask(question: Question, folder: Path, python: str, stop: threading.Event) -> Answer:
    out = folder / question.name
    shutil.rmtree(out, ignore_errors=True)
    work = out / "work"
    work.mkdir(parents=True)
    (work / _PROGRAM).write_text(question.program, encoding="utf-8")
    temporary = out / "tmp"
    temporary.mkdir()
    clock = _Clock()
    options = WatchOptions(
        out=out / "run",
        limit_s=question.limit_s,
        confirm_after_s=CONFIRM_AFTER_S,
        on_freeze="stop",
        env=_environment(temporary, question.env),
        cwd=work,
        stdin_null=True,
        on_status=clock.look,
        should_stop=stop.is_set,
    )
    try:
        diagnosis = watch([python, _PROGRAM], options)
    except InterruptedRunError as error:
        raise KeyboardInterrupt from error
    wall_s = clock.end()
    shutil.rmtree(temporary, ignore_errors=True)
    return _answer(question, diagnosis, wall_s, clock.told_after_s)


def _environment(temporary: Path, given: Mapping[str, str]) -> dict[str, str]:
    # stable-baselines3 makes its log folders in TMPDIR. One thread, so that several programs do not measure each other.
    return {"TMPDIR": str(temporary), "OMP_NUM_THREADS": "1", **given}


def _answer(question: Question, diagnosis: Diagnosis, wall_s: float, told_after_s: float | None) -> Answer:
    # A run that gets ever slower goes on moving: it has no moment from which on it stands.
    moves = diagnosis.verdict in (Verdict.HEALTHY, Verdict.SLOWDOWN)
    return Answer(
        name=question.name,
        verdict=str(diagnosis.verdict),
        confidence=diagnosis.confidence,
        phase=diagnosis.phase,
        culprit=diagnosis.culprit.function if diagnosis.culprit else None,
        cause=diagnosis.cause,
        wall_s=round(wall_s, 2),
        told_after_s=None if moves or told_after_s is None else round(told_after_s, 2),
        runner_up=str(diagnosis.alternatives[0].verdict) if diagnosis.alternatives else None,
    )
