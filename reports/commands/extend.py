"""Goes on training a checkpoint for real, under the probes, in pieces that survive a kill."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from matrix.extending.extension import Base, Extension, sha256
from matrix.extending.training import Ended, extend
from matrix.plan.parameters import Parameter, parameters_from
from probes import remedies, stacks
from probes.doctor import NotAPythonError, find_python
from probes.watch import WatchOptions
from reports import extend_text
from reports.commands.interface import EXIT_DIAGNOSED, EXIT_OK, Commands, UsageError, count, positive
from repro import options as training_options
from repro.checkpoints import records
from repro.checkpoints.algorithms import of
from repro.checkpoints.audit import Audit, audit
from repro.checkpoints.checkpoint import loaded
from repro.checkpoints.health import Level
from repro.extend.algorithms import PLACES

_PIECE_STEPS = 10_000
_OF_TRAINING = ("env", "bars", "episode_steps", "n_envs", "vec_env", "start_method", "device", "threads")
"""Options of the training entry that a checkpoint does not hold."""
_DESCRIPTION = """\
Trains BASE.zip on until its count of steps is reached. Each piece is a run under the probes that leaves a
checkpoint, which is loaded back and compared. A piece that freezes or crashes is diagnosed and trained again
from the last checkpoint, with a remedy of the cause if one is known. Killed at any moment, the same command
goes on, and at most the piece in hand is lost.

Schedules, counters and optimiser are those of one uninterrupted run. So are the weights, bit by bit, if the
environment can be pickled with its state; environments in worker processes, and gymnasium's EzPickle ones, begin
a new episode with each piece, which is told. What an environment keeps outside of itself is not seen, and a GPU
repeats itself only as far as its kernels do.

The process of the next piece is started while the last fifth of a piece is trained; until its turn it has
imported torch, and nothing of yours. A piece that is merely slow goes on; a remedy of the cause is measured
once, on a tenth of a piece, and proposed.

BASE.zip is read and never written to. It is loaded as stable-baselines3 does, which runs what is in it: a file
in which freezelab audit finds something dangerous is refused.
"""


def add(commands: Commands) -> None:
    """Adds the command to the command line."""
    parser = commands.add_parser(
        "extend",
        help="go on training a checkpoint for real, in pieces that survive a kill",
        description=_DESCRIPTION,
        epilog="examples:\n"
        "  freezelab extend model_201k.zip --to 300000 --env mypkg.envs:MyEnv\n"
        "  freezelab extend model_201k.zip --to 300000 --env v3 --bars bars.parquet --remedy fused-lstm\n"
        "  freezelab extend model.zip --to 2000000 --env mypkg.envs:make --n-envs 4 --vec-env subproc \\\n"
        "      --vec-normalize vecnormalize.pkl --python ~/venvs/training --out runs/long\n"
        "what is in DIR:\n"
        "  BASE-to-STEPS.zip  the trained model, once it is there; what belongs to it begins with the same name\n"
        "  ledger.jsonl       a line for each piece: steps, checksums before and after, verdict, versions\n"
        "  checkpoints/       the last two; pieces/: what the probes saw of each\n"
        "exit codes: 0 trained, 2 bad usage or input, 3 given up with a diagnosis, 130 Ctrl-C",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("base", type=Path, metavar="BASE.zip", help="a file that model.save() wrote")
    parser.add_argument(
        "--to", type=count, required=True, metavar="STEPS", help="count of steps to reach; the last rollout is finished"
    )
    parser.add_argument("--env", required=True, metavar="NAME", help=_help("env"))
    parser.add_argument(
        "--piece",
        type=count,
        default=_PIECE_STEPS,
        metavar="STEPS",
        help="steps of a piece, rounded up to whole rollouts (default: %(default)s)",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for all of it (default: runs/BASE-to-STEPS)")
    parser.add_argument(
        "--python", type=Path, metavar="PATH", help="environment, or Python, that trains (default: what python is)"
    )
    parser.add_argument(
        "--remedy",
        action="append",
        default=[],
        metavar="ID[=VALUE]",
        help="apply a change to each piece, see freezelab remedies; may be given several times, and later",
    )
    for name in _OF_TRAINING[1:]:
        parser.add_argument(f"--{name.replace('_', '-')}", metavar=name.upper(), help=_help(name))
    parser.add_argument("--seed", metavar="N", help="seed of everything random (default: the base's own)")
    parser.add_argument("--algorithm", choices=sorted(PLACES), help="class that saved BASE.zip (default: told by it)")
    parser.add_argument(
        "--vec-normalize", type=Path, metavar="PKL", help="what VecNormalize.save() wrote; is unpickled"
    )
    parser.add_argument(
        "--replay-buffer", type=Path, metavar="PKL", help="what save_replay_buffer() wrote; is unpickled"
    )
    parser.add_argument(
        "--give-up-after",
        type=count,
        default=Extension.give_up_after,
        metavar="N",
        help="give up when a piece has failed N times in the same way (default: %(default)s)",
    )
    parser.add_argument(
        "--confirm-after",
        type=positive,
        default=WatchOptions.confirm_after_s,
        metavar="S",
        help="end a piece once its freeze has stood S seconds (default: %(default)s)",
    )
    parser.add_argument("--no-stacks", action="store_true", help="do without py-spy (no stacks, no profile)")
    parser.add_argument("--json", action="store_true", help="print the outcome as one JSON document on stdout")
    parser.set_defaults(run=_extend)


def _extend(options: argparse.Namespace) -> int:
    extension = _extension(options)
    if not options.no_stacks:
        stacks.check_permission()
    live = extend_text.Live(extension)
    if extension.base.verdict not in (None, "trained"):
        live.note(f"{extension.base.path}: its audit says {extension.base.verdict}; going on can't mend that")
    try:
        ended = extend(extension, live)
    except KeyboardInterrupt:
        live.note("the piece in hand is lost; the same command goes on from the last checkpoint")
        raise
    finally:
        live.clear()
    print(json.dumps(extend_text.as_json(extension, ended), indent=1) if options.json else _said(extension, ended))
    return EXIT_OK if ended.model is not None else EXIT_DIAGNOSED


def _said(extension: Extension, ended: Ended) -> str:
    sys.stderr.write("\n")
    return extend_text.text(extension, ended)


def _extension(options: argparse.Namespace) -> Extension:
    chosen = remedies.choose_all(options.remedy)
    base, n_envs = _base(options.base, options.algorithm)
    if options.to <= base.steps:
        raise UsageError(
            f"--to {options.to:,}: {base.path} is at {base.steps:,} steps already; give a count above that, such as "
            f"--to {base.steps + _PIECE_STEPS}"
        )
    for option, path in (("--vec-normalize", options.vec_normalize), ("--replay-buffer", options.replay_buffer)):
        if path is not None and not path.is_file():
            raise UsageError(f"{option} {path}: there is no such file")
    options.n_envs = options.n_envs or str(n_envs)
    seed = None if options.seed is None else int(str(_value("seed", options.seed)))
    return Extension(
        base=base,
        to=options.to,
        piece_steps=options.piece,
        out=options.out or Path("runs") / f"{base.path.stem}-to-{options.to}",
        python=_python(options.python),
        training=_training(options, seed),
        seed=seed,
        vec_normalize=options.vec_normalize,
        replay_buffer=options.replay_buffer,
        remedies=chosen,
        give_up_after=options.give_up_after,
        confirm_after_s=options.confirm_after,
        stacks=not options.no_stacks,
    )


def _base(path: Path, algorithm: str | None) -> tuple[Base, int]:
    """The base as it can be read without loading it, and how many environments trained it."""
    found = audit(path)
    _require_harmless(path, found)
    with loaded(path) as checkpoint:
        told = of(checkpoint.data)
        told_name = told.name(checkpoint.data) if told else None
        n_envs = records.environments(checkpoint.data) or checkpoint.data.setting("n_envs") or 1
        steps = checkpoint.data.count("num_timesteps")
    if steps is None:
        raise UsageError(f"{path}: num_timesteps is missing in its data, so that where it goes on from is unknown")
    alike = {"TD3", "DDPG"}  # the second is the first with other settings
    if algorithm is not None and told_name not in (None, algorithm) and {algorithm, told_name} != alike:
        raise UsageError(f"--algorithm {algorithm}: {path} was saved by {told_name}; leave the option away")
    name = algorithm or told_name
    if name is None:
        raise UsageError(
            f"{path}: its settings are those of no algorithm of stable-baselines3 or sb3-contrib; give --algorithm, "
            f"one of {', '.join(sorted(PLACES))}"
        )
    return Base(path, sha256(path), steps, name, path.stat().st_size, str(found.verdict)), n_envs


def _require_harmless(path: Path, found: Audit) -> None:
    for item in found.document["findings"]:
        if item["level"] == Level.DANGER:
            raise UsageError(f"{path}: is not loaded, for it would do harm: {item['where']}: {item['says']}")


def _training(options: argparse.Namespace, seed: int | None) -> tuple[str, ...]:
    words: list[str] = []
    for name in _OF_TRAINING:
        value = getattr(options, name)
        if value is not None:
            words += _known()[name].arguments(_value(name, value))
    words += [] if seed is None else ["--seed", str(seed)]
    refusal = training_options.refuses(words)
    if refusal is not None:
        raise UsageError(refusal)
    bars = options.bars
    if bars is not None and not Path(bars).is_file():
        raise UsageError(f"--bars {bars}: there is no such file")
    return tuple(words)


def _value(name: str, text: str) -> str | int | float | bool | None:
    parameter = _known()[name]
    try:
        return parameter.level(text)
    except ValueError as error:
        raise UsageError(f"{parameter.option}: {error}") from error


def _known() -> Mapping[str, Parameter]:
    return parameters_from(training_options.parser())


def _help(name: str) -> str:
    """What the training entry says of its option."""
    if name == "n_envs":
        return "number of environments (default: as many as trained the base)"
    action = next(item for item in training_options.parser()._actions if item.dest == name)
    return (action.help or "").replace("%(default)s", str(action.default))


def _python(path: Path | None) -> Path:
    try:
        return find_python(path)
    except NotAPythonError as error:
        raise UsageError(
            f"--python {path}: neither an environment (a folder with bin/python) nor a Python; give the one that trains"
        ) from error
