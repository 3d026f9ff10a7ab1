"""
Was a checkpoint trained as it claims? The audit of a file that stable-baselines3 saved.

Nothing in such a file is ever executed or imported: it may come from anywhere. So the zip (``archive``), the pickles
(``pickles``) and torch's tensor files (``torch_file``) are read by parsers of our own, with numpy and the standard
library alone; no torch is needed. ``audit.audit`` is the way in.
"""
