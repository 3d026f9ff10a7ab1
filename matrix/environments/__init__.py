"""
The environment that a cell trains in: resolved, built once by uv, cached, shared, and kept as it was built.

``cache.py`` is where to begin: ``provide`` is resolve (``resolving.py``) → compare with what was built (``guard.py``) →
build (``building.py``) → mark as used (``use.py``) → make room (``eviction.py``). ``layout.py`` says what is where.
"""
