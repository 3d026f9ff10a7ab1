"""The model that learns, and how far it is: the user-visible step count."""

from __future__ import annotations

import time
from typing import Any

from . import layout
from .recorder import recorder

_clock = time.monotonic_ns


class Learner:
    """
    Tells ``model.num_timesteps``.

    A training without callbacks calls nothing of ours between two steps of the environment, so the count is told
    wherever there is a mark anyway: before the next step, at each callback, and where a rollout ends.
    """

    model: Any = None
    """While its ``learn`` runs, on the thread whose phases are shown."""

    def tell_step(self, *_: Any) -> None:
        """
        The count, if it has changed.

        Called at every step: as :meth:`Recorder.step`, in place, and without the clock while the mark is at rest.
        """
        model, own = self.model, recorder
        if model is not None:
            number = model.num_timesteps
            if own.step_seen != number and (own.place < own.limit or own.owns_phases()):
                words = own.words
                words[layout.STEP] = own.step_seen = number
                if not own.at_rest:
                    words[layout.STEP_NS] = _clock()


learner = Learner()
