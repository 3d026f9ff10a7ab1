"""All stacks of a run as one file that speedscope opens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reports import speedscope

FRAMES = [{"name": "learn", "file": "/a.py", "line": 1}, {"name": "train", "file": "/b.py", "line": 2}]


def sampled(folder: Path, number: int, samples: list[list[int]]) -> None:
    weights = [0.1] * len(samples)
    head = {"type": "sampled", "name": 'Thread 1 "MainThread"', "unit": "seconds", "startValue": 0.0, "endValue": 1.0}
    profile = {**head, "samples": samples, "weights": weights}
    value = {"$schema": "x", "profiles": [profile], "shared": {"frames": FRAMES[::-1] if number == 2 else FRAMES}}
    (folder / f"profile-{number}.speedscope.json").write_text(json.dumps(value), encoding="utf-8")


def looked_at(folder: Path, at_ms: int, frames: list[list[Any]]) -> None:
    (folder / "stacks").mkdir(exist_ok=True)
    thread = {"tid": 7, "name": "MainThread", "frames": frames}
    value = {"at_s": at_ms / 1000, "processes": [{"pid": 7, "threads": [thread]}]}
    (folder / "stacks" / f"{at_ms:09}.json").write_text(json.dumps(value), encoding="utf-8")


def stacks(document: dict[str, Any]) -> dict[str, list[list[str]]]:
    """Names of the calls, outermost first, of each profile; checks what speedscope relies on."""
    frames = document["shared"]["frames"]
    for profile in document["profiles"]:
        assert profile["type"] == "sampled"
        assert len(profile["samples"]) == len(profile["weights"])
        assert profile["unit"] in ("none", "seconds")
    return {
        profile["name"]: [[frames[at]["name"] for at in sample] for sample in profile["samples"]]
        for profile in document["profiles"]
    }


def test_samples_and_looks_share_one_table_of_frames(tmp_path: Path) -> None:
    sampled(tmp_path, 1, [[0, 1], [0]])
    sampled(tmp_path, 2, [[1, 0]])
    looked_at(tmp_path, 2000, [["train", "/b.py", 2], ["learn", "/a.py", 1]])
    looked_at(tmp_path, 3000, [["wait", "/c.py", None], ["train", "/b.py", 2], ["learn", "/a.py", 1]])
    found = speedscope.document(tmp_path)
    assert stacks(found) == {
        'Thread 1 "MainThread" (profile-1)': [["learn", "train"], ["learn"]],
        'Thread 1 "MainThread" (profile-2)': [["learn", "train"]],
        "process 7, MainThread (standing still)": [["learn", "train"], ["learn", "train", "wait"]],
    }
    assert found["shared"]["frames"] == [*FRAMES, {"name": "wait", "file": "/c.py"}]
    assert found["$schema"] == speedscope.SCHEMA


def test_a_run_without_stacks_has_no_profile(tmp_path: Path) -> None:
    found = speedscope.document(tmp_path)
    assert (found["profiles"], found["activeProfileIndex"]) == ([], None)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"shared": {"frames": [1]}, "profiles": []}', "\x00", "[" * 100_000])
def test_damaged_files_are_passed_over(tmp_path: Path, text: str) -> None:
    sampled(tmp_path, 1, [[0]])
    looked_at(tmp_path, 1000, [["learn", "/a.py", 1]])
    (tmp_path / "profile-3.speedscope.json").write_text(text, encoding="utf-8")
    (tmp_path / "stacks" / "000009000.json").write_text(text, encoding="utf-8")
    assert len(stacks(speedscope.document(tmp_path))) == 2
