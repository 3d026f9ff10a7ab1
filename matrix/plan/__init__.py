"""What a sweep is to do: factors, levels, constraints, claims; from ``matrix.toml`` to cells and trials."""
