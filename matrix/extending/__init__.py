"""
Going on training from a checkpoint: pieces one after the other, each a run under the probes that leaves a checkpoint.

What is in the folder: ``extend.json`` (what was asked for), ``ledger.jsonl`` (what became of it), ``checkpoints/``,
``pieces/`` (the runs' folders) and, at the end, ``BASE-to-STEPS.zip``. The training itself is ``repro/extend``.
"""
