from __future__ import annotations

import io
import os
import string
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matrix.executors import parcel as parcels
from matrix.executors.parcel import Parcel, ParcelError, pack, unpack

NAMES = st.text(string.ascii_letters + "äß-_. ", min_size=1, max_size=12).filter(lambda name: name.strip(". "))
TREES = st.recursive(
    st.binary(max_size=200), lambda inner: st.dictionaries(NAMES, inner, max_size=4), max_leaves=8
).filter(lambda tree: isinstance(tree, dict))


def write(tree: dict[str, object], folder: Path) -> None:
    folder.mkdir()
    for name, content in tree.items():
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            assert isinstance(content, dict)
            write(content, folder / name)


def read(folder: Path) -> dict[str, object]:
    return {path.name: read(path) if path.is_dir() else path.read_bytes() for path in folder.iterdir()}


@given(TREES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_packed_is_what_is_unpacked(tmp_path_factory: pytest.TempPathFactory, tree: dict[str, object]) -> None:
    folder = tmp_path_factory.mktemp("parcel")
    write(tree, folder / "run")
    packed = pack(folder / "run")
    unpack(packed, folder / "home" / "cells" / "run")
    assert read(folder / "home" / "cells" / "run") == read(folder / "run") == tree
    assert packed.left_out == {}


def test_it_takes_the_place_of_an_earlier_attempts_folder(tmp_path: Path) -> None:
    write({"new": b"1"}, tmp_path / "run")
    write({"old": b"0"}, tmp_path / "there")
    unpack(pack(tmp_path / "run"), tmp_path / "there")
    assert read(tmp_path / "there") == {"new": b"1"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "there"]


def test_what_is_too_large_stays_and_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parcels, "FILE_LIMIT_BYTES", 100)
    monkeypatch.setattr(parcels, "PARCEL_LIMIT_BYTES", 150)
    write({"small": b"s" * 10, "a": b"a" * 90, "b": b"b" * 95, "huge": b"h" * 101}, tmp_path / "run")
    packed = pack(tmp_path / "run")
    assert packed.left_out == {"b": 95, "huge": 101}
    unpack(packed, tmp_path / "there")
    assert sorted(read(tmp_path / "there")) == ["a", "small"]


def test_links_and_pipes_do_not_travel(tmp_path: Path) -> None:
    write({"file": b"1"}, tmp_path / "run")
    (tmp_path / "run" / "link").symlink_to("/etc/hostname")
    (tmp_path / "run" / "folder").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "run" / "pipe")
    unpack(pack(tmp_path / "run"), tmp_path / "there")
    assert read(tmp_path / "there") == {"file": b"1"}


def test_a_run_without_a_folder_is_an_empty_parcel(tmp_path: Path) -> None:
    unpack(pack(tmp_path / "missing"), tmp_path / "there")
    assert read(tmp_path / "there") == {}


@pytest.mark.parametrize("name", ["../out", "/tmp/out", "a/../../out", "..", "a\\..\\out"])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("fine", b"1")
        archive.writestr(name, b"2")
    with pytest.raises(ParcelError, match="leads out of the folder"):
        unpack(Parcel(buffer.getvalue(), {}), tmp_path / "in" / "cells")
    assert list(tmp_path.rglob("*")) == [tmp_path / "in"]


@given(st.binary(max_size=400), st.integers(0, 200))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damage_is_an_error_and_leaves_nothing(tmp_path_factory: pytest.TempPathFactory, noise: bytes, at: int) -> None:
    folder = tmp_path_factory.mktemp("damage")
    write({"file": b"content" * 30, "other": b"x"}, folder / "run")
    data = pack(folder / "run").data
    damaged = data[:at] + noise + data[at + len(noise) :]
    try:
        unpack(Parcel(damaged, {}), folder / "there")
    except ParcelError:
        assert not (folder / "there").exists()
    assert sorted(path.name for path in folder.iterdir() if path.name != "there") == ["run"]


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write({"zeros": bytes(100_000)}, tmp_path / "run")
    packed = pack(tmp_path / "run")
    monkeypatch.setattr(parcels, "PARCEL_LIMIT_BYTES", 1000)
    with pytest.raises(ParcelError, match="larger than any parcel"):
        unpack(packed, tmp_path / "there")
    assert not (tmp_path / "there").exists()
