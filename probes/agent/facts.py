"""The training set-up in figures, read from the model when ``learn`` begins: what a report must be able to compare."""

from __future__ import annotations

import math
import sys
from typing import Any

from .recorder import recorder

_HYPERPARAMETERS = (
    "n_steps",
    "batch_size",
    "n_epochs",
    "gamma",
    "gae_lambda",
    "ent_coef",
    "vf_coef",
    "max_grad_norm",
    "target_kl",
    "learning_starts",
    "train_freq",
    "gradient_steps",
    "buffer_size",
    "n_envs",
)
_LIBRARIES = ("stable_baselines3", "sb3_contrib", "gymnasium", "gym", "torch", "numpy")


last: dict[str, Any] = {}
"""What was told last."""


def tell(facts: dict[str, Any]) -> None:
    """Writes facts into the flight recorder."""
    global last
    last = facts
    recorder.text("facts", facts)


def of_process() -> dict[str, Any]:
    """Interpreter and platform."""
    return {
        "python": sys.version.split()[0],
        "executable": sys.executable,
        "prefix": sys.prefix,
        "site": [path for path in sys.path if path.rstrip("/").endswith(("site-packages", "dist-packages"))],
    }


def of_model(model: Any, total_timesteps: object) -> dict[str, Any]:
    """
    :param model: a stable-baselines3 algorithm.
    :return: a JSON value; what can't be read is left out.
    """
    facts: dict[str, Any] = {"process": of_process(), "total_timesteps": total_timesteps}
    try:
        facts["algorithm"] = type(model).__name__
        facts["algorithm_module"] = type(model).__module__
        facts["policy"] = type(model.policy).__name__
        facts["device"] = str(model.device)
        facts["hyperparameters"] = {
            name: _plain(getattr(model, name)) for name in _HYPERPARAMETERS if hasattr(model, name)
        }
        facts["hyperparameters"].update(_train_freq(model))
        buffer = getattr(model, "rollout_buffer", None) or getattr(model, "replay_buffer", None)
        if buffer is not None:
            facts["buffer"] = {"class": type(buffer).__name__, "buffer_size": buffer.buffer_size}
        facts["recurrent_modules"] = _recurrent_modules(model.policy)
        facts["libraries"] = {
            name: str(getattr(sys.modules[name], "__version__", None)) for name in _LIBRARIES if name in sys.modules
        }
        torch = sys.modules.get("torch")
        if torch is not None:
            facts["torch_threads"] = torch.get_num_threads()
    except Exception as error:  # noqa: BLE001
        recorder.fault("facts", error)
    return facts


def _train_freq(model: Any) -> dict[str, Any]:
    """Off-policy: steps of the environments between two updates, where that is what ``train_freq`` counts."""
    frequency = getattr(model, "train_freq", None)
    unit = getattr(getattr(frequency, "unit", None), "value", None)
    return {"train_freq_steps": frequency.frequency * model.n_envs} if frequency and unit == "step" else {}


def _recurrent_modules(policy: Any) -> dict[str, dict[str, Any]]:
    found = {}
    for name, module in policy.named_modules():
        if hasattr(module, "batch_first") and hasattr(module, "hidden_size"):
            found[name] = {
                "class": type(module).__name__,
                "batch_first": module.batch_first,
                "input_size": getattr(module, "input_size", None),
                "hidden_size": module.hidden_size,
                "num_layers": getattr(module, "num_layers", None),
            }
    return found


def _plain(value: object) -> object:
    if isinstance(value, float):
        # JSON has no infinity.
        return value if math.isfinite(value) else str(value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return str(value)
