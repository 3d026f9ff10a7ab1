"""The loop of pieces, with a program that trains nothing."""

from __future__ import annotations

import dataclasses
import itertools
import json
import shutil
from pathlib import Path

import pytest

from matrix.errors import MatrixError
from matrix.extending import checkpoints, ledger
from matrix.extending.extension import Extension, sha256
from matrix.extending.ledger import Ledger
from matrix.extending.training import extend
from probes.verdicts import Verdict
from tests.matrix.extending.conftest import Program, Told


def _kinds(extension: Extension) -> list[str]:
    return [row["kind"] for row in Ledger(extension.out).rows]


def test_pieces_go_on_to_the_count_and_the_model_is_delivered(
    extension: Extension, program: Program, told: Told
) -> None:
    ended = extend(extension, told, program)
    assert ended.model == extension.out / "base-to-200.zip"
    assert ended.model.read_bytes() == b"model of 224"
    rows = list(Ledger(extension.out).of(ledger.PIECE))
    assert rows == told.rows
    assert [row["after"]["steps"] for row in rows] == [96, 128, 160, 192, 224]
    for before, after in itertools.pairwise(rows):
        assert after["before"] == before["after"]
    assert [row["folder"] for row in rows] == [f"pieces/{number:06d}-1" for number in range(1, 6)]
    assert ledger.broken_link(extension.out / "ledger.jsonl") is None
    assert _kinds(extension) == ["begin", *["piece"] * 5, "finished"]
    assert [folder.name for folder in checkpoints.there(extension.out)] == ["000005", "000004"]


def test_a_short_rest_is_trained_with_the_piece_before_it(extension: Extension, program: Program, told: Told) -> None:
    extend(dataclasses.replace(extension, to=64 + 96 + 96 + 20, piece_steps=96), told, program)
    assert [row["after"]["steps"] for row in told.rows] == [160, 288]


def test_the_same_again_trains_nothing(extension: Extension, program: Program, told: Told) -> None:
    extend(extension, told, program)
    before = (extension.out / "ledger.jsonl").read_bytes()
    again = Program()
    assert extend(extension, told, again).model == extension.final
    assert again.commands == []
    assert (extension.out / "ledger.jsonl").read_bytes() == before


def test_a_failed_piece_is_trained_again_from_the_last_checkpoint(
    extension: Extension, program: Program, told: Told
) -> None:
    program.plan = [Verdict.HEALTHY, Verdict.DEADLOCK]
    assert extend(extension, told, program).model
    second, third = program.commands[1:3]
    assert second == [word.replace("000002-2", "000002-1") for word in third]
    assert told.failures == [("deadlock in train · stand", None)]
    assert _kinds(extension)[:4] == ["begin", "piece", "failure", "piece"]


def test_identical_failures_are_given_up_with_their_diagnosis(
    extension: Extension, program: Program, told: Told
) -> None:
    program.plan = [Verdict.HEALTHY, *[Verdict.DEADLOCK] * 9]
    ended = extend(extension, told, program)
    assert ended.model is None
    assert ended.given_up is not None
    assert ended.given_up.diagnosis.verdict is Verdict.DEADLOCK
    assert len(program.commands) == 1 + extension.give_up_after
    last = Ledger(extension.out).rows[-1]
    assert (last["kind"], last["times"], last["given_up"]) == ("failure", 3, True)
    assert not extension.final.exists()
    # The same command tries again, from the same place.
    assert extend(extension, told, Program()).model


def test_ever_other_failures_are_given_up_too(extension: Extension, program: Program, told: Told) -> None:
    kinds = (Verdict.DEADLOCK, Verdict.SPIN, Verdict.CRASH, Verdict.OOM, Verdict.BLOCKED)
    program.plan = [*kinds, *kinds]
    ended = extend(extension, told, program)
    assert ended.given_up is not None
    assert len(program.commands) == 3 * extension.give_up_after


def test_a_freeze_gets_the_remedy_of_its_cause_and_keeps_it_once_it_is_verified(
    extension: Extension, program: Program, told: Told
) -> None:
    program.plan = [Verdict.HEALTHY, *[Verdict.DEADLOCK] * 9]
    program.cause, program.cured_by = "fork-after-openmp", "start-method"
    assert extend(extension, told, program).model
    assert told.failures == [("deadlock in train · stand", "start-method")]
    assert told.proofs == [("start-method", True, True)]
    assert program.applied == [[], [], *[["start-method"]] * 4]
    row = next(Ledger(extension.out).of(ledger.REMEDY))
    assert (row["id"], row["cause"], row["verified"], row["kept"]) == ("start-method", "fork-after-openmp", True, True)


def test_a_remedy_that_got_it_moving_is_there_after_a_kill(extension: Extension, program: Program, told: Told) -> None:
    program.plan, program.cause, program.cured_by = [Verdict.DEADLOCK] * 9, "fork-after-openmp", "start-method"

    def die(folder: Path) -> None:
        if folder.name == "000003":
            raise KeyboardInterrupt

    program.after = die
    with pytest.raises(KeyboardInterrupt):
        extend(extension, told, program)
    again = Program()
    extend(extension, told, again)
    assert again.applied == [["start-method"]] * 2


def test_a_remedy_that_does_not_help_is_dropped(extension: Extension, program: Program, told: Told) -> None:
    program.plan, program.cause = [Verdict.DEADLOCK] * 9, "fork-after-openmp"
    assert extend(extension, told, program).model is None
    assert program.applied == [[], ["start-method"], []]
    assert told.proofs == [("start-method", False, False)]


def test_slow_goes_on_and_its_remedy_is_measured_once_and_proposed(
    extension: Extension, program: Program, told: Told
) -> None:
    program.plan = [Verdict.SLOW_PHASE, Verdict.SLOW_PHASE] + [Verdict.SLOW_PHASE] * 9
    program.cause, program.cured_by = "recurrent-update-loop", "fused-lstm"
    assert extend(extension, told, program).model
    assert told.failures == []
    assert told.proofs == [("fused-lstm", True, False)]
    assert program.applied == [[], ["fused-lstm"], *[[]] * 4]
    assert not list((extension.out / "pieces").glob("*/remedies/*/checkpoint"))
    row = next(Ledger(extension.out).of(ledger.REMEDY))
    assert (row["before_s"], row["after_s"], row["kept"]) == (15.0, 2.5, False)
    rows = list(Ledger(extension.out).of(ledger.PIECE))
    assert [row["after"]["steps"] for row in rows] == [96, 128, 160, 192, 224]


def test_remedies_may_be_added_later(extension: Extension, program: Program, told: Told) -> None:
    from probes import remedies

    program.plan = [Verdict.HEALTHY, *[Verdict.DEADLOCK] * 9]
    extend(extension, told, program)
    again = Program()
    later = dataclasses.replace(extension, remedies=remedies.choose_all(["threads=1"]), piece_steps=64)
    assert extend(later, told, again).model
    assert again.applied == [["threads"]] * 2


def test_corrupt_training_data_are_not_built_upon(extension: Extension, program: Program, told: Told) -> None:
    program.plan = [Verdict.HEALTHY, Verdict.CORRUPTION]
    extend(extension, told, program)
    assert (extension.out / "checkpoints" / "corrupt-000002").is_dir()
    assert told.failures == [("corruption in train · stand", None)]


@pytest.mark.parametrize("damage", ["model.zip", "checkpoint.json", "gone"])
def test_a_damaged_checkpoint_is_put_aside_and_the_one_before_gone_on_from(
    extension: Extension, program: Program, told: Told, damage: str
) -> None:
    program.plan = [Verdict.HEALTHY] * 3 + [Verdict.DEADLOCK] * 9
    extend(extension, told, program)
    newest = extension.out / "checkpoints" / "000003"
    if damage == "gone":
        shutil.rmtree(newest)
    else:
        (newest / damage).write_bytes(b"x")
    again = Program()
    assert extend(extension, told, again).model
    assert again.commands[0][again.commands[0].index("--checkpoint") + 1].endswith("000002")
    assert (extension.out / "checkpoints" / "damaged-000003").exists() is (damage != "gone")
    if damage != "gone":
        assert any("it is put aside" in note for note in told.notes)


def test_nothing_is_begun_anew_when_all_checkpoints_are_gone(
    extension: Extension, program: Program, told: Told
) -> None:
    program.plan = [Verdict.HEALTHY] * 3 + [Verdict.DEADLOCK] * 9
    extend(extension, told, program)
    shutil.rmtree(extension.out / "checkpoints")
    with pytest.raises(MatrixError, match="checkpoints are gone or damaged; name another --out"):
        extend(extension, told, Program())


def test_a_piece_whose_line_was_never_written_is_added_to_the_ledger(
    extension: Extension, program: Program, told: Told
) -> None:
    program.plan = [Verdict.HEALTHY] * 2 + [Verdict.DEADLOCK] * 9
    extend(extension, told, program)
    path = extension.out / "ledger.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]) + b'{"torn')
    again = Program()
    extend(extension, told, again)
    rows = list(Ledger(extension.out).of(ledger.PIECE))
    assert [row["number"] for row in rows] == [1, 2, 3, 4, 5]
    assert [row.get("recovered", False) for row in rows] == [False, True, False, False, False]
    assert ledger.broken_link(path) is None


def test_a_piece_that_began_with_other_weights_ends_it(extension: Extension, program: Program, told: Told) -> None:
    def other(folder: Path) -> None:
        manifest = folder / "checkpoint.json"
        if folder.name == "000002":
            manifest.write_text(manifest.read_text().replace('"weights": "w96"', '"weights": "other"'))

    program.after = other
    with pytest.raises(MatrixError, match=r"began with other weights \(other\) than the last one ended with \(w96\)"):
        extend(extension, told, program)
    assert _kinds(extension) == ["begin", "piece"]


def test_changed_libraries_are_told(extension: Extension, program: Program, told: Told) -> None:
    def other(folder: Path) -> None:
        manifest = folder / "checkpoint.json"
        if folder.name == "000003":
            manifest.write_text(manifest.read_text().replace('"torch": "2"', '"torch": "3"'))

    program.after = other
    extend(extension, told, program)
    assert "libraries changed: torch 2 then, 3 now" in told.notes


def test_a_ledger_that_somebody_changed_is_told(extension: Extension, program: Program, told: Told) -> None:
    extend(extension, told, program)
    path = extension.out / "ledger.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"verdict": "healthy"', b'"verdict": "perfect"', 1))
    extend(extension, told, Program())
    assert any("line 3 does not follow from the one before it" in note for note in told.notes)


def test_what_can_not_be_trained_leaves_nothing(extension: Extension, program: Program, told: Told) -> None:
    program.refuses = "--env dummy does not fit"
    with pytest.raises(MatrixError, match="does not fit"):
        extend(extension, told, program)
    assert not extension.out.exists()


def test_what_can_not_be_trained_later_leaves_what_was(extension: Extension, program: Program, told: Told) -> None:
    program.plan = [Verdict.HEALTHY] * 2 + [Verdict.DEADLOCK] * 9
    extend(extension, told, program)
    with pytest.raises(MatrixError, match="no more"):
        extend(extension, told, Program(refuses="no more"))
    assert extend(extension, told, Program()).model


@pytest.mark.parametrize("name", ["ledger.jsonl", "checkpoints", "pieces", "base-to-200.zip"])
def test_a_folder_with_something_of_that_name_is_left_alone(
    extension: Extension, program: Program, told: Told, name: str
) -> None:
    extension.out.mkdir()
    (extension.out / name).write_text("mine")
    with pytest.raises(MatrixError, match=f"{name}: is there already, and is left alone"):
        extend(extension, told, program)
    assert program.commands == []
    assert (extension.out / name).read_text() == "mine"
    assert not (extension.out / "extend.json").exists()


def test_another_file_at_the_models_place_is_left_alone(extension: Extension, program: Program, told: Told) -> None:
    def put(folder: Path) -> None:
        extension.final.write_text("mine")

    program.after = put
    with pytest.raises(MatrixError, match="another file is there"):
        extend(extension, told, program)
    assert extension.final.read_text() == "mine"
    extension.final.unlink()
    assert extend(extension, told, Program()).model


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"to": 300}, "--to is not what it was when this began"),
        ({"training": ("--env", "v3")}, "the environment or its options is not what it was"),
        ({"seed": 3}, "--seed is not what it was"),
    ],
)
def test_something_else_is_not_gone_on_with(
    extension: Extension, program: Program, told: Told, changed: dict[str, object], says: str
) -> None:
    extend(extension, told, program)
    with pytest.raises(MatrixError, match=says):
        extend(dataclasses.replace(extension, **changed), told, program)  # type: ignore[arg-type]


def test_a_changed_base_is_told(extension: Extension, program: Program, told: Told) -> None:
    extend(extension, told, program)
    extension.base.path.write_bytes(b"another")
    base = dataclasses.replace(extension.base, sha256=sha256(extension.base.path))
    with pytest.raises(MatrixError, match=r"BASE\.zip has other content than when this began"):
        extend(dataclasses.replace(extension, base=base), told, program)


def test_a_settings_file_of_somebody_elses_is_told(extension: Extension, program: Program, told: Told) -> None:
    extension.out.mkdir()
    (extension.out / "extend.json").write_text(json.dumps({"mine": 1}))
    with pytest.raises(MatrixError, match="not what freezelab extend writes"):
        extend(extension, told, program)


def test_a_full_disk_is_told_before_the_piece(
    extension: Extension, program: Program, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    program.plan = [Verdict.HEALTHY] * 2 + [Verdict.DEADLOCK] * 9
    extend(extension, told, program)
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1_000_000))
        with pytest.raises(MatrixError, match=r"1 MB are free, .* may need 17 MB; make room and give the same command"):
            extend(extension, told, Program())
    assert extend(extension, told, Program()).model


def test_a_disk_that_is_full_from_the_beginning_leaves_nothing(
    extension: Extension, program: Program, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1_000_000))
        with pytest.raises(MatrixError, match="1 MB are free"):
            extend(extension, told, program)
    assert not extension.out.exists()
    assert program.commands == []


def test_a_disk_that_fills_up_meanwhile_is_told(
    extension: Extension, program: Program, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    def append(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "ledger.jsonl")

    def fill(folder: Path) -> None:
        if folder.name == "000002":
            monkeypatch.setattr(Ledger, "append", append)

    program.after = fill
    with pytest.raises(MatrixError, match=r"ledger.jsonl: No space left on device; what was trained so far is safe"):
        extend(extension, told, program)
    monkeypatch.undo()
    assert extend(extension, told, Program()).model
    assert [row["number"] for row in Ledger(extension.out).of(ledger.PIECE)] == [1, 2, 3, 4, 5]


def test_a_folder_that_can_not_be_made_is_told(extension: Extension, program: Program, told: Told) -> None:
    extension.out.write_text("a file")
    with pytest.raises(MatrixError, match="can't be written to"):
        extend(extension, told, program)
    assert extension.out.read_text() == "a file"


def test_one_folder_is_for_one_command(extension: Extension, program: Program, told: Told) -> None:
    def second(_: Path) -> None:
        with pytest.raises(MatrixError, match="another extend is training there"):
            extend(extension, Told(), Program())
        program.after = lambda _: None

    program.after = second
    assert extend(extension, told, program).model
