"""What runs: the environments, the adapter and the training entry of the step-2000 freeze.

A cell runs this package as a program in its own environment (``PYTHON path/to/repro --help``), so it
imports nothing of the other packages here, and needs only what a training environment has anyway.
"""
