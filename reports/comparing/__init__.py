"""What changed between two runs or two sweeps, and whether one is as good as a baseline."""
