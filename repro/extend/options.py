"""The options of a piece. Standard library only: a wrong one is answered before torch is imported."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from repro import options as training_options
from repro.extend.algorithms import PLACES


class PieceOptions(argparse.Namespace):
    """The options as parsed."""

    algorithm: str
    base: Path
    checkpoint: Path | None
    begin: int
    to: int
    steps: int
    seed_all: int | None
    into: Path
    answer: Path
    vec_normalize: Path | None
    replay_buffer: Path | None
    training: training_options.Options


def parse(words: Sequence[str]) -> PieceOptions:
    """
    :raises SystemExit: with code 2 after a line on standard error if an option is wrong.
    :raises repro.options.UsageError: if options of the environment do not go together.
    """
    options, rest = _parser().parse_known_args(words, namespace=PieceOptions())
    options.training = training_options.parse(rest)
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="repro piece",
        description="Trains one piece and leaves a checkpoint. Options of the environment are those of the training "
        "entry: --env, --bars, --episode-steps, --n-envs, --vec-env, --start-method, --device, --threads, --seed.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--algorithm", required=True, choices=sorted(PLACES))
    add("--base", required=True, type=Path, help="the model to go on from")
    add("--checkpoint", type=Path, help="the last checkpoint; without one the base is loaded")
    add("--begin", required=True, type=int, help="the base's count of steps")
    add("--to", required=True, type=int, help="count of steps at which all pieces together end")
    add("--steps", required=True, type=int, help="steps of this piece; rounded up to a whole rollout")
    add("--seed-all", type=int, help="seed of everything random; without one, the base's own")
    add("--into", required=True, type=Path, help="folder of the new checkpoint")
    add("--answer", required=True, type=Path, help="file that says why the piece can't be trained, if it can't")
    add("--vec-normalize", type=Path, help="statistics of a VecNormalize; is unpickled")
    add("--replay-buffer", type=Path, help="what save_replay_buffer wrote; is unpickled")
    return parser
