"""The options of the training entry, and what each may be.

Standard library only: a wrong value is answered at once, and whoever plans trainings can ask `parser` what
there is without having a training library.
"""

from __future__ import annotations

import argparse
import difflib
import math
import multiprocessing
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NoReturn

from repro.envs import ENVIRONMENTS, is_users

Switch = Literal["off", "on"]

ADAPTER_TARGET_KL = 0.01
"""Target KL divergence with the adapter, unless another is asked for."""

_FIRST, *_, _LAST = ENVIRONMENTS  # names for the examples; any two will do

_EXAMPLES = f"""\
examples:
  python path/to/repro --env {_FIRST}
      the configuration of the report: RecurrentPPO, 2048 steps a rollout, two rollouts
  python path/to/repro --env {_LAST} --n-steps 256 --batch-size 32 --n-epochs 2
      a quick look
  python path/to/repro --env {_FIRST} --adapter on --device cpu --threads 1
      the adapter; raises RuntimeError in the first update
  python path/to/repro --env {_FIRST} --bars bars.parquet --save model.zip
      your own minute bars: timestamp, symbol, open, high, low, close, volume
  python path/to/repro --env {_LAST} --policy MlpPolicy --n-envs 4 --vec-env subproc
      a control without recurrence, in worker processes
  PYTHONPATH=src python path/to/repro --env mypkg.envs:MyEnv
      an environment of your own: a class or a function that makes one
"""


class UsageError(Exception):
    """An option whose value is wrong; printed as one line."""

    def __init__(self, option: str, problem: str) -> None:
        super().__init__(f"{option}: {problem}")


class Options(argparse.Namespace):
    """The options as parsed; names and meanings as in ``--help``."""

    env: str
    adapter: Switch
    base_model: Path | None
    bars: Path | None
    episode_steps: int | None
    device: str
    threads: int | None
    seed: int
    n_envs: int
    vec_env: Literal["dummy", "subproc"]
    start_method: str
    policy: Literal["MlpLstmPolicy", "MlpPolicy"]
    total_timesteps: int | None
    n_steps: int
    batch_size: int
    n_epochs: int
    learning_rate: float
    gamma: float
    gae_lambda: float
    clip_range: float
    ent_coef: float
    vf_coef: float
    max_grad_norm: float
    target_kl: float | Literal["auto", "none"]
    net_arch: list[int]
    activation: Literal["relu", "tanh"]
    lstm_hidden_size: int
    n_lstm_layers: int
    enable_critic_lstm: Literal["true", "false"]
    conservative: Switch
    conservative_n_steps: int
    conservative_batch_size: int
    clear_gpu_memory: Switch
    save: Path | None
    progress: Switch
    verbose: int

    @property
    def recurrent(self) -> bool:
        """Whether the model has an LSTM."""
        return self.policy == "MlpLstmPolicy"

    @property
    def steps_to_learn(self) -> int:
        """``total_timesteps``, or its default of two rollouts of one environment."""
        return 2 * self.n_steps if self.total_timesteps is None else self.total_timesteps

    @property
    def kl_limit(self) -> float | None:
        """``target_kl`` as stable-baselines3 takes it."""
        if self.target_kl == "auto":
            return ADAPTER_TARGET_KL if self.adapter == "on" else None
        return None if self.target_kl == "none" else self.target_kl


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Parse and check all that can be checked without a training library.

    :param arguments: words of the command line, default those of this process
    :raises SystemExit: with code 2 after one line on standard error if an option is wrong, and with code 0
        after ``--help``
    :raises UsageError: if options do not go together
    """
    words = sys.argv[1:] if arguments is None else arguments
    options = parser().parse_args(_attach_negative_values(words), namespace=Options())
    _check_together(options)
    return options


def refuses(arguments: Sequence[str]) -> str | None:
    """Why options that are good each by itself don't go together; None if they do.

    :param arguments: words of the command line
    """
    try:
        parse(arguments)
    except UsageError as error:
        return str(error)
    return None


def parser() -> argparse.ArgumentParser:
    """The parser of all options; each action's ``type`` and ``choices`` say what is allowed."""
    made = _OneLineParser(
        prog="repro",
        description="Trains the dual-ticker model as the report of the freeze did, or with any parameter changed.",
        epilog=_EXAMPLES,
        formatter_class=_HelpFormatter,
        allow_abbrev=False,
    )
    _add_run_options(made)
    _add_algorithm_options(made)
    _add_network_options(made)
    _add_attempt_options(made)
    return made


def _add_run_options(made: argparse.ArgumentParser) -> None:
    add = made.add_argument_group("what runs").add_argument
    add(
        "--env",
        default=next(iter(ENVIRONMENTS)),
        help=f"environment: {', '.join(ENVIRONMENTS)}, or module:Class of your own",
        **_environment(),
    )
    add("--bars", type=Path, metavar="FILE", help="minute bars, .csv or .parquet (default: a synthetic market)")
    add("--episode-steps", help="longest episode in steps (default: the environment's)", **_whole(1))
    add("--device", default="cpu", help="cpu, cuda, cuda:N, mps or auto (default: %(default)s)", **_device())
    add("--threads", help="torch threads (default: torch's own choice)", **_whole(1))
    add("--seed", default=0, help="seed of everything random", **_whole(0, 2**32 - 1))
    add("--total-timesteps", help="steps to train for (default: twice n-steps)", **_whole(1))
    add("--n-envs", default=1, help="number of environments", **_whole(1))
    add("--vec-env", default="dummy", help="in this process or in workers", **_one_of("dummy", "subproc"))
    methods = multiprocessing.get_all_start_methods()
    add(
        "--start-method",
        default="default",
        help="how subproc starts workers; default is SB3's choice",
        **_one_of("default", *methods),
    )
    add("--save", type=Path, metavar="ZIP", help="save the trained model there")
    add("--progress", default="off", help="progress bar, if tqdm and rich are there", **_one_of("off", "on"))
    add("--verbose", default=1, help="SB3's verbosity", **_whole(0, 2))


def _add_algorithm_options(made: argparse.ArgumentParser) -> None:
    add = made.add_argument_group("algorithm").add_argument
    add(
        "--policy",
        default="MlpLstmPolicy",
        help="RecurrentPPO's, or plain PPO's as a control without recurrence",
        **_one_of("MlpLstmPolicy", "MlpPolicy"),
    )
    add("--n-steps", default=2048, help="steps of each environment in a rollout", **_whole(1))
    add("--batch-size", default=64, help="samples in a minibatch", **_whole(2))
    add("--n-epochs", default=10, help="epochs in an update", **_whole(1))
    add("--learning-rate", default=1e-4, help="Adam's step size", **_above_zero())
    add("--gamma", default=0.99, help="discount", **_above_zero(1.0))
    add("--gae-lambda", default=0.95, help="bias against variance of advantages", **_from_zero(1.0))
    add("--clip-range", default=0.2, help="clipping of the policy ratio", **_above_zero())
    add("--ent-coef", default=0.01, help="weight of the entropy", **_from_zero())
    add("--vf-coef", default=0.5, help="weight of the value loss", **_from_zero())
    add("--max-grad-norm", default=0.5, help="clipping of the gradient", **_above_zero())
    add(
        "--target-kl",
        default="auto",
        help=f"KL divergence that ends an update: a number, none, or auto = {ADAPTER_TARGET_KL} with the adapter "
        "and none without (default: auto)",
        **_above_zero(words=("auto", "none")),
    )


def _add_network_options(made: argparse.ArgumentParser) -> None:
    add = made.add_argument_group("network", "the last three are for MlpLstmPolicy only").add_argument
    add("--net-arch", default="64,64", type=_layers, metavar="N,N", help="sizes of the layers")
    add("--activation", default="relu", help="activation function", **_one_of("relu", "tanh"))
    add("--lstm-hidden-size", default=256, help="size of the LSTM's state", **_whole(1))
    add("--n-lstm-layers", default=1, help="layers of the LSTM", **_whole(1))
    add("--enable-critic-lstm", default="true", help="an LSTM of its own for the critic", **_one_of("true", "false"))


def _add_attempt_options(made: argparse.ArgumentParser) -> None:
    add = made.add_argument_group("what the report tried").add_argument
    add("--adapter", default="off", help="adapt a single-ticker model with batch_first", **_one_of("off", "on"))
    add(
        "--base-model",
        type=Path,
        metavar="ZIP",
        help="single-ticker model for the adapter (default: one is constructed and left untrained)",
    )
    add("--conservative", default="off", help="lower n_steps and batch_size once built", **_one_of("off", "on"))
    add("--conservative-n-steps", default=1024, help="n_steps of the conservative attempt", **_whole(1))
    add("--conservative-batch-size", default=32, help="batch_size of the conservative attempt", **_whole(2))
    add("--clear-gpu-memory", default="off", help="free unused GPU memory before training", **_one_of("off", "on"))


def _check_together(options: Options) -> None:
    if options.adapter == "on" and not options.recurrent:
        raise UsageError("--adapter", f"on needs --policy MlpLstmPolicy, not {options.policy}")
    if options.base_model is not None and options.adapter == "off":
        raise UsageError("--base-model", f"{str(options.base_model)!r} is for the adapter, add --adapter on")
    if options.save is not None and not options.save.absolute().parent.is_dir():
        raise UsageError("--save", f"{str(options.save)!r} lies in a folder that does not exist, make it first")
    # A single sample has no standard deviation, so that normalising its advantage gives NaN.
    samples = options.n_steps * options.n_envs
    if samples == 1:
        raise UsageError("--n-steps", "1 with one environment is a rollout of one sample, give 2 or more")
    if options.recurrent and samples % options.batch_size == 1:
        raise UsageError(
            "--batch-size",
            f"{options.batch_size} leaves a last minibatch of one sample out of {samples} (n-steps × n-envs), "
            "give a size that divides it",
        )


class _OneLineParser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage of forty options."""

    def error(self, message: str) -> NoReturn:
        unknown = re.fullmatch(r"unrecognized arguments: (\S+).*", message, re.DOTALL)
        if unknown:
            known = [option for action in self._actions for option in action.option_strings]
            word = unknown[1].partition("=")[0]
            message = f"{word}: there is no such option{_closest(word, known)}; --help lists all"
        self.exit(2, f"repro: {' '.join(message.removeprefix('argument ').split())}\n")


class _HelpFormatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Keeps the line breaks of the examples, and adds defaults where the help names none."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default is None or "(default: " in (action.help or ""):
            return action.help
        return super()._get_help_string(action)


def _attach_negative_values(words: Sequence[str]) -> list[str]:
    """``--x -1e-4`` to ``--x=-1e-4``: argparse would take the number for an option and hide it from the user."""
    attached: list[str] = []
    for word in words:
        is_value = re.match(r"-(\d|\.\d|inf|nan)", word, re.IGNORECASE)
        if is_value and attached and re.fullmatch(r"--[a-z-]+", attached[-1]):
            attached[-1] += f"={word}"
        else:
            attached.append(word)
    return attached


def _closest(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.5)
    return f", did you mean {close[0]}?" if close else ""


def _one_of(*known: str) -> dict[str, Any]:
    def parse_word(text: str) -> str:
        if text not in known:
            raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(known)}{_closest(text, known)}")
        return text

    return {"type": parse_word, "choices": known}


def _environment() -> dict[str, Any]:
    def parse_environment(text: str) -> str:
        if text in ENVIRONMENTS or is_users(text):
            return text
        known = ", ".join(ENVIRONMENTS)
        if ":" in text:
            raise argparse.ArgumentTypeError(f"{text!r} is not one of {known}, nor module:Class, as mypkg.envs:MyEnv")
        raise argparse.ArgumentTypeError(f"{text!r} is not one of {known}{_closest(text, tuple(ENVIRONMENTS))}")

    return {"type": parse_environment, "metavar": "NAME"}


def _whole(lowest: int, highest: int | None = None) -> dict[str, Any]:
    allowed = f"{lowest} or more" if highest is None else f"from {lowest} to {highest}"

    def parse_whole(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = None
        if value is None or value < lowest or (highest is not None and value > highest):
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number {allowed}")
        return value

    return {"type": parse_whole, "metavar": "N"}


def _above_zero(highest: float = math.inf, words: tuple[str, ...] = ()) -> dict[str, Any]:
    return _real(lambda value: 0 < value <= highest, "above 0", highest, words)


def _from_zero(highest: float = math.inf) -> dict[str, Any]:
    return _real(lambda value: 0 <= value <= highest, "0 or more", highest, ())


def _real(fits: Callable[[float], bool], allowed: str, highest: float, words: tuple[str, ...]) -> dict[str, Any]:
    most = f" and at most {highest:g}" if math.isfinite(highest) else ""
    instead = f", nor {' or '.join(words)}" if words else ""

    def parse_real(text: str) -> float | str:
        if text in words:
            return text
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and fits(value)):
            raise argparse.ArgumentTypeError(f"{text!r} is not a number {allowed}{most}{instead}")
        return value

    return {"type": parse_real, "metavar": "X"}


def _layers(text: str) -> list[int]:
    try:
        sizes = [int(size) for size in text.split(",")]
    except ValueError:
        sizes = []
    if not sizes or min(sizes) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of sizes like 64,64")
    return sizes


def _device() -> dict[str, Any]:
    def parse_device(text: str) -> str:
        if not re.fullmatch(r"cpu|auto|mps|cuda(:\d+)?", text):
            known = ("cpu", "cuda", "mps", "auto")
            raise argparse.ArgumentTypeError(f"{text!r} is not cpu, cuda, cuda:N, mps or auto{_closest(text, known)}")
        return text

    return {"type": parse_device, "metavar": "NAME"}
