"""``freezelab audit`` as it is typed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import freezelab
from reports import audit_text
from reports.commands.interface import EXIT_BLIND, EXIT_DIAGNOSED, EXIT_OK, EXIT_USAGE
from tests.repro.checkpoints.conftest import Rewrite


def test_a_trained_and_a_forged_checkpoint(base: Path, rewrite: Rewrite, capsys: pytest.CaptureFixture[str]) -> None:
    forged = rewrite({"num_timesteps": 300_000}, name="manual-300k.zip")
    assert freezelab.main(["audit", str(base)]) == EXIT_OK
    assert capsys.readouterr().out.startswith("verdict   trained\n          It was trained for the 192 steps")
    assert freezelab.main(["audit", str(forged), "--against", str(base)]) == EXIT_DIAGNOSED
    text = capsys.readouterr().out
    assert text.startswith("verdict   counter-edited\n")
    words = " ".join(text.split())
    assert (
        "300,000 steps at n_steps 32 are 9,375 rollouts × n_epochs 2 × 2 minibatches of 16 = 37,500 optimiser" in words
    )
    assert "exactly the base's" in words
    assert "looked at and not loaded" in words
    assert max(map(len, text.splitlines())) <= 200


def test_json_is_one_document_with_all_of_it(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert freezelab.main(["audit", str(base), "--json"]) == EXIT_OK
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "freezelab.audit/1"
    assert (document["claimed_steps"], document["shown_steps"]) == (192, 192)
    assert document["algorithm"] == "PPO"
    assert document["counters"]["optimisers"]["policy.optimizer"]["steps"] == 24
    assert document["saved"]["system"]["PyTorch"]
    assert audit_text.text(document).startswith("verdict   trained")


def test_what_can_not_be_told_does_not_pass(rewrite: Rewrite, capsys: pytest.CaptureFixture[str]) -> None:
    assert freezelab.main(["audit", str(rewrite({}, {"policy.optimizer.pth": None}))]) == EXIT_BLIND
    assert "cannot tell" in capsys.readouterr().out


def test_settings_may_be_given(rewrite: Rewrite, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(rewrite({"n_epochs": 7}))
    assert freezelab.main(["audit", path]) == EXIT_BLIND
    assert "give the true ones: --n-steps" in " ".join(capsys.readouterr().out.split())
    assert freezelab.main(["audit", path, "--n-epochs", "2", "--batch-size", "16", "--n-envs", "1"]) == EXIT_OK
    assert "n_epochs 2" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["{tmp}/none.zip"], ["{base}", "--against", "{tmp}"]])
def test_bad_files_are_one_line(
    words: list[str], base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert freezelab.main(["audit", *(word.format(base=base, tmp=tmp_path) for word in words)]) == EXIT_USAGE
    output = capsys.readouterr()
    assert output.err.count("\n") == 1
    assert not output.out


@pytest.mark.parametrize("words", [["--n-steps", "0"], ["--n-envs", "many"], []])
def test_bad_usage_is_told(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        freezelab.main(["audit", *words])
    assert end.value.code == EXIT_USAGE
    assert "usage: freezelab audit" in capsys.readouterr().err


def test_control_characters_of_a_file_never_reach_the_terminal(
    rewrite: Rewrite, capsys: pytest.CaptureFixture[str]
) -> None:
    path = rewrite({"\x1b[31mred": {":type:": "x", ":serialized:": "gAIu"}}, {"_stable_baselines3_version": b"\x1b[2J"})
    freezelab.main(["audit", str(path)])
    assert "\x1b" not in capsys.readouterr().out


def test_the_audit_imports_no_torch(base: Path) -> None:
    program = f"import sys, freezelab; freezelab.main(['audit', {str(base)!r}]); sys.exit('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, cwd=Path(freezelab.__file__).parent, check=False
    )
    assert done.returncode == 0
