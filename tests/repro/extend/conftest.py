"""Bases to go on from, and pieces trained in this process."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from repro.extend import piece
from tests.repro.extend import environments

PLACE = environments.__name__
Told = dict[str, Any]


class Trainee:
    """A base and what is trained from it, in one folder."""

    def __init__(self, folder: Path, algorithm: str, env: str, *, normalised: bool = False) -> None:
        self.folder, self.algorithm, self.env, self.normalised = folder, algorithm, env, normalised
        self.begin = 0
        self.base, self.statistics, self.answer = folder / "base.zip", folder / "vn.pkl", folder / "answer.json"

    def make(self, policy: str, steps: int, **parameters: Any) -> Trainee:
        """Trains the base."""
        from repro.extend.algorithms import by_name

        # A copy: some algorithms add to the policy_kwargs that they are given.
        made = by_name(self.algorithm)(policy, self.venv(), seed=0, device="cpu", **copy.deepcopy(parameters))
        model = made.learn(steps)
        model.save(self.base)
        if self.normalised:
            model.get_vec_normalize_env().save(str(self.statistics))
        self.begin = int(model.num_timesteps)
        return self

    def venv(self) -> Any:
        """As :mod:`repro.extend.piece` makes it."""
        from stable_baselines3.common.env_util import make_vec_env
        from stable_baselines3.common.vec_env import VecNormalize

        made = make_vec_env(getattr(environments, self.env), n_envs=1, seed=0)
        if not self.normalised:
            return made
        return VecNormalize.load(str(self.statistics), made) if self.statistics.exists() else VecNormalize(made)

    def piece(self, to: int, steps: int, into: str, since: str | None = None, *more: str) -> int:
        """Trains one; gives its exit code."""
        words = [
            *("--algorithm", self.algorithm, "--base", str(self.base), "--begin", str(self.begin), "--to", str(to)),
            *("--steps", str(steps), "--into", str(self.folder / into), "--answer", str(self.answer)),
            *("--env", f"{PLACE}:{self.env}", "--threads", "1"),
            *(("--vec-normalize", str(self.statistics)) if self.normalised else ()),
            *(("--checkpoint", str(self.folder / since)) if since else ()),
            *more,
        ]
        return piece.main(words)

    def told(self, of: str) -> Told:
        """The manifest of a checkpoint."""
        found: Told = json.loads((self.folder / of / "checkpoint.json").read_text())
        return found

    def refusal(self) -> str:
        """Why a piece could not be trained."""
        return str(json.loads(self.answer.read_text())["refused"])

    def in_pieces(self, to: int, steps: int) -> list[Told]:
        """All pieces, to the end."""
        found: list[Told] = []
        while not found or found[-1]["after"]["steps"] < to:
            since = f"p{len(found)}" if found else None
            assert self.piece(to, steps, f"p{len(found) + 1}", since) == 0
            found.append(self.told(f"p{len(found) + 1}"))
        return found


@pytest.fixture
def trainee(tmp_path: Path) -> Callable[..., Trainee]:
    """Makes one."""

    def make(algorithm: str, env: str, policy: str, steps: int = 96, normalised: bool = False, **more: Any) -> Trainee:
        return Trainee(tmp_path, algorithm, env, normalised=normalised).make(policy, steps, **more)

    return make
