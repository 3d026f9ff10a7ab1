"""The timeline of a run: phases, the visible step against what went on inside, suspicion and verdict."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from probes.agent import layout
from probes.agent.recorder import Recorder, phase_id
from probes.verdicts import Verdict
from reports.pictures.axis import tick, tick_label, took
from reports.pictures.canvas import width_of
from reports.pictures.history import History, Reading, Span, history
from reports.pictures.timeline import standstills, timeline
from tests.reports.conftest import slow


def readings(steps: list[int], every_s: float = 0.5) -> tuple[Reading, ...]:
    return tuple(Reading(number * every_s, step, number, 1.0, "collect") for number, step in enumerate(steps))


def test_phases_standstill_suspicion_and_verdict_are_on_it() -> None:
    steps = [0, 100, 200, *[200] * 17]
    spans = (Span("collect", 1.0, 4.0), Span("train", 4.0, 10.0, ended=False))
    drawn = timeline("t", History(10.0, spans, readings(steps), 6.0, "spin"))
    assert drawn is not None
    for words in (
        "stands still at 200 for 9.0 s",
        "first suspicion, 6.0 s",
        "verdict: spin, 10.0 s",
        "6.0 s, not ended",
    ):
        assert words in drawn.svg
    assert "train once, longest 6.0 s, not ended." in drawn.says
    assert "The visible step count stands still at 200" in drawn.says


def test_a_step_count_that_moves_stands_nowhere() -> None:
    past = History(10.0, (), readings(list(range(20))), None, "healthy")
    assert standstills(past) == []


def test_a_run_of_which_nothing_is_known_has_no_timeline() -> None:
    assert timeline("t", History(10.0, (), (), None, "healthy")) is None
    assert timeline("t", History(0.0, (), readings([1, 2]), None, "healthy")) is None
    busy = (Reading(0.0, None, 0, None, None), Reading(1.0, None, 0, 1.0, None))
    assert timeline("t", History(1.0, (), busy, None, "spin")) is None


def test_a_day_of_readings_stays_small() -> None:
    past = History(86400.0, (), readings(list(range(172800))), 80000.0, "slowdown")
    drawn = timeline("t", past)
    assert drawn is not None
    assert len(drawn.svg) < 100_000


def recorded(folder: Path) -> None:
    """A flight file as an agent writes it: a rollout, an update, and a rollout that does not end."""
    (folder / "flight").mkdir()
    recorder = Recorder()
    recorder.open(str(folder / "flight"))
    learn = recorder.enter(phase_id("learn"))
    for name in ("collect", "train"):
        token = recorder.enter(phase_id(name))
        time.sleep(0.02)
        recorder.leave(token)
    recorder.enter(phase_id("collect"))
    time.sleep(0.02)
    assert learn >= 0


def written(folder: Path, **more: object) -> None:
    (folder / "meta.json").write_text(json.dumps({"pid": 1, **more}), encoding="utf-8")
    lines = [
        {"at_s": at_s, "step": 5, "events": 9, "path": ["learn", "collect"], "processes": [{"pid": 1, "cpu_s": at_s}]}
        for at_s in (0.0, 0.5, 1.0)
    ]
    text = "\n".join([*map(json.dumps, lines), '{"at_s": 1.5, "ste', "[]", "null"])
    (folder / "readings.jsonl").write_text(text, encoding="utf-8")


def test_a_run_is_read_from_its_folder(tmp_path: Path) -> None:
    began_ns = time.monotonic_ns()
    recorded(tmp_path)
    written(tmp_path, started_monotonic_ns=began_ns)
    past = history(tmp_path, replace(slow(), timing=replace(slow().timing, observed_s=2.0)))
    assert [span.phase for span in past.spans] == ["setup", "collect", "train", "collect"]
    assert [span.ended for span in past.spans] == [True, True, True, False]
    assert past.spans[-1].end_s == past.lasted_s == 2.0
    assert [reading.cores for reading in past.readings] == [None, 1.0, 1.0]


def test_a_process_that_stays_after_its_training_has_not_ended(tmp_path: Path) -> None:
    (tmp_path / "flight").mkdir()
    recorder = Recorder()
    recorder.open(str(tmp_path / "flight"))
    recorder.leave(recorder.enter(phase_id("learn")))
    for verdict, ended in ((Verdict.EXIT_HANG, False), (Verdict.HEALTHY, True)):
        [*_, last] = history(tmp_path, replace(slow(), verdict=verdict)).spans
        assert (last.phase, last.ended) == ("exit", ended)


def test_what_the_ring_has_forgotten_is_filled_in_from_the_readings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("probes.agent.recorder._SHORT_WHOLE_NS", 0)
    (tmp_path / "flight").mkdir()
    recorder = Recorder()
    recorder.open(str(tmp_path / "flight"))
    recorder.enter(phase_id("learn"))
    for _ in range(layout.RING_CAPACITY + 10):
        recorder.leave(recorder.enter(phase_id("advantage")))
    written(tmp_path, started_monotonic_ns=time.monotonic_ns() - int(10e9))
    past = history(tmp_path, replace(slow(), timing=replace(slow().timing, observed_s=10.0)))
    assert past.spans[0].phase == "collect"


def test_phases_that_are_recorded_now_and_then_are_drawn_as_they_went_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("probes.agent.recorder._SHORT_WHOLE_NS", 10**12)
    monkeypatch.setattr("probes.agent.recorder._OFTEN_NS", 10**12)
    (tmp_path / "flight").mkdir()
    recorder = Recorder()
    recorder.open(str(tmp_path / "flight"))
    recorder.enter(phase_id("learn"))
    for _ in range(300):
        recorder.leave(recorder.enter(phase_id("collect")))
        time.sleep(0.001)
    written(tmp_path, started_monotonic_ns=time.monotonic_ns() - int(10e9))
    past = history(tmp_path, replace(slow(), timing=replace(slow().timing, observed_s=10.0)))
    [drawn_as_one] = [span for span in past.spans if span.phase == "collect"]
    assert not drawn_as_one.whole
    drawn = timeline("t", past)
    assert drawn is not None
    assert "collect again and again from " in drawn.says
    assert "collect once" not in drawn.says


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "not json"])
def test_a_damaged_folder_gives_what_is_left(tmp_path: Path, damage: str) -> None:
    recorded(tmp_path)
    written(tmp_path)
    [flight] = (tmp_path / "flight").iterdir()
    if damage == "missing":
        flight.unlink()
    elif damage == "not json":
        (tmp_path / "meta.json").write_text("{", encoding="utf-8")
    else:
        flight.write_bytes(b"" if damage == "empty" else flight.read_bytes()[:1000])
    past = history(tmp_path, slow())
    assert past.readings
    assert past.spans


def test_a_folder_that_is_gone_has_no_history(tmp_path: Path) -> None:
    past = history(tmp_path / "gone", slow())
    assert (past.spans, past.readings) == ((), ())


@pytest.mark.parametrize("lasted_s", [0.05, 1.0, 7.2, 60.0, 4000.0, 1e5, 1e7])
def test_an_axis_has_a_few_ticks(lasted_s: float) -> None:
    assert 1 <= lasted_s / tick(lasted_s) <= 8
    assert len(tick_label(3 * tick(lasted_s), tick(lasted_s))) <= 8


def test_durations_in_words() -> None:
    assert [took(seconds) for seconds in (0.012, 4.25, 150.0, 5400.0)] == ["12 ms", "4.2 s", "2.5 min", "1.5 h"]


def test_a_phone_gets_a_drawing_of_its_own_that_fits() -> None:
    spans = (Span("setup", 0.0, 1.0), Span("advantage", 4.0, 4.1), Span("collect", 1.0, 4.0), Span("exit", 99.0, 100.0))
    past = History(100.0, spans, readings([0, 123456, *[1234567] * 198]), 60.0, "slow-phase")
    drawn = timeline("t", past)
    assert drawn is not None
    assert drawn.narrow is not None
    wide, narrow = (ET.fromstring(svg) for svg in (drawn.svg, drawn.narrow))  # noqa: S314 - our own
    assert float(narrow.get("width", "0")) <= 390 - 32 < float(wide.get("width", "0"))
    names = [set(svg.get("aria-labelledby", "").split()) for svg in (wide, narrow)]
    assert not names[0] & names[1]
    right = float(narrow.get("width", "0"))
    for text in narrow.iter("{http://www.w3.org/2000/svg}text"):
        x, length = float(text.get("x", "0")), width_of(text.text or "")
        begin = {"end": x - length, "middle": x - length / 2}.get(text.get("text-anchor", ""), x)
        assert begin >= -4
        assert begin + length <= right + 4, text.text
