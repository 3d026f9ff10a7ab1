"""
``fused-lstm``: whole sequences through the LSTM at once, also where an episode starts.

sb3-contrib's ``_process_sequence`` does so only if no episode starts in the minibatch, and otherwise calls the LSTM
once for each time step. An update has its minibatches cut at each start: there a start stands at position 0 of a
sequence and means no more than a state of zeros. So the original is given that state, and no start. Where a start
stands elsewhere, the original is called as it is.
"""

from __future__ import annotations

import functools
import sys
import weakref
from typing import Any

from ..recorder import recorder
from . import log
from .interface import DoesNotFitError, Patch, Remedy

ID = "fused-lstm"
_ARGUMENTS = ("features", "lstm_states", "episode_starts", "lstm")
TOLERANCE = 1e-5
"""Absolute: an LSTM's outputs lie between -1 and 1."""
_COARSE_TOLERANCE = 2e-3
"""On a device whose LSTM may compute in TF32: 10 bits."""


def process_sequence_of(policies: Any) -> Any:
    """
    The function to stand in for.

    :param policies: the module ``sb3_contrib.common.recurrent.policies``.
    :raises DoesNotFitError: it is not the one that is known.
    """
    found = vars(policies.RecurrentActorCriticPolicy).get("_process_sequence")
    if not isinstance(found, staticmethod):
        raise DoesNotFitError("RecurrentActorCriticPolicy has no static method _process_sequence")
    function = found.__func__
    arguments = function.__code__.co_varnames[: function.__code__.co_argcount]
    if arguments != _ARGUMENTS:
        raise DoesNotFitError("_process_sequence takes (%s), not (%s)" % (", ".join(arguments), ", ".join(_ARGUMENTS)))
    return function


class Trust:
    """Which LSTMs have been seen to give the same by another way, each on the first sequences it is given."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._known: weakref.WeakKeyDictionary[Any, bool] = weakref.WeakKeyDictionary()

    def holds(self, lstm: Any) -> bool | None:
        """None if it has not been tried."""
        return self._known.get(lstm)

    def decide(self, lstm: Any, apart: float, says: str) -> bool:
        """
        :param apart: the largest difference of any two outputs; not a number counts as different.
        """
        coarse = lstm.weight_ih_l0.device.type != "cpu"
        good = self._known[lstm] = apart <= (_COARSE_TOLERANCE if coarse else TOLERANCE)
        if good:
            how_far = "%.0e apart at most" % apart if apart else "the same bit by bit"
            log.note(self._name, log.APPLIED, "%s; computed both ways, the first were %s" % (says, how_far))
        else:
            log.note(self._name, log.REFUSED, "on the first sequences its output was %.0e apart" % apart)
        return good

    def refuse(self, lstm: Any, says: str) -> None:
        """For a reason that needs no trial."""
        self._known[lstm] = False
        log.note(self._name, log.REFUSED, says)


def _patch(policies: Any) -> None:
    original = process_sequence_of(policies)
    torch = sys.modules["torch"]
    trust = Trust(ID)

    @functools.wraps(original)
    def _process_sequence(features: Any, lstm_states: Any, episode_starts: Any, lstm: Any) -> Any:
        try:
            states = begun(features, lstm_states, episode_starts, lstm)
        except Exception as error:  # noqa: BLE001
            recorder.fault(ID, error)
            log.note(ID, log.REFUSED, "the first sequences could not be computed both ways: %r" % error)
            states = None
        if states is None:
            return original(features, lstm_states, episode_starts, lstm)
        return original(features, states, torch.zeros_like(episode_starts), lstm)

    def begun(features: Any, lstm_states: Any, episode_starts: Any, lstm: Any) -> Any:
        """The states with zeros where an episode starts; None if the original is to be called as it is."""
        n_seq = lstm_states[0].shape[1]
        starts = episode_starts.reshape((n_seq, -1))
        if starts.shape[1] < 2 or trust.holds(lstm) is False:
            return None
        if torch.any(starts[:, 1:] != 0.0) or not torch.any(starts[:, 0] != 0.0):
            return None
        if lstm.dropout and lstm.training:
            trust.refuse(lstm, "the LSTM has dropout, which would be drawn in another order")
            return None
        goes_on = (1.0 - starts[:, 0]).view(1, n_seq, 1)
        states = (goes_on * lstm_states[0], goes_on * lstm_states[1])
        if trust.holds(lstm) is None:
            with torch.no_grad():
                expected, (hidden, cell) = original(features, lstm_states, episode_starts, lstm)
                found, (new_hidden, new_cell) = original(features, states, torch.zeros_like(episode_starts), lstm)
                pairs = ((found, expected), (new_hidden, hidden), (new_cell, cell))
                apart = max(float((one - other).abs().max()) for one, other in pairs)
            if not trust.decide(lstm, apart, "sequences went through the LSTM at once"):
                return None
        return states

    policies.RecurrentActorCriticPolicy._process_sequence = staticmethod(_process_sequence)


def _patches(value: str) -> dict[str, Patch]:
    return {"sb3_contrib.common.recurrent.policies": _patch}


REMEDY = Remedy(
    id=ID,
    changes="the recurrent policy runs each whole sequence of an update through its LSTM at once, with a state of "
    "zeros where an episode starts, instead of one time step after the other",
    results="Losses, gradients and actions stay the same within 1e-5, and rollouts bit by bit until the first update. "
    "The first sequences of each LSTM are computed both ways; if they differ the remedy steps back and says so. An "
    "LSTM with dropout is left alone.",
    patches=_patches,
    cures=("recurrent-update-loop",),
)
