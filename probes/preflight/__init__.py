"""
What can be known of a run before it goes wrong: read once ``learn`` has begun, and told at once.

``known``: what a run tells of itself by then, and what the system tells of it · ``checks``: each a pure question to
that, which says what it saw, why it matters and what to do · ``follower``: follows a run until all is known.

None of it bears on the verdict: whether it comes to that is for the run to show.
"""

from __future__ import annotations

from probes.preflight.checks import Warned, warnings
from probes.preflight.follower import KIND, Preflight
from probes.preflight.known import Known

__all__ = ["KIND", "Known", "Preflight", "Warned", "warnings"]
