"""
Algorithms that fill a rollout of ``n_steps`` in each environment and then update: PPO and its kin, A2C, TRPO.

Sources: ``train`` of ``stable_baselines3/{ppo,a2c}`` and ``sb3_contrib/{ppo_recurrent,ppo_mask,trpo}``, 1.0 to 2.9.
"""

from __future__ import annotations

from repro.checkpoints.algorithms.interface import Algorithm, Range, Settings, Stretch, Work, steps_text
from repro.checkpoints.data import Data

OPTIMISER = "policy.optimizer"


def rollout(settings: Settings) -> int:
    """Steps of one rollout, all environments together."""
    return settings.positive("n_steps") * settings.n_envs


def _rollouts(settings: Settings, stretch: Stretch) -> Range:
    """
    Rollouts that were trained on.

    A callback may save when the last rollout is full but not trained on yet, or while it is being filled. Of several
    calls of ``learn``, each may have been stopped in the middle of a rollout.
    """
    most = stretch.steps // rollout(settings)
    return Range(max(0, most - (1 if stretch.whole else 3)), most)


def _setting(settings: Settings) -> str:
    envs = settings.n_envs
    return f"n_steps {settings.positive('n_steps'):,}" + (f" in {envs} environments" if envs > 1 else "")


def _ppo(settings: Settings, stretch: Stretch) -> Work:
    rollouts, epochs = _rollouts(settings, stretch), settings.positive("n_epochs")
    batch = settings.positive("batch_size")
    minibatches = -(-rollout(settings) // batch)
    each = epochs * minibatches
    low = rollouts.low * each
    if not stretch.whole:
        # Other numbers of environments share the same steps among fewer or more rollouts; minibatches stay as many.
        low = min(low, max(0, stretch.steps - 3 * rollout(settings)) // batch * epochs)
    steps, updates = Range(low, rollouts.high * each), Range(rollouts.low * epochs, rollouts.high * epochs)
    stops = settings.data.number("target_kl") is not None
    says = (
        f"{steps_text(stretch)} at {_setting(settings)} are {rollouts.high:,} rollouts × n_epochs {epochs} × "
        f"{minibatches} minibatches of {batch} = {rollouts.high * each:,} optimiser steps"
    )
    if stops:
        # An epoch is given up before the step that would go too far; a rollout's first can't be: nothing moved yet.
        steps, updates = Range(rollouts.low, steps.high), Range(rollouts.low, updates.high)
        says += " at most, and at least one for each rollout, as target_kl may end an update early"
    return Work(says, {OPTIMISER: steps}, updates)


def _a2c(settings: Settings, stretch: Stretch) -> Work:
    rollouts = _rollouts(settings, stretch)
    says = f"{steps_text(stretch)} at {_setting(settings)} are {rollouts.high:,} rollouts with one optimiser step each"
    return Work(says, {OPTIMISER: rollouts}, rollouts)


def _trpo(settings: Settings, stretch: Stretch) -> Work:
    rollouts, critic = _rollouts(settings, stretch), settings.positive("n_critic_updates")
    minibatches = -(-rollout(settings) // settings.positive("batch_size"))
    each = critic * minibatches
    says = (
        f"{steps_text(stretch)} at {_setting(settings)} are {rollouts.high:,} rollouts × n_critic_updates {critic} × "
        f"{minibatches} minibatches = {rollouts.high * each:,} steps of the critic's optimiser (the actor has none)"
    )
    return Work(says, {OPTIMISER: Range(rollouts.low * each, rollouts.high * each)}, rollouts)


def _ppo_name(data: Data) -> str:
    policy = data.class_name("policy_class").lower() + data.class_name("rollout_buffer_class").lower()
    return "RecurrentPPO" if "recurrent" in policy else "MaskablePPO" if "maskable" in policy else "PPO"


ALGORITHMS = (
    Algorithm(
        name=lambda _: "TRPO",
        matches=lambda data: "cg_max_steps" in data or "n_critic_updates" in data,
        work=_trpo,
        pause=rollout,
        grain=lambda settings: settings.positive("n_steps"),
        zero_biases=True,
        family="on-policy",
    ),
    Algorithm(
        name=_ppo_name,
        matches=lambda data: "n_epochs" in data and "clip_range" in data,
        work=_ppo,
        pause=rollout,
        grain=lambda settings: settings.positive("n_steps"),
        zero_biases=True,
        family="on-policy",
    ),
    Algorithm(
        name=lambda _: "A2C",
        matches=lambda data: "gae_lambda" in data and "n_steps" in data,
        work=_a2c,
        pause=rollout,
        grain=lambda settings: settings.positive("n_steps"),
        updates_are=OPTIMISER,
        zero_biases=True,
        family="on-policy",
    ),
)
