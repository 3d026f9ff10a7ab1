"""The next piece's process is started while the present one trains, and no promise depends on it."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest

from matrix.extending import ahead, folder
from matrix.extending.extension import Extension
from matrix.extending.training import extend
from probes.diagnosis import Diagnosis
from probes.supervisor import Supervised
from probes.verdicts import Verdict
from probes.watch import Status, WatchOptions, start, watch
from tests.matrix.extending.conftest import Program, Told, _count

_WAITS = (
    "import pathlib, sys, time\n"
    "place = pathlib.Path(sys.argv[1])\n"
    "while not place.exists():\n"
    "    time.sleep(0.01)\n"
    "print('told', place.read_text())\n"
)


class Child:
    """A process that waits."""

    def __init__(self, options: WatchOptions) -> None:
        self.folder, self.closed, self.status = options.out, False, cast("int | None", None)
        self.folder.mkdir(parents=True)

    def exit_status(self) -> int | None:
        return self.status

    def close(self) -> None:
        self.closed = True


@dataclasses.dataclass
class Starter:
    """As :func:`probes.watch.start`; remembers whom it started."""

    children: list[Child] = dataclasses.field(default_factory=list)
    dead: bool = False
    commands: list[list[str]] = dataclasses.field(default_factory=list)

    def __call__(self, command: Sequence[str], options: WatchOptions) -> Supervised:
        self.commands.append(list(command))
        child = Child(options)
        child.status = 1 if self.dead else None
        self.children.append(child)
        return cast("Supervised", child)


class Moving(Program):
    """Tells its count as it goes, and remembers which runs were started ahead."""

    def __call__(self, command: Sequence[str], options: WatchOptions) -> Diagnosis:
        before, after = _count(list(command))
        for step in range(before, after + 1, 8):
            if options.on_status is not None:
                options.on_status(Status(1.0, step, "collect", ""))
        self.ahead = [*getattr(self, "ahead", []), cast("Child | None", options.started)]
        if options.started is not None:
            words = json.loads((options.out / "words.json").read_text())
            assert list(command[-len(words) :]) == words
            assert command[: -len(words)] == ahead.program(Path(command[0]))
            (options.out / "words.json").unlink()
            options.out.rmdir()  # the program makes it
        return super().__call__(command, options)


def test_each_piece_but_the_first_is_started_while_the_one_before_trains(extension: Extension, told: Told) -> None:
    program, starter = Moving(), Starter()
    assert extend(extension, told, program, starter).model
    assert program.ahead == [None, *starter.children]
    assert len(starter.children) == 4
    assert [row["folder"] for row in told.rows] == [f"pieces/{number:06d}-1" for number in range(1, 6)]
    assert all(command[-2] == "--await" for command in starter.commands)


def test_one_that_was_started_for_the_piece_after_a_failed_one_is_ended(extension: Extension, told: Told) -> None:
    program, starter = Moving(plan=[Verdict.HEALTHY, Verdict.DEADLOCK]), Starter()
    assert extend(extension, told, program, starter).model
    unused = [child for child in starter.children if child not in program.ahead]
    assert len(unused) == 1
    assert unused[0].closed
    assert [row["attempt"] for row in told.rows] == [1, 2, 1, 1, 1]


def test_a_remedy_that_was_found_meanwhile_is_in_the_next_process(extension: Extension, told: Told) -> None:
    program, starter = Moving(plan=[Verdict.DEADLOCK], cause="fork-after-openmp", cured_by="start-method"), Starter()
    assert extend(extension, told, program, starter).model
    assert program.applied == [[], *[["start-method"]] * 5]
    assert all(child is not None for child in program.ahead[3:])  # which remedy it is to have was open before


@pytest.mark.parametrize("dead", [True, False])
def test_without_it_a_piece_is_started_as_ever(extension: Extension, told: Told, dead: bool) -> None:
    def fails(command: Sequence[str], options: WatchOptions) -> Supervised:
        raise OSError("no more processes")

    program = Moving()
    assert extend(extension, told, program, Starter(dead=True) if dead else fails).model
    assert program.ahead == [None] * 5
    assert [row["attempt"] for row in told.rows] == [1] * 5


def test_what_still_waits_when_all_is_given_up_is_ended(extension: Extension, told: Told) -> None:
    program, starter = Moving(plan=[Verdict.DEADLOCK] * 3), Starter()
    assert extend(extension, told, program, starter).model is None
    assert starter.children
    assert all(child.closed and not child.folder.exists() for child in starter.children)


def test_what_a_killed_command_left_waiting_is_no_attempt(extension: Extension) -> None:
    never, began = extension.out / "pieces/000002-1", extension.out / "pieces/000001-1"
    for place in (never, began):
        place.mkdir(parents=True)
        (place / "stdout.log").touch()
    (began / "meta.json").touch()
    with folder.claim(extension.out):
        assert began.exists()
        assert not never.exists()


def test_the_time_that_it_waited_is_no_part_of_the_run(tmp_path: Path) -> None:
    out = tmp_path / "run"
    options = WatchOptions(out=out, stacks=False, stdin_null=True)
    place = out / "words"
    command = [sys.executable, "-c", _WAITS, str(place)]
    child = start(command, options)
    time.sleep(1.5)
    assert child.exit_status() is None
    place.write_text("now")
    diagnosis = watch(["the", "command"], dataclasses.replace(options, started=child))
    assert diagnosis.verdict is Verdict.HEALTHY
    assert diagnosis.command == ("the", "command")
    assert (out / "stdout.log").read_text() == "told now\n"
    assert diagnosis.timing.observed_s < 1.5
