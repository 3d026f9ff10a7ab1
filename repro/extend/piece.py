"""Trains one piece: load, go on, leave a checkpoint that was loaded back."""

from __future__ import annotations

import contextlib
import errno
import gc
import json
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from repro.extend.options import PieceOptions, parse
from repro.extend.waiting import words_of
from repro.options import UsageError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EFBIG)
_OF_A_WORKER = (EOFError, ConnectionError)
"""All that is seen here of a worker that died: what befell it is for the probes to say."""


class RefusedError(Exception):
    """The piece can't be trained, and could not the next time; the text is one line that says what would be right."""


def main(words: Sequence[str]) -> int:
    """
    :param words: options of a piece, or ``--await FILE``, see :mod:`repro.extend.waiting`.
    :return: exit code: 0 when the checkpoint is there, 2 when the piece can't be trained (the answer file says why).
        Whatever the training itself raises goes through.
    """
    with _without_collecting():
        given = words_of(words)
    if given is None:
        return 0
    options = parse(given)
    # A module of the user's is found in the current folder, as by ``python -m``; last, so that it hides nothing.
    sys.path.append(str(Path.cwd()))
    try:
        _train(options)
    except (RefusedError, UsageError) as error:
        line = " ".join(str(error).split())
        sys.stderr.write(f"repro: {line}\n")
        options.answer.write_text(json.dumps({"refused": line}), encoding="utf-8")
        return 2
    return 0


@contextlib.contextmanager
def _without_collecting() -> Iterator[None]:
    """Importing torch makes a million objects that stay: looking for garbage among them takes a third of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _train(options: PieceOptions) -> None:
    with _without_collecting():
        from repro.train import terminal_logger, use_torch

        use_torch(options.training)
        algorithm = _algorithm(options.algorithm)
        env = _environment(options)
        from repro.extend import checkpoint, weights

        state = checkpoint.read_state(options.checkpoint) if options.checkpoint else None
        lost = _put_back_environment(env, options, state)
        model = _loaded(algorithm, options, env, state, lost)
    before = {"steps": int(model.num_timesteps), "updates": _updates(model), "weights": weights.digest(model)}
    model.set_logger(terminal_logger(0))
    started = time.monotonic()
    _learn(model, options, first=state is None)
    learn_s = time.monotonic() - started
    told = {
        "algorithm": options.algorithm,
        "begin": options.begin,
        "to": options.to,
        "before": before,
        "after": {"steps": int(model.num_timesteps), "updates": _updates(model), "weights": weights.digest(model)},
        "environment_lost_before": lost,
        "learn_s": round(learn_s, 3),
        "versions": _versions(),
    }
    try:
        _save(algorithm, model, options, told)
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise RefusedError(
            f"{options.into.parent}: the checkpoint can't be written: {error.strerror}; make room or name another --out"
        ) from error
    env.close()


def _algorithm(name: str) -> Any:
    from repro.extend.algorithms import by_name

    try:
        return by_name(name)
    except ImportError as error:
        raise RefusedError(f"{name} can't be imported by {sys.executable} ({error}); name another --python") from error


def _environment(options: PieceOptions) -> Any:
    from repro.train import market, vectorised

    training = options.training
    bars = market(training)
    try:
        env = vectorised(training, bars)
    except _OF_A_WORKER:
        raise
    except Exception as error:
        raise RefusedError(f"--env {training.env} can't be made: {type(error).__name__}: {error}") from error
    normalisation = options.vec_normalize
    if options.checkpoint is not None:
        from repro.extend.checkpoint import NORMALISATION

        own = options.checkpoint / NORMALISATION
        normalisation = own if own.exists() else None
    if normalisation is None:
        return env
    from stable_baselines3.common.vec_env import VecNormalize

    try:
        return VecNormalize.load(str(normalisation), env)
    except Exception as error:
        raise RefusedError(
            f"--vec-normalize {normalisation}: not what VecNormalize.save() writes for --env {training.env} "
            f"({type(error).__name__}: {error})"
        ) from error


def _put_back_environment(env: Any, options: PieceOptions, state: dict[str, Any] | None) -> str | None:
    """Why the environment begins anew although this is not the first piece; None if it does not."""
    from repro.extend import environment

    if state is None:
        return None
    try:
        if state["environment"] is None:
            raise environment.StateLostError(str(state["environment_lost"]))
        environment.put_back(env, state["environment"])
    except environment.StateLostError as error:
        # With the seed of the first piece it would show the same episodes again.
        env.seed((options.training.seed + state["steps"]) % (1 << 32))
        return str(error)
    return None


def _loaded(algorithm: Any, options: PieceOptions, env: Any, state: dict[str, Any] | None, lost: str | None) -> Any:
    if state is None:
        return _base(algorithm, options, env)
    from repro.extend import checkpoint
    from repro.extend.state import put_back

    folder = options.checkpoint
    assert folder is not None  # noqa: S101 - there is no state without one
    # Without a seed: load would seed all generators as if training began.
    model = algorithm.load(
        folder / checkpoint.MODEL, env=env, device=options.training.device, seed=None, force_reset=False
    )
    if (folder / checkpoint.REPLAY).exists():
        model.load_replay_buffer(folder / checkpoint.REPLAY, truncate_last_traj=lost is not None)
    put_back(model, state["model"], same_environment=lost is None)
    return model


def _base(algorithm: Any, options: PieceOptions, env: Any) -> Any:
    """The user's own model, as they would load it."""
    try:
        model = algorithm.load(options.base, env=env, device=options.training.device)
    except Exception as error:
        if isinstance(error, ValueError) and "spaces do not match" in str(error):
            raise RefusedError(
                f"{options.base} does not fit --env {options.training.env}: {error} (the model's, the environment's); "
                "give the environment that it was trained in"
            ) from error
        raise RefusedError(
            f"{options.base}: can't be loaded as {options.algorithm}: {type(error).__name__}: {error}"
        ) from error
    if options.seed_all is not None or model.seed is None:
        # A seed there must be: a piece that is trained again should be the same.
        model.set_random_seed(options.seed_all or 0)
    if options.replay_buffer is not None:
        if not hasattr(model, "load_replay_buffer"):
            raise RefusedError(
                f"--replay-buffer {options.replay_buffer}: {options.algorithm} learns from none; leave the option away"
            )
        try:
            model.load_replay_buffer(options.replay_buffer)
        except Exception as error:
            raise RefusedError(
                f"--replay-buffer {options.replay_buffer}: not what save_replay_buffer() writes "
                f"({type(error).__name__}: {error})"
            ) from error
    return model


def _learn(model: Any, options: PieceOptions, *, first: bool) -> None:
    from repro.extend.continuing import ending_at

    end = min(int(model.num_timesteps) + options.steps, options.to)
    with ending_at(model, end, begin=options.begin, to=options.to, first=first):
        model.learn(options.to - options.begin, reset_num_timesteps=False)


def _save(algorithm: Any, model: Any, options: PieceOptions, told: dict[str, Any]) -> None:
    from repro.extend import checkpoint, environment, weights
    from repro.extend.state import taken

    # Taken first: loading back draws random numbers.
    state: dict[str, Any] = {
        "model": taken(model),
        "steps": int(model.num_timesteps),
        "environment": None,
        "environment_lost": None,
    }
    try:
        state["environment"] = environment.taken(model.get_env())
    except environment.StateLostError as error:
        state["environment_lost"] = str(error)
    told["environment_lost"] = state["environment_lost"]
    with checkpoint.new_folder(options.into) as folder:
        model.save(folder / checkpoint.MODEL)
        checkpoint.write_state(folder, state)
        normalisation = model.get_vec_normalize_env()
        if normalisation is not None:
            normalisation.save(str(folder / checkpoint.NORMALISATION))
        if getattr(model, "replay_buffer", None) is not None:
            model.save_replay_buffer(folder / checkpoint.REPLAY)
        back = weights.digest(algorithm.load(folder / checkpoint.MODEL, device=options.training.device))
        if back != told["after"]["weights"]:
            raise RuntimeError(f"what was saved to {folder} is not what was trained: its weights differ once loaded")
        checkpoint.write_manifest(folder, told)


def _updates(model: Any) -> int | None:
    count = getattr(model, "_n_updates", None)
    return None if count is None else int(count)


def _versions() -> dict[str, str]:
    from repro.train import PACKAGES, version

    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
