"""Sites of remedies: functions that stay patched or not, in real processes; several culprits, one after the other."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from freezelab import main
from matrix.bisect import sites as pure
from probes.agent.remedies import sites

ALGORITHMS = {
    "stable_baselines3.common.on_policy_algorithm": "OnPolicyAlgorithm",
    "sb3_contrib.ppo_recurrent.ppo_recurrent": "RecurrentPPO",
    "sb3_contrib.ppo_mask.ppo_mask": "MaskablePPO",
}
SITES = {name: f"resize-buffer:{module}.{name}.collect_rollouts" for module, name in ALGORITHMS.items()}
PROGRAM = """
import importlib, os, sys
sys.path.insert(0, os.path.dirname(__file__))
patched = set()
for word in sys.argv[2:]:
    module, _, name = word.rpartition(".")
    function = getattr(importlib.import_module(module), name).collect_rollouts
    while function is not None:
        if function.__code__.co_filename.endswith("resize_buffer.py"):
            patched.add(name)
        function = getattr(function, "__wrapped__", None)
def holds(name): return (name.strip('!') in patched) != ('!' in name)
if any(all(map(holds, each.split('+'))) for each in sys.argv[1].split(',')):
    os.abort()
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A training without torch: modules and classes of the names that the remedy patches."""
    for module, name in ALGORITHMS.items():
        path = tmp_path / "program" / (module.replace(".", "/") + ".py")
        path.parent.mkdir(parents=True)
        for folder in (path.parent, path.parent.parent):
            (folder / "__init__.py").touch()
        path.write_text(
            f"class {name}:\n    def collect_rollouts(self, *args): return True\n    def train(self): pass\n"
            "    def learn(self): pass\n",
            encoding="utf-8",
        )
    path = tmp_path / "program" / "train.py"
    path.write_text(PROGRAM, encoding="utf-8")
    return path


def _bisect(program: Path, tmp_path: Path, seek: str, fails_if: str) -> int:
    words = ["bisect", "sites", "--remedy", "resize-buffer", "--seek", seek, "--no-stacks", "--json"]
    every = [f"{module}.{name}" for module, name in ALGORITHMS.items()]
    return main([*words, "--out", str(tmp_path / "out"), "--", sys.executable, str(program), fails_if, *every])


@pytest.mark.parametrize(
    ("seek", "fails_if", "culprits"),
    [
        ("freeze", "MaskablePPO", [["MaskablePPO"]]),
        ("freeze", "MaskablePPO,RecurrentPPO", [["MaskablePPO"], ["RecurrentPPO"]]),
        ("cure", "!OnPolicyAlgorithm", [["OnPolicyAlgorithm"]]),
        ("freeze", "OnPolicyAlgorithm+MaskablePPO", [["MaskablePPO", "OnPolicyAlgorithm"]]),
    ],
)
def test_the_functions_that_matter_are_found(
    program: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    seek: str,
    fails_if: str,
    culprits: list[list[str]],
) -> None:
    assert _bisect(program, tmp_path, seek, fails_if) == 0
    told = json.loads(capsys.readouterr().out)
    assert sorted(told["facts"]["sites"]) == sorted(SITES.values())
    found = sorted(sorted(each) for each in told["facts"]["culprits"])
    assert found == sorted(sorted(SITES[name] for name in each) for each in culprits)
    assert all(pair["bad_freezes"] and not pair["good_freezes"] for pair in told["certificate"]["pairs"])


def test_a_remedy_that_patches_nothing_here_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "nothing.py"
    script.write_text("", encoding="utf-8")
    words = ["bisect", "sites", "--remedy", "fused-lstm", "--no-stacks", "--out", str(tmp_path / "out")]
    assert main([*words, "--", sys.executable, str(script)]) == 2
    assert "fused-lstm: patched nothing in this run" in capsys.readouterr().err


def test_the_agent_and_the_search_have_the_same_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"site {number}" for number in range(50)]
    assert [sites.site_hash(name) for name in names] == [pure.site_hash(name) for name in names]
    for on in ([], names[:1], names[3:20], names):
        told = pure.suffixes(on, names)
        monkeypatch.setenv(sites.VARIABLE, sites.NONE if not told else sites.ALL if told == ("",) else ",".join(told))
        assert [name for name in names if sites.chosen(name)] == on
