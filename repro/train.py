"""The training entry: builds environment and model from the options, and trains.

What is wrong with an option is told before torch is imported, if it can be known by then.
"""

from __future__ import annotations

import gc
import importlib.util
import platform
import sys
import time
from collections.abc import Sequence
from functools import partial
from importlib import metadata
from typing import TYPE_CHECKING, Any

from repro.options import Options, UsageError, parse, parser

if TYPE_CHECKING:
    from repro.bars import Bars

__all__ = ["main", "parser"]

PACKAGES = ("torch", "stable-baselines3", "sb3-contrib", "gymnasium", "numpy")


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as the options say.

    :param arguments: words of the command line, default those of this process
    :return: exit code: 0 when trained, 2 when an option is wrong (one line on standard error says which).
        Whatever the training itself raises goes through.
    """
    try:
        options = parse(arguments)
        bars = market(options)
        use_torch(options)
        _say(_configuration(options))
        env = vectorised(options, bars)
        train(options, env)
    except UsageError as error:
        sys.stderr.write(f"repro: {error}\n")
        return 2
    # Only after success: closing a SubprocVecEnv whose worker has died waits for ever for answers.
    env.close()
    return 0


def train(options: Options, env: Any) -> Any:
    """Build the model, train it, save it if asked to, and say how long it took.

    :param env: vectorised environment
    :return: the trained model
    :raises UsageError: if the base model can't be used
    """
    model = build_model(options, env)
    model.set_logger(terminal_logger(options.verbose))
    if options.conservative == "on":
        # Set on the built model as the attempt did: its rollout buffer keeps the size it was built with.
        model.n_steps = options.conservative_n_steps
        model.batch_size = options.conservative_batch_size
    if options.clear_gpu_memory == "on":
        clear_gpu_memory()
    started = time.monotonic()
    model.learn(options.steps_to_learn, progress_bar=_progress_bar(options))
    seconds = time.monotonic() - started
    if options.save is not None:
        model.save(options.save)
    _say(f"done: {model.num_timesteps} steps in {seconds:.1f} s")
    return model


def build_model(options: Options, env: Any) -> Any:
    """Build the algorithm with its policy; with the adapter, weights come from a single-ticker base.

    :param env: vectorised environment
    :return: ``RecurrentPPO`` or ``PPO``
    :raises UsageError: if the base model can't be used
    """
    from torch import nn

    network: dict[str, Any] = {
        "net_arch": options.net_arch,
        "activation_fn": {"relu": nn.ReLU, "tanh": nn.Tanh}[options.activation],
    }
    if options.recurrent:
        network["lstm_hidden_size"] = options.lstm_hidden_size
        network["n_lstm_layers"] = options.n_lstm_layers
        network["enable_critic_lstm"] = options.enable_critic_lstm == "true"
    parameters: dict[str, Any] = {
        "n_steps": options.n_steps,
        "batch_size": options.batch_size,
        "n_epochs": options.n_epochs,
        "learning_rate": options.learning_rate,
        "gamma": options.gamma,
        "gae_lambda": options.gae_lambda,
        "clip_range": options.clip_range,
        "ent_coef": options.ent_coef,
        "vf_coef": options.vf_coef,
        "max_grad_norm": options.max_grad_norm,
        "target_kl": options.kl_limit,
        "policy_kwargs": network,
        "device": options.device,
        "seed": options.seed,
        "verbose": options.verbose,
    }
    if options.adapter == "on":
        return _adapted_model(options, env, parameters)
    if options.recurrent:
        from sb3_contrib import RecurrentPPO

        return RecurrentPPO(options.policy, env, **parameters)
    from stable_baselines3 import PPO

    return PPO(options.policy, env, **parameters)


def _adapted_model(options: Options, env: Any, parameters: dict[str, Any]) -> Any:
    from repro.adapter import AdapterError, DualTickerModelAdapter, load_base

    try:
        base = None if options.base_model is None else load_base(options.base_model)
        model = DualTickerModelAdapter(base).build(env, **parameters)
    except AdapterError as error:
        raise UsageError("--base-model", str(error)) from error
    _say(f"adapted from: {options.base_model or 'an untrained single-ticker model made for this run'}")
    return model


def market(options: Options) -> Bars | None:
    """The market to train on; none if the environment reads none."""
    from repro.bars import BarsError
    from repro.envs import environment_class, is_users
    from repro.market import DEFAULT_MINUTES, synthetic_market

    if is_users(options.env):
        if options.bars is not None:
            raise UsageError("--bars", f"{str(options.bars)!r} is of no use: {options.env} is not ours to give bars to")
        return None
    wanted = environment_class(options.env)
    required = wanted.required_bars(options.episode_steps)
    if options.bars is None:
        return synthetic_market(options.seed, max(DEFAULT_MINUTES, required)) if wanted.reads_bars else None
    if not wanted.reads_bars:
        raise UsageError("--bars", f"{str(options.bars)!r} is of no use: environment {options.env} reads no bars")
    from repro.bars_file import load_bars

    try:
        bars = load_bars(options.bars)
        bars.require(required)
    except BarsError as error:
        raise UsageError("--bars", str(error)) from error
    return bars


def use_torch(options: Options) -> None:
    """Import torch, check that it has the device, and set its threads."""
    import torch

    if options.device.startswith("cuda"):
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if int(options.device.partition(":")[2] or 0) >= count:
            have = f"only {count}" if count else "none"
            raise UsageError("--device", f"{options.device!r} asks for a CUDA device, torch finds {have}; give cpu")
    if options.device == "mps" and not torch.backends.mps.is_available():
        raise UsageError("--device", "'mps' asks for an Apple GPU, torch finds none; give cpu")
    if options.threads is not None:
        torch.set_num_threads(options.threads)


def vectorised(options: Options, bars: Bars | None) -> Any:
    """The environments to train in, each under a Monitor."""
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

    from repro.envs import make_environment

    workers = options.vec_env == "subproc"
    method = None if options.start_method == "default" else options.start_method
    return make_vec_env(
        partial(make_environment, options.env, bars, options.episode_steps),
        n_envs=options.n_envs,
        seed=options.seed,
        vec_env_cls=SubprocVecEnv if workers else DummyVecEnv,
        vec_env_kwargs={"start_method": method} if workers else None,
    )


def terminal_logger(verbose: int) -> Any:
    """A log that goes to the terminal only: SB3's own leaves a folder in the system's temporary one each time.

    :param verbose: 0 logs nothing
    """
    from stable_baselines3.common.logger import HumanOutputFormat, Logger

    return Logger(folder=None, output_formats=[HumanOutputFormat(sys.stdout)] if verbose else [])


def clear_gpu_memory() -> None:
    """Give back what Python and torch hold without need; without a GPU only the former."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _progress_bar(options: Options) -> bool:
    if options.progress == "off":
        return False
    missing = [name for name in ("tqdm", "rich") if importlib.util.find_spec(name) is None]
    if missing:
        sys.stderr.write(f"repro: no progress bar, {' and '.join(missing)} not installed\n")
    return not missing


def _configuration(options: Options) -> str:
    chosen = {**vars(options), "total_timesteps": options.steps_to_learn, "target_kl": options.kl_limit}
    given = " ".join(f"{name}={_plain(value)}" for name, value in chosen.items() if value is not None)
    versions = " ".join(f"{name}={version(name)}" for name in PACKAGES)
    return f"repro: {given} | python={platform.python_version()} {versions}"


def _plain(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def version(package: str) -> str:
    """Of an installed package."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "unknown"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
