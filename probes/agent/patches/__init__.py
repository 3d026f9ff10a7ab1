"""What is marked in each library: module name to the function that marks it once it is imported."""

from . import gymnasium, stable_baselines3, torch

PATCHES = {**gymnasium.PATCHES, **stable_baselines3.PATCHES, **torch.PATCHES}
