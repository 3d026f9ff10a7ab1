"""What is said while a checkpoint is trained on."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from matrix.extending.extension import Base, Extension
from matrix.extending.piece import Attempt
from matrix.extending.training import Ended
from probes.diagnosis import Diagnosis, Timing
from probes.diagnosis import Remedy as Proof
from probes.preflight.checks import Warned
from probes.verdicts import Verdict
from probes.watch import Status
from reports import extend_text

_EXTENSION = Extension(
    Base(Path("base.zip"), "0" * 64, 201_200, "RecurrentPPO", 10), 300_000, 10_000, Path("out"), Path("python"), ()
)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _row(number: int, before: int, after: int, **more: object) -> dict[str, object]:
    return {
        "kind": "piece",
        "number": number,
        "before": {"steps": before, "weights": "a" * 64},
        "after": {"steps": after, "weights": "b" * 64},
        "wall_s": 102.4,
        "verdict": "slow-phase",
        "environment_lost": None,
        **more,
    }


def _attempt(summary: str) -> Attempt:
    diagnosis = Diagnosis(Verdict.DEADLOCK, 0.9, summary, ("python",), Timing(1.0))
    return Attempt(2, 3, Path("out/pieces/000002-3"), diagnosis, 12.0, None)


def test_a_line_is_redrawn_with_what_is_left_at_the_pace_of_the_last_piece() -> None:
    screen = _Terminal()
    live = extend_text.Live(_EXTENSION, screen)
    live.status(1, Status(1.0, None, None, "starting"))
    assert screen.getvalue() == "piece 1 · step 201,200 of 300,000 (0 %) · starting"
    live.trained(_row(1, 201_200, 211_440), None)
    live.status(2, Status(1.0, 220_000, "train", "step 220000 · train"))
    assert (
        "piece 1      201,200 →   211,440    102.4 s   slow-phase   weights aaaaaaaa → bbbbbbbb\n" in screen.getvalue()
    )
    assert screen.getvalue().endswith(
        "piece 2 · step 220,000 of 300,000 (19 %) · about 13 min left · step 220000 · train"
    )
    live.clear()
    assert screen.getvalue().endswith("\r\x1b[K")


def test_without_a_terminal_it_is_quiet_between_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    live = extend_text.Live(_EXTENSION, screen)
    for _ in range(100):
        live.status(1, Status(1.0, 201_300, "collect", "step 201300"))
    assert screen.getvalue() == ""
    live.trained(_row(2, 201_200, 211_440, environment_lost="it is in the workers of SubprocVecEnv"), None)
    live.trained(_row(3, 211_440, 221_680, environment_lost="it is in the workers of SubprocVecEnv"), None)
    assert screen.getvalue().count("the environment began anew at this piece, for it is in the workers of") == 1


def test_what_each_piece_would_warn_of_is_said_once() -> None:
    screen = io.StringIO()
    live = extend_text.Live(_EXTENSION, screen)
    for seconds in (19, 23):
        warned = Warned("long-update", f"the bar will stand still for about {seconds} s", "", "")
        live.status(1, Status(1.0, 201_300, "train", "train", warned=(warned,)))
    assert screen.getvalue() == "freezelab: the bar will stand still for about 19 s\n"


def test_control_characters_of_a_summary_never_reach_the_terminal() -> None:
    screen = _Terminal()
    live = extend_text.Live(_EXTENSION, screen)
    live.failed(_attempt("waits\x1b[2J\nfor ever"), None)
    live.note("\x1b]0;x\x07")
    assert "\x1b[2J" not in screen.getvalue()
    assert "\x07" not in screen.getvalue()


def test_a_verified_remedy_of_something_slow_is_proposed_not_applied() -> None:
    screen = io.StringIO()
    live = extend_text.Live(_EXTENSION, screen)
    live.proven(Proof("fused-lstm", "as fast", True, 15.6, 2.5, 6.24), kept=False)
    assert "press Ctrl-C and add --remedy fused-lstm to the same command" in screen.getvalue()
    live.proven(Proof("start-method", "moved", True), kept=True)
    assert "start-method stays on for the pieces that follow" in screen.getvalue()


def test_the_end_names_what_was_trained_and_how_to_check_it() -> None:
    rows = (_row(1, 201_200, 211_440), _row(2, 211_440, 300_000))
    text = extend_text.text(_EXTENSION, Ended(Path("out/base-to-300000.zip"), rows))
    assert "steps     201,200 → 300,000; 300,000 were asked for" in text
    assert "pieces    2 in 3 min: 2 slow-phase" in text
    assert "check     freezelab audit out/base-to-300000.zip" in text


def test_what_was_given_up_has_its_diagnosis_and_says_what_is_safe() -> None:
    rows = (_row(1, 201_200, 211_440), {"kind": "failure", "times": 3})
    ended = Ended(None, rows, _attempt("It waits."))
    text = extend_text.text(_EXTENSION, ended)
    assert "given up  piece 2 failed 3 times in the same way" in text
    assert "safe      out/checkpoints holds what was trained" in text
    assert "verdict   deadlock (confidence 0.90)" in text
    document = extend_text.as_json(_EXTENSION, ended)
    assert document["model"] is None
    assert document["given_up"]["verdict"] == "deadlock"


@pytest.mark.parametrize(
    ("seconds", "says"), [(0.4, "0 s"), (89, "89 s"), (95, "2 min"), (5400, "1 h 30 min"), (11100, "3 h 05 min")]
)
def test_durations_are_told_as_people_do(seconds: float, says: str) -> None:
    assert extend_text.duration(seconds) == says
