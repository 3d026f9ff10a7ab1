"""
One piece of a training that goes on from a checkpoint: ``PYTHON path/to/repro piece …``.

That is how ``freezelab extend`` runs it, in the training environment. A piece loads the user's own model or the last
checkpoint, trains so many steps more and leaves a checkpoint: a folder that is whole or not there at all. Several
pieces train what one call of ``learn`` would have, bit by bit, if the environment's state can be carried over
(``environment.py`` says when).

What a checkpoint holds: ``model.zip`` (as ``model.save`` writes it), ``state.pkl`` (what that leaves out: random
generators, last observations, LSTM states, the environment), ``vecnormalize.pkl`` and ``replay_buffer.pkl`` where there
are such, and ``checkpoint.json``, which tells of the others with their SHA-256.
"""
