"""The environment that a cell trains in: resolved, built once by uv, cached, shared."""
