"""
The doing of a bisection: what ``matrix/bisect`` says is to be tried is built, run under the probes, and written down.

``search.py`` is where to begin. ``versions.py``, ``lock.py`` and ``factors.py`` each say what a candidate is and how it
is tried; ``steps.py`` compares two runs that are over.
"""
