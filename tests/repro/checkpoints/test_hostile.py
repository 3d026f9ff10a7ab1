"""Files that mean harm, or are broken: a finding or one clear line, never an execution, never a crash."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from repro.checkpoints import pickles
from repro.checkpoints.audit import audit
from repro.checkpoints.case import Verdict
from repro.checkpoints.dangers import dangerous_imports
from repro.checkpoints.errors import CheckpointError, UnreadableError
from tests.repro.checkpoints.conftest import Rewrite, members_of

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Touch:
    """Makes a file as soon as it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


def _embedded(value: Any) -> dict[str, str]:
    return {":type:": "<class 'dict'>", ":serialized:": base64.b64encode(pickle.dumps(value)).decode()}


def test_pickles_that_would_touch_a_file_are_told_and_not_run(rewrite: Rewrite, tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    harmful = Touch(touched)
    weights, legacy = io.BytesIO(), io.BytesIO()
    torch.save({"action_net.weight": torch.zeros(2, 2), "harm": harmful}, weights)
    torch.save({"state": {}, "param_groups": [harmful]}, legacy, _use_new_zipfile_serialization=False)
    path = rewrite(
        {"policy_kwargs": _embedded(harmful), "num_timesteps": _embedded(harmful)},
        {"policy.pth": weights.getvalue(), "policy.optimizer.pth": legacy.getvalue()},
    )
    with pytest.raises(CheckpointError, match="num_timesteps"):
        audit(path)
    path = rewrite(
        {"policy_kwargs": _embedded(harmful), "_last_obs": _embedded([harmful])},
        {"policy.pth": weights.getvalue(), "policy.optimizer.pth": legacy.getvalue()},
    )
    found = audit(path)
    assert found.is_false
    dangers = {item["where"] for item in found.document["findings"] if item["level"] == "danger"}
    assert dangers == {"policy_kwargs", "_last_obs", "policy.pth", "policy.optimizer.pth"}
    assert not touched.exists()
    assert pickle.loads(pickle.dumps(harmful)) == 0  # noqa: S301  # the proof that it would have
    assert touched.exists()


@pytest.mark.parametrize(
    "words",
    [
        b"cbuiltins\neval\n",
        b"cnumpy.core\nos.system\n",
        b"csubprocess\nPopen\n",
        b"cposix\nsystem\n",
        b"ctorch.hub\nload\n",
    ],
)
def test_what_can_do_harm_is_recognised_by_its_name(words: bytes) -> None:
    found = pickles.read(words + b"(S'1'\ntR.")
    assert [str(name) for name in dangerous_imports(found)]
    assert found.called == found.globals


def test_honest_files_hold_nothing_dangerous(base: Path) -> None:
    found = audit(base)
    assert [item for item in found.document["findings"] if item["level"] == "danger"] == []
    assert {item["name"] for item in found.document["pickles"]} >= {"policy_class", "observation_space", "lr_schedule"}


def test_no_file_and_no_checkpoint_are_one_line_each(tmp_path: Path, rewrite: Rewrite) -> None:
    text, empty, other = tmp_path / "notes.zip", tmp_path / "empty.zip", tmp_path / "other.zip"
    text.write_text("not a zip")
    empty.touch()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("notes.txt", "a zip of something else")
    said = {
        tmp_path / "none.zip": "No such file",
        tmp_path: "directory",
        text: "not a whole zip archive",
        empty: "empty",
        other: "no model of stable-baselines3: it holds notes.txt",
        rewrite({}, {"data": None}, name="a.zip"): "no model",
        rewrite({}, {"data": b"{"}, name="b.zip"): "not JSON",
        rewrite({}, {"data": b"[]"}, name="c.zip"): "not a JSON object",
        rewrite({}, {"data": b"[" * 100_000 + b"]" * 100_000}, name="d.zip"): "not JSON",
        rewrite({}, {"data": b'{"a":[' + b"0," * 600_000 + b"0]}"}, name="e.zip"): "more than 500000 values",
        rewrite(
            {"num_timesteps": "300000"}, name="f.zip"
        ): "num_timesteps in its data is '300000', must be a whole number",
        rewrite({"num_timesteps": -1}, name="g.zip"): "must be a whole number, 0 or more",
        rewrite({"num_timesteps": 1e300}, name="h.zip"): "must be a whole number",
        rewrite({"_current_progress_remaining": float("nan")}, name="i.zip"): "must be a finite number",
    }
    for path, words in said.items():
        with pytest.raises(CheckpointError) as error:
            audit(path)
        assert words in str(error.value)
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)


def test_what_can_not_be_read_of_a_file_is_told_and_nothing_guessed(rewrite: Rewrite, base: Path) -> None:
    content = members_of(base)["policy.optimizer.pth"]
    for broken in (b"", b"\x80\x02.", content[:-40], content[:300], b"PK\x03\x04" + bytes(500)):
        found = audit(rewrite({}, {"policy.optimizer.pth": broken}))
        assert found.verdict is Verdict.CANNOT_TELL
        assert "policy.optimizer.pth" in found.document["unread"]


def test_names_that_lead_out_of_a_folder_are_told(rewrite: Rewrite) -> None:
    found = audit(rewrite({}, {"../../evil": b"", "/etc/evil": b"", "C:\\evil": b""}))
    assert found.is_false
    assert sum(item["level"] == "danger" for item in found.document["findings"]) == 3


def test_a_member_that_is_there_twice_is_refused(rewrite: Rewrite) -> None:
    path = rewrite()
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("data", "{}")
    with pytest.raises(CheckpointError, match="'data' twice"):
        audit(path)


def test_a_key_that_is_there_twice_is_told(rewrite: Rewrite, base: Path) -> None:
    data = members_of(base)["data"].rstrip()[:-1] + b', "num_timesteps": 192}'
    found = audit(rewrite({}, {"data": data}))
    assert any("num_timesteps stands in it twice" in item["says"] for item in found.document["findings"])


def test_bombs_are_not_unpacked(rewrite: Rewrite, tmp_path: Path) -> None:
    bomb = rewrite({}, {"policy.pth": bytes(200 << 20)}, compression=zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < 1 << 20
    found = audit(bomb)
    assert "zip bomb" in found.document["unread"]["policy.pth"]
    overlapping = bytearray(rewrite().read_bytes())
    at = overlapping.rindex(b"PK\x01\x02")
    struct.pack_into("<L", overlapping, at + 20, 1 << 30)
    (tmp_path / "overlapping.zip").write_bytes(overlapping)
    with pytest.raises(CheckpointError, match="overlap"):
        audit(tmp_path / "overlapping.zip")


def test_encrypted_and_damaged_members_are_told(rewrite: Rewrite, tmp_path: Path, base: Path) -> None:
    content = bytearray(base.read_bytes())
    at = content.index(b"num_timesteps")
    content[at : at + 3] = b"NUM"
    (tmp_path / "damaged.zip").write_bytes(content)
    with pytest.raises(CheckpointError, match="checksum does not fit"):
        audit(tmp_path / "damaged.zip")
    content = bytearray(base.read_bytes())
    entries = content[content.rindex(b"PK\x05\x06") + 16 :]
    content[struct.unpack_from("<L", entries)[0] + 8] |= 1  # the first entry of the directory: data
    (tmp_path / "encrypted.zip").write_bytes(content)
    with pytest.raises(CheckpointError, match="is encrypted"):
        audit(tmp_path / "encrypted.zip")


@pytest.mark.parametrize(
    ("shape", "stride", "offset"),
    [
        ((1 << 40,), (0,), 0),
        ((3,), (1 << 60,), 0),
        ((2, 2), (2, 1), 10**9),
        ((-1,), (1,), 0),
        ((2,) * 40, (1,) * 40, 0),
    ],
)
def test_tensors_that_look_beyond_their_storage_are_not_followed(
    shape: Any, stride: Any, offset: int, rewrite: Rewrite
) -> None:
    file = io.BytesIO()
    torch.save({"action_net.weight": torch.zeros(4)}, file)
    found: dict[str, bytes] = {}
    with zipfile.ZipFile(file) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    place = next(name for name in found if name.endswith("data.pkl"))
    storage = found[place]
    begin = storage.index(b"QK\x00")  # the persistent id has been read; offset, size, stride follow
    end = storage.index(b"\x89c")  # requires_grad
    written = b"".join(pickle.dumps(part, 2)[2:-1] for part in (offset, shape, stride))
    found[place] = storage[: begin + 1] + written + storage[end:]
    changed = io.BytesIO()
    with zipfile.ZipFile(changed, "w") as archive:
        for name, content in found.items():
            archive.writestr(name, content)
    result = audit(rewrite({}, {"policy.pth": changed.getvalue()}))
    assert "a tensor of" in result.document["unread"].get("policy.pth", "") or "shape" in str(result.document["unread"])


def test_deeply_nested_pickles_overflow_no_stack() -> None:
    pickles.read(b"\x80\x02" + b"(" * 50_000 + b"t" * 50_000 + b".")
    pickles.read(b"\x80\x02" + b"]" * 50_000 + b"a" * 49_999 + b".")
    with pytest.raises(UnreadableError):
        pickles.read(b"\x80\x02" + b"K\x01" * (pickles.MAX_OPCODES + 2) + b".")


@QUICK
@given(st.binary(max_size=300))
def test_random_bytes_are_no_pickle_that_crashes(data: bytes) -> None:
    with contextlib.suppress(UnreadableError):
        pickles.read(data)


@QUICK
@given(content=st.binary(max_size=400))
def test_random_bytes_are_no_checkpoint(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "random.zip"
    path.write_bytes(content)
    with pytest.raises(CheckpointError):
        audit(path)


@QUICK
@given(draw=st.data())
def test_mutated_and_truncated_checkpoints_are_told_or_refused(draw: st.DataObject, tmp_path: Path, base: Path) -> None:
    content = bytearray(base.read_bytes())
    for _ in range(draw.draw(st.integers(1, 4))):
        at = draw.draw(st.integers(0, len(content) - 1))
        content[at] = draw.draw(st.integers(0, 255))
    if draw.draw(st.booleans()):
        del content[draw.draw(st.integers(0, len(content))) :]
    _audited(tmp_path / "mutated.zip", bytes(content))


@QUICK
@given(draw=st.data())
def test_members_that_were_mutated_under_right_checksums_are_told_or_refused(
    draw: st.DataObject, rewrite: Rewrite, base: Path
) -> None:
    member = draw.draw(st.sampled_from(["policy.pth", "policy.optimizer.pth", "pytorch_variables.pth", "data"]))
    content = bytearray(members_of(base)[member])
    if member != "data":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            inner = {name: bytearray(archive.read(name)) for name in archive.namelist()}
        part = inner[next(name for name in inner if name.endswith("data.pkl"))]
    else:
        part = content
    for _ in range(draw.draw(st.integers(1, 5))):
        part[draw.draw(st.integers(0, len(part) - 1))] = draw.draw(st.integers(0, 255))
    if member != "data":
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for name, body in inner.items():
                archive.writestr(name, bytes(body))
        content = bytearray(file.getvalue())
    path = rewrite({}, {member: bytes(content)})
    with contextlib.suppress(CheckpointError):
        json.dumps(audit(path).document)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = (
    *("num_timesteps", "_total_timesteps", "_num_timesteps_at_start", "_current_progress_remaining", "_n_updates"),
    *("n_steps", "batch_size", "n_epochs", "n_envs", "target_kl", "learning_rate", "lr_schedule", "ep_info_buffer"),
    *("policy_kwargs", "policy_class", "_episode_num", "train_freq", "gradient_steps", "learning_starts", "start_time"),
)


@QUICK
@given(values=st.dictionaries(st.sampled_from(KEYS), JSON_VALUES, max_size=6))
def test_values_of_any_kind_are_told_or_refused(values: dict[str, Any], rewrite: Rewrite, base: Path) -> None:
    path = rewrite(values)
    with contextlib.suppress(CheckpointError):
        json.dumps(audit(path, base).document)


def _audited(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with contextlib.suppress(CheckpointError):
        json.dumps(audit(path).document)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.zip")
    with pytest.raises(CheckpointError, match="a pipe or a device"):
        audit(tmp_path / "pipe.zip")


def test_many_pickles_together_take_no_more_memory_than_one(rewrite: Rewrite) -> None:
    full = base64.b64encode(b"\x80\x02" + b"]" * 300_000 + b".").decode()
    found = audit(rewrite({f"p{number}": {":type:": "x", ":serialized:": full} for number in range(6)}))
    assert sum("more objects" in (item["problem"] or "") for item in found.document["pickles"]) >= 4
    assert found.verdict is Verdict.TRAINED


def test_weights_that_are_not_read_do_not_pass(rewrite: Rewrite) -> None:
    assert audit(rewrite({}, {"policy.pth": b""})).verdict is Verdict.CANNOT_TELL
