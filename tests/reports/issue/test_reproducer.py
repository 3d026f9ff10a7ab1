"""Of a user's script the text is taken as it is, with the versions of the run at its head."""

from __future__ import annotations

import ast
import dataclasses
import os
from pathlib import Path

import pytest

from probes.diagnosis import Diagnosis
from reports.issue.reproducer import SCRIPT_LIMIT_BYTES, NoReproducerError, Reproducer, of_script
from tests.reports.conftest import failed
from tests.reports.issue.pep723 import metadata

PACKAGES = {"torch": "2.13.0+cpu", "numpy": "2.4.6", "pyyaml": "6.0.4", "opencv-python": "4.11.0.86"}


def ran(*command: str) -> Diagnosis:
    return dataclasses.replace(
        failed(), command=command, environment={"python": "3.10.4", "packages": {**PACKAGES, "gymnasium": "1.4.0"}}
    )


def made(folder: Path, text: str, *words: str) -> Reproducer:
    (folder / "train.py").write_text(text, encoding="utf-8")
    return of_script(ran("python", "-u", "train.py", *words), folder)


def test_what_it_imports_is_pinned(tmp_path: Path) -> None:
    found = metadata(
        made(tmp_path, "import numpy as np, os\nimport cv2\nfrom yaml.nodes import Node\nimport torch.nn\n").text
    )
    assert found == {
        "requires-python": "==3.10.*",
        "dependencies": ["opencv-python==4.11.0.86", "numpy==2.4.6", "torch==2.13.0", "pyyaml==6.0.4"],
    }


def test_the_program_is_the_same_and_its_arguments_are_kept(tmp_path: Path) -> None:
    text = '#!/usr/bin/env python\n# coding: utf-8\n"""Trains."""\nfrom __future__ import annotations\nimport numpy\n'
    found = made(tmp_path, text, "--lr", "3e-4")
    assert ast.dump(ast.parse(found.text)) == ast.dump(ast.parse(text))
    assert found.text.startswith("#!/usr/bin/env python\n# coding: utf-8\n# /// script\n")
    assert found.arguments == ("--lr", "3e-4")


def test_metadata_of_its_own_stay(tmp_path: Path) -> None:
    text = '# /// script\n# dependencies = ["numpy<3"]\n# ///\nimport numpy\n'
    found = made(tmp_path, text)
    assert found.text == text
    assert found.notes == ("its metadata are the script's own",)


def test_a_module_that_nothing_is_known_of_is_told(tmp_path: Path) -> None:
    [note] = made(tmp_path, "import numpy, simulator9000\n").notes
    assert "simulator9000 is not known" in note


def test_a_script_that_was_changed_since_is_told(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import numpy\n", encoding="utf-8")
    os.utime(tmp_path / "train.py", (2_000_000_000, 2_000_000_000))
    command = ran("python", "train.py")
    [note] = of_script(command, tmp_path, started_at="2026-11-25T19:10:31+0000").notes
    assert "changed after the run began" in note
    assert of_script(command, tmp_path, started_at="2036-11-25T19:10:31+0000").notes == ()
    assert of_script(command, tmp_path, started_at="some day").notes == ()


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (("python", "-m", "pkg.train"), "no script of one file"),
        (("python", "-c", "import train.py"), "no script of one file"),
        (("./train",), "no script of one file"),
        (("python", "gone.py"), "gone.py can't be read: No such file"),
        (("python", "long.py"), f"above {SCRIPT_LIMIT_BYTES} it is no minimal example"),
        (("python", "broken.py"), "no Python of ours to read"),
        (("python", "bytes.py"), "no Python of ours to read"),
        (("python", "parts.py"), "imports helpers and pack from its own folder"),
    ],
)
def test_what_is_no_script_of_one_file_is_refused(tmp_path: Path, command: tuple[str, ...], why: str) -> None:
    (tmp_path / "long.py").write_text("#" * (SCRIPT_LIMIT_BYTES + 1), encoding="utf-8")
    (tmp_path / "broken.py").write_text("def f(:\n", encoding="utf-8")
    (tmp_path / "bytes.py").write_bytes(b"x = '\xff'\n")
    (tmp_path / "helpers.py").touch()
    (tmp_path / "pack").mkdir()
    (tmp_path / "parts.py").write_text("import helpers\nfrom pack.a import b\n", encoding="utf-8")
    with pytest.raises(NoReproducerError, match=why):
        of_script(ran(*command), tmp_path)
