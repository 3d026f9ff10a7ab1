"""What is marked in each library: module name to the function that marks it once it is imported."""

from . import cloudpickle, gymnasium, stable_baselines3, torch

PATCHES = {**cloudpickle.PATCHES, **gymnasium.PATCHES, **stable_baselines3.PATCHES, **torch.PATCHES}
